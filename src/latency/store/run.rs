//! Runs: what was measured in one go, for what purpose, and what makes two of them one.

use std::fmt;

use zen_agent::Processor;

use super::super::Setting;
use super::TableError;
use crate::names::{named, serialized_by_name};

/// A run in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(pub(super) i64);

/// What a run was made for; decides what its rows and networks may be used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// A table of the operators of search spaces.
    #[default]
    SearchSpaces,
    /// Exactly the operators of networks that a user named: no table for others.
    OneModel,
    /// A table checked on random networks; no operators.
    Check,
    /// Whole networks that a user named: no random sample, since search exploits prediction errors.
    Verification,
    /// Another setting's table, scaled to whole networks measured here.
    Adapted,
    /// Read from a user's file.
    Imported,
}

impl Purpose {
    pub const ALL: [Purpose; 6] = [
        Purpose::SearchSpaces,
        Purpose::OneModel,
        Purpose::Check,
        Purpose::Verification,
        Purpose::Adapted,
        Purpose::Imported,
    ];

    /// Name in the database and in output.
    pub fn name(self) -> &'static str {
        match self {
            Purpose::SearchSpaces => "search_spaces",
            Purpose::OneModel => "one_model",
            Purpose::Check => "check",
            Purpose::Verification => "verification",
            Purpose::Adapted => "adapted",
            Purpose::Imported => "imported",
        }
    }

    /// Whether its operators make a table for any network.
    pub fn fills_a_table(self) -> bool {
        matches!(self, Purpose::SearchSpaces | Purpose::Adapted | Purpose::Imported)
    }
}

named!(Purpose, "purpose");
serialized_by_name!(Purpose);

/// What makes two runs on one setting continue each other, beside purpose, machine and version of the
/// runtime: how operators were timed and what was asked for. No person reads it, and no sentence changes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// `form` is how operators are timed (one word), `subject` what was asked for.
    pub fn new(form: &str, subject: &str) -> Self {
        Self(format!("{form} {subject}"))
    }

    /// As it is stored.
    pub(super) fn stored(text: String) -> Self {
        Self(text)
    }

    /// How operators were timed.
    pub fn form(&self) -> &str {
        self.0.split(' ').next().unwrap_or_default()
    }
}

/// As it is stored.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is known when measuring starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRun {
    pub purpose: Purpose,
    pub fingerprint: Fingerprint,
    /// Who measured, or what the numbers were fitted on.
    pub origin: String,
    pub licence: String,
    pub runtime_version: String,
    /// Processor or machine.
    pub host: String,
    /// Kind of the processor, where it is known.
    pub processor: Option<Processor>,
    /// How operators were timed or derived, for people.
    pub method: String,
    pub notes: String,
    /// Why the numbers are to be doubted, to be said wherever they are used; empty where there is no such reason.
    pub warning: String,
}

impl NewRun {
    /// Whether a run goes on where `other` stopped: same purpose, machine, runtime and request.
    pub fn continues(&self, other: &Self) -> bool {
        self.same_protocol(other) && self.fingerprint == other.fingerprint
    }

    /// Whether operators of both were timed in the same way, on one machine by one version of the runtime.
    pub fn same_protocol(&self, other: &Self) -> bool {
        self.purpose == other.purpose && self.same_runtime(other) && self.fingerprint.form() == other.fingerprint.form()
    }

    /// Whether both ran on one machine by one version of the runtime.
    pub fn same_runtime(&self, other: &Self) -> bool {
        self.runtime_version == other.runtime_version && self.host == other.host
    }
}

/// A run as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub id: RunId,
    pub setting: Setting,
    /// UTC, ISO 8601.
    pub started_at: String,
    /// None while it goes on or when it was interrupted.
    pub finished_at: Option<String>,
    /// File and content of an imported table; none for what was measured here.
    pub imported: Option<ImportedFrom>,
    pub about: NewRun,
    pub error: Option<TableError>,
}

/// Where an imported table came from.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct ImportedFrom {
    /// Name of the file, without folders.
    pub file: String,
    /// Hash of its content; with the setting it tells imported tables apart.
    pub content: String,
}
