//! Fitting one family of the registry: rows, amounts and priors of its members.
//!
//! Not here: what becomes of the coefficients (`made`), intervals (`settings`).

use std::collections::{BTreeMap, BTreeSet};

use zen_nas::latency::{
    Composition, FEATURES, LatencyError, OperatorKey, Predictor, Prior, Setting, Table, TableShare,
};

use super::engine::{self, Observation};
use super::matrix::Symmetric;
use super::networks::{Networks, group_of};
use super::registry::{BaseTable, Coefficient, Family, Member, Registry};
use super::rows::{Figure, Figures};
use super::settings::{Fitted, Predicted};

/// A family of the registry with what it is fitted on.
pub(super) struct Room<'r> {
    pub(super) registry: &'r Registry,
    pub(super) family: &'r Family,
    pub(super) figures: &'r Figures,
    pub(super) networks: &'r Networks,
    pub(super) base: &'r dyn Fn(&Setting) -> Result<Table, LatencyError>,
}

/// A member while it is fitted.
pub(super) struct Prepared<'r> {
    pub(super) member: &'r Member,
    pub(super) setting: Setting,
    pub(super) coefficients: Vec<&'r Coefficient>,
    pub(super) figures: Vec<Figure>,
    pub(super) groups: Vec<String>,
    /// Rows that are not fitted.
    pub(super) unseen: Vec<Figure>,
    /// By batch.
    pub(super) tables: Vec<Base>,
}

/// A table of operators for one batch, and what is taken off its times.
pub(super) struct Base {
    pub(super) batch: u32,
    pub(super) table: Table,
    pub(super) predictor: Predictor,
    pub(super) launch_ms: f64,
    pub(super) light_launch_ms: f64,
}

impl Room<'_> {
    pub(super) fn failed(&self, reason: &str) -> LatencyError {
        LatencyError::Fit { what: self.family.name.clone(), reason: reason.to_owned() }
    }

    /// Fits the family; `known` holds the coefficients of settings fitted before and takes these.
    pub(super) fn fit(&self, known: &mut BTreeMap<String, BTreeMap<String, f64>>) -> Result<Vec<Fitted>, LatencyError> {
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
            let centre = self.centre(member, known, None)?;
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
        let mut family = engine::Family {
            members,
            shape_precision,
            noise: self.family.noise,
            robust: self.family.robust,
            common: self.family.common,
        };
        let singular = || self.failed("the fit is singular");
        let fit = family.fit(None).ok_or_else(singular)?;
        let mut left_out: Vec<Vec<f64>> = prepared.iter().map(|member| vec![0.0; member.figures.len()]).collect();
        let is_prior =
            |setting: &String| self.registry.family.iter().any(|one| one.prior_from.as_ref() == Some(setting));
        for (group, name) in names.iter().enumerate() {
            // A prior that was fitted itself must not have seen the network either.
            for (member, fitted) in prepared.iter().zip(&mut family.members) {
                fitted.centre = self.centre(member, known, Some(*name))?;
            }
            let others = family.fit(Some(group)).ok_or_else(singular)?;
            family.predict_group(group, &others, &mut left_out);
            for (member, logarithms) in prepared.iter().zip(&others.logarithms) {
                if is_prior(&member.member.setting) {
                    known.insert(without(&member.member.setting, name), by_name(&member.coefficients, logarithms));
                }
            }
        }
        let mut made = Vec::new();
        for (index, member) in prepared.into_iter().enumerate() {
            let coefficients = by_name(&member.coefficients, &fit.logarithms[index]);
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
        let groups = figures.iter().map(|figure| group_of(&figure.id)).collect();
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
        left_out: Option<&String>,
    ) -> Result<Vec<f64>, LatencyError> {
        let fitted = match &self.family.prior_from {
            None => None,
            Some(setting) => {
                let blind = left_out.and_then(|group| known.get(&without(setting, group)));
                Some(
                    blind
                        .or_else(|| known.get(setting))
                        .ok_or_else(|| self.failed(&format!("{setting} must be fitted before")))?,
                )
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
}

fn by_name(coefficients: &[&Coefficient], logarithms: &[f64]) -> BTreeMap<String, f64> {
    let of = |(coefficient, logarithm): (&&Coefficient, &f64)| (coefficient.name.clone(), logarithm.exp());
    coefficients.iter().zip(logarithms).map(of).collect()
}

/// The name of a setting's coefficients that have not seen a group of networks.
fn without(setting: &str, group: &str) -> String {
    format!("{setting} without {group}")
}

impl Base {
    /// Milliseconds by the table, above its constant, of an operator of one of the classes that shares name.
    fn amount(&self, key: &OperatorKey, class: &str) -> f64 {
        let share = |of: &str| f64::from(u8::from(of == class));
        let share = TableShare {
            conv: share("conv"),
            depthwise: share("depthwise"),
            other_compute: share("other_compute"),
            light: share("light"),
            launch_ms: self.launch_ms,
            light_launch_ms: self.light_launch_ms,
        };
        share.ms(key, self.predictor.operator_ms(key))
    }
}
