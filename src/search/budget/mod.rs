//! Budgets: upper limits on what a network may cost. Any number may hold at once.
//!
//! A budget is one file and one line in [`BUDGETS`]: the file says its names, flags and units, how it is measured and
//! how it is printed. The command line, `config.toml`, the help and the guide follow that list. Not here: the search
//! that keeps within the budgets, and the options that all of them share (`cli::budgets`).

mod activation_bytes;
mod additive;
mod flops;
mod latency;
mod layers;
mod params;
mod spec;
mod weight_bytes;

use crate::latency::{PredictScratch, Setting};
use crate::names::UnknownName;
use crate::net::{Graph, Network};

use super::SearchError;

pub use activation_bytes::ActivationMemory;
pub use additive::{AdditiveBudget, Place, Sum};
pub use flops::Flops;
pub use latency::Latency;
pub use layers::Layers;
pub use params::Parameters;
pub(super) use spec::one_or_old;
pub use spec::{BudgetSpec, Circumstances};
pub use weight_bytes::WeightBytes;

/// Every kind of budget, in the order they are checked and printed.
pub static BUDGETS: &[&BudgetKind] =
    &[&layers::KIND, &params::KIND, &flops::KIND, &weight_bytes::KIND, &activation_bytes::KIND, &latency::KIND];

/// All that other places know about a kind of budget.
#[derive(Debug)]
pub struct BudgetKind {
    /// Name in `config.toml` and in output, e.g. `latency_ms`.
    pub name: &'static str,
    /// Unit of values and limits.
    pub unit: &'static str,
    pub stage: Stage,
    /// Flags that set a limit, the usual one first.
    pub flags: &'static [BudgetFlag],
    pub depends_on: DependsOn,
    /// Whether a search has a limit that nobody asked for, which `none` lifts.
    pub has_default: bool,
    /// What is measured for a limit as it stands in `config.toml`.
    pub quantity: fn(&BudgetSpec, &Circumstances<'_>) -> QuantityResult,
}

/// A quantity, or why there is none.
pub type QuantityResult = Result<Box<dyn Quantity>, SearchError>;

impl BudgetKind {
    /// The kind of that name.
    ///
    /// # Errors
    /// When there is none; lists the known ones.
    pub fn find(name: &str) -> Result<&'static Self, UnknownName> {
        let found = BUDGETS.iter().find(|kind| kind.name == name).copied();
        found.ok_or_else(|| UnknownName::new("budget", name, BUDGETS.iter().map(|kind| kind.name)))
    }
}

/// A flag that sets the limit of a budget.
#[derive(Debug)]
pub struct BudgetFlag {
    /// Without its dashes, e.g. `max-params`.
    pub name: &'static str,
    /// Another spelling of the name.
    pub alias: Option<&'static str>,
    /// What stands for the value in the help.
    pub value_name: &'static str,
    pub help: &'static str,
    /// Reads a limit; says what is accepted where it cannot.
    pub parse: fn(&str) -> Result<f64, String>,
    /// Where the limit is for one image of a call: the images of a call, unless the user says otherwise.
    pub images: Option<u32>,
}

impl BudgetFlag {
    /// A flag for a limit that is not divided by images.
    const fn new(
        name: &'static str,
        value_name: &'static str,
        help: &'static str,
        parse: fn(&str) -> Result<f64, String>,
    ) -> Self {
        Self { name, alias: None, value_name, help, parse, images: None }
    }
}

/// What a limit is given for, beside the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DependsOn {
    Nothing,
    /// The precision of weights.
    Precision,
    /// The setting that is predicted; there may be a limit for each of several.
    Setting,
}

/// What a measurement needs, cheapest first; searches check budgets in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The super-blocks alone.
    Network,
    /// The operator graph.
    Graph,
    /// A latency table; checked after the score, for children that would enter the population.
    Table,
}

/// Something that can be measured on a network and limited.
pub trait Quantity: Send + Sync {
    /// Its names, unit and stage.
    fn kind(&self) -> &'static BudgetKind;

    /// A value with its unit, for people.
    fn format(&self, value: f64) -> String;

    /// Setting that values belong to, if they depend on one.
    fn setting(&self) -> Option<&Setting> {
        None
    }

    /// The quantity as a latency, if it is one.
    fn as_latency(&self) -> Option<&Latency> {
        None
    }

    /// The budget as a limit on a sum over operators, if it is one.
    fn additive(&self, _limit: f64) -> Option<AdditiveBudget> {
        None
    }

    /// Measures a network; `graph` is its lowering (empty for [`Stage::Network`]).
    fn measure(&self, network: &Network, graph: &Graph, scratch: &mut PredictScratch) -> f64;

    /// Whether a network is over a limit; may be faster than measuring it.
    fn is_over(&self, network: &Network, graph: &Graph, limit: f64, scratch: &mut PredictScratch) -> bool {
        self.measure(network, graph, scratch) > limit
    }

    /// A limit on a network, with everything that is said about it.
    fn budget_use(&self, network: &Network, graph: &Graph, limit: f64, scratch: &mut PredictScratch) -> BudgetUse {
        let value = self.measure(network, graph, scratch);
        let BudgetKind { name, unit, .. } = self.kind();
        BudgetUse {
            name: (*name).to_owned(),
            value,
            limit,
            unit: (*unit).to_owned(),
            setting: self.setting().map(Setting::id),
            predicted_ms: None,
            confidence: None,
            text: format!("{} of at most {}", self.format(value), self.format(limit)),
        }
    }
}

/// A quantity with its limit.
pub struct Budget {
    pub quantity: Box<dyn Quantity>,
    pub limit: f64,
}

impl Budget {
    pub fn new(quantity: impl Quantity + 'static, limit: f64) -> Self {
        Self { quantity: Box::new(quantity), limit }
    }
}

/// One budget on one network.
#[derive(Clone, Debug, PartialEq, serde::Serialize, schemars::JsonSchema, serde::Deserialize)]
pub struct BudgetUse {
    pub name: String,
    /// What is compared with the limit.
    pub value: f64,
    pub limit: f64,
    /// Of value and limit.
    pub unit: String,
    /// Id of the setting that the value is predicted for, if it depends on one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setting: Option<String>,
    /// Milliseconds of a call as predicted, where the value is what the latency stays below with `confidence`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted_ms: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Value and limit with units, for people.
    #[serde(skip)]
    pub text: String,
}

impl BudgetUse {
    /// Value over limit.
    pub fn ratio(&self) -> f64 {
        self.value / self.limit
    }

    /// Whether the limit holds.
    pub fn is_met(&self) -> bool {
        self.value <= self.limit
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_flags_are_unique_and_explained() {
        let names: BTreeSet<_> = BUDGETS.iter().map(|kind| kind.name).collect();
        assert_eq!(names.len(), BUDGETS.len());
        let flags: Vec<_> = BUDGETS.iter().flat_map(|kind| kind.flags).collect();
        assert_eq!(flags.iter().map(|flag| flag.name).collect::<BTreeSet<_>>().len(), flags.len());
        for kind in BUDGETS {
            assert!(!kind.flags.is_empty() && std::ptr::eq(BudgetKind::find(kind.name).unwrap(), *kind));
            for flag in kind.flags {
                assert!(flag.help.starts_with("Budget") && !flag.help.ends_with('.'), "{}", flag.name);
                assert!((flag.parse)("7").is_ok() && (flag.parse)("0").is_err() && (flag.parse)("x").is_err());
            }
        }
        assert!(BudgetKind::find("latency").unwrap_err().to_string().contains("latency_ms"));
    }
}
