//! From a [`Network`] to its [`Graph`]: the builder that the block families draw with.
//!
//! Each family describes one of its layers in `block/*.rs`; what they share (shortcuts, squeeze
//! and excitation, the head, naming) is here, so a new family writes down its own layers only.

use super::activation::Activation;
use super::graph::{Branch, Graph, Operator, OperatorId, OperatorKind, Shape};
use super::origin::{Origin, Part};
use super::structure::{Network, SuperBlock};
use super::{LowerError, LowerErrorKind};

/// What a structure string leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LowerOptions {
    /// Height and width of the input image in pixels.
    pub resolution: u32,
    /// Outputs of the classifier.
    pub classes: u32,
    /// Squeeze-and-excitation in the blocks that know it.
    pub squeeze_excite: bool,
    /// Residual links; without them every unit is its plain chain ("vanilla" network).
    pub residual: bool,
}

impl LowerOptions {
    /// Residual links on, squeeze-and-excitation off: what the published latency budgets searched.
    pub fn new(resolution: u32, classes: u32) -> Self {
        Self { resolution, classes, squeeze_excite: false, residual: true }
    }
}

/// Largest image side that is accepted.
pub const MAX_RESOLUTION: u32 = 4096;
/// Largest number of classes that is accepted.
pub const MAX_CLASSES: u32 = 1_000_000;

impl Network {
    /// Lowers to operators with shapes.
    ///
    /// # Errors
    /// When an option is out of range or a map becomes smaller than a stride that should cut it.
    pub fn lower(&self, options: &LowerOptions) -> Result<Graph, LowerError> {
        let mut graph = Graph::default();
        self.lower_into(options, &mut graph)?;
        Ok(graph)
    }

    /// As [`Network::lower`], into a graph whose memory is reused; on error its content is
    /// unspecified.
    pub fn lower_into(&self, options: &LowerOptions, graph: &mut Graph) -> Result<(), LowerError> {
        for (value, limit, kind) in
            [(options.resolution, MAX_RESOLUTION, "resolution"), (options.classes, MAX_CLASSES, "classes")]
        {
            if value == 0 || value > limit {
                return Err(LowerError::option(kind, value, limit));
            }
        }
        graph.clear();
        let shape = Shape::square(self.in_channels(), options.resolution);
        let origin = Origin { block: 0, unit: None, index: 0, part: Part::Module };
        let input = graph.push(Operator {
            kind: OperatorKind::Input,
            inputs: [OperatorId(0); 2],
            shape,
            branch: Branch::Trunk,
            origin,
        });
        let mut builder = Builder {
            graph,
            squeeze_excite: options.squeeze_excite,
            residual: options.residual,
            origin,
            branch: Branch::Trunk,
            last: input,
            too_small: None,
        };
        for (i, block) in self.blocks().iter().enumerate() {
            builder.origin = Origin { block: i as u16, ..origin };
            for layer in 0..block.sub_layers {
                let stride = if layer == 0 { block.stride } else { 1 };
                block.kind.family().lower_layer(&mut builder, block, Layer { first: layer == 0, stride });
            }
            if let Some((side, stride)) = builder.too_small {
                return Err(LowerError {
                    kind: LowerErrorKind::TooSmall {
                        resolution: options.resolution,
                        block: i,
                        name: block.kind.name(),
                        side,
                        stride,
                    },
                });
            }
        }
        builder.head(options.classes);
        Ok(())
    }
}

/// Channels inside squeeze-and-excitation. Rounds half to even as the published Python does: 10 channels reduce to 2, not
/// to 3.
pub(crate) fn reduced_channels(channels: u32) -> u32 {
    ((f64::from(channels) / 4.0).round_ties_even() as u32).max(1)
}

/// One layer of a super-block: only the first has the block's stride.
#[derive(Clone, Copy, Debug)]
pub struct Layer {
    pub first: bool,
    pub stride: u32,
}

/// Draws operators one after another; every method continues from the last operator.
pub struct Builder<'g> {
    graph: &'g mut Graph,
    squeeze_excite: bool,
    residual: bool,
    origin: Origin,
    branch: Branch,
    last: OperatorId,
    /// Input side and stride of the first convolution whose input is smaller than its stride.
    too_small: Option<(u32, u32)>,
}

