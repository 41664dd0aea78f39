//! Runtimes that the Python of a machine has: one program of ours is put there and answers jobs.
//!
//! On one thread of a processor it times nodes inside networks; with more threads or another provider only
//! whole calls, and operators by their differences. Blocks are taken several at once and handed out one by one, as
//! a program that starts anew for every job is dear to start. Adding a runtime: a module in `profilers/python/`
//! and a [`PythonRuntime`] in a file beside this folder. Not here: running the program (`link`).

mod link;
mod parts;
mod records;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use zen_agent::{Limits, Machine, Scope};

use self::link::{Link, Trouble};
use self::parts::{NodeCost, parts_of};
use self::records::{Answered, Hello, Job, JobModel, Measure, NodeBlock, PROTOCOL, Taken};
use super::target::Target;
use super::{Difference, Parts, Runner, RunnerAbout, RunnerError, RunnerOptions, Subject};
use crate::latency::Precision;
use crate::profile::transport::Transport;
use crate::stats::median;

/// A runtime for Python.
pub(super) struct PythonRuntime {
    /// As in settings, and to the program.
    pub name: &'static str,
    /// What `pip install` takes.
    pub packages: &'static str,
    /// Name and text of the program's module for it.
    pub module: (&'static str, &'static str),
    /// Its execution providers, and the runtime in settings of each: times of another provider belong to another
    /// table.
    pub providers: &'static [(&'static str, &'static str)],
    /// Whether it computes in a precision with a provider; says what does otherwise.
    pub check: fn(Precision, &str) -> Result<(), String>,
    /// A model of so many small nodes in a row.
    pub chain: fn(u32) -> Result<Vec<u8>, String>,
}

/// Blocks of one model that are taken at once, as many as a network is given at least.
const BLOCKS_AHEAD: usize = 4;
/// Nodes of the chain that shows what recording costs; a second one is twice as long.
const CHAIN_NODES: u32 = 64;
/// Time for each block; TensorRT builds an engine first.
const BLOCK_TIME: Duration = Duration::from_secs(90);
const ENGINE_TIME: Duration = Duration::from_secs(900);
/// The script ends by itself; this is for machines on which it does not.
const MARGIN: Duration = Duration::from_secs(60);

struct PythonRunner {
    link: Link,
    runtime: &'static PythonRuntime,
    options: RunnerOptions,
    hello: Hello,
    /// In the words of this program where it is this machine.
    machine: Machine,
    is_here: bool,
    cost: NodeCost,
    block_time: Duration,
    /// Blocks that were taken and not asked for yet.
    ahead: Option<Ahead>,
    /// The last model that the program died of, and how.
    given_up: Option<(Vec<u8>, String)>,
}

struct Ahead {
    model: Vec<u8>,
    measure: Measure,
    limits: Limits,
    blocks: VecDeque<Taken>,
}

/// What of which model, and how many blocks of it.
type Ask<'a> = (&'a [u8], Measure, usize);

pub(super) fn open(
    transport: Box<dyn Transport>,
    options: &RunnerOptions,
    runtime: &'static PythonRuntime,
) -> Result<Box<dyn Runner>, RunnerError> {
    let runner = PythonRunner::open(transport, options, runtime)?;
    if runner.times_parts() { Ok(Box::new(runner)) } else { Ok(Box::new(Difference::new(Box::new(runner)))) }
}

