//! Hardware-aware neural architecture search.
//!
//! The rooms, in the direction the data flows:
//!
//! * [`net`]: structure strings, super-blocks, and the operator graph they lower to.
//! * [`space`]: search spaces and the steps between their networks.
//! * [`score`]: proxies that rank untrained networks; the Zen-score.
//! * [`latency`]: from a graph to milliseconds with their evidence.
//! * [`profile`]: measuring the operators of a space on a device.
//! * [`search`]: evolution under budgets.
//! * [`report`]: how far a table's predictions are from whole networks.
//! * [`onnx`]: graphs and operators as ONNX models, with weights, checked in tract.
//! * [`litert`]: networks and ONNX files as `.tflite` files.
//! * [`pytorch`]: networks as Python files, to be trained.
//! * [`names`]: what was meant by a name that is unknown.
//! * [`files`]: files that appear whole or not at all.
//! * [`units`]: numbers with units, as people write them.
//! * [`hash`]: one small hash that stays the same everywhere.
//! * [`cli`]: what the binaries share.
//!
//! How the built-in tables are made and judged is not here but in `tools/tables`, a program for maintainers.

pub mod cli;
pub mod files;
pub mod hash;
pub mod latency;
pub mod litert;
pub mod names;
pub mod net;
pub mod onnx;
mod parallel;
pub mod profile;
pub mod pytorch;
pub mod report;
pub mod score;
pub mod search;
pub mod space;
mod stats;
pub mod units;
