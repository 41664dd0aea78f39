//! Fusion: from a graph to the operators a runtime executes.
//!
//! The rules, as TensorRT, onnxruntime, tract and TFLite agree on them: batch norm, or a constant factor
//! for each channel, folds into its convolution; a residual sum joins the convolution that produces its first map; an activation
//! joins whatever produces its input, if it is one of the cheap ones. What joins nothing stands alone.

use super::key::{KeyKind, OperatorKey};
use crate::net::{Activation, Foreign, ForeignKind, Graph, Operator, OperatorKind, Shape};

/// Fuses graphs, keeping its working memory between calls.
#[derive(Debug, Default)]
pub struct Fuser {
    keys: Vec<OperatorKey>,
    /// Fused operator that computes each graph operator's output.
    owner: Vec<u32>,
    uses: Vec<u32>,
}

/// Marks the image, which nothing computes.
const NOTHING: u32 = u32::MAX;

impl Fuser {
    /// For each operator of the graph fused last, the index of the fused operator it belongs to; none
    /// for the image.
    pub fn owners(&self) -> impl Iterator<Item = Option<usize>> {
        self.owner.iter().map(|owner| (*owner != NOTHING).then_some(*owner as usize))
    }

    /// The fused operators of `graph` in execution order.
    pub fn fuse(&mut self, graph: &Graph) -> &[OperatorKey] {
        self.keys.clear();
        self.owner.clear();
        graph.use_counts_into(&mut self.uses);
        for operator in graph.operators() {
            let first = graph.inputs(operator).first().copied();
            // The producer an operator may join: the one whose only reader it is.
            let joinable =
                first.map_or(NOTHING, |id| if self.uses[id.index()] == 1 { self.owner[id.index()] } else { NOTHING });
            let producer = self.keys.get_mut(joinable as usize);
            let input = graph.input_shape(operator);
            let alone = alone(input, operator.shape);
            let kind = match operator.kind {
                OperatorKind::Foreign(id) => match graph.foreign(id).kind {
                    ForeignKind::Activation(activation) => OperatorKind::Activation(activation),
                    _ => operator.kind,
                },
                kind => kind,
            };
            let key = match kind {
                OperatorKind::Input => {
                    self.owner.push(NOTHING);
                    continue;
                }
                OperatorKind::Conv { kernel, stride, groups, .. } => {
                    let depthwise = groups > 1 && groups == input.channels && groups == operator.shape.channels;
                    let kind = if depthwise { KeyKind::Depthwise } else { KeyKind::Conv };
                    OperatorKey { kind, kernel, stride, groups, ..alone }
                }
                OperatorKind::BatchNorm => match producer {
                    Some(key) if is_bare_conv(key) => {
                        self.owner.push(joinable);
                        continue;
                    }
                    _ => alone,
                },
                OperatorKind::Activation(activation) => match producer {
                    Some(key) if takes_activation(key, activation) => {
                        key.activation = Some(activation);
                        self.owner.push(joinable);
                        continue;
                    }
                    _ => OperatorKey { activation: Some(activation), ..alone },
                },
                OperatorKind::Add => match producer {
                    Some(key) if is_bare_conv(key) => {
                        key.residual_add = true;
                        self.owner.push(joinable);
                        continue;
                    }
                    _ => OperatorKey { kind: KeyKind::Add, ..alone },
                },
                OperatorKind::Gate => OperatorKey { kind: KeyKind::Gate, ..alone },
                OperatorKind::GlobalAveragePool => OperatorKey { kind: KeyKind::GlobalPool, ..alone },
                OperatorKind::Linear => OperatorKey { kind: KeyKind::Dense, ..alone },
                OperatorKind::Foreign(id)
                    if producer.as_deref().is_some_and(is_bare_conv)
                        && is_scale(graph.foreign(id), operator, input) =>
                {
                    self.owner.push(joinable);
                    continue;
                }
                OperatorKind::Foreign(id) => match foreign_key(graph.foreign(id), operator, input) {
                    Some(key) => key,
                    // Nothing is done: what reads it reads its input.
                    None => {
                        self.owner.push(first.map_or(NOTHING, |id| self.owner[id.index()]));
                        continue;
                    }
                },
            };
            self.owner.push(self.keys.len() as u32);
            self.keys.push(key);
        }
        &self.keys
    }
}

fn is_conv(key: &OperatorKey) -> bool {
    matches!(key.kind, KeyKind::Conv | KeyKind::Depthwise)
}

/// A convolution that nothing has joined yet which its weights and bias could not hold.
fn is_bare_conv(key: &OperatorKey) -> bool {
    is_conv(key) && key.activation.is_none() && !key.residual_add
}

/// Whether an operator multiplies each channel with a constant, as layer scale does.
fn is_scale(foreign: &Foreign, operator: &Operator, input: Shape) -> bool {
    let of_each_channel = foreign.parameters == u64::from(input.channels) && input == operator.shape;
    foreign.kind == ForeignKind::Elementwise && foreign.operation == "Mul" && of_each_channel
}

fn takes_activation(key: &OperatorKey, activation: Activation) -> bool {
    let into_conv = match activation {
        Activation::Relu | Activation::Relu6 | Activation::LeakyRelu => true,
        Activation::Sigmoid | Activation::HardSigmoid | Activation::Tanh => true,
        // Each runtime has some of these, no two the same.
        Activation::HardSwish | Activation::Swish | Activation::Gelu | Activation::PRelu | Activation::Elu => false,
    };
    let into_sum = matches!(activation, Activation::Relu | Activation::Relu6);
    key.activation.is_none()
        && ((is_conv(key) && into_conv) || (into_sum && matches!(key.kind, KeyKind::Add | KeyKind::Dense)))
}

