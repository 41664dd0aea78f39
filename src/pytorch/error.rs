//! What can go wrong when a Python file is written.

use std::path::PathBuf;

use crate::net::LowerError;

/// A Python file that was not written.
#[derive(Debug, thiserror::Error)]
pub enum PytorchError {
    #[error(transparent)]
    Lower(#[from] LowerError),
    #[error("cannot write {}: {source}", .path.display())]
    Write { path: PathBuf, source: std::io::Error },
}
