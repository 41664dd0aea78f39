//! The order in which the engine reads weights.
//!
//! Dense: panels of 32 output channels, then one of 16 and one of 8 for the rest; within a panel
//! the weights of each (row, column, input channel) for all its output channels stand together.
//! Depthwise: for each (row, column) all channels. Channels are filled up to a multiple of eight
//! with weights whose results nobody reads. The order is the same for every instruction set, so a
//! seed means the same weights everywhere.

use super::chain::is_depthwise;
use crate::net::TrunkConv;

/// Channels as stored: a multiple of eight.
pub fn stored(channels: u32) -> usize {
    (channels as usize).next_multiple_of(8)
}

/// Widths of the panels that `channels` output channels are stored in.
pub fn panels(channels: u32) -> impl Iterator<Item = usize> {
    let mut left = stored(channels);
    std::iter::from_fn(move || {
        let width = [32, 16, 8].into_iter().find(|width| *width <= left)?;
        left -= width;
        Some(width)
    })
}

/// Floats of one convolution's packed weights.
pub fn packed_len(conv: &TrunkConv) -> usize {
    let taps = (conv.kernel * conv.kernel) as usize;
    let rows = if is_depthwise(conv) { taps } else { taps * conv.in_channels as usize };
    rows * stored(conv.out_channels)
}

/// Calls `visit(packed index, index in PyTorch's order)` for each weight; PyTorch stores output
/// channel x input channel of the group x row x column.
pub fn places(conv: &TrunkConv, mut visit: impl FnMut(usize, usize)) {
    let taps = (conv.kernel * conv.kernel) as usize;
    let out_channels = conv.out_channels as usize;
    if is_depthwise(conv) {
        for tap in 0..taps {
            for channel in 0..out_channels {
                visit(tap * stored(conv.out_channels) + channel, channel * taps + tap);
            }
        }
        return;
    }
    let in_channels = conv.in_channels as usize;
    let (mut start, mut first) = (0, 0);
    for width in panels(conv.out_channels) {
        for tap in 0..taps {
            for input in 0..in_channels {
                for column in 0..width.min(out_channels.saturating_sub(first)) {
                    let packed = start + (tap * in_channels + input) * width + column;
                    visit(packed, ((first + column) * in_channels + input) * taps + tap);
                }
            }
        }
        start += taps * in_channels * width;
        first += width;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_weight_has_one_place() {
        for (groups, in_channels, out_channels) in [(1, 3, 61), (1, 20, 8), (24, 24, 24), (1, 5, 1)] {
            let conv = TrunkConv { kernel: 3, stride: 1, groups, in_channels, out_channels, in_side: 8, out_side: 8 };
            let count = (out_channels * in_channels / groups * 9) as usize;
            let mut packed = vec![false; packed_len(&conv)];
            let mut plain = vec![false; count];
            places(&conv, |to, from| {
                assert!(!packed[to] && !plain[from]);
                (packed[to], plain[from]) = (true, true);
            });
            assert!(plain.iter().all(|seen| *seen));
        }
        assert_eq!(panels(61).collect::<Vec<_>>(), [32, 32]);
        assert_eq!(panels(24).collect::<Vec<_>>(), [16, 8]);
    }
}
