//! OFA-MobileNetV3 (width 1.0) as operators: from the numbers that describe a network of that
//! space to what an eager framework launches.
//!
//! Only for checking predictions against networks measured by others; it is no search space of
//! ours, and nothing else builds these networks.

use zen_nas::latency::{KeyKind, OperatorKey};

/// Stages, and blocks at most in each.
pub const STAGES: usize = 5;
pub const BLOCKS: usize = 4 * STAGES;

/// Output channels, first stride, activation, and squeeze-and-excitation of each stage.
const STAGE: [(u32, u32, Activation, bool); STAGES] = [
    (24, 2, RELU, false),
    (40, 2, RELU, true),
    (80, 2, H_SWISH, false),
    (112, 1, H_SWISH, true),
    (160, 2, H_SWISH, true),
];
/// Channels of the stem, of the last convolution, of the hidden dense layer, and classes.
const STEM: u32 = 16;
const LAST: u32 = 960;
const HIDDEN: u32 = 1280;
const CLASSES: u32 = 1000;

/// An activation as eager kernels: how many, and elements they read and write per element.
#[derive(Clone, Copy, Debug)]
struct Activation {
    kernels: usize,
    traffic: u64,
}

/// One kernel in place.
const RELU: Activation = Activation { kernels: 1, traffic: 2 };
/// x * clamp(x + 3) / 6: sum, clamp in place, product, quotient.
const H_SWISH: Activation = Activation { kernels: 4, traffic: 9 };
/// Kernels of a squeeze-and-excitation: a mean over each axis of the map, two convolutions, a ReLU,
/// the three of clamp(x + 3) / 6, and the product.
const GATE_KERNELS: usize = 9;

/// A network of the space.
#[derive(Clone, Debug, PartialEq)]
pub struct OfaNetwork {
    /// Side of the image.
    pub resolution: u32,
    /// Blocks of each stage that run, 1 to 4.
    pub depth: [u32; STAGES],
    /// Expansion and kernel of every block, those that do not run included.
    pub expand: [u32; BLOCKS],
    pub kernel: [u32; BLOCKS],
}

/// What an eager framework executes for one image.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lowered {
    /// Convolutions and dense layers, nothing fused into them.
    pub keys: Vec<OperatorKey>,
    /// Elements that element-wise kernels read and write: batch norm 2 per output of its
    /// convolution, ReLU 2, h-swish 9, gate 3 and residual sum 3 per element of the map.
    pub elements: u64,
    /// Kernels launched: 1 per convolution, batch norm, ReLU, dense layer and sum, 2 for the pool,
    /// 4 per h-swish, 9 per gate.
    pub kernels: usize,
}

impl Lowered {
    /// Multiply-adds for one image.
    pub fn flops(&self) -> u64 {
        self.keys.iter().map(OperatorKey::flops).sum()
    }

    /// Adds a convolution with its batch norm, and the activation behind it if there is one.
    /// Returns the side of its output.
    fn conv(&mut self, key: OperatorKey, activation: Option<Activation>) -> u32 {
        let Activation { kernels, traffic } = activation.unwrap_or(Activation { kernels: 0, traffic: 0 });
        self.elements += (2 + traffic) * key.out_elements();
        self.kernels += 2 + kernels;
        self.keys.push(key);
        key.out_height()
    }

    fn residual_sum(&mut self, channels: u32, side: u32) {
        self.elements += 3 * elements(channels, side);
        self.kernels += 1;
    }
}