/// An element-wise operator from a map of one shape to one of another.
fn alone(input: Shape, output: Shape) -> OperatorKey {
    OperatorKey {
        kind: KeyKind::Elementwise,
        kernel: 1,
        stride: 1,
        groups: 1,
        in_channels: input.channels,
        out_channels: output.channels,
        in_height: input.height,
        in_width: input.width,
        activation: None,
        residual_add: false,
    }
}

/// The key that comes nearest to a foreign operator; none where nothing is done.
fn foreign_key(foreign: &Foreign, operator: &Operator, input: Shape) -> Option<OperatorKey> {
    let output = operator.shape;
    let at_output = |kind| OperatorKey { kind, ..alone(output, output) };
    Some(match foreign.kind {
        ForeignKind::View => return None,
        ForeignKind::Conv { kernel, stride, groups, transposed, .. } => {
            // A transposed convolution multiplies once for each pixel that it reads.
            let (stride, multiplied) = if transposed { (1, input) } else { (side(stride), output) };
            let depthwise = groups > 1 && groups == input.channels && groups == output.channels;
            let kind = if depthwise { KeyKind::Depthwise } else { KeyKind::Conv };
            let key = windowed(kind, side(kernel), stride, multiplied);
            OperatorKey { groups, in_channels: input.channels, out_channels: output.channels, ..key }
        }
        ForeignKind::MaxPool { kernel, stride } => windowed(KeyKind::MaxPool, side(kernel), side(stride), output),
        ForeignKind::AveragePool { kernel, stride } => {
            windowed(KeyKind::AveragePool, side(kernel), side(stride), output)
        }
        ForeignKind::MatMul { batches, rows, inner, columns } => OperatorKey {
            kind: if (batches, rows) == (1, 1) { KeyKind::Dense } else { KeyKind::MatMul },
            in_channels: inner,
            out_channels: columns,
            in_height: rows,
            in_width: batches,
            ..alone(input, output)
        },
        ForeignKind::Concat => at_output(KeyKind::Concat),
        ForeignKind::Multiply => at_output(KeyKind::Multiply),
        ForeignKind::Resize => at_output(KeyKind::Resize),
        ForeignKind::Rearrange => at_output(KeyKind::Rearrange),
        ForeignKind::Norm => at_output(KeyKind::Norm),
        ForeignKind::Softmax => at_output(KeyKind::Softmax),
        ForeignKind::Activation(activation) => OperatorKey { activation: Some(activation), ..alone(output, output) },
        // A mean reads more than it writes.
        ForeignKind::Elementwise | ForeignKind::Unknown => {
            let larger = if input.elements() > output.elements() { input } else { output };
            alone(larger, larger)
        }
    })
}

/// The operator whose map of `output` comes from one of `stride` times the side.
fn windowed(kind: KeyKind, kernel: u32, stride: u32, output: Shape) -> OperatorKey {
    let read = Shape {
        height: output.height.saturating_mul(stride),
        width: output.width.saturating_mul(stride),
        channels: output.channels,
    };
    OperatorKey { kind, kernel, stride, ..alone(read, output) }
}

/// The side of the square with about the pixels of a window.
fn side([height, width]: [u32; 2]) -> u32 {
    if height == width { height } else { (f64::from(height) * f64::from(width)).sqrt().round().max(1.0) as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{LowerOptions, Network};

    fn keys(structure: &str, options: LowerOptions) -> Vec<String> {
        let graph = Network::parse(structure).unwrap().lower(&options).unwrap();
        Fuser::default().fuse(&graph).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn residual_unit_with_projection_and_identity() {
        let options = LowerOptions::new(16, 10);
        assert_eq!(
            keys("SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,2,8,2)", options),
            [
                "conv 3x3 s2 3->8 @16x16 +relu",
                "conv 1x1 s2 8->16 @8x8",
                "conv 3x3 s2 8->8 @8x8 +relu",
                "conv 3x3 s1 8->16 @4x4 +add +relu",
                "conv 3x3 s1 16->8 @4x4 +relu",
                "conv 3x3 s1 8->16 @4x4 +add +relu",
                "global_pool 16 @4x4",
                "dense 16->10 @1x1",
            ]
        );
    }

    #[test]
    fn squeeze_excite_stands_between() {
        let options = LowerOptions { squeeze_excite: true, residual: false, ..LowerOptions::new(8, 10) };
        let keys = keys("SuperConvK3BNRELU(3,8,1,1)SuperResIDWE1K3(8,8,1,8,1)", options);
        assert_eq!(
            keys[1..7],
            [
                "conv 1x1 s1 8->8 @8x8 +relu",
                "depthwise 3x3 s1 8 @8x8 +relu",
                "global_pool 8 @8x8",
                "conv 1x1 s1 8->2 @1x1 +relu",
                "conv 1x1 s1 2->8 @1x1 +sigmoid",
                "gate 8 @8x8",
            ]
        );
    }

    #[test]
    fn fused_flops_are_the_graphs() {
        let network =
            Network::parse("SuperConvK3BNRELU(3,16,2,1)SuperResIDWE4K5(16,40,2,24,2)SuperConvK1BNRELU(40,64,1,1)")
                .unwrap();
        let graph = network.lower(&LowerOptions { squeeze_excite: true, ..LowerOptions::new(33, 7) }).unwrap();
        let fused: u64 = Fuser::default().fuse(&graph).iter().map(OperatorKey::flops).sum();
        assert_eq!(fused, graph.cost().flops);
    }
}
