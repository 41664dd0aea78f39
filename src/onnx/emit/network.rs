//! A whole network: walks the graph and calls each operator's emitter.

use onnx_protobuf::ModelProto;

use super::conv::ConvArguments;
use super::fold::{BatchNorm, fold};
use super::names::node_names;
use super::{Batch, ModelBuilder, NumberType};
use crate::net::{Graph, Operator, OperatorId, OperatorKind};
use crate::onnx::error::{MAX_MODEL_BYTES, OnnxError};
use crate::onnx::interface::Interface;
use crate::onnx::weights::{TensorSpec, Weights, tensors_by_operator};

/// Builds the model of `graph` in `numbers`; every batch norm is folded into its convolution, in
/// float32 and better.
///
/// # Errors
/// When weights are missing or misshapen, the model is too large, folding is not finite, a weight
/// does not fit `numbers`, or the interface does not fit the network.
pub(in crate::onnx) fn network_model(
    graph: &Graph,
    weights: &Weights,
    numbers: NumberType,
    batch: Batch,
    interface: &Interface,
    metadata: impl IntoIterator<Item = (String, String)>,
) -> Result<ModelProto, OnnxError> {
    batch.check()?;
    // Known before any weight is drawn; names and nodes are checked at the end.
    let specs = tensors_by_operator(graph);
    let bytes = numbers.bytes() * specs.iter().flatten().map(TensorSpec::elements).sum::<u64>();
    if bytes > MAX_MODEL_BYTES {
        return Err(OnnxError::TooLarge { bytes });
    }
    let Some(last) = graph.operators().last().filter(|operator| operator.kind == OperatorKind::Linear) else {
        return Err(OnnxError::Graph { reason: "it does not end in a classifier".to_owned() });
    };
    let image = graph.operators().first().map_or(0, |operator| operator.shape.channels);
    interface.check(image, last.shape.channels)?;
    weights.check(graph)?;
    let mut walk = Walk {
        graph,
        weights,
        specs,
        norms: folded_norms(graph)?,
        names: node_names(graph),
        builder: ModelBuilder::new("zen_nas", batch).with_numbers(numbers),
        interface,
        image_scale: Vec::new(),
    };
    for (id, operator) in graph.iter() {
        walk.emit(id, operator)?;
    }
    walk.builder.finish(metadata)
}

/// For every convolution the batch norm that reads it.
///
/// # Errors
/// When a batch norm reads anything but a convolution that nothing else reads.
fn folded_norms(graph: &Graph) -> Result<Vec<Option<OperatorId>>, OnnxError> {
    let uses = graph.use_counts();
    let mut norms = vec![None; uses.len()];
    for (id, operator) in graph.iter().filter(|(_, operator)| operator.kind == OperatorKind::BatchNorm) {
        let input = graph.inputs(operator)[0];
        let conv = matches!(graph.get(input).kind, OperatorKind::Conv { .. });
        if !conv || uses[input.index()] != 1 {
            let reason = format!("operator {} is a batch norm without a convolution of its own", id.index());
            return Err(OnnxError::Graph { reason });
        }
        norms[input.index()] = Some(id);
    }
    Ok(norms)
}

struct Walk<'g> {
    graph: &'g Graph,
    weights: &'g Weights,
    /// Tensors of each operator.
    specs: Vec<Vec<TensorSpec>>,
    /// For each convolution the batch norm folded into it.
    norms: Vec<Option<OperatorId>>,
    /// The tensor each operator computes, which is also its node's name; a batch norm takes its
    /// convolution's.
    names: Vec<String>,
    builder: ModelBuilder,
    interface: &'g Interface,
    /// What weights of convolutions that read the image are multiplied by, for each channel.
    image_scale: Vec<f64>,
}

