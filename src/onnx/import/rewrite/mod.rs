//! Several nodes that exporters write for one operator, as that operator.
//!
//! Each rule is a pass over the nodes: where its pattern ends, the last node becomes the operator
//! and reads the pattern's input; what nobody reads any more is dropped afterwards. A pattern
//! matches only if nothing outside reads its inner values. Not here: sizes, which come later.

mod alias;
mod bias;
mod gelu;
mod hard;
mod norm;
mod pad;
mod quantised;
mod swish;

use super::network::{Network, Node, ValueId};
use super::order::{drop_unused, producers};

/// A rule: rewrites what it finds at the node of this number.
type Rule = fn(&mut Network, &Index, usize) -> Option<()>;

/// Rules in order; a later one sees what an earlier one made.
const RULES: [Rule; 10] = [
    pad::behind_transpose,
    hard::hard_sigmoid,
    hard::hard_swish,
    swish::swish,
    gelu::gelu,
    norm::layer_norm,
    norm::group_norm,
    bias::conv_bias,
    bias::matmul_bias,
    bias::scale_and_shift,
];

/// Rewrites `network`; whether it was quantised.
pub(super) fn rewrite(network: &mut Network) -> bool {
    let is_quantised = quantised::strip(network);
    alias::resolve(network);
    apply(network, &RULES);
    is_quantised
}

/// The rewrites that lose nothing a converter to another format needs: weights, axes, bounds.
pub(super) fn rewrite_exactly(network: &mut Network) {
    alias::resolve(network);
    apply(network, &[gelu::gelu]);
}

fn apply(network: &mut Network, rules: &[Rule]) {
    for rule in rules {
        drop_unused(network);
        let index = Index::new(network);
        for place in 0..network.nodes.len() {
            rule(network, &index, place);
        }
    }
}

/// Which node computes, and which read, each value.
pub(super) struct Index {
    producers: Vec<Option<usize>>,
    /// The only node that reads a value once; none where there are more, or where it is an output.
    readers: Vec<Option<usize>>,
}

impl Index {
    fn new(network: &Network) -> Self {
        let mut counts = vec![0_u32; network.values()];
        let mut readers = vec![None; network.values()];
        for output in &network.outputs {
            counts[*output] += 2;
        }
        for (place, node) in network.nodes.iter().enumerate() {
            for input in node.inputs.iter().flatten() {
                counts[*input] += 1;
                readers[*input] = Some(place);
            }
        }
        for (reader, count) in readers.iter_mut().zip(&counts) {
            if *count != 1 {
                *reader = None;
            }
        }
        Self { producers: producers(network), readers }
    }

    /// The node of one of ONNX's operations that computes `value`.
    fn producer(&self, network: &Network, value: Option<ValueId>, operation: &str) -> Option<usize> {
        let place = self.producers[value?]?;
        (network.nodes[place].is(operation)).then_some(place)
    }

    /// As [`Index::producer`], if one node alone reads `value`.
    fn inner(&self, network: &Network, value: Option<ValueId>, operation: &str) -> Option<usize> {
        self.readers[value?]?;
        self.producer(network, value, operation)
    }

    /// The only node that reads the first output of `place`, if it is of `operation`.
    fn reader(&self, network: &Network, place: usize, operation: &str) -> Option<usize> {
        let reader = self.readers[network.nodes[place].output()?]?;
        network.nodes[reader].is(operation).then_some(reader)
    }
}

impl Node {
    /// Whether it is one of ONNX's own operations.
    fn is(&self, operation: &str) -> bool {
        self.domain.is_empty() && self.operation == operation
    }

    fn output(&self) -> Option<ValueId> {
        self.outputs.first().copied().flatten()
    }

    /// Makes it another operation.
    fn become_(&mut self, operation: &str, inputs: Vec<Option<ValueId>>) {
        self.operation = operation.to_owned();
        self.domain.clear();
        self.inputs = inputs;
    }
}

impl Network {
    /// The input of `place` that is no constant, with the scalar that is the other input.
    fn with_scalar(&self, place: usize) -> Option<(ValueId, f64)> {
        let node = &self.nodes[place];
        let (first, second) = (node.input(0)?, node.input(1)?);
        match (self.scalar(Some(first)), self.scalar(Some(second))) {
            (None, Some(scalar)) => Some((first, scalar)),
            (Some(scalar), None) => Some((second, scalar)),
            _ => None,
        }
    }

    /// The input of `place` that is no constant, and the one that is.
    fn with_constant(&self, place: usize) -> Option<(ValueId, ValueId)> {
        let node = &self.nodes[place];
        let (first, second) = (node.input(0)?, node.input(1)?);
        match (self.constant(first), self.constant(second)) {
            (None, Some(_)) => Some((first, second)),
            (Some(_), None) => Some((second, first)),
            _ => None,
        }
    }
}

/// Whether two numbers are the same up to how exporters round them.
fn near(number: f64, expected: f64) -> bool {
    (number - expected).abs() <= 1e-3 * expected.abs()
}
