//! The schemas of what the programs print with `--json`.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use super::{
    CheckJson, ExportJson, FailureJson, FrontJson, GivenJson, LitertJson, ModuleJson, PageJson, ScoreJson, SearchJson,
};
use crate::cli::{DeviceSummary, SpaceSummary, TableSummary};
use crate::latency::{Imported, ImportedTable};
use crate::profile::{Outcome, Verification};
use crate::report::Report;

/// One form of output.
pub struct Described {
    /// Name of its schema, `docs/reference/json/NAME.json`.
    pub name: &'static str,
    /// The commands that print it.
    pub commands: &'static str,
    pub schema: Value,
}

/// Every form of output.
pub fn described() -> Vec<Described> {
    vec![
        of::<ScoreJson<'static>>("zen-score", "zen-score"),
        of::<SearchJson<'static>>("zen-search", "zen-search"),
        of::<FrontJson<'static>>("zen-search-pareto", "zen-search --pareto"),
        of::<FailureJson<'static>>("zen-search-failure", "zen-search, exit code 1 to 6"),
        of::<Vec<SpaceSummary<'static>>>("zen-search-spaces", "zen-search spaces"),
        of::<PageJson>("zen-search-report", "zen-search report"),
        of::<ExportJson<'static>>("zen-export", "zen-export, an ONNX file"),
        of::<LitertJson<'static>>("zen-export-litert", "zen-export, a LiteRT file"),
        of::<ModuleJson<'static>>("zen-export-training", "zen-export, a PyTorch file or initial weights"),
        of::<Outcome>("zen-profile", "zen-profile --device"),
        of::<GivenJson<'static>>("zen-profile-for", "zen-profile --device --for"),
        of::<Verification>("zen-profile-verify", "zen-profile verify"),
        of::<CheckJson<'static>>("zen-profile-check", "zen-profile check"),
        of::<Vec<DeviceSummary>>("zen-profile-devices", "zen-profile devices"),
        of::<Vec<TableSummary>>("zen-profile-list", "zen-profile list, zen-profile show"),
        of::<Report>("zen-profile-report", "zen-profile report"),
        of::<Vec<Imported>>("zen-profile-import", "zen-profile import"),
        of::<Vec<ImportedTable>>("zen-profile-remove", "zen-profile remove"),
    ]
}

fn of<T: JsonSchema>(name: &'static str, commands: &'static str) -> Described {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    RecursiveTransform(close).transform(&mut schema);
    schema.insert("title".to_owned(), commands.into());
    Described { name, commands, schema: schema.to_value() }
}

/// Objects have the fields that are described and no others.
fn close(schema: &mut Schema) {
    if schema.get("properties").is_some() && schema.get("additionalProperties").is_none() {
        schema.insert("additionalProperties".to_owned(), false.into());
    }
}
