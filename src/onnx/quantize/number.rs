//! Integers for floats: scales, zero points, and the rounding between them.
//!
//! A real value is `scale * (integer - zero_point)`. Everything rounds half to even, as ONNX's
//! `QuantizeLinear` does. Not here: which range a tensor has (`range.rs`).

use super::QuantizedFor;

/// Largest weight; -128 is left out, so that a weight and its negative are equally far from zero.
const LARGEST_WEIGHT: f32 = 127.0;
/// Largest bias in integers: half of what int32 holds, as products are added to it.
const LARGEST_BIAS: f32 = (1u32 << 30) as f32;
/// Smallest scale: below, its reciprocal or its product with another scale leaves float32.
const SMALLEST_SCALE: f32 = 1e-18;

/// Smallest and largest value of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct Range {
    pub low: f32,
    pub high: f32,
}

/// How a tensor of activations becomes integers.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct ActivationScale {
    pub scale: f32,
    pub zero_point: i32,
}

impl ActivationScale {
    /// uint8 with a zero point for onnxruntime, int8 around zero for TensorRT; zero is always met
    /// exactly, because padding is zero.
    pub fn of(range: Range, form: QuantizedFor) -> Self {
        let (low, high) = (range.low.min(0.0), range.high.max(0.0));
        match form {
            QuantizedFor::Onnxruntime => {
                // In float64: the difference of two float32 may leave float32.
                let scale = usable(((high as f64 - low as f64) / 255.0) as f32);
                let zero_point = (-low / scale).round_ties_even().clamp(0.0, 255.0) as i32;
                Self { scale, zero_point }
            }
            QuantizedFor::Tensorrt => Self { scale: usable(high.max(-low) / LARGEST_WEIGHT), zero_point: 0 },
        }
    }
}

/// A scale that can be divided by; 1 for a tensor of zeros.
fn usable(scale: f32) -> f32 {
    if scale == 0.0 { 1.0 } else { scale.max(SMALLEST_SCALE) }
}

/// Weights in int8, zero point 0, a scale for each output channel.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedWeights {
    pub scales: Vec<f32>,
    pub values: Vec<i8>,
}

/// `weights` is channels x anything. Where a bias is to be stored as an integer of `input scale x weight scale`,
/// `bias` has both: a channel of tiny weights gets a larger scale, so that its bias fits int32.
pub fn quantize_weights(weights: &[f32], channels: usize, bias: Option<(&[f32], f32)>) -> QuantizedWeights {
    let per_channel = (weights.len() / channels.max(1)).max(1);
    let mut scales = Vec::with_capacity(channels);
    let mut values = Vec::with_capacity(weights.len());
    for (channel, filter) in weights.chunks_exact(per_channel).enumerate() {
        let largest = filter.iter().fold(0f32, |largest, weight| largest.max(weight.abs()));
        let mut scale = largest / LARGEST_WEIGHT;
        if let Some((bias, input_scale)) = bias {
            scale = scale.max((bias[channel].abs() as f64 / (LARGEST_BIAS as f64 * input_scale as f64)) as f32);
        }
        let scale = usable(scale);
        scales.push(scale);
        values.extend(
            filter.iter().map(|weight| (weight / scale).round_ties_even().clamp(-LARGEST_WEIGHT, LARGEST_WEIGHT) as i8),
        );
    }
    QuantizedWeights { scales, values }
}

/// Scales and integers of a bias that integer kernels add to their sums: `input scale x weight scale`
/// of each channel.
pub fn quantize_bias(bias: &[f32], input_scale: f32, weight_scales: &[f32]) -> (Vec<f32>, Vec<i32>) {
    let scales: Vec<f32> = weight_scales.iter().map(|scale| input_scale * scale).collect();
    // In float64, which holds every int32; `as` keeps to int32's ends.
    let values = bias.iter().zip(&scales).map(|(bias, scale)| (*bias as f64 / *scale as f64).round_ties_even() as i32);
    let values = values.collect();
    (scales, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activations_meet_zero_exactly() {
        let scale = |low, high, form| {
            let scale = ActivationScale::of(Range { low, high }, form);
            (scale.scale, scale.zero_point)
        };
        use QuantizedFor::{Onnxruntime, Tensorrt};
        assert_eq!(scale(0.0, 510.0, Onnxruntime), (2.0, 0));
        assert_eq!(scale(-1.0, 254.0, Onnxruntime), (1.0, 1));
        // 63.75 steps below zero: to the nearest one.
        assert_eq!(scale(-0.5, 1.5, Onnxruntime), (2.0 / 255.0, 64));
        // Half a step: to the even one.
        assert_eq!(scale(-2.5, 252.5, Onnxruntime), (1.0, 2));
        assert_eq!(scale(-3.5, 251.5, Onnxruntime), (1.0, 4));
        // Zero belongs to the range even where no value is near it.
        assert_eq!(scale(100.0, 255.0, Onnxruntime), (1.0, 0));
        assert_eq!(scale(-255.0, -100.0, Onnxruntime), (1.0, 255));
        assert_eq!(scale(0.0, 0.0, Onnxruntime), (1.0, 0));
        assert_eq!(scale(-1.0, 254.0, Tensorrt), (2.0, 0));
        assert_eq!(scale(-254.0, 1.0, Tensorrt), (2.0, 0));
        assert_eq!(scale(0.0, 0.0, Tensorrt), (1.0, 0));
        let widest = ActivationScale::of(Range { low: f32::MIN, high: f32::MAX }, Onnxruntime);
        assert!(widest.scale.is_finite());
    }

    #[test]
    fn weights_by_channel() {
        let weights = [1.27, -0.64, 0.015, 0.025, 0.0, 0.0, 0.0, 0.0, -2.54, 0.03, 0.05, 2.54];
        let quantized = quantize_weights(&weights, 3, None);
        assert_eq!(quantized.scales, [1.27 / 127.0, 1.0, 2.54 / 127.0]);
        // 1.5 and 2.5 steps are both 2, and both ends are reached.
        assert_eq!(quantized.values, [127, -64, 2, 2, 0, 0, 0, 0, -127, 2, 2, 127]);
    }

    #[test]
    fn biases_in_the_scale_of_the_sums() {
        let (scales, values) = quantize_bias(&[1.0, -0.5, 0.375, 0.625], 0.5, &[0.5; 4]);
        assert_eq!(scales, [0.25; 4]);
        // 1.5 and 2.5 round to the even 2.
        assert_eq!(values, [4, -2, 2, 2]);
    }

    #[test]
    fn a_bias_beside_tiny_weights_fits() {
        let (weights, bias, input_scale) = ([1e-12, 0.0, 0.0], [3.0, -2.0, 0.0], 0.5);
        let quantized = quantize_weights(&weights, 3, Some((&bias, input_scale)));
        let (scales, values) = quantize_bias(&bias, input_scale, &quantized.scales);
        assert!(values.iter().all(|value| value.unsigned_abs() <= 1 << 30), "{values:?}");
        for ((bias, scale), value) in bias.iter().zip(&scales).zip(&values) {
            let found = *scale as f64 * *value as f64;
            assert!((found - *bias as f64).abs() <= 1e-6 * bias.abs() as f64, "{found} {bias}");
        }
        assert_eq!(quantized.values, [0, 0, 0]);
    }
}
