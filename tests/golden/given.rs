//! Weights of golden files, given to the engine.

use std::collections::HashMap;

use candle_core::{DType, Tensor};
use zen_nas::net::{Branch, Graph, OperatorKind, TrunkConv};
use zen_nas::score::zen::exact::{Weights, places};

pub fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// batch x channels x height x width becomes batch x height x width x channels.
pub fn channels_last(tensor: &Tensor) -> Vec<f32> {
    values(&tensor.permute((0, 2, 3, 1)).unwrap().contiguous().unwrap())
}

/// Weights by state-dict name, in PyTorch's order.
pub struct Given<'a> {
    tensors: &'a HashMap<String, Tensor>,
    convs: Vec<String>,
    batch_norms: Vec<String>,
    gates: Vec<String>,
}

impl<'a> Given<'a> {
    /// For the trunk alone, or with its `gates`.
    pub fn new(graph: &Graph, tensors: &'a HashMap<String, Tensor>, gates: bool) -> Self {
        let names = |branch: Branch, conv: bool| {
            let operators = graph.operators().iter().filter(move |operator| {
                let kind = match operator.kind {
                    OperatorKind::Conv { .. } => conv,
                    OperatorKind::BatchNorm => !conv,
                    _ => false,
                };
                kind && operator.branch == branch
            });
            operators.map(|operator| operator.origin.state_dict_prefix()).collect::<Vec<_>>()
        };
        let all = graph
            .operators()
            .iter()
            .filter(|operator| operator.kind == OperatorKind::BatchNorm && (gates || operator.branch == Branch::Trunk));
        Self {
            tensors,
            convs: names(Branch::Trunk, true),
            batch_norms: all.map(|operator| operator.origin.state_dict_prefix()).collect(),
            gates: names(Branch::SqueezeExcite, true),
        }
    }

    fn weight(&self, name: &str) -> Vec<f32> {
        values(&self.tensors[&format!("{name}.weight")])
    }
}

impl Weights for Given<'_> {
    fn convolution(&mut self, number: usize, conv: &TrunkConv, packed: &mut [f32]) {
        let weights = self.weight(&self.convs[number]);
        packed.fill(0.0);
        places(conv, |to, from| packed[to] = weights[from]);
    }

    fn batch_norm(&mut self, number: usize) -> Option<(Vec<f32>, Vec<f32>)> {
        let name = &self.batch_norms[number];
        Some((self.weight(name), values(&self.tensors[&format!("{name}.bias")])))
    }

    fn gate(&mut self, number: usize, _: usize, _: usize) -> [Vec<f32>; 2] {
        [self.weight(&self.gates[2 * number]), self.weight(&self.gates[2 * number + 1])]
    }
}
