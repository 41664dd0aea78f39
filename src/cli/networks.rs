//! Networks in a file: a structure on each line, or CSV with a header.

use std::io::Read;
use std::path::Path;

use csv::StringRecord;

use super::lowering::LoweringArgs;
use super::number::count;
use super::structures::{NamedStructure, header_of, read_structures, structures_in};
use crate::net::{Header, LowerOptions, MAX_STRUCTURE_BYTES};
use crate::report::scores::Subject;
use crate::search::SearchError;

/// Networks that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    #[error("{file}: {source} (neither a structure nor a readable file)")]
    Open { file: String, source: std::io::Error },
    #[error("{file}: {reason}")]
    File { file: String, reason: String },
    #[error("{file}:{line}: the header `# zen-nas:` cannot be read: {reason}")]
    Header { file: String, line: u64, reason: String },
    #[error(transparent)]
    Run(#[from] SearchError),
    #[error("{file}:1: no column `{column}`; the columns are {columns}")]
    NoColumn { file: String, column: String, columns: String },
    #[error("{file}:1: column `{column}` is there {times} times")]
    TwiceNamed { file: String, column: String, times: usize },
    #[error("{file}:{line}, column `{column}`: `{value}` {reason}")]
    Value { file: String, line: u64, column: String, value: String, reason: String },
    #[error("{file}:{line}: {found} fields, the header has {expected} columns")]
    Fields { file: String, line: u64, found: usize, expected: usize },
}

/// Largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// Columns that hold an accuracy, unless one is named.
const ACCURACIES: [&str; 3] = ["top1_published", "accuracy", "top1"];

/// Columns that replace an option.
const OPTIONS: [&str; 4] = ["resolution", "classes", "se", "squeeze_excite"];

/// Networks of one argument.
#[derive(Clone, Debug, PartialEq)]
pub struct Networks {
    pub subjects: Vec<Subject>,
    /// What the file says of each, by its origin.
    pub headers: Vec<(String, Header)>,
    /// Columns of the file that replaced options.
    pub instead_of_options: Vec<&'static str>,
    /// The column that accuracies are from.
    pub accuracy_column: Option<String>,
}

/// The text of a file, or of stdin for `-`.
///
/// # Errors
/// When it cannot be read, is no text, or larger than 64 MiB.
pub(super) fn read_text(file: &str) -> Result<String, InputError> {
    let broken = |reason: String| InputError::File { file: file.to_owned(), reason };
    let reader: Box<dyn Read> = match file {
        "-" => Box::new(std::io::stdin()),
        path => {
            let opened = std::fs::File::open(Path::new(path));
            Box::new(opened.map_err(|source| InputError::Open { file: file.to_owned(), source })?)
        }
    };
    let mut bytes = Vec::new();
    reader.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(|error| broken(error.to_string()))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(broken(format!("larger than {} MiB", MAX_FILE_BYTES >> 20)));
    }
    String::from_utf8(bytes).map_err(|_| broken("not a text file".to_owned()))
}

/// Networks from an argument: a structure, a run directory, a file with a structure on each line (empty lines and
/// lines that start with `#` are skipped), or a CSV file whose header names a column `structure`; `-` is stdin.
///
/// Of CSV the columns `name`, `dataset`, `resolution`, `classes` and `se` or `squeeze_excite` are read,
/// and an accuracy, from `accuracy_column` if that is given. What a row leaves empty is as the options say.
///
/// # Errors
/// When the file cannot be read or holds none; names the file, and line and column of a bad value.
pub fn read_networks(
    argument: &str,
    lowering: &LoweringArgs,
    accuracy_column: Option<&str>,
) -> Result<Networks, InputError> {
    if argument.contains('(') || Path::new(argument).is_dir() {
        return Ok(Networks::of(read_structures(argument)?, lowering));
    }
    let text = read_text(argument)?;
    if is_csv(&text) {
        return from_csv(argument, &text, lowering, accuracy_column);
    }
    if let Some(column) = accuracy_column {
        let columns = "none: it is no CSV with a header".to_owned();
        return Err(InputError::NoColumn { file: argument.to_owned(), column: column.to_owned(), columns });
    }
    Ok(Networks::of(structures_in(argument, &text)?, lowering))
}

impl Networks {
    fn of(structures: Vec<NamedStructure>, lowering: &LoweringArgs) -> Self {
        let mut networks =
            Self { subjects: Vec::new(), headers: Vec::new(), instead_of_options: Vec::new(), accuracy_column: None };
        for NamedStructure { origin, text, header } in structures {
            let options = lowering.options_for(&header);
            networks.headers.push((origin.clone(), header));
            networks.subjects.push(Subject { origin, name: None, text, options, dataset: None, accuracy: None });
        }
        networks
    }
}

/// A first line that is no structure but names columns.
fn is_csv(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let first = lines.next().unwrap_or_default();
    !first.contains('(') && (first.contains(',') || normal(first) == "structure")
}

/// A column's name without what does not matter.
fn normal(name: &str) -> String {
    name.trim_start_matches('\u{feff}').trim().trim_matches('"').to_lowercase()
}

