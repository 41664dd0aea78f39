//! Networks: structure strings, super-blocks, and the operator graph they lower to.
//!
//! No weights, no files, no randomness here.

mod activation;
pub mod block;
mod cost;
mod error;
mod foreign;
mod graph;
mod header;
mod lower;
mod origin;
mod structure;

pub use activation::Activation;
pub use cost::{Cost, LoneOperator};
pub(crate) use error::LowerErrorKind;
pub use error::{LowerError, StructureError};
pub use foreign::{Foreign, ForeignId, ForeignKind};
pub use graph::{BATCH_NORM_EPSILON, Branch, Graph, Operator, OperatorId, OperatorKind, Shape, TrunkConv};
pub use header::{HEADER_KEY, Header};
pub(crate) use lower::reduced_channels;
pub use lower::{LowerOptions, MAX_CLASSES, MAX_RESOLUTION};
pub use origin::Origin;
pub(crate) use origin::Part;
pub use structure::{MAX_CHANNELS, MAX_LAYERS, MAX_STRIDE, MAX_STRUCTURE_BYTES, Network, SuperBlock};
