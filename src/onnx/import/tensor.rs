//! What is known of a value while a network is read: sizes, where it comes from, its numbers if it
//! is arithmetic on shapes.

use std::rc::Rc;

use super::constant::{MAX_RANK, Values};
use crate::net::{OperatorId, Shape};

/// Elements of one map; eight GiB in float32.
const MAX_MAP_ELEMENTS: u64 = 1 << 31;

/// Number of a tensor of weights in the reader's list.
pub(super) type WeightId = usize;

/// A value of the network.
#[derive(Clone, Debug, Default)]
pub(super) struct Tensor {
    /// Sizes, for a batch of one.
    pub dims: Vec<u64>,
    /// The dimension that holds the channels.
    pub channel_axis: usize,
    /// The operator that computes it; none for what no image changes.
    pub map: Option<OperatorId>,
    pub values: Option<Rc<Values>>,
    /// The weights that it was made of, if it is no map.
    pub weights: Vec<WeightId>,
    /// Zeros around height and width (top, left, bottom, right) that the map does not have yet and `dims` do: its
    /// readers are convolutions, which add them.
    pub pad: Option<[u64; 4]>,
}

impl Tensor {
    /// Numbers in one dimension.
    pub fn integers(values: Vec<i64>) -> Self {
        Self { dims: vec![values.len() as u64], values: Some(Rc::new(Values::Integers(values))), ..Self::default() }
    }

    pub fn rank(&self) -> usize {
        self.dims.len()
    }

    pub fn elements(&self) -> u64 {
        self.dims.iter().product()
    }

    pub fn channels(&self) -> u64 {
        self.dims.get(self.channel_axis).copied().unwrap_or(1)
    }

    /// Height and width of images, length of sequences: all dimensions but the first two.
    pub fn spatial(&self) -> &[u64] {
        self.dims.get(2..).unwrap_or(&[])
    }

    pub fn shape(&self) -> Result<Shape, String> {
        shape(&self.dims, self.channel_axis)
    }

    /// Integers that are known.
    pub fn known_integers(&self) -> Option<Vec<i64>> {
        match self.values.as_deref()? {
            Values::Integers(values) => Some(values.clone()),
            Values::Floats(values) => Some(values.iter().map(|value| *value as i64).collect()),
        }
    }
}

/// A map of `dims` as channels x height x width; more dimensions are put together.
///
/// # Errors
/// When a dimension is zero or the map would be larger than any memory.
pub(super) fn shape(dims: &[u64], channel_axis: usize) -> Result<Shape, String> {
    checked(dims)?;
    let rank = dims.len();
    let size = |range: std::ops::Range<usize>| dims[range].iter().product::<u64>();
    let (channels, height, width) = match rank {
        0 => (1, 1, 1),
        1 => (dims[0], 1, 1),
        // Groups of channels, on the way through a channel shuffle.
        5.. => (size(1..rank - 2), dims[rank - 2] * dims[0], dims[rank - 1]),
        _ => {
            let others: Vec<u64> =
                dims.iter().enumerate().filter(|(axis, _)| *axis != channel_axis).map(|(_, dim)| *dim).collect();
            let channels = dims.get(channel_axis).copied().unwrap_or(1);
            let width = if rank == 4 { others.last().copied().unwrap_or(1) } else { 1 };
            (channels, others.iter().product::<u64>() / width, width)
        }
    };
    // The number of elements fits, so each of its factors does.
    Ok(Shape { channels: channels as u32, height: height as u32, width: width as u32 })
}

/// The number of elements of a map.
pub(super) fn checked(dims: &[u64]) -> Result<u64, String> {
    if dims.len() > MAX_RANK {
        return Err(format!("its output has {} dimensions, but at most {MAX_RANK} are read", dims.len()));
    }
    if dims.contains(&0) {
        return Err(format!("its output of {dims:?} is empty; is the resolution too small?"));
    }
    dims.iter()
        .try_fold(1_u64, |product, dim| product.checked_mul(*dim).filter(|product| *product <= MAX_MAP_ELEMENTS))
        .ok_or_else(|| format!("its output of {dims:?} has more than {MAX_MAP_ELEMENTS} elements"))
}
