//! The short form of a report: one line that goes with every use of a table.

use std::fmt;

use serde::Serialize;

use crate::latency::{Candidate, ChosenTable, Decision, ErrorFigures, Reason, TableError, TableMachine, TableSource};

/// How good a table is, as it states it, and why it is the one.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Quality {
    /// None where the table was never checked.
    pub error: Option<TableError>,
    /// One measurement of a network against another, later one; none where none was repeated.
    pub noise_floor: Option<ErrorFigures>,
    /// Which table it is.
    pub table: TableSource,
    /// Why, and which tables of the same setting are not used.
    pub decision: Decision,
}

impl Quality {
    /// Of a table that was chosen.
    pub fn of(chosen: &ChosenTable) -> Self {
        let ChosenTable { table, decision } = chosen;
        let checks = table.networks.iter().map(|network| &network.check).filter(|check| !check.calibration);
        let repeated: Vec<_> = checks.filter_map(|check| Some((check.repeat_ms?, check.measured_ms))).collect();
        Self {
            error: table.error.clone(),
            noise_floor: ErrorFigures::of(&repeated),
            table: table.source.clone(),
            decision: decision.clone(),
        }
    }

    /// Which table it is and why, and which others there are with their errors, for people, a line each; nothing where
    /// there is nothing to say: a built-in table alone, of the device itself.
    pub fn lines(&self) -> Vec<String> {
        decision_lines(&self.decision)
    }

    /// Without method and noise floor, for lists.
    pub fn brief(&self) -> String {
        self.error.as_ref().map_or_else(|| "never checked on whole networks".to_owned(), figures_of)
    }
}

/// As [`Quality::lines`].
pub fn decision_lines(decision: &Decision) -> Vec<String> {
    let Decision { used, reason, others, not_tried } = decision;
    let mut lines = Vec::new();
    let plain = matches!(used.source, TableSource::BuiltIn { .. }) && used.machine == TableMachine::Device;
    if !(plain && others.is_empty() && used.warning.is_empty()) {
        let mut line = used.source.to_string();
        if *reason != Reason::OnlyTable {
            line.push_str(&format!(": {}", reason.words()));
        }
        // What was asked for, and what was measured for the network, is used whatever it lacks.
        let lacks: Vec<&str> =
            used.lacks.iter().filter(|lack| !lack.starts_with("is marked")).map(String::as_str).collect();
        if *reason == Reason::BetterSupported && !lacks.is_empty() {
            line.push_str(&format!(", but it {}", lacks.join(" and ")));
        }
        lines.push(line);
    }
    if !others.is_empty() {
        let named = |other: &Candidate| {
            let error = other.error.as_ref().map_or_else(|| "never checked on whole networks".to_owned(), figures_of);
            let mut facts = vec![error];
            facts.extend(other.lacks.iter().filter(|lack| !lack.starts_with("was checked on 0")).cloned());
            format!("{} ({})", other.source, facts.join("; "))
        };
        let others: Vec<String> = others.iter().map(named).collect();
        lines.push(format!("not used: {}; --table local, built-in or imported decides", others.join(", ")));
    }
    match (&used.spot_check, not_tried) {
        (Some(check), _) => lines.push(format!("{check}, {}", check.at.get(..10).unwrap_or(&check.at))),
        (None, Some(reason)) => lines.push(format!("NOT CHECKED on this machine: {reason}")),
        (None, None) if used.machine == TableMachine::AnotherMachine => lines.push(
            "ANOTHER MACHINE'S: it was measured on a processor of this name that may be another; `zen-profile check` \
                 tries it here"
                .to_owned(),
        ),
        (None, None) => {}
    }
    if !used.warning.is_empty() {
        lines.push(format!("WARNING: {}", used.warning));
    }
    lines
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
