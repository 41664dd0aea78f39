//! What may stand in the agent's answer to a job of one model, line by line.
//!
//! A target may be broken or hostile: at most three lines are taken, in their order, each of bounded
//! length, and every number is looked at.

use std::ops::ControlFlow;
use std::time::Instant;

use zen_agent::{Block, Greeting, MAX_NODES, NodesBlock, PROTOCOL, RUNTIME, Record};

use crate::profile::transport::{Line, printable};

/// A target's wall clock may run ahead of ours by this share and these milliseconds.
const AHEAD: (f64, f64) = (1.05, 50.0);

/// Longest greeting in bytes: it is read as a tree first, which takes many times its size.
const MAX_GREETING_BYTES: usize = 64 << 10;

/// What was asked for.
pub(super) struct Asked<'a> {
    /// Name of the model, and whether its parts are wanted; none for a greeting only.
    pub model: Option<(&'a str, bool)>,
    pub max_samples: u32,
}

pub(super) enum Samples {
    Block(Block),
    Parts(NodesBlock),
}

/// Why an answer is not read on.
#[derive(Debug, PartialEq)]
pub(super) enum Problem {
    OtherProtocol(u64),
    Nonsense(String),
}

/// What was read so far.
pub(super) struct Answer {
    started: Instant,
    pub greeting: Option<Greeting>,
    /// With the largest disagreement of clocks in milliseconds.
    pub measured: Option<(Samples, f64)>,
    /// The target's reason why the model cannot be timed.
    pub failure: Option<String>,
    /// Whether the time limit came first.
    pub end: Option<bool>,
    pub problem: Option<Problem>,
}

impl Answer {
    pub fn new() -> Self {
        Self { started: Instant::now(), greeting: None, measured: None, failure: None, end: None, problem: None }
    }

    /// Takes a line, or stops at a [`Problem`].
    pub fn line(&mut self, line: Line<'_>, asked: &Asked<'_>) -> ControlFlow<()> {
        match self.take(line, asked) {
            Ok(()) => ControlFlow::Continue(()),
            Err(problem) => {
                self.problem = Some(problem);
                ControlFlow::Break(())
            }
        }
    }

    fn take(&mut self, line: Line<'_>, asked: &Asked<'_>) -> Result<(), Problem> {
        if line.truncated {
            return nonsense(format!("a line is longer than {} bytes", line.text.len()));
        }
        let Some(_) = &self.greeting else {
            self.greeting = Some(greeting(line.text)?);
            return Ok(());
        };
        let record: Record = serde_json::from_str(line.text).map_err(|error| unreadable(line.text, &error))?;
        let answered = self.measured.is_some() || self.failure.is_some();
        match (record, asked.model) {
            _ if self.end.is_some() => nonsense("a record comes after the end".to_owned()),
            (Record::End { time_limit_reached, .. }, model) => {
                if model.is_some() && !answered && !time_limit_reached {
                    return nonsense("it ends without a word about the model".to_owned());
                }
                self.end = Some(time_limit_reached);
                Ok(())
            }
            (Record::Hello(_), _) => nonsense("it greets twice".to_owned()),
            (_, None) => nonsense("it measured without being asked".to_owned()),
            _ if answered => nonsense("it measured twice".to_owned()),
            (Record::Failure { model, reason }, Some((name, _))) => {
                check_name(&model, name)?;
                self.failure = Some(printable(&reason));
                Ok(())
            }
            (Record::Block { model, block: 0, samples, clock_jump_ms }, Some((name, false))) => {
                check_name(&model, name)?;
                check_samples(&samples.cpu_ms, asked.max_samples)?;
                check_samples(&samples.wall_ms, samples.cpu_ms.len() as u32)?;
                let wall_ms = samples.wall_ms.iter().sum::<f64>() * f64::from(samples.calls_per_sample);
                let jump_ms = self.jump_ms(clock_jump_ms, wall_ms)?;
                self.measured = Some((Samples::Block(samples), jump_ms));
                Ok(())
            }
            (Record::Parts { model, block: 0, samples, clock_jump_ms }, Some((name, true))) => {
                check_name(&model, name)?;
                check_samples(&samples.whole_ms, asked.max_samples)?;
                if samples.nodes.is_empty() || samples.nodes.len() > MAX_NODES {
                    return nonsense(format!("it has {} nodes, from 1 to {MAX_NODES} are taken", samples.nodes.len()));
                }
                let calls = samples.whole_ms.len();
                for node in &samples.nodes {
                    check_samples(&node.ms, calls as u32)?;
                    if node.ms.len() != calls {
                        return nonsense(format!("a node has {} samples of {calls} calls", node.ms.len()));
                    }
                }
                let jump_ms = self.jump_ms(clock_jump_ms, samples.whole_ms.iter().sum())?;
                self.measured = Some((Samples::Parts(samples), jump_ms));
                Ok(())
            }
            (Record::Block { .. } | Record::Parts { .. }, _) => {
                nonsense("it measured something else than it was asked for".to_owned())
            }
        }
    }

