//! From the registry to fitted settings: amounts, fits, and each network predicted without itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use zen_nas::latency::{
    Composition, ErrorFigures, FEATURES, Fitted as FittedModel, Formula, KeyKind, LatencyError, LatencyModel,
    OperatorKey, Predictor, Prior, Setting, Table, TableShare,
};

use super::engine::{self, Observation};
use super::interval::{FACTOR, reach_of_pool, reach_of_quantile};
use super::matrix::Symmetric;
use super::networks::{Networks, group_of};
use super::registry::{BaseTable, Coefficient, Family, LeaveOneOut, Member, Registry, registries};
use super::rows::{Figure, Figures};

/// Largest leave-one-out error of a setting that is shipped.
const LARGEST_ERROR: f64 = 0.20;

/// A setting with its fit.
#[derive(Clone, Debug)]
pub struct Fitted {
    pub setting: Setting,
    /// What its coefficients lie around, in words.
    pub around: String,
    pub model: LatencyModel,
    /// Networks of this batch.
    pub networks: Vec<Predicted>,
    /// Networks with published times that no fit is made on: predicted by the fit, which has not seen them.
    pub unseen: Vec<Predicted>,
    /// Networks that were left out one by one, near-copies together, and figures, of all batches of the fit.
    pub groups: usize,
    pub figures: usize,
    pub error: ErrorFigures,
    /// Mean absolute relative error of the fit itself.
    pub fit_mape: f64,
    /// Logarithm of the factor that holds 90% of networks on either side.
    pub reach: f64,
    /// Why it is not shipped, if it is not.
    pub tried: Option<String>,
    pub regime: String,
    pub includes: String,
    pub notes: String,
    pub runtime_version: String,
    /// The table whose operator times it takes a share of.
    pub base: Option<Table>,
}

/// A published time beside predictions.
#[derive(Clone, Debug)]
pub struct Predicted {
    pub figure: Figure,
    /// By the fit to the networks that are not its near-copies.
    pub left_out_ms: f64,
    pub fit_ms: f64,
}

impl Predicted {
    /// Logarithm of predicted over published time.
    pub fn log_error(&self) -> f64 {
        (self.left_out_ms / self.figure.ms).ln()
    }
}

/// Fits every setting of the registry to the files under `raw`. `base` gives tables of operators.
///
/// # Errors
/// When a raw file is missing or does not read, or a family has no rows.
pub fn fit_all(
    raw: &Path,
    networks: &Networks,
    base: &dyn Fn(&Setting) -> Result<Table, LatencyError>,
) -> Result<Vec<Fitted>, LatencyError> {
    let figures = Figures::read(raw)?;
    let mut fitted: Vec<Fitted> = Vec::new();
    let mut known: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
    let mut pools: BTreeMap<usize, String> = BTreeMap::new();
    for registry in registries()? {
        for family in &registry.family {
            let made = Room { registry: &registry, family, figures: &figures, networks, base }.fit(&mut known)?;
            if let Some(pool) = &family.pool {
                pools.extend((fitted.len()..fitted.len() + made.len()).map(|place| (place, pool.clone())));
            }
            fitted.extend(made);
        }
    }
    // Intervals of settings that are pooled follow from all that are shipped.
    let squares =
        |fitted: &Fitted| -> Vec<f64> { fitted.networks.iter().map(|network| network.log_error().powi(2)).collect() };
    let mut pooled: BTreeMap<&String, Vec<f64>> = BTreeMap::new();
    for (place, pool) in &pools {
        let all = pooled.entry(pool).or_default();
        if fitted[*place].tried.is_none() {
            all.extend(squares(&fitted[*place]));
        }
    }
    let means: BTreeMap<&String, f64> = pooled
        .iter()
        .map(|(pool, squares)| (*pool, squares.iter().sum::<f64>() / squares.len().max(1) as f64))
        .collect();
    for (place, pool) in &pools {
        let errors: Vec<f64> = fitted[*place].networks.iter().map(Predicted::log_error).collect();
        fitted[*place].reach = reach_of_pool(&errors, means[pool]);
    }
    for one in &mut fitted {
        one.model.composition.spread_factor = FACTOR;
        one.model.composition.spread_floor = one.reach / FACTOR;
    }
    Ok(fitted)
}

