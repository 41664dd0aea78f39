//! One-operator models, for timing an operator key on a device.
//!
//! Two forms: the operator alone, and the sandwich, where 1x1 convolutions stand before and behind
//! it as in a network. In the sandwich the operator's own nodes carry [`OPERATOR_NODE_PREFIX`]
//! (runtimes append to these names when they rewrite nodes), so that a runtime that times nodes
//! can count those alone; weights and maps then are as cold as they are in a network, where the
//! operator alone would run too fast. A lone activation or batch norm can vanish into its
//! neighbours there: time [`KeyKind::Elementwise`] alone.
//! Not here: how anything is timed (`profile`).

use super::OnnxError;
use super::emit::{Batch, ConvArguments, ModelBuilder, encode};
use super::error::MAX_MODEL_BYTES;
use super::weights::{he_normal, normal};
use crate::latency::{KeyKind, OperatorKey};
use crate::net::{Activation, Shape};

/// Start of the names of the nodes that belong to the operator itself, in both forms. Nodes of
/// the sandwich's other layers start with [`BREAD_NODE_PREFIX`].
pub const OPERATOR_NODE_PREFIX: &str = "operator_";
/// Start of the names of the sandwich's other nodes.
pub const BREAD_NODE_PREFIX: &str = "bread_";
/// Channels at the open ends of a sandwich.
pub(super) const BREAD_CHANNELS: u32 = 16;

/// Name of the input map.
pub(super) const INPUT: &str = "input";
/// Name of the second input: the other map of a sum, or the values of a gate.
const SECOND: &str = "second";

/// The operator alone, encoded. Its inputs are `input` and, for a sum or a gate, `second`.
///
/// # Errors
/// When the key describes no operator (zero sizes, groups that do not divide the channels, kinds
/// with numbers that contradict them) or `batch_size` is out of range.
pub fn operator_model(key: &OperatorKey, batch_size: u32, seed: u64) -> Result<Vec<u8>, OnnxError> {
    let mut model = OperatorModel::new(key, batch_size, seed)?;
    model.builder.input(INPUT, in_shape(key));
    if let Some(shape) = second_shape(key) {
        model.builder.input(SECOND, shape);
    }
    let output = model.operator(INPUT, SECOND);
    let shape = out_shape(key);
    if key.kind == KeyKind::Dense {
        model.builder.output(&output, &[shape.channels]);
    } else {
        model.builder.output(&output, &[shape.channels, shape.height, shape.width]);
    }
    encode(&model.builder.finish([])?)
}

/// The operator between 1x1 convolutions with ReLU, encoded. An operator on 3 channels reads the
/// image, so nothing stands before it; nothing stands behind a dense layer.
///
/// # Errors
/// As [`operator_model`].
pub fn sandwich_model(key: &OperatorKey, batch_size: u32, seed: u64) -> Result<Vec<u8>, OnnxError> {
    let mut model = OperatorModel::new(key, batch_size, seed)?;
    let input = model.bread_before("before", INPUT, in_shape(key), Activation::Relu);
    let second = match second_shape(key) {
        None => String::new(),
        Some(shape) => {
            let activation = if key.kind == KeyKind::Gate { Activation::Sigmoid } else { Activation::Relu };
            model.bread_before("beside", SECOND, shape, activation)
        }
    };
    let operator = model.operator(&input, &second);
    let shape = out_shape(key);
    if key.kind == KeyKind::Dense {
        model.builder.output(&operator, &[shape.channels]);
    } else {
        let output = model.pointwise("after", &operator, shape.channels, BREAD_CHANNELS);
        model.builder.output(&output, &[BREAD_CHANNELS, shape.height, shape.width]);
    }
    encode(&model.builder.finish([])?)
}

/// Shape of the first input.
pub(super) fn in_shape(key: &OperatorKey) -> Shape {
    let OperatorKey { in_channels: channels, in_height: height, in_width: width, .. } = *key;
    match key.kind {
        KeyKind::Concat => Shape { channels: channels - channels / 2, height, width },
        KeyKind::Resize => Shape { channels, height: height.div_ceil(2), width: width.div_ceil(2) },
        KeyKind::MatMul => Shape { channels: width, height, width: channels },
        _ => Shape { channels, height, width },
    }
}

