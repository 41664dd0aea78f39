//! Predictions: graph -> fused operators -> row or corrected prior -> network milliseconds.
//!
//! Not here: rows and models (`store`), formulas (`prior`), which networks an error holds for (`support`), how
//! operators compose, which is the model's [`Composition`](super::Composition).

mod support;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};

use rustc_hash::FxHashMap;

use super::correction::Correction;
use super::gaps::Basis;
use super::key::KeyClass;
use super::prediction::{EvidenceShares, OperatorPrediction, Prediction, name_operators};
use super::spread::ClassSpread;
use super::store::{Row, TableError};
use super::{
    Composition, Evidence, Fuser, LatencyError, LatencyModel, NetworkTimes, OperatorKey, Setting, Table, fit_prior,
};
use crate::net::Graph;

/// Predicts latencies on one setting.
#[derive(Debug)]
pub struct Predictor {
    setting: Setting,
    model: LatencyModel,
    /// Rows by key (activation dropped where it is free).
    rows: FxHashMap<OperatorKey, Estimate>,
    correction: Correction,
    /// Evidence of an operator that only the prior knows.
    prior_evidence: Evidence,
    error: Option<TableError>,
    /// Tells scratches of different predictors apart.
    identity: u64,
}

/// Working memory of [`Predictor::predict_ms`], one per thread.
#[derive(Debug, Default)]
pub struct PredictScratch {
    fuser: Fuser,
    /// Weighted class and milliseconds by key, for the predictor `identity`.
    memo: FxHashMap<OperatorKey, f64>,
    identity: u64,
}

/// An operator's time on its own.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Estimate {
    ms: f64,
    evidence: Evidence,
    basis: Basis,
    extrapolated: bool,
    /// Standard deviation of the logarithm.
    uncertainty: f64,
}

/// What is known of an operator whose time is a formula's.
const FORMULA_ALONE: Estimate =
    Estimate { ms: 0.0, evidence: Evidence::Fitted, basis: Basis::Formula, extrapolated: false, uncertainty: 0.0 };

/// Least uncertainty of a measured row: sessions on one machine differ by as much.
const MEASURED_UNCERTAINTY: f64 = 0.01;
/// Uncertainty of an operator whose kind has no row in a table that has others.
const PRIOR_UNCERTAINTY: f64 = 0.3;

/// Operators the memo holds before it starts again.
const MEMO_LIMIT: usize = 1 << 20;

impl Predictor {
    /// A predictor that knows what a table holds.
    ///
    /// # Errors
    /// When the table has neither model nor rows, or no model can be fitted to its rows.
    pub fn from_table(table: &Table) -> Result<Self, LatencyError> {
        let Table { setting, rows, model, error, .. } = table;
        let model = match model {
            Some(model) => model.clone(),
            None if rows.is_empty() => {
                let available = "no operator of it has a time yet; `zen-profile --device NAME` measures one".to_owned();
                return Err(LatencyError::NoTable { kind: String::new(), setting: setting.id(), available });
            }
            None => LatencyModel::additive(fit_prior(rows, setting)?),
        };
        Ok(Self::from_parts(setting, rows, model, error.clone()))
    }

    /// A predictor from rows, the model for operators without a row, and what is known of its error.
    pub fn from_parts(setting: &Setting, rows: &[Row], model: LatencyModel, error: Option<TableError>) -> Self {
        let free_activation = model.prior.free_activation();
        let measured = rows.iter().any(|row| row.evidence == Evidence::Measured);
        let correction = Correction::new(rows, |key| model.prior.ms(key, setting.precision, setting.batch_size));
        let known = |row: &Row| {
            let uncertainty = match row.evidence {
                Evidence::Measured => {
                    MEASURED_UNCERTAINTY.hypot(row.stderr_ms.unwrap_or(0.0) / row.ms.max(f64::MIN_POSITIVE))
                }
                _ => correction.growth_of(row.key.kind).at(0.0),
            };
            let basis = if row.merged { Basis::Merged } else { Basis::Row };
            let (ms, evidence) = (row.ms, row.evidence);
            let estimate = Estimate { ms, evidence, basis, extrapolated: false, uncertainty };
            (row.key.looked_up(free_activation), estimate)
        };
        Self {
            rows: rows.iter().map(known).collect(),
            correction,
            prior_evidence: if measured { Evidence::Interpolated } else { Evidence::Fitted },
            error,
            setting: setting.clone(),
            model,
            identity: next_identity(),
        }
    }

    pub fn setting(&self) -> &Setting {
        &self.setting
    }

    pub(crate) fn model(&self) -> &LatencyModel {
        &self.model
    }

    /// The expected relative error with how it was obtained.
    pub fn error(&self) -> Option<&TableError> {
        self.error.as_ref()
    }

