//! Networks: structure strings, super-blocks, and the operator graph they lower to.
//!
//! No weights, no files, no randomness here.

pub mod block;
mod cost;
mod error;
mod foreign;
mod graph;
mod lower;
mod structure;

pub use cost::Cost;
pub(crate) use error::LowerErrorKind;
pub use error::{LowerError, StructureError};
pub use foreign::{Foreign, ForeignId, ForeignKind};
pub(crate) use graph::Part;
pub use graph::{
    Activation, BATCH_NORM_EPSILON, Branch, Graph, Operator, OperatorId, OperatorKind, Origin, Shape, TrunkConv,
};
pub use lower::{LowerOptions, MAX_CLASSES, MAX_RESOLUTION};
pub use structure::{MAX_CHANNELS, MAX_LAYERS, MAX_STRIDE, MAX_STRUCTURE_BYTES, Network, SuperBlock};
