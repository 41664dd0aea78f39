//! Peak memory of the activations of one image in float32.

use super::{BudgetFlag, BudgetKind, DependsOn, Quantity, Stage};
use crate::latency::PredictScratch;
use crate::net::{Graph, Network};
use crate::units;

pub(super) static KIND: BudgetKind = BudgetKind {
    name: "activation_bytes",
    unit: "bytes of float32 activations of one image",
    stage: Stage::Graph,
    flags: &[BudgetFlag::new(
        "max-activation-bytes",
        "BYTES",
        "Budget of peak float32 activations of one image, e.g. 4MB or 4MiB",
        units::bytes,
    )],
    depends_on: DependsOn::Nothing,
    has_default: false,
    quantity: |_, _| Ok(Box::new(ActivationMemory)),
};

/// Peak bytes of maps alive at once, see [`Graph::peak_activation_bytes`].
#[derive(Debug)]
pub struct ActivationMemory;

impl Quantity for ActivationMemory {
    fn kind(&self) -> &'static BudgetKind {
        &KIND
    }

    fn format(&self, value: f64) -> String {
        format!("{} of activations", units::human_bytes(value))
    }

    fn measure(&self, _: &Network, graph: &Graph, _: &mut PredictScratch) -> f64 {
        graph.peak_activation_bytes() as f64
    }
}
