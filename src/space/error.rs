//! What keeps a search space from being used.

use std::path::PathBuf;

use crate::names::UnknownName;

/// A space that is unknown, unreadable, malformed or empty.
#[derive(Debug, thiserror::Error)]
pub enum SpaceError {
    #[error("{0}; or give the path of a space file that ends in .toml")]
    Name(#[from] UnknownName),
    #[error("search space {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("search space {file}, line {line}, column {column}: {reason}")]
    File { file: String, line: usize, column: usize, reason: String },
    /// The rails leave nothing to choose from.
    #[error("no network is left to search: {reason}")]
    Empty { reason: String },
    #[error("search space {space}: the initial structure has stages of strides {found:?}, the space of {expected:?}")]
    Stages { space: String, found: Vec<u32>, expected: Vec<u32> },
    #[error("search space {space} is for images of {known:?} pixels: give --resolution one of them, not {resolution}")]
    Resolution { space: String, resolution: u32, known: Vec<u32> },
}
