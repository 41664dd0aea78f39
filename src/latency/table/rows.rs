//! The rows of a table's text: one fused operator a line, read by the names in the line of columns.

use std::fmt::Write as _;

use super::super::store::{Row, activation_from_name, activation_name};
use super::super::{Evidence, KeyKind, OperatorKey};

/// Columns of the rows.
pub(super) const COLUMNS: &str = "kind,kernel,stride,groups,in_channels,out_channels,in_height,in_width,activation,residual_add,ms,stderr_ms,evidence";

/// Stands for the time of an operator that the runtime ran no node of its own for.
const MERGED: &str = "merged";
/// What stood for it in files of earlier versions, in milliseconds: no node is as short.
const MERGED_BEFORE_MS: f64 = 1e-6;

/// Appends the columns and every row.
pub(super) fn write(rows: &[Row], text: &mut String) {
    text.push_str(COLUMNS);
    text.push('\n');
    for Row { key, ms, stderr_ms, evidence, merged } in rows {
        let time = if *merged { MERGED.to_owned() } else { ms.to_string() };
        let stderr = stderr_ms.map_or_else(String::new, |stderr_ms| stderr_ms.to_string());
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{},{},{},{},{},{},{},{},{},{},{time},{stderr},{evidence}",
            key.kind,
            key.kernel,
            key.stride,
            key.groups,
            key.in_channels,
            key.out_channels,
            key.in_height,
            key.in_width,
            activation_name(key.activation),
            u8::from(key.residual_add),
        );
    }
}

/// Columns that may be missing, with what then holds for every row.
const OPTIONAL: [(&str, &str); 5] = [
    ("groups", "1, and in_channels for depthwise"),
    ("activation", "none"),
    ("residual_add", "0"),
    ("stderr_ms", "not known"),
    ("evidence", "that of the header"),
];

/// Where each of [`COLUMNS`] stands in a line.
#[derive(Debug)]
pub struct Columns {
    places: Vec<Option<usize>>,
    count: usize,
}

impl Columns {
    /// Reads the line with the names, in any order.
    ///
    /// # Errors
    /// Names an unknown, repeated or missing column.
    pub fn parse(line: &str) -> Result<Self, String> {
        let names: Vec<&str> = line.split(',').map(str::trim).collect();
        let expected = || {
            let optional: Vec<_> = OPTIONAL.iter().map(|(name, _)| *name).collect();
            format!("expected the columns {COLUMNS}, of which {} may be missing", optional.join(", "))
        };
        for (place, name) in names.iter().enumerate() {
            if !COLUMNS.split(',').any(|known| known == *name) {
                return Err(format!("unknown column `{name}`; {}", expected()));
            }
            if names[..place].contains(name) {
                return Err(format!("column `{name}` is there twice"));
            }
        }
        let mut places = Vec::new();
        for column in COLUMNS.split(',') {
            let place = names.iter().position(|name| *name == column);
            if place.is_none() && !OPTIONAL.iter().any(|(name, _)| *name == column) {
                return Err(format!("no column `{column}`; {}", expected()));
            }
            places.push(place);
        }
        Ok(Self { places, count: names.len() })
    }

    /// Whether rows say their own evidence.
    pub fn has_evidence(&self) -> bool {
        self.places.last().is_some_and(Option::is_some)
    }

    /// Reads one line; `evidence` is that of rows that do not say theirs.
    ///
    /// # Errors
    /// Says what is wrong with which field.
    pub fn row(&self, line: &str, evidence: Evidence) -> Result<Row, String> {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        if fields.len() != self.count {
            return Err(format!("expected {} fields, there are {}", self.count, fields.len()));
        }
        let field = |column: usize| self.places[column].map(|place| fields[place]);
        let count = |column: usize| count(field(column).unwrap_or("1"));
        let kind: KeyKind = field(0).unwrap_or_default().parse()?;
        let in_channels = count(4)?;
        let key = OperatorKey {
            kind,
            kernel: count(1)?,
            stride: count(2)?,
            groups: match field(3) {
                None if kind == KeyKind::Depthwise => in_channels,
                _ => count(3)?,
            },
            in_channels,
            out_channels: count(5)?,
            in_height: count(6)?,
            in_width: count(7)?,
            activation: activation_from_name(field(8).unwrap_or_default())?,
            residual_add: flag("residual_add", field(9).unwrap_or("0"))?,
        };
        if key.groups > key.in_channels {
            return Err(format!("{} groups for {} channels", key.groups, key.in_channels));
        }
        let evidence = field(12).map_or(Ok(evidence), str::parse)?;
        let stderr_ms = known_error(field(11).unwrap_or_default())?;
        let time = field(10).unwrap_or_default();
        if time == MERGED {
            return Ok(Row { evidence, ..Row::merged(key) });
        }
        let ms = positive_time(time)?;
        let merged = ms <= MERGED_BEFORE_MS;
        Ok(if merged { Row { evidence, ..Row::merged(key) } } else { Row { key, ms, stderr_ms, evidence, merged } })
    }
}

/// What a table file must hold at least, for help and documentation.
pub fn table_file_help() -> String {
    let optional: Vec<_> = OPTIONAL.iter().map(|(name, otherwise)| format!("    {name:<14} {otherwise}")).collect();
    let kinds: Vec<_> = KeyKind::all().map(KeyKind::name).collect();
    format!(
        "A table file at least:
  # setting: my-gpu/tensorrt/fp16/b1
  # evidence: measured
  kind,kernel,stride,in_channels,out_channels,in_height,in_width,ms
  conv,3,2,3,32,224,224,0.0143
  depthwise,3,1,32,32,112,112,0.0121

  The setting is device/runtime/precision/bBATCH[/tTHREADS]; `ms` is milliseconds of one
  inference call with the whole batch, one fused operator a line (batch norm folded,
  activation and residual sum fused in).
  Kinds: {}.
  Columns that may be added, and what holds without them:
{}
  Header lines that may be added: unit, rows, date, origin, licence, runtime_version, host,
  method, notes, error_mape with its error_method, and coefficients of a model, all as
  `zen-profile export` writes them.",
        kinds.join(", "),
        optional.join("\n")
    )
}

/// A whole number from 1.
pub(super) fn count(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(format!("`{text}` is not a positive number")),
    }
}

/// 0 or 1.
pub(super) fn flag(name: &str, text: &str) -> Result<bool, String> {
    match text {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err(format!("{name} is `{text}`, but must be 0 or 1")),
    }
}

/// Milliseconds, possibly none.
pub(super) fn time(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(time) if time.is_finite() && time >= 0.0 => Ok(time),
        _ => Err(format!("`{text}` is not a time in milliseconds")),
    }
}

/// A standard error in milliseconds; none where the field is empty or 0, as earlier versions wrote it.
pub(super) fn known_error(text: &str) -> Result<Option<f64>, String> {
    if text.is_empty() { Ok(None) } else { Ok(Some(time(text)?).filter(|ms| *ms > 0.0)) }
}

/// Milliseconds above 0.
pub(super) fn positive_time(text: &str) -> Result<f64, String> {
    match time(text)? {
        0.0 => Err("a time of 0 ms".to_owned()),
        ms => Ok(ms),
    }
}
