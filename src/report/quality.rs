//! The short form of a report: one line that goes with every use of a table.

use std::fmt;

use serde::Serialize;

use crate::latency::{ErrorFigures, LatencyError, Store, Table, TableError, TableSource};

/// How good a table is, as it states it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quality {
    /// None where the table was never checked.
    pub error: Option<TableError>,
    /// One measurement of a network against another, later one; none where none was repeated.
    pub noise_floor: Option<ErrorFigures>,
    /// Which table it is.
    pub table: TableSource,
    /// Tables of the same setting that are not used.
    pub other_tables: Vec<TableSource>,
}

impl Quality {
    /// Of a table beside the others of its setting.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn of(store: &Store, table: &Table) -> Result<Self, LatencyError> {
        let checks = table.networks.iter().map(|network| &network.check).filter(|check| !check.calibration);
        let repeated: Vec<_> = checks.filter_map(|check| Some((check.repeat_ms?, check.measured_ms))).collect();
        let others = store.tables(&table.setting)?.into_iter().map(|other| other.source);
        Ok(Self {
            error: table.error.clone(),
            noise_floor: ErrorFigures::of(&repeated),
            table: table.source.clone(),
            other_tables: others.filter(|other| *other != table.source).collect(),
        })
    }

    /// Which table it is and which others there are, for people; none where there is no choice: a built-in
    /// table alone.
    pub fn source(&self) -> Option<String> {
        let table = &self.table;
        if matches!(table, TableSource::BuiltIn { .. }) && self.other_tables.is_empty() {
            return None;
        }
        let others: Vec<String> = self.other_tables.iter().map(ToString::to_string).collect();
        let hint = if others.is_empty() { "" } else { " (--table local, built-in or imported chooses)" };
        Some(match others.as_slice() {
            [] => table.to_string(),
            others => format!("{table}; not {}{hint}", others.join(", nor ")),
        })
    }

    /// Without method and noise floor, for lists.
    pub fn brief(&self) -> String {
        self.error.as_ref().map_or_else(|| "never checked on whole networks".to_owned(), figures_of)
    }
}

/// `MAPE 4.4%, 68% within 5%, 90% within 10%, Kendall tau 0.897: 40 random networks held out; noise
/// floor ...`.
impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&stated_error(self.error.as_ref()))?;
        if let Some(noise) = &self.noise_floor {
            write!(f, "; noise floor {noise}, n = {}", noise.networks)?;
        }
        Ok(())
    }
}

/// What a table states about itself, for people.
pub fn stated_error(error: Option<&TableError>) -> String {
    error.map_or_else(|| "never checked on whole networks".to_owned(), ToString::to_string)
}

/// In the words of the short form, with its method.
impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", figures_of(self), self.method)
    }
}

/// In the words of the short form.
impl fmt::Display for ErrorFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shares(self.mape, Some(self.within5), Some(self.within10), self.kendall_tau))
    }
}

fn figures_of(error: &TableError) -> String {
    let figures = shares(error.mape, error.within5, error.within10, error.kendall_tau);
    match error.networks {
        Some(networks) => format!("{figures}, n = {networks}"),
        None => figures,
    }
}

fn shares(mape: f64, within5: Option<f64>, within10: Option<f64>, kendall_tau: Option<f64>) -> String {
    let mut text = format!("MAPE {:.1}%", mape * 100.0);
    for (share, limit) in [(within5, "5%"), (within10, "10%")] {
        if let Some(share) = share {
            text.push_str(&format!(", {:.0}% within {limit}", share * 100.0));
        }
    }
    if let Some(tau) = kendall_tau {
        text.push_str(&format!(", Kendall tau {tau:.3}"));
    }
    text
}
