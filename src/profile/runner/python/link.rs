//! The measuring program on the machine: put there, asked, and read.
//!
//! Where the transport keeps programs it is started once and asked again and again; elsewhere it starts anew for
//! every job. One that died or hung is started again by the next job.

use std::time::Duration;

use zen_agent::Limits;

use super::super::RunnerError;
use super::super::target::{Answer, Target};
use super::PythonRuntime;
use super::records::{self, Answered, BadAnswer, Hello, Job, PROTOCOL};
use crate::profile::transport::{Exit, Transport};

/// Files of the program that all runtimes share; the first is what is run.
const FILES: [(&str, &str); 3] = [
    ("zen_measure.py", include_str!("../../../../profilers/python/zen_measure.py")),
    ("zen_machine.py", include_str!("../../../../profilers/python/zen_machine.py")),
    ("zen_sampling.py", include_str!("../../../../profilers/python/zen_sampling.py")),
];
pub(super) const JOB_NAME: &str = "job.json";
/// Time to start Python and load the runtime.
const START_TIME: Duration = Duration::from_secs(90);
/// Largest answer.
pub(super) const MAX_ANSWER_BYTES: usize = 64 << 20;
/// The program's exit code when a block hung.
const HUNG: i32 = 4;
/// What a shell adds to the number of the signal that ended a program.
const SIGNALLED: i32 = 128;

pub(super) struct Link {
    pub target: Target,
    runtime: &'static PythonRuntime,
    /// The command line but for what is to be done.
    command: Vec<String>,
}

/// Why there is no answer.
pub(super) enum Trouble {
    /// The program died or hung: the model may be to blame.
    Died(RunnerError),
    Failed(RunnerError),
}

impl Trouble {
    pub fn into_error(self) -> RunnerError {
        let (Self::Died(error) | Self::Failed(error)) = self;
        error
    }
}

impl Link {
    /// Puts the program on the machine.
    pub fn open(
        transport: Box<dyn Transport>,
        runtime: &'static PythonRuntime,
        python: &str,
        arguments: &[&str],
    ) -> Result<Self, RunnerError> {
        let mut target = Target::new(transport);
        let [first, others @ ..] = FILES;
        for (name, text) in others.iter().chain([&runtime.module]) {
            target.put(name, text.as_bytes())?;
        }
        let program = target.put(first.0, first.1.as_bytes())?;
        let command = [python, &program, runtime.name].into_iter().chain(arguments.iter().copied());
        Ok(Self { target, runtime, command: command.map(str::to_owned).collect() })
    }

    /// What a program that is started now says of itself.
    pub fn greet(&mut self) -> Result<Hello, Trouble> {
        let nothing = Job { protocol: PROTOCOL, time_limit_s: 0.0, limits: &Limits::default(), models: Vec::new() };
        self.target.let_go();
        self.read(None, &nothing, START_TIME).map(|answered| answered.hello)
    }

    /// Runs a job and reads its answer.
    pub fn job(&mut self, job: &Job<'_>, limit: Duration) -> Result<Answered, Trouble> {
        let text = serde_json::to_vec(job).map_err(|error| Trouble::Failed(RunnerError::Model(error.to_string())))?;
        let path = self.target.put(JOB_NAME, &text).map_err(Trouble::Failed)?;
        self.read(Some(&path), job, limit)
    }

    fn read(&mut self, path: Option<&str>, job: &Job<'_>, limit: Duration) -> Result<Answered, Trouble> {
        let answer = self.ask(path, limit).map_err(|error| match self.target.hung() {
            true => Trouble::Died(error),
            false => Trouble::Failed(error),
        })?;
        let problem = match records::read(&answer.lines, job) {
            Ok(answered) => {
                self.target.worked();
                return Ok(answered);
            }
            Err(BadAnswer::Refused(reason)) => {
                return Err(Trouble::Failed(RunnerError::Lost(format!("{}: {reason}", self.target.name()))));
            }
            Err(BadAnswer::Broken(problem)) => problem,
        };
        self.target.let_go();
        let (ending, words) = (answer.ending(), answer.last_words());
        match answer.outcome.exit {
            Exit::Code(126 | 127) => Err(Trouble::Failed(RunnerError::Lost(self.no_python(&words)))),
            Exit::Code(code) if code == HUNG || code > SIGNALLED => Err(Trouble::Died(self.died(&ending, &words))),
            Exit::Signal(_) => Err(Trouble::Died(self.died(&ending, &words))),
            _ => {
                let reason = format!("the answer of the measuring program: {problem}; it {ending}: {words}");
                Err(Trouble::Failed(self.target.strike(reason)))
            }
        }
    }

    /// Asks the program that stays, started if need be, or runs it for this alone.
    fn ask(&mut self, path: Option<&str>, limit: Duration) -> Result<Answer, RunnerError> {
        let argv = |last| -> Vec<&str> { self.command.iter().map(String::as_str).chain([last]).collect() };
        if !self.target.is_kept() {
            if !self.target.keep(&argv("--serve"))? {
                return self.target.run(&argv(path.unwrap_or("--check")), limit, MAX_ANSWER_BYTES);
            }
            let greeting = self.target.ask(None, START_TIME, MAX_ANSWER_BYTES, &records::is_end)?;
            if path.is_none() || !self.target.is_kept() {
                return Ok(greeting);
            }
        }
        self.target.ask(path, limit, MAX_ANSWER_BYTES, &records::is_end)
    }

    fn died(&mut self, ending: &str, words: &str) -> RunnerError {
        self.target.strike(format!("{} {ending} while it ran the model: {words}", self.runtime.name))
    }

    fn no_python(&self, words: &str) -> String {
        format!(
            "{} has no Python called `{}` ({words}): install Python 3, then `python3 -m pip install {}`, or name the \
             interpreter that has them (--python)",
            self.target.name(),
            self.command[0],
            self.runtime.packages
        )
    }
}
