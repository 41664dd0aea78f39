//! The header of a table's text: `# name: value` lines, each field once.

use std::collections::BTreeMap;

use super::super::store::{NewRun, TableError, UNIT};
use super::super::{LatencyError, LatencyModel, NetworkCheck};
use super::{Row, Table};

/// Header fields with their lines.
pub(super) struct Header<'t> {
    pub fields: BTreeMap<&'t str, (usize, &'t str)>,
    /// Of the table, for errors.
    pub name: &'t str,
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

    /// The table with this header over rows and networks.
    pub fn table(mut self, rows: Vec<Row>, networks: Vec<NetworkCheck>) -> Result<Table, LatencyError> {
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
        if let Some((line, count)) = self.fields.remove("networks").or((!networks.is_empty()).then_some((0, "no")))
            && count != networks.len().to_string()
        {
            return Err(self.bad(line, format!("the header says {count} networks, there are {}", networks.len())));
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
        Ok(Table { setting, date, about, evidence, error, model, rows, networks })
    }
}
