//! Where the predicted time of a network goes: its dearest operators, and time by kind.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{ComparedNetwork, WorstCase};
use crate::latency::{Evidence, KeyKind, OperatorKey, Prediction, Predictor};
use crate::net::{LowerOptions, Network};

/// Operators shown of one network.
const OPERATORS: usize = 5;

/// The parts of a predicted time.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Breakdown {
    /// The dearest operators, dearest first.
    pub operators: Vec<OperatorTime>,
    /// Every kind of operator, dearest first.
    pub kinds: Vec<KindTime>,
    /// Share of the operators' time outside the shapes that the table covers.
    pub extrapolated_share: f64,
    /// Whether the host's launches, not the operators, decide the latency.
    pub host_bound: bool,
}

/// Operators of one shape in a network.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct OperatorTime {
    /// E.g. `conv 3x3 s1 64->64 @28x28 +relu`.
    pub operator: String,
    /// How often the network runs it.
    pub count: u32,
    /// All of them together.
    pub ms: f64,
    /// Of the time of all operators.
    pub share: f64,
    pub evidence: Evidence,
    pub extrapolated: bool,
}

/// Operators of one kind in a network.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct KindTime {
    pub kind: &'static str,
    pub ms: f64,
    /// Of the time of all operators.
    pub share: f64,
}

impl Breakdown {
    pub fn of(prediction: &Prediction) -> Self {
        let total: f64 = prediction.operators.iter().map(|operator| operator.ms).sum();
        let share = |ms: f64| if total > 0.0 { ms / total } else { 0.0 };
        let mut by_key: BTreeMap<OperatorKey, OperatorTime> = BTreeMap::new();
        let mut by_kind: BTreeMap<KeyKind, f64> = BTreeMap::new();
        for operator in &prediction.operators {
            *by_kind.entry(operator.key.kind).or_default() += operator.ms;
            let entry = by_key.entry(operator.key).or_insert_with(|| OperatorTime {
                operator: operator.key.to_string(),
                count: 0,
                ms: 0.0,
                share: 0.0,
                evidence: operator.evidence,
                extrapolated: operator.extrapolated,
            });
            entry.count += 1;
            entry.ms += operator.ms;
        }
        let mut operators: Vec<_> = by_key.into_values().collect();
        operators.sort_by(|a, b| b.ms.total_cmp(&a.ms));
        operators.truncate(OPERATORS);
        for operator in &mut operators {
            operator.share = share(operator.ms);
        }
        let mut kinds: Vec<_> =
            by_kind.into_iter().map(|(kind, ms)| KindTime { kind: kind.name(), ms, share: share(ms) }).collect();
        kinds.sort_by(|a, b| b.ms.total_cmp(&a.ms));
        Self { operators, kinds, extrapolated_share: prediction.extrapolated_share, host_bound: prediction.host_bound }
    }
}

/// The networks with the breakdown of what the table predicts for them.
pub(super) fn worst_cases(predictor: &Predictor, networks: &[&ComparedNetwork]) -> Vec<WorstCase> {
    let case = |network: &&ComparedNetwork| {
        let options = LowerOptions {
            squeeze_excite: network.squeeze_excite,
            ..LowerOptions::new(network.resolution, network.classes)
        };
        let parsed = network.structure.as_deref().and_then(|structure| Network::parse(structure).ok());
        let graph = parsed.and_then(|parsed| parsed.lower(&options).ok());
        let breakdown = graph.map(|graph| Breakdown::of(&predictor.predict(&graph)));
        WorstCase { network: (*network).clone(), breakdown }
    };
    networks.iter().map(case).collect()
}
