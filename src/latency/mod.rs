//! Latency: from a graph to milliseconds with their evidence.
//!
//! Graph -> fused operator keys (`fuse`) -> a row of the setting's table, or the prior corrected
//! by the nearest rows -> the network's milliseconds (`predict`). Tables live in the user's
//! database (`store`); the shipped ones are text (`table`). Not here: how a number was measured.

mod columns;
mod correction;
pub mod derive;
mod device;
mod error;
mod error_report;
pub mod evaluate;
mod fit;
mod fuse;
mod key;
mod model;
mod predict;
mod prior;
mod processor;
pub mod published;
mod resolve;
mod setting;
mod store;
mod table;

pub use columns::table_file_help;
pub use device::{DEVICES, Device, Reach, ReachKind};
pub use error::LatencyError;
pub use error_report::error_of;
pub use fit::{NetworkTimes, fit_composition, fit_prior};
pub use fuse::Fuser;
pub use key::{KeyKind, OperatorKey};
pub use model::{Composition, LatencyModel, Linear, Prior, Processor, Roofline};
pub use predict::{EvidenceShares, Interval, OperatorPrediction, PredictScratch, Prediction, Predictor};
pub use resolve::{SettingQuery, resolve};
pub use setting::{Evidence, Precision, Setting};
pub use store::{
    DATABASE_VARIABLE, NetworkCheck, NewRun, Row, Run, RunId, SHIPPED, SettingSummary, Store, TableError, UNIT,
};
pub use table::{IMPORTED, Imported, Table, export_table, import_table_file};
