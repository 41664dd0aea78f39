//! Deriving the shipped tables from the third-party files they come from.
//!
//! A maintainer's tool: the raw files are not in the repository, what it writes is. The same files
//! give the same tables, byte for byte.

mod fitted;
pub(super) mod raw;
mod reference;
mod select;
mod tensorrt;

use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

use super::prior::Features;
use super::published::{self, PublishedNetwork, REGIMES};
use super::{Fuser, KeyKind, LatencyError, LatencyModel, OperatorKey, Precision, Setting, Table, spread_of_pairs};
use crate::files;
use crate::net::{LowerOptions, Network};
use crate::space::{Draw, SPACES};

/// When the derivation was last changed.
const DATE: &str = "2026-11-24";

/// Structures of the published networks.
const STRUCTURES: &str = include_str!("../../../tests/data/networks.csv");

/// Resolutions at which the published networks say which shapes matter.
const RESOLUTIONS: [u32; 5] = [160, 192, 224, 256, 288];

/// Resolution, number of random networks of each space, mutations behind each, and seed of the
/// networks that tables are checked on.
const CHECK_RESOLUTION: u32 = 224;
const CHECK_RANDOM: usize = 40;
const CHECK_MUTATIONS: usize = 20;
const CHECK_SEED: u64 = 0;

/// Precision and batch of the TensorRT tables of the V100.
const TENSORRT: [(Precision, u32); 7] = [
    (Precision::Fp32, 1),
    (Precision::Fp32, 32),
    (Precision::Fp32, 64),
    (Precision::Fp16, 1),
    (Precision::Fp16, 64),
    (Precision::Int8, 1),
    (Precision::Int8, 64),
];

/// What was derived.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Files written.
    pub files: Vec<PathBuf>,
    /// Settings with their rows, and one line about each.
    pub tables: Vec<(Setting, usize, String)>,
}

/// Derives every third-party table from the files under `raw` and writes it into `out`.
///
/// # Errors
/// When a raw file is missing or does not read, or a table cannot be written.
pub fn derive_tables(raw: &Path, out: &Path) -> Result<Summary, LatencyError> {
    let rows = raw::lightnas(raw)?;
    let networks = zen_networks()?;
    let mut targets = Vec::new();
    for network in &networks {
        for resolution in RESOLUTIONS {
            targets.extend(keys_of(network, resolution)?);
        }
    }
    let check = check_networks(&networks)?;
    let mut summary = Summary { files: Vec::new(), tables: Vec::new() };
    let mut int8 = Vec::new();
    for (precision, batch_size) in TENSORRT {
        let derived = tensorrt::derive(&rows, precision, batch_size, &targets, &check)?;
        summary.write(out, &derived.table, |table| {
            format!(
                "held-out operators: median {:.1}%, within 10% {:.0}%; network sums {:.2}%",
                100.0 * derived.operator_median,
                100.0 * derived.operator_within10,
                100.0 * table.error.as_ref().map_or(f64::NAN, |error| error.mape)
            )
        })?;
        if precision == Precision::Int8 {
            int8.push(derived.table);
        }
    }
    let published = published_networks(raw, &networks, &int8[1])?;
    let path = out.join("published.csv");
    write(&path, &published::to_text(&published))?;
    summary.files.push(path);
    let with_error = |table: &Table| {
        let error = table.error.as_ref().map_or(f64::NAN, |error| error.mape);
        format!("error {:.1}%; {}; {}", 100.0 * error, table.about.method, table.about.notes)
    };
    summary.write(out, &fitted::published(&REGIMES[0], &published)?, with_error)?;
    summary.write(out, &fitted::t4_batch64(&int8[1], &published)?, with_error)?;
    summary.write(out, &fitted::t4_batch1(&int8[0])?, with_error)?;
    summary.write(out, &fitted::published(&REGIMES[2], &published)?, with_error)?;
    Ok(summary)
}

impl Summary {
    fn write(&mut self, out: &Path, table: &Table, line: impl Fn(&Table) -> String) -> Result<(), LatencyError> {
        let path = out.join(format!("{}.csv", table.setting.id().replace('/', "_")));
        write(&path, &table.to_text())?;
        self.files.push(path);
        self.tables.push((table.setting.clone(), table.rows.len(), line(table)));
        Ok(())
    }
}

fn write(path: &Path, text: &str) -> Result<(), LatencyError> {
    let failed = |source| LatencyError::Io { doing: "writing the table", path: path.to_owned(), source };
    files::write(path, text.as_bytes()).map_err(failed)
}

/// A published network with a structure.
struct ZenNetwork {
    name: String,
    network: Network,
    text: String,
    squeeze_excite: bool,
    resolution: u32,
    published_ms: [f64; 3],
}

