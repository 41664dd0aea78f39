//! What `zen_measure.py` is asked and answers, checked line by line.
//!
//! Documented in `docs/reference/measuring-program.md`.

use serde::{Deserialize, Serialize};
use zen_agent::{Limits, Machine};

use super::super::target::quoted;

/// Version of jobs and records.
pub(super) const PROTOCOL: u32 = 1;
/// Most nodes of a model.
const MAX_NODES: usize = 100_000;
/// Longest text of the greeting.
const MAX_TEXT_BYTES: usize = 300;

#[derive(Debug, Serialize)]
pub(super) struct Job<'j> {
    pub protocol: u32,
    pub time_limit_s: f64,
    pub limits: &'j Limits,
    pub models: Vec<JobModel>,
}

#[derive(Debug, Serialize)]
pub(super) struct JobModel {
    pub name: String,
    pub path: String,
    pub measure: Measure,
    pub blocks: usize,
}

/// What of a model is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Measure {
    Whole,
    Nodes,
}

/// Who answers.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct Hello {
    pub protocol: u32,
    pub runtime_version: String,
    pub python_version: String,
    pub numpy_version: String,
    pub machine: Machine,
    pub gpu: Option<String>,
    pub provider: String,
    pub clock: String,
    /// Whether another processor stands behind the program's.
    pub emulated: bool,
}

impl Hello {
    fn check(&self) -> Result<(), String> {
        if self.protocol != PROTOCOL {
            return Err(format!("the measuring program speaks protocol {}, this program {PROTOCOL}", self.protocol));
        }
        let Self { runtime_version, python_version, numpy_version, machine, provider, clock, .. } = self;
        let Machine { cpu, architecture, system, .. } = machine;
        let gpu = self.gpu.as_deref().unwrap_or("-");
        for text in [runtime_version, python_version, numpy_version, cpu, architecture, system, provider, clock, gpu] {
            if text.is_empty() || text.len() > MAX_TEXT_BYTES || text.chars().any(char::is_control) {
                return Err(format!("the greeting holds {:?}", quoted(text)));
            }
        }
        Ok(())
    }
}

/// Samples of one freshly loaded instance.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Taken {
    Whole(Vec<f64>),
    Nodes(NodeBlock),
}

/// Samples of every node; all lists of samples are equally long.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct NodeBlock {
    pub nodes: Vec<String>,
    /// Milliseconds by node, then by sample.
    pub node_ms: Vec<Vec<f64>>,
    /// Of one call, with everything that recording takes.
    pub cpu_ms: Vec<f64>,
    /// Of one call of another instance that is not recorded.
    pub whole_ms: Vec<f64>,
}

#[allow(clippy::large_enum_variant)] // one greeting an answer
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Record {
    Hello(Hello),
    Block {
        model: String,
        block: usize,
        cpu_ms: Vec<f64>,
    },
    Nodes {
        model: String,
        block: usize,
        #[serde(flatten)]
        samples: NodeBlock,
    },
    Failure {
        model: String,
        reason: String,
    },
    Refusal {
        reason: String,
    },
    End {
        time_limit_reached: bool,
    },
}

/// A whole answer.
#[derive(Debug, PartialEq)]
pub(super) struct Answered {
    pub hello: Hello,
    /// In the order of the job: the blocks of a model, or why it failed.
    pub models: Vec<Result<Vec<Taken>, String>>,
    pub time_limit_reached: bool,
}

/// Why an answer is none.
#[derive(Debug, PartialEq)]
pub(super) enum BadAnswer {
    /// The script says that it cannot do this here.
    Refused(String),
    /// It does not say what it should.
    Broken(String),
}

/// Reads the answer to a job.
pub(super) fn read(lines: &[String], job: &Job<'_>) -> Result<Answered, BadAnswer> {
    let broken = |reason: String| Err(BadAnswer::Broken(reason));
    let mut models: Vec<Result<Vec<Taken>, String>> = job.models.iter().map(|_| Ok(Vec::new())).collect();
    let mut hello = None;
    for (index, line) in lines.iter().enumerate() {
        let record = match serde_json::from_str::<Record>(line) {
            Ok(record) => record,
            Err(error) => return broken(format!("line {} is no record ({error}): {}", index + 1, quoted(line))),
        };
        let (name, block, taken) = match record {
            Record::Refusal { reason } => return Err(BadAnswer::Refused(quoted(&reason))),
            Record::Hello(found) if hello.is_none() => {
                found.check().map_err(BadAnswer::Broken)?;
                hello = Some(found);
                continue;
            }
            Record::Hello(_) => return broken("it greets twice".to_owned()),
            Record::End { time_limit_reached } => {
                let Some(hello) = hello else { return broken("it ends without a greeting".to_owned()) };
                if index + 1 != lines.len() {
                    return broken("it goes on behind its end".to_owned());
                }
                let missing = job.models.iter().zip(&models).any(|(asked, found)| {
                    found.as_ref().is_ok_and(|blocks| blocks.len() != asked.blocks) && !time_limit_reached
                });
                if missing {
                    return broken("it ends before everything was timed".to_owned());
                }
                return Ok(Answered { hello, models, time_limit_reached });
            }
            Record::Failure { model, reason } => (model, None, Err(quoted(&reason))),
            Record::Block { model, block, cpu_ms } => (model, Some(block), Ok(Taken::Whole(cpu_ms))),
            Record::Nodes { model, block, samples } => (model, Some(block), Ok(Taken::Nodes(samples))),
        };
        let Some(place) = job.models.iter().position(|asked| asked.name == name).filter(|_| hello.is_some()) else {
            return broken(format!("line {} is about {:?}, which was not asked for", index + 1, quoted(&name)));
        };
        match (&mut models[place], taken) {
            (Ok(blocks), Ok(taken)) if block == Some(blocks.len()) && blocks.len() < job.models[place].blocks => {
                check_samples(&taken, job.models[place].measure, job.limits).map_err(BadAnswer::Broken)?;
                blocks.push(taken);
            }
            (found @ Ok(_), Err(reason)) => *found = Err(reason),
            _ => return broken(format!("line {} is out of order", index + 1)),
        }
    }
    broken("it was cut off: there is no end".to_owned())
}

fn check_samples(taken: &Taken, asked: Measure, limits: &Limits) -> Result<(), String> {
    let fits = |samples: &[f64], least: f64| {
        (1..=limits.max_samples as usize).contains(&samples.len())
            && samples.iter().all(|ms| ms.is_finite() && *ms >= least && *ms < 1e9)
    };
    let good = match (taken, asked) {
        (Taken::Whole(samples), Measure::Whole) => fits(samples, f64::MIN_POSITIVE),
        (Taken::Nodes(NodeBlock { nodes, node_ms, cpu_ms, whole_ms }), Measure::Nodes) => {
            nodes.len() == node_ms.len()
                && nodes.len() <= MAX_NODES
                && fits(cpu_ms, f64::MIN_POSITIVE)
                && fits(whole_ms, f64::MIN_POSITIVE)
                && node_ms.iter().chain([whole_ms]).all(|list| list.len() == cpu_ms.len() && fits(list, 0.0))
        }
        _ => return Err("it timed something else than was asked for".to_owned()),
    };
    good.then_some(()).ok_or_else(|| "its samples are not times in milliseconds".to_owned())
}

/// Whether a line ends an answer.
pub(super) fn is_end(line: &str) -> bool {
    line.len() <= MAX_TEXT_BYTES && matches!(serde_json::from_str(line), Ok(Record::End { .. }))
}
