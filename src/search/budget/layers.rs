//! Layers, counted as the published runs do: the sum of `sub_layers`.

use super::{BudgetFlag, BudgetKind, DependsOn, Quantity, Stage};
use crate::latency::PredictScratch;
use crate::net::{Graph, Network};
use crate::units;

pub(super) static KIND: BudgetKind = BudgetKind {
    name: "layers",
    unit: "layers",
    stage: Stage::Network,
    flags: &[BudgetFlag::new("max-layers", "N", "Budget of layers, counted as the sum of sub-layers", |text| {
        units::count(text).map(f64::from)
    })],
    depends_on: DependsOn::Nothing,
    has_default: true,
    quantity: |_, _| Ok(Box::new(Layers)),
};

/// Number of layers.
#[derive(Debug)]
pub struct Layers;

impl Quantity for Layers {
    fn kind(&self) -> &'static BudgetKind {
        &KIND
    }

    fn format(&self, value: f64) -> String {
        format!("{value} layers")
    }

    fn measure(&self, network: &Network, _: &Graph, _: &mut PredictScratch) -> f64 {
        network.layers() as f64
    }
}
