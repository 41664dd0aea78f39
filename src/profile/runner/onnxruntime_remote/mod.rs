//! onnxruntime on another machine, through its Python: one script of ours is pushed and answers jobs.
//!
//! On one thread of a processor it times nodes inside networks, by the method of the local runner; with
//! more threads or another provider only whole calls, and operators by their differences. The
//! script starts anew for every job, so it takes several blocks at once and they are handed out one by one.

mod parts;
mod records;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use zen_agent::{Limits, Scope};

use self::parts::{NodeCost, parts_of};
use self::records::{Answered, BadAnswer, Hello, Job, JobModel, Measure, NodeBlock, PROTOCOL, Taken};
use super::target::{Answer, Target};
use super::{Difference, Parts, RemoteEntry, RemoteOptions, Runner, RunnerAbout, RunnerError, Subject};
use crate::latency::Precision;
use crate::onnx::activation_chain_model;
use crate::profile::transport::{Exit, Transport};
use crate::stats::median;

pub(super) const ENTRY: RemoteEntry = RemoteEntry {
    name: "onnxruntime",
    about: "onnxruntime through the Python there (providers cpu, cuda, tensorrt); needs the packages onnxruntime and numpy",
    open,
};

const SCRIPT: &str = include_str!("../../../../profilers/onnxruntime/zen_onnxruntime.py");
const SCRIPT_NAME: &str = "zen_onnxruntime.py";
const JOB_NAME: &str = "job.json";

/// Blocks of one model that are taken at once, as many as a network is given at least.
const BLOCKS_AHEAD: usize = 4;
/// Nodes of the chain that shows what recording costs; a second one is twice as long.
const CHAIN_NODES: u32 = 64;
/// Time for each block; TensorRT builds an engine first.
const BLOCK_TIME: Duration = Duration::from_secs(90);
const ENGINE_TIME: Duration = Duration::from_secs(900);
/// The script ends by itself; this is for machines on which it does not.
const MARGIN: Duration = Duration::from_secs(60);
/// Largest answer.
const MAX_ANSWER_BYTES: usize = 64 << 20;

struct RemoteOnnxRuntime {
    target: Target,
    options: RemoteOptions,
    /// The script's command line but for the job.
    command: Vec<String>,
    hello: Hello,
    cost: NodeCost,
    block_time: Duration,
    /// Blocks that were taken and not asked for yet.
    ahead: Option<Ahead>,
}

struct Ahead {
    model: Vec<u8>,
    measure: Measure,
    limits: Limits,
    blocks: VecDeque<Taken>,
}

/// What of which model, and how many blocks of it.
type Ask<'a> = (&'a [u8], Measure, usize);

fn open(transport: Box<dyn Transport>, options: &RemoteOptions) -> Result<Box<dyn Runner>, RunnerError> {
    let runner = RemoteOnnxRuntime::open(transport, options)?;
    if runner.times_parts() { Ok(Box::new(runner)) } else { Ok(Box::new(Difference::new(Box::new(runner)))) }
}

impl RemoteOnnxRuntime {
    fn open(transport: Box<dyn Transport>, options: &RemoteOptions) -> Result<Self, RunnerError> {
        let provider = options.provider.as_deref().unwrap_or("cpu");
        let precision = options.precision;
        if precision != Precision::Fp32 && (precision, provider) != (Precision::Fp16, "tensorrt") {
            return Err(RunnerError::Model(format!(
                "onnxruntime times models as they are, in fp32, not in {precision} with the provider {provider}: fp16 \
                 takes the provider tensorrt, int8 the runtime tensorrt"
            )));
        }
        let mut target = Target::new(transport);
        let script = target.put(SCRIPT_NAME, SCRIPT.as_bytes())?;
        let threads = options.threads.to_string();
        let mut command: Vec<String> =
            [&options.python, &script, "--provider", provider, "--precision", precision.name(), "--threads", &threads]
                .map(str::to_owned)
                .to_vec();
        command.extend(options.cores.iter().flat_map(|mask| ["--cores".to_owned(), mask.clone()]));
        let job = Job { protocol: PROTOCOL, time_limit_s: 0.0, limits: &Limits::default(), models: Vec::new() };
        let hello = answer(&mut target, &command, "--check", &job, BLOCK_TIME)?.hello;
        if hello.provider != provider {
            let reason = format!("the provider asked for is {provider}, but the script uses {}", hello.provider);
            return Err(RunnerError::Lost(reason));
        }
        let block_time = if provider == "tensorrt" { ENGINE_TIME } else { BLOCK_TIME };
        let (options, cost) = (options.clone(), NodeCost::default());
        let mut runner = Self { target, options, command, hello, cost, block_time, ahead: None };
        if runner.times_parts() {
            runner.cost = runner.node_cost()?;
        }
        Ok(runner)
    }

    fn is_cpu(&self) -> bool {
        self.hello.provider == "cpu"
    }

