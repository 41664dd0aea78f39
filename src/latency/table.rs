//! The text form of a table: reviewable, one file per setting.
//!
//! Comment lines `# name: value` say what the table is and how it was obtained, then CSV rows with
//! one operator each. The same form is shipped in `latency_tables/` and exported from the store. A
//! file of a user's own may leave out most header lines. Not here: the columns (`columns`).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use serde::Serialize;

use super::columns::{COLUMNS, Columns};
use super::store::{NewRun, Row, Store, TableError, UNIT, activation_name};
use super::{Evidence, LatencyError, LatencyModel, Setting};

/// What stands for a header line that a file lacks.
const NOT_STATED: &str = "not stated";

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
        Ok(Self::parse_noting(name, text)?.0)
    }

    /// The same, with the header lines that were not there and what was taken instead.
    fn parse_noting(name: &str, text: &str) -> Result<(Self, Vec<String>), LatencyError> {
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
        let (number, line) = lines.next().unwrap_or((0, ""));
        let columns = Columns::parse(line).map_err(|reason| bad(number, reason))?;
        let mut header = Header { fields: header, name, missing: Vec::new() };
        let evidence = header.evidence(columns.has_evidence())?;
        let rows = lines
            .filter(|(_, line)| !line.trim().is_empty())
            .map(|(number, line)| {
                columns.row(line, evidence.unwrap_or(Evidence::Fitted)).map_err(|reason| bad(number, reason))
            })
            .collect::<Result<Vec<_>, _>>()?;
        header.table(rows, evidence)
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
    /// Lines that were not there and what was taken instead.
    missing: Vec<String>,
}

impl Header<'_> {
    fn bad(&self, line: usize, reason: String) -> LatencyError {
        LatencyError::Table { name: self.name.to_owned(), line: line + 1, reason }
    }

    fn take(&mut self, field: &str) -> Result<String, LatencyError> {
        let (_, value) = self.fields.remove(field).ok_or_else(|| self.bad(0, format!("the header lacks `{field}`")))?;
        Ok(value.to_owned())
    }

    /// A line that may be missing.
    fn take_or(&mut self, field: &str, otherwise: &str) -> String {
        match self.fields.remove(field) {
            Some((_, value)) => value.to_owned(),
            None => {
                self.missing.push(format!("{field} ({otherwise})"));
                otherwise.to_owned()
            }
        }
    }

    /// Evidence of the table; none where only its rows say theirs.
    fn evidence(&mut self, rows_say: bool) -> Result<Option<Evidence>, LatencyError> {
        match self.fields.remove("evidence") {
            Some((line, value)) => value.parse().map(Some).map_err(|reason| self.bad(line, reason)),
            None if rows_say => Ok(None),
            None => Err(self.bad(
                0,
                "the header lacks `evidence` and there is no such column: say how the times came about, `# evidence: \
                 measured` or `# evidence: fitted`"
                    .to_owned(),
            )),
        }
    }

    fn take_number(&mut self, field: &str) -> Result<Option<f64>, LatencyError> {
        let Some((line, value)) = self.fields.remove(field) else { return Ok(None) };
        match value.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Some(number)),
            _ => Err(self.bad(line, format!("`{field}` is `{value}`, which is not a number"))),
        }
    }

    fn table(mut self, rows: Vec<Row>, evidence: Option<Evidence>) -> Result<(Table, Vec<String>), LatencyError> {
        let line = self.fields.get("setting").map_or(0, |(line, _)| *line);
        let setting: Setting =
            self.take("setting")?.parse().map_err(|error: LatencyError| self.bad(line, error.to_string()))?;
        let line = self.fields.get("unit").map_or(0, |(line, _)| *line);
        let unit = self.take_or("unit", UNIT);
        if unit != UNIT {
            return Err(self.bad(line, format!("unit is `{unit}`, but only `{UNIT}` is read")));
        }
        if let Some((line, count)) = self.fields.remove("rows").filter(|(_, count)| *count != rows.len().to_string()) {
            return Err(self.bad(line, format!("the header says {count} rows, there are {}", rows.len())));
        }
        let evidence = evidence.or(rows.iter().map(|row| row.evidence).max()).unwrap_or(Evidence::Fitted);
        let date = self.take_or("date", NOT_STATED);
        let about = NewRun {
            origin: self.take_or("origin", NOT_STATED),
            licence: self.take_or("licence", NOT_STATED),
            runtime_version: self.take_or("runtime_version", NOT_STATED),
            host: self.take_or("host", NOT_STATED),
            method: self.take_or("method", NOT_STATED),
            notes: self.fields.remove("notes").map_or_else(String::new, |(_, value)| value.to_owned()),
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
        if rows.is_empty() && model.is_none() {
            return Err(self.bad(0, "there are no rows and no coefficients of a model".to_owned()));
        }
        Ok((Table { setting, date, about, evidence, error, model, rows }, self.missing))
    }
}

