//! What a command may take, who may stop it, and what its end then means.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::lines::Tail;
use super::{Exit, Outcome, TransportError};

/// What a command may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits<'a> {
    /// Longest silence on both outputs.
    pub inactivity: Duration,
    /// Longest time from start to end.
    pub total: Duration,
    /// Longest line in bytes; of a longer one the beginning is delivered, marked as truncated.
    pub line_bytes: usize,
    /// How much of the end of standard error is kept, in bytes.
    pub stderr_bytes: usize,
    /// Set from elsewhere (Ctrl-C) to stop the command.
    pub stop: Option<&'a AtomicBool>,
}

impl Default for Limits<'_> {
    /// Five minutes of silence, a day in all, lines of 1 MiB.
    fn default() -> Self {
        Self {
            inactivity: Duration::from_secs(300),
            total: Duration::from_secs(86_400),
            line_bytes: 1 << 20,
            stderr_bytes: 16 << 10,
            stop: None,
        }
    }
}

impl<'a> Limits<'a> {
    pub(crate) fn stop_requested(&self) -> bool {
        is_set(self.stop)
    }

    /// The error of a program that came to a limit: the silence, or the whole time.
    pub(super) fn reached(&self, limit: Limit, target: &str, program: &str, stderr: &Tail) -> TransportError {
        let (target, program, stderr) = (target.to_owned(), program.to_owned(), stderr.for_message());
        match limit {
            Limit::Inactivity => {
                TransportError::Inactive { target, program, seconds: self.inactivity.as_secs(), stderr }
            }
            Limit::Total => TransportError::TimeLimit { target, program, seconds: self.total.as_secs(), stderr },
        }
    }

    /// With the transport's own wish to stop where the caller has none.
    pub(super) fn or_stop(&self, stop: Option<&'a AtomicBool>) -> Self {
        Self { stop: self.stop.or(stop), ..*self }
    }
}

/// Which limit ended a command.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    Inactivity,
    Total,
}

pub(super) fn is_set(stop: Option<&AtomicBool>) -> bool {
    stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
}

/// What a command that was stopped means: an interruption where the transport's user asked for one.
pub(super) fn unless_interrupted(
    target: &str,
    outcome: Outcome,
    stop: Option<&AtomicBool>,
) -> Result<Outcome, TransportError> {
    if outcome.exit == Exit::Stopped && is_set(stop) {
        return Err(TransportError::Interrupted { target: target.to_owned() });
    }
    Ok(outcome)
}