impl PythonRunner {
    fn open(
        transport: Box<dyn Transport>,
        options: &RunnerOptions,
        runtime: &'static PythonRuntime,
    ) -> Result<Self, RunnerError> {
        let provider = options.provider.as_deref().unwrap_or("cpu");
        let known: Vec<&str> = runtime.providers.iter().map(|(name, _)| *name).collect();
        if !known.contains(&provider) {
            let (name, known) = (runtime.name, known.join(", "));
            return Err(RunnerError::Model(format!("{name} has no provider {provider}; known are {known}")));
        }
        (runtime.check)(options.precision, provider).map_err(RunnerError::Model)?;
        let is_here = transport.is_here();
        let threads = options.threads.to_string();
        let mut arguments =
            vec!["--provider", provider, "--precision", options.precision.name(), "--threads", threads.as_str()];
        arguments.extend(options.cores.iter().flat_map(|mask| ["--cores", mask.as_str()]));
        let mut link = Link::open(transport, runtime, &options.python, &arguments)?;
        let hello = link.greet().map_err(Trouble::into_error)?;
        if hello.provider != provider {
            let used = &hello.provider;
            let reason = format!("the provider asked for is {provider}, but the measuring program uses {used}");
            return Err(RunnerError::Lost(reason));
        }
        let machine = if is_here { Machine::here() } else { hello.machine.clone() };
        let block_time = if provider == "tensorrt" { ENGINE_TIME } else { BLOCK_TIME };
        let (options, cost, ahead, given_up) = (options.clone(), NodeCost::default(), None, None);
        let mut runner = Self { link, runtime, options, hello, machine, is_here, cost, block_time, ahead, given_up };
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
        let chain = |nodes| (self.runtime.chain)(nodes).map_err(RunnerError::Model);
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
        if let Some((model, reason)) = &self.given_up
            && asked.iter().any(|(asked, ..)| asked == model)
        {
            return Err(RunnerError::Model(reason.clone()));
        }
        let mut known: Vec<&[u8]> = Vec::new();
        let mut models = Vec::with_capacity(asked.len());
        for (index, (model, measure, blocks)) in asked.iter().enumerate() {
            let slot = known.iter().position(|known| known == model).unwrap_or_else(|| {
                known.push(model);
                known.len() - 1
            });
            self.link.target.put_model(slot, model)?;
            let path = Target::model_name(slot);
            models.push(JobModel { name: index.to_string(), path, measure: *measure, blocks: *blocks });
        }
        let time = self.block_time * asked.iter().map(|(.., blocks)| *blocks as u32).sum();
        let job = Job { protocol: PROTOCOL, time_limit_s: time.as_secs_f64(), limits, models };
        let answered = self.link.job(&job, time + MARGIN);
        let Answered { hello, models, time_limit_reached } =
            answered.map_err(|trouble| self.give_up(trouble, &known))?;
        if hello != self.hello {
            let name = self.link.target.name();
            return Err(RunnerError::Lost(format!(
                "{name} is another machine or has another {} than before",
                self.runtime.name
            )));
        }
        let models = models.into_iter().collect::<Result<Vec<_>, _>>().map_err(RunnerError::Model)?;
        if time_limit_reached && models.iter().any(Vec::is_empty) {
            return Err(RunnerError::Model(format!("it took longer than the {} s there were", time.as_secs())));
        }
        Ok(models)
    }

    /// The error of a job without an answer. Where the program died and starts again, the model is to blame: it is
    /// not tried any more, and the machine counts as good.
    fn give_up(&mut self, trouble: Trouble, models: &[&[u8]]) -> RunnerError {
        let Trouble::Died(error) = trouble else { return trouble.into_error() };
        let starts_again = self.link.greet().is_ok_and(|hello| hello == self.hello);
        if let (true, [model], RunnerError::Model(reason)) = (starts_again, models, &error) {
            self.given_up = Some((model.to_vec(), reason.clone()));
        }
        error
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

impl Runner for PythonRunner {
    fn about(&self) -> RunnerAbout {
        let Hello { gpu, provider, .. } = &self.hello;
        let runtime = self.runtime;
        let in_settings = runtime.providers.iter().find(|(name, _)| name == provider);
        // Its driver stands behind a comma.
        let gpu_name = gpu.as_deref().and_then(|gpu| gpu.split(',').next());
        // This machine's GPU is another device than its processor, whether it tells its name or not.
        let gpu_name = gpu_name.or_else(|| (!self.is_cpu() && self.options.is_processor).then_some(""));
        let gpu = gpu.as_deref().map_or(String::new(), |gpu| format!("{gpu}; "));
        let at = if self.is_here { String::new() } else { format!(", at {}", self.link.target.name()) };
        let clock = match (self.times_parts(), self.hello.clock.as_str()) {
            (true, _) => {
                format!("operators by {}'s profiler, whole networks by processor time of the thread", runtime.name)
            }
            (false, "thread-cpu") => format!("processor time of whole calls, provider {provider}"),
            (false, _) => format!("wall time of whole calls, provider {provider}"),
        };
        let Hello { python_version, numpy_version, .. } = &self.hello;
        RunnerAbout {
            runtime: in_settings.map_or(runtime.name, |(_, name)| name),
            runtime_version: self.hello.runtime_version.clone(),
            // What is emulated has a name of its own already.
            device: self.options.device_of(gpu_name.filter(|_| !self.hello.emulated)),
            host: format!("{gpu}{}{at}", self.machine.words()),
            processor: self.machine.processor.clone().filter(|_| self.is_cpu()),
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
                    return Err(RunnerError::Model(format!(
                        "{} computes it within other nodes: no name in the optimised model starts with `{prefix}`",
                        self.runtime.name
                    )));
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
        Some(self.link.target.transport())
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
