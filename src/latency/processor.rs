//! The prior for runtimes on a processor: one thread that gathers, multiplies and moves in turn.
//!
//! What each term stands for was read off operators measured through tract: the rate depends above
//! all on the output channels, since windows are gathered once for all of them; a strided 1x1
//! convolution is bound by picking its pixels; depthwise borders run apart from the inside; weights
//! beyond the cache arrive at the speed of memory.

use super::model::Processor;
use super::{KeyKind, OperatorKey};

impl Processor {
    /// Milliseconds of one call with the whole batch.
    pub(super) fn ms(&self, key: &OperatorKey, element_bytes: f64, batch: f64) -> f64 {
        let read = batch * key.in_elements() as f64;
        let written = batch * key.out_elements() as f64;
        match key.kind {
            KeyKind::Conv | KeyKind::Dense | KeyKind::MatMul => self.conv_ms(key, element_bytes, read, written),
            KeyKind::Depthwise => self.depthwise_ms(key, element_bytes, batch, read, written),
            _ => {
                let second = batch * key.second_elements() as f64;
                let bytes = element_bytes * (read + written + second);
                self.traffic_launch_ms + 1e-9 * self.traffic_ms_per_giga * bytes
            }
        }
    }

    fn conv_ms(&self, key: &OperatorKey, element_bytes: f64, read: f64, written: f64) -> f64 {
        let (gmac_s, gather, skipped) = match (key.kernel, key.stride) {
            (1, 1) => (self.conv1_gmac_s, 0.0, 1.0),
            // The pixels between are not read.
            (1, stride) => (self.conv1_gmac_s, self.pick_ms_per_giga, (stride as f64).powi(2)),
            (kernel, stride) => {
                let gmac_s = match kernel {
                    3..=4 => self.conv3_gmac_s,
                    5..=6 => self.conv5_gmac_s,
                    _ => self.conv7_gmac_s,
                };
                (gmac_s, if stride == 1 { self.gather_ms_per_giga } else { self.strided_gather_ms_per_giga }, 1.0)
            }
        };
        let reduction = (key.in_channels / key.groups) as f64 * (key.kernel as f64).powi(2);
        let pixels = written / key.out_channels as f64;
        let padded = (key.out_channels as f64 / self.channel_multiple).ceil() * self.channel_multiple;
        let image_factor = if key.in_channels <= 4 { self.image_factor } else { 1.0 };
        let compute = image_factor * pixels * reduction * padded / (1e6 * gmac_s);
        let gathered = pixels * reduction * key.groups as f64;
        let second = if key.residual_add { written } else { 0.0 };
        let weight_bytes = element_bytes * key.weights() as f64;
        let cold = |bytes: f64| (bytes - self.cache_bytes).max(0.0);
        let cold_bytes = cold(weight_bytes) + cold(element_bytes * read) + cold(element_bytes * written);
        self.launch_ms
            + compute
            + 1e-9
                * (gather * gathered
                    + self.map_ms_per_giga * element_bytes * (read / skipped + written + second)
                    + self.weight_ms_per_giga * weight_bytes
                    + self.cold_ms_per_giga * cold_bytes)
    }

    fn depthwise_ms(&self, key: &OperatorKey, element_bytes: f64, batch: f64, read: f64, written: f64) -> f64 {
        let inner = batch * key.out_channels as f64 * inner_side(key.in_height, key) * inner_side(key.in_width, key);
        let area = (key.kernel as f64).powi(2);
        let (inner_gmac_s, border_gmac_s) = if key.stride == 1 {
            (self.inner_gmac_s, self.border_gmac_s)
        } else {
            (self.strided_inner_gmac_s, self.strided_border_gmac_s)
        };
        let compute = area * (inner / inner_gmac_s + (written - inner) / border_gmac_s) / 1e6;
        self.launch_ms
            + compute
            + 1e-9
                * (self.depthwise_ms_per_giga * written
                    + self.depthwise_channel_ms_per_giga * key.out_channels as f64
                    + self.map_ms_per_giga * element_bytes * (read + written))
    }
}

/// Output positions along one side whose window lies inside a map of that side.
fn inner_side(side: u32, key: &OperatorKey) -> f64 {
    let (side, kernel, stride) = (side as i64, key.kernel as i64, key.stride as i64);
    let padding = (kernel - 1) / 2;
    let first = (padding + stride - 1) / stride;
    let last = (side - kernel + padding).div_euclid(stride);
    (last - first + 1).max(0) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_positions_by_hand() {
        // 7 pixels, kernel 3: outputs 1 to 5. Stride 2: windows at 1, 3, 5 of 0, 2, 4, 6 fit: two.
        assert_eq!(inner_side(7, &OperatorKey::depthwise(3, 1, 8, 7)), 5.0);
        assert_eq!(inner_side(7, &OperatorKey::depthwise(3, 2, 8, 7)), 2.0);
        assert_eq!(inner_side(3, &OperatorKey::depthwise(7, 1, 8, 3)), 0.0);
    }

    #[test]
    fn terms_add_up() {
        let none = Processor {
            launch_ms: 0.0,
            channel_multiple: 16.0,
            gather_ms_per_giga: 0.0,
            map_ms_per_giga: 0.0,
            weight_ms_per_giga: 0.0,
            cold_ms_per_giga: 0.0,
            conv3_gmac_s: 100.0,
            ..Processor::default()
        };
        let conv = OperatorKey::conv(3, 1, 24, 24, 10);
        // 24 channels pad to 32: 100 pixels x 216 x 32 multiply-adds at 1e11 a second.
        assert!((none.ms(&conv, 4.0, 1.0) - 100.0 * 216.0 * 32.0 / 1e8).abs() < 1e-12);
        let gather = Processor { gather_ms_per_giga: 1e9, ..none.clone() };
        assert!((gather.ms(&conv, 4.0, 1.0) - none.ms(&conv, 4.0, 1.0) - 100.0 * 216.0).abs() < 1e-6);
        let cold = Processor { cold_ms_per_giga: 1e9, cache_bytes: 20_000.0, ..none.clone() };
        // Weights of 20,736 bytes; the maps of 9,600 fit.
        assert!((cold.ms(&conv, 4.0, 1.0) - none.ms(&conv, 4.0, 1.0) - 736.0).abs() < 1e-6);
    }
}
