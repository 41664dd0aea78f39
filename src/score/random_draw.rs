//! A number drawn at random: what any score has to beat before it is looked at.

use std::hash::{Hash, Hasher};

use super::{Proxy, Purpose, Randomness, ScoreError, Scratch, Trial, Until};
use crate::net::Graph;

/// Uniform on [0, 1), from the seed and the network alone.
#[derive(Debug)]
pub struct Random;

impl Proxy for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn about(&self) -> &'static str {
        "a number drawn from 0 to 1: what every score has to beat"
    }

    fn randomness(&self) -> Randomness {
        Randomness::Drawn { batch_size: 1, until: Until::Draws(1) }
    }

    fn score(&self, graph: &Graph, trial: &Trial, _: &mut Scratch) -> Result<f64, ScoreError> {
        let mut hasher = rustc_hash::FxHasher::default();
        graph.operators().hash(&mut hasher);
        let mut draw = trial.draw;
        draw.seed ^= hasher.finish();
        let mut word = [0];
        draw.words(Purpose::Other(0), &mut word);
        Ok(word[0] as f64 / 2f64.powi(32))
    }
}
