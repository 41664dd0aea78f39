//! Fitting settings on whole networks that others timed.
//!
//! The registry (`registry`, files in `fits/`) says what is fitted on which rows (`rows`) with which operators
//! (`networks`); `engine` fits; `settings` brings them together and leaves each network out once; `table` makes
//! the tables. Not here: tables of single operators (`derive`), comparing tables with figures (`check`).

mod engine;
mod interval;
mod matrix;
pub mod networks;
mod registry;
pub mod rows;
mod settings;
mod table;

pub use registry::sources;
pub use settings::{Fitted, Predicted, fit_all};
pub use table::table;