impl Walk<'_> {
    fn emit(&mut self, id: OperatorId, operator: &Operator) -> Result<(), OnnxError> {
        let name = self.names[id.index()].clone();
        let inputs: Vec<String> =
            self.graph.inputs(operator).iter().map(|input| self.names[input.index()].clone()).collect();
        match operator.kind {
            OperatorKind::Input => {
                let mut readers =
                    self.graph.operators().iter().filter(|reader| self.graph.inputs(reader).contains(&id));
                let fold = readers.all(|reader| matches!(reader.kind, OperatorKind::Conv { .. }));
                let image = self.builder.image(operator.shape, self.interface, fold);
                self.names[id.index()] = image.tensor;
                self.image_scale = image.scale;
            }
            OperatorKind::Conv { .. } => self.conv(id, operator, &name, &inputs[0])?,
            OperatorKind::BatchNorm => self.names[id.index()].clone_from(&inputs[0]),
            OperatorKind::Activation(activation) => self.builder.activation(&name, activation, &inputs[0]),
            OperatorKind::Add => self.builder.add(&name, &inputs[0], &inputs[1]),
            OperatorKind::Gate => self.builder.gate(&name, &inputs[0], &inputs[1]),
            OperatorKind::GlobalAveragePool => self.builder.global_average_pool(&name, &inputs[0]),
            OperatorKind::Foreign(foreign) => {
                let operation = &self.graph.foreign(foreign).operation;
                return Err(OnnxError::Graph { reason: format!("it holds a {operation}, which no structure has") });
            }
            OperatorKind::Linear => {
                let specs = &self.specs[id.index()];
                let (weight, bias) = (self.weights.get(&specs[0])?, self.weights.get(&specs[1])?);
                let sides = [operator.shape.channels, self.graph.input_shape(operator).channels];
                self.builder.result(sides[0], self.interface, |builder, output| {
                    builder.linear(&name, &inputs[0], sides, &weight, &bias, output);
                });
                self.fits(id)?;
            }
        }
        Ok(())
    }

    fn conv(&mut self, id: OperatorId, operator: &Operator, name: &str, input: &str) -> Result<(), OnnxError> {
        let OperatorKind::Conv { kernel, stride, groups, .. } = operator.kind else {
            return Ok(());
        };
        let in_channels = self.graph.input_shape(operator).channels;
        let out_channels = operator.shape.channels;
        let specs = &self.specs[id.index()];
        let mut weight = self.weights.get(&specs[0])?.into_owned();
        let mut bias = match specs.get(1) {
            Some(spec) => self.weights.get(spec)?.into_owned(),
            None => vec![0.0; out_channels as usize],
        };
        if let Some(norm) = self.norms[id.index()] {
            let specs = &self.specs[norm.index()];
            let norm = BatchNorm {
                weight: &self.weights.get(&specs[0])?,
                bias: &self.weights.get(&specs[1])?,
                running_mean: &self.weights.get(&specs[2])?,
                running_var: &self.weights.get(&specs[3])?,
            };
            if !fold(norm, &mut weight, &mut bias) {
                return Err(OnnxError::NotFinite { name: specs[0].name.trim_end_matches(".weight").to_owned() });
            }
        }
        let arguments = ConvArguments { kernel, stride, groups, in_channels, out_channels };
        if !self.image_scale.is_empty() && self.graph.get(self.graph.inputs(operator)[0]).kind == OperatorKind::Input {
            scale_inputs(&mut weight, &arguments, &self.image_scale);
        }
        self.builder.conv(name, input, arguments, &weight, &bias);
        self.fits(id)
    }

    /// Whether the weights of an operator fit the type of the model.
    fn fits(&self, id: OperatorId) -> Result<(), OnnxError> {
        match &self.builder.outside {
            None => Ok(()),
            Some((_, value)) => {
                Err(OnnxError::OutsideHalf { name: self.specs[id.index()][0].name.clone(), value: *value })
            }
        }
    }
}

/// Multiplies a convolution's weights by a number for each of its input channels.
fn scale_inputs(weight: &mut [f32], arguments: &ConvArguments, scale: &[f64]) {
    let [out_channels, in_group, height, width] = arguments.weight_dimensions().map(|d| d as usize);
    let outs_of_group = out_channels / arguments.groups as usize;
    for (i, plane) in weight.chunks_exact_mut(height * width).enumerate() {
        let (out_channel, offset) = (i / in_group, i % in_group);
        let factor = scale[out_channel / outs_of_group * in_group + offset];
        for value in plane {
            *value = (*value as f64 * factor) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_follow_groups() {
        let arguments = ConvArguments { kernel: 1, stride: 1, groups: 2, in_channels: 4, out_channels: 4 };
        let mut weight = [1.0; 8];
        scale_inputs(&mut weight, &arguments, &[1.0, 2.0, 3.0, 4.0]);
        assert_eq!(weight, [1.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 4.0]);
    }
}
