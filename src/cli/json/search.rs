//! `zen-search --json`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::latency::{Decision, Setting, SettingChoice, TableSource};
use crate::search::Winner;
use crate::search::budget::BudgetUse;
use crate::search::front::Front;
use crate::space::OffRails;

/// `best.json` of the run, with its tables and its folder.
#[derive(Serialize, JsonSchema)]
pub struct SearchJson<'s> {
    #[serde(flatten)]
    pub winner: &'s Winner,
    /// That of the first of `tables`, for readers of earlier versions, as the next two are.
    pub table: Option<&'s TableSource>,
    pub table_choice: Option<&'s Decision>,
    pub setting_choice: Option<&'s SettingChoice>,
    pub tables: &'s [TableJson<'s>],
    pub directory: String,
}

/// `zen-search --pareto`.
#[derive(Serialize, JsonSchema)]
pub struct FrontJson<'f> {
    #[serde(flatten)]
    pub front: &'f Front,
    pub winner: &'f Winner,
    pub tables: &'f [TableJson<'f>],
    pub directory: String,
}

/// The table of one setting.
#[derive(Serialize, JsonSchema)]
pub struct TableJson<'t> {
    pub setting: &'t Setting,
    pub table: &'t TableSource,
    /// Why that table, and which others there are.
    pub table_choice: &'t Decision,
    /// Why this setting, where the device has others that fit.
    pub setting_choice: Option<&'t SettingChoice>,
}

/// What is printed when no network is.
#[derive(Serialize, JsonSchema)]
pub struct FailureJson<'f> {
    /// The exit code as a word.
    pub reason: &'static str,
    pub message: &'f str,
    /// Where no network was within the budgets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<NearestJson<'f>>,
}

/// The network that came closest.
#[derive(Serialize, JsonSchema)]
pub struct NearestJson<'n> {
    pub structure: &'n str,
    pub budgets: &'n [BudgetUse],
    pub off_rails: &'n [OffRails],
}

/// `zen-search report`.
#[derive(Serialize, JsonSchema)]
pub struct PageJson {
    pub written: String,
}
