//! tract on another machine: the zen-agent there, one job per block, over any transport.
//!
//! The agent is put into the private folder once, the model whenever it is another one, under the
//! same name, so that the folder holds one model at a time. A block is a run of the agent: a fresh
//! process with a freshly loaded model. Not here: which executable that is (`executable`), running
//! it (`link`), what may stand in an answer (`answer`).

mod answer;
mod executable;
mod link;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use zen_agent::{Greeting, JobModel, Limits, NodesBlock, RUNTIME, Scope, parse_mask};

use self::answer::{Answer, Asked, Samples};
use self::link::{Link, MODEL_FILE, Trouble};
use super::{Parts, Runner, RunnerAbout, RunnerError, RunnerOptions, Subject};
use crate::latency::Precision;
use crate::profile::transport::{Transport, printable};

pub(super) fn open(transport: Box<dyn Transport>, options: &RunnerOptions) -> Result<Box<dyn Runner>, RunnerError> {
    Ok(Box::new(Agent::open(transport, options)?))
}

/// Clocks may disagree this much in a block.
const MAX_CLOCK_JUMP_MS: f64 = 2.0;
/// Blocks in a row during which a clock jumped, before the subject is given up.
const CLOCK_ATTEMPTS: u32 = 3;

struct Agent {
    link: Link,
    device: String,
    /// The first one.
    greeting: Greeting,
}

/// Refuses what tract and the agent cannot do.
pub(super) fn check(options: &RunnerOptions) -> Result<(), RunnerError> {
    let unusable = |reason: String| Err(RunnerError::Lost(reason));
    if options.precision != Precision::Fp32 {
        return unusable(format!("tract computes in fp32 only, not in {}; choose another runtime", options.precision));
    }
    if options.threads > 1 {
        return unusable(format!("tract computes on one thread here, not on {}", options.threads));
    }
    match options.cores.as_deref().map(parse_mask) {
        Some(Err(error)) => unusable(error.to_string()),
        _ => Ok(()),
    }
}

/// Asks the agent who it is, with an empty job.
fn greet(link: &mut Link) -> Result<Greeting, RunnerError> {
    let nothing = Asked { model: None, max_samples: 0 };
    let answer = match link.run(Vec::new(), &Limits::default(), &nothing) {
        Err(Trouble::CutOff(_)) => link.run(Vec::new(), &Limits::default(), &nothing),
        other => other,
    };
    let answer = answer.map_err(|trouble| match trouble {
        Trouble::CutOff(reason) => RunnerError::Lost(format!("{reason}. {}", executable::HOW_TO_BUILD)),
        Trouble::Failed(RunnerError::Model(reason)) => RunnerError::Lost(reason),
        Trouble::Failed(error) => error,
    })?;
    answer.greeting.ok_or_else(|| RunnerError::Lost(format!("the zen-agent on {} did not greet", link.target())))
}

impl Agent {
    fn open(transport: Box<dyn Transport>, options: &RunnerOptions) -> Result<Self, RunnerError> {
        check(options)?;
        let mut link = Link::open(transport, options)?;
        let greeting = greet(&mut link)?;
        if greeting.cores != options.cores {
            let stays = greeting.cores.as_deref().map_or_else(|| "all cores".to_owned(), printable);
            return Err(RunnerError::Lost(format!(
                "the zen-agent on {} stays on {stays} in spite of its job",
                link.target()
            )));
        }
        Ok(Self { link, device: options.device.clone(), greeting })
    }

    /// Runs a job on the machine that greeted first.
    fn run(&mut self, model: JobModel, limits: &Limits, asked: &Asked<'_>) -> Result<Answer, Trouble> {
        let answer = self.link.run(vec![model], limits, asked)?;
        let first = &self.greeting;
        let is_same = |now: &Greeting| {
            (&now.machine.cpu, &now.machine.architecture) == (&first.machine.cpu, &first.machine.architecture)
                && (now.emulated, &now.runtime_version) == (first.emulated, &first.runtime_version)
        };
        match &answer.greeting {
            Some(now) if is_same(now) => Ok(answer),
            _ => Err(Trouble::Failed(RunnerError::Lost(format!(
                "another machine or agent than before answers as {}",
                self.link.target()
            )))),
        }
    }

