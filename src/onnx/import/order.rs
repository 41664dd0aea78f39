//! Which nodes the outputs need, and an order in which each comes behind its inputs.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::error::Problem;
use super::network::Network;

/// Drops the nodes that no output needs.
pub(super) fn drop_unused(network: &mut Network) {
    let producers = producers(network);
    let mut live = vec![false; network.nodes.len()];
    let mut pending: Vec<usize> = network.outputs.iter().filter_map(|id| producers[*id]).collect();
    while let Some(node) = pending.pop() {
        if !std::mem::replace(&mut live[node], true) {
            pending.extend(network.nodes[node].inputs.iter().flatten().filter_map(|id| producers[*id]));
        }
    }
    let mut live = live.into_iter();
    network.nodes.retain(|_| live.next().unwrap_or(false));
}

/// Puts the nodes behind their inputs, in the file's order as far as possible.
///
/// # Errors
/// When nodes wait for one another in a circle; one of them is named.
pub(super) fn sort(network: &mut Network) -> Result<(), Problem> {
    let producers = producers(network);
    let count = network.nodes.len();
    let mut waits_for = vec![0_usize; count];
    let mut readers = vec![Vec::new(); count];
    for (node, waits) in waits_for.iter_mut().enumerate() {
        for producer in network.nodes[node].inputs.iter().flatten().filter_map(|id| producers[*id]) {
            *waits += 1;
            readers[producer].push(node);
        }
    }
    let mut ready: BinaryHeap<Reverse<usize>> = (0..count).filter(|node| waits_for[*node] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(count);
    while let Some(Reverse(node)) = ready.pop() {
        order.push(node);
        for reader in &readers[node] {
            waits_for[*reader] -= 1;
            if waits_for[*reader] == 0 {
                ready.push(Reverse(*reader));
            }
        }
    }
    if let Some(node) = (0..count).find(|node| waits_for[*node] > 0) {
        let reason = "it waits for its own output, or for a node that does: the graph has a circle";
        return Err(network.nodes[node].problem(reason));
    }
    let mut nodes: Vec<_> = std::mem::take(&mut network.nodes).into_iter().map(Some).collect();
    network.nodes = order.into_iter().filter_map(|node| nodes[node].take()).collect();
    Ok(())
}

/// The node that computes each value.
pub(super) fn producers(network: &Network) -> Vec<Option<usize>> {
    let mut producers = vec![None; network.values()];
    for (place, node) in network.nodes.iter().enumerate() {
        for output in node.outputs.iter().flatten() {
            producers[*output] = Some(place);
        }
    }
    producers
}
