//! How good the predictor is, on what others measured: whole networks, and operators that no table
//! holds.
//!
//! The files are third-party ones that are not in the repository. Not here: fitting a composition
//! (`fit`), correcting a prior by rows (`correction`) - this only asks how well they do.

mod grid;
pub mod networks;
mod ofa;
mod operators;
mod text;
pub mod whole;

use std::path::Path;

use serde::Serialize;
use zen_nas::latency::{
    Composition, Evidence, LatencyError, LatencyModel, Precision, Predictor, Row, Setting, Store, Table, TableChoice,
    error_of_pairs, fit_prior,
};

use crate::derive::raw::{self, RawRow};

pub use networks::BATCHES;
pub use operators::OperatorErrors;
pub use whole::{DRAWS, NetworkErrors};

/// Precisions whose operators are predicted, all at [`OPERATOR_BATCH`].
const PRECISIONS: [Precision; 3] = [Precision::Fp32, Precision::Fp16, Precision::Int8];
const OPERATOR_BATCH: u32 = 64;

/// Steps of an evaluation, for progress.
pub const STEPS: u64 = (BATCHES.len() + PRECISIONS.len()) as u64;

/// What [`evaluate`] found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// Networks in the file.
    pub networks: usize,
    /// Networks that a composition is fitted on in each draw, and draws.
    pub calibration_networks: usize,
    pub draws: u32,
    /// Whole networks, by batch size and predictor.
    pub whole: Vec<NetworkErrors>,
    /// Operators that were held out, by precision and predictor.
    pub operators: Vec<OperatorErrors>,
}

/// Errors as shares; means over draws where there are several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Errors {
    pub mape: f64,
    pub within5: f64,
    pub within10: f64,
    pub kendall_tau: f64,
    /// Mean signed relative error: positive where predictions are too long.
    pub bias: f64,
}

impl Errors {
    /// From pairs of predicted and measured times; all 0 without pairs.
    fn of(pairs: &[(f64, f64)]) -> Self {
        let Some(error) = error_of_pairs(pairs, "") else { return Self::default() };
        let signed: f64 = pairs.iter().map(|(predicted, measured)| predicted / measured - 1.0).sum();
        Self {
            mape: error.mape,
            within5: error.within5.unwrap_or_default(),
            within10: error.within10.unwrap_or_default(),
            kendall_tau: error.kendall_tau.unwrap_or_default(),
            bias: signed / pairs.len() as f64,
        }
    }
}

/// Predicts the networks of a file and held-out operators, from the operator tables under `raw`
/// and from the shipped subset; compositions are fitted on `draws` draws. `progress` is called with the number of [`STEPS`] done.
///
/// # Errors
/// When a file is missing or does not read, holds too few networks, or no prior can be fitted.
pub fn evaluate(
    raw: &Path,
    networks_file: &Path,
    draws: u32,
    mut progress: impl FnMut(u64),
) -> Result<Evaluation, LatencyError> {
    let networks = networks::read(networks_file)?;
    if networks.len() <= whole::CALIBRATION {
        let reason =
            format!("holds {} networks, {} calibrate and more must be left", networks.len(), whole::CALIBRATION);
        return Err(LatencyError::RawData { path: networks_file.to_owned(), reason });
    }
    let rows = raw::lightnas(raw)?;
    let mut evaluation = Evaluation {
        networks: networks.len(),
        calibration_networks: whole::CALIBRATION,
        draws,
        whole: Vec::new(),
        operators: Vec::new(),
    };
    let mut done = 0;
    for (batch, batch_size) in BATCHES.into_iter().enumerate() {
        let setting = v100(Precision::Fp32, batch_size);
        let full = rows_of(&rows, &setting);
        let table = operators_alone(&setting)?;
        let shipped = Predictor::from_table(&table)?;
        let predictors = [
            (format!("all {} rows", full.len()), predictor_of(&setting, &full)?),
            (format!("the {} built-in rows", table.rows.len()), shipped),
        ];
        evaluation.whole.extend(whole::evaluate(&networks, batch, &predictors, draws));
        done += 1;
        progress(done);
    }
    for precision in PRECISIONS {
        let setting = v100(precision, OPERATOR_BATCH);
        let table = operators_alone(&setting)?;
        let shipped = (table.rows.clone(), Predictor::from_table(&table)?);
        evaluation.operators.extend(operators::evaluate(&setting, &rows_of(&rows, &setting), &shipped)?);
        done += 1;
        progress(done);
    }
    Ok(evaluation)
}

/// The built-in table of a setting, as it is in this build.
pub fn built_in(setting: &Setting) -> Result<Table, LatencyError> {
    Store::in_memory()?.require_table(setting, &TableChoice::BuiltIn)
}

/// The built-in table of a setting with the times of single operators as they were measured, nothing of whole networks
/// put in.
pub fn operators_alone(setting: &Setting) -> Result<Table, LatencyError> {
    let mut table = built_in(setting)?;
    if let Some(model) = &mut table.model {
        model.fitted = None;
        model.composition = Composition::default();
    }
    Ok(table)
}

fn v100(precision: Precision, batch_size: u32) -> Setting {
    Setting::new("v100", "tensorrt", precision, batch_size)
}

fn rows_of(raw: &[RawRow], setting: &Setting) -> Vec<Row> {
    raw.iter()
        .filter(|row| row.precision == setting.precision && row.batch_size == setting.batch_size)
        .map(|row| Row::new(row.key, row.ms, Evidence::Measured))
        .collect()
}

/// A predictor that knows these rows and nothing else.
fn predictor_of(setting: &Setting, rows: &[Row]) -> Result<Predictor, LatencyError> {
    let model = LatencyModel::additive(fit_prior(rows, setting)?);
    Ok(Predictor::from_parts(setting, rows, model, None))
}
