//! The V100 TensorRT tables: a few hundred of the third party's rows, and what the others say
//! about predictions from them.

use super::super::correction::{group_of, place};
use super::super::error_report::error_of_pairs;
use super::super::fit::fit_roofline;
use super::super::store::{NewRun, Row, Store};
use super::super::{
    Composition, Evidence, KeyKind, LatencyError, LatencyModel, OperatorKey, Precision, Predictor, Prior, Setting,
    Table,
};
use super::raw::RawRow;
use super::select::select;
use super::{DATE, rounded, rounded_model, with_spread};
use crate::hash::fnv1a;

/// A derived table with what was found on the rows that are not shipped.
pub struct Derived {
    pub table: Table,
    /// Median relative error of single operators that are not shipped.
    pub operator_median: f64,
    /// Share of them within 10%.
    pub operator_within10: f64,
}

/// Derives the table of one precision and batch. `targets` are operators that say which shapes
/// matter; `check` are fused operators of whole networks, for the check once they are snapped to
/// the held-out rows.
///
/// The protocol of the check: a quarter of the usable rows is set aside by a hash of the shape
/// before anything is fitted or chosen; none of them is dropped for its value.
pub fn derive(
    raw: &[RawRow],
    precision: Precision,
    batch_size: u32,
    targets: &[OperatorKey],
    check: &[Vec<OperatorKey>],
) -> Result<Derived, LatencyError> {
    let setting = Setting::new("v100", "tensorrt", precision, batch_size);
    let rows: Vec<Row> = raw
        .iter()
        .filter(|row| row.precision == precision && row.batch_size == batch_size)
        .map(|row| Row { key: row.key, ms: rounded(row.ms), stderr_ms: 0.0, evidence: Evidence::Measured })
        .collect();
    let (held_out, candidates): (Vec<Row>, Vec<Row>) = rows.iter().cloned().partition(|row| is_held_out(&row.key));
    let model = rounded_model(&LatencyModel::additive(Prior::Roofline(fit_roofline(&candidates, &setting)?)));
    let prior_ms = |key: &OperatorKey| model.prior.ms(key, precision, batch_size);
    let mut shipped: Vec<Row> =
        select(&candidates, targets, prior_ms).into_iter().map(|index| candidates[index].clone()).collect();
    shipped.sort_by_key(|row| row.key);
    let mut table = Table {
        setting: setting.clone(),
        date: DATE.to_owned(),
        about: NewRun {
            origin: "LightNAS operator tables (alibaba/lightweight-neural-architecture-search, commit 8ccaf889)".into(),
            licence: "Apache-2.0".into(),
            runtime_version: "TensorRT, version not stated (2020 to 2022)".into(),
            host: "NVIDIA V100 SXM2".into(),
            method: format!(
                "{} of the third party's {} usable rows, spread over the shapes of networks; times are of the whole batch",
                shipped.len(),
                rows.len()
            ),
            notes: String::new(),
        },
        evidence: Evidence::Measured,
        error: None,
        model: Some(model.clone()),
        rows: shipped,
        networks: Vec::new(),
    };
    let predictor = predictor(&table)?;
    let held_out: Vec<&Row> = held_out.iter().filter(|row| is_relevant(&row.key)).collect();
    let mut errors: Vec<f64> =
        held_out.iter().map(|row| (predictor.operator_ms(&row.key) / row.ms - 1.0).abs()).collect();
    errors.sort_by(f64::total_cmp);
    let operator_median = errors.get(errors.len() / 2).copied().unwrap_or(f64::NAN);
    let operator_within10 = errors.iter().filter(|error| **error <= 0.1).count() as f64 / errors.len().max(1) as f64;
    let sums: Vec<(f64, f64, f64)> = check.iter().map(|keys| snapped_sums(keys, &held_out, &predictor)).collect();
    let pairs: Vec<(f64, f64)> = sums.iter().map(|(_, predicted, measured)| (*predicted, *measured)).collect();
    table.model = Some(with_spread(&model, &sums));
    table.error = error_of_pairs(
        &pairs,
        &format!(
            "sums of convolution times of {} networks at 224 pixels, each convolution replaced by the nearest shape \
             held out; whole networks were never measured, so what composing adds is not in it",
            pairs.len()
        ),
    );
    table.about.notes = format!(
        "Single operators that were held out: median error {:.1}%, {:.0}% within 10%. Activations are taken as free, \
         pools and gates as traffic at the bandwidth of convolutions.",
        100.0 * operator_median,
        100.0 * operator_within10
    );
    Ok(Derived { table, operator_median, operator_within10 })
}

/// A predictor from a table alone.
pub fn predictor(table: &Table) -> Result<Predictor, LatencyError> {
    let mut store = Store::in_memory_empty()?;
    store.import_table("derived", &table.to_text())?;
    Predictor::new(&store, &table.setting)
}

/// Shapes that networks have: what is left out is above all very wide maps of many channels.
fn is_relevant(key: &OperatorKey) -> bool {
    !(key.kind == KeyKind::Depthwise && key.kernel == 1)
        && key.in_channels.max(key.out_channels) <= 4096
        && key.in_elements().max(key.out_elements()) <= 4_000_000
}

/// A quarter of the rows, whatever their order: by a hash of the shape.
fn is_held_out(key: &OperatorKey) -> bool {
    let numbers = [key.kernel, key.stride, key.in_channels, key.out_channels, key.in_height, key.residual_add.into()];
    let hash = fnv1a(numbers.iter().flat_map(|number| number.to_le_bytes()));
    (hash >> 32) % 4 == 0
}

/// Spread, predicted and measured sum over a network's convolutions, each replaced by the nearest row.
fn snapped_sums(keys: &[OperatorKey], rows: &[&Row], predictor: &Predictor) -> (f64, f64, f64) {
    let (mut snapped, mut measured) = (Vec::new(), 0.0);
    for key in keys.iter().filter(|key| matches!(key.kind, KeyKind::Conv | KeyKind::Depthwise) && key.in_height > 1) {
        let here = place(key);
        let nearest = rows
            .iter()
            .filter(|row| group_of(&row.key) == group_of(key))
            .map(|row| {
                let there = place(&row.key);
                (here.iter().zip(there).map(|(a, b)| (a - b) * (a - b)).sum::<f64>(), row)
            })
            .min_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((_, row)) = nearest {
            snapped.push(row.key);
            measured += row.ms;
        }
    }
    let (times, composition) = (predictor.class_times_of(&snapped), Composition::default());
    (times.operator_spread(&composition), times.predict(&composition), measured)
}
