//! What a profiling session says: progress while it runs, a summary at its end.

use super::{Exit, Progress, table};
use crate::latency::Store;
use crate::profile::{
    CheckReport, DriftReport, Ending, Event, Learning, MemberReport, MoreTime, Outcome, Recent, Settled,
};

/// A member of a farm that is farther off the others than this is not their equal.
const UNEQUAL_PERCENT: f64 = 5.0;

/// Follows a session with a progress bar and notes on stderr.
pub struct SessionProgress {
    quiet: bool,
    progress: Option<Progress>,
    done: u64,
    /// Whether the bar counts seconds, not steps.
    by_time: bool,
    /// Operators and networks whose standard error stayed above its target.
    unsettled: usize,
}

impl SessionProgress {
    pub fn new(quiet: bool) -> Self {
        Self { quiet, progress: None, done: 0, by_time: false, unsettled: 0 }
    }

    /// Shows what happened.
    pub fn show(&mut self, event: Event<'_>) {
        let (note, estimate) = match event {
            Event::Planned { setting, operators, stored, distinct, networks } => {
                self.note(&format!(
                    "{setting}: {operators} of the space's {distinct} operators, {stored} of them stored already; \
                     then {networks} whole networks"
                ));
                self.progress = Some(Progress::new("operators", (operators - stored) as u64, self.quiet));
                return;
            }
            Event::Given { setting, operators, stored } => {
                self.note(&format!(
                    "{setting}: {operators} different operators, {stored} of them stored already; then the whole network"
                ));
                self.progress = Some(Progress::new("operators", (operators - stored) as u64, self.quiet));
                return;
            }
            Event::Inside { setting, stored, sources, time_limit } => {
                self.note(&format!(
                    "{setting}: operators inside random networks of {sources}; {stored} operators are stored already"
                ));
                self.by_time = time_limit.is_some();
                let total = time_limit.map_or(0, |limit| limit.as_secs());
                self.progress = Some(Progress::new("learning", total, self.quiet));
                return;
            }
            Event::Learned { learning, operators, elapsed } => {
                self.done += 1;
                let step = if self.by_time { elapsed.as_secs() } else { self.done };
                if let Some(progress) = &mut self.progress {
                    progress.set(step, || learned(learning, operators, self.done));
                }
                return;
            }
            Event::Check { measurements } => {
                self.done = 0;
                self.progress = Some(Progress::new("whole networks", measurements as u64, self.quiet));
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

fn learned(learning: &Learning, operators: usize, networks: u64) -> String {
    let so_far = format!("{operators} operators from {networks} networks");
    match learning.recent(None) {
        Some(Recent { networks, mape, within10 }) => format!(
            "{so_far}; the last {networks} fresh ones were off by {:.1}%, {:.0}% within 10%",
            mape * 100.0,
            within10 * 100.0
        ),
        None => so_far,
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
    let mut lines = operators_of(outcome);
    match &outcome.check {
        Some(check) => lines.extend([
            ("table error", check.error.to_string()),
            ("bias", format!("{:+.1}%", check.bias * 100.0)),
            ("noise floor", noise(check)),
        ]),
        None => {
            let error = outcome.left_out.as_ref().map(ToString::to_string);
            lines.push(("table error", error.unwrap_or_else(|| "not checked on whole networks".to_owned())));
        }
    }
    if let Some(bias) = outcome.chosen_bias {
        let percent = bias * 100.0;
        lines
            .push(("searches", format!("networks that small searches chose by this table were off by {percent:+.1}%")));
    }
    if let Some(MoreTime { mape_now, mape_after_twice }) = outcome.more_time {
        lines.push((
            "more time",
            format!(
                "as long again would bring fresh networks from {:.1}% to about {:.1}% (the trend continued)",
                mape_now * 100.0,
                mape_after_twice * 100.0
            ),
        ));
    }
    lines.extend(certainty_and_end(outcome, store));
    table(&lines)
}

/// The summary of a session for given networks, for people.
pub fn describe_given(outcome: &Outcome, store: &Store) -> String {
    let mut lines = operators_of(outcome);
    lines.extend(certainty_and_end(outcome, store));
    table(&lines)
}

/// How many operators were measured, and which failed.
fn operators_of(outcome: &Outcome) -> Vec<(&'static str, String)> {
    let Outcome { setting, measured, stored, remaining, inside_networks, failed, .. } = outcome;
    let mut operators = format!("{measured} measured now, {stored} earlier, {} failed", failed.len());
    if *remaining > 0 {
        operators.push_str(&format!(", {remaining} not yet"));
    }
    if *inside_networks > 0 {
        operators.push_str(&format!("; inside {inside_networks} networks"));
    }
    let mut lines = vec![("setting", setting.id()), ("operators", operators)];
    lines.extend(failed.iter().map(|failure| ("failed", format!("{}: {}", failure.subject, failure.reason))));
    lines
}

/// How well times are known, what happened to the machine, where everything is, and why the session ended.
fn certainty_and_end(outcome: &Outcome, store: &Store) -> Vec<(&'static str, String)> {
    let Outcome { settled, unsettled, .. } = outcome;
    let mut lines = Vec::new();
    if *unsettled > 0 {
        lines.push((
            "certainty",
            format!(
                "{unsettled} of {} times came to a limit before their standard error was as small as aimed for (2% of \
                 an operator's median, 1% of a network's)",
                settled + unsettled
            ),
        ));
    }
    lines.extend(outcome.drift.as_ref().map(|drift| ("steadiness", steadiness(drift))));
    lines.extend(outcome.members.iter().map(|report| ("member", member(report))));
    lines.push(("database", store.path().display().to_string()));
    match outcome.ending {
        Ending::Complete => {}
        Ending::TargetMet => {
            lines.push(("ended by", "fresh networks are predicted as well as was asked for".to_owned()))
        }
        Ending::TimeLimit => {
            lines.push(("ended by", "the time limit; run the same command again to resume".to_owned()))
        }
        Ending::Interrupted => {
            lines.push(("ended by", "an interruption; run the same command again to resume".to_owned()));
        }
    }
    lines
}

/// How a member of a farm did beside the others.
fn member(report: &MemberReport) -> String {
    let MemberReport { address, subjects, scale, lost } = report;
    let mut text = format!("{address}: {subjects} operators and networks");
    match scale {
        Some(scale) => {
            let percent = (scale - 1.0) * 100.0;
            text.push_str(&format!("; the reference network takes {percent:+.1}% against the median member"));
            if percent.abs() > UNEQUAL_PERCENT {
                text.push_str(", so it is no equal: measure it by itself");
            }
        }
        None => text.push_str("; how fast it is beside the others is not known"),
    }
    if let Some(reason) = lost {
        text.push_str(&format!("; lost: {reason}"));
    }
    text
}

/// How much the machine moved.
fn steadiness(drift: &DriftReport) -> String {
    let DriftReport { readings, moved, trend, jumps, repeated, kept, unfit, .. } = drift;
    let mut text = format!(
        "a reference network measured {readings} times was off its median by {:.1}% at most, {:+.1}% from first to last",
        moved * 100.0,
        trend * 100.0
    );
    if *jumps > 0 {
        text.push_str(&format!("; {jumps} jumps, {repeated} operators' times measured again"));
    }
    if *kept > 0 {
        text.push_str(&format!(", after {kept} of them nothing was, to save time"));
    }
    if *unfit > 0 {
        text.push_str(&format!("; at {unfit} looks the machine was not fit to be measured and was waited for"));
    }
    text
}

/// What one measurement says about another.
fn noise(check: &CheckReport) -> String {
    match &check.noise {
        Some(noise) => noise.to_string(),
        None => format!("not measured; single measurements are known to +- {:.1}%", check.measurement_stderr * 100.0),
    }
}
