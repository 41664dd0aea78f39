//! Priors: the time of an operator from its shape alone.

use super::model::{Linear, Prior, Roofline};
use super::{KeyKind, OperatorKey, Precision};

impl Prior {
    /// Milliseconds of one call with the whole batch.
    pub fn ms(&self, key: &OperatorKey, precision: Precision, batch_size: u32) -> f64 {
        match self {
            Prior::Roofline(roofline) => roofline.ms(key, precision.bytes(), batch_size as f64),
            Prior::Processor(processor) => processor.ms(key, precision.bytes(), batch_size as f64),
            Prior::Linear(linear) => linear.ms_per_image(key) * batch_size as f64,
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
            KeyKind::Conv | KeyKind::Dense => {
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
            KeyKind::GlobalPool | KeyKind::Gate | KeyKind::Add | KeyKind::Elementwise => {
                self.traffic_launch_ms + bytes / (self.traffic_bandwidth_gb_s * 1e6)
            }
        }
    }
}

/// Elements an operator moves for a batch: inputs, outputs, a second map and weights.
fn bytes_factor(key: &OperatorKey, batch: f64) -> f64 {
    // A strided 1x1 convolution reads only the pixels it uses.
    let skipped = if key.kernel == 1 { (key.stride as f64).powi(2) } else { 1.0 };
    let read = key.in_elements() as f64 / skipped;
    let second = if key.residual_add || key.kind == KeyKind::Add { key.out_elements() as f64 } else { 0.0 };
    batch * (read + key.out_elements() as f64 + second) + key.weights() as f64
}

impl Linear {
    fn ms_per_image(&self, key: &OperatorKey) -> f64 {
        let Features { pointwise, spatial, depthwise, eager, gate, activation } = Features::of(key);
        1e-9 * (pointwise * self.pointwise_ms_per_gmac
            + spatial * self.spatial_ms_per_gmac
            + depthwise * self.depthwise_ms_per_gmac
            + eager * self.eager_ms_per_giga
            + gate * self.gate_ms_per_giga
            + activation * self.activation_ms_per_giga)
    }
}

/// What the linear prior multiplies, for one image.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Features {
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
    pub(crate) fn add(&mut self, other: &Self) {
        self.pointwise += other.pointwise;
        self.spatial += other.spatial;
        self.depthwise += other.depthwise;
        self.eager += other.eager;
        self.gate += other.gate;
        self.activation += other.activation;
    }

    pub(crate) fn of(key: &OperatorKey) -> Self {
        let mut features = Self::default();
        let flops = key.flops() as f64;
        let (read, written) = (key.in_elements() as f64, key.out_elements() as f64);
        match key.kind {
            KeyKind::Conv if key.kernel > 1 => features.spatial = flops,
            KeyKind::Conv | KeyKind::Dense => features.pointwise = flops,
            KeyKind::Depthwise => features.depthwise = flops,
            _ => {}
        }
        if matches!(key.kind, KeyKind::Conv | KeyKind::Depthwise) {
            // Eager execution: batch norm reads and writes its map once, an activation too, a
            // residual sum reads two maps and writes one.
            features.eager += 2.0 * written;
            features.eager += if key.residual_add { 3.0 * written } else { 0.0 };
            features.eager += if key.activation.is_some() { 2.0 * written } else { 0.0 };
            features.activation = read + written;
        }
        match key.kind {
            KeyKind::Gate => {
                features.gate = 3.0 * read;
                features.eager += 4.0 * read;
                features.activation = 2.0 * read;
            }
            KeyKind::Add => {
                features.eager += if key.activation.is_some() { 5.0 * written } else { 3.0 * written };
            }
            KeyKind::GlobalPool => features.activation = read,
            KeyKind::Elementwise => features.eager += 2.0 * written,
            _ => {}
        }
        features
    }
}
