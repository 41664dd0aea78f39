//! GELU with the error function: x (1 + erf(x / sqrt 2)) / 2, its factors in any order.

use super::super::network::Network;
use super::{Index, near};

/// Matches at Erf and rewrites the last product.
pub(super) fn gelu(network: &mut Network, index: &Index, place: usize) -> Option<()> {
    if !network.nodes[place].is("Erf") {
        return None;
    }
    let argument = network.nodes[place].input(0);
    let scaled = index.inner(network, argument, "Div").or_else(|| index.inner(network, argument, "Mul"))?;
    let (x, factor) = network.with_scalar(scaled)?;
    let expected =
        if network.nodes[scaled].is("Div") { std::f64::consts::SQRT_2 } else { std::f64::consts::FRAC_1_SQRT_2 };
    let sum = index.reader(network, place, "Add")?;
    if !near(factor, expected) || network.with_scalar(sum)?.1 != 1.0 {
        return None;
    }
    // Two products remain, by x and by a half; a half of x may also be made first.
    let (mut last, mut has_x, mut has_half) = (sum, false, false);
    while !(has_x && has_half) {
        let product = index.reader(network, last, "Mul")?;
        let value = network.nodes[last].output();
        let node = &network.nodes[product];
        let other = if node.input(0) == value { node.input(1) } else { node.input(0) };
        if network.scalar(other) == Some(0.5) && !has_half {
            has_half = true;
        } else if other == Some(x) && !has_x {
            has_x = true;
        } else {
            let halved = index.inner(network, other, "Mul")?;
            if has_x || has_half || network.with_scalar(halved)? != (x, 0.5) {
                return None;
            }
            (has_x, has_half) = (true, true);
        }
        last = product;
    }
    network.nodes[last].become_("Gelu", vec![Some(x)]);
    Some(())
}