pub(super) fn out_shape(key: &OperatorKey) -> Shape {
    let (channels, height, width) = (key.out_channels, key.out_height(), key.out_width());
    match key.kind {
        KeyKind::Rearrange => Shape { channels: height, height: width, width: channels },
        KeyKind::MatMul => Shape { channels: width, height, width: channels },
        _ => Shape { channels, height, width },
    }
}

/// Shape of the second input, for the operators that have one.
pub(super) fn second_shape(key: &OperatorKey) -> Option<Shape> {
    match key.kind {
        KeyKind::Gate => Some(Shape::square(key.in_channels, 1)),
        KeyKind::Add | KeyKind::Multiply => Some(in_shape(key)),
        KeyKind::Concat => Some(Shape { channels: key.in_channels / 2, ..in_shape(key) }),
        KeyKind::MatMul => Some(Shape { height: key.in_channels, width: key.out_channels, ..in_shape(key) }),
        _ if key.residual_add => Some(out_shape(key)),
        _ => None,
    }
}

pub(super) struct OperatorModel<'k> {
    key: &'k OperatorKey,
    seed: u64,
    pub(super) builder: ModelBuilder,
}

impl<'k> OperatorModel<'k> {
    pub(super) fn new(key: &'k OperatorKey, batch_size: u32, seed: u64) -> Result<Self, OnnxError> {
        check(key).map_err(|reason| OnnxError::Operator { key: key.to_string(), reason })?;
        let batch = Batch::Fixed(batch_size);
        batch.check()?;
        Ok(Self { key, seed, builder: ModelBuilder::new("zen_nas_operator", batch) })
    }

    /// The operator's own nodes, with what is fused into it; returns the tensor they compute.
    fn operator(&mut self, input: &str, second: &str) -> String {
        let key = *self.key;
        let name = |word: &str| format!("{OPERATOR_NODE_PREFIX}{word}");
        let mut output = name(key.kind.name());
        match key.kind {
            KeyKind::Conv | KeyKind::Depthwise => {
                let OperatorKey { kernel, stride, groups, in_channels, out_channels, .. } = key;
                self.conv(&output, input, ConvArguments { kernel, stride, groups, in_channels, out_channels });
            }
            KeyKind::Dense => {
                let features = key.in_elements() as u32;
                let weight = he_normal(self.seed, &output, key.weights() as usize, features);
                let bias = normal(self.seed, "bias", key.out_channels as usize, 0.1);
                self.builder.linear(&output, input, [key.out_channels, features], &weight, &bias, &output);
            }
            KeyKind::GlobalPool => self.builder.global_average_pool(&output, input),
            KeyKind::Gate => self.builder.gate(&output, input, second),
            KeyKind::Add => self.builder.add(&output, input, second),
            KeyKind::Elementwise if key.activation.is_none() => {
                let scale = vec![1.5; key.in_channels as usize];
                let shift = normal(self.seed, "shift", key.in_channels as usize, 0.1);
                self.builder.scale_and_shift(&output, input, &scale, &shift);
            }
            KeyKind::MaxPool => self.builder.pool("MaxPool", &output, input, key.kernel, key.stride),
            KeyKind::AveragePool => self.builder.pool("AveragePool", &output, input, key.kernel, key.stride),
            KeyKind::Concat => self.builder.concat(&output, input, second),
            KeyKind::Multiply => self.builder.multiply(&output, input, second),
            KeyKind::Resize => {
                let small = in_shape(&key);
                // A little more than the ratio, so that rounding never loses the last row.
                let scale = |large: u32, small: u32| {
                    if large == 2 * small { 2.0 } else { (large as f32 + 0.25) / small as f32 }
                };
                let scales = [scale(key.in_height, small.height), scale(key.in_width, small.width)];
                self.builder.resize(&output, input, scales);
            }
            KeyKind::Rearrange => self.builder.channels_last(&output, input),
            KeyKind::Norm => self.builder.channel_norm(&output, input, key.in_channels),
            KeyKind::Softmax => self.builder.softmax(&output, input),
            KeyKind::MatMul => self.builder.matmul(&output, input, second),
            // The activation below is all there is.
            KeyKind::Elementwise => output = input.to_owned(),
        }
        if key.residual_add {
            let sum = name("residual_add");
            self.builder.add(&sum, &output, second);
            output = sum;
        }
        if let Some(activation) = key.activation {
            let activated = name(activation.name());
            self.builder.activation(&activated, activation, &output);
            output = activated;
        }
        output
    }

