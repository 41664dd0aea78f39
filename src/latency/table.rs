//! The text form of a table: reviewable, one file per setting.
//!
//! Comment lines `# name: value` say what the table is and how it was obtained, then CSV rows with
//! one operator each. The same form is shipped in `latency_tables/` and exported from the store.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use super::store::{NewRun, Row, Store, TableError, UNIT};
use super::store::{activation_from_name, activation_name};
use super::{Evidence, LatencyError, LatencyModel, OperatorKey, Setting};

/// Columns of the rows.
const COLUMNS: &str = "kind,kernel,stride,groups,in_channels,out_channels,in_height,in_width,activation,residual_add,\
                       ms,stderr_ms,evidence";

/// Limit on the size of a table's text, in bytes.
const MAX_BYTES: usize = 64 << 20;

/// A table as text holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    pub setting: Setting,
    /// When it was measured or derived.
    pub date: String,
    pub about: NewRun,
    /// Evidence of the table as a whole: of its rows, or of its formula when it has none.
    pub evidence: Evidence,
    pub error: Option<TableError>,
    pub model: Option<LatencyModel>,
    pub rows: Vec<Row>,
}

impl Table {
    /// Reads the text form; `name` is for errors.
    ///
    /// # Errors
    /// Names the line and what is wrong with it.
    pub fn parse(name: &str, text: &str) -> Result<Self, LatencyError> {
        let bad = |line: usize, reason: String| LatencyError::Table { name: name.to_owned(), line: line + 1, reason };
        if text.len() > MAX_BYTES {
            return Err(bad(0, format!("more than {MAX_BYTES} bytes")));
        }
        let mut header = BTreeMap::new();
        let mut lines = text.lines().enumerate().peekable();
        while let Some((number, line)) = lines.next_if(|(_, line)| line.starts_with('#')) {
            let (field, value) = line[1..]
                .split_once(':')
                .ok_or_else(|| bad(number, "a header line must be `# name: value`".to_owned()))?;
            if header.insert(field.trim(), (number, value.trim())).is_some() {
                return Err(bad(number, format!("`{}` is given twice", field.trim())));
            }
        }
        match lines.next() {
            Some((_, line)) if line == COLUMNS => {}
            found => return Err(bad(found.map_or(0, |(number, _)| number), format!("expected the columns {COLUMNS}"))),
        }
        let rows = lines
            .map(|(number, line)| parse_row(line).map_err(|reason| bad(number, reason)))
            .collect::<Result<Vec<_>, _>>()?;
        Header { fields: header, name }.table(rows)
    }

    /// The text form, which [`Table::parse`] reads back.
    pub fn to_text(&self) -> String {
        let mut header: Vec<(&str, String)> = vec![
            ("setting", self.setting.id()),
            ("unit", UNIT.to_owned()),
            ("evidence", self.evidence.to_string()),
            ("rows", self.rows.len().to_string()),
            ("date", self.date.clone()),
            ("origin", self.about.origin.clone()),
            ("licence", self.about.licence.clone()),
            ("runtime_version", self.about.runtime_version.clone()),
            ("host", self.about.host.clone()),
            ("method", self.about.method.clone()),
            ("notes", self.about.notes.clone()),
        ];
        if let Some(error) = &self.error {
            header.push(("error_mape", error.mape.to_string()));
            for (name, value) in [
                ("error_within5", error.within5),
                ("error_within10", error.within10),
                ("error_kendall_tau", error.kendall_tau),
                ("error_networks", error.networks.map(f64::from)),
            ] {
                header.extend(value.map(|value| (name, value.to_string())));
            }
            header.push(("error_method", error.method.clone()));
        }
        if let Some(model) = &self.model {
            header.extend(model.to_coefficients().into_iter().map(|(name, value)| (name, value.to_string())));
        }
        let mut text = String::new();
        for (name, value) in header {
            let one_line = value.split_whitespace().collect::<Vec<_>>().join(" ");
            text.push_str(format!("# {name}: {one_line}").trim_end());
            text.push('\n');
        }
        text.push_str(COLUMNS);
        text.push('\n');
        for Row { key, ms, stderr_ms, evidence } in &self.rows {
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{},{},{},{},{},{},{},{},{},{},{ms},{stderr_ms},{evidence}",
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
        text
    }
}

/// The text form of what a store holds for a setting; its evidence is that of the strongest row.
///
/// # Errors
/// When the store has nothing for the setting or cannot be read.
pub fn export_table(store: &Store, setting: &Setting) -> Result<String, LatencyError> {
    let rows = store.rows(setting)?;
    let mut runs = store.runs(setting)?;
    // The user's own runs first, each kind newest first.
    runs.sort_by_key(|run| run.shipped.is_some());
    let run = runs.into_iter().next().ok_or_else(|| LatencyError::NoTable {
        setting: setting.id(),
        available: "nothing was measured or shipped for it".to_owned(),
    })?;
    let table = Table {
        setting: setting.clone(),
        date: run.started_at,
        about: run.about,
        evidence: rows.iter().map(|row| row.evidence).max().unwrap_or(Evidence::Fitted),
        error: store.table_error(setting)?,
        model: store.model(setting)?,
        rows,
    };
    Ok(table.to_text())
}

/// Header fields with their lines.
struct Header<'t> {
    fields: BTreeMap<&'t str, (usize, &'t str)>,
    name: &'t str,
}

