//! The exact Zen-score of fresh weights and inputs, fast: the product's own engine on the CPU.
//!
//! `chain` is what is computed, `engine` runs it, `convolve` one convolution tile by tile
//! (`geometry`); `dense`, `depthwise`, `winograd`, `read` and `extra` do the arithmetic on the vectors
//! of `lanes`; `pack` is the order of weights. The reference that all
//! this is compared with is `exact_candle`.

mod chain;
mod convolve;
mod dense;
mod depthwise;
mod engine;
mod extra;
mod geometry;
mod lanes;
mod pack;
mod read;
mod winograd;

pub use chain::{Chain, Step};
pub use engine::{Batch, Engine, Map, Seen, Weights};
pub use pack::{packed_len, places};

#[cfg(feature = "candle")]
use super::exact_candle;
use super::{GAMMA, Variant};
use crate::net::{Graph, TrunkConv};
#[cfg(feature = "candle")]
use crate::score::Compute;
use crate::score::{Draw, Proxy, Purpose, Randomness, ScoreError, Scratch, Trial, Until};

/// Momentum of PyTorch's running statistics.
const MOMENTUM: f64 = 0.1;

/// A chain that cannot be evaluated.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("the network has no convolution")]
    NoConvolution,
    #[error("a convolution of {channels} channels has {groups} groups: only 1 and depthwise are supported")]
    Groups { groups: u32, channels: u32 },
    #[error("batch norm {layer} sees one value per channel, whose variance is undefined: use a batch of 2 or more")]
    SingleValue { layer: usize },
}

/// The score of one set of weights and inputs, and what it is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated {
    /// Logarithm of the mean over the batch of the summed absolute difference of the final maps.
    pub ln_delta: f64,
    /// Every batch norm in execution order: clean and perturbed batch.
    pub batch_norms: Vec<[Seen; 2]>,
}

impl Evaluated {
    /// The score in one of the definitions.
    pub fn score(&self, variant: Variant) -> f64 {
        let unbiased = |seen: &Seen| seen.variance * seen.count as f64 / (seen.count - 1) as f64;
        let keep = 1.0 - MOMENTUM;
        let variances = self.batch_norms.iter().map(|[clean, perturbed]| match variant {
            Variant::Paper => clean.variance,
            // The running variance of a fresh model after both passes.
            Variant::Released => keep * (keep + MOMENTUM * unbiased(clean)) + MOMENTUM * unbiased(perturbed),
        });
        self.ln_delta + variances.map(|variance| variance.ln() / 2.0).sum::<f64>()
    }
}

/// Evaluates given inputs: `images_per_group` clean ones in `engine.input`, then as many perturbed
/// ones, each pixel x channels.
///
/// # Errors
/// When a batch norm sees a single value per channel.
pub fn evaluate(
    engine: &mut Engine,
    chain: &Chain,
    images_per_group: usize,
    weights: &mut dyn Weights,
) -> Result<Evaluated, EngineError> {
    let mut delta = f64::NAN;
    let last = chain.steps.len() - 1;
    let batch = Batch { images_per_group, groups: 2 };
    let batch_norms = engine.run(chain, batch, weights, &mut |number, map| {
        if number == last {
            delta = difference(map) / images_per_group as f64;
        }
    })?;
    Ok(Evaluated { ln_delta: delta.ln(), batch_norms })
}

/// Summed absolute difference between the activated maps of the two groups.
fn difference(map: &Map) -> f64 {
    let half = map.raw.len() / 2;
    let (clean, perturbed) = map.raw.split_at(half);
    let (clean_scale, perturbed_scale) = map.scale.split_at(map.stored);
    let (clean_shift, perturbed_shift) = map.shift.split_at(map.stored);
    let pixels = clean.chunks_exact(map.stored).zip(perturbed.chunks_exact(map.stored));
    let of_pixel = |(clean, perturbed): (&[f32], &[f32])| {
        let mut sum = 0.0f32;
        for channel in 0..map.channels {
            let first = (clean[channel] * clean_scale[channel] + clean_shift[channel]).max(0.0);
            let second = (perturbed[channel] * perturbed_scale[channel] + perturbed_shift[channel]).max(0.0);
            sum += (first - second).abs();
        }
        sum as f64
    };
    pixels.map(of_pixel).sum()
}

/// Weights from N(0, 1), drawn when they are used.
pub struct Drawn(pub Draw);

impl Weights for Drawn {
    fn convolution(&mut self, number: usize, _: &TrunkConv, packed: &mut [f32]) {
        self.0.normal(Purpose::Weights(number as u32), packed);
    }

    fn gate(&mut self, number: usize, channels: usize, reduced: usize) -> [Vec<f32>; 2] {
        [0, 1].map(|matrix| {
            let mut weights = vec![0.0; channels * reduced];
            self.0.normal(Purpose::Other(2 * number as u32 + matrix), &mut weights);
            weights
        })
    }
}

/// Draws clean and perturbed inputs into the engine.
pub fn draw_inputs(engine: &mut Engine, chain: &Chain, images_per_group: usize, gamma: f64, draw: Draw) {
    let (channels, side) = chain.input();
    let half = images_per_group * side * side * channels;
    engine.input.resize(2 * half, 0.0);
    let (clean, perturbed) = engine.input.split_at_mut(half);
    draw.normal(Purpose::Input, clean);
    draw.normal(Purpose::Perturbation, perturbed);
    for (perturbed, clean) in perturbed.iter_mut().zip(clean) {
        *perturbed = *clean + gamma as f32 * *perturbed;
    }
}

/// Evaluates weights and inputs drawn from N(0, 1), the perturbation scaled by `gamma`.
///
/// # Errors
/// When a batch norm sees a single value per channel.
pub fn draw(
    engine: &mut Engine,
    chain: &Chain,
    images_per_group: usize,
    gamma: f64,
    draw: Draw,
) -> Result<Evaluated, EngineError> {
    draw_inputs(engine, chain, images_per_group, gamma, draw);
    evaluate(engine, chain, images_per_group, &mut Drawn(draw))
}

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

    fn score(&self, graph: &Graph, trial: &Trial, scratch: &mut Scratch) -> Result<f64, ScoreError> {
        #[cfg(feature = "candle")]
        if trial.compute != Compute::Cpu {
            return self.score_on_gpu(graph, trial);
        }
        let undefined = |error: EngineError| ScoreError::Undefined { proxy: self.name(), reason: error.to_string() };
        let chain = Chain::of(graph).map_err(undefined)?;
        let found = draw(&mut scratch.engine, &chain, trial.batch_size, GAMMA, trial.draw).map_err(undefined)?;
        ScoreError::finite(self.name(), found.score(self.variant))
    }
}

#[cfg(feature = "candle")]
impl Exact {
    fn score_on_gpu(&self, graph: &Graph, trial: &Trial) -> Result<f64, ScoreError> {
        let undefined = |reason: String| ScoreError::Undefined { proxy: self.name(), reason };
        let device = trial.compute.device().map_err(|error| undefined(error.to_string()))?;
        let found = exact_candle::draw_on(&device, &graph.vanilla(), trial.batch_size, GAMMA, trial.draw);
        let found = found.map_err(|error| undefined(error.to_string()))?;
        ScoreError::finite(self.name(), found.score(self.variant))
    }
}
