//! Hard sigmoid and hard swish in steps, as exporters wrote them before ONNX had them.

use super::super::network::{Network, ValueId};
use super::{Index, near};

/// The input of `place` if that is min(max(x + 3, 0), 6).
fn shifted_clip(network: &Network, index: &Index, place: usize) -> Option<ValueId> {
    let clip = &network.nodes[place];
    let bound = |input: usize, attribute: &str| match clip.input(input) {
        Some(value) => network.scalar(Some(value)),
        None => clip.float(attribute).ok().flatten(),
    };
    if !clip.is("Clip") || bound(1, "min")? != 0.0 || bound(2, "max")? != 6.0 {
        return None;
    }
    let add = index.inner(network, clip.input(0), "Add")?;
    let (x, three) = network.with_scalar(add)?;
    (three == 3.0).then_some(x)
}

/// Whether `place` divides by six, and what.
fn sixth(network: &Network, place: usize) -> Option<ValueId> {
    let node = &network.nodes[place];
    let (x, scalar) = network.with_scalar(place)?;
    let is_sixth =
        (node.is("Div") && node.input(0) == Some(x) && scalar == 6.0) || (node.is("Mul") && near(scalar, 1.0 / 6.0));
    is_sixth.then_some(x)
}

/// min(max(x + 3, 0), 6) / 6.
pub(super) fn hard_sigmoid(network: &mut Network, index: &Index, place: usize) -> Option<()> {
    let clipped = sixth(network, place)?;
    let clip = index.inner(network, Some(clipped), "Clip")?;
    let x = shifted_clip(network, index, clip)?;
    network.nodes[place].become_("HardSigmoid", vec![Some(x)]);
    Some(())
}

/// x times its hard sigmoid, or (x times the clipped sum) / 6.
pub(super) fn hard_swish(network: &mut Network, index: &Index, place: usize) -> Option<()> {
    let node = &network.nodes[place];
    if node.is("Mul") {
        let pairs = [(node.input(0), node.input(1)), (node.input(1), node.input(0))];
        for (x, gate) in pairs {
            let Some(gate) = index.inner(network, gate, "HardSigmoid") else { continue };
            if x.is_some() && network.nodes[gate].input(0) == x {
                network.nodes[place].become_("HardSwish", vec![x]);
                return Some(());
            }
        }
    }
    let product = index.inner(network, Some(sixth(network, place)?), "Mul")?;
    let node = &network.nodes[product];
    for (x, clipped) in [(node.input(0), node.input(1)), (node.input(1), node.input(0))] {
        let Some(clip) = index.inner(network, clipped, "Clip") else { continue };
        if x.is_some() && shifted_clip(network, index, clip) == x {
            network.nodes[place].become_("HardSwish", vec![x]);
            return Some(());
        }
    }
    None
}
