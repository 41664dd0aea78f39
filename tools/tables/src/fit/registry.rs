//! The registry of fits: which settings are fitted, on which rows, with which coefficients around which prior.
//!
//! Files in `fits/`, embedded; each holds families of settings. Not here: reading the rows (`rows`).

use std::collections::BTreeMap;

use serde::Deserialize;
use zen_nas::latency::LatencyError;

/// What the figures come from and were taken on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sources {
    pub source: Vec<Source>,
    /// Words about each device.
    pub devices: BTreeMap<String, String>,
}

/// A publisher of figures.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// As the raw files name it.
    pub name: String,
    label: Option<String>,
    pub repository: String,
    pub licence: String,
    /// Whether its networks may be listed one by one.
    pub named: bool,
}

impl Source {
    /// Its name in tables.
    pub fn label(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.name)
    }
}

/// One file of families.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    /// Lists of coefficients by name.
    pub coefficients: BTreeMap<String, Vec<Coefficient>>,
    pub family: Vec<Family>,
    /// Networks of rows whose files name them otherwise: for families that give none.
    #[serde(default)]
    pub names: BTreeMap<String, String>,
}

/// One free coefficient.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coefficient {
    pub name: String,
    /// Centre of its prior, in milliseconds per unit, or in multiples of what `per` names.
    pub prior: f64,
    /// Features that it stands for, each with a factor; `call` is 1 for a network, `table.` and a class the time
    /// by a table.
    pub features: BTreeMap<String, f64>,
    /// The sheet value that the prior is a multiple of.
    pub per: Option<Per>,
    /// Deviation of its logarithm; the family's where there is none.
    pub sd: Option<f64>,
    /// Coefficients that share a scale.
    pub group: Option<String>,
}

/// A value of a device's sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    Call,
    Kernel,
    Group,
    /// Milliseconds of 1e9 multiply-adds.
    Rate,
    /// Milliseconds of 1e6 elements.
    Traffic,
}

/// What is known of a device before any network is seen.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sheet {
    call: f64,
    kernel: f64,
    group: f64,
    /// 1e12 multiply-adds a second.
    tmac_s: f64,
    /// 1e9 bytes a second, and bytes of an element.
    gb_s: f64,
    bytes: f64,
}

impl Sheet {
    pub fn value(&self, per: Per) -> f64 {
        match per {
            Per::Call => self.call,
            Per::Kernel => self.kernel,
            Per::Group => self.group,
            Per::Rate => 1.0 / self.tmac_s,
            Per::Traffic => self.bytes / self.gb_s,
        }
    }
}

/// What several rows of a network become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeats {
    /// Their geometric mean.
    #[default]
    Mean,
    /// A row each, identical ones once.
    Each,
}

/// Settings that are fitted together.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    pub name: String,
    /// Name of its list of coefficients.
    pub coefficients: String,
    pub channel_multiple: Option<u32>,
    /// Deviation of each member's logarithms from the shape, and of the shape's from the prior; without the latter
    /// the shape is the prior.
    pub own: Option<f64>,
    pub shape_own: Option<f64>,
    /// Deviation of the scale of all coefficients, or of each group's.
    pub scale: Option<f64>,
    #[serde(default)]
    pub group_scales: BTreeMap<String, f64>,
    /// Deviation of every coefficient, whatever the list says.
    pub sd: Option<f64>,
    pub noise: f64,
    pub robust: f64,
    /// Deviation of what a network's times on all members have in common.
    #[serde(default)]
    pub common: f64,
    /// Settings whose residuals say together how wide intervals are.
    pub pool: Option<String>,
    #[serde(default)]
    pub repeats: Repeats,
    /// Setting whose fitted coefficients are the prior.
    pub prior_from: Option<String>,
    /// Networks behind a setting that is shipped, at least.
    #[serde(default = "ten")]
    pub least_networks: usize,
    /// Why it is never shipped, however good.
    pub tried: Option<String>,
    /// Sentences of the tables' headers: what the regime is, what is inside a published time, what else to know.
    pub regime: String,
    pub includes: String,
    pub notes: String,
    pub runtime_version: String,
    /// What the rows of every member have.
    #[serde(default)]
    pub rows: Filter,
    #[serde(default)]
    pub names: BTreeMap<String, String>,
    /// Networks that no member is fitted on.
    #[serde(default)]
    pub leave_out: Vec<String>,
    pub members: Vec<Member>,
}

fn ten() -> usize {
    10
}

