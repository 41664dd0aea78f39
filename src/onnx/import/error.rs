//! What can be wrong with an ONNX file that is read as a network.

use std::path::PathBuf;

/// An ONNX file that cannot be read; messages name the file, what in it, and the way out.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("cannot read {}: {source}", .path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{file} takes {bytes} bytes, but an ONNX file holds at most {limit}; keep its weights in external data")]
    TooLarge { file: String, bytes: u64, limit: u64 },
    #[error("{file} is not a whole ONNX model ({reason}); copy or export it again")]
    Decode { file: String, reason: String },
    #[error("{file}: {reason}")]
    Model { file: String, reason: String },
    #[error("{file}, tensor `{tensor}`: {reason}")]
    Tensor { file: String, tensor: String, reason: String },
    #[error("{file}, node {node} ({operation}): {reason}")]
    Node { file: String, node: String, operation: String, reason: String },
}

/// An error before the name of the file is known to it.
#[derive(Debug)]
pub(super) enum Problem {
    Decode(String),
    Model(String),
    Tensor { tensor: String, reason: String },
    Node { node: String, operation: String, reason: String },
}

impl Problem {
    pub fn in_file(self, file: &str) -> ImportError {
        let file = file.to_owned();
        match self {
            Problem::Decode(reason) => ImportError::Decode { file, reason },
            Problem::Model(reason) => ImportError::Model { file, reason },
            Problem::Tensor { tensor, reason } => ImportError::Tensor { file, tensor: shown(&tensor), reason },
            Problem::Node { node, operation, reason } => {
                ImportError::Node { file, node: shown(&node), operation: shown(&operation), reason }
            }
        }
    }
}

/// Numbers from a file as messages show them: not more than a line holds.
pub(super) fn listed<T: std::fmt::Debug>(numbers: &[T]) -> String {
    const LONGEST: usize = 16;
    match numbers.get(..LONGEST) {
        Some(first) if numbers.len() > LONGEST => format!("{first:?} and {} more", numbers.len() - LONGEST),
        _ => format!("{numbers:?}"),
    }
}

/// A name from a file as messages show it: not longer than a line, no control characters.
pub(crate) fn shown(name: &str) -> String {
    const LONGEST: usize = 80;
    let mut text: String = name.chars().take(LONGEST).map(|c| if c.is_control() { '?' } else { c }).collect();
    if name.chars().nth(LONGEST).is_some() {
        text.push('…');
    }
    text
}
