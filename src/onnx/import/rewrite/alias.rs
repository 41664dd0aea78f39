//! Nodes that hand on their input.

use super::super::network::Network;

/// Readers of an identity or a dropout read its input instead.
///
/// An identity of a weight is a weight of its own: PyTorch's exporter stores equal tensors once and
/// puts an identity in the place of each further one.
pub(super) fn resolve(network: &mut Network) {
    let mut alias: Vec<usize> = (0..network.values()).collect();
    for place in 0..network.nodes.len() {
        let node = &network.nodes[place];
        let hands_on = node.is("Identity") || (node.is("Dropout") && node.outputs.get(1).copied().flatten().is_none());
        let (Some(input), Some(output), true) = (node.input(0), node.output(), hands_on) else { continue };
        // Nodes come in order, so what the input stands for is known.
        match network.constant(alias[input]).cloned() {
            Some(constant) => network.constants[output] = Some(constant),
            None => alias[output] = alias[input],
        }
    }
    network.redirect(&alias);
    let constants = &network.constants;
    network.nodes.retain(|node| !node.outputs.iter().flatten().any(|output| constants[*output].is_some()));
}

impl Network {
    /// Makes readers of each value read the one that stands for it.
    pub(super) fn redirect(&mut self, alias: &[usize]) {
        for node in &mut self.nodes {
            for input in node.inputs.iter_mut().flatten() {
                *input = alias[*input];
            }
        }
        for output in &mut self.outputs {
            *output = alias[*output];
        }
    }
}
