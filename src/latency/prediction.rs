//! What a prediction says: milliseconds with their interval, error and evidence, operator by operator.
//!
//! Not here: how it comes about (`predict`).

use serde::Serialize;

use super::gaps::Basis;
use super::{Evidence, Fuser, OperatorKey, Setting};
use crate::net::{ForeignKind, Graph, OperatorKind};

/// The latency of a network with where it comes from.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Prediction {
    /// Milliseconds of one inference call with the setting's batch.
    pub ms: f64,
    pub ms_per_image: f64,
    pub setting: Setting,
    /// Expected relative error, as a share; none when the table was never checked, or not on networks
    /// like this one.
    pub error: Option<f64>,
    /// How the error was obtained.
    pub error_method: String,
    /// Where the measured latency is expected; none when the setting's spread was never calibrated, or
    /// not on networks like this one.
    pub interval: Option<Interval>,
    pub evidence: EvidenceShares,
    /// Share of the operators' time outside the shapes that the table covers.
    pub extrapolated_share: f64,
    /// Whether the host, not the device, decides the latency.
    pub host_bound: bool,
    pub operators: Vec<OperatorPrediction>,
}

/// A range that holds the measured latency of a share of networks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Interval {
    /// Milliseconds of one inference call with the setting's batch.
    pub low_ms: f64,
    pub high_ms: f64,
    /// Share of networks whose measured latency is meant to lie inside, e.g. 0.9.
    pub coverage: f64,
}

/// Shares that add up to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct EvidenceShares {
    pub measured_time: f64,
    pub fitted_time: f64,
    /// Between rows.
    pub interpolated_time: f64,
    /// Outside the shapes that the table's rows cover, whatever the rows are.
    pub extrapolated_time: f64,
    pub measured_count: f64,
    pub fitted_count: f64,
    pub interpolated_count: f64,
    pub extrapolated_count: f64,
}

impl EvidenceShares {
    /// Of operators that take `device_ms` together.
    pub(super) fn of(operators: &[OperatorPrediction], device_ms: f64) -> Self {
        let mut shares = Self::default();
        let count_share = 1.0 / operators.len().max(1) as f64;
        for operator in operators {
            let time_share = if device_ms > 0.0 { operator.ms / device_ms } else { count_share };
            let (time, count) = match operator.evidence {
                _ if operator.extrapolated => (&mut shares.extrapolated_time, &mut shares.extrapolated_count),
                Evidence::Measured => (&mut shares.measured_time, &mut shares.measured_count),
                Evidence::Fitted => (&mut shares.fitted_time, &mut shares.fitted_count),
                Evidence::Interpolated => (&mut shares.interpolated_time, &mut shares.interpolated_count),
            };
            *time += time_share;
            *count += count_share;
        }
        shares
    }
}

/// The time of one fused operator.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct OperatorPrediction {
    #[serde(serialize_with = "as_text")]
    #[schemars(with = "String")]
    pub key: OperatorKey,
    /// Name of the node that it begins with, where the network came from a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its operation in that file, where structures have no such thing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// How what was predicted differs from what the network does, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approximation: Option<&'static str>,
    /// Milliseconds of its part of the network's device time.
    pub ms: f64,
    pub evidence: Evidence,
    pub basis: Basis,
    /// Whether the table has no row that speaks of it, nor a formula fitted to its kind.
    pub without_evidence: bool,
    /// Whether its shape lies outside what the table covers.
    pub extrapolated: bool,
    /// Standard deviation of the logarithm of its time.
    pub uncertainty: f64,
}

fn as_text<S: serde::Serializer>(key: &OperatorKey, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(key)
}

/// Says of each operator which node it begins with, and what differs from what was predicted.
pub(super) fn name_operators(operators: &mut [OperatorPrediction], fuser: &Fuser, graph: &Graph) {
    for ((id, node), owner) in graph.iter().zip(fuser.owners()) {
        let Some(operator) = owner.and_then(|owner| operators.get_mut(owner)) else { continue };
        if operator.name.is_none() {
            operator.name = graph.name(id).map(str::to_owned);
        }
        if let OperatorKind::Foreign(id) = node.kind {
            let foreign = graph.foreign(id);
            operator.approximation = operator.approximation.or(foreign.approximation);
            if foreign.kind == ForeignKind::View {
                // Nothing is done; it was counted to what it views.
                continue;
            }
            operator.operation.get_or_insert_with(|| foreign.operation.clone());
        }
    }
}
