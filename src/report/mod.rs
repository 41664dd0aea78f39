//! The error report of a latency table: how far its predictions are from whole networks that no
//! fit has seen.
//!
//! Stored networks are predicted again with the table as it is now, which is what a user gets.
//! `networks` collects them, `published` does the same for tables that were fitted on published
//! figures, `figures` works out what they say, `breakdown` says where a network's time goes, `quality`
//! is the short form that goes with every use of a table, `svg` draws. Beside it, `scores` puts given
//! networks side by side, and `run` is the page of a search. Not here: measuring (`profile`), predicting (`latency`), text for people
//! (`cli`).

mod breakdown;
mod error;
mod figures;
mod networks;
mod published;
mod quality;
pub mod run;
pub mod scores;
mod svg;

use serde::Serialize;

use crate::latency::{
    ChosenTable, Decision, ErrorFigures, EvidenceShares, Interval, Predictor, Setting, SpotChecks, Store, Table,
    TableChoice, TableError, TableSource, UNIT, require_choice,
};
use crate::space::Space;

pub use breakdown::{Breakdown, KindTime, OperatorTime};
pub use error::ReportError;
pub use quality::{Quality, decision_lines, stated_error};
pub(crate) use svg::draw::escaped;
pub use svg::to_svg;

/// What is wanted.
#[derive(Clone, Debug)]
pub struct ReportOptions {
    /// Only networks of this search space.
    pub space: Option<String>,
    /// Worst cases shown with their breakdown.
    pub worst: usize,
}

impl ReportOptions {
    pub const DEFAULT_WORST: usize = 5;
}

impl Default for ReportOptions {
    fn default() -> Self {
        Self { space: None, worst: Self::DEFAULT_WORST }
    }
}

/// What predictions are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// Networks measured on the setting, in no fit.
    HeldOut,
    /// Networks measured on the setting because a user wanted to know: no random sample.
    Verified,
    /// Published networks, each predicted by the fit to all others.
    LeaveOneOut,
    /// No whole network is known.
    None,
}

/// How good a table is.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Report {
    pub setting: Setting,
    /// Of every time in the report.
    pub unit: &'static str,
    pub runtime_version: String,
    /// Which of the setting's tables is reported on.
    pub table: TableSource,
    /// Why that one, and which others there are.
    pub decision: Decision,
    pub comparison: Comparison,
    /// The comparison for people.
    pub method: String,
    /// Where the predicted times come from, mean over the networks; none without networks.
    pub evidence: Option<EvidenceShares>,
    /// Networks that the figures are of.
    pub networks: u32,
    /// None without networks.
    pub figures: Option<ErrorFigures>,
    /// None where the table states no intervals.
    pub coverage: Option<Coverage>,
    /// One measurement of a network against another, later one; none where none was repeated.
    pub noise_floor: Option<ErrorFigures>,
    /// By search space, image size and gates, where there are several.
    pub groups: Vec<Group>,
    pub worst: Vec<WorstCase>,
    /// Known networks that the figures leave out, with the reason.
    pub left_out: Vec<LeftOut>,
    /// The error as the table states it, obtained when it was measured or derived.
    pub stated: Option<TableError>,
    /// Every network of the figures.
    pub compared: Vec<ComparedNetwork>,
}

/// A network, predicted and measured.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ComparedNetwork {
    /// Published name; none for others.
    pub name: Option<String>,
    /// None for published networks that structure strings cannot express.
    pub structure: Option<String>,
    pub resolution: u32,
    pub classes: u32,
    pub squeeze_excite: bool,
    /// Search space whose blocks it is made of.
    pub space: &'static str,
    pub predicted_ms: f64,
    pub interval: Option<Interval>,
    pub measured_ms: f64,
    /// Standard error of `measured_ms`, where it is known.
    pub stderr_ms: Option<f64>,
    pub repeat_ms: Option<f64>,
    /// Relative error of the prediction with its sign.
    pub off: f64,
    pub evidence: EvidenceShares,
}

/// How often the measured time lies in the predicted interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Coverage {
    /// Share that the intervals are meant to hold.
    pub stated: f64,
    /// Share that they hold.
    pub found: f64,
    /// Networks with an interval.
    pub networks: u32,
    /// Mean width of an interval relative to the predicted time.
    pub width: f64,
}

/// Networks of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Group {
    pub space: &'static str,
    pub resolution: u32,
    pub squeeze_excite: bool,
    pub figures: ErrorFigures,
}

/// One of the networks that are predicted worst.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct WorstCase {
    #[serde(flatten)]
    pub network: ComparedNetwork,
    /// None where the structure is not known.
    pub breakdown: Option<Breakdown>,
}

/// A network outside the figures.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct LeftOut {
    pub name: String,
    pub reason: String,
    pub predicted_ms: Option<f64>,
    pub measured_ms: f64,
}

/// The report on one of a setting's tables.
///
/// # Errors
/// When the setting has no such table, the database cannot be read, the search space is unknown, or no
/// checked network is of that space.
pub fn report(
    store: &Store,
    setting: &Setting,
    choice: &TableChoice,
    options: &ReportOptions,
) -> Result<Report, ReportError> {
    let space = options.space.as_deref().map(Space::built_in).transpose()?.map(|space| space.name.as_str());
    let ChosenTable { table, decision } = require_choice(store, setting, choice, &[], SpotChecks::Ignore)?;
    let predictor = Predictor::from_table(&table)?;
    let found = published::find(&table).unwrap_or_else(|| networks::find(&table, &predictor));
    let mut report = found.into_report(table, decision);
    if let Some(space) = space {
        let before = report.compared.len();
        report.compared.retain(|network| network.space == space);
        if report.compared.is_empty() && before > 0 {
            return Err(ReportError::NoneOfSpace { setting: setting.id(), space, networks: before });
        }
    }
    report.work_out(&predictor, options.worst);
    Ok(report)
}

/// What a source of networks knows.
struct Found {
    comparison: Comparison,
    method: String,
    compared: Vec<ComparedNetwork>,
    left_out: Vec<LeftOut>,
}

impl Found {
    fn into_report(self, table: Table, decision: Decision) -> Report {
        Report {
            setting: table.setting,
            unit: UNIT,
            runtime_version: table.about.runtime_version,
            table: table.source,
            decision,
            comparison: self.comparison,
            method: self.method,
            evidence: None,
            networks: 0,
            figures: None,
            coverage: None,
            noise_floor: None,
            groups: Vec::new(),
            worst: Vec::new(),
            left_out: self.left_out,
            stated: table.error,
            compared: self.compared,
        }
    }
}
