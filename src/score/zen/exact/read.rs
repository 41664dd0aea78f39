//! Reading a map: normalisation, ReLU and gate on the way into the padded scratch of the next
//! convolution; and the last reading, which compares the two groups.

use pulp::{Simd, WithSimd};

use super::lanes::{Eight, Lanes, Wide, fused};

/// What turns stored values into what the next step sees.
#[derive(Clone, Copy, Debug)]
pub enum Reading<'a> {
    /// As they are: the input, and maps that are activated already.
    Plain,
    /// `max(0, scale * x + shift)`, each of stored channels.
    Normalised { scale: &'a [f32], shift: &'a [f32] },
}

/// Rows of pixels from one image of a map into the scratch.
pub struct Rows<'a> {
    /// The image: pixel x `from_channels`.
    pub image: &'a [f32],
    pub from_channels: usize,
    /// Height and width of the image.
    pub side: usize,
    pub reading: Reading<'a>,
    /// Of each channel, behind the ReLU.
    pub gate: Option<&'a [f32]>,
    /// Rows x `columns` x `to_channels`; written completely.
    pub scratch: &'a mut [f32],
    pub columns: usize,
    pub to_channels: usize,
    /// Row of the image that the first row of the scratch holds; rows outside are zero.
    pub first_row: isize,
    /// Columns of zeros on the left.
    pub padding: usize,
    /// Step between the rows and columns that are read.
    pub step: usize,
}

impl WithSimd for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { image, from_channels, side, columns, to_channels, padding, step, .. } = self;
        let inside = (side.div_ceil(step)).min(columns - padding);
        let pitch = columns * to_channels;
        for (row, scratch) in self.scratch.chunks_exact_mut(pitch).enumerate() {
            let y = self.first_row + (row * step) as isize;
            if y < 0 || y >= side as isize {
                scratch.fill(0.0);
                continue;
            }
            let (left, rest) = scratch.split_at_mut(padding * to_channels);
            let (middle, right) = rest.split_at_mut(inside * to_channels);
            left.fill(0.0);
            right.fill(0.0);
            let source = &image[y as usize * side * from_channels..][..side * from_channels];
            let pixels = source.chunks_exact(from_channels).step_by(step);
            for (from, to) in pixels.zip(middle.chunks_exact_mut(to_channels)) {
                match self.reading {
                    Reading::Plain => to.copy_from_slice(&from[..to_channels]),
                    Reading::Normalised { scale, shift } => {
                        activate(simd, from, scale, shift, self.gate, to);
                    }
                }
            }
        }
    }
}

/// `max(0, scale * from + shift) * gate`.
#[inline(always)]
fn activate<S: Simd>(simd: S, from: &[f32], scale: &[f32], shift: &[f32], gate: Option<&[f32]>, to: &mut [f32]) {
    let mut channel = 0;
    let length = to.len();
    if Wide::<S>::N >= 8 {
        while channel + Wide::<S>::N <= length {
            activate_vector(Wide(simd), channel, from, scale, shift, gate, to);
            channel += Wide::<S>::N;
        }
    }
    while channel + 8 <= length {
        if fused::<S>() {
            activate_vector(Eight::<true>, channel, from, scale, shift, gate, to);
        } else {
            activate_vector(Eight::<false>, channel, from, scale, shift, gate, to);
        }
        channel += 8;
    }
    for channel in channel..length {
        let value = (from[channel] * scale[channel] + shift[channel]).max(0.0);
        to[channel] = value * gate.map_or(1.0, |gate| gate[channel]);
    }
}

#[inline(always)]
fn activate_vector<L: Lanes>(
    lanes: L,
    channel: usize,
    from: &[f32],
    scale: &[f32],
    shift: &[f32],
    gate: Option<&[f32]>,
    to: &mut [f32],
) {
    let scaled =
        lanes.mul_add(lanes.load(&from[channel..]), lanes.load(&scale[channel..]), lanes.load(&shift[channel..]));
    let mut value = lanes.max(scaled, lanes.splat(0.0));
    if let Some(gate) = gate {
        value = lanes.mul(value, lanes.load(&gate[channel..]));
    }
    lanes.store(value, &mut to[channel..]);
}
