//! Peak memory of the activations of one image in float32.

use super::{Quantity, Stage};
use crate::latency::PredictScratch;
use crate::net::{Graph, Network};

/// Peak bytes of maps alive at once, see [`Graph::peak_activation_bytes`].
#[derive(Debug)]
pub struct ActivationMemory;

impl Quantity for ActivationMemory {
    fn name(&self) -> &str {
        "activation_bytes"
    }

    fn flag(&self) -> &str {
        "--max-activation-bytes"
    }

    fn stage(&self) -> Stage {
        Stage::Graph
    }

    fn format(&self, value: f64) -> String {
        format!("{:.0} KiB of activations", value / 1024.0)
    }

    fn unit(&self) -> &'static str {
        "bytes of float32 activations of one image"
    }

    fn measure(&self, _: &Network, graph: &Graph, _: &mut PredictScratch) -> f64 {
        graph.peak_activation_bytes() as f64
    }
}
