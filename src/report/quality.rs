//! The short form of a report: one line that goes with every use of a table.

use std::fmt;

use serde::Serialize;

use crate::latency::{ErrorFigures, LatencyError, Setting, Store, TableError, TableSource, checked_networks};

/// How good a table is, as it states it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Quality {
    /// None where the table was never checked.
    pub error: Option<TableError>,
    /// One measurement of a network against another, later one; none where none was repeated.
    pub noise_floor: Option<ErrorFigures>,
    /// Which table it is; none where nothing counts.
    pub table: Option<TableSource>,
    /// Tables of the same setting that are not read.
    pub other_tables: Vec<TableSource>,
}

impl Quality {
    /// Of a setting's table.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn of(store: &Store, setting: &Setting) -> Result<Self, LatencyError> {
        let checked = checked_networks(store, setting)?;
        let held_out = checked.iter().map(|network| &network.check).filter(|check| !check.calibration);
        let repeated: Vec<_> = held_out.filter_map(|check| Some((check.repeat_ms?, check.measured_ms))).collect();
        let (counting, others): (Vec<_>, Vec<_>) = store.tables(setting)?.into_iter().partition(|table| table.counts);
        Ok(Self {
            error: store.table_error(setting)?,
            noise_floor: ErrorFigures::of(&repeated),
            table: counting.into_iter().next().map(|table| table.source),
            other_tables: others.into_iter().map(|table| table.source).collect(),
        })
    }

    /// Which table it is and which others there are, for people; none where there is no choice to
    /// speak of: a shipped table alone.
    pub fn source(&self) -> Option<String> {
        let table = self.table.as_ref()?;
        if matches!(table, TableSource::Shipped { .. }) && self.other_tables.is_empty() {
            return None;
        }
        let others: Vec<String> = self.other_tables.iter().map(ToString::to_string).collect();
        let shipped = self.other_tables.iter().any(|other| !matches!(other, TableSource::Own { .. }));
        let hint = match table {
            TableSource::Own { .. } if shipped => " (--shipped takes it)",
            _ => "",
        };
        Some(match others.as_slice() {
            [] => table.to_string(),
            others => format!("{table}; not {}{hint}", others.join(", nor ")),
        })
    }

    /// Without method and noise floor, for lists.
    pub fn brief(&self) -> String {
        self.error.as_ref().map_or_else(|| "error unknown".to_owned(), figures_of)
    }
}

/// `MAPE 4.4%, 68% within 5%, 90% within 10%, Kendall tau 0.897: 40 random networks held out; noise
/// floor ...`.
impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.error {
            None => f.write_str("unknown: never checked on whole networks")?,
            Some(error) => error.fmt(f)?,
        }
        if let Some(noise) = &self.noise_floor {
            write!(f, "; noise floor {noise}, n = {}", noise.networks)?;
        }
        Ok(())
    }
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
