//! The Pixel 2 through TFLite: a formula for fp32 and one for int8, one thread each, fitted on
//! published times of MobileNets.
//!
//! Two coefficients: multiply-adds, whatever the kind of convolution, and elements read and written.
//! A rate of its own for depthwise convolutions fits as well, but then either they or the traffic of
//! everything else come out free, which a search would exploit.

use std::path::Path;

use zen_nas::latency::{
    Evidence, LatencyError, LatencyModel, NewRun, Observation, OperatorKey, Precision, Prior, Setting, Table,
    TableSource, error_of_pairs, leave_one_out, non_negative,
};

use super::raw::{self, TfliteRow};
use super::reference::{mobilenet_v1, mobilenet_v2, mobilenet_v3_minimalistic};
use super::{DATE, formula, with_spread};
use crate::features::Features;

/// The page whose rows are fitted; others are of later versions of TFLite.
const SOURCE: &str = "hosted_models old";
/// The row that is checked, from such a later page.
const CHECKED: &str = "mobilenet_v3_large_minimalistic_224";

/// One table for each precision.
pub fn tables(raw: &Path) -> Result<Vec<Table>, LatencyError> {
    let rows: Vec<TfliteRow> = raw::tflite(raw)?
        .into_iter()
        .filter(|row| row.device == "Pixel 2" && row.threads == 1 && row.batch_size == 1)
        .collect();
    [Precision::Fp32, Precision::Int8].into_iter().map(|precision| table(&rows, precision)).collect()
}

fn table(rows: &[TfliteRow], precision: Precision) -> Result<Table, LatencyError> {
    let setting = Setting::new("pixel2", "tflite", precision, 1).with_threads(1);
    let of_precision = || rows.iter().filter(|row| row.precision == precision);
    let observations: Vec<Observation> = of_precision()
        .filter(|row| row.source == SOURCE)
        .filter_map(|row| Some(Observation { features: features(&operators(&row.model)?), ms: row.ms }))
        .collect();
    let weights = non_negative(&observations);
    let &[mac, element] = weights.as_slice() else {
        return Err(LatencyError::Fit { what: setting.id(), reason: "no MobileNet among the TFLite rows".to_owned() });
    };
    let left_out = leave_one_out(&observations);
    let pairs: Vec<_> =
        left_out.iter().zip(&observations).map(|(predicted, measured)| (*predicted, measured.ms)).collect();
    // A formula says nothing about single operators.
    let spread: Vec<_> = pairs.iter().map(|(predicted, measured)| (0.0, *predicted, *measured)).collect();
    let worst = pairs.iter().map(|(predicted, measured)| (predicted / measured - 1.0).abs()).fold(0.0, f64::max);
    let check = of_precision().find(|row| row.model == CHECKED).map_or_else(String::new, |row| {
        let predicted: f64 =
            features(&mobilenet_v3_minimalistic()).iter().zip(&weights).map(|(feature, weight)| feature * weight).sum();
        format!(
            " Check on a later TFLite, not fitted: MobileNet-v3 large minimalistic {predicted:.1} ms against {} ({:+.0}%).",
            row.ms,
            100.0 * (predicted / row.ms - 1.0)
        )
    });
    let formula = formula(&[
        ("pointwise_ms_per_gmac", mac),
        ("spatial_ms_per_gmac", mac),
        ("depthwise_ms_per_gmac", mac),
        ("activation_ms_per_giga", element),
    ])?;
    Ok(Table {
        setting,
        date: DATE.to_owned(),
        source: TableSource::BuiltIn { name: String::new() },
        about: NewRun {
            origin: "fitted on latencies published with the hosted models of TensorFlow Lite (tensorflow/tensorflow, \
                     tensorflow/models)"
                .into(),
            licence: "Apache-2.0".into(),
            runtime_version: "TensorFlow Lite, version not stated (2018 to 2019)".into(),
            host: "Google Pixel 2, one large core".into(),
            method: "non-negative least squares of relative error on whole networks, linear in multiply-adds and in \
                     elements read and written"
                .into(),
            notes: format!(
                "{} networks: MobileNet-v1 of four widths and four resolutions, MobileNet-v2. Largest leave-one-out error \
                 {:.1}%. No network with regular convolutions above 1x1 (but the first) or with gates is among them.{check}",
                observations.len(),
                100.0 * worst
            ),
            ..NewRun::default()
        },
        evidence: Evidence::Fitted,
        error: error_of_pairs(&pairs, &format!("leave-one-out over {} published networks", pairs.len())),
        model: Some(with_spread(&LatencyModel::additive(Prior::Formula(formula)), &spread)),
        rows: Vec::new(),
        networks: Vec::new(),
        published: Vec::new(),
    })
}

/// 1e9 multiply-adds, and 1e9 elements that fused operators read and write.
fn features(keys: &[OperatorKey]) -> Vec<f64> {
    let sums = Features::of(keys);
    vec![1e-9 * (sums.pointwise + sums.spatial + sums.depthwise), 1e-9 * sums.activation]
}

/// Operators of a network by its name in the raw file; none for networks that are not fitted.
fn operators(model: &str) -> Option<Vec<OperatorKey>> {
    if model == "mobilenet_v2_1.0_224" {
        return Some(mobilenet_v2());
    }
    let (width, resolution) = model.strip_prefix("mobilenet_v1_")?.split_once('_')?;
    Some(mobilenet_v1(width.parse().ok()?, resolution.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times made by a known formula give it back; rows of other pages are not fitted.
    #[test]
    fn a_known_formula_is_recovered() {
        let row = |model: &str, ms: f64, source: &str| TfliteRow {
            device: "Pixel 2".to_owned(),
            model: model.to_owned(),
            precision: Precision::Int8,
            threads: 1,
            batch_size: 1,
            ms,
            source: source.to_owned(),
        };
        let mut rows = vec![row("inception_v3_299", 1.0, SOURCE), row(CHECKED, 50.0, "later")];
        for model in ["mobilenet_v1_0.25_128", "mobilenet_v1_0.5_160", "mobilenet_v1_1.0_224", "mobilenet_v2_1.0_224"] {
            let features = features(&operators(model).unwrap());
            rows.push(row(model, 80.0 * features[0] + 2500.0 * features[1], SOURCE));
            rows.push(row(model, 1000.0, "later"));
        }
        let found = table(&rows, Precision::Int8).unwrap();
        let Some(LatencyModel { prior: Prior::Formula(formula), .. }) = &found.model else { panic!("{found:?}") };
        let coefficients: std::collections::BTreeMap<_, _> = formula.coefficients().collect();
        assert!((coefficients["depthwise_ms_per_gmac"] - 80.0).abs() < 1e-3, "{coefficients:?}");
        assert!((coefficients["activation_ms_per_giga"] - 2500.0).abs() < 1e-2, "{coefficients:?}");
        assert!(found.error.unwrap().mape < 1e-9);
        assert!(found.about.notes.starts_with("4 networks") && found.about.notes.contains("against 50 ("));
        assert!(table(&rows, Precision::Fp32).unwrap_err().to_string().contains("pixel2/tflite/fp32/b1/t1"));
    }
}