impl Header<'_> {
    fn bad(&self, line: usize, reason: String) -> LatencyError {
        LatencyError::Table { name: self.name.to_owned(), line: line + 1, reason }
    }

    fn take(&mut self, field: &str) -> Result<String, LatencyError> {
        let (_, value) = self.fields.remove(field).ok_or_else(|| self.bad(0, format!("the header lacks `{field}`")))?;
        Ok(value.to_owned())
    }

    fn take_number(&mut self, field: &str) -> Result<Option<f64>, LatencyError> {
        let Some((line, value)) = self.fields.remove(field) else { return Ok(None) };
        match value.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Some(number)),
            _ => Err(self.bad(line, format!("`{field}` is `{value}`, which is not a number"))),
        }
    }

    fn table(mut self, rows: Vec<Row>) -> Result<Table, LatencyError> {
        let setting = self.take("setting")?.parse()?;
        let unit = self.take("unit")?;
        if unit != UNIT {
            return Err(self.bad(0, format!("unit is `{unit}`, but only `{UNIT}` is read")));
        }
        let evidence = self.take("evidence")?.parse().map_err(|reason| self.bad(0, reason))?;
        let count = self.take("rows")?;
        if count != rows.len().to_string() {
            return Err(self.bad(0, format!("the header says {count} rows, there are {}", rows.len())));
        }
        let date = self.take("date")?;
        let about = NewRun {
            origin: self.take("origin")?,
            licence: self.take("licence")?,
            runtime_version: self.take("runtime_version")?,
            host: self.take("host")?,
            method: self.take("method")?,
            notes: self.take("notes")?,
        };
        let error = match self.take_number("error_mape")? {
            None => None,
            Some(mape) => Some(TableError {
                mape,
                within5: self.take_number("error_within5")?,
                within10: self.take_number("error_within10")?,
                kendall_tau: self.take_number("error_kendall_tau")?,
                networks: self.take_number("error_networks")?.map(|networks| networks as u32),
                method: self.take("error_method")?,
            }),
        };
        let names: Vec<_> = self.fields.keys().filter(|name| name.contains('.')).copied().collect();
        let mut coefficients = BTreeMap::new();
        for name in names {
            if let Some(value) = self.take_number(name)? {
                coefficients.insert(name.to_owned(), value);
            }
        }
        let model = if coefficients.is_empty() {
            None
        } else {
            Some(LatencyModel::from_coefficients(&coefficients).map_err(|reason| self.bad(0, reason))?)
        };
        if let Some((field, (line, _))) = self.fields.iter().next() {
            return Err(self.bad(*line, format!("unknown header field `{field}`")));
        }
        Ok(Table { setting, date, about, evidence, error, model, rows })
    }
}

