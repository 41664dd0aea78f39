//! What a prediction does not know: operators that no row and no fit speaks of, and operators that are
//! predicted as something else than they are, with their share of the predicted time.
//!
//! Not here: how an operator's time comes about (`predict`).

use std::collections::BTreeMap;

use serde::Serialize;

use super::{KeyKind, OperatorKey, Prediction};

/// What an operator's time was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// A row of the table for this very operator.
    Row,
    /// A row for this very operator that says: the runtime ran no node of its own for it, its time is in its
    /// neighbours'.
    Merged,
    /// A row for the operator with another activation that costs the same.
    OtherActivation,
    /// The formula, corrected by the nearest rows with its kind, kernel and stride.
    Neighbours,
    /// The formula, corrected by rows of convolutions without groups; the operator has groups.
    Ungrouped,
    /// The formula alone.
    Formula,
}

impl Basis {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Basis::Row => "its own row",
            Basis::Merged => "its own row: no node of its own, in its neighbours' time",
            Basis::OtherActivation => "the row with an activation that costs the same",
            Basis::Neighbours => "rows of its kind nearby",
            Basis::Ungrouped => "rows of convolutions without groups",
            Basis::Formula => "the formula alone",
        }
    }
}

/// Operators of one kind with what is not known of them.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Gap {
    /// The operation in the file, or the kind with its window.
    pub what: String,
    /// How what is predicted differs from what the network does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approximation: Option<&'static str>,
    pub operators: usize,
    /// Share of the predicted time.
    pub time_share: f64,
}

/// Everything that a prediction does not know. An operator may be in several lists.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Gaps {
    /// Operators of which the table has no row, and whose formula was fitted to none of their kind.
    pub without_evidence: Vec<Gap>,
    /// Share of the predicted time that they take.
    pub without_evidence_share: f64,
    /// Operators that are predicted as the nearest thing known.
    pub approximated: Vec<Gap>,
    pub approximated_share: f64,
    /// Operators that the formula gives no time at all; it may have that of some kinds in its other terms.
    pub without_time: Vec<Gap>,
    /// Operators that were measured to have no node of their own; their time is in their neighbours'.
    pub merged: usize,
}

impl Gaps {
    /// Whether everything is known.
    pub fn is_empty(&self) -> bool {
        self.without_evidence.is_empty() && self.approximated.is_empty() && self.without_time.is_empty()
    }
}

impl Prediction {
    /// What is not known, the largest share first.
    pub fn gaps(&self) -> Gaps {
        let whole_ms: f64 = self.operators.iter().map(|operator| operator.ms).sum();
        let mut lists: [BTreeMap<(String, Option<&'static str>), Gap>; 3] = Default::default();
        for operator in &self.operators {
            let what = operator.operation.clone().unwrap_or_else(|| named(&operator.key));
            let [unknown, approximated, without_time] = &mut lists;
            let has_no_time = operator.basis == Basis::Formula && operator.ms <= 0.0;
            let in_lists = [
                (unknown, operator.without_evidence, None),
                (approximated, operator.approximation.is_some(), operator.approximation),
                (without_time, has_no_time, None),
            ];
            for (list, _, approximation) in in_lists.into_iter().filter(|(_, is_in, _)| *is_in) {
                let gap = list.entry((what.clone(), approximation)).or_insert_with(|| Gap {
                    what: what.clone(),
                    approximation,
                    operators: 0,
                    time_share: 0.0,
                });
                gap.operators += 1;
                gap.time_share += operator.ms / whole_ms.max(f64::MIN_POSITIVE);
            }
        }
        let [without_evidence, approximated, without_time] = lists.map(|list| {
            let mut gaps: Vec<Gap> = list.into_values().collect();
            gaps.sort_by(|a, b| b.time_share.total_cmp(&a.time_share));
            gaps
        });
        let share = |gaps: &[Gap]| gaps.iter().fold(0.0, |sum, gap| sum + gap.time_share);
        Gaps {
            without_evidence_share: share(&without_evidence),
            approximated_share: share(&approximated),
            without_evidence,
            approximated,
            without_time,
            merged: self.operators.iter().filter(|operator| operator.basis == Basis::Merged).count(),
        }
    }
}

/// The kind, with its window where that decides which rows speak of it; of an activation its name.
fn named(key: &OperatorKey) -> String {
    let OperatorKey { kind, kernel, stride, activation, .. } = key;
    match activation {
        _ if key.has_groups() => format!("{kind} {kernel}x{kernel} s{stride} with groups"),
        _ if kind.has_window() => format!("{kind} {kernel}x{kernel} s{stride}"),
        Some(activation) if *kind == KeyKind::Elementwise => activation.name().to_owned(),
        _ => kind.to_string(),
    }
}

impl KeyKind {
    /// Whether networks lowered from structures have it, so that formulas fitted to whole networks speak
    /// of it.
    pub(super) fn is_of_structures(self) -> bool {
        match self {
            KeyKind::Conv | KeyKind::Depthwise | KeyKind::Dense | KeyKind::GlobalPool => true,
            KeyKind::Gate | KeyKind::Add => true,
            // Their activations all join something.
            KeyKind::Elementwise => false,
            KeyKind::MaxPool | KeyKind::AveragePool | KeyKind::Concat | KeyKind::Multiply | KeyKind::Resize => false,
            KeyKind::Rearrange | KeyKind::Norm | KeyKind::Softmax | KeyKind::MatMul => false,
        }
    }
}