    /// Samples of one instance: started again once where the agent was cut off, and taken again
    /// where a clock jumped.
    fn samples(&mut self, subject: &Subject, parts: bool, limits: &Limits) -> Result<Samples, RunnerError> {
        let model = JobModel {
            name: subject.name.clone(),
            path: PathBuf::from(MODEL_FILE),
            scope: if parts { Scope::Whole } else { subject.scope.clone() },
            parts,
            blocks: 1,
        };
        let asked = Asked { model: Some((&subject.name, parts)), max_samples: limits.max_samples };
        let (mut restarted, mut jumps) = (false, 0);
        loop {
            self.link.put(MODEL_FILE, &subject.model)?;
            let answer = match self.run(model.clone(), limits, &asked) {
                Ok(answer) => answer,
                Err(Trouble::CutOff(_)) if !restarted => {
                    restarted = true;
                    self.link.forget_files();
                    continue;
                }
                Err(Trouble::CutOff(reason)) => return Err(RunnerError::Model(reason)),
                Err(Trouble::Failed(error)) => return Err(error),
            };
            if let Some(reason) = answer.failure {
                return Err(RunnerError::Model(reason));
            }
            let Some((samples, jump_ms)) = answer.measured else {
                let limit_s = self.link.subject_limit.as_secs();
                let target = self.link.target();
                return Err(RunnerError::Model(format!("{target} did not begin to measure it within {limit_s} s")));
            };
            if jump_ms <= MAX_CLOCK_JUMP_MS {
                return Ok(samples);
            }
            jumps += 1;
            if jumps == CLOCK_ATTEMPTS {
                return Err(RunnerError::Model(format!(
                    "the clocks of {} jump: they disagreed by {jump_ms:.1} ms, in {jumps} blocks in a row",
                    self.link.target()
                )));
            }
        }
    }
}

impl Runner for Agent {
    fn about(&self) -> RunnerAbout {
        let Greeting { machine, clock, clock_check, emulated, cores, runtime_version, .. } = &self.greeting;
        let short = |text: &str| printable(text).chars().take(100).collect::<String>();
        let clock = if clock == "thread-cpu" { "processor time of the thread" } else { "wall time" };
        let cores = cores.as_ref().map_or_else(|| "all cores".to_owned(), |cores| format!("cores {}", short(cores)));
        RunnerAbout {
            runtime: RUNTIME,
            runtime_version: short(runtime_version),
            device: self.device.clone(),
            host: format!(
                "{}, {} cores, {}, at {}",
                short(&machine.cpu),
                machine.cores,
                short(&machine.system),
                self.link.target()
            ),
            threads: 1,
            processor: machine.processor.clone(),
            precision: Precision::Fp32,
            clock: clock.to_owned(),
            conditions: format!(
                "{cores}; the same work again took {:.1}% more or less",
                100.0 * clock_check.work_spread
            ),
            emulated: *emulated,
        }
    }

    fn block(&mut self, subject: &Subject, limits: &Limits) -> Result<Vec<f64>, RunnerError> {
        match self.samples(subject, false, limits)? {
            Samples::Block(block) => Ok(block.cpu_ms),
            Samples::Parts(_) => Err(RunnerError::Model("the agent answered with parts".to_owned())),
        }
    }

    fn transport(&mut self) -> Option<&mut dyn Transport> {
        Some(self.link.transport())
    }

    fn times_parts(&self) -> bool {
        true
    }

    fn parts(
        &mut self,
        subject: &Subject,
        owners: &dyn Fn(&str) -> Option<usize>,
        count: usize,
        limits: &Limits,
    ) -> Result<Parts, RunnerError> {
        match self.samples(subject, true, limits)? {
            Samples::Parts(block) => Ok(sums(block, owners, count)),
            Samples::Block(_) => Err(RunnerError::Model("the agent answered without parts".to_owned())),
        }
    }
}

/// Adds up the nodes of each part, call by call.
fn sums(block: NodesBlock, owners: &dyn Fn(&str) -> Option<usize>, count: usize) -> Parts {
    let none = vec![0.0; block.whole_ms.len()];
    let mut parts = Parts { parts_ms: vec![none.clone(); count], unowned_ms: none, whole_ms: block.whole_ms };
    for node in &block.nodes {
        let owner = owners(&node.name).and_then(|part| parts.parts_ms.get_mut(part));
        let samples = owner.unwrap_or(&mut parts.unowned_ms);
        samples.iter_mut().zip(&node.ms).for_each(|(sum, ms)| *sum += ms);
    }
    parts
}
