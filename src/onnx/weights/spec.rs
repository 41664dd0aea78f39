//! Which tensors a graph needs: names, shapes and what each is for.

use crate::net::{Graph, Operator, OperatorKind};

/// What a tensor is for, which decides how it is initialised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    ConvWeight,
    ConvBias,
    NormWeight,
    NormBias,
    NormMean,
    NormVariance,
    LinearWeight,
    LinearBias,
}

/// One tensor a network needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// State-dict name, e.g. `module_list.0.module_list.0.netblock.weight`.
    pub name: String,
    pub shape: Vec<usize>,
    pub role: Role,
}

impl TensorSpec {
    /// Number of values.
    pub fn elements(&self) -> u64 {
        self.shape.iter().map(|d| *d as u64).product()
    }
}

/// All tensors of `graph`, in execution order.
pub fn required_tensors(graph: &Graph) -> Vec<TensorSpec> {
    graph.operators().iter().flat_map(|operator| tensors_of(graph, operator)).collect()
}

/// The tensors of one operator: weight and bias; for a batch norm also mean and variance.
pub fn tensors_of(graph: &Graph, operator: &Operator) -> Vec<TensorSpec> {
    let in_channels = graph.input_shape(operator).channels as usize;
    let out_channels = operator.shape.channels as usize;
    let tensors: Vec<(&str, Vec<usize>, Role)> = match operator.kind {
        OperatorKind::Conv { kernel, groups, bias, .. } => {
            let side = kernel as usize;
            let shape = vec![out_channels, in_channels / groups as usize, side, side];
            let mut tensors = vec![("weight", shape, Role::ConvWeight)];
            if bias {
                tensors.push(("bias", vec![out_channels], Role::ConvBias));
            }
            tensors
        }
        OperatorKind::BatchNorm => [
            ("weight", Role::NormWeight),
            ("bias", Role::NormBias),
            ("running_mean", Role::NormMean),
            ("running_var", Role::NormVariance),
        ]
        .map(|(suffix, role)| (suffix, vec![out_channels], role))
        .into(),
        OperatorKind::Linear => vec![
            ("weight", vec![out_channels, in_channels], Role::LinearWeight),
            ("bias", vec![out_channels], Role::LinearBias),
        ],
        _ => vec![],
    };
    if tensors.is_empty() {
        return vec![];
    }
    let prefix = operator.origin.state_dict_prefix();
    tensors
        .into_iter()
        .map(|(suffix, shape, role)| TensorSpec { name: format!("{prefix}.{suffix}"), shape, role })
        .collect()
}
