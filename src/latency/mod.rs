//! Latency: from a graph to milliseconds with their evidence.

mod fuse;
mod key;

pub use fuse::Fuser;
pub use key::{KeyKind, OperatorKey};
