//! Whole networks, measured beside predicted, for people and the shell.

use super::{Exit, columns, gap_lines, table};
use crate::latency::Interval;
use crate::profile::Verification;

/// How a verification ended, for the shell.
pub fn verification_exit(found: &Verification) -> Exit {
    match (found.interrupted, found.failed.is_empty()) {
        (true, _) => Exit::Interrupted,
        (false, false) => Exit::Partial,
        (false, true) => Exit::Done,
    }
}

/// Measured beside predicted, for people.
pub fn describe_verification(found: &Verification) -> String {
    let setting = &found.setting;
    let mut lines = vec![vec![
        "measured".to_owned(),
        "known to".to_owned(),
        "predicted".to_owned(),
        "off by".to_owned(),
        "interval".to_owned(),
        "predicted time is".to_owned(),
        format!("ms per call on {setting} ({} {})", setting.runtime, found.runtime_version),
    ]];
    for network in &found.networks {
        let (predicted, off) = match network.predicted_ms {
            Some(ms) => (format!("{ms:.3}"), format!("{:+.1}%", (ms / network.measured_ms - 1.0) * 100.0)),
            None => ("no table".to_owned(), String::new()),
        };
        lines.push(vec![
            format!("{:.3}", network.measured_ms),
            format!("+-{:.1}%", network.stderr_ms / network.measured_ms * 100.0),
            predicted,
            off,
            network
                .interval
                .map_or("none".to_owned(), |Interval { low_ms, high_ms, .. }| format!("{low_ms:.3} to {high_ms:.3}")),
            network.evidence.map_or(String::new(), |evidence| evidence.to_string()),
            network.name().to_owned(),
        ]);
    }
    let mut text = columns(&lines);
    for network in &found.networks {
        if let Some(gaps) = network.gaps.as_ref().filter(|gaps| !gaps.is_empty()) {
            text.push_str(&format!("\n\n{}: of the prediction\n{}", network.name(), table(&gap_lines(gaps))));
        }
    }
    for (name, reason) in &found.failed {
        text.push_str(&format!("\nfailed: {name}: {reason}"));
    }
    text
}
