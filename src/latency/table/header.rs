//! The header of a table's text: `# name: value` lines, each field once.

use std::collections::BTreeMap;

use super::super::store::{Fingerprint, NewRun, PublishedNetwork, Purpose, TableError, TableSource, UNIT};
use super::super::{CheckedNetwork, Evidence, LatencyError, LatencyModel, Setting};
use super::{Row, Table};

/// Header fields with their lines.
pub(super) struct Header<'t> {
    pub fields: BTreeMap<&'t str, (usize, &'t str)>,
    /// Of the table, for errors.
    pub name: &'t str,
    /// Lines that were not there and what was taken instead.
    pub missing: Vec<String>,
}

/// What stands for a header line that a file lacks.
const NOT_STATED: &str = "not stated";

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
    pub fn evidence(&mut self, rows_say: bool) -> Result<Option<Evidence>, LatencyError> {
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

    /// The table with this header over rows and networks, and what the header lacks.
    pub fn table(
        mut self,
        rows: Vec<Row>,
        networks: Vec<CheckedNetwork>,
        published: Vec<PublishedNetwork>,
        evidence: Option<Evidence>,
    ) -> Result<(Table, Vec<String>), LatencyError> {
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
        for (field, found) in [("networks", networks.len()), ("published", published.len())] {
            if let Some((line, count)) = self.fields.remove(field).or((found > 0).then_some((0, "no")))
                && count != found.to_string()
            {
                return Err(self.bad(line, format!("the header says {count} {field}, there are {found}")));
            }
        }
        let evidence = evidence.or(rows.iter().map(|row| row.evidence).max()).unwrap_or(Evidence::Fitted);
        let date = self.take_or("date", NOT_STATED);
        let processor = match self.fields.remove("processor") {
            None => None,
            Some((line, text)) => Some(text.parse().map_err(|reason| self.bad(line, reason))?),
        };
        let about = NewRun {
            purpose: Purpose::Imported,
            fingerprint: Fingerprint::default(),
            origin: self.take_or("origin", NOT_STATED),
            licence: self.take_or("licence", NOT_STATED),
            runtime_version: self.take_or("runtime_version", NOT_STATED),
            host: self.take_or("host", NOT_STATED),
            processor,
            warning: self.fields.remove("warning").map_or_else(String::new, |(_, value)| value.to_owned()),
            method: self.take_or("method", NOT_STATED),
            notes: self.fields.remove("notes").map_or_else(String::new, |(_, value)| value.to_owned()),
        };
        let error = match self.take_number("error_mape")? {
            None => None,
            Some(mape) => Some(TableError {
                mape,
                median: self.take_number("error_median")?,
                bias: self.take_number("error_bias")?,
                within5: self.take_number("error_within5")?,
                within10: self.take_number("error_within10")?,
                within20: self.take_number("error_within20")?,
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
        if rows.is_empty() && networks.is_empty() && published.is_empty() && model.is_none() {
            return Err(self.bad(0, "there are no rows and no coefficients of a model".to_owned()));
        }
        let source = TableSource::Imported { file: self.name.to_owned(), content: String::new() };
        Ok((Table { setting, source, date, about, evidence, error, model, rows, networks, published }, self.missing))
    }
}