/// A family of the registry with what it is fitted on.
struct Room<'r> {
    registry: &'r Registry,
    family: &'r Family,
    figures: &'r Figures,
    networks: &'r Networks,
    base: &'r dyn Fn(&Setting) -> Result<Table, LatencyError>,
}

/// A member while it is fitted.
struct Prepared<'r> {
    member: &'r Member,
    setting: Setting,
    coefficients: Vec<&'r Coefficient>,
    figures: Vec<Figure>,
    groups: Vec<String>,
    /// Rows that are not fitted.
    unseen: Vec<Figure>,
    /// By batch.
    tables: Vec<Base>,
}

/// A table of operators for one batch, and what is taken off its times.
struct Base {
    batch: u32,
    table: Table,
    predictor: Predictor,
    launch_ms: f64,
    light_launch_ms: f64,
}

impl Room<'_> {
    fn failed(&self, reason: &str) -> LatencyError {
        LatencyError::Fit { what: self.family.name.clone(), reason: reason.to_owned() }
    }

    /// Fits the family; `known` holds the coefficients of settings fitted before and takes these.
    fn fit(&self, known: &mut BTreeMap<String, BTreeMap<String, f64>>) -> Result<Vec<Fitted>, LatencyError> {
        let prepared =
            self.family.members.iter().map(|member| self.prepare(member)).collect::<Result<Vec<_>, LatencyError>>()?;
        let names: BTreeSet<&String> = prepared.iter().flat_map(|member| &member.groups).collect();
        let place = |group: &String| names.iter().position(|name| *name == group).unwrap_or_default();
        let mut members = Vec::new();
        for member in &prepared {
            let observations = member
                .figures
                .iter()
                .zip(&member.groups)
                .map(|(figure, group)| {
                    let amounts = self.amounts(member, figure)?;
                    Ok(Observation { amounts, ms: figure.ms, group: place(group) })
                })
                .collect::<Result<Vec<_>, LatencyError>>()?;
            let centre = self.centre(member, known)?;
            let precision = self.precision(member.member, &member.coefficients)?;
            members.push(engine::Member { observations, centre, precision });
        }
        let size = prepared.first().map_or(0, |member| member.coefficients.len());
        let everyone = vec![1.0; size];
        let shape_precision = match self.family.shape_own {
            Some(own) => {
                let scale = 10.0 * self.family.scale.unwrap_or(1.0);
                let precision = engine::precision(&vec![own; size], &[(everyone, scale)]);
                Some(precision.ok_or_else(|| self.failed("the deviations of the shape are not positive"))?)
            }
            None => None,
        };
        let family = engine::Family {
            members,
            shape_precision,
            noise: self.family.noise,
            robust: self.family.robust,
            common: self.family.common,
        };
        let singular = || self.failed("the fit is singular");
        let fit = family.fit(None).ok_or_else(singular)?;
        let left_out = family.left_out().ok_or_else(singular)?;
        let mut made = Vec::new();
        for (index, member) in prepared.into_iter().enumerate() {
            let coefficients: BTreeMap<String, f64> = member
                .coefficients
                .iter()
                .zip(&fit.logarithms[index])
                .map(|(coefficient, logarithm)| (coefficient.name.clone(), logarithm.exp()))
                .collect();
            let predicted: Vec<Predicted> = member
                .figures
                .iter()
                .zip(family.members[index].observations.iter().zip(&left_out[index]))
                .map(|(figure, (observation, left_out_ms))| Predicted {
                    figure: figure.clone(),
                    left_out_ms: *left_out_ms,
                    fit_ms: fit.ms(index, &observation.amounts),
                })
                .collect();
            let mut unseen = Vec::new();
            for figure in &member.unseen {
                let ms = fit.ms(index, &self.amounts(&member, figure)?);
                unseen.push(Predicted { figure: figure.clone(), left_out_ms: ms, fit_ms: ms });
            }
            made.extend(self.finish(&member, &coefficients, &predicted, &unseen)?);
            known.insert(member.member.setting.clone(), coefficients);
        }
        Ok(made)
    }

    fn prepare<'m>(&'m self, member: &'m Member) -> Result<Prepared<'m>, LatencyError> {
        let family = self.family;
        let setting: Setting = member.setting.parse()?;
        let rows = if member.filters.is_empty() { vec![member.rows.clone()] } else { member.filters.clone() };
        let filters: Vec<_> = rows.iter().map(|filter| filter.or(&family.rows)).collect();
        let names = if family.names.is_empty() { &self.registry.names } else { &family.names };
        let left_out = |figure: &Figure| family.leave_out.contains(&figure.id) || member.leave_out.contains(&figure.id);
        let all = self.figures.used(&filters, names, self.networks, family.repeats);
        let (unseen, figures): (Vec<Figure>, Vec<Figure>) = all.into_iter().partition(left_out);
        if figures.is_empty() {
            return Err(self.failed(&format!("no published time of a rebuilt network on {setting}")));
        }
        let group = |figure: &Figure| match family.leave_one_out {
            LeaveOneOut::Network => group_of(&figure.id),
            LeaveOneOut::Input => figure.id.clone(),
        };
        let groups = figures.iter().map(group).collect();
        let list = self.registry.coefficients.get(&family.coefficients);
        let list = list.ok_or_else(|| self.failed("its list of coefficients is missing"))?;
        let coefficients = list.iter().filter(|coefficient| !member.without.contains(&coefficient.name)).collect();
        let batches: BTreeSet<u32> = figures.iter().map(|figure| figure.batch).collect();
        let tables = match &member.table {
            None => Vec::new(),
            Some(base) => batches.iter().map(|batch| self.base(base, *batch)).collect::<Result<_, _>>()?,
        };
        Ok(Prepared { member, setting, coefficients, figures, groups, unseen, tables })
    }

    fn base(&self, base: &BaseTable, batch: u32) -> Result<Base, LatencyError> {
        let setting = Setting { batch_size: batch, ..base.setting.parse()? };
        let mut table = (self.base)(&setting)?;
        // What a fit takes of it are the operators' times as they were measured.
        if let Some(model) = &mut table.model {
            model.fitted = None;
            model.composition = Composition::default();
        }
        let own_ms = match table.model.as_ref().map(|model| &model.prior) {
            Some(Prior::Roofline(roofline)) => roofline.launch_ms,
            _ => 0.0,
        };
        let launch_ms = base.launch_ms.unwrap_or(base.launch_share.unwrap_or(0.0) * own_ms);
        let predictor = Predictor::from_table(&table)?;
        Ok(Base { batch, table, predictor, launch_ms, light_launch_ms: base.light_launch_ms })
    }

    /// Amounts of a network for each coefficient.
    fn amounts(&self, member: &Prepared, figure: &Figure) -> Result<Vec<f64>, LatencyError> {
        let keys = self.networks.get(&figure.id).unwrap_or_default();
        let multiple = self.family.channel_multiple.unwrap_or(1);
        let table = member.tables.iter().find(|table| table.batch == figure.batch);
        let uses = |name: &str| member.coefficients.iter().any(|one| one.features.contains_key(name));
        let alone = FEATURES.iter().find(|feature| feature.is_alone() && uses(feature.name));
        let of_feature = |name: &str| -> f64 {
            if name == "call" {
                return 1.0;
            }
            if let Some(class) = name.strip_prefix("table.") {
                return keys.iter().map(|key| table.map_or(0.0, |table| table.amount(key, class))).sum();
            }
            let Some(feature) = FEATURES.iter().find(|feature| feature.name == name) else { return 0.0 };
            keys.iter()
                .filter(|key| {
                    feature.is_alone() || alone.is_none_or(|alone| alone.amount(key, figure.batch, multiple) == 0.0)
                })
                .map(|key| feature.amount(key, figure.batch, multiple))
                .sum()
        };
        let of = |coefficient: &&Coefficient| -> f64 {
            coefficient.features.iter().map(|(name, factor)| factor * of_feature(name)).sum()
        };
        let amounts: Vec<f64> = member.coefficients.iter().map(of).collect();
        if amounts.iter().sum::<f64>() > 0.0 {
            Ok(amounts)
        } else {
            Err(self.failed(&format!("{} has no amount of anything", figure.id)))
        }
    }

    /// Logarithms of prior centres.
    fn centre(
        &self,
        member: &Prepared,
        known: &BTreeMap<String, BTreeMap<String, f64>>,
    ) -> Result<Vec<f64>, LatencyError> {
        let fitted = match &self.family.prior_from {
            None => None,
            Some(setting) => {
                Some(known.get(setting).ok_or_else(|| self.failed(&format!("{setting} must be fitted before")))?)
            }
        };
        let centre = |coefficient: &&Coefficient| {
            let per = match (coefficient.per, &member.member.sheet) {
                (Some(per), Some(sheet)) => sheet.value(per),
                _ => 1.0,
            };
            let prior = match fitted {
                None => coefficient.prior * per,
                Some(known) => known.get(&coefficient.name).copied().unwrap_or(coefficient.prior * per),
            };
            (prior * member.member.prior_factors.get(&coefficient.name).unwrap_or(&1.0)).ln()
        };
        Ok(member.coefficients.iter().map(centre).collect())
    }

    fn precision(&self, member: &Member, coefficients: &[&Coefficient]) -> Result<Symmetric, LatencyError> {
        let family = self.family;
        let own: Vec<f64> = coefficients
            .iter()
            .map(|coefficient| {
                let deviations = [member.sd.get(&coefficient.name).copied(), family.own, family.sd, coefficient.sd];
                deviations.into_iter().flatten().next().unwrap_or(0.4)
            })
            .collect();
        let mut scales: Vec<(Vec<f64>, f64)> =
            family.scale.iter().map(|scale| (vec![1.0; own.len()], *scale)).collect();
        for (group, deviation) in &family.group_scales {
            let among = |coefficient: &&Coefficient| f64::from(u8::from(coefficient.group.as_ref() == Some(group)));
            scales.push((coefficients.iter().map(among).collect(), *deviation));
        }
        engine::precision(&own, &scales).ok_or_else(|| self.failed("the deviations are not positive"))
    }

    /// A fitted setting for each batch that gets a table.
    fn finish(
        &self,
        member: &Prepared,
        coefficients: &BTreeMap<String, f64>,
        predicted: &[Predicted],
        unseen: &[Predicted],
    ) -> Result<Vec<Fitted>, LatencyError> {
        let family = self.family;
        let groups = member.groups.iter().collect::<BTreeSet<_>>().len();
        let errors: Vec<f64> = predicted.iter().map(|network| network.log_error().abs()).collect();
        let batches = match member.member.batches.as_slice() {
            [] => vec![member.setting.batch_size],
            batches => batches.to_vec(),
        };
        let around = match (&family.prior_from, family.shape_own, family.members.len()) {
            (Some(setting), ..) => format!("those of {setting}"),
            (None, None, _) => "a prior from data sheets".to_owned(),
            (None, Some(_), 1) => "a prior".to_owned(),
            (None, Some(_), count) => format!("a shape that {count} settings share"),
        };
        let mut made = Vec::new();
        for batch in batches {
            let networks: Vec<Predicted> =
                predicted.iter().filter(|network| network.figure.batch == batch).cloned().collect();
            let pairs = |of: fn(&Predicted) -> f64| -> Vec<(f64, f64)> {
                networks.iter().map(|network| (of(network), network.figure.ms)).collect()
            };
            let of = |pairs: Vec<(f64, f64)>| {
                ErrorFigures::of(&pairs).ok_or_else(|| self.failed(&format!("no published time at batch {batch}")))
            };
            let error = of(pairs(|network| network.left_out_ms))?;
            let tried = family.tried.clone().or_else(|| {
                if error.mape > LARGEST_ERROR {
                    Some(format!("over {:.0}%", 100.0 * LARGEST_ERROR))
                } else if networks.len() < family.least_networks {
                    Some(format!("fewer than {} networks", family.least_networks))
                } else {
                    None
                }
            });
            let base = member.tables.iter().find(|table| table.batch == batch);
            made.push(Fitted {
                setting: Setting { batch_size: batch, ..member.setting.clone() },
                around: around.clone(),
                model: self.model(member, coefficients, base)?,
                unseen: unseen.iter().filter(|network| network.figure.batch == batch).cloned().collect(),
                groups,
                figures: predicted.len(),
                fit_mape: of(pairs(|network| network.fit_ms))?.mape,
                error,
                networks,
                reach: reach_of_quantile(&errors, groups),
                tried,
                regime: family.regime.clone(),
                includes: family.includes.clone(),
                notes: family.notes.clone(),
                runtime_version: family.runtime_version.clone(),
                base: base.map(|base| base.table.clone()),
            });
        }
        Ok(made)
    }

    fn model(
        &self,
        member: &Prepared,
        coefficients: &BTreeMap<String, f64>,
        base: Option<&Base>,
    ) -> Result<LatencyModel, LatencyError> {
        let mut of_features: BTreeMap<&str, f64> = BTreeMap::new();
        for coefficient in &member.coefficients {
            for (feature, factor) in &coefficient.features {
                *of_features.entry(feature).or_default() += factor * coefficients[&coefficient.name];
            }
        }
        let call_ms = of_features.remove("call").unwrap_or(0.0);
        let mut of_table = |class: &str| of_features.remove(format!("table.{class}").as_str()).unwrap_or(0.0);
        let share = TableShare {
            conv: of_table("conv"),
            depthwise: of_table("depthwise"),
            other_compute: of_table("other_compute"),
            light: of_table("light"),
            launch_ms: base.map_or(0.0, |base| base.launch_ms),
            light_launch_ms: base.map_or(0.0, |base| base.light_launch_ms),
        };
        let padded = self.family.channel_multiple.map(|multiple| ("channel_multiple", f64::from(multiple)));
        let formula = Formula::new(of_features.into_iter().chain(padded)).map_err(|reason| self.failed(&reason))?;
        let composition = Composition { call_ms, ..Composition::default() };
        let seen = member.figures.iter().flat_map(|figure| self.networks.get(&figure.id).unwrap_or_default());
        let kinds = seen.map(|key| key.fitted_kind().to_owned()).collect();
        let (prior, fitted) = match base.and_then(|base| base.table.model.as_ref()) {
            Some(model) => (model.prior.clone(), Some(FittedModel { formula, share })),
            None => (Prior::Formula(formula), None),
        };
        Ok(LatencyModel { prior, composition, fitted, kinds })
    }
}

impl Base {
    /// Milliseconds by the table, above its constant, of an operator of one of the classes that shares name.
    fn amount(&self, key: &OperatorKey, class: &str) -> f64 {
        let (its_class, launch_ms) = match key.kind {
            KeyKind::Conv if !key.has_groups() => ("conv", self.launch_ms),
            KeyKind::Depthwise => ("depthwise", self.launch_ms),
            KeyKind::Conv | KeyKind::Dense | KeyKind::MatMul => ("other_compute", self.launch_ms),
            _ => ("light", self.light_launch_ms),
        };
        if its_class == class { (self.predictor.operator_ms(key) - launch_ms).max(0.0) } else { 0.0 }
    }
}
