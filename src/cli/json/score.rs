//! `zen-score --json`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::gates::Verdict;
use crate::cli::options::OpenTable;
use crate::latency::{Decision, Gaps, Prediction, SettingChoice, TableSource};
use crate::report::scores::{ForeignNetwork, ScoredNetwork};
use crate::score::compare::GroupComparison;

/// A list of networks; with --compare and with limits an object that holds it.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(title = "zen-score")]
pub enum ScoreJson<'s> {
    Networks(Vec<NetworkJson<'s>>),
    WithMore(WithMore<'s>),
}

#[derive(Serialize, JsonSchema)]
pub struct WithMore<'s> {
    networks: Vec<NetworkJson<'s>>,
    /// With --compare, by data set, image size and classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<&'s [GroupComparison]>,
    /// With budgets or a baseline.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<&'s Verdict>,
}

impl<'s> ScoreJson<'s> {
    pub fn new(
        networks: Vec<NetworkJson<'s>>,
        comparison: Option<&'s [GroupComparison]>,
        verdict: Option<&'s Verdict>,
    ) -> Self {
        match (comparison, verdict) {
            (None, None) => Self::Networks(networks),
            (comparison, verdict) => Self::WithMore(WithMore { networks, comparison, verdict }),
        }
    }
}

/// A structure or an ONNX file.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum NetworkJson<'n> {
    Structure(StructureJson<'n>),
    File(FileJson<'n>),
}

#[derive(Serialize, JsonSchema)]
pub struct StructureJson<'n> {
    #[serde(flatten)]
    network: &'n ScoredNetwork,
    #[serde(flatten)]
    predicted: Predicted<'n>,
}

#[derive(Serialize, JsonSchema)]
pub struct FileJson<'n> {
    #[serde(flatten)]
    network: &'n ForeignNetwork,
    #[serde(flatten)]
    predicted: Predicted<'n>,
    /// What the prediction does not know; null without --device, absent with several.
    #[serde(skip_serializing_if = "Option::is_none")]
    gaps: Option<Option<&'n Gaps>>,
}

/// The latency on one device, or those on several.
#[derive(Default, Serialize, JsonSchema)]
struct Predicted<'n> {
    /// Null without --device, absent with several.
    #[serde(skip_serializing_if = "Option::is_none")]
    latency: Option<Option<&'n Prediction>>,
    /// With several devices, in the order in which they were named.
    #[serde(skip_serializing_if = "Option::is_none")]
    latencies: Option<Vec<OnDevice<'n>>>,
    /// Why this setting, where the device has others that fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    setting_choice: Option<Option<&'n SettingChoice>>,
    /// Which table the latency is predicted from.
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<&'n TableSource>,
    /// Why that table, and which others there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    table_choice: Option<&'n Decision>,
}

/// The latency on one of several devices.
#[derive(Serialize, JsonSchema)]
struct OnDevice<'n> {
    #[serde(flatten)]
    prediction: &'n Prediction,
    device: &'n str,
    table: &'n TableSource,
    /// What the prediction does not know.
    gaps: Gaps,
    setting_choice: Option<&'n SettingChoice>,
}

impl<'n> NetworkJson<'n> {
    /// With the tables of its latency, or of its latencies where `several` devices are named.
    pub fn of_structure(network: &'n ScoredNetwork, several: bool, tables: &[&'n OpenTable]) -> Self {
        let latencies = several.then_some(&network.latencies[..]);
        Self::Structure(StructureJson {
            network,
            predicted: Predicted::of(network.latency.as_ref(), latencies, tables),
        })
    }

    /// The same of a file.
    pub fn of_file(network: &'n ForeignNetwork, several: bool, tables: &[&'n OpenTable]) -> Self {
        let latencies = several.then_some(&network.latencies[..]);
        let predicted = Predicted::of(network.latency.as_ref(), latencies, tables);
        Self::File(FileJson { network, predicted, gaps: (!several).then_some(network.gaps.as_ref()) })
    }
}

impl<'n> Predicted<'n> {
    fn of(one: Option<&'n Prediction>, several: Option<&'n [Prediction]>, tables: &[&'n OpenTable]) -> Self {
        if let Some(latencies) = several {
            let on_device = latencies.iter().zip(tables).map(|(prediction, table)| OnDevice {
                prediction,
                device: &prediction.setting.device,
                table: &table.quality.table,
                gaps: prediction.gaps(),
                setting_choice: table.choice.as_ref(),
            });
            return Self { latencies: Some(on_device.collect()), ..Self::default() };
        }
        let table = tables.first();
        Self {
            latency: Some(one),
            latencies: None,
            setting_choice: table.map(|table| table.choice.as_ref()),
            table: table.map(|table| &table.quality.table),
            table_choice: table.map(|table| &table.quality.decision),
        }
    }
}
