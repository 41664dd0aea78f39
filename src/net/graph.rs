//! The operator graph: the one representation that cost, score, latency and export walk.
//!
//! Operators live in an append-only list, so an operator only ever refers to earlier ones and a
//! single pass in order visits producers before consumers. Not here: how a structure becomes a
//! graph (`lower`), what a runtime fuses (`latency::fuse`), weights.

use std::fmt;

use super::activation::Activation;
use super::foreign::{Foreign, ForeignId};
use super::origin::Origin;

/// Shape of one image's tensor, without the batch: channels x height x width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shape {
    pub channels: u32,
    pub height: u32,
    pub width: u32,
}

impl Shape {
    /// A map of `side` x `side` pixels.
    pub fn square(channels: u32, side: u32) -> Self {
        Self { channels, height: side, width: side }
    }

    /// Number of elements for one image.
    pub fn elements(self) -> u64 {
        self.channels as u64 * self.pixels()
    }

    /// Height x width.
    pub fn pixels(self) -> u64 {
        self.height as u64 * self.width as u64
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.channels, self.height, self.width)
    }
}

/// Index of an operator in its [`Graph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperatorId(pub(crate) u32);

impl OperatorId {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What an operator computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperatorKind {
    /// The image.
    Input,
    /// Square convolution with padding `(kernel - 1) / 2`; `kernel` is odd.
    Conv {
        kernel: u32,
        stride: u32,
        groups: u32,
        bias: bool,
    },
    /// Batch normalisation over the channels, eps [`BATCH_NORM_EPSILON`].
    BatchNorm,
    Activation(Activation),
    /// Sum of two maps of equal shape.
    Add,
    /// Map (first input) times a gate of one value per channel (second input, 1 x 1 pixels).
    Gate,
    /// Mean over height and width, to 1 x 1 pixels.
    GlobalAveragePool,
    /// Fully connected layer with bias on a flattened 1 x 1 map.
    Linear,
    /// An operator that no structure has, see [`Foreign`].
    Foreign(ForeignId),
}

/// Epsilon of every batch norm (section 2 of the paper's implementation).
pub const BATCH_NORM_EPSILON: f32 = 1e-3;

/// Where in the network an operator stands, which decides what looks at it: scores walk the trunk
/// alone (the "vanilla" network of the Zen-score), cost and latency walk everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Branch {
    /// The chain of convolutions from image to classifier.
    Trunk,
    /// Projection and addition of a residual link.
    Shortcut,
    /// Squeeze-and-excitation gates.
    SqueezeExcite,
    /// Global pooling and classifier.
    Head,
}

/// One node of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Operator {
    pub kind: OperatorKind,
    /// Producers; operators of one input repeat it, the input operator names itself.
    pub(crate) inputs: [OperatorId; 2],
    /// Shape of the output for one image.
    pub shape: Shape,
    pub branch: Branch,
    pub origin: Origin,
}

/// A network as operators with shapes, in execution order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    operators: Vec<Operator>,
    /// Facts of the operators that no structure has.
    foreign: Vec<Foreign>,
    /// Names of the operators where they came from; empty for a network that was lowered.
    names: Vec<String>,
}

/// A convolution of the trunk with the side of its input, as the scores see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TrunkConv {
    pub kernel: u32,
    pub stride: u32,
    pub groups: u32,
    pub in_channels: u32,
    pub out_channels: u32,
    /// Height and width of the input map.
    pub in_side: u32,
    /// Height and width of the output map.
    pub out_side: u32,
}

impl Graph {
    /// Appends an operator and returns its id.
    pub(crate) fn push(&mut self, operator: Operator) -> OperatorId {
        let id = OperatorId(self.operators.len() as u32);
        debug_assert!(self.inputs(&operator).iter().all(|input| *input < id));
        self.operators.push(operator);
        id
    }

    /// Appends a foreign operator with an output of `shape` and returns its id. It must have an input.
    pub(crate) fn push_foreign(&mut self, foreign: Foreign, shape: Shape, origin: Origin) -> OperatorId {
        let first = foreign.inputs.first().copied().unwrap_or(OperatorId(0));
        let second = foreign.inputs.get(1).copied().unwrap_or(first);
        let kind = OperatorKind::Foreign(ForeignId(self.foreign.len() as u32));
        self.foreign.push(foreign);
        self.push(Operator { kind, inputs: [first, second], shape, branch: Branch::Trunk, origin })
    }

    /// Names the operator appended last.
    pub(crate) fn name_last(&mut self, name: &str) {
        self.names.resize(self.operators.len().saturating_sub(1), String::new());
        self.names.push(name.to_owned());
    }

