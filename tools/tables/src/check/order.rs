//! Whether devices are in the order that published figures show.

use serde::Serialize;
use zen_nas::latency::{LatencyError, PredictScratch, Predictor};

use crate::evaluate::built_in;
use crate::fit::networks::Networks;

/// Settings of which the first is the faster one.
pub const FASTER: [(&str, &str); 12] = [
    ("v100/paddle-tensorrt/fp32/b1", "t4/paddle-tensorrt/fp32/b1"),
    ("v100/paddle-tensorrt/fp32/b4", "t4/paddle-tensorrt/fp32/b4"),
    ("v100/paddle-tensorrt/fp32/b8", "t4/paddle-tensorrt/fp32/b8"),
    ("t4/tensorrt/fp16/b1", "jetson-xavier/tensorrt/fp16/b1"),
    ("jetson-xavier/tensorrt/fp16/b1", "jetson-nano/tensorrt/fp16/b1"),
    ("raspberry-pi-5/ncnn/fp32/b1/t1", "raspberry-pi-4/ncnn/fp32/b1/t1"),
    ("rk3588/ncnn/fp32/b1/t1", "rk3399/ncnn/fp32/b1/t1"),
    ("rk3399/ncnn/fp32/b1/t1", "rk3399-little/ncnn/fp32/b1/t1"),
    ("snapdragon-855-plus/ncnn/fp32/b1/t1", "snapdragon-821/ncnn/fp32/b1/t1"),
    ("pixel2/tflite/int8/b1/t1", "pixel2/tflite/fp32/b1/t1"),
    ("galaxy-s25/tflite-npu/fp16/b1", "galaxy-s24/tflite-npu/fp16/b1"),
    ("galaxy-s24/tflite-npu/fp16/b1", "qcs8275/tflite-npu/fp16/b1"),
];

/// Two settings on many networks.
#[derive(Clone, Debug, Serialize)]
pub struct Order {
    pub faster: &'static str,
    pub slower: &'static str,
    pub networks: usize,
    /// Share of the networks on which the faster one is not the slower.
    pub share: f64,
    /// Geometric mean of the times of the faster over those of the slower.
    pub ratio: f64,
}

/// Compares each of [`FASTER`] on every rebuilt network.
pub fn orders(networks: &Networks) -> Result<Vec<Order>, LatencyError> {
    let mut orders = Vec::new();
    let mut scratch = PredictScratch::default();
    for (faster, slower) in FASTER {
        let [one, other] = [faster, slower].map(|id| Predictor::from_table(&built_in(&id.parse()?)?));
        let (one, other) = (one?, other?);
        let mut logarithms = Vec::new();
        for (_, keys) in networks.iter() {
            let ms = one.predict_keys_ms(keys, &mut scratch);
            logarithms.push((ms / other.predict_keys_ms(keys, &mut scratch)).ln());
        }
        let count = logarithms.len().max(1) as f64;
        orders.push(Order {
            faster,
            slower,
            networks: logarithms.len(),
            share: logarithms.iter().filter(|logarithm| **logarithm <= 0.0).count() as f64 / count,
            ratio: (logarithms.iter().sum::<f64>() / count).exp(),
        });
    }
    Ok(orders)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A V100 is not slower than a T4 in the same runtime, precision and batch, a Jetson Xavier not slower than a
    /// Nano, and so on: on at least 95% of the networks, and by far on average.
    #[test]
    fn devices_are_in_the_order_that_published_figures_show() {
        for order in orders(&Networks::embedded().unwrap()).unwrap() {
            assert!(order.networks == 35 && order.share >= 0.95 && order.ratio < 0.9, "{order:?}");
        }
    }
}
