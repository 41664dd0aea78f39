//! Names of classes from a text file.

use std::fs::File;
use std::io::{Error, ErrorKind, Read};
use std::path::Path;

use super::OnnxError;

/// Largest file of labels; those of ImageNet's 21,841 classes have less than 1 MB.
const MAX_LABEL_BYTES: u64 = 16 << 20;

/// Reads one label a line, in the order of the classes. White space around labels and empty lines
/// at the end are left out.
///
/// # Errors
/// When the file cannot be read, is not UTF-8, has an empty line between labels, or none.
pub fn read_labels(path: &Path) -> Result<Vec<String>, OnnxError> {
    let failed = |source| OnnxError::ReadLabels { path: path.to_owned(), source };
    let invalid = |reason: String| failed(Error::new(ErrorKind::InvalidData, reason));
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    let bytes = file.take(MAX_LABEL_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if bytes as u64 > MAX_LABEL_BYTES {
        return Err(invalid(format!("it is larger than {MAX_LABEL_BYTES} bytes")));
    }
    let labels: Vec<String> = text.trim_end().lines().map(|line| line.trim().to_owned()).collect();
    match labels.iter().position(String::is_empty) {
        Some(line) => Err(invalid(format!("line {} is empty", line + 1))),
        None if labels.is_empty() => Err(invalid("it holds no labels".to_owned())),
        None => Ok(labels),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_one_a_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |text: &[u8]| {
            std::fs::write(file.path(), text).unwrap();
            read_labels(file.path()).map_err(|error| error.to_string())
        };
        assert_eq!(read(b"tench\r\n great white shark \n\n\n").unwrap(), ["tench", "great white shark"]);
        for (text, part) in [
            (b"a\n\nb\n".as_slice(), "line 2 is empty"),
            (b"\n", "no labels"),
            (b"\xff\n", "UTF-8"),
            (b"", "no labels"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
