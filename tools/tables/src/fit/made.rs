//! From fitted coefficients to settings: their errors, models, and whether they are shipped.

use std::collections::{BTreeMap, BTreeSet};

use zen_nas::latency::{
    Composition, ErrorFigures, Fitted as FittedModel, Formula, LatencyError, LatencyModel, Prior, Setting, TableShare,
};

use super::family::{Base, Prepared, Room};
use super::interval::reach_of_quantile;
use super::settings::{Fitted, Predicted};

/// Largest leave-one-out error of a setting that is shipped.
const LARGEST_ERROR: f64 = 0.20;

impl Room<'_> {
    /// A fitted setting for each batch that gets a table.
    pub(super) fn finish(
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