    /// Name of an operator where it came from; none in a network that was lowered.
    pub fn name(&self, id: OperatorId) -> Option<&str> {
        self.names.get(id.index()).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// The facts of a foreign operator.
    pub fn foreign(&self, id: ForeignId) -> &Foreign {
        &self.foreign[id.0 as usize]
    }

    /// Whether it holds operators that no structure has.
    pub fn is_foreign(&self) -> bool {
        !self.foreign.is_empty() || !self.names.is_empty()
    }

    /// The operators whose outputs `operator` reads, in order.
    pub fn inputs<'g>(&'g self, operator: &'g Operator) -> &'g [OperatorId] {
        match operator.kind {
            OperatorKind::Input => &[],
            OperatorKind::Add | OperatorKind::Gate => &operator.inputs,
            OperatorKind::Foreign(id) => &self.foreign(id).inputs,
            _ => &operator.inputs[..1],
        }
    }

    /// Removes every operator but keeps the memory, for reuse in a search.
    pub(crate) fn clear(&mut self) {
        self.operators.clear();
        self.foreign.clear();
        self.names.clear();
    }

    /// The operators in execution order.
    pub fn operators(&self) -> &[Operator] {
        &self.operators
    }

    /// Operators with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (OperatorId, &Operator)> {
        self.operators.iter().enumerate().map(|(i, operator)| (OperatorId(i as u32), operator))
    }

    pub fn get(&self, id: OperatorId) -> &Operator {
        &self.operators[id.index()]
    }

    /// Shape of the first input of an operator (its own shape for the input operator).
    pub fn input_shape(&self, operator: &Operator) -> Shape {
        self.get(operator.inputs[0]).shape
    }

    /// Number of operators that read each operator's output.
    pub fn use_counts(&self) -> Vec<u32> {
        let mut uses = Vec::new();
        self.use_counts_into(&mut uses);
        uses
    }

    /// As [`Graph::use_counts`], into memory that is reused.
    pub(crate) fn use_counts_into(&self, uses: &mut Vec<u32>) {
        uses.clear();
        uses.resize(self.operators.len(), 0);
        for operator in &self.operators {
            for input in self.inputs(operator) {
                uses[input.index()] += 1;
            }
        }
    }

    /// The network without residual links and gates, classifier included: what the scores of the
    /// paper's comparison look at (CIFAR, at most 1M parameters). Operators keep the names of their
    /// weights. Of a network that was lowered; scores take no other.
    pub fn vanilla(&self) -> Graph {
        let mut kept = Graph { foreign: self.foreign.clone(), ..Graph::default() };
        let mut moved: Vec<OperatorId> = Vec::with_capacity(self.operators.len());
        for operator in &self.operators {
            let inputs = operator.inputs.map(|input| moved.get(input.index()).copied().unwrap_or(input));
            moved.push(match operator.branch {
                Branch::Trunk | Branch::Head => kept.push(Operator { inputs, ..*operator }),
                // The first input of an addition or a gate is the trunk.
                Branch::Shortcut | Branch::SqueezeExcite => inputs[0],
            });
        }
        kept
    }

    /// The convolutions of the vanilla network (no residual links, no squeeze-and-excitation), in
    /// order; each is followed by a batch norm and a ReLU.
    pub fn trunk_convs(&self) -> impl Iterator<Item = TrunkConv> + '_ {
        self.operators.iter().filter_map(|operator| self.lone(operator).trunk_conv())
    }
}

/// One operator a line, for snapshots and people.
impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (id, operator) in self.iter() {
            write!(f, "%{} = {:?}", id.0, operator.kind)?;
            for input in self.inputs(operator) {
                write!(f, " %{}", input.0)?;
            }
            writeln!(f, " -> {} [{:?}]", operator.shape, operator.branch)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::net::{LowerOptions, Network};

    /// Taking links and gates out of a graph leaves what lowering without them draws.
    #[test]
    fn vanilla_is_the_network_lowered_without_links() {
        let text = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,2)SuperResK1K5K1(16,24,1,8,1)\
            SuperResIDWE2K3(24,32,2,40,2)SuperConvK1BNRELU(32,64,1,1)";
        let network = Network::parse(text).unwrap();
        let options = LowerOptions { squeeze_excite: true, ..LowerOptions::new(32, 10) };
        let full = network.lower(&options).unwrap();
        let plain = LowerOptions { squeeze_excite: false, residual: false, ..options };
        assert_eq!(full.vanilla().to_string(), network.lower(&plain).unwrap().to_string());
        assert_ne!(full.vanilla().operators().len(), full.operators().len());
        assert_eq!(full.vanilla().vanilla(), full.vanilla());
    }
}
