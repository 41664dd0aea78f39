//! SWAP (Peng et al., "SWAP-NAS: Sample-Wise Activation Patterns for Ultra-fast NAS", ICLR 2024): how
//! many different answers the ReLUs of a network give to a batch of images.

use super::patterns::visit_drawn;
use super::zen::exact::Map;
use super::{Proxy, Randomness, ScoreError, Scratch, Trial, Until};
use crate::net::Graph;

/// Number of distinct sample-wise activation patterns, without the paper's regularisation by size
/// (which needs a target size to be chosen).
#[derive(Debug)]
pub struct Swap;

/// Images that a pattern can tell apart: the bits of a word.
const MOST_IMAGES: usize = 64;

impl Proxy for Swap {
    fn name(&self) -> &'static str {
        "swap"
    }

    fn about(&self) -> &'static str {
        "SWAP (ICLR 2024): number of distinct patterns of one ReLU over a batch of images"
    }

    fn randomness(&self) -> Randomness {
        Randomness::Drawn { batch_size: 32, until: Until::Draws(2) }
    }

    fn score(&self, graph: &Graph, trial: &Trial, scratch: &mut Scratch) -> Result<f64, ScoreError> {
        if trial.batch_size > MOST_IMAGES {
            let reason = format!("{} images: patterns are of at most {MOST_IMAGES} images", trial.batch_size);
            return Err(ScoreError::Undefined { proxy: self.name(), reason });
        }
        let mut patterns = Patterns::default();
        visit_drawn(self.name(), graph, trial, scratch, &mut |map| patterns.add(map))?;
        Ok(patterns.count() as f64)
    }
}

/// Patterns seen so far: for each ReLU, which images activate it.
#[derive(Clone, Debug, Default)]
pub struct Patterns {
    patterns: Vec<u64>,
    /// Patterns at the start that are sorted, each once.
    distinct: usize,
}

impl Patterns {
    /// Adds those of the ReLUs behind a map.
    pub fn add(&mut self, map: &Map) {
        let relus = map.image_size() / map.stored * map.channels;
        let start = self.patterns.len();
        self.patterns.resize(start + relus, 0);
        for image in 0..map.images() {
            for (pattern, value) in self.patterns[start..].iter_mut().zip(map.normalised(image)) {
                *pattern |= ((value > 0.0) as u64) << image;
            }
        }
        // Often enough to bound the memory, seldom enough to cost little.
        if self.patterns.len() > 2 * self.distinct {
            self.count();
        }
    }

    /// Distinct patterns.
    pub fn count(&mut self) -> usize {
        self.patterns.sort_unstable();
        self.patterns.dedup();
        self.distinct = self.patterns.len();
        self.distinct
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two images, two pixels, three channels: patterns counted by hand.
    #[test]
    fn patterns() {
        let pixel = |a: f32, b: f32, c: f32| [a, b, c, 0.0, 0.0, 0.0, 0.0, 0.0];
        let raw =
            [pixel(1.0, -1.0, 1.0), pixel(-1.0, -1.0, -1.0), pixel(1.0, 1.0, 1.0), pixel(-1.0, 1.0, -1.0)].concat();
        let (scale, shift) = ([1.0; 8], [0.0; 8]);
        let map = Map { raw: &raw, channels: 3, stored: 8, images_per_group: 2, scale: &scale, shift: &shift };
        let mut patterns = Patterns::default();
        patterns.add(&map);
        // (1,1) twice, (0,1) twice, (0,0) twice.
        assert_eq!(patterns.count(), 3);
        patterns.add(&map);
        assert_eq!(patterns.count(), 3);
    }
}
