//! A value while a network is converted: its tensor, and where its dimensions are in memory.
//!
//! ONNX's maps are batch x channels x height x width, LiteRT's operators take channels last. So each value has the
//! dimensions that ONNX gives it and the order in which its tensor stores them: a transposition only renames
//! dimensions, and data moves where an operator needs another order.

use super::super::model::TensorId;

/// A map.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    pub tensor: TensorId,
    /// ONNX's sizes, for one image.
    pub dims: Vec<u64>,
    /// The dimension of ONNX that stands at each place in memory, slowest first.
    pub order: Vec<usize>,
    /// Whether no element is below zero.
    pub is_nonnegative: bool,
}

/// Channels last.
pub const IMAGE_ORDER: [usize; 4] = [0, 2, 3, 1];

/// ONNX's own order.
pub fn plain_order(rank: usize) -> Vec<usize> {
    (0..rank).collect()
}

impl Value {
    /// Where ONNX's dimension `axis` is in memory.
    pub fn place(&self, axis: usize) -> Option<usize> {
        self.order.iter().position(|stored| *stored == axis)
    }
}

/// Dimensions longer than one, in the order of `order`: the values' places in memory depend on no other.
pub fn long(dims: &[u64], order: &[usize]) -> Vec<usize> {
    order.iter().copied().filter(|axis| dims.get(*axis).is_some_and(|dim| *dim > 1)).collect()
}

/// For each place in `to` the place of the same dimension in `from`.
pub fn permutation(from: &[usize], to: &[usize]) -> Option<Vec<usize>> {
    to.iter().map(|axis| from.iter().position(|stored| stored == axis)).collect()
}

/// `values` of `dims` (in ONNX's order) as `order` stores them.
pub fn stored<T: Copy>(values: &[T], dims: &[u64], order: &[usize]) -> Vec<T> {
    let mut strides = vec![1_usize; dims.len()];
    for axis in (1..dims.len()).rev() {
        strides[axis - 1] = strides[axis] * dims[axis] as usize;
    }
    let mut stored = Vec::with_capacity(values.len());
    let sides: Vec<(usize, usize)> = order.iter().map(|axis| (dims[*axis] as usize, strides[*axis])).collect();
    let mut counters = vec![0_usize; order.len()];
    let mut place = 0_usize;
    for _ in 0..values.len() {
        stored.push(values[place]);
        for (counter, (side, stride)) in counters.iter_mut().zip(&sides).rev() {
            *counter += 1;
            place += stride;
            if *counter < *side {
                break;
            }
            place -= stride * side;
            *counter = 0;
        }
    }
    stored
}

/// The order in which `to` can be stored so that a change of sizes from `from` moves nothing in memory, if there is one.
///
/// Dimensions are matched in groups with equal products. A group whose dimensions are neighbours in memory, in ONNX's
/// order, can be cut up or joined where it is.
pub fn reshaped_order(from: &[u64], order: &[usize], to: &[u64]) -> Option<Vec<usize>> {
    let mut groups: Vec<(std::ops::Range<usize>, std::ops::Range<usize>)> = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < from.len() && j < to.len() {
        let start = (i, j);
        let (mut left, mut right) = (from[i], to[j]);
        (i, j) = (i + 1, j + 1);
        while left != right {
            if left < right {
                left *= *from.get(i)?;
                i += 1;
            } else {
                right *= *to.get(j)?;
                j += 1;
            }
        }
        groups.push((start.0..i, start.1..j));
    }
    let last = groups.last_mut()?;
    (last.0.end, last.1.end) = (from.len(), to.len());
    let memory = long(from, order);
    let mut placed = Vec::with_capacity(groups.len());
    for (sources, targets) in &groups {
        let own: Vec<usize> = sources.clone().filter(|axis| from[*axis] > 1).collect();
        let place = match own.first() {
            // Dimensions of one may stand anywhere; the batch stands first.
            None if sources.start == 0 => 0,
            None => memory.len() + 1,
            Some(first) => {
                let place = memory.iter().position(|axis| axis == first)?;
                if memory.get(place..place + own.len()) != Some(&own[..]) {
                    return None;
                }
                place + 1
            }
        };
        placed.push((place, targets.clone()));
    }
    placed.sort_by_key(|(place, _)| *place);
    Some(placed.into_iter().flat_map(|(_, targets)| targets).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_move_with_their_dimensions() {
        // 2 channels of 1 x 3 pixels, as pixels of 2 channels.
        assert_eq!(stored(&[1, 2, 3, 4, 5, 6], &[1, 2, 1, 3], &IMAGE_ORDER), [1, 4, 2, 5, 3, 6]);
        assert_eq!(stored(&[1, 2, 3, 4, 5, 6], &[2, 3], &[1, 0]), [1, 4, 2, 5, 3, 6]);
        assert_eq!(stored(&[7], &[], &[]), [7]);
    }

    #[test]
    fn reshapes_that_move_nothing() {
        // Channels into groups and back: they stay last.
        assert_eq!(reshaped_order(&[1, 8, 5, 5], &IMAGE_ORDER, &[1, 2, 4, 5, 5]), Some(vec![0, 3, 4, 1, 2]));
        assert_eq!(reshaped_order(&[1, 2, 4, 5, 5], &[0, 3, 4, 1, 2], &[1, 8, 5, 5]), Some(vec![0, 2, 3, 1]));
        // Groups in the other order have to move.
        assert_eq!(reshaped_order(&[1, 4, 2, 5, 5], &[0, 3, 4, 2, 1], &[1, 8, 5, 5]), None);
        // One pixel is flat as it is; more are not.
        assert_eq!(reshaped_order(&[1, 8, 1, 1], &IMAGE_ORDER, &[1, 8]), Some(vec![0, 1]));
        assert_eq!(reshaped_order(&[1, 8, 5, 5], &IMAGE_ORDER, &[1, 200]), None);
        assert_eq!(reshaped_order(&[1, 8], &[0, 1], &[1, 8, 1, 1]), Some(vec![0, 1, 2, 3]));
    }
}
