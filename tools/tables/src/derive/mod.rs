//! Deriving the shipped tables from the third-party files they come from.
//!
//! A maintainer's tool: the raw files are not in the repository, what it writes is. The same files
//! give the same tables, byte for byte.

mod curve;
mod fitted;
mod launches;
mod networks;
pub mod raw;
mod tensorrt;

use std::path::{Path, PathBuf};

use zen_nas::files;
use zen_nas::latency::{
    Formula, KeyKind, LatencyError, LatencyModel, OperatorKey, Precision, Predictor, Setting, spread_of_pairs,
};

use self::networks::{ZenNetwork, check_networks, keys_of, target_operators, zen_networks};
use self::tensorrt::Source;
use crate::evaluate::networks as measured;
use crate::features::Features;
use crate::fit::networks::Networks;
use crate::fit::{Fitted, fit_all, sources};
use crate::published::{self, PublishedNetwork, REGIMES};

pub use curve::{Curve, to_text as curves_to_text};

/// When the derivation was last changed.
const DATE: &str = "2026-11-29";

/// Precision and batch of the TensorRT tables of the V100.
const TENSORRT: [(Precision, u32); 12] = [
    (Precision::Fp32, 1),
    (Precision::Fp32, 32),
    (Precision::Fp32, 64),
    (Precision::Fp32, 128),
    (Precision::Fp16, 1),
    (Precision::Fp16, 32),
    (Precision::Fp16, 64),
    (Precision::Fp16, 128),
    (Precision::Int8, 1),
    (Precision::Int8, 32),
    (Precision::Int8, 64),
    (Precision::Int8, 128),
];

/// Steps of a derivation, for progress.
pub const STEPS: u64 = TENSORRT.len() as u64;

/// Measured networks among the raw files.
pub const MEASURED_NETWORKS: &str = "help/ofa/v100_networks.csv";

/// What was derived.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Files written.
    pub files: Vec<PathBuf>,
    /// Settings with their rows, and one line about each.
    pub tables: Vec<(Setting, usize, String)>,
    /// Settings that were fitted and are not shipped, with one line about each.
    pub tried: Vec<(Setting, String)>,
}

/// What was fitted and is not shipped, and why.
fn tried(fitted: &[Fitted]) -> Vec<(Setting, String)> {
    let line = |fitted: &Fitted| {
        let reason = fitted.tried.as_ref()?;
        let (mape, networks) = (100.0 * fitted.error.mape, fitted.error.networks);
        Some((fitted.setting.clone(), format!("error {mape:.1}% over {networks} networks; not shipped: {reason}")))
    };
    fitted.iter().filter_map(line).collect()
}

/// Derives every third-party table from the files under `raw` and writes it into the folder `out`,
/// which is made if it is missing. `progress` is called with the number of [`STEPS`] done.
///
/// # Errors
/// When a raw file is missing or does not read, or a table cannot be written.
pub fn derive_tables(raw: &Path, out: &Path, mut progress: impl FnMut(u64)) -> Result<Summary, LatencyError> {
    let zen = zen_networks()?;
    let mut tables = Vec::new();
    let mut int8_usable = None;
    each_source(raw, &raw.join(MEASURED_NETWORKS), &mut progress, |source, curve| {
        tables.push(source.table(&curve));
        if source.setting == REGIMES[1].based_on() {
            int8_usable = Some(source.predictor(&source.usable()));
        }
    })?;
    let based_on = |batch_size: u32| {
        let setting = Setting { batch_size, ..REGIMES[1].based_on() };
        tables.iter().find(|table| table.setting == setting).ok_or_else(|| no_base(&setting))
    };
    let batch = based_on(64)?;
    let usable = int8_usable.ok_or_else(|| no_base(&batch.setting))?;
    let published = published_networks(raw, &zen, &usable)?;
    let of_shipped = published_networks(raw, &zen, &tensorrt::predictor(batch)?)?;
    let rebuilt = Networks::read(raw)?;
    let base = |setting: &Setting| {
        tables.iter().find(|table| table.setting == *setting).cloned().ok_or_else(|| no_base(setting))
    };
    let fitted = fit_all(raw, &rebuilt, &base)?;
    let mut others = vec![
        fitted::published(&REGIMES[0], &published)?,
        fitted::t4_batch64(batch, &published, &of_shipped, &rebuilt)?,
        fitted::published(&REGIMES[2], &published)?,
    ];
    let sources = sources()?;
    let shipped = fitted.iter().filter(|fitted| fitted.tried.is_none());
    others.extend(shipped.map(|fitted| crate::fit::table(fitted, &sources, DATE, rounded_model)));
    for table in &mut tables {
        launches::complete(table, &fitted, &rebuilt)?;
    }
    tables.extend(others);

    let failed = |source| LatencyError::Io { doing: "making the folder of the tables", path: out.to_owned(), source };
    std::fs::create_dir_all(out).map_err(failed)?;
    let mut summary = Summary { files: Vec::new(), tables: Vec::new(), tried: tried(&fitted) };
    summary.write(out.join("published.csv"), &published::to_text(&published))?;
    for table in tables {
        summary.write(out.join(format!("{}.csv", table.setting.id().replace('/', "_"))), &table.to_text())?;
        let error = table.error.as_ref().map_or("never checked on whole networks".to_owned(), |error| {
            format!("error {:.1}% over {} networks", 100.0 * error.mape, error.networks.unwrap_or(0))
        });
        let line = format!("{error}; {}; {}", table.about.method, table.about.notes);
        summary.tables.push((table.setting, table.rows.len(), line));
    }
    Ok(summary)
}

