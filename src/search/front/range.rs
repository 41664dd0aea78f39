//! Ranges of limits that nobody named: from the cheapest network to many times that.

use std::sync::Arc;

use super::super::evolve::{Worker, stream};
use super::super::{RunSpec, SearchConfig, SearchError, feasible};
use super::Along;
use crate::latency::Predictor;
use crate::net::Network;

/// The largest limit over the cheapest network.
const WIDTH: f64 = 20.0;
/// Mutations that are tried to make a network cheaper.
const ATTEMPTS: u64 = 6000;
/// Keeps the random streams apart from those of other searches.
const STREAM: u64 = 7 << 60;

/// Finds the limits that are missing in a trade-off; those of the axes are infinite where they are.
///
/// # Errors
/// When no network is within the other budgets, or a range is empty.
pub fn settle(spec: &mut RunSpec, predictors: &[Arc<Predictor>]) -> Result<(), SearchError> {
    let Some(mut front) = spec.front.clone() else { return Ok(()) };
    let along = front.along(spec)?;
    let config = spec.to_config(predictors, 1)?;
    for (axis, along) in front.axes.iter_mut().zip(along) {
        let Along::Budget { budget, .. } = along else { continue };
        let most = &mut spec.budgets[budget].limit;
        if axis.least.is_none() || most.is_infinite() {
            let cheapest = cheapest(&config, budget)?;
            if most.is_infinite() {
                *most = WIDTH * cheapest.max(axis.least.unwrap_or_default());
            }
            axis.least = axis.least.or(Some(cheapest));
        }
        let least = axis.least.unwrap_or_default();
        if least >= *most {
            return Err(SearchError::Range { name: axis.kind.clone(), least, most: *most });
        }
    }
    spec.front = Some(front);
    Ok(())
}

/// The least value found by mutation within all other budgets.
fn cheapest(config: &SearchConfig, budget: usize) -> Result<f64, SearchError> {
    let mut worker = Worker::new(config);
    let mut best = feasible::find(config, &mut worker)?;
    let value = |network: &Network, worker: &mut Worker| -> Option<f64> {
        network.lower_into(&config.lower, &mut worker.graph).ok()?;
        let values = feasible::values(config, network, worker);
        let is_met = config.rules.hold(network, &worker.graph)
            && values
                .iter()
                .zip(&config.budgets)
                .enumerate()
                .all(|(i, (value, limit))| i == budget || *value <= limit.limit);
        is_met.then(|| values[budget])
    };
    let mut least = value(&best, &mut worker).unwrap_or(f64::INFINITY);
    for attempt in 0..ATTEMPTS {
        let mut rng = stream(config.seed, STREAM + attempt);
        let child = config.space.child(&best, &config.rules, 2, config.draw, &mut rng);
        if let Some(found) = value(&child, &mut worker).filter(|found| *found < least) {
            (best, least) = (child, found);
        }
    }
    Ok(least)
}
