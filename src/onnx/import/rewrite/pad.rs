//! Padding of maps with channels last that are transposed for a convolution.

use std::rc::Rc;

use super::super::constant::{Constant, Values};
use super::super::network::Network;
use super::Index;

/// Pad + Transpose as Transpose + Pad, whose zeros the convolutions behind it may add themselves.
pub(super) fn behind_transpose(network: &mut Network, index: &Index, place: usize) -> Option<()> {
    let transpose = &network.nodes[place];
    if !transpose.is("Transpose") {
        return None;
    }
    let pad = index.inner(network, transpose.input(0), "Pad")?;
    let order = transpose.ints("perm").ok()??;
    let rank = order.len();
    let given = network.nodes[pad].input(1)?;
    // Padding of some dimensions only names these in a fourth input.
    if network.nodes[pad].input(3).is_some() {
        return None;
    }
    let known = network.constant(given)?;
    let pads = known.values.as_ref()?.integers()?;
    let places = order.iter().map(|place| usize::try_from(*place).ok());
    let places: Vec<usize> = places.collect::<Option<_>>()?;
    let behind = places.iter().map(|place| place + rank);
    let moved: Vec<i64> =
        places.iter().copied().chain(behind).map(|place| pads.get(place).copied()).collect::<Option<_>>()?;
    if pads.len() != 2 * rank {
        return None;
    }
    let moved = Constant { values: Some(Rc::new(Values::Integers(moved))), ..known.clone() };
    let moved = network.add_value(moved);
    let (padding, order) = (network.nodes[pad].attributes.clone(), network.nodes[place].attributes.clone());
    let (x, value) = (network.nodes[pad].input(0), network.nodes[pad].input(2));
    let between = network.nodes[place].input(0);
    network.nodes[pad].become_("Transpose", vec![x]);
    network.nodes[pad].attributes = order;
    network.nodes[place].become_("Pad", vec![between, Some(moved), value]);
    network.nodes[place].attributes = padding;
    Some(())
}
