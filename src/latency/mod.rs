//! Latency: from a graph to milliseconds with their evidence.
//!
//! Graph -> fused operator keys (`fuse`) -> a row of the setting's table, or the prior corrected
//! by the nearest rows -> the network's milliseconds (`predict`). A table is a value (`table`), read from the
//! user's database (`store`) or from the program (`built_in`). Not here: how a number was measured.

mod built_in;
mod checked;
mod choice;
mod correction;
mod device;
mod error;
mod error_report;
mod fit;
mod formula;
mod fuse;
mod gaps;
mod key;
mod model;
mod predict;
mod prediction;
mod prior;
mod processor;
mod resolve;
mod scale;
pub mod select;
mod setting;
mod shares;
mod spot_check;
mod spread;
mod store;
mod table;
mod thin;

pub use built_in::{built_in_settings, built_in_table};
pub use checked::CheckedNetwork;
pub use choice::{
    Candidate, ChosenTable, Decision, ENOUGH_COVERED, ENOUGH_NETWORKS, Reason, SpotChecks, TableMachine, choose_table,
    require_choice,
};
pub use correction::{GroupKey, group_of, place_of};
pub use device::{
    CONFIGURATION_VARIABLE, DEVICES, Device, DeviceSource, Measure, Reach, ReachKind, Tools, user_directory,
};
pub(crate) use device::{is_address, same_device_name};
pub use error::LatencyError;
pub use error_report::{ErrorFigures, error_of, error_of_pairs, leave_out_error};
pub use fit::{
    NetworkTimes, Observation, fit_beside_host, fit_composition, fit_host, fit_prior, fit_roofline, fit_spread,
    fit_spread_of, fit_spread_with, leave_one_out, non_negative, spread_of_pairs,
};
pub use formula::{FEATURES, Feature, Formula};
pub use fuse::Fuser;
pub use gaps::{Basis, Gap, Gaps};
pub use key::{KeyKind, OperatorKey};
pub use model::{Composition, Fitted, LatencyModel, Prior, Processor, Roofline, TableShare};
pub use predict::{PredictScratch, Predictor};
pub use prediction::{EvidenceShares, Interval, OperatorPrediction, Prediction};
pub use resolve::{Resolved, SettingChoice, SettingQuery, resolve, resolve_noting};
pub use scale::scaled_table;
pub use setting::{Evidence, Precision, Setting, runtime_name};
pub use spot_check::{Agreement, SpotCheck, Verdict};
pub use spread::ClassSpread;
pub use store::{
    CheckId, DATABASE_VARIABLE, DriftReading, Fingerprint, ImportedFrom, ImportedTable, Mark, NetworkCheck, NewRun,
    PublishedNetwork, Purpose, Row, Run, RunId, SettingTable, Stated, Store, TableChoice, TableError, TableSource,
    UNIT,
};
pub use table::{Imported, Table, import_table_file, table_file_help};
