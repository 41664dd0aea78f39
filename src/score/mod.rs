//! Proxies: what ranks networks without training them.
//!
//! A proxy reads a [`Graph`] and returns a number, larger for networks that are expected to be
//! more accurate. Some draw weights, inputs or labels; [`Evaluator`] repeats those until their mean
//! is known. Which proxy a search uses is not decided here. Adding one: a file with a type that
//! implements [`Proxy`], and its line in [`PROXIES`].

mod additive;
mod baseline;
pub mod compare;
mod compute;
#[cfg(feature = "candle")]
mod eigenvalues;
mod evaluate;
#[cfg(feature = "candle")]
pub mod gradient;
pub mod naswot;
pub mod patterns;
mod random;
mod random_draw;
pub mod swap;
pub mod zen;

use crate::names::UnknownName;
use crate::net::Graph;

pub use additive::AdditiveScore;
pub use compute::{Compute, ComputeError};
pub use evaluate::{Evaluation, Evaluator, Sampling, Scored, Trials};
pub use random::{Draw, Purpose};
pub use zen::closed_form::Taps;

/// Ranks untrained networks.
pub trait Proxy: Sync {
    /// Name on the command line and in output.
    fn name(&self) -> &'static str;

    /// One line for `--help`: what it is, its unit, where it comes from.
    fn about(&self) -> &'static str;

    /// What the score depends on beside the network.
    fn randomness(&self) -> Randomness {
        Randomness::None
    }

    /// Whether it knows networks that no structure describes, as they are read from ONNX files.
    fn takes_foreign(&self) -> bool {
        false
    }

    /// Name of the proxy that decides among the best networks of a search by this one: the same score
    /// with less noise or fewer simplifications. None where nothing is more precise; a proxy that
    /// draws is made precise by drawing more often.
    fn precise(&self) -> Option<&'static str> {
        (self.randomness() != Randomness::None).then(|| self.name())
    }

    /// The score as a sum over operators, if it is one: then a search can be solved instead of evolved.
    fn additive(&self) -> Option<&dyn AdditiveScore> {
        None
    }

    /// The score of a network; finite, the same for the same graph and trial, higher is better.
    ///
    /// # Errors
    /// When the score of this network does not exist or is not finite.
    fn score(&self, graph: &Graph, trial: &Trial, scratch: &mut Scratch) -> Result<f64, ScoreError>;
}

/// What a score depends on beside the network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Randomness {
    /// Nothing: one evaluation is all there is to know.
    None,
    /// Weights, inputs or labels drawn for each trial.
    Drawn {
        /// Images of a trial, if the user does not say.
        batch_size: usize,
        /// When the mean is known well enough, if the user does not say.
        until: Until,
    },
}

/// When enough trials have been made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Until {
    /// As soon as the standard error of the mean is below this, in units of the score.
    StandardError(f64),
    /// After this many.
    Draws(u32),
}

/// One evaluation of a proxy that draws.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// What weights, inputs and labels are drawn from.
    pub draw: Draw,
    /// Images in a batch.
    pub batch_size: usize,
    /// Where it is computed, by proxies that can choose.
    pub compute: Compute,
}

impl Trial {
    /// For proxies that draw nothing.
    pub const NONE: Self = Self { draw: Draw { seed: 0, number: 0 }, batch_size: 1, compute: Compute::Cpu };
}

/// Working memory that proxies keep between networks; one per thread. Never changes a score.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(crate) taps: Taps,
    pub(crate) engine: zen::exact::Engine,
}

/// A score that does not exist.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    #[error("{proxy}: the score is not finite ({value})")]
    NotFinite { proxy: &'static str, value: f64 },
    #[error("{proxy}: {reason}")]
    Undefined { proxy: &'static str, reason: String },
}

impl ScoreError {
    /// The value, unless it is not finite.
    pub(crate) fn finite(proxy: &'static str, value: f64) -> Result<f64, Self> {
        if value.is_finite() { Ok(value) } else { Err(Self::NotFinite { proxy, value }) }
    }
}

/// Every proxy, the default first.
pub static PROXIES: &[&dyn Proxy] = &[
    &zen::closed_form::Form1 { variant: zen::Variant::Paper },
    &zen::closed_form::Form2 { variant: zen::Variant::Paper },
    &zen::closed_form::Form1 { variant: zen::Variant::Released },
    &zen::closed_form::Form2 { variant: zen::Variant::Released },
    &zen::exact::Exact { variant: zen::Variant::Paper },
    &zen::exact::Exact { variant: zen::Variant::Released },
    #[cfg(feature = "candle")]
    &gradient::GradNorm,
    #[cfg(feature = "candle")]
    &gradient::SynFlow,
    #[cfg(feature = "candle")]
    &gradient::Ntk,
    #[cfg(feature = "candle")]
    &gradient::ZiCo,
    &naswot::Naswot,
    &swap::Swap,
    &baseline::Flops,
    &baseline::Parameters,
    &random_draw::Random,
];

/// The proxy of that name.
///
/// # Errors
/// Lists the known ones.
pub fn find(name: &str) -> Result<&'static dyn Proxy, UnknownName> {
    let found = PROXIES.iter().find(|proxy| proxy.name() == name);
    found.copied().ok_or_else(|| UnknownName::new("proxy", name, PROXIES.iter().map(|proxy| proxy.name())))
}

#[cfg(test)]
mod tests;
