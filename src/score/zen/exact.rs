//! The exact Zen-score as a proxy: fresh weights and inputs for each trial.

use super::{GAMMA, Variant, exact_candle};
use crate::net::Graph;
use crate::score::{Compute, Proxy, Randomness, ScoreError, Scratch, Trial, Until};

/// The mean over random weights, trial by trial.
#[derive(Debug)]
pub struct Exact {
    pub variant: Variant,
}

impl Proxy for Exact {
    fn name(&self) -> &'static str {
        match self.variant {
            Variant::Paper => "zen",
            Variant::Released => "zen-released",
        }
    }

    fn about(&self) -> &'static str {
        match self.variant {
            Variant::Paper => {
                "Zen-score as the paper defines it, exact: mean over fresh weights with its standard error"
            }
            Variant::Released => "Zen-score as the published code computes it, exact",
        }
    }

    fn randomness(&self) -> Randomness {
        Randomness::Drawn { batch_size: 2, until: Until::StandardError(0.3) }
    }

    fn score(&self, graph: &Graph, trial: &Trial, _: &mut Scratch) -> Result<f64, ScoreError> {
        let undefined = |reason: String| ScoreError::Undefined { proxy: self.name(), reason };
        let graph = graph.vanilla();
        let found = match trial.compute {
            Compute::Cpu => {
                let seed = trial.draw.seed.wrapping_add(trial.draw.number as u64);
                exact_candle::draw(&graph, trial.batch_size, GAMMA, seed)
            }
            gpu => {
                let device = gpu.device().map_err(|error| undefined(error.to_string()))?;
                exact_candle::draw_on(&device, &graph, trial.batch_size, GAMMA, trial.draw)
            }
        };
        found.map(|found| found.score(self.variant)).map_err(|error| undefined(error.to_string()))
    }
}
