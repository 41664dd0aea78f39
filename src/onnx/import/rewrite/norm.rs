//! Layer and group normalisation in steps.

use super::super::network::{Network, ValueId};
use super::Index;

/// Mean, difference, square, mean, epsilon, root, ratio, and scale and shift if they follow.
///
/// Matches at the root.
pub(super) fn layer_norm(network: &mut Network, index: &Index, place: usize) -> Option<()> {
    if !network.nodes[place].is("Sqrt") {
        return None;
    }
    let shifted = index.inner(network, network.nodes[place].input(0), "Add")?;
    let (variance, _) = network.with_scalar(shifted)?;
    let mean_of_square = index.inner(network, Some(variance), "ReduceMean")?;
    let squared = network.nodes[mean_of_square].input(0);
    let square = match index.inner(network, squared, "Pow") {
        Some(power) if network.scalar(network.nodes[power].input(1)) == Some(2.0) => power,
        _ => {
            let product = index.inner(network, squared, "Mul")?;
            (network.nodes[product].input(0) == network.nodes[product].input(1)).then_some(product)?
        }
    };
    let x = centred(network, index, network.nodes[square].input(0))?;
    let ratio = index.reader(network, place, "Div")?;
    // The difference may be computed twice.
    if centred(network, index, network.nodes[ratio].input(0))? != x {
        return None;
    }
    finish(network, index, ratio, "LayerNormalization", x);
    Some(())
}

/// The x of x - mean(x).
fn centred(network: &Network, index: &Index, value: Option<ValueId>) -> Option<ValueId> {
    let difference = index.producer(network, value, "Sub")?;
    let node = &network.nodes[difference];
    let mean = index.producer(network, node.input(1), "ReduceMean")?;
    (network.nodes[mean].input(0) == node.input(0)).then_some(node.input(0)).flatten()
}

/// Groups as instances: Reshape, InstanceNormalization, Reshape back, then scale and shift.
pub(super) fn group_norm(network: &mut Network, index: &Index, place: usize) -> Option<()> {
    if !network.nodes[place].is("InstanceNormalization") {
        return None;
    }
    let before = index.inner(network, network.nodes[place].input(0), "Reshape")?;
    let x = network.nodes[before].input(0)?;
    let back = index.reader(network, place, "Reshape")?;
    finish(network, index, back, "GroupNormalization", x);
    Some(())
}

/// Makes the scale and shift behind `last`, or `last` itself, a norm of `x`.
fn finish(network: &mut Network, index: &Index, last: usize, operation: &str, x: ValueId) {
    let follower = |place: usize, operation: &str| {
        let next = index.reader(network, place, operation)?;
        let (_, weights) = network.with_constant(next)?;
        Some((next, weights))
    };
    let mut inputs = vec![Some(x)];
    let mut last = last;
    if let Some((scaled, scale)) = follower(last, "Mul") {
        inputs.push(Some(scale));
        last = scaled;
        if let Some((shifted, shift)) = follower(last, "Add") {
            inputs.push(Some(shift));
            last = shifted;
        }
    }
    network.nodes[last].become_(operation, inputs);
    network.nodes[last].attributes.clear();
}
