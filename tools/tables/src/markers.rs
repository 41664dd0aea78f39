//! Generated parts of Markdown files, each between two markers.

use std::path::Path;

use zen_nas::files;
use zen_nas::latency::LatencyError;

/// Lines between which a part stands.
pub type Markers = (&'static str, &'static str);

/// Replaces parts of a file, each between its markers.
///
/// # Errors
/// When the file cannot be read or written, or lacks a marker.
pub fn update(path: &Path, parts: &[(Markers, String)]) -> Result<(), LatencyError> {
    let io = |doing| move |source| LatencyError::Io { doing, path: path.to_owned(), source };
    let mut text = std::fs::read_to_string(path).map_err(io("reading"))?;
    for ((begin, end), part) in parts {
        let around = text.split_once(begin).and_then(|(before, rest)| Some((before, rest.split_once(end)?.1)));
        let Some((before, after)) = around else {
            let reason = format!("has no lines `{}` and `{end}` to put what is generated between", begin.trim());
            return Err(LatencyError::RawData { path: path.to_owned(), reason });
        };
        text = format!("{before}{begin}{}\n{end}{after}", part.trim_end());
    }
    files::write(path, text.as_bytes()).map_err(io("writing"))
}
