//! onnxruntime on this machine's processor, one thread, loaded when it is first used.
//!
//! Whole calls are timed by the protocol of the agent. Nodes are timed by onnxruntime's own
//! profiler, whose resolution is a microsecond and which itself takes about two for each node: a
//! sample is the mean of several calls, and what recording adds is measured on a chain of nothing
//! but small nodes and taken off, so that the nodes of a network add up to its time.

mod events;
mod library;
mod session;
#[cfg(test)]
mod tests;

use std::ops::{Range, RangeInclusive};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;
use zen_agent::{CLOCK_WORDS, Limits, Machine, Scope, Stamp, calls_per_sample, time_calls};

use self::events::{NodeCost, Profile};
use self::library::Library;
use self::session::Model;
use super::{Parts, Runner, RunnerAbout, RunnerEntry, RunnerError, RunnerOptions, Subject};
use crate::onnx::activation_chain_model;
use crate::stats::median;

pub(super) const ENTRY: RunnerEntry = RunnerEntry {
    name: "onnxruntime",
    about: "onnxruntime on this machine's processor, one thread; needs its library (pip install onnxruntime)",
    open: |options| Ok(Box::new(OnnxRuntime::open(options)?)),
};

/// Fewest calls of a recorded sample, and most.
const RECORDED_CALLS: RangeInclusive<u32> = 4..=64;
/// A sample whose nodes took longer than this multiple of its processor time is left out: the
/// profiler counts wall time, and leaving out single events has not been enough.
const MAX_OVER_PROCESSOR_TIME: f64 = 1.05;
/// Nodes of the chain that shows what recording costs; a second one is twice as long.
const CHAIN_NODES: u32 = 64;

/// The process can hold one library and one environment.
static LOADED: Mutex<Option<(Library, Environment)>> = Mutex::new(None);

/// Loads a library, or takes the loaded one.
fn load(library: Library) -> Result<(Library, Environment), String> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((known, environment)) = &*loaded {
        if known.path != library.path {
            return Err(format!("this process uses {} already", known.path.display()));
        }
        return Ok((known.clone(), environment.clone()));
    }
    let builder = ort::init_from(&library.path).map_err(|error| error.to_string())?;
    // Its remarks about devices it looked for in vain would stand between our messages; errors
    // come back from the calls.
    let builder = builder.with_name("zen-nas").with_telemetry(false).with_logger(Arc::new(|_, _, _, _, _| ()));
    let environment = builder.build().map_err(|error| error.to_string())?;
    environment.set_log_level(LogLevel::Fatal);
    Ok(loaded.insert((library, environment)).clone())
}

struct OnnxRuntime {
    machine: Machine,
    library: Library,
    environment: Environment,
    cost: NodeCost,
    stop: Option<&'static AtomicBool>,
}

/// Calls of one instance, recorded.
struct Recorded {
    profile: Profile,
    samples: Vec<Sample>,
}

/// Calls that are one sample together.
struct Sample {
    /// Number of the sample, from 0, among all that were taken.
    number: usize,
    /// Of the first and behind the last call.
    calls: Range<usize>,
    /// Of one call, by [`zen_agent::CLOCK`], with everything that recording takes.
    cpu_ms: f64,
}

impl OnnxRuntime {
    fn open(options: &RunnerOptions) -> Result<Self, String> {
        let (library, environment) = load(library::find(options.library.as_deref())?)?;
        let (machine, cost, stop) = (Machine::here(), NodeCost::default(), options.stop);
        let mut runner = Self { machine, library, environment, cost, stop };
        runner.cost = runner.node_cost()?;
        Ok(runner)
    }

    /// Measures what a node of a chain of small ones adds to a call, and how much longer the same
    /// node is on record.
    fn node_cost(&self) -> Result<NodeCost, String> {
        let limits = Limits { min_samples: 40, max_samples: 40, block_ms: 0.0, ..Limits::default() };
        let chain = |nodes| activation_chain_model(nodes).map_err(|error| error.to_string());
        let time = |nodes| self.whole(&chain(nodes)?, &limits).map(|samples| median(&samples).unwrap_or(0.0));
        let least_ms = ((time(2 * CHAIN_NODES)? - time(CHAIN_NODES)?) / CHAIN_NODES as f64).max(0.0);
        let Recorded { profile, samples } = self.record(&chain(CHAIN_NODES)?, &limits, &mut |_| Ok(()))?;
        let owners = vec![Some(0); profile.names.len()];
        let sums = samples.iter().map(|sample| profile.sums(sample.calls.clone(), &owners, 1, &NodeCost::default())[0]);
        let recorded_ms = median(&sums.collect::<Vec<_>>()).unwrap_or(0.0) / CHAIN_NODES as f64;
        Ok(NodeCost { recording_ms: (recorded_ms - least_ms).max(0.0), least_ms })
    }

