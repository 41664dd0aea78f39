//! From the registry to fitted settings, each network predicted without itself.
//!
//! Not here: fitting one family (`family`).

use std::collections::BTreeMap;
use std::path::Path;

use zen_nas::latency::{ErrorFigures, LatencyError, LatencyModel, Setting, Table};

use super::family::Room;
use super::interval::{FACTOR, reach_of_pool};
use super::networks::Networks;
use super::registry::registries;
use super::rows::{Figure, Figures};

/// A setting with its fit.
#[derive(Clone, Debug)]
pub struct Fitted {
    pub setting: Setting,
    /// What its coefficients lie around, in words.
    pub around: String,
    pub model: LatencyModel,
    /// Networks of this batch.
    pub networks: Vec<Predicted>,
    /// Networks with published times that no fit is made on: predicted by the fit, which has not seen them.
    pub unseen: Vec<Predicted>,
    /// Networks that were left out one by one, near-copies together, and figures, of all batches of the fit.
    pub groups: usize,
    pub figures: usize,
    pub error: ErrorFigures,
    /// Mean absolute relative error of the fit itself.
    pub fit_mape: f64,
    /// Logarithm of the factor that holds 90% of networks on either side.
    pub reach: f64,
    /// Why it is not shipped, if it is not.
    pub tried: Option<String>,
    pub regime: String,
    pub includes: String,
    pub notes: String,
    pub runtime_version: String,
    /// The table whose operator times it takes a share of.
    pub base: Option<Table>,
}

/// A published time beside predictions.
#[derive(Clone, Debug)]
pub struct Predicted {
    pub figure: Figure,
    /// By the fit to the networks that are not its near-copies.
    pub left_out_ms: f64,
    pub fit_ms: f64,
}

impl Predicted {
    /// Logarithm of predicted over published time.
    pub fn log_error(&self) -> f64 {
        (self.left_out_ms / self.figure.ms).ln()
    }
}

/// Fits every setting of the registry to the files under `raw`. `base` gives tables of operators.
///
/// # Errors
/// When a raw file is missing or does not read, or a family has no rows.
pub fn fit_all(
    raw: &Path,
    networks: &Networks,
    base: &dyn Fn(&Setting) -> Result<Table, LatencyError>,
) -> Result<Vec<Fitted>, LatencyError> {
    let figures = Figures::read(raw)?;
    let mut fitted: Vec<Fitted> = Vec::new();
    let mut known: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
    let mut pools: BTreeMap<usize, String> = BTreeMap::new();
    for registry in registries()? {
        for family in &registry.family {
            let made = Room { registry: &registry, family, figures: &figures, networks, base }.fit(&mut known)?;
            if let Some(pool) = &family.pool {
                pools.extend((fitted.len()..fitted.len() + made.len()).map(|place| (place, pool.clone())));
            }
            fitted.extend(made);
        }
    }
    // Intervals of settings that are pooled follow from all that are shipped.
    let squares =
        |fitted: &Fitted| -> Vec<f64> { fitted.networks.iter().map(|network| network.log_error().powi(2)).collect() };
    let mut pooled: BTreeMap<&String, Vec<f64>> = BTreeMap::new();
    for (place, pool) in &pools {
        let all = pooled.entry(pool).or_default();
        if fitted[*place].tried.is_none() {
            all.extend(squares(&fitted[*place]));
        }
    }
    let means: BTreeMap<&String, f64> = pooled
        .iter()
        .map(|(pool, squares)| (*pool, squares.iter().sum::<f64>() / squares.len().max(1) as f64))
        .collect();
    for (place, pool) in &pools {
        let errors: Vec<f64> = fitted[*place].networks.iter().map(Predicted::log_error).collect();
        fitted[*place].reach = reach_of_pool(&errors, means[pool]);
    }
    for one in &mut fitted {
        one.model.composition.spread_factor = FACTOR;
        one.model.composition.spread_floor = one.reach / FACTOR;
    }
    Ok(fitted)
}
