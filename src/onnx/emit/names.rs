//! Readable, unique node names from a graph: `block2_unit0_conv1`, `block2_unit0_se_relu0`.

use std::collections::HashMap;

use crate::net::{Branch, Graph, Operator, OperatorKind};

/// Name of the model's input.
pub const INPUT_NAME: &str = "image";
/// Name of the model's output.
pub const OUTPUT_NAME: &str = "logits";
/// Name of the output of a model that ends in softmax.
pub const PROBABILITIES_NAME: &str = "probabilities";

/// The node name of every operator, in order; the input operator has [`INPUT_NAME`].
///
/// Blocks, and residual units in a block, count from 0. A unit's sum and the activation after it
/// belong to the unit. Convolutions and ReLUs count from 0 inside their unit (or block, where
/// there are no units); other names get a number from the second on.
pub fn node_names(graph: &Graph) -> Vec<String> {
    let mut used: HashMap<String, u32> = HashMap::new();
    let mut unit = UnitCounter::default();
    graph
        .operators()
        .iter()
        .map(|operator| {
            let (word, numbered) = word(operator);
            let scope = unit.scope(operator);
            let base = match operator.kind {
                OperatorKind::Input => return INPUT_NAME.to_owned(),
                _ if operator.branch == Branch::SqueezeExcite => format!("{scope}_se_{word}"),
                _ => format!("{scope}_{word}"),
            };
            let count = used.entry(base.clone()).or_default();
            let name = if numbered || *count > 0 { format!("{base}{count}") } else { base };
            *count += 1;
            name
        })
        .collect()
}

/// What a node is called, and whether it always has a number.
fn word(operator: &Operator) -> (&'static str, bool) {
    match operator.kind {
        OperatorKind::Input => (INPUT_NAME, false),
        OperatorKind::Conv { .. } if operator.branch == Branch::Shortcut => ("projection", false),
        OperatorKind::Conv { .. } => ("conv", true),
        OperatorKind::BatchNorm => ("norm", true),
        OperatorKind::Activation(activation) => (activation.name(), true),
        OperatorKind::Add => ("add", false),
        OperatorKind::Gate => ("gate", false),
        OperatorKind::GlobalAveragePool => ("pool", false),
        OperatorKind::Linear => ("classifier", false),
        OperatorKind::Foreign(_) => ("foreign", true),
    }
}

/// Follows which block and residual unit the operators belong to.
#[derive(Default)]
struct UnitCounter {
    block: u16,
    /// Residual unit of the last operator: its number in the block and its index in the origin.
    unit: Option<(u32, u16)>,
    units: u32,
    after_add: bool,
}

impl UnitCounter {
    fn scope(&mut self, operator: &Operator) -> String {
        if operator.branch == Branch::Head {
            return "head".to_owned();
        }
        let origin = operator.origin;
        if origin.block != self.block {
            *self = Self { block: origin.block, ..Self::default() };
        }
        let add = operator.kind == OperatorKind::Add;
        match origin.unit {
            Some(index) if self.unit.is_none_or(|(_, last)| last != index) => {
                self.unit = Some((self.units, index));
                self.units += 1;
            }
            Some(_) => {}
            None if add || self.after_add => {}
            None => self.unit = None,
        }
        self.after_add = add;
        match self.unit {
            Some((number, _)) => format!("block{}_unit{number}", self.block),
            None => format!("block{}", self.block),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{LowerOptions, Network};

    #[test]
    fn names_of_a_residual_network_with_gates() {
        let network = Network::parse("SuperConvK3BNRELU(3,8,1,1)SuperResIDWE1K3(8,8,1,8,1)").unwrap();
        let graph = network.lower(&LowerOptions { squeeze_excite: true, ..LowerOptions::new(8, 10) }).unwrap();
        let names = node_names(&graph);
        let names: Vec<_> = names.iter().map(String::as_str).filter(|name| !name.contains("norm")).collect();
        assert_eq!(
            names[..20],
            [
                "image",
                "block0_conv0",
                "block0_relu0",
                "block1_unit0_projection",
                "block1_unit0_conv0",
                "block1_unit0_relu0",
                "block1_unit0_conv1",
                "block1_unit0_relu1",
                "block1_unit0_se_pool",
                "block1_unit0_se_conv0",
                "block1_unit0_se_relu0",
                "block1_unit0_se_conv1",
                "block1_unit0_se_sigmoid0",
                "block1_unit0_se_gate",
                "block1_unit0_conv2",
                "block1_unit0_add",
                "block1_unit0_relu2",
                "block1_unit1_conv0",
                "block1_unit1_relu0",
                "block1_unit1_conv1",
            ]
        );
        assert_eq!(names[names.len() - 2..], ["head_pool", "head_classifier"]);
    }

    #[test]
    fn names_are_unique() {
        let text = "SuperConvK3BNRELU(3,8,1,2)SuperResK1K3K1(8,16,2,8,3)SuperResK3K3(16,8,1,8,3)";
        for residual in [false, true] {
            let options = LowerOptions { residual, squeeze_excite: true, ..LowerOptions::new(8, 10) };
            let names = node_names(&Network::parse(text).unwrap().lower(&options).unwrap());
            let unique: std::collections::HashSet<_> = names.iter().collect();
            assert_eq!(unique.len(), names.len());
        }
    }
}
