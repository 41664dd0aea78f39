//! NASWOT (Mellor et al., "Neural Architecture Search without Training", ICML 2021): how differently
//! a network's ReLUs answer to different images.

use super::patterns::visit_drawn;
use super::zen::exact::Map;
use super::{Proxy, Randomness, ScoreError, Scratch, Trial, Until};
use crate::net::Graph;

/// Logarithm of the determinant of the matrix that counts, for each two images, the ReLUs that
/// agree.
#[derive(Debug)]
pub struct Naswot;

impl Proxy for Naswot {
    fn name(&self) -> &'static str {
        "naswot"
    }

    fn about(&self) -> &'static str {
        "NASWOT (ICML 2021): log-determinant of the agreement of ReLU patterns between images"
    }

    fn randomness(&self) -> Randomness {
        Randomness::Drawn { batch_size: 16, until: Until::Draws(4) }
    }

    fn score(&self, graph: &Graph, trial: &Trial, scratch: &mut Scratch) -> Result<f64, ScoreError> {
        let mut agreement = Agreement::new(trial.batch_size);
        visit_drawn(self.name(), graph, trial, scratch, &mut |map| agreement.add(map))?;
        agreement.log_determinant().ok_or_else(|| ScoreError::Undefined {
            proxy: self.name(),
            reason: format!("two of {} images have the same ReLU pattern: use fewer images", trial.batch_size),
        })
    }
}

/// For each two images the number of ReLUs that are both active or both not.
#[derive(Clone, Debug)]
pub struct Agreement {
    images: usize,
    /// images x images.
    counts: Vec<f64>,
    /// Active ReLUs of one map as bits, image after image.
    bits: Vec<u64>,
}

impl Agreement {
    pub fn new(images: usize) -> Self {
        Self { images, counts: vec![0.0; images * images], bits: Vec::new() }
    }

    /// Counts the ReLUs behind a map.
    pub fn add(&mut self, map: &Map) {
        let relus = map.image_size() / map.stored * map.channels;
        let words = relus.div_ceil(64);
        self.bits.clear();
        self.bits.resize(self.images * words, 0);
        for (image, bits) in self.bits.chunks_exact_mut(words).enumerate() {
            for (i, value) in map.normalised(image).enumerate() {
                bits[i / 64] |= ((value > 0.0) as u64) << (i % 64);
            }
        }
        for i in 0..self.images {
            for j in 0..=i {
                let pairs = self.bits[i * words..(i + 1) * words].iter().zip(&self.bits[j * words..]);
                let differ: u32 = pairs.map(|(a, b)| (a ^ b).count_ones()).sum();
                self.counts[i * self.images + j] += (relus - differ as usize) as f64;
            }
        }
    }

    /// Logarithm of the determinant by Cholesky's decomposition (the matrix is a sum of Gram
    /// matrices); nothing where it is singular.
    pub fn log_determinant(mut self) -> Option<f64> {
        let n = self.images;
        let mut logarithm = 0.0;
        for i in 0..n {
            for j in 0..=i {
                let dot: f64 = (0..j).map(|k| self.counts[i * n + k] * self.counts[j * n + k]).sum();
                let rest = self.counts[i * n + j] - dot;
                self.counts[i * n + j] = if i == j {
                    // What rounding leaves of a row that depends on the others.
                    if rest <= 1e-9 * self.counts[i * n + i] {
                        return None;
                    }
                    logarithm += rest.ln();
                    rest.sqrt()
                } else {
                    rest / self.counts[j * n + j]
                };
            }
        }
        Some(logarithm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn determinants() {
        let of =
            |counts: &[f64], images| Agreement { images, counts: counts.to_vec(), bits: Vec::new() }.log_determinant();
        // |4 2; 2 3| = 8, |2 1 0; 1 2 1; 0 1 2| = 4; what stands above the diagonal is not read.
        assert!((of(&[4.0, 9.0, 2.0, 3.0], 2).unwrap() - 8f64.ln()).abs() < 1e-12);
        assert!((of(&[2.0, 9.0, 9.0, 1.0, 2.0, 9.0, 0.0, 1.0, 2.0], 3).unwrap() - 4f64.ln()).abs() < 1e-12);
        assert_eq!(of(&[3.0, 0.0, 3.0, 3.0], 2), None);
    }

    /// Three images, one pixel, three channels of a map of eight: agreements counted by hand.
    #[test]
    fn agreements() {
        let raw = [
            1.0, -1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0, -1.0, 0.5, 0.0, 0.0,
            0.0, 0.0, 0.0,
        ];
        let (scale, shift) = ([1.0; 8], [0.0; 8]);
        let map = Map { raw: &raw, channels: 3, stored: 8, images_per_group: 3, scale: &scale, shift: &shift };
        let mut agreement = Agreement::new(3);
        agreement.add(&map);
        assert_eq!(agreement.counts, [3.0, 0.0, 0.0, 2.0, 3.0, 0.0, 2.0, 1.0, 3.0]);
    }
}