    /// The largest disagreement of clocks, ours included: what was measured cannot have lasted
    /// longer than the run.
    fn jump_ms(&self, told_ms: f64, measured_ms: f64) -> Result<f64, Problem> {
        if !(told_ms >= 0.0 && told_ms.is_finite()) {
            return nonsense(format!("clocks that disagree by {told_ms} ms"));
        }
        let passed_ms = self.started.elapsed().as_secs_f64() * 1e3;
        Ok(told_ms.max(measured_ms - passed_ms * AHEAD.0 - AHEAD.1))
    }
}

fn nonsense<T>(reason: String) -> Result<T, Problem> {
    Err(Problem::Nonsense(reason))
}

fn unreadable(line: &str, error: &serde_json::Error) -> Problem {
    let start: String = printable(line).chars().take(80).collect();
    Problem::Nonsense(format!("a line is no record of the protocol ({}): {start}", printable(&error.to_string())))
}

/// The greeting; its protocol is looked at first, as another one may have other fields.
fn greeting(line: &str) -> Result<Greeting, Problem> {
    if line.len() > MAX_GREETING_BYTES {
        return nonsense(format!("the greeting is longer than {MAX_GREETING_BYTES} bytes"));
    }
    let value: serde_json::Value = serde_json::from_str(line).map_err(|error| unreadable(line, &error))?;
    match value.get("protocol").and_then(serde_json::Value::as_u64) {
        Some(protocol) if protocol == u64::from(PROTOCOL) => {}
        Some(protocol) => return Err(Problem::OtherProtocol(protocol)),
        None => return nonsense("it does not begin with a greeting".to_owned()),
    }
    match serde_json::from_value(value).map_err(|error| unreadable(line, &error))? {
        Record::Hello(greeting) if greeting.runtime != RUNTIME => {
            nonsense(format!("it runs {}, not {RUNTIME}", printable(&greeting.runtime)))
        }
        Record::Hello(greeting) if greeting.machine.cpu.trim().is_empty() => {
            nonsense("its processor has no name".to_owned())
        }
        Record::Hello(greeting) => Ok(greeting),
        _ => nonsense("it does not begin with a greeting".to_owned()),
    }
}

fn check_name(model: &str, asked: &str) -> Result<(), Problem> {
    if model == asked { Ok(()) } else { nonsense(format!("it is about another model: {}", printable(model))) }
}

fn check_samples(samples: &[f64], max: u32) -> Result<(), Problem> {
    if samples.is_empty() || samples.len() > max as usize {
        return nonsense(format!("{} samples, from 1 to {max} are taken", samples.len()));
    }
    match samples.iter().find(|ms| !(ms.is_finite() && **ms >= 0.0)) {
        Some(ms) => nonsense(format!("a time of {ms} ms")),
        None => Ok(()),
    }
}