    fn go_on(&self) -> Result<(), String> {
        let stopped = self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed));
        if stopped { Err("stopped".to_owned()) } else { Ok(()) }
    }

    fn whole(&self, model: &[u8], limits: &Limits) -> Result<Vec<f64>, String> {
        let mut model = Model::load(&self.environment, model, None)?;
        Ok(time_calls(limits, || self.go_on().and_then(|()| model.call()))?.cpu_ms)
    }

    /// Records calls of a freshly loaded instance. `after_sample` is told after every sample how
    /// many calls it has.
    fn record(
        &self,
        model: &[u8],
        limits: &Limits,
        after_sample: &mut dyn FnMut(u32) -> Result<(), String>,
    ) -> Result<Recorded, String> {
        let folder = tempfile::tempdir().map_err(|error| format!("a folder for onnxruntime's profile: {error}"))?;
        let mut model = Model::load(&self.environment, model, Some(&folder.path().join("profile")))?;
        for _ in 0..limits.warm_up {
            self.go_on()?;
            model.call()?;
        }
        let stamp = Stamp::now();
        model.call()?;
        let calls = calls_per_sample(limits, stamp.elapsed()).clamp(*RECORDED_CALLS.start(), *RECORDED_CALLS.end());
        let mut called = limits.warm_up as usize + 1;
        let mut samples = Vec::new();
        let start = Stamp::now();
        for taken in 1..=limits.max_samples {
            // Whatever ran after the last sample took the caches.
            model.call()?;
            called += 1;
            let stamp = Stamp::now();
            for _ in 0..calls {
                self.go_on()?;
                model.call()?;
            }
            let cpu_ms = stamp.elapsed().cpu_ms / calls as f64;
            samples.push(Sample { number: samples.len(), calls: called..called + calls as usize, cpu_ms });
            called += calls as usize;
            after_sample(calls)?;
            if taken >= limits.min_samples && start.elapsed().wall_ms >= limits.block_ms {
                break;
            }
        }
        let path = model.end_profiling()?;
        let text = std::fs::read(&path).map_err(|error| format!("onnxruntime's profile {path}: {error}"))?;
        let profile = Profile::parse(&text)?;
        if profile.calls != called {
            return Err(format!("onnxruntime recorded {} of {called} calls", profile.calls));
        }
        let all = vec![Some(0); profile.names.len()];
        samples.retain(|Sample { calls, cpu_ms, .. }| {
            profile.sums(calls.clone(), &all, 1, &NodeCost::default())[0] <= MAX_OVER_PROCESSOR_TIME * cpu_ms
        });
        if samples.is_empty() {
            return Err("in every call some nodes waited for the processor, which onnxruntime's profiler counts: \
                        the machine is too busy"
                .to_owned());
        }
        Ok(Recorded { profile, samples })
    }

    fn nodes(&self, model: &[u8], prefix: &str, limits: &Limits) -> Result<Vec<f64>, String> {
        let Recorded { profile, samples } = self.record(model, limits, &mut |_| Ok(()))?;
        let owners: Vec<_> = profile.names.iter().map(|name| name.starts_with(prefix).then_some(0)).collect();
        if owners.iter().all(Option::is_none) {
            return Err(super::computed_elsewhere(prefix));
        }
        Ok(samples.iter().map(|sample| profile.sums(sample.calls.clone(), &owners, 1, &self.cost)[0]).collect())
    }

    fn parts_of(
        &self,
        model: &[u8],
        owners: &dyn Fn(&str) -> Option<usize>,
        count: usize,
        limits: &Limits,
    ) -> Result<Parts, String> {
        // Recording makes whole calls longer, so they are those of a second instance.
        let mut plain = Model::load(&self.environment, model, None)?;
        for _ in 0..limits.warm_up {
            plain.call()?;
        }
        let mut whole_ms = Vec::new();
        let mut time_whole = |calls: u32| {
            plain.call()?;
            let stamp = Stamp::now();
            for _ in 0..calls {
                plain.call()?;
            }
            whole_ms.push(stamp.elapsed().cpu_ms / calls as f64);
            Ok(())
        };
        let Recorded { profile, samples } = self.record(model, limits, &mut time_whole)?;
        let owners: Vec<_> = profile.names.iter().map(|name| owners(name).filter(|part| *part < count)).collect();
        let mut parts = Parts { parts_ms: vec![Vec::new(); count], unowned_ms: Vec::new(), whole_ms: Vec::new() };
        for sample in &samples {
            let sums = profile.sums(sample.calls.clone(), &owners, count, &self.cost);
            parts.whole_ms.push(whole_ms[sample.number]);
            parts.parts_ms.iter_mut().chain([&mut parts.unowned_ms]).zip(sums).for_each(|(list, ms)| list.push(ms));
        }
        Ok(parts)
    }
}

impl Runner for OnnxRuntime {
    fn about(&self) -> RunnerAbout {
        let clock = format!("operators by onnxruntime's profiler, whole networks by {CLOCK_WORDS}");
        RunnerAbout::of_thread(&self.machine, ENTRY.name, &self.library.version, clock)
    }

    fn block(&mut self, subject: &Subject, limits: &Limits) -> Result<Vec<f64>, RunnerError> {
        limits.check().map_err(|error| RunnerError::Model(error.to_string()))?;
        let samples = match &subject.scope {
            Scope::Whole => self.whole(&subject.model, limits),
            Scope::Nodes(prefix) => self.nodes(&subject.model, prefix, limits),
        };
        samples.map_err(|reason| RunnerError::of_model(reason, self.stop))
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
        limits.check().map_err(|error| RunnerError::Model(error.to_string()))?;
        let parts = self.parts_of(&subject.model, owners, count, limits);
        parts.map_err(|reason| RunnerError::of_model(reason, self.stop))
    }
}