    /// Measures what a node of a chain of small ones adds to a call, and how much longer the same
    /// node is on record.
    fn node_cost(&mut self) -> Result<NodeCost, RunnerError> {
        let limits = Limits { min_samples: 40, max_samples: 40, block_ms: 0.0, ..Limits::default() };
        let chain = |nodes| activation_chain_model(nodes).map_err(|error| RunnerError::Model(error.to_string()));
        let (short, long) = (chain(CHAIN_NODES)?, chain(2 * CHAIN_NODES)?);
        let asked = [(short.as_slice(), Measure::Whole, 1), (&long, Measure::Whole, 1), (&short, Measure::Nodes, 1)];
        let mut taken = self.job(&asked, &limits)?.into_iter().flatten();
        let mut next_whole = || taken.next().map(whole_samples).transpose().map(|found| found.unwrap_or_default());
        let [short_ms, long_ms] = [next_whole()?, next_whole()?].map(|samples| median(&samples).unwrap_or(0.0));
        let least_ms = ((long_ms - short_ms) / CHAIN_NODES as f64).max(0.0);
        let block = taken.next().map(node_samples).transpose()?;
        let parts = block.map(|block| parts_of(&block, &|_| Some(0), 1, &NodeCost::default()));
        let parts = parts.transpose().map_err(RunnerError::Model)?.unwrap_or_default();
        let recorded_ms = parts.parts_ms.first().and_then(|samples| median(samples)).unwrap_or(0.0);
        Ok(NodeCost { recording_ms: (recorded_ms / CHAIN_NODES as f64 - least_ms).max(0.0), least_ms })
    }

    /// Runs one job; returns the blocks of each model.
    fn job(&mut self, asked: &[Ask<'_>], limits: &Limits) -> Result<Vec<Vec<Taken>>, RunnerError> {
        limits.check().map_err(|error| RunnerError::Model(error.to_string()))?;
        let mut known: Vec<&[u8]> = Vec::new();
        let mut models = Vec::with_capacity(asked.len());
        for (index, (model, measure, blocks)) in asked.iter().enumerate() {
            let slot = known.iter().position(|known| known == model).unwrap_or_else(|| {
                known.push(model);
                known.len() - 1
            });
            self.target.put_model(slot, model)?;
            let path = Target::model_name(slot);
            models.push(JobModel { name: index.to_string(), path, measure: *measure, blocks: *blocks });
        }
        let time = self.block_time * asked.iter().map(|(.., blocks)| *blocks as u32).sum();
        let job = Job { protocol: PROTOCOL, time_limit_s: time.as_secs_f64(), limits, models };
        let text = serde_json::to_vec(&job).map_err(|error| RunnerError::Model(error.to_string()))?;
        let path = self.target.put(JOB_NAME, &text)?;
        let Answered { hello, models, time_limit_reached } =
            answer(&mut self.target, &self.command, &path, &job, time + MARGIN)?;
        if hello != self.hello {
            let reason = format!("{} is another machine or has another onnxruntime than before", self.target.name());
            return Err(RunnerError::Lost(reason));
        }
        let models = models.into_iter().collect::<Result<Vec<_>, _>>().map_err(RunnerError::Model)?;
        if time_limit_reached && models.iter().any(Vec::is_empty) {
            return Err(RunnerError::Model(format!("it took longer than the {} s there were", time.as_secs())));
        }
        Ok(models)
    }

    /// One block, from those taken ahead where they are of the same model.
    fn take(&mut self, model: &[u8], measure: Measure, limits: &Limits) -> Result<Taken, RunnerError> {
        let same = |ahead: &&mut Ahead| ahead.model == model && ahead.measure == measure && ahead.limits == *limits;
        if let Some(block) = self.ahead.as_mut().filter(same).and_then(|ahead| ahead.blocks.pop_front()) {
            return Ok(block);
        }
        self.ahead = None;
        let mut blocks: VecDeque<_> =
            self.job(&[(model, measure, BLOCKS_AHEAD)], limits)?.into_iter().flatten().collect();
        let first = blocks.pop_front().ok_or_else(|| RunnerError::Model("no block was taken".to_owned()))?;
        self.ahead = Some(Ahead { model: model.to_vec(), measure, limits: limits.clone(), blocks });
        Ok(first)
    }
}

/// Runs the script and reads its answer.
fn answer(
    target: &mut Target,
    command: &[String],
    last: &str,
    job: &Job<'_>,
    limit: Duration,
) -> Result<Answered, RunnerError> {
    let argv: Vec<&str> = command.iter().map(String::as_str).chain([last]).collect();
    let answer = target.run(&argv, limit, MAX_ANSWER_BYTES)?;
    match records::read(&answer.lines, job) {
        Ok(answered) => {
            target.worked();
            Ok(answered)
        }
        Err(BadAnswer::Refused(reason)) => Err(RunnerError::Lost(format!("{}: {reason}", target.name()))),
        Err(BadAnswer::Broken(problem)) => match answer.outcome.exit {
            Exit::Code(126 | 127) => Err(RunnerError::Lost(no_python(target, &command[0], &answer))),
            _ => {
                let (ending, words) = (answer.ending(), answer.last_words());
                Err(target.strike(format!("the answer of onnxruntime's script: {problem}; it {ending}: {words}")))
            }
        },
    }
}

fn no_python(target: &Target, python: &str, answer: &Answer) -> String {
    format!(
        "{} has no Python called `{python}` ({}): install Python 3 with the packages onnxruntime and numpy, or name the \
         interpreter that has them",
        target.name(),
        answer.last_words()
    )
}

fn whole_samples(taken: Taken) -> Result<Vec<f64>, RunnerError> {
    match taken {
        Taken::Whole(samples) => Ok(samples),
        Taken::Nodes(_) => Err(RunnerError::Model("nodes were timed, not whole calls".to_owned())),
    }
}

fn node_samples(taken: Taken) -> Result<NodeBlock, RunnerError> {
    match taken {
        Taken::Nodes(block) => Ok(block),
        Taken::Whole(_) => Err(RunnerError::Model("whole calls were timed, not nodes".to_owned())),
    }
}

impl Runner for RemoteOnnxRuntime {
    fn about(&self) -> RunnerAbout {
        let Hello { machine, gpu, provider, .. } = &self.hello;
        // Its driver stands behind a comma.
        let gpu_name = gpu.as_deref().and_then(|gpu| gpu.split(',').next());
        let gpu = gpu.as_deref().map_or(String::new(), |gpu| format!("{gpu}; "));
        let clock = match (self.times_parts(), self.hello.clock.as_str()) {
            (true, _) => {
                "operators by onnxruntime's profiler, whole networks by processor time of the thread".to_owned()
            }
            (false, "thread-cpu") => format!("processor time of whole calls, provider {provider}"),
            (false, _) => format!("wall time of whole calls, provider {provider}"),
        };
        let Hello { python_version, numpy_version, .. } = &self.hello;
        RunnerAbout {
            // Times of another provider belong to another table.
            runtime: match provider.as_str() {
                "cuda" => "onnxruntime-cuda",
                "tensorrt" => "onnxruntime-tensorrt",
                _ => ENTRY.name,
            },
            runtime_version: self.hello.runtime_version.clone(),
            // What is emulated has a name of its own already.
            device: self.options.device_of(gpu_name.filter(|_| !self.hello.emulated)),
            host: format!(
                "{gpu}{}, {} cores, {}, at {}",
                machine.cpu,
                machine.cores,
                machine.system,
                self.target.name()
            ),
            processor: machine.processor.clone().filter(|_| self.is_cpu()),
            threads: if self.is_cpu() { self.options.threads } else { 0 },
            precision: self.options.precision,
            clock,
            conditions: format!("provider {provider}, Python {python_version}, numpy {numpy_version}"),
            emulated: self.hello.emulated,
        }
    }

