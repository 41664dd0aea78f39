//! What the programs print with `--json`, as types, and the schemas of that.
//!
//! Fields are only ever added. Not here: the parts that other modules describe themselves (`Prediction`, `Winner`, ...).

mod schema;
mod score;
mod search;

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;

use crate::latency::Prediction;
use crate::litert::LitertSummary;
use crate::onnx::ExportSummary;
use crate::onnx::weights::SavedWeights;
use crate::profile::{Outcome, TriedTable, Verification};
use crate::pytorch::ModuleSummary;

pub use schema::{Described, described};
pub use score::{FileJson, NetworkJson, ScoreJson, StructureJson};
pub use search::{FailureJson, FrontJson, NearestJson, PageJson, SearchJson, TableJson};

/// `zen-export`, an ONNX file.
#[derive(Serialize, JsonSchema)]
pub struct ExportJson<'e> {
    pub structure: String,
    pub export: &'e ExportSummary,
    /// The weights of a seed, where they were asked for.
    pub initial_weights: Option<&'e SavedWeights>,
    /// None without --device.
    pub latency: Option<&'e Prediction>,
}

/// `zen-export`, a LiteRT file.
#[derive(Serialize, JsonSchema)]
pub struct LitertJson<'e> {
    /// None where it was made of an ONNX file.
    pub structure: Option<String>,
    /// The ONNX file that it was made of.
    pub source: Option<&'e str>,
    pub export: &'e LitertSummary,
    /// The weights of a seed, where they were asked for.
    pub initial_weights: Option<&'e SavedWeights>,
    /// None without --device.
    pub latency: Option<&'e Prediction>,
}

/// `zen-export`, what a network is trained with.
#[derive(Serialize, JsonSchema)]
pub struct ModuleJson<'m> {
    pub structure: String,
    /// The PyTorch file, where one was asked for.
    pub module: Option<&'m ModuleSummary>,
    /// The weights of a seed, where they were asked for.
    pub initial_weights: Option<&'m SavedWeights>,
    /// None without --device.
    pub latency: Option<&'m Prediction>,
}

/// `zen-profile --for`: the operators of files, then each file as a whole.
#[derive(Serialize, JsonSchema)]
pub struct GivenJson<'g> {
    pub operators: &'g Outcome,
    /// None after an interruption.
    pub whole: Option<&'g Verification>,
}

/// `zen-profile check`.
#[derive(Serialize, JsonSchema)]
pub struct CheckJson<'c> {
    #[serde(flatten)]
    pub found: Cow<'c, TriedTable>,
    /// Whether the result is in the database.
    pub stored: bool,
}
