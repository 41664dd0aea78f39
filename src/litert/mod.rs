//! LiteRT: networks as `.tflite` files, which apps on phones and boards load.
//!
//! A network goes through its ONNX form, so that structures and ONNX files of other programs take one way: `convert`
//! reads that form ([`crate::onnx::import`]) and makes a [`model`], `write` its bytes, `check` reads them back and `compare` runs them,
//! `export` gives them their name. `schema` is the one place that names the bindings of the file format; a reader of
//! such files is [`crate::onnx::import`]. `quantize` hands a float file to the quantizer of the user's Python.

mod check;
mod compare;
mod convert;
mod error;
mod export;
mod model;
mod options;
mod quantize;
pub(crate) mod schema;
mod write;

pub use compare::Checked;
pub use error::LitertError;
pub use export::{LitertOptions, LitertSummary, export, export_onnx};
pub use quantize::{DEFAULT_PYTHON, LitertQuantization};
pub use write::SIGNATURE;
