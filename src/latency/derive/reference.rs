//! Networks of MLPerf as fused operators, for the checks against its results.

use super::super::{KeyKind, OperatorKey};
use crate::net::Activation;

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

/// MobileNet-v1, width 1, at 224.
pub fn mobilenet_v1() -> Vec<OperatorKey> {
    let mut keys = vec![conv(3, 2, 3, 32, 224)];
    let (mut channels, mut side) = (32, 112);
    let units = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)];
    let tail = [(512, 1); 5].into_iter().chain([(1024, 2), (1024, 1)]);
    for (out_channels, stride) in units.into_iter().chain(tail) {
        let depthwise = conv(3, stride, channels, channels, side);
        keys.push(OperatorKey { kind: KeyKind::Depthwise, groups: channels, ..depthwise });
        side /= stride;
        keys.push(conv(1, 1, channels, out_channels, side));
        channels = out_channels;
    }
    keys.extend(head(channels, side));
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Multiply-adds as published: 4.1e9 and 569e6.
    #[test]
    fn multiply_adds() {
        let flops = |keys: &[OperatorKey]| keys.iter().map(OperatorKey::flops).sum::<u64>();
        assert_eq!(flops(&resnet50()), 4_089_184_256);
        assert_eq!(flops(&mobilenet_v1()), 568_740_352);
    }
}