impl OfaNetwork {
    /// Operators in execution order.
    pub fn lower(&self) -> Lowered {
        let mut network = Lowered::default();
        let mut side = network.conv(OperatorKey::conv(3, 2, 3, STEM, self.resolution), Some(H_SWISH));
        network.conv(OperatorKey::depthwise(3, 1, STEM, side), Some(RELU));
        network.conv(OperatorKey::conv(1, 1, STEM, STEM, side), None);
        network.residual_sum(STEM, side);
        let mut channels = STEM;
        for (stage, (out_channels, first_stride, activation, gate)) in STAGE.into_iter().enumerate() {
            for block in 0..self.depth[stage] as usize {
                let at = 4 * stage + block;
                let stride = if block == 0 { first_stride } else { 1 };
                let middle = round_to_8(channels * self.expand[at]);
                network.conv(OperatorKey::conv(1, 1, channels, middle, side), Some(activation));
                side = network.conv(OperatorKey::depthwise(self.kernel[at], stride, middle, side), Some(activation));
                if gate {
                    network.elements += 3 * elements(middle, side);
                    network.kernels += GATE_KERNELS;
                }
                network.conv(OperatorKey::conv(1, 1, middle, out_channels, side), None);
                if stride == 1 && channels == out_channels {
                    network.residual_sum(out_channels, side);
                }
                channels = out_channels;
            }
        }
        network.conv(OperatorKey::conv(1, 1, channels, LAST, side), Some(H_SWISH));
        // Pool, two dense layers, and the activation between them.
        network.kernels += 4 + H_SWISH.kernels;
        network.elements += H_SWISH.traffic * u64::from(HIDDEN);
        for (inputs, outputs) in [(LAST, HIDDEN), (HIDDEN, CLASSES)] {
            network.keys.push(OperatorKey { kind: KeyKind::Dense, ..OperatorKey::conv(1, 1, inputs, outputs, 1) });
        }
        network
    }
}

fn elements(channels: u32, side: u32) -> u64 {
    u64::from(channels) * u64::from(side).pow(2)
}

/// The nearest multiple of 8, the next one if that loses more than a tenth.
fn round_to_8(channels: u32) -> u32 {
    let nearest = ((channels + 4) / 8 * 8).max(8);
    if nearest * 10 < channels * 9 { nearest + 8 } else { nearest }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sums by a separate program, written from the description of the space rather than from this
    /// file, which adds up layer by layer without building operators.
    #[test]
    fn sums_of_two_networks() {
        let small = OfaNetwork { resolution: 224, depth: [2; STAGES], expand: [3; BLOCKS], kernel: [3; BLOCKS] };
        let odd = OfaNetwork {
            resolution: 130,
            depth: [4, 3, 2, 4, 3],
            expand: std::array::from_fn(|block| [3, 4, 6, 6][block % 4]),
            kernel: std::array::from_fn(|block| [7, 5, 3, 5][block % 4]),
        };
        for (network, expected) in [(small, (121_003_344, 19_451_584, 201)), (odd, (125_317_440, 15_145_136, 309))] {
            let lowered = network.lower();
            assert_eq!((lowered.flops(), lowered.elements, lowered.kernels), expected);
        }
    }

    /// By hand: the stem on 112 x 112, and the first block of the second stage on 56 x 56.
    #[test]
    fn first_operators() {
        let network = OfaNetwork { resolution: 224, depth: [1; STAGES], expand: [4; BLOCKS], kernel: [5; BLOCKS] };
        let keys: Vec<String> = network.lower().keys.iter().map(ToString::to_string).collect();
        assert_eq!(
            keys[..9],
            [
                "conv 3x3 s2 3->16 @224x224",
                "depthwise 3x3 s1 16 @112x112",
                "conv 1x1 s1 16->16 @112x112",
                "conv 1x1 s1 16->64 @112x112",
                "depthwise 5x5 s2 64 @112x112",
                "conv 1x1 s1 64->24 @56x56",
                "conv 1x1 s1 24->96 @56x56",
                "depthwise 5x5 s2 96 @56x56",
                "conv 1x1 s1 96->40 @28x28",
            ]
        );
        assert_eq!(network.lower().keys[0].flops(), 27 * 16 * 112 * 112);
        assert_eq!(keys.len(), 3 + 5 * 3 + 3);
        // Stem 6, first block 6, five blocks of two activated convolutions and one plain, three of
        // them gated, last convolution 6, pool and head 8.
        assert_eq!(network.lower().kernels, 6 + 6 + (2 * (3 + 3 + 2) + 3 * (6 + 6 + 2)) + 3 * 9 + 6 + 8);
    }

    #[test]
    fn channels_in_eights() {
        for (channels, expected) in
            [(3, 8), (72, 72), (84, 88), (11, 16), (12, 16), (10, 16), (19, 24), (20, 24), (18, 24), (146, 144)]
        {
            assert_eq!(round_to_8(channels), expected, "{channels}");
        }
    }
}
