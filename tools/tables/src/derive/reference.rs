//! Networks that others published times of, as fused operators.

use zen_nas::latency::{KeyKind, OperatorKey};
use zen_nas::net::Activation;

/// A convolution with its ReLU.
fn conv(kernel: u32, stride: u32, in_channels: u32, out_channels: u32, side: u32) -> OperatorKey {
    OperatorKey {
        activation: Some(Activation::Relu),
        ..OperatorKey::conv(kernel, stride, in_channels, out_channels, side)
    }
}

fn head(channels: u32, side: u32) -> [OperatorKey; 2] {
    let pool = OperatorKey { kind: KeyKind::GlobalPool, activation: None, ..conv(1, 1, channels, channels, side) };
    [pool, OperatorKey { kind: KeyKind::Dense, activation: None, ..conv(1, 1, channels, 1000, 1) }]
}

/// ResNet-50 v1.5 (the stride on the 3x3 convolution) at 224. The max pool counts as an
/// element-wise operator on its input.
pub fn resnet50() -> Vec<OperatorKey> {
    let mut keys = vec![conv(7, 2, 3, 64, 224)];
    keys.push(OperatorKey { kind: KeyKind::Elementwise, ..conv(1, 1, 64, 64, 112) });
    let (mut channels, mut side) = (64, 56);
    for (stage, units) in [3, 4, 6, 3].into_iter().enumerate() {
        let middle = 64 << stage;
        for unit in 0..units {
            let stride = if unit == 0 && stage > 0 { 2 } else { 1 };
            if unit == 0 {
                keys.push(OperatorKey { activation: None, ..conv(1, stride, channels, 4 * middle, side) });
            }
            keys.push(conv(1, 1, channels, middle, side));
            keys.push(conv(3, stride, middle, middle, side));
            side /= stride;
            channels = 4 * middle;
            keys.push(OperatorKey { residual_add: true, ..conv(1, 1, middle, channels, side) });
        }
    }
    keys.extend(head(channels, side));
    keys
}

/// A depthwise convolution with its ReLU.
fn depthwise(stride: u32, channels: u32, side: u32) -> OperatorKey {
    OperatorKey { activation: Some(Activation::Relu), ..OperatorKey::depthwise(3, stride, channels, side) }
}

/// MobileNet-v1 (arXiv 1704.04861), channels times `width`, at a resolution.
pub fn mobilenet_v1(width: f64, resolution: u32) -> Vec<OperatorKey> {
    let wide = |channels: u32| ((f64::from(channels) * width) as u32).max(8);
    let mut keys = vec![conv(3, 2, 3, wide(32), resolution)];
    let (mut channels, mut side) = (wide(32), resolution.div_ceil(2));
    let units = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)];
    let tail = [(512, 1); 5].into_iter().chain([(1024, 2), (1024, 1)]);
    for (out_channels, stride) in units.into_iter().chain(tail) {
        keys.push(depthwise(stride, channels, side));
        side = side.div_ceil(stride);
        keys.push(conv(1, 1, channels, wide(out_channels), side));
        channels = wide(out_channels);
    }
    keys.extend(head(channels, side));
    keys
}

/// An inverted bottleneck: expansion where there is one, depthwise 3x3, projection without
/// activation, the sum fused into it. Returns the side of its output.
fn bottleneck(keys: &mut Vec<OperatorKey>, (inputs, middle, outputs): (u32, u32, u32), stride: u32, side: u32) -> u32 {
    if middle != inputs {
        keys.push(conv(1, 1, inputs, middle, side));
    }
    keys.push(depthwise(stride, middle, side));
    let side = side.div_ceil(stride);
    let residual_add = stride == 1 && inputs == outputs;
    keys.push(OperatorKey { activation: None, residual_add, ..conv(1, 1, middle, outputs, side) });
    side
}

/// MobileNet-v2 (arXiv 1801.04381), width 1, at 224.
pub fn mobilenet_v2() -> Vec<OperatorKey> {
    let mut keys = vec![conv(3, 2, 3, 32, 224)];
    let (mut channels, mut side) = (32, 112);
    // Expansion, channels, blocks, first stride.
    let stages =
        [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)];
    for (expansion, outputs, blocks, first_stride) in stages {
        for block in 0..blocks {
            let stride = if block == 0 { first_stride } else { 1 };
            side = bottleneck(&mut keys, (channels, expansion * channels, outputs), stride, side);
            channels = outputs;
        }
    }
    keys.push(conv(1, 1, channels, 1280, side));
    keys.extend(head(1280, side));
    keys
}

/// MobileNet-v3 large (arXiv 1905.02244) in its minimalistic form: 3x3 kernels and ReLU throughout,
/// no squeeze-and-excitation; at 224.
pub fn mobilenet_v3_minimalistic() -> Vec<OperatorKey> {
    let mut keys = vec![conv(3, 2, 3, 16, 224)];
    let (mut channels, mut side) = (16, 112);
    // Middle, channels, stride.
    let blocks = [
        (16, 16, 1),
        (64, 24, 2),
        (72, 24, 1),
        (72, 40, 2),
        (120, 40, 1),
        (120, 40, 1),
        (240, 80, 2),
        (200, 80, 1),
        (184, 80, 1),
        (184, 80, 1),
        (480, 112, 1),
        (672, 112, 1),
        (672, 160, 2),
        (960, 160, 1),
        (960, 160, 1),
    ];
    for (middle, outputs, stride) in blocks {
        side = bottleneck(&mut keys, (channels, middle, outputs), stride, side);
        channels = outputs;
    }
    keys.push(conv(1, 1, channels, 960, side));
    let pool = OperatorKey { kind: KeyKind::GlobalPool, activation: None, ..conv(1, 1, 960, 960, side) };
    keys.extend([pool, conv(1, 1, 960, 1280, 1)]);
    keys.push(OperatorKey { kind: KeyKind::Dense, activation: None, ..conv(1, 1, 1280, 1000, 1) });
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Multiply-adds as published: 4.1e9; 569e6, 41e6 and 14e6; 300e6; 209e6.
    #[test]
    fn multiply_adds() {
        let flops = |keys: &[OperatorKey]| keys.iter().map(OperatorKey::flops).sum::<u64>();
        assert_eq!(flops(&resnet50()), 4_089_184_256);
        assert_eq!(flops(&mobilenet_v1(1.0, 224)), 568_740_352);
        let millions = |keys: &[OperatorKey]| (flops(keys) as f64 / 1e6).round();
        assert_eq!([millions(&mobilenet_v1(0.25, 224)), millions(&mobilenet_v1(0.25, 128))], [41.0, 14.0]);
        assert_eq!([millions(&mobilenet_v2()), millions(&mobilenet_v3_minimalistic())], [301.0, 209.0]);
    }
}
