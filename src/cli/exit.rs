//! Exit codes, the same for all binaries.

use std::error::Error;
use std::process::ExitCode;

use super::InputError;
use super::json::{FailureJson, NearestJson};
use crate::latency::LatencyError;
use crate::litert::LitertError;
use crate::names::UnknownName;
use crate::net::{LowerError, StructureError};
use crate::onnx::OnnxError;
use crate::onnx::import::ImportError;
use crate::profile::ProfileError;
use crate::report::ReportError;
use crate::score::ComputeError;
use crate::search::SearchError;
use crate::space::SpaceError;

/// How a program ended; the numbers are part of the public interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything that was asked for is done.
    Done = 0,
    /// Something that is not the user's fault.
    Unexpected = 1,
    /// The command line is wrong.
    Usage = 2,
    /// A structure, file, name or number is wrong.
    BadInput = 3,
    /// The device cannot be reached or was lost; what was measured is kept.
    DeviceUnreachable = 4,
    /// Some operators or inputs failed, the others are done.
    Partial = 5,
    /// No network within the budgets was found.
    BudgetsUnmet = 6,
    /// A network is over a budget or its baseline.
    LimitBroken = 7,
    /// Stopped by Ctrl-C or a signal; can be continued.
    Interrupted = 130,
}

impl Exit {
    /// Every code with its meaning, for `--help` and the reference page.
    pub const ALL: [(Exit, &'static str); 9] = [
        (Exit::Done, "done"),
        (Exit::Unexpected, "an unexpected failure"),
        (Exit::Usage, "wrong command line"),
        (Exit::BadInput, "wrong input: a structure, file, name or number"),
        (Exit::DeviceUnreachable, "device not reachable or lost; what was measured is kept"),
        (Exit::Partial, "partly done: some operators or inputs failed"),
        (Exit::BudgetsUnmet, "no network within the budgets"),
        (Exit::LimitBroken, "a network given is over a budget, or above the baseline"),
        (Exit::Interrupted, "interrupted; can be continued"),
    ];

    /// The number that the shell sees.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// One word for programs, part of the public interface as the number is.
    pub fn reason(self) -> &'static str {
        match self {
            Exit::Done => "done",
            Exit::Unexpected => "unexpected",
            Exit::Usage => "usage",
            Exit::BadInput => "bad-input",
            Exit::DeviceUnreachable => "device-unreachable",
            Exit::Partial => "partial",
            Exit::BudgetsUnmet => "budgets-unmet",
            Exit::LimitBroken => "limit-broken",
            Exit::Interrupted => "interrupted",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

/// The exit code for an error of the library.
pub fn exit_of(error: &(dyn Error + 'static)) -> Exit {
    if let Some(SearchError::BudgetsUnmet { .. }) = error.downcast_ref() {
        return Exit::BudgetsUnmet;
    }
    match error.downcast_ref() {
        Some(
            ProfileError::Lost(_)
            | ProfileError::NotReachable { .. }
            | ProfileError::Unfit { .. }
            | ProfileError::NoRuntime { .. },
        ) => {
            return Exit::DeviceUnreachable;
        }
        Some(ProfileError::Interrupted) => return Exit::Interrupted,
        Some(_) => return Exit::BadInput,
        None => {}
    }
    let bad_input = error.is::<SearchError>()
        || error.is::<StructureError>()
        || error.is::<LowerError>()
        || error.is::<LatencyError>()
        || error.is::<OnnxError>()
        || error.is::<ImportError>()
        || error.is::<LitertError>()
        || error.is::<ReportError>()
        || error.is::<ComputeError>()
        || error.is::<SpaceError>()
        || error.is::<UnknownName>()
        || error.is::<InputError>()
        || error.is::<std::io::Error>();
    if bad_input { Exit::BadInput } else { Exit::Unexpected }
}

/// Prints an error to stderr with its causes, and gives the code to end with.
pub fn finish(result: anyhow::Result<Exit>) -> ExitCode {
    finish_telling(result, |_| ())
}

/// The same, with what a program may read of the failure: `reason`, `message`, and where no network was within the
/// budgets the nearest one.
pub fn finish_telling(result: anyhow::Result<Exit>, tell: impl FnOnce(&FailureJson<'_>)) -> ExitCode {
    let exit = result.unwrap_or_else(|error| {
        let message = with_causes(&error);
        eprintln!("error: {message}");
        let known = error.chain().map(exit_of).find(|exit| *exit != Exit::Unexpected);
        let exit = known.unwrap_or(Exit::Unexpected);
        let nearest = match error.downcast_ref() {
            Some(SearchError::BudgetsUnmet { cheapest, uses, off_rails, .. }) => {
                Some(NearestJson { structure: cheapest, budgets: uses, off_rails })
            }
            _ => None,
        };
        tell(&FailureJson { reason: exit.reason(), message: &message, nearest });
        exit
    });
    exit.into()
}

/// An error and its causes; a cause that the text before it quotes already is not repeated.
fn with_causes(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// The codes as the last part of `--help`.
pub fn exit_help() -> String {
    let lines = Exit::ALL.map(|(exit, meaning)| format!("  {:>3}  {meaning}", exit.code()));
    format!("Exit codes:\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_stable() {
        assert_eq!(Exit::ALL.map(|(exit, _)| exit.code()), [0, 1, 2, 3, 4, 5, 6, 7, 130]);
        let words = Exit::ALL.map(|(exit, _)| exit.reason());
        assert!(words.iter().all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')));
        assert_eq!(words[6], "budgets-unmet");
    }

    #[test]
    fn programs_are_told_of_the_nearest_network() {
        let uses = Vec::new();
        let cheapest = "SuperConvK3BNRELU(3,8,1,1)".to_owned();
        let error = SearchError::BudgetsUnmet { cheapest, uses, off_rails: Vec::new(), without_rails: None };
        let mut told = serde_json::Value::Null;
        finish_telling(Err(error.into()), |failure| told = serde_json::to_value(failure).unwrap());
        assert_eq!(told["reason"], "budgets-unmet");
        assert!(told["message"].as_str().unwrap().starts_with("no network within the budgets"));
        assert_eq!(told["nearest"]["structure"], "SuperConvK3BNRELU(3,8,1,1)");
        finish_telling(Ok(Exit::Done), |_| panic!("nothing failed"));
    }

    #[test]
    fn a_lost_device_is_no_bad_input() {
        assert_eq!(exit_of(&ProfileError::Lost("cable".to_owned())), Exit::DeviceUnreachable);
        let out_of_range = ProfileError::OutOfRange { name: "x", value: "0".to_owned(), from: 1, to: 2 };
        assert_eq!(exit_of(&out_of_range), Exit::BadInput);
    }
}
