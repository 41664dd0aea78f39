//! Fitting settings on whole networks that others timed.
//!
//! The registry (`registry`, files in `fits/`) says what is fitted on which rows (`rows`) with which operators
//! (`networks`); `engine` fits one family (`family`), whose coefficients become settings (`made`); `settings` does so
//! for all; `table` makes the tables. Not here: tables of single operators (`derive`), comparing tables with figures (`check`).

mod engine;
mod family;
mod interval;
mod made;
mod matrix;
pub mod networks;
mod registry;
pub mod rows;
mod settings;
mod table;

pub use registry::sources;
pub use settings::{Fitted, Predicted, fit_all};
pub use table::{seen, table};
