//! What the fits to the Zen-NAS publication multiply, summed over a network, for one image.
//!
//! Not here: what each amount is (`zen_nas::latency::FEATURES`).

use zen_nas::latency::{FEATURES, OperatorKey};

/// Sums over the operators of a network, in multiply-adds and elements.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Features {
    /// Multiply-adds of 1x1 convolutions and dense layers.
    pub pointwise: f64,
    /// Multiply-adds of larger regular convolutions.
    pub spatial: f64,
    /// Multiply-adds of depthwise convolutions.
    pub depthwise: f64,
    /// Elements moved by element-wise operators when nothing is fused.
    pub eager: f64,
    /// Three times the elements of gated maps.
    pub gate: f64,
    /// Elements that fused operators read and write.
    pub activation: f64,
}

impl Features {
    /// Of fused operators.
    pub fn of(keys: &[OperatorKey]) -> Self {
        let sum = |name: &str| -> f64 {
            let feature = FEATURES.iter().find(|feature| feature.name == name);
            // Whole numbers, so that no digit is lost in the unit of the coefficient.
            feature.map_or(0.0, |feature| keys.iter().map(|key| (1e9 * feature.amount(key, 1, 1)).round()).sum())
        };
        Self {
            pointwise: sum("pointwise_ms_per_gmac"),
            spatial: sum("spatial_ms_per_gmac"),
            depthwise: sum("depthwise_ms_per_gmac"),
            eager: sum("eager_ms_per_giga"),
            gate: sum("gate_ms_per_giga"),
            activation: sum("activation_ms_per_giga"),
        }
    }
}
