//! Progress on stderr: a bar with time left on a terminal, a line every few seconds elsewhere,
//! nothing when quiet. What takes under two seconds draws nothing.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Work with a known number of steps.
#[derive(Debug)]
pub struct Progress {
    what: String,
    total: u64,
    unit: Unit,
    started: Instant,
    mode: Mode,
}

/// What the total counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Steps,
    /// Parts of [`SHARES`].
    Shares,
}

/// Parts of the whole where steps differ in length.
const SHARES: u64 = 1000;

#[derive(Debug)]
enum Mode {
    Quiet,
    Bar(Option<ProgressBar>),
    Lines { next: Duration },
}

/// Shorter work shows nothing.
const SILENT_FOR: Duration = Duration::from_secs(2);
/// Time between lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

impl Progress {
    /// Starts the clock; `what` is shown in front.
    pub fn new(what: &str, total: u64, quiet: bool) -> Self {
        Self::starting(what, total, Unit::Steps, quiet)
    }

    /// As [`Progress::new`] for work whose steps differ in length, see [`Progress::set_share`].
    pub fn shares(what: &str, quiet: bool) -> Self {
        Self::starting(what, SHARES, Unit::Shares, quiet)
    }

    fn starting(what: &str, total: u64, unit: Unit, quiet: bool) -> Self {
        let mode = if quiet {
            Mode::Quiet
        } else if std::io::stderr().is_terminal() {
            Mode::Bar(None)
        } else {
            Mode::Lines { next: LINE_EVERY }
        };
        Self { what: what.to_owned(), total, unit, started: Instant::now(), mode }
    }

    /// Says which share of the work is done, from 0 to 1.
    pub fn set_share(&mut self, share: f64, note: impl FnOnce() -> String) {
        self.set((share.clamp(0.0, 1.0) * SHARES as f64) as u64, note);
    }

    /// Says how far the work is; `note` is made only when it is shown.
    pub fn set(&mut self, done: u64, note: impl FnOnce() -> String) {
        let elapsed = self.started.elapsed();
        match &mut self.mode {
            Mode::Quiet => {}
            Mode::Bar(bar) => {
                if elapsed < SILENT_FOR {
                    return;
                }
                let bar = bar.get_or_insert_with(|| {
                    let bar = ProgressBar::with_draw_target(Some(self.total), ProgressDrawTarget::stderr())
                        .with_elapsed(elapsed);
                    let template = "{prefix} [{bar:30}] {percent:>3}% {elapsed} elapsed, {eta} left  {msg}";
                    if let Ok(style) = ProgressStyle::with_template(template) {
                        bar.set_style(style.progress_chars("=> "));
                    }
                    bar.set_prefix(self.what.clone());
                    bar
                });
                bar.set_position(done);
                bar.set_message(note());
            }
            Mode::Lines { next } => {
                if elapsed >= *next {
                    *next = elapsed + LINE_EVERY;
                    let left = time_left(elapsed, done, self.total);
                    let far = match self.unit {
                        Unit::Steps => format!("{done} of {}", self.total),
                        Unit::Shares => format!("{}%", done * 100 / SHARES),
                    };
                    eprintln!("{}: {far}, {left}{}", self.what, prefixed(&note()));
                }
            }
        }
    }

    /// Clears the bar.
    pub fn finish(&mut self) {
        if let Mode::Bar(Some(bar)) = &self.mode {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

fn prefixed(note: &str) -> String {
    if note.is_empty() { String::new() } else { format!(", {note}") }
}

fn time_left(elapsed: Duration, done: u64, total: u64) -> String {
    if done == 0 {
        return "time left unknown".to_owned();
    }
    let left = elapsed.as_secs_f64() * (total.saturating_sub(done)) as f64 / done as f64;
    format!("{left:.0} s left")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_proportional() {
        assert_eq!(time_left(Duration::from_secs(10), 25, 100), "30 s left");
        assert_eq!(time_left(Duration::from_secs(10), 0, 100), "time left unknown");
        assert_eq!(time_left(Duration::from_secs(10), 200, 100), "0 s left");
    }
}
