//! Latency: from a graph to milliseconds with their evidence.
//!
//! Graph -> fused operator keys (`fuse`) -> a row of the setting's table, or the prior corrected
//! by the nearest rows -> the network's milliseconds (`predict`). Tables live in the user's
//! database (`store`); the shipped ones are text (`table`). Not here: how a number was measured.

mod checked;
mod correction;
mod covering;
pub mod derive;
mod device;
mod error;
mod error_report;
pub mod evaluate;
mod fit;
mod fuse;
mod gaps;
mod key;
mod model;
mod predict;
mod prediction;
mod prior;
mod processor;
pub mod published;
mod resolve;
mod scale;
mod setting;
mod shares;
mod spread;
mod store;
mod table;
mod thin;

pub use checked::{CHECK_METHOD, CheckedNetwork, VERIFICATION_METHOD, checked_networks};
pub use covering::{GIVEN_OPERATORS_METHOD, table_for};
pub(crate) use device::is_address;
pub use device::{CONFIGURATION_VARIABLE, DEVICES, Device, DeviceSource, Reach, ReachKind, Tools, user_directory};
pub use error::LatencyError;
pub use error_report::{ErrorFigures, error_of, leave_out_error};
pub use fit::{NetworkTimes, fit_composition, fit_prior, fit_spread, fit_spread_of, spread_of_pairs};
pub use fuse::Fuser;
pub use gaps::{Basis, Gap, Gaps};
pub use key::{KeyKind, OperatorKey};
pub use model::{Composition, LatencyModel, Linear, Prior, Processor, Roofline};
pub use predict::{PredictScratch, Predictor};
pub use prediction::{EvidenceShares, Interval, OperatorPrediction, Prediction};
pub use resolve::{SettingQuery, resolve};
pub use scale::scaled_table;
pub use setting::{Evidence, Precision, Setting};
pub use store::{
    CheckId, DATABASE_VARIABLE, DriftReading, MERGED_MS, Mark, NetworkCheck, NewRun, Row, Run, RunId, SHIPPED,
    SettingSummary, SettingTable, Store, TableChoice, TableError, TableSource, UNIT,
};
pub use table::{IMPORTED, Imported, Table, export_table, import_table_file, table_file_help, table_of};
