//! Swish (SiLU): x times its sigmoid.

use super::super::network::Network;
use super::Index;

/// Mul(x, Sigmoid(x)).
pub(super) fn swish(network: &mut Network, index: &Index, place: usize) -> Option<()> {
    let node = &network.nodes[place];
    if !node.is("Mul") {
        return None;
    }
    for (x, gate) in [(node.input(0), node.input(1)), (node.input(1), node.input(0))] {
        let Some(gate) = index.inner(network, gate, "Sigmoid") else { continue };
        if x.is_some() && network.nodes[gate].input(0) == x {
            network.nodes[place].become_("Swish", vec![x]);
            return Some(());
        }
    }
    None
}
