//! What came of holding networks to limits.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::print::table;
use crate::latency::{EvidenceShares, Prediction};
use crate::search::budget::{BudgetUse, Quantity};

/// Room for rounding where a limit is computed from the same figure.
const ROUNDING: f64 = 1e-9;

/// What a figure is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckKind {
    Budget,
    Baseline,
}

/// One figure of one network against one limit.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Check {
    /// Name or structure, or file.
    pub network: String,
    pub kind: CheckKind,
    pub holds: bool,
    #[serde(flatten)]
    pub used: BudgetUse,
    /// The figure of the earlier result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<f64>,
    /// Share that the figure may be above the baseline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<f64>,
    /// How a latency is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceShares>,
}

impl Check {
    pub(super) fn of_budget(network: &str, mut used: BudgetUse, prediction: Option<&Prediction>) -> Self {
        let (network, holds) = (network.to_owned(), used.is_met());
        used.text.push_str(&not_measured(prediction));
        let evidence = prediction.map(|prediction| prediction.evidence);
        Self { network, kind: CheckKind::Budget, holds, used, baseline: None, tolerance: None, evidence }
    }

    /// A figure now and before.
    pub(super) fn of_baseline(
        network: &str,
        quantity: &dyn Quantity,
        [now, before]: [f64; 2],
        tolerance: f64,
        prediction: Option<&Prediction>,
    ) -> Self {
        let limit = before * (1.0 + tolerance);
        let setting = quantity.setting().map(|setting| setting.id());
        let on = setting.as_ref().map_or(String::new(), |id| format!(" per call predicted on {id}"));
        let change = match (now == before, before > 0.0) {
            (true, _) => "the same as the baseline".to_owned(),
            (false, true) => {
                format!("{:+.2}% from the baseline's {}", (now / before - 1.0) * 100.0, quantity.format(before))
            }
            (false, false) => format!("from the baseline's {}", quantity.format(before)),
        };
        let text = format!(
            "{}{on}, {change}; at most +{}% is allowed{}",
            quantity.format(now),
            percent(tolerance),
            not_measured(prediction)
        );
        let kind = quantity.kind();
        let used = BudgetUse {
            name: kind.name.to_owned(),
            value: now,
            limit,
            unit: kind.unit.to_owned(),
            setting,
            predicted_ms: None,
            confidence: None,
            text,
        };
        Self {
            network: network.to_owned(),
            kind: CheckKind::Baseline,
            holds: now <= limit * (1.0 + ROUNDING),
            used,
            baseline: Some(before),
            tolerance: Some(tolerance),
            evidence: prediction.map(|prediction| prediction.evidence),
        }
    }
}

/// The share of a prediction that nothing is known about, where there is one: a limit that holds says little then.
fn not_measured(prediction: Option<&Prediction>) -> String {
    match prediction.map(|prediction| prediction.gaps().without_evidence_share) {
        Some(share) if share > 0.0005 => {
            format!("; NOT MEASURED: {:.1}% of that time comes from operators the table has no data for", share * 100.0)
        }
        _ => String::new(),
    }
}

/// Without the rounding of binary fractions.
fn percent(share: f64) -> f64 {
    (share * 1e6).round() / 1e4
}

/// A network, or its latency on a setting, that only one of the two results has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Unmatched {
    pub network: String,
    /// None for the whole network.
    pub setting: Option<String>,
}

/// All checks with what could not be checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Verdict {
    pub checks: Vec<Check>,
    /// Not in the baseline, so not compared with it.
    pub new: Vec<Unmatched>,
    /// In the baseline alone.
    pub missing: Vec<Unmatched>,
    /// Settings whose latencies are predicted from another table than those of the baseline.
    pub other_tables: BTreeSet<String>,
    /// Messages on inputs that could not be read or scored.
    pub failed: Vec<String>,
}

/// Something beside the checks.
pub(super) struct Remark<'r> {
    pub what: &'static str,
    pub network: Option<&'r str>,
    pub setting: Option<&'r str>,
    pub text: &'r str,
}

impl<'r> Remark<'r> {
    fn of(what: &'static str, one: &'r Unmatched, text: &'r str) -> Self {
        Self { what, network: Some(&one.network), setting: one.setting.as_deref(), text }
    }
}

/// What is said of networks that only one of the two results has.
pub(super) const NEW: &str = "not in the baseline, so not compared";
pub(super) const MISSING: &str = "in the baseline, but not among the networks and settings given";

impl Verdict {
    /// The checks that do not hold.
    pub fn broken(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| !check.holds)
    }

    /// `1 of 3 checks broken`
    pub fn headline(&self) -> String {
        let (checks, broken) = (self.checks.len(), self.broken().count());
        let noun = if checks == 1 { "check" } else { "checks" };
        match broken {
            0 => format!("{checks} {noun}, none broken"),
            _ => format!("{broken} of {checks} {noun} broken"),
        }
    }

    /// What is to be said beside the checks: a word for it, network and setting as far as it is about one, and the text.
    pub(super) fn remarks(&self) -> Vec<Remark<'_>> {
        let new = self.new.iter().map(|one| Remark::of("new", one, NEW));
        let missing = self.missing.iter().map(|one| Remark::of("missing", one, MISSING));
        let other = self.other_tables.iter().map(|setting| Remark {
            what: "other table",
            network: None,
            setting: Some(setting),
            text: "predicted from another table than in the baseline, which changes latencies, too",
        });
        new.chain(missing).chain(other).collect()
    }

    /// Every check on a line, for people.
    pub fn describe(&self) -> String {
        let mut lines = vec![("checks", self.headline())];
        lines.extend(self.checks.iter().map(|check| {
            (if check.holds { "ok" } else { "BROKEN" }, format!("{}: {}", check.network, check.used.text))
        }));
        // Inputs that failed have their own messages.
        lines.extend(self.remarks().into_iter().map(|remark| {
            let setting = remark.setting.map(|id| format!("latency on {id}"));
            let about: Vec<&str> = remark.network.into_iter().chain(setting.as_deref()).collect();
            (remark.what, format!("{}: {}", about.join(", "), remark.text))
        }));
        table(&lines)
    }
}