fn from_csv(
    file: &str,
    text: &str,
    lowering: &LoweringArgs,
    accuracy_column: Option<&str>,
) -> Result<Networks, InputError> {
    // Above the columns, as in a file of structures.
    let mut above = Header::default();
    for (line, number) in text.lines().zip(1..).take_while(|(line, _)| line.starts_with('#') || line.trim().is_empty())
    {
        above = header_of(file, number, line)?.unwrap_or(above);
    }
    let options = lowering.options_for(&above);
    let mut reader = csv::ReaderBuilder::new().flexible(true).comment(Some(b'#')).from_reader(text.as_bytes());
    let broken = |error: csv::Error| InputError::File { file: file.to_owned(), reason: error.to_string() };
    let header: Vec<String> = reader.headers().map_err(broken)?.iter().map(normal).collect();
    let column = |name: &str| -> Result<Option<usize>, InputError> {
        let times = header.iter().filter(|column| *column == name).count();
        if times > 1 {
            return Err(InputError::TwiceNamed { file: file.to_owned(), column: name.to_owned(), times });
        }
        Ok(header.iter().position(|column| column == name))
    };
    let needed = |name: &str| {
        let missing =
            || InputError::NoColumn { file: file.to_owned(), column: name.to_owned(), columns: header.join(", ") };
        column(&normal(name))?.ok_or_else(missing)
    };
    let structure = needed("structure")?;
    let accuracy = match accuracy_column {
        Some(name) => Some(needed(name)?),
        None => ACCURACIES.iter().map(|name| column(name)).find_map(Result::transpose).transpose()?,
    };
    let [name, dataset, resolution, classes, se] = ["name", "dataset", "resolution", "classes", "se"].map(column);
    let (name, dataset, resolution, classes) = (name?, dataset?, resolution?, classes?);
    let squeeze_excite = se?.or(column("squeeze_excite")?);
    let (mut subjects, mut headers) = (Vec::new(), Vec::new());
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(broken)? {
        let line = record.position().map_or(0, |position| line_of(text, position));
        let (found, expected) = (record.len(), header.len());
        if found != expected {
            return Err(InputError::Fields { file: file.to_owned(), line, found, expected });
        }
        let row = Row { file, line, header: &header, record: &record };
        let text = row.text(Some(structure)).unwrap_or_default();
        if text.len() > MAX_STRUCTURE_BYTES {
            return Err(row.bad(structure, format!("is longer than {MAX_STRUCTURE_BYTES} bytes")));
        }
        let own = Header {
            resolution: row.value(resolution, count)?,
            classes: row.value(classes, count)?,
            squeeze_excite: row.value(squeeze_excite, yes_or_no)?,
            ..Header::default()
        };
        let origin = format!("{file}:{line}");
        subjects.push(Subject {
            origin: origin.clone(),
            name: row.text(name).map(str::to_owned),
            text: text.to_owned(),
            options: LowerOptions {
                resolution: own.resolution.unwrap_or(options.resolution),
                classes: own.classes.unwrap_or(options.classes),
                squeeze_excite: own.squeeze_excite.unwrap_or(options.squeeze_excite),
                ..options
            },
            dataset: row.text(dataset).map(str::to_owned),
            accuracy: row.value(accuracy, finite)?,
        });
        // Options change nothing of what a row says.
        let said = Header {
            resolution: own.resolution.filter(|_| lowering.resolution.is_none()),
            classes: own.classes.filter(|_| lowering.classes.is_none()),
            squeeze_excite: own.squeeze_excite.filter(|_| lowering.squeeze_excite.is_none()),
            ..own
        };
        headers.push((origin, said.or(&above)));
    }
    if subjects.is_empty() {
        return Err(InputError::File { file: file.to_owned(), reason: "no structures in it".to_owned() });
    }
    Ok(Networks {
        subjects,
        headers,
        instead_of_options: OPTIONS.into_iter().filter(|name| header.iter().any(|column| column == name)).collect(),
        accuracy_column: accuracy.map(|column| header[column].clone()),
    })
}

/// The line that a record begins on; the reader's position is before empty lines and comments.
fn line_of(text: &str, position: &csv::Position) -> u64 {
    let from = usize::try_from(position.byte()).ok().and_then(|byte| text.get(byte..)).unwrap_or_default();
    let skipped = from.split_inclusive('\n').take_while(|line| line.trim_end().is_empty() || line.starts_with('#'));
    position.line() + skipped.count() as u64
}

/// A line of CSV.
struct Row<'r> {
    file: &'r str,
    line: u64,
    header: &'r [String],
    record: &'r StringRecord,
}

impl<'r> Row<'r> {
    /// A field, unless it is empty.
    fn text(&self, column: Option<usize>) -> Option<&'r str> {
        self.record.get(column?).map(str::trim).filter(|text| !text.is_empty())
    }

    fn value<T>(
        &self,
        column: Option<usize>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, InputError> {
        let (Some(column), Some(text)) = (column, self.text(column)) else { return Ok(None) };
        parse(text).map(Some).map_err(|reason| self.bad(column, reason))
    }

    fn bad(&self, column: usize, reason: String) -> InputError {
        let value: String = self.record.get(column).unwrap_or_default().trim().chars().take(40).collect();
        InputError::Value {
            file: self.file.to_owned(),
            line: self.line,
            column: self.header[column].clone(),
            value,
            reason,
        }
    }
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "1" | "true" | "yes" => Ok(true),
        "0" | "false" | "no" => Ok(false),
        _ => Err("must be 0 or 1, true or false, yes or no".to_owned()),
    }
}

fn finite(text: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
    value.ok_or_else(|| "must be a finite number".to_owned())
}

#[cfg(test)]
mod tests;
