//! The table as it is while operators are measured: when it is fitted anew, when rows are read again.
//!
//! Not here: the fits themselves (`latency`).

use std::sync::Arc;

use super::ProfileError;
use super::bench::Bench;
use super::learning::Learning;
use crate::latency::{Composition, LatencyModel, Predictor, fit_prior, fit_spread_of};

/// Networks that are measured before the first table is made of them.
pub(super) const FIRST_NETWORKS: usize = 6;
/// The prior is fitted again when there are this many times the networks, ...
const REFIT_GROWTH: f64 = 2.0;
/// ... and rows are read again after so many.
const REREAD: usize = 10;

/// What is known while operators are measured.
#[derive(Default)]
pub(super) struct Table {
    pub predictor: Option<Arc<Predictor>>,
    /// Networks at the last fit, and at the last reading of rows.
    fitted_at: usize,
    read_at: usize,
}

/// Brings the table up to date, if it is time.
pub(super) fn refresh(
    bench: &mut Bench<'_>,
    table: &mut Table,
    learning: &Learning,
    networks: usize,
) -> Result<(), ProfileError> {
    if table.predictor.is_none() || networks as f64 >= REFIT_GROWTH * table.fitted_at as f64 {
        refit(bench, table, learning, networks)?;
    } else if networks >= table.read_at + REREAD {
        table.predictor = Some(Arc::new(bench.table.predictor()?));
        table.read_at = networks;
    }
    Ok(())
}

pub(super) fn refit(
    bench: &mut Bench<'_>,
    table: &mut Table,
    learning: &Learning,
    networks: usize,
) -> Result<(), ProfileError> {
    fit(bench, learning)?;
    table.predictor = Some(Arc::new(bench.table.predictor()?));
    (table.fitted_at, table.read_at) = (networks, networks);
    Ok(())
}

/// Fits prior and composition on what was measured so far, and stores them.
pub(super) fn fit(bench: &mut Bench<'_>, learning: &Learning) -> Result<(), ProfileError> {
    let known = bench.table.store.require_table(&bench.table.setting, &bench.table.choice)?;
    let mut model = LatencyModel::additive(fit_prior(&known.rows, &bench.table.setting)?);
    let calibration = learning.calibration();
    // A session that goes on has what the one before learned.
    let earlier = known.model.map(|model| model.composition);
    model.composition = match earlier.filter(|earlier| *earlier != Composition::default()) {
        Some(earlier) if calibration.len() < FIRST_NETWORKS => earlier,
        _ => fit_spread_of(&calibration),
    };
    bench.table.store.set_model(bench.run.id, &model)?;
    Ok(())
}
