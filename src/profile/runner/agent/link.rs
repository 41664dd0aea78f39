//! Running the agent on the target: files there, one job after the other, why one ended.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::time::Duration;

use zen_agent::{Job, JobModel, Limits, PROTOCOL};

use super::super::{RunnerError, RunnerOptions};
use super::answer::{Answer, Asked, Problem};
use super::executable;
use crate::profile::transport::{Exit, FileMode, Limits as RunLimits, Transport, TransportError, printable};

/// The agent ends a call that hangs some seconds after its limit by itself; only a machine that hangs as a whole
/// takes longer than this share of the limit.
const GRACE_SHARE: u32 = 6;
/// Longest line of an answer: every node of a model with its name and samples.
const LINE_BYTES: usize = 8 << 20;

pub(super) const MODEL_FILE: &str = "model.onnx";
const JOB_FILE: &str = "job.json";

/// The agent on a target.
pub(super) struct Link {
    transport: Box<dyn Transport>,
    /// On this machine.
    executable: PathBuf,
    /// On the target.
    program: String,
    /// Hashes of the files that are on the target.
    files: BTreeMap<&'static str, u64>,
    hasher: RandomState,
    cores: Option<String>,
    pub subject_limit: Duration,
}

/// Why a run of the agent gave no answer.
pub(super) enum Trouble {
    /// It ended too early: another try may help.
    CutOff(String),
    Failed(RunnerError),
}

impl Link {
    /// Puts the executable on the target.
    pub fn open(mut transport: Box<dyn Transport>, options: &RunnerOptions) -> Result<Self, RunnerError> {
        let executable = executable::find(transport.as_mut(), options)?;
        let program = executable::put(transport.as_mut(), &executable)?;
        Ok(Self {
            transport,
            executable,
            program,
            files: BTreeMap::new(),
            hasher: RandomState::new(),
            cores: options.cores.clone(),
            subject_limit: options.subject_limit,
        })
    }

    pub fn target(&self) -> &str {
        self.transport.target()
    }

    pub fn transport(&mut self) -> &mut dyn Transport {
        self.transport.as_mut()
    }

    /// Puts a file that the target does not have yet; an older one of the name is replaced.
    pub fn put(&mut self, name: &'static str, content: &[u8]) -> Result<(), RunnerError> {
        let hash = self.hasher.hash_one(content);
        if self.files.get(name) != Some(&hash) {
            self.files.remove(name);
            // A machine that takes no file times nothing.
            self.transport.put(name, content, FileMode::Data).map_err(|error| RunnerError::of(&error))?;
            self.files.insert(name, hash);
        }
        Ok(())
    }

    /// Whatever ended the agent may have taken the files, too.
    pub fn forget_files(&mut self) {
        self.files.clear();
    }

    /// Runs one job to the end of its answer.
    pub fn run(&mut self, models: Vec<JobModel>, limits: &Limits, asked: &Asked<'_>) -> Result<Answer, Trouble> {
        let job = Job {
            protocol: PROTOCOL,
            time_limit_s: self.subject_limit.as_secs_f64(),
            limits: limits.clone(),
            cores: self.cores.clone(),
            models,
        };
        let job = serde_json::to_vec(&job).map_err(|error| {
            Trouble::Failed(RunnerError::Model(format!("writing the job for the zen-agent: {error}")))
        })?;
        self.put(JOB_FILE, &job).map_err(Trouble::Failed)?;
        let longest = self.subject_limit + self.subject_limit / GRACE_SHARE;
        let run_limits = RunLimits {
            inactivity: longest,
            total: longest,
            line_bytes: LINE_BYTES,
            stderr_bytes: 4096,
            ..RunLimits::default()
        };
        let mut answer = Answer::new();
        let result = self.transport.run(&[&self.program, JOB_FILE], &run_limits, &mut |line| answer.line(line, asked));
        let target = self.target();
        match answer.problem.take() {
            Some(Problem::OtherProtocol(protocol)) => {
                return Err(Trouble::Failed(RunnerError::Lost(format!(
                    "the zen-agent on {target} speaks protocol {protocol}, this program speaks {PROTOCOL}: use the agent of \
                     the same version"
                ))));
            }
            Some(Problem::Nonsense(reason)) => {
                return Err(Trouble::Failed(RunnerError::Model(format!("the answer of {target}: {reason}"))));
            }
            None => {}
        }
        let outcome = result.map_err(|error| match error {
            // Of a machine that hangs no more than this subject is known.
            TransportError::Inactive { .. } | TransportError::TimeLimit { .. } => {
                Trouble::Failed(RunnerError::Model(error.to_string()))
            }
            error => Trouble::Failed(RunnerError::of(&error)),
        })?;
        if answer.end.is_some() {
            return Ok(answer);
        }
        let message = outcome.stderr.lines().rev().find(|line| !line.trim().is_empty()).map(printable);
        let message = message.map_or_else(String::new, |message| format!(": {message}"));
        let how = match &outcome.exit {
            Exit::Code(code) => format!("ended with code {code}"),
            Exit::Signal(signal) => format!("was killed by signal {}", printable(signal)),
            Exit::Stopped => "was stopped".to_owned(),
        };
        let reason = format!("the zen-agent on {target} {how} before the end of its answer{message}");
        Err(match outcome.exit {
            Exit::Code(3) => Trouble::Failed(RunnerError::Lost(reason)),
            Exit::Code(4 | 5) => Trouble::Failed(RunnerError::Model(reason)),
            Exit::Code(126 | 127) => self.put_again(reason),
            _ => Trouble::CutOff(reason),
        })
    }

    /// A program that is gone is put once more.
    fn put_again(&mut self, reason: String) -> Trouble {
        match executable::put(self.transport.as_mut(), &self.executable) {
            Ok(program) => {
                self.program = program;
                Trouble::CutOff(reason)
            }
            Err(error) => Trouble::Failed(error),
        }
    }
}