/// The networks of [`STRUCTURES`] that have published latencies.
fn zen_networks() -> Result<Vec<ZenNetwork>, LatencyError> {
    let bad = |name: &str, reason: String| LatencyError::Published { name: name.to_owned(), reason };
    let mut networks = Vec::new();
    let mut reader = csv::Reader::from_reader(STRUCTURES.as_bytes());
    for record in reader.records() {
        let record = record.map_err(|error| bad("networks.csv", error.to_string()))?;
        let field = |column: usize| record.get(column).unwrap_or_default();
        // name, structure, resolution, classes, se, three published counts, v100, t4, pixel2
        let [Ok(v100), Ok(t4), Ok(pixel2)] = [8, 9, 10].map(|column| field(column).parse::<f64>()) else { continue };
        let short = field(0).trim_start_matches("zennet_imagenet1k_");
        let name = short.split('_').next().unwrap_or(short).to_owned();
        networks.push(ZenNetwork {
            network: Network::parse(field(1)).map_err(|error| bad(&name, error.to_string()))?,
            text: field(1).to_owned(),
            squeeze_excite: field(4) == "1",
            resolution: field(2).parse().map_err(|_| bad(&name, "no resolution".to_owned()))?,
            published_ms: [v100, t4, pixel2],
            name,
        });
    }
    Ok(networks)
}

fn keys_of(network: &ZenNetwork, resolution: u32) -> Result<Vec<OperatorKey>, LatencyError> {
    let options = LowerOptions { squeeze_excite: network.squeeze_excite, ..LowerOptions::new(resolution, 1000) };
    let bad = |reason: String| LatencyError::Published { name: network.name.clone(), reason };
    let graph = network.network.lower(&options).map_err(|error| bad(error.to_string()))?;
    Ok(Fuser::default().fuse(&graph).to_vec())
}

/// Networks that the tables are checked on, at 224 pixels: the published ones and random ones of
/// both spaces.
fn check_networks(published: &[ZenNetwork]) -> Result<Vec<Vec<OperatorKey>>, LatencyError> {
    let mut check = Vec::new();
    for network in published {
        check.push(keys_of(network, CHECK_RESOLUTION)?);
    }
    for space in SPACES {
        let mut rng = Pcg64Mcg::seed_from_u64(CHECK_SEED);
        for _ in 0..CHECK_RANDOM {
            let mut network = space.initial(CHECK_RESOLUTION);
            for _ in 0..CHECK_MUTATIONS {
                network = space.mutate(&network, 2, Draw::Uniform, &mut rng);
            }
            let bad = |reason: String| LatencyError::Published { name: network.to_string(), reason };
            let graph = network.lower(&LowerOptions::new(CHECK_RESOLUTION, 1000)).map_err(|e| bad(e.to_string()))?;
            check.push(Fuser::default().fuse(&graph).to_vec());
        }
    }
    Ok(check)
}

/// The published networks with the sums that the fits need.
fn published_networks(raw: &Path, zen: &[ZenNetwork], int8: &Table) -> Result<Vec<PublishedNetwork>, LatencyError> {
    let predictor = tensorrt::predictor(int8)?;
    let batch = int8.setting.batch_size as f64;
    let sums = |keys: &[OperatorKey]| {
        let mut features = Features::default();
        keys.iter().for_each(|key| features.add(&Features::of(key)));
        // Gates have a coefficient of their own; the other small operators go with convolutions.
        let gateless: Vec<_> = keys.iter().filter(|key| key.kind != KeyKind::Gate).copied().collect();
        let times = predictor.class_times_of(&gateless);
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
    let coefficients =
        model.to_coefficients().into_iter().map(|(name, value)| (name.to_owned(), rounded(value))).collect();
    // Rounding keeps every coefficient in range.
    LatencyModel::from_coefficients(&coefficients).unwrap_or_else(|_| model.clone())
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
        let error = derive_tables(directory.path(), &out).unwrap_err().to_string();
        assert!(error.contains("v100_trt_conv.csv.gz"), "{error}");
        let file = directory.path().join("lightnas_v100").join("v100_trt_conv.csv.gz");
        std::fs::create_dir(file.parent().unwrap()).unwrap();
        std::fs::write(&file, b"not packed").unwrap();
        let error = derive_tables(directory.path(), &out).unwrap_err().to_string();
        assert!(error.contains("v100_trt_conv.csv.gz"), "{error}");
        assert!(!out.exists());
    }

    #[test]
    fn the_nine_networks_with_latencies_are_read() {
        let networks = zen_networks().unwrap();
        assert_eq!(networks.len(), 9);
        assert_eq!(networks[2].name, "flops900M");
        assert_eq!(networks[8].published_ms, [1.2, 0.85, 2051.0]);
        // What is embedded was derived from these networks as they lower now.
        for (network, embedded) in networks.iter().zip(published::networks().unwrap()) {
            let mut features = Features::default();
            for key in keys_of(network, network.resolution).unwrap() {
                features.add(&Features::of(&key));
            }
            assert_eq!((&network.name, features), (&embedded.name, embedded.features));
        }
    }

    #[test]
    fn six_digits_remain() {
        assert_eq!((rounded(1.234_567_8), rounded(1_234.567_89), rounded(0.0)), (1.234_57, 1_234.57, 0.0));
    }
}