fn parse_row(line: &str) -> Result<Row, String> {
    let fields: Vec<&str> = line.split(',').collect();
    let Ok(
        [
            kind,
            kernel,
            stride,
            groups,
            inputs,
            outputs,
            height,
            width,
            activation,
            residual_add,
            ms,
            stderr_ms,
            evidence,
        ],
    ) = <[&str; 13]>::try_from(fields)
    else {
        return Err("expected 13 fields".to_owned());
    };
    let count = |text: &str| match text.parse::<u32>() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(format!("`{text}` is not a positive number")),
    };
    let time = |text: &str| match text.parse::<f64>() {
        Ok(time) if time.is_finite() && time >= 0.0 => Ok(time),
        _ => Err(format!("`{text}` is not a time in milliseconds")),
    };
    let key = OperatorKey {
        kind: kind.parse()?,
        kernel: count(kernel)?,
        stride: count(stride)?,
        groups: count(groups)?,
        in_channels: count(inputs)?,
        out_channels: count(outputs)?,
        in_height: count(height)?,
        in_width: count(width)?,
        activation: activation_from_name(activation)?,
        residual_add: match residual_add {
            "0" => false,
            "1" => true,
            _ => return Err(format!("residual_add is `{residual_add}`, but must be 0 or 1")),
        },
    };
    if key.groups > key.in_channels {
        return Err(format!("{} groups for {} channels", key.groups, key.in_channels));
    }
    let ms = time(ms)?;
    if ms == 0.0 {
        return Err("a time of 0 ms".to_owned());
    }
    Ok(Row { key, ms, stderr_ms: time(stderr_ms)?, evidence: evidence.parse()? })
}

/// What the name of an imported table begins with in the store, before its file's name.
pub const IMPORTED: &str = "imported from ";

/// Reads a table from a file into the store and says for which setting; the same text under the
/// same name is read once.
///
/// # Errors
/// When the file cannot be read (names it) or is no table (names the line).
pub fn import_table_file(store: &mut Store, path: &Path) -> Result<Setting, LatencyError> {
    let failed = |source| LatencyError::Io { doing: "reading the table", path: path.to_owned(), source };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX_BYTES as u64 + 1).read_to_string(&mut text).map_err(failed)?;
    let name = path.file_name().map_or_else(|| path.to_string_lossy(), |name| name.to_string_lossy());
    let setting = Table::parse(&name, &text)?.setting;
    store.import_table(&format!("{IMPORTED}{name}"), &text)?;
    Ok(setting)
}

#[cfg(test)]
mod tests {
    use super::super::store::SHIPPED;
    use super::*;

    #[test]
    fn bad_texts_name_the_line() {
        let (name, good) = SHIPPED.iter().copied().find(|(name, _)| *name == "v100_tensorrt_fp16_b1").unwrap();
        assert!(Table::parse(name, good).is_ok());
        let rows = good.lines().filter(|line| !line.starts_with('#')).count() - 1;
        for (from, to, expected) in [
            ("# unit: ms per inference call", "# unit: s", "unit is `s`"),
            (&format!("# rows: {rows}"), "# rows: 7", "header says 7 rows"),
            ("# evidence: measured", "# evidence: guessed", "guessed"),
            ("# licence: Apache-2.0", "# license: Apache-2.0", "lacks `licence`"),
            ("# roofline.launch_ms", "# roofline.lunch_ms", "roofline.launch_ms"),
            ("# roofline.launch_ms: ", "# roofline.launch_ms: x", "not a number"),
            ("kind,kernel", "kind,kernal", "expected the columns"),
            ("\nconv,1,", "\nconv,0,", "`0` is not a positive number"),
            ("\nconv,1,1", "\nconvolution,1,1", "unknown operator kind"),
            (",0,measured\n", ",measured\n", "13 fields"),
            (",0,measured\n", ",NaN,measured\n", "not a time"),
        ] {
            assert!(good.contains(from), "{from}");
            let error = Table::parse(name, &good.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains(name) && error.contains("line"), "{error}");
        }
    }
}