/// What the name of an imported table begins with in the store, before its file's name.
pub const IMPORTED: &str = "imported from ";

/// What an import did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Imported {
    pub setting: Setting,
    pub evidence: Evidence,
    /// Operators in the file.
    pub rows: usize,
    /// Header lines that the file lacks, with what was taken instead.
    pub missing: Vec<String>,
    /// Whether anything changed: the same text under the same name is read once.
    pub changed: bool,
}

/// Reads a table from a file into the store; the same text under the same name is read once.
///
/// # Errors
/// When the file cannot be read (names it) or is no table (names the line).
pub fn import_table_file(store: &mut Store, path: &Path) -> Result<Imported, LatencyError> {
    let failed = |source| LatencyError::Io { doing: "reading the table", path: path.to_owned(), source };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX_BYTES as u64 + 1).read_to_string(&mut text).map_err(failed)?;
    let name = path.file_name().map_or_else(|| path.to_string_lossy(), |name| name.to_string_lossy());
    let (table, missing) = Table::parse_noting(&name, &text)?;
    let changed = store.import_table(&format!("{IMPORTED}{name}"), &text)?;
    Ok(Imported { setting: table.setting, evidence: table.evidence, rows: table.rows.len(), missing, changed })
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
            ("# licence: Apache-2.0", "# license: Apache-2.0", "unknown header field `license`"),
            ("# setting: ", "# settings: ", "lacks `setting`"),
            ("# setting: v100/", "# setting: v100", "at least 4 parts"),
            ("# roofline.launch_ms", "# roofline.lunch_ms", "roofline.launch_ms"),
            ("# roofline.launch_ms: ", "# roofline.launch_ms: x", "not a number"),
            ("kind,kernel", "kind,kernal", "unknown column `kernal`"),
            ("kind,kernel,", "kind,", "no column `kernel`"),
            ("kind,kernel", "kind,kind", "twice"),
            ("\nconv,1,", "\nconv,0,", "`0` is not a positive number"),
            ("\nconv,1,1", "\nconvolution,1,1", "unknown operator kind"),
            (",0,measured\n", ",measured\n", "expected 13 fields, there are 12"),
            (",0,measured\n", ",NaN,measured\n", "not a time"),
        ] {
            assert!(good.contains(from), "{from}");
            let error = Table::parse(name, &good.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains(name) && error.contains("line"), "{error}");
        }
    }

    #[test]
    fn a_short_file_reads_and_says_what_it_lacks() {
        let text = "# setting: my-gpu/tensorrt/fp16/b1\n# evidence: measured\n\
                    ms,kind,kernel,stride,in_channels,out_channels,in_height,in_width\n\
                    0.5,conv,3,2,3,32,224,224\n0.25, depthwise,3,1,32,32,112,112\n\n";
        let (table, missing) = Table::parse_noting("mine.csv", text).unwrap();
        assert_eq!(missing[0], "unit (ms per inference call)");
        assert!(missing.contains(&"origin (not stated)".to_owned()) && missing.len() == 7, "{missing:?}");
        assert_eq!(table.rows.len(), 2);
        assert_eq!(table.rows[0].key, crate::latency::OperatorKey::conv(3, 2, 3, 32, 224));
        assert_eq!(table.rows[1].key, crate::latency::OperatorKey::depthwise(3, 1, 32, 112));
        assert!(table.rows.iter().all(|row| row.evidence == Evidence::Measured && row.stderr_ms == 0.0));
        // Its full form reads back as the same table and lacks nothing.
        assert_eq!(Table::parse_noting("mine.csv", &table.to_text()).unwrap(), (table, Vec::new()));
        for (from, to, expected) in [
            ("# evidence: measured\n", "", "line 1: the header lacks `evidence`"),
            ("0.5,conv", "0,conv", "line 4: a time of 0 ms"),
            ("0.25, depthwise", "0.25,dephtwise", "line 5: unknown operator kind `dephtwise`"),
            (",112,112\n", ",112\n", "line 5: expected 8 fields, there are 7"),
            ("fp16/b1", "fp8/b1", "line 1: setting `my-gpu/tensorrt/fp8/b1`"),
        ] {
            let error = Table::parse("mine.csv", &text.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains("mine.csv") && error.contains(expected), "{error}");
        }
        let empty: String = text.lines().take(3).map(|line| format!("{line}\n")).collect();
        assert!(Table::parse("mine.csv", &empty).unwrap_err().to_string().contains("no rows"));
    }
}