    /// The latency of a network with its evidence.
    pub fn predict(&self, graph: &Graph) -> Prediction {
        let mut fuser = Fuser::default();
        let keys = fuser.fuse(graph);
        let mut operators = Vec::with_capacity(keys.len());
        let mut device_ms = 0.0;
        for key in keys {
            let (ms, Estimate { evidence, basis, extrapolated, uncertainty, .. }) = self.operator(key);
            device_ms += ms;
            operators.push(OperatorPrediction {
                key: *key,
                name: None,
                operation: None,
                approximation: None,
                ms,
                evidence,
                basis,
                without_evidence: self.is_without_evidence(key, basis),
                extrapolated,
                uncertainty,
            });
        }
        let (ms, host_bound) = self.compose(device_ms, keys.len());
        if self.is_unlike_what_was_fitted(graph, ms) {
            operators.iter_mut().for_each(|operator| operator.extrapolated = true);
        }
        // What caches save belongs to no operator: each has its share.
        let warmed_ms = self.model.composition.warmed(device_ms, 1.0);
        operators.iter_mut().for_each(|operator| operator.ms *= warmed_ms / device_ms.max(f64::MIN_POSITIVE));
        let evidence = EvidenceShares::of(&operators, warmed_ms);
        let extrapolated_share = evidence.extrapolated_time;
        let unsupported = self.unsupported(&operators);
        let (error, error_method) = self.stated_error(unsupported);
        let composition = &self.model.composition;
        let interval = match unsupported {
            Some(_) => None,
            None => composition.interval(ms, self.class_times_of(keys).operator_spread(composition)),
        };
        if graph.is_foreign() {
            name_operators(&mut operators, &fuser, graph);
        }
        Prediction {
            ms,
            ms_per_image: ms / self.setting.batch_size as f64,
            setting: self.setting.clone(),
            error,
            error_method,
            interval,
            evidence,
            extrapolated_share,
            host_bound,
            operators,
        }
    }

    /// The same milliseconds as [`Predictor::predict`], without their evidence, fast.
    pub fn predict_ms(&self, graph: &Graph, scratch: &mut PredictScratch) -> f64 {
        let PredictScratch { fuser, memo, identity } = scratch;
        self.memoised(fuser.fuse(graph), memo, identity)
    }

    /// As [`Predictor::predict_ms`], from operators that are fused already.
    pub fn predict_keys_ms(&self, keys: &[OperatorKey], scratch: &mut PredictScratch) -> f64 {
        self.memoised(keys, &mut scratch.memo, &mut scratch.identity)
    }

    fn memoised(&self, keys: &[OperatorKey], memo: &mut FxHashMap<OperatorKey, f64>, identity: &mut u64) -> f64 {
        if *identity != self.identity || memo.len() > MEMO_LIMIT {
            memo.clear();
            *identity = self.identity;
        }
        let mut device_ms = 0.0;
        for key in keys {
            device_ms += *memo.entry(*key).or_insert_with(|| self.operator(key).0);
        }
        self.compose(device_ms, keys.len()).0
    }

    /// Weighted milliseconds of an operator, and what is known of it on its own.
    fn operator(&self, key: &OperatorKey) -> (f64, Estimate) {
        let weight = match key.kind.class() {
            KeyClass::Conv => self.model.composition.conv,
            KeyClass::Depthwise => self.model.composition.depthwise,
            KeyClass::Traffic => self.model.composition.traffic,
        };
        let estimate = self.estimate(key);
        let (weights_giga, maps_giga) = self.cold_giga(key);
        let Composition { cold_weight_ms_per_giga, cold_map_ms_per_giga, .. } = self.model.composition;
        let cold_ms = cold_weight_ms_per_giga * weights_giga + cold_map_ms_per_giga * maps_giga;
        (weight * estimate.ms + cold_ms, estimate)
    }

    /// 1e9 bytes of an operator's weights, and of its maps, that a processor's core cannot keep near
    /// while a network runs.
    fn cold_giga(&self, key: &OperatorKey) -> (f64, f64) {
        if self.setting.threads == 0 {
            return (0.0, 0.0);
        }
        let bytes = self.setting.precision.bytes();
        let cold = |elements: f64| (bytes * elements - self.model.composition.warm_bytes).max(0.0) * 1e-9;
        let batch = self.setting.batch_size as f64;
        let maps = cold(batch * key.in_elements() as f64) + cold(batch * key.out_elements() as f64);
        (cold(key.weights() as f64), maps)
    }

    /// What an operator adds to a network's sum on the device.
    pub(crate) fn weighted_ms(&self, key: &OperatorKey) -> f64 {
        self.operator(key).0
    }

    /// The sum of [`Predictor::weighted_ms`] that no network predicted to take at most `limit_ms` exceeds.
    pub(crate) fn largest_sum_ms(&self, limit_ms: f64) -> f64 {
        self.model.composition.largest_sum_ms(limit_ms)
    }

    /// Milliseconds of an operator on its own.
    pub fn operator_ms(&self, key: &OperatorKey) -> f64 {
        self.estimate(key).ms
    }

