//! What a profiling session says: progress while it runs, a summary at its end.

use super::{Exit, Progress, columns, table};
use crate::latency::Store;
use crate::profile::{Ending, Event, Outcome, Settled, Verification};
use crate::report::Quality;

/// Follows a session with a progress bar and notes on stderr.
pub struct SessionProgress {
    quiet: bool,
    progress: Option<Progress>,
    done: u64,
    /// Operators and networks whose standard error stayed above its target.
    unsettled: usize,
}

impl SessionProgress {
    pub fn new(quiet: bool) -> Self {
        Self { quiet, progress: None, done: 0, unsettled: 0 }
    }

    /// Shows what happened.
    pub fn show(&mut self, event: Event<'_>) {
        let (note, estimate) = match event {
            Event::Planned { setting, operators, stored, distinct, networks } => {
                self.note(&format!(
                    "{setting}: {operators} of the space's {distinct} operators, {stored} of them stored already; \
                     then {networks} whole networks"
                ));
                let total = (operators - stored + networks) as u64;
                self.progress = Some(Progress::new("profile", total, self.quiet));
                return;
            }
            Event::Operator { key, result: Ok(estimate) } => {
                (format!("{key}: {:.4} ms", estimate.median_ms), Some(estimate))
            }
            Event::Operator { key, result: Err(reason) } => {
                self.note(&format!("failed: {key}: {reason}"));
                (String::new(), None)
            }
            Event::Network { estimate, .. } => (format!("whole network: {:.3} ms", estimate.median_ms), Some(estimate)),
        };
        self.done += 1;
        self.unsettled += usize::from(estimate.is_some_and(|estimate| estimate.settled != Settled::Stable));
        if let Some(progress) = &mut self.progress {
            progress.set(self.done, || note);
        }
    }

    /// Clears the bar and says what the summary does not.
    pub fn finish(&mut self) {
        self.progress = None;
        if self.unsettled > 0 {
            self.note(&format!(
                "note: {} of {} times are less certain than aimed for; an idle machine gives steadier ones",
                self.unsettled, self.done
            ));
        }
    }

    fn note(&self, text: &str) {
        if !self.quiet {
            eprintln!("{text}");
        }
    }
}

/// How a session ended, for the shell.
pub fn profile_exit(outcome: &Outcome) -> Exit {
    match outcome.ending {
        Ending::Interrupted => Exit::Interrupted,
        _ if !outcome.failed.is_empty() => Exit::Partial,
        _ => Exit::Done,
    }
}

/// The summary for people.
pub fn describe_session(outcome: &Outcome, store: &Store) -> String {
    let Outcome { setting, measured, stored, remaining, failed, .. } = outcome;
    let mut lines = vec![
        ("setting", setting.id()),
        (
            "operators",
            format!("{measured} measured now, {stored} earlier, {} failed, {remaining} not yet", failed.len()),
        ),
    ];
    for failure in failed {
        lines.push(("failed", format!("{}: {}", failure.subject, failure.reason)));
    }
    match &outcome.check {
        Some(check) => lines.extend([
            ("table error", Quality { error: Some(check.error.clone()), noise_floor: None }.to_string()),
            ("bias", format!("{:+.1}%", check.bias * 100.0)),
            (
                "noise",
                format!("the measured networks themselves are known to +- {:.1}%", check.measurement_stderr * 100.0),
            ),
        ]),
        None => lines.push(("table error", "not checked on whole networks".to_owned())),
    }
    lines.push(("database", store.path().display().to_string()));
    match outcome.ending {
        Ending::Complete => {}
        Ending::TimeLimit => lines.push(("ended by", "the time limit; the same command goes on".to_owned())),
        Ending::Interrupted => {
            lines.push(("ended by", "an interruption; the same command goes on where this one stopped".to_owned()));
        }
    }
    table(&lines)
}

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
            network.structure.clone(),
        ]);
    }
    let mut text = columns(&lines);
    for (structure, reason) in &found.failed {
        text.push_str(&format!("\nfailed: {structure}: {reason}"));
    }
    text
}
