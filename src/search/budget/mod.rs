//! Budgets: upper limits on what a network may cost. Any number may hold at once.
//!
//! Adding one: a file with a [`Quantity`], its line here, and its flag in `cli`.

mod additive;
mod flops;
mod latency;
mod layers;
mod memory;
mod params;

use crate::latency::{PredictScratch, Setting};
use crate::net::{Graph, Network};

pub use additive::{AdditiveBudget, Place, Sum};
pub use flops::Flops;
pub use latency::Latency;
pub use layers::Layers;
pub use memory::ActivationMemory;
pub use params::Parameters;

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
    /// Name in output and in the run directory, e.g. `latency`.
    fn name(&self) -> &str;

    /// The flag that sets the limit, e.g. `--latency-ms`.
    fn flag(&self) -> &str;

    fn stage(&self) -> Stage;

    /// A value with its unit, for people.
    fn format(&self, value: f64) -> String;

    /// Unit of the values.
    fn unit(&self) -> &'static str;

    /// Setting that values belong to, if they depend on one.
    fn setting(&self) -> Option<&Setting> {
        None
    }

    /// The budget as a limit on a sum over operators, if it is one.
    fn additive(&self, _limit: f64) -> Option<AdditiveBudget> {
        None
    }

    /// Measures a network; `graph` is its lowering (empty for [`Stage::Network`]).
    fn measure(&self, network: &Network, graph: &Graph, scratch: &mut PredictScratch) -> f64;
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
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct BudgetUse {
    pub name: String,
    pub value: f64,
    pub limit: f64,
    /// Of value and limit.
    pub unit: String,
    /// Id of the setting that the value is predicted for, if it depends on one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setting: Option<String>,
    /// Value and limit with units, for people.
    #[serde(skip)]
    pub text: String,
}

impl BudgetUse {
    /// Whether the limit holds.
    pub fn is_met(&self) -> bool {
        self.value <= self.limit
    }
}
