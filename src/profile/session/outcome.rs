//! What a session did, and why it ended.

use serde::Serialize;

use super::super::check::CheckReport;
use super::super::drift::DriftReport;
use super::super::farm::MemberReport;
use super::super::learning::MoreTime;
use crate::latency::{Evidence, RunId, Setting, TableError};

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The plan is done.
    Complete,
    /// Fresh networks are predicted as well as was asked for.
    TargetMet,
    /// The time limit came first.
    TimeLimit,
    /// The user interrupted.
    Interrupted,
}

/// Something that could not be timed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Failure {
    /// An operator or a structure.
    pub subject: String,
    pub reason: String,
}

/// What a session did.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Outcome {
    pub setting: Setting,
    /// Of the table that predicts: whether its operators were timed on the device or fitted to another's.
    pub evidence: Evidence,
    #[serde(skip)]
    pub run: RunId,
    pub ending: Ending,
    /// Operators measured by this session.
    pub measured: usize,
    /// Operators of the plan that earlier sessions had measured.
    pub stored: usize,
    /// Operators of the plan without a time yet, except the failed ones.
    pub remaining: usize,
    /// Networks inside which operators were measured by this session.
    pub inside_networks: usize,
    pub failed: Vec<Failure>,
    /// Of an adapted table: the error of each network predicted by a fit to the others.
    pub left_out: Option<TableError>,
    /// None when no networks were wanted or there was no time for at least two.
    pub check: Option<CheckReport>,
    /// Mean signed relative error, as a share, of networks that small searches chose towards the end, each
    /// before it was measured: below 0 a search's choice takes longer than predicted.
    pub chosen_bias: Option<f64>,
    /// What measuring on would buy; none where too little is known to say.
    pub more_time: Option<MoreTime>,
    /// Operators and whole networks that were timed until their median was known well enough, ...
    pub settled: usize,
    /// ... and those for which a limit on blocks or time came first.
    pub unsettled: usize,
    /// How much the machine moved; none where nobody watched.
    pub drift: Option<DriftReport>,
    /// Of a farm: how each member did; empty for a single machine.
    pub members: Vec<MemberReport>,
}

impl Outcome {
    /// Nothing was measured yet.
    pub(in super::super) fn begun(setting: Setting, run: RunId) -> Self {
        Self {
            setting,
            evidence: Evidence::Measured,
            run,
            ending: Ending::Complete,
            measured: 0,
            stored: 0,
            remaining: 0,
            inside_networks: 0,
            failed: Vec::new(),
            left_out: None,
            check: None,
            chosen_bias: None,
            more_time: None,
            settled: 0,
            unsettled: 0,
            drift: None,
            members: Vec::new(),
        }
    }
}