/// How the error of networks falls with the number of rows, for each TensorRT table of the V100;
/// `networks` is a file of measured networks. `progress` is called with the number of [`STEPS`] done.
///
/// # Errors
/// When a raw file is missing or does not read.
pub fn curves(raw: &Path, networks: &Path, mut progress: impl FnMut(u64)) -> Result<Vec<Curve>, LatencyError> {
    let mut curves = Vec::new();
    each_source(raw, networks, &mut progress, |_, curve| curves.push(curve))?;
    Ok(curves)
}

/// Calls `each` with what every TensorRT table is made from, and its curve.
fn each_source(
    raw: &Path,
    networks: &Path,
    progress: &mut dyn FnMut(u64),
    mut each: impl FnMut(Source, Curve),
) -> Result<(), LatencyError> {
    let rows = raw::lightnas(raw)?;
    let measured = measured::read(networks)?;
    let zen = zen_networks()?;
    let (targets, check) = (target_operators(&zen)?, check_networks(&zen)?);
    for (done, setting) in (1..).zip(TENSORRT) {
        let source = Source::new(&rows, setting, &targets, &check, curve::MOST)?;
        let curve = Curve::new(&source, &measured);
        each(source, curve);
        progress(done);
    }
    Ok(())
}

fn no_base(setting: &Setting) -> LatencyError {
    LatencyError::Fit { what: "t4".to_owned(), reason: format!("it is based on {setting}, which was not derived") }
}

impl Summary {
    fn write(&mut self, path: PathBuf, text: &str) -> Result<(), LatencyError> {
        let failed = |source| LatencyError::Io { doing: "writing the table", path: path.clone(), source };
        files::write(&path, text.as_bytes()).map_err(failed)?;
        self.files.push(path);
        Ok(())
    }
}

/// The published networks with the sums that the fits need, those of the V100 by `int8`.
fn published_networks(raw: &Path, zen: &[ZenNetwork], int8: &Predictor) -> Result<Vec<PublishedNetwork>, LatencyError> {
    let batch = int8.setting().batch_size as f64;
    let sums = |keys: &[OperatorKey]| {
        let features = Features::of(keys);
        // Gates have a coefficient of their own; the other small operators go with convolutions.
        let gateless: Vec<_> = keys.iter().filter(|key| key.kind != KeyKind::Gate).copied().collect();
        let times = int8.class_times_of(&gateless);
        (features, rounded((times.conv_ms + times.traffic_ms) / batch), rounded(times.depthwise_ms / batch))
    };
    let mut networks = Vec::new();
    for network in zen {
        let (features, int8_conv_ms, int8_depthwise_ms) = sums(&keys_of(network, network.resolution)?);
        networks.push(PublishedNetwork {
            name: network.name.clone(),
            structure: Some(network.text.clone()),
            resolution: network.resolution,
            squeeze_excite: network.squeeze_excite,
            published_ms: network.published_ms,
            features,
            int8_conv_ms,
            int8_depthwise_ms,
        });
    }
    for (name, resolution) in [("EfficientNet-B3", 300), ("EfficientNet-B5", 456), ("EfficientNet-B6", 528)] {
        let (features, int8_conv_ms, int8_depthwise_ms) = sums(&raw::operator_list(raw, name)?);
        networks.push(PublishedNetwork {
            name: name.to_owned(),
            structure: None,
            resolution,
            squeeze_excite: true,
            published_ms: raw::published_ms(raw, name)?,
            features,
            int8_conv_ms,
            int8_depthwise_ms,
        });
    }
    Ok(networks)
}

/// Six significant digits: what is worth writing into a table.
fn rounded(value: f64) -> f64 {
    // Reading back what was just printed cannot fail.
    format!("{value:.5e}").parse().unwrap_or(value)
}

/// A model as its text form holds it, rounded.
fn rounded_model(model: &LatencyModel) -> LatencyModel {
    let coefficients = model.to_coefficients().into_iter().map(|(name, value)| (name, rounded(value))).collect();
    // Rounding keeps every coefficient in range.
    LatencyModel::from_coefficients(&coefficients).unwrap_or_else(|_| model.clone())
}

/// A formula of these coefficients.
fn formula(coefficients: &[(&str, f64)]) -> Result<Formula, LatencyError> {
    let failed = |reason| LatencyError::Fit { what: "a formula".to_owned(), reason };
    Formula::new(coefficients.iter().copied()).map_err(failed)
}

/// A model with the spread of networks as (spread of their operators, predicted, measured).
fn with_spread(model: &LatencyModel, networks: &[(f64, f64, f64)]) -> LatencyModel {
    let mut model = model.clone();
    if let Some((floor, factor)) = spread_of_pairs(networks) {
        model.composition.spread_floor = floor;
        model.composition.spread_factor = factor;
    }
    rounded_model(&model)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_and_bad_raw_files_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("out");
        let error = derive_tables(directory.path(), &out, |_| ()).unwrap_err().to_string();
        assert!(error.contains("v100_trt_conv.csv.gz"), "{error}");
        let file = directory.path().join("lightnas_v100").join("v100_trt_conv.csv.gz");
        std::fs::create_dir(file.parent().unwrap()).unwrap();
        std::fs::write(&file, b"not packed").unwrap();
        let error = derive_tables(directory.path(), &out, |_| ()).unwrap_err().to_string();
        assert!(error.contains("v100_trt_conv.csv.gz"), "{error}");
        assert!(!out.exists());
    }

    #[test]
    fn six_digits_remain() {
        assert_eq!((rounded(1.234_567_8), rounded(1_234.567_89), rounded(0.0)), (1.234_57, 1_234.57, 0.0));
    }
}
