//! Which ReLUs of a network are active, image by image: what NASWOT and SWAP count.
//!
//! One forward pass of the vanilla network in training mode, on the engine of the exact Zen-score.

use super::zen::exact::{Batch, Chain, Drawn, Engine, EngineError, Map, Weights};
use super::{Purpose, ScoreError, Scratch, Trial};
use crate::net::Graph;

/// Calls `visit` with the map in front of every ReLU, for weights and images of the trial.
///
/// # Errors
/// When the network cannot be run.
pub fn visit_drawn(
    proxy: &'static str,
    graph: &Graph,
    trial: &Trial,
    scratch: &mut Scratch,
    visit: &mut dyn FnMut(&Map),
) -> Result<(), ScoreError> {
    let undefined = |error: EngineError| ScoreError::Undefined { proxy, reason: error.to_string() };
    let chain = Chain::of(graph).map_err(undefined)?;
    let (channels, side) = chain.input();
    let engine = &mut scratch.engine;
    engine.input.resize(trial.batch_size * side * side * channels, 0.0);
    trial.draw.normal(Purpose::Input, &mut engine.input);
    visit_given(engine, &chain, trial.batch_size, &mut Drawn(trial.draw), visit).map_err(undefined)
}

/// As [`visit_drawn`], for given weights and the images in `engine.input`.
///
/// # Errors
/// As [`Engine::run`].
pub fn visit_given(
    engine: &mut Engine,
    chain: &Chain,
    images: usize,
    weights: &mut dyn Weights,
    visit: &mut dyn FnMut(&Map),
) -> Result<(), EngineError> {
    let batch = Batch { images_per_group: images, groups: 1 };
    engine.run(chain, batch, weights, &mut |_, map| visit(map)).map(|_| ())
}
