//! Structures from an argument: one structure, a file with one on each line, or a run directory.
//!
//! Every structure comes with the header above it, so that what it was made for is known wherever it goes. Not here:
//! CSV (`networks`), what counts where an option says otherwise (`lowering`).

use std::path::Path;

use super::networks::{InputError, read_text};
use crate::latency::{LatencyError, Setting, SettingQuery, TableChoice};
use crate::net::{Header, MAX_STRUCTURE_BYTES};
use crate::search::FinishedRun;

/// A structure with where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedStructure {
    /// `FILE:LINE`; empty when it was given on the command line.
    pub origin: String,
    pub text: String,
    /// What it was made for, as far as its file or run says.
    pub header: Header,
}

/// Structures from an argument that is one structure, a file with one on each line (empty lines and lines that start
/// with `#` are skipped, `-` is stdin), or a run directory, whose winner it is.
///
/// # Errors
/// When the file or the run cannot be read or holds none, or a header is malformed.
pub fn read_structures(argument: &str) -> Result<Vec<NamedStructure>, InputError> {
    if argument.contains('(') {
        let header = Header::default();
        return Ok(vec![NamedStructure { origin: String::new(), text: argument.to_owned(), header }]);
    }
    if Path::new(argument).is_dir() {
        return Ok(vec![structure_of_run(argument, None)?]);
    }
    structures_in(argument, &read_text(argument)?)
}

/// The structure of a rank, from 1: of a run, its winner and alternatives; of a file, its lines. Without a rank the
/// first, and how many there are.
///
/// # Errors
/// As [`read_structures`], and where there are fewer.
pub fn read_structure(argument: &str, rank: Option<u32>) -> Result<(NamedStructure, usize), InputError> {
    if Path::new(argument).is_dir() {
        return Ok((structure_of_run(argument, rank)?, 1));
    }
    let structures = read_structures(argument)?;
    let (rank, count) = (rank.unwrap_or(1), structures.len());
    let found = structures.into_iter().nth(rank.saturating_sub(1) as usize);
    let reason = || format!("there is no structure of rank {rank}: it holds {count}");
    let found = found.ok_or_else(|| InputError::File { file: argument.to_owned(), reason: reason() })?;
    Ok((found, count))
}

fn structure_of_run(path: &str, rank: Option<u32>) -> Result<NamedStructure, InputError> {
    let run = FinishedRun::read(Path::new(path))?;
    let (file, text) = run.ranked(rank)?;
    let line = std::fs::read_to_string(&file).ok().and_then(|all| all.lines().position(|line| line.trim() == text));
    let origin = format!("{}:{}", file.display(), line.map_or(1, |line| line + 1));
    Ok(NamedStructure { origin, text, header: run.spec.header() })
}

/// The structures of a file's text; a header is that of the lines below it, up to the next one.
pub(super) fn structures_in(file: &str, text: &str) -> Result<Vec<NamedStructure>, InputError> {
    let mut header = Header::default();
    let mut structures = Vec::new();
    for (line, number) in text.lines().zip(1u64..) {
        if let Some(found) = header_of(file, number, line)? {
            header = found;
        } else if !line.trim().is_empty() && !line.trim().starts_with('#') {
            let origin = format!("{file}:{number}");
            if line.len() > MAX_STRUCTURE_BYTES {
                let reason = format!("longer than {MAX_STRUCTURE_BYTES} bytes");
                return Err(InputError::File { file: origin, reason });
            }
            structures.push(NamedStructure { origin, text: line.to_owned(), header: header.clone() });
        }
    }
    match structures.is_empty() {
        true => Err(InputError::File { file: file.to_owned(), reason: "no structures in it".to_owned() }),
        false => Ok(structures),
    }
}

/// The header in a line of a file, if it is one.
pub(super) fn header_of(file: &str, line: u64, text: &str) -> Result<Option<Header>, InputError> {
    let bad = |reason: String| InputError::Header { file: file.to_owned(), line, reason };
    let header = Header::of_line(text).map_err(bad)?;
    if let Some(header) = &header {
        query_of(header).map_err(|error| bad(error.to_string()))?;
    }
    Ok(header)
}

/// The latency table that a header names, if it names one.
///
/// # Errors
/// When what it says is no setting or no kind of table.
pub fn query_of(header: &Header) -> Result<Option<SettingQuery>, LatencyError> {
    let Some(text) = &header.setting else { return Ok(None) };
    let setting: Setting = text.parse()?;
    let table = match &header.table {
        Some(name) => name.parse().map_err(|reason| LatencyError::BadSetting { text: text.clone(), reason })?,
        None => TableChoice::Best,
    };
    Ok(Some(SettingQuery::exactly(&setting, table)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_may_hold_many() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# two\nA(1)\n\n B(2)\r\n").unwrap();
        let path = file.path().to_str().unwrap();
        let read = read_structures(path).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[1].origin, format!("{path}:4"));
        assert_eq!(read[1].header, Header::default());
        let (second, count) = read_structure(path, Some(2)).unwrap();
        assert_eq!((&second, count), (&read[1], 2));
        assert!(read_structure(path, Some(3)).unwrap_err().to_string().contains("no structure of rank 3: it holds 2"));
        std::fs::write(file.path(), "# none\n").unwrap();
        assert!(read_structures(path).unwrap_err().to_string().contains("no structures"));
        assert!(read_structures("no-such-file").unwrap_err().to_string().contains("no-such-file"));
    }

    /// Files that were joined keep what each of them says.
    #[test]
    fn a_header_is_of_the_lines_below_it() {
        let text = "A(1)\n# zen-nas: resolution=32 classes=10\nB(1)\n# a comment\nC(1)\n\
                    # zen-nas: resolution=96 setting=t4/tensorrt/fp16/b4 table=built-in\nD(1)\n";
        let read = structures_in("f", text).unwrap();
        let resolutions: Vec<_> = read.iter().map(|structure| structure.header.resolution).collect();
        assert_eq!(resolutions, [None, Some(32), Some(32), Some(96)]);
        assert_eq!((read[2].header.classes, read[3].header.classes), (Some(10), None));
        let query = query_of(&read[3].header).unwrap().unwrap();
        assert_eq!((query.device.as_str(), query.batch_size, query.table), ("t4", Some(4), TableChoice::BuiltIn));
        for (header, part) in [
            ("resolution=no", "f:2: the header `# zen-nas:` cannot be read: resolution is `no`"),
            ("setting=t4", "f:2: the header `# zen-nas:` cannot be read: "),
            ("setting=t4/tensorrt/fp16/b1 table=mine", "unknown table `mine`"),
        ] {
            let error = structures_in("f", &format!("A(1)\n# zen-nas: {header}\nB(1)\n")).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
