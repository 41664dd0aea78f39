//! A whole network: walks the graph and calls each operator's emitter.

use onnx_protobuf::ModelProto;

use super::conv::ConvArguments;
use super::fold::{BatchNorm, fold};
use super::names::{INPUT_NAME, OUTPUT_NAME, node_names};
use super::{Batch, ModelBuilder};
use crate::net::{Graph, Operator, OperatorId, OperatorKind};
use crate::onnx::error::{MAX_MODEL_BYTES, OnnxError};
use crate::onnx::weights::{TensorSpec, Weights, tensors_by_operator};

/// Builds the model of `graph`; every batch norm is folded into its convolution.
///
/// # Errors
/// When weights are missing or misshapen, the model is too large, or folding is not finite.
pub(in crate::onnx) fn network_model(
    graph: &Graph,
    weights: &Weights,
    batch: Batch,
    metadata: impl IntoIterator<Item = (String, String)>,
) -> Result<ModelProto, OnnxError> {
    batch.check()?;
    weights.check(graph)?;
    // Known before any weight is drawn; names and nodes are checked at the end.
    let specs = tensors_by_operator(graph);
    let bytes = 4 * specs.iter().flatten().map(TensorSpec::elements).sum::<u64>();
    if bytes > MAX_MODEL_BYTES {
        return Err(OnnxError::TooLarge { bytes });
    }
    let Some(last) = graph.operators().last().filter(|operator| operator.kind == OperatorKind::Linear) else {
        return Err(OnnxError::Graph { reason: "it does not end in a classifier".to_owned() });
    };
    let classes = last.shape.channels;
    let mut walk = Walk {
        graph,
        weights,
        specs,
        norms: folded_norms(graph)?,
        names: node_names(graph),
        builder: ModelBuilder::new("zen_nas", batch),
    };
    for (id, operator) in graph.iter() {
        walk.emit(id, operator)?;
    }
    walk.builder.output(OUTPUT_NAME, &[classes]);
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
}

impl Walk<'_> {
    fn emit(&mut self, id: OperatorId, operator: &Operator) -> Result<(), OnnxError> {
        let name = self.names[id.index()].clone();
        let inputs: Vec<String> =
            self.graph.inputs(operator).iter().map(|input| self.names[input.index()].clone()).collect();
        match operator.kind {
            OperatorKind::Input => self.builder.input(INPUT_NAME, operator.shape),
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
                self.builder.linear(&name, &inputs[0], sides, &weight, &bias, OUTPUT_NAME);
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
        self.builder.conv(name, input, arguments, &weight, &bias);
        Ok(())
    }
}
