//! Which tensors a graph needs: names, shapes and what each is for.

use crate::net::{Graph, Operator, OperatorId, OperatorKind};

/// What a tensor is for, which decides how it is initialised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    ConvWeight,
    /// Weight of the last convolution of a residual unit, in a network with `units` of them.
    UnitEndWeight {
        units: u32,
    },
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
    tensors_by_operator(graph).into_iter().flatten().collect()
}

/// The tensors of every operator: weight and bias; for a batch norm also mean and variance.
pub fn tensors_by_operator(graph: &Graph) -> Vec<Vec<TensorSpec>> {
    let mut tensors: Vec<_> = graph.operators().iter().map(|operator| tensors_of(graph, operator)).collect();
    let ends = unit_ends(graph);
    for end in &ends {
        for spec in tensors[end.index()].iter_mut().filter(|spec| spec.role == Role::ConvWeight) {
            spec.role = Role::UnitEndWeight { units: ends.len() as u32 };
        }
    }
    tensors
}

/// The last convolution of every residual unit: the one whose batch norm is the first map of a sum.
fn unit_ends(graph: &Graph) -> Vec<OperatorId> {
    graph
        .operators()
        .iter()
        .filter(|operator| operator.kind == OperatorKind::Add)
        .map(|sum| {
            let end = graph.inputs(sum)[0];
            match graph.get(end) {
                norm if norm.kind == OperatorKind::BatchNorm => graph.inputs(norm)[0],
                _ => end,
            }
        })
        .collect()
}

fn tensors_of(graph: &Graph, operator: &Operator) -> Vec<TensorSpec> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{LowerOptions, Network};

    #[test]
    fn unit_ends_are_the_convolutions_before_the_sums() {
        let text = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,2)SuperResIDWE1K3(16,16,1,8,1)";
        let graph = |residual| {
            let options = LowerOptions { residual, squeeze_excite: true, ..LowerOptions::new(8, 10) };
            Network::parse(text).unwrap().lower(&options).unwrap()
        };
        let ends: Vec<_> = required_tensors(&graph(true))
            .into_iter()
            .filter(|spec| spec.role == Role::UnitEndWeight { units: 4 })
            .map(|spec| (spec.name, spec.shape))
            .collect();
        let end = |place: &str, shape: [usize; 4]| (format!("module_list.{place}.netblock.weight"), shape.to_vec());
        let expected = [
            end("1.module_list.0.module_list.4", [16, 8, 3, 3]),
            end("1.module_list.2.module_list.4", [16, 8, 3, 3]),
            end("2.module_list.0.module_list.7", [8, 8, 1, 1]),
            end("2.module_list.2.module_list.7", [16, 16, 1, 1]),
        ];
        assert_eq!(ends, expected);
        let plain = required_tensors(&graph(false));
        assert!(!plain.iter().any(|spec| matches!(spec.role, Role::UnitEndWeight { .. })));
    }
}