/// One setting, or several that differ in the batch alone.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// That of the first batch.
    pub setting: String,
    /// Batches that get a table each; the rows may have others.
    #[serde(default)]
    pub batches: Vec<u32>,
    #[serde(default)]
    pub rows: Filter,
    /// Where rows come from several places.
    #[serde(default)]
    pub filters: Vec<Filter>,
    pub sheet: Option<Sheet>,
    /// Coefficients of the list that it does not have.
    #[serde(default)]
    pub without: Vec<String>,
    /// Factors on prior centres.
    #[serde(default)]
    pub prior_factors: BTreeMap<String, f64>,
    /// Deviations of single coefficients.
    #[serde(default)]
    pub sd: BTreeMap<String, f64>,
    /// Table whose operator times it takes a share of.
    pub table: Option<BaseTable>,
    #[serde(default)]
    pub leave_out: Vec<String>,
}

/// A table whose operator times a fit takes a share of.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseTable {
    /// Of the first batch.
    pub setting: String,
    /// Milliseconds taken off each operator that computes, or their share of the table's own constant.
    pub launch_ms: Option<f64>,
    pub launch_share: Option<f64>,
    /// The same for operators without weights.
    pub light_launch_ms: f64,
}

/// A file of published figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum File {
    Published,
    Aihub,
    Tflite,
}

/// Which rows of a file are used: those that have everything that is given.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    pub file: Option<File>,
    pub source: Option<String>,
    pub device: Option<String>,
    pub runtime: Option<String>,
    pub precision: Option<String>,
    pub batch: Option<u32>,
    #[serde(default)]
    pub batches: Vec<u32>,
    pub threads: Option<u32>,
    /// Beginning of the words about what is inside a time.
    pub includes: Option<String>,
    /// Part of the notes.
    pub notes: Option<String>,
    /// Parts of names that networks must not have.
    #[serde(default)]
    pub without: Vec<String>,
    /// The only networks, with what they are.
    #[serde(default)]
    pub names: BTreeMap<String, String>,
}

impl Filter {
    /// This filter with what it does not say from another.
    pub fn or(&self, other: &Self) -> Self {
        let list = |own: &Vec<u32>, other: &Vec<u32>| if own.is_empty() { other.clone() } else { own.clone() };
        Self {
            file: self.file.or(other.file),
            source: self.source.clone().or(other.source.clone()),
            device: self.device.clone().or(other.device.clone()),
            runtime: self.runtime.clone().or(other.runtime.clone()),
            precision: self.precision.clone().or(other.precision.clone()),
            batch: self.batch.or(other.batch),
            batches: list(&self.batches, &other.batches),
            threads: self.threads.or(other.threads),
            includes: self.includes.clone().or(other.includes.clone()),
            notes: self.notes.clone().or(other.notes.clone()),
            without: if self.without.is_empty() { other.without.clone() } else { self.without.clone() },
            names: if self.names.is_empty() { other.names.clone() } else { self.names.clone() },
        }
    }
}

/// Files of families, in the order they are fitted.
const FILES: [(&str, &str); 3] = [
    ("tensorrt.toml", include_str!("../../fits/tensorrt.toml")),
    ("phones.toml", include_str!("../../fits/phones.toml")),
    ("npus.toml", include_str!("../../fits/npus.toml")),
];

/// Reads every file of families.
///
/// # Errors
/// Names a file that does not read.
pub fn registries() -> Result<Vec<Registry>, LatencyError> {
    FILES.iter().map(|(name, text)| read(name, text)).collect()
}

/// Reads what is known of sources and devices.
///
/// # Errors
/// When the file does not read.
pub fn sources() -> Result<Sources, LatencyError> {
    read("sources.toml", include_str!("../../fits/sources.toml"))
}

fn read<T: serde::de::DeserializeOwned>(name: &str, text: &str) -> Result<T, LatencyError> {
    toml::from_str(text).map_err(|error| LatencyError::RawData { path: name.into(), reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use zen_nas::latency::{FEATURES, Setting};

    use super::*;

    #[test]
    fn the_registry_is_consistent() {
        let sources = sources().unwrap();
        let mut settings = BTreeSet::new();
        for registry in registries().unwrap() {
            for coefficient in registry.coefficients.values().flatten() {
                for feature in coefficient.features.keys() {
                    let known = feature == "call" || feature.starts_with("table.");
                    assert!(known || FEATURES.iter().any(|known| known.name == feature), "{feature}");
                }
            }
            for family in &registry.family {
                let list = &registry.coefficients[&family.coefficients];
                let named = |name: &String| list.iter().any(|coefficient| coefficient.name == *name);
                for member in &family.members {
                    let setting: Setting = member.setting.parse().unwrap();
                    assert!(sources.devices.contains_key(&setting.device), "{setting}");
                    assert!(settings.insert(member.setting.clone()), "{setting} is there twice");
                    assert!(member.without.iter().chain(member.prior_factors.keys()).all(named), "{setting}");
                    assert!(list.iter().all(|one| one.per.is_none() || member.sheet.is_some()), "{setting}");
                }
            }
        }
    }
}