impl Builder<'_> {
    fn push(&mut self, kind: OperatorKind, second: Option<OperatorId>, shape: Shape) {
        let inputs = [self.last, second.unwrap_or(self.last)];
        self.last = self.graph.push(Operator { kind, inputs, shape, branch: self.branch, origin: self.origin });
    }

    fn shape(&self) -> Shape {
        self.graph.get(self.last).shape
    }

    /// Side of the current map.
    fn side(&self) -> u32 {
        self.shape().height
    }

    fn raw_conv(&mut self, kernel: u32, stride: u32, groups: u32, out_channels: u32, bias: bool) {
        let side = self.side();
        if side < stride && self.too_small.is_none() {
            self.too_small = Some((side, stride));
        }
        let shape = Shape::square(out_channels, side.div_ceil(stride));
        self.push(OperatorKind::Conv { kernel, stride, groups, bias }, None, shape);
    }

    /// Convolution, batch norm.
    pub fn conv_bn(&mut self, kernel: u32, stride: u32, groups: u32, out_channels: u32) {
        self.raw_conv(kernel, stride, groups, out_channels, false);
        self.origin.index += 1;
        self.push(OperatorKind::BatchNorm, None, self.shape());
        self.origin.index += 1;
    }

    /// ReLU.
    pub fn relu(&mut self) {
        self.push(OperatorKind::Activation(Activation::Relu), None, self.shape());
        self.origin.index += 1;
    }

    /// Convolution, batch norm, ReLU.
    pub fn conv_bn_relu(&mut self, kernel: u32, stride: u32, groups: u32, out_channels: u32) {
        self.conv_bn(kernel, stride, groups, out_channels);
        self.relu();
    }

    /// The gate of squeeze-and-excitation, if it is switched on: pool, 1x1 to a quarter of the
    /// channels (at least one), BN, ReLU, 1x1 back, BN, sigmoid, multiply.
    pub fn squeeze_excite(&mut self) {
        if !self.squeeze_excite {
            return;
        }
        let map = self.last;
        let channels = self.shape().channels;
        let reduced = reduced_channels(channels);
        let branch = std::mem::replace(&mut self.branch, Branch::SqueezeExcite);
        self.push(OperatorKind::GlobalAveragePool, None, Shape::square(channels, 1));
        for (conv, out_channels, activation) in [(1, reduced, Activation::Relu), (4, channels, Activation::Sigmoid)] {
            let shape = Shape::square(out_channels, 1);
            self.origin.part = Part::SqueezeExcite(conv);
            self.push(OperatorKind::Conv { kernel: 1, stride: 1, groups: 1, bias: false }, None, shape);
            self.origin.part = Part::SqueezeExcite(conv + 1);
            self.push(OperatorKind::BatchNorm, None, shape);
            self.push(OperatorKind::Activation(activation), None, shape);
        }
        self.origin.part = Part::Module;
        let gate = std::mem::replace(&mut self.last, map);
        self.push(OperatorKind::Gate, Some(gate), self.shape());
        self.branch = branch;
        self.origin.index += 1;
    }

    /// A residual unit and the ReLU after it: `unit` draws the chain, whose output has
    /// `out_channels`; a projection is used where `project` asks for it or shapes differ.
    pub fn residual(&mut self, stride: u32, out_channels: u32, project: bool, unit: impl FnOnce(&mut Self)) {
        if !self.residual {
            unit(self);
            return self.relu();
        }
        let outer = self.origin;
        let input = self.last;
        self.origin = Origin { unit: Some(outer.index), index: 0, ..outer };
        let project = project || stride != 1 || self.shape().channels != out_channels;
        let shortcut = if project {
            self.branch = Branch::Shortcut;
            self.origin.part = Part::Projection(0);
            self.raw_conv(1, stride, 1, out_channels, true);
            self.origin.part = Part::Projection(1);
            self.push(OperatorKind::BatchNorm, None, self.shape());
            self.origin.part = Part::Module;
            self.branch = Branch::Trunk;
            std::mem::replace(&mut self.last, input)
        } else {
            input
        };
        unit(self);
        self.origin = outer;
        self.branch = Branch::Shortcut;
        self.push(OperatorKind::Add, Some(shortcut), self.shape());
        self.branch = Branch::Trunk;
        self.origin.index += 1;
        self.relu();
    }

    fn head(&mut self, classes: u32) {
        self.branch = Branch::Head;
        self.origin.part = Part::Classifier;
        self.push(OperatorKind::GlobalAveragePool, None, Shape::square(self.shape().channels, 1));
        self.push(OperatorKind::Linear, None, Shape::square(classes, 1));
    }
}

/// Arguments that every family reads from its super-block.
impl SuperBlock {
    /// Bottleneck channels; the output channels where a family has no bottleneck.
    pub fn bottleneck_or_out(&self) -> u32 {
        self.bottleneck.unwrap_or(self.out_channels)
    }
}
