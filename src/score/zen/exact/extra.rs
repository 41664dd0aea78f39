//! Steps between convolutions: the max pooling behind a ResNet's stem, and squeeze-and-excitation.
//! Plain loops; neither takes time worth saving.

use super::EngineError;
use super::engine::{Batch, Engine, Seen, Source};

impl Engine {
    /// Activates `maps[0]`, takes the largest value of each 3 x 3 window at stride 2 (padding 1),
    /// and leaves the result in its place.
    pub(super) fn max_pool(&mut self, batch: Batch, source: &Source, out_side: usize) {
        let (stored, side) = (source.stored, source.side);
        let mut pooled = vec![0.0f32; batch.images() * out_side * out_side * stored];
        for (image, out) in pooled.chunks_exact_mut(out_side * out_side * stored).enumerate() {
            let group = image / batch.images_per_group * stored;
            let map = &self.maps[0][image * source.image_size()..][..source.image_size()];
            for (pixel, out) in out.chunks_exact_mut(stored).enumerate() {
                let (top, left) = (pixel / out_side * 2, pixel % out_side * 2);
                for y in top.saturating_sub(1)..(top + 2).min(side) {
                    for x in left.saturating_sub(1)..(left + 2).min(side) {
                        let window = &map[(y * side + x) * stored..][..stored];
                        for channel in 0..stored {
                            // Activated values are not negative, so zero is a neutral start.
                            let scaled = window[channel] * self.scale[group + channel] + self.shift[group + channel];
                            out[channel] = out[channel].max(scaled);
                        }
                    }
                }
            }
        }
        self.maps[0] = pooled;
    }

    /// Computes the gates by which the next reading multiplies.
    pub(super) fn gate(
        &mut self,
        batch: Batch,
        source: &Source,
        [reduce, expand]: &[Vec<f32>; 2],
        epsilon: f32,
        seen: &mut Vec<[Seen; 2]>,
    ) -> Result<(), EngineError> {
        if batch.images_per_group < 2 {
            return Err(EngineError::SingleValue { layer: seen.len() });
        }
        let (stored, channels) = (source.stored, source.channels);
        let mut means = vec![0.0f64; batch.images() * channels];
        for (image, means) in means.chunks_exact_mut(channels).enumerate() {
            let group = image / batch.images_per_group * stored;
            let map = &self.maps[0][image * source.image_size()..][..source.image_size()];
            for pixel in map.chunks_exact(stored) {
                for channel in 0..channels {
                    let scaled = pixel[channel] * self.scale[group + channel] + self.shift[group + channel];
                    means[channel] += scaled.max(0.0) as f64;
                }
            }
            means.iter_mut().for_each(|mean| *mean /= (source.side * source.side) as f64);
        }
        let mut hidden = product(&means, reduce, channels);
        seen.push(normalise(&mut hidden, batch, epsilon));
        hidden.iter_mut().for_each(|value| *value = value.max(0.0));
        let mut gates = product(&hidden, expand, hidden.len() / batch.images());
        seen.push(normalise(&mut gates, batch, epsilon));
        self.gates.clear();
        for image in gates.chunks_exact(channels) {
            self.gates.extend(image.iter().map(|value| (1.0 / (1.0 + (-value).exp())) as f32));
            self.gates.resize(self.gates.len().next_multiple_of(stored), 0.0);
        }
        Ok(())
    }
}

/// Each image's vector (of `length`) times a matrix (rows x length).
fn product(vectors: &[f64], matrix: &[f32], length: usize) -> Vec<f64> {
    let dot = |row: &[f32], vector: &[f64]| row.iter().zip(vector).map(|(a, b)| *a as f64 * b).sum::<f64>();
    vectors
        .chunks_exact(length)
        .flat_map(|vector| matrix.chunks_exact(length).map(move |row| dot(row, vector)))
        .collect()
}

/// Batch norm of vectors, group by group.
fn normalise(vectors: &mut [f64], batch: Batch, epsilon: f32) -> [Seen; 2] {
    let channels = vectors.len() / batch.images();
    let count = batch.images_per_group;
    let mut seen = [Seen { variance: f64::NAN, count }; 2];
    for (group, vectors) in vectors.chunks_exact_mut(count * channels).enumerate() {
        let mut total = 0.0;
        for channel in 0..channels {
            let values = || vectors.iter().skip(channel).step_by(channels);
            let mean = values().sum::<f64>() / count as f64;
            let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / count as f64;
            total += variance;
            for value in vectors.iter_mut().skip(channel).step_by(channels) {
                *value = (*value - mean) / (variance + epsilon as f64).sqrt();
            }
        }
        seen[group].variance = total / channels as f64;
    }
    seen
}
