//! Folding a batch norm in inference into the convolution before it.
//!
//! With scale `s = weight / sqrt(running_var + eps)` per output channel, the norm of `conv(x) + b`
//! is `(s * conv)(x) + s * (b - running_mean) + bias`.

use crate::net::BATCH_NORM_EPSILON;

/// The four tensors of a batch norm, one value per channel each.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm<'w> {
    pub weight: &'w [f32],
    pub bias: &'w [f32],
    pub running_mean: &'w [f32],
    pub running_var: &'w [f32],
}

/// Scales `conv_weight` (out_channels x anything) and moves `conv_bias` (out_channels) so that the
/// convolution computes the norm too. Computed in float64 and rounded once. Returns whether
/// everything is finite.
pub fn fold(norm: BatchNorm<'_>, conv_weight: &mut [f32], conv_bias: &mut [f32]) -> bool {
    let channels = conv_bias.len();
    let per_channel = conv_weight.len() / channels.max(1);
    let mut finite = true;
    for (channel, filter) in conv_weight.chunks_exact_mut(per_channel.max(1)).enumerate() {
        let variance = norm.running_var[channel] as f64 + BATCH_NORM_EPSILON as f64;
        let scale = norm.weight[channel] as f64 / variance.sqrt();
        for weight in filter.iter_mut() {
            *weight = (scale * *weight as f64) as f32;
            finite &= weight.is_finite();
        }
        let centred = conv_bias[channel] as f64 - norm.running_mean[channel] as f64;
        conv_bias[channel] = (scale * centred + norm.bias[channel] as f64) as f32;
        finite &= conv_bias[channel].is_finite();
    }
    finite
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folded_convolution_equals_convolution_and_norm() {
        let norm = BatchNorm {
            weight: &[2.0, -1.0],
            bias: &[0.5, 0.25],
            running_mean: &[1.0, -2.0],
            running_var: &[4.0 - BATCH_NORM_EPSILON, 0.25 - BATCH_NORM_EPSILON],
        };
        let (mut weight, mut bias) = ([3.0, 4.0, 5.0, 6.0], [7.0, 8.0]);
        assert!(fold(norm, &mut weight, &mut bias));
        // Scales are 2 / sqrt(4) = 1 and -1 / sqrt(0.25) = -2.
        for (got, expected) in weight.iter().chain(&bias).zip([3.0, 4.0, -10.0, -12.0, 6.5, -19.75]) {
            assert!((got - expected).abs() < 1e-5, "{got} {expected}");
        }
    }

    #[test]
    fn negative_variance_is_noticed() {
        let norm = BatchNorm { weight: &[1.0], bias: &[0.0], running_mean: &[0.0], running_var: &[-1.0] };
        assert!(!fold(norm, &mut [1.0], &mut [0.0]));
    }
}
