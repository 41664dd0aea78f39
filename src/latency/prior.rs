//! Priors: the time of an operator from its shape alone.

use super::model::{Prior, Roofline};
use super::{KeyKind, OperatorKey, Precision};

impl Prior {
    /// Milliseconds of one call with the whole batch.
    pub fn ms(&self, key: &OperatorKey, precision: Precision, batch_size: u32) -> f64 {
        match self {
            Prior::Roofline(roofline) => roofline.ms(key, precision.bytes(), batch_size as f64),
            Prior::Processor(processor) => processor.ms(key, precision.bytes(), batch_size as f64),
            Prior::Formula(formula) => formula.ms(key, batch_size),
        }
    }

    /// Whether a row serves for any fused activation.
    pub fn free_activation(&self) -> bool {
        matches!(self, Prior::Roofline(roofline) if roofline.free_activation != 0.0)
    }
}

impl Roofline {
    fn ms(&self, key: &OperatorKey, element_bytes: f64, batch: f64) -> f64 {
        let bytes = element_bytes * bytes_factor(key, batch);
        match key.kind {
            KeyKind::Conv | KeyKind::Dense | KeyKind::MatMul => {
                let pad = |channels: u32| (channels as f64 / self.channel_multiple).ceil() * self.channel_multiple;
                let area = (key.kernel as f64).powi(2);
                let reduction = pad(key.in_channels) / key.groups as f64 * area;
                let pixels = key.out_height() as f64 * key.out_width() as f64;
                let rate = match key.kernel {
                    0..=2 => self.conv1_tmac_s,
                    3..=4 => self.conv3_tmac_s,
                    5..=6 => self.conv5_tmac_s,
                    _ => self.conv7_tmac_s,
                };
                let mut compute = batch * reduction * pad(key.out_channels) * pixels / (rate * 1e9);
                compute *= 1.0 + self.short_reduction / reduction;
                if key.in_channels <= 4 {
                    compute *= self.image_factor;
                }
                if key.stride > 1 {
                    compute *= self.stride_factor;
                }
                let memory = bytes / (self.bandwidth_gb_s * 1e6);
                self.scale_conv * (self.launch_ms + compute.hypot(memory))
            }
            KeyKind::Depthwise => {
                let rate = match key.kernel {
                    0..=4 => self.depthwise3_tmac_s,
                    5..=6 => self.depthwise5_tmac_s,
                    _ => self.depthwise7_tmac_s,
                };
                let compute = batch * key.flops() as f64 / (rate * 1e9);
                let memory = bytes / (self.depthwise_bandwidth_gb_s * 1e6);
                self.scale_depthwise * (self.launch_ms + compute.hypot(memory))
            }
            KeyKind::Gate if self.gate_ms_per_giga > 0.0 => {
                batch * self.gate_ms_per_giga * 1e-9 * 3.0 * key.in_elements() as f64
            }
            _ => self.traffic_launch_ms + bytes / (self.traffic_bandwidth_gb_s * 1e6),
        }
    }
}

/// Elements an operator moves for a batch: inputs, outputs, a second map and weights.
fn bytes_factor(key: &OperatorKey, batch: f64) -> f64 {
    // A strided 1x1 convolution reads only the pixels it uses.
    let skipped = if key.kernel == 1 { (key.stride as f64).powi(2) } else { 1.0 };
    let read = key.in_elements() as f64 / skipped;
    batch * (read + key.out_elements() as f64 + key.second_elements() as f64) + key.weights() as f64
}

#[cfg(test)]
mod tests {
    use super::super::Processor;
    use super::*;

    fn key(kind: KeyKind, channels: u32, out_channels: u32, side: u32) -> OperatorKey {
        OperatorKey { kind, ..OperatorKey::conv(1, 1, channels, out_channels, side) }
    }

    fn close(found: f64, expected: f64) {
        assert!((found / expected - 1.0).abs() < 1e-12, "{found}, expected {expected}");
    }

    #[test]
    fn roofline_of_operators_without_a_window() {
        let roofline = Roofline {
            traffic_launch_ms: 0.5,
            traffic_bandwidth_gb_s: 100.0,
            launch_ms: 0.2,
            conv1_tmac_s: 2.0,
            short_reduction: 0.0,
            bandwidth_gb_s: 100.0,
            ..Roofline::default()
        };
        let ms = |roofline: &Roofline, kind, channels, out_channels, side| {
            Prior::Roofline(roofline.clone()).ms(&key(kind, channels, out_channels, side), Precision::Fp16, 8)
        };
        // 8 images x 50 x 400 elements x 2 bytes, read and written; 1e8 bytes a millisecond.
        let map_ms = 8.0 * 50.0 * 400.0 * 2.0 / 1e8;
        close(ms(&roofline, KeyKind::Elementwise, 50, 50, 20), 0.5 + 2.0 * map_ms);
        close(ms(&roofline, KeyKind::Gate, 50, 50, 20), 0.5 + 2.0 * map_ms);
        close(ms(&roofline, KeyKind::Add, 50, 50, 20), 0.5 + 3.0 * map_ms);
        // A pool writes one element a channel.
        close(ms(&roofline, KeyKind::GlobalPool, 50, 50, 20), 0.5 + map_ms * (1.0 + 1.0 / 400.0));
        // A gate with everything that belongs to it: three times its map.
        let gated = Roofline { gate_ms_per_giga: 40.0, ..roofline.clone() };
        close(ms(&gated, KeyKind::Gate, 50, 50, 20), 40.0 * 3.0 * 8.0 * 50.0 * 400.0 / 1e9);
        // A dense layer computes at the rate of 1x1 convolutions and moves its weights once a batch.
        let compute: f64 = 8.0 * 512.0 * 1000.0 / 2e9;
        let memory = 2.0 * (8.0 * (512.0 + 1000.0) + 512_000.0) / 1e8;
        close(ms(&roofline, KeyKind::Dense, 512, 1000, 1), 0.2 + compute.hypot(memory));
    }

    #[test]
    fn processor_of_operators_without_a_window() {
        let processor = Processor {
            launch_ms: 0.01,
            traffic_launch_ms: 0.02,
            traffic_ms_per_giga: 100.0,
            conv1_gmac_s: 50.0,
            channel_multiple: 16.0,
            map_ms_per_giga: 60.0,
            weight_ms_per_giga: 7.0,
            cold_ms_per_giga: 0.0,
            ..Processor::default()
        };
        let ms = |kind, channels, out_channels, side| {
            Prior::Processor(processor.clone()).ms(&key(kind, channels, out_channels, side), Precision::Fp32, 1)
        };
        let map_ms = 100.0 * 4.0 * 50.0 * 400.0 / 1e9;
        close(ms(KeyKind::Gate, 50, 50, 20), 0.02 + 2.0 * map_ms);
        close(ms(KeyKind::Add, 50, 50, 20), 0.02 + 3.0 * map_ms);
        close(ms(KeyKind::GlobalPool, 50, 50, 20), 0.02 + map_ms * (1.0 + 1.0 / 400.0));
        // 1000 outputs fill 63 tiles of 16; maps of 1512 and weights of 512,000 elements of 4 bytes.
        let compute = 512.0 * 1008.0 / 5e7;
        close(ms(KeyKind::Dense, 512, 1000, 1), 0.01 + compute + 4e-9 * (60.0 * 1512.0 + 7.0 * 512_000.0));
    }
}
