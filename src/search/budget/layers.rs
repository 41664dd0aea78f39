//! Layers, counted as the published runs do: the sum of `sub_layers`.

use super::{Quantity, Stage};
use crate::latency::PredictScratch;
use crate::net::{Graph, Network};

/// Number of layers.
#[derive(Debug)]
pub struct Layers;

impl Quantity for Layers {
    fn name(&self) -> &str {
        "layers"
    }

    fn flag(&self) -> &str {
        "--max-layers"
    }

    fn stage(&self) -> Stage {
        Stage::Network
    }

    fn format(&self, value: f64) -> String {
        format!("{value} layers")
    }

    fn unit(&self) -> &'static str {
        "layers"
    }

    fn measure(&self, network: &Network, _: &Graph, _: &mut PredictScratch) -> f64 {
        network.layers() as f64
    }
}