    fn block(&mut self, subject: &Subject, limits: &Limits) -> Result<Vec<f64>, RunnerError> {
        match &subject.scope {
            Scope::Whole => whole_samples(self.take(&subject.model, Measure::Whole, limits)?),
            Scope::Nodes(prefix) => {
                let block = node_samples(self.take(&subject.model, Measure::Nodes, limits)?)?;
                if !block.nodes.iter().any(|name| name.starts_with(prefix)) {
                    return Err(RunnerError::Model(super::computed_elsewhere(prefix)));
                }
                let owner = |name: &str| name.starts_with(prefix).then_some(0);
                let parts = parts_of(&block, &owner, 1, &self.cost).map_err(RunnerError::Model)?;
                Ok(parts.parts_ms.into_iter().next().unwrap_or_default())
            }
        }
    }

    fn blocks(&mut self, models: &[&[u8]], name: &str, limits: &Limits) -> Result<Vec<Vec<f64>>, RunnerError> {
        let _ = name;
        let asked: Vec<Ask<'_>> = models.iter().map(|model| (*model, Measure::Whole, 1)).collect();
        self.job(&asked, limits)?.into_iter().flatten().map(whole_samples).collect()
    }

    fn transport(&mut self) -> Option<&mut dyn Transport> {
        Some(self.target.transport())
    }

    fn times_parts(&self) -> bool {
        self.is_cpu() && self.hello.clock == "thread-cpu"
    }

    fn parts(
        &mut self,
        subject: &Subject,
        owners: &dyn Fn(&str) -> Option<usize>,
        count: usize,
        limits: &Limits,
    ) -> Result<Parts, RunnerError> {
        let mut taken = self.job(&[(&subject.model, Measure::Nodes, 1)], limits)?.into_iter().flatten();
        let block = taken.next().ok_or_else(|| RunnerError::Model("no block was taken".to_owned()))?;
        parts_of(&node_samples(block)?, owners, count, &self.cost).map_err(RunnerError::Model)
    }
}