    fn conv(&mut self, name: &str, input: &str, arguments: ConvArguments) {
        let [out_channels, rest @ ..] = arguments.weight_dimensions();
        let fan_in: u32 = rest.iter().product();
        let weight = he_normal(self.seed, name, out_channels as usize * fan_in as usize, fan_in);
        let bias = normal(self.seed, &format!("{name}_bias"), out_channels as usize, 0.1);
        self.builder.conv(name, input, arguments, &weight, &bias);
    }

    /// A 1x1 convolution of the sandwich; returns the tensor it computes.
    pub(super) fn pointwise(&mut self, place: &str, input: &str, in_channels: u32, out_channels: u32) -> String {
        let name = format!("{BREAD_NODE_PREFIX}{place}_conv");
        self.conv(&name, input, ConvArguments::pointwise(in_channels, out_channels));
        name
    }

    /// An input of the model and the layer that makes a map of `shape` from it.
    pub(super) fn bread_before(&mut self, place: &str, input: &str, shape: Shape, activation: Activation) -> String {
        if shape.channels == 3 {
            self.builder.input(input, shape);
            return input.to_owned();
        }
        self.builder.input(input, Shape { channels: BREAD_CHANNELS, ..shape });
        let conv = self.pointwise(place, input, BREAD_CHANNELS, shape.channels);
        let output = format!("{BREAD_NODE_PREFIX}{place}_{}", activation.name());
        self.builder.activation(&output, activation, &conv);
        output
    }
}

/// Whether a key describes an operator; runtimes panic on some that do not.
fn check(key: &OperatorKey) -> Result<(), String> {
    let OperatorKey { kernel, stride, groups, in_channels, out_channels, in_height, in_width, .. } = *key;
    let is_conv = matches!(key.kind, KeyKind::Conv | KeyKind::Depthwise);
    if [kernel, stride, groups, in_channels, out_channels, in_height, in_width].contains(&0) {
        return Err("every number must be at least 1".to_owned());
    }
    if kernel % 2 == 0 && (in_height % stride, in_width % stride) != (0, 0) {
        return Err(format!("the kernel is {kernel}; an even one needs a map that its stride divides"));
    }
    if in_channels % groups != 0 || out_channels % groups != 0 {
        return Err(format!("{groups} groups do not divide {in_channels} and {out_channels} channels"));
    }
    if key.kind == KeyKind::Depthwise && (groups != in_channels || groups != out_channels) {
        return Err(format!("depthwise needs {in_channels} groups and output channels"));
    }
    if !key.kind.has_window() && (kernel != 1 || stride != 1) {
        return Err("kernel and stride belong to convolutions and pools and must be 1".to_owned());
    }
    if !is_conv && groups != 1 {
        return Err("groups belong to convolutions and must be 1".to_owned());
    }
    if key.kind == KeyKind::Concat && in_channels < 2 {
        return Err("it needs two channels at least".to_owned());
    }
    if !is_conv && key.residual_add {
        return Err("a residual sum fuses into convolutions only".to_owned());
    }
    if !is_conv && !matches!(key.kind, KeyKind::Dense | KeyKind::MatMul) && in_channels != out_channels {
        return Err(format!("it keeps its channels, but has {in_channels} in and {out_channels} out"));
    }
    if key.kind == KeyKind::Dense && (in_height, in_width) != (1, 1) {
        return Err("a dense layer reads maps of 1x1".to_owned());
    }
    let weight_bytes = [out_channels, in_channels / groups, kernel, kernel]
        .iter()
        .try_fold(4u64, |product, d| product.checked_mul(*d as u64));
    if weight_bytes.is_none_or(|bytes| bytes > MAX_MODEL_BYTES) && (is_conv || key.kind == KeyKind::Dense) {
        return Err(format!("its weights exceed {MAX_MODEL_BYTES} bytes"));
    }
    Ok(())
}