    /// Standard deviation of the logarithm of an operator's time: small where it was measured, growing
    /// with the distance to the rows of its kind. 0 on a setting without rows: its formula was fitted on
    /// whole networks, and says how uncertain it is about those alone.
    pub fn operator_uncertainty(&self, key: &OperatorKey) -> f64 {
        self.estimate(key).uncertainty
    }

    fn estimate(&self, key: &OperatorKey) -> Estimate {
        let estimate = self.tabled(key);
        match &self.model.fitted {
            None => estimate,
            // Its networks say how uncertain it is, its operators do not. Where nothing is taken of the table, rows
            // say nothing.
            Some(fitted) => {
                let evidence = estimate.evidence.min(Evidence::Fitted);
                let ms = fitted.ms(key, estimate.ms, self.setting.batch_size);
                match fitted.share.of(key).0 {
                    0.0 => Estimate { ms, ..FORMULA_ALONE },
                    _ => Estimate { ms, evidence, uncertainty: 0.0, ..estimate },
                }
            }
        }
    }

    /// What rows and prior say.
    fn tabled(&self, key: &OperatorKey) -> Estimate {
        if let Some(row) = self.rows.get(&key.looked_up(self.model.prior.free_activation())) {
            return *row;
        }
        // A cut at 6 costs what a cut at 0 does; its own time was not measured, though.
        if let Some(row) = key.with_common_activation().and_then(|key| self.rows.get(&key)) {
            let evidence = row.evidence.min(self.prior_evidence);
            let basis = if row.basis == Basis::Merged { Basis::Merged } else { Basis::OtherActivation };
            return Estimate { evidence, basis, ..*row };
        }
        let prior = self.model.prior.ms(key, self.setting.precision, self.setting.batch_size);
        match self.correction.find(key) {
            Some(found) => Estimate {
                ms: prior * found.factor,
                evidence: found.evidence.min(self.prior_evidence),
                basis: if found.is_ungrouped { Basis::Ungrouped } else { Basis::Neighbours },
                extrapolated: found.extrapolated,
                uncertainty: found.uncertainty,
            },
            // A fitted formula covers every shape; a table without the kind does not.
            None => Estimate {
                ms: prior,
                evidence: self.prior_evidence,
                basis: Basis::Formula,
                extrapolated: !self.rows.is_empty() && !self.model.kinds.contains(key.fitted_kind()),
                uncertainty: if self.rows.is_empty() { 0.0 } else { PRIOR_UNCERTAINTY },
            },
        }
    }

    /// Whether neither a row nor a fit speaks of an operator.
    fn is_without_evidence(&self, key: &OperatorKey, basis: Basis) -> bool {
        let kinds = &self.model.kinds;
        match basis {
            // A fit has seen whole networks with operators of these kinds.
            Basis::Ungrouped | Basis::Formula if !kinds.is_empty() => !kinds.contains(key.fitted_kind()),
            Basis::Ungrouped => true,
            Basis::Formula => !self.rows.is_empty() || !key.kind.is_of_structures() || key.has_groups(),
            _ => false,
        }
    }

    /// Times of a network's operators by class, before the composition's weights; what
    /// [`fit_composition`](super::fit_composition) needs beside the measured time.
    pub fn class_times(&self, graph: &Graph) -> NetworkTimes {
        self.class_times_of(Fuser::default().fuse(graph))
    }

    /// As [`Predictor::class_times`], from operators that are fused already.
    pub fn class_times_of(&self, keys: &[OperatorKey]) -> NetworkTimes {
        let mut times = NetworkTimes { operators: keys.len(), ..NetworkTimes::default() };
        let [mut conv, mut depthwise, mut traffic] = [ClassSpread::default(); 3];
        for key in keys {
            let (class, spread) = match key.kind.class() {
                KeyClass::Conv => (&mut times.conv_ms, &mut conv),
                KeyClass::Depthwise => (&mut times.depthwise_ms, &mut depthwise),
                KeyClass::Traffic => (&mut times.traffic_ms, &mut traffic),
            };
            let Estimate { ms, uncertainty, .. } = self.estimate(key);
            *class += ms;
            spread.add(ms, uncertainty);
            let (weights_giga, maps_giga) = self.cold_giga(key);
            times.cold_weight_giga += weights_giga;
            times.cold_map_giga += maps_giga;
        }
        times.warm = if self.model.composition.warm_ms > 0.0 { 1.0 } else { 0.0 };
        times.conv_spread_ms = conv.ms();
        times.depthwise_spread_ms = depthwise.ms();
        times.traffic_spread_ms = traffic.ms();
        times
    }

    fn compose(&self, device_ms: f64, operators: usize) -> (f64, bool) {
        let composition = &self.model.composition;
        let host_ms = composition.host_ms + composition.kernel_ms * operators as f64;
        let device_ms = composition.call_ms + composition.warmed(device_ms, 1.0);
        (device_ms.max(host_ms), host_ms > device_ms)
    }
}

fn next_identity() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
