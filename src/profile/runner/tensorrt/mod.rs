//! TensorRT, through its program `trtexec`: one engine a model, whole calls on the
//! GPU without copies, while `nvidia-smi` watches the clocks.
//!
//! A block is one run of the loaded engine. One during which the GPU throttled is taken again after a
//! pause, and in the end refused: its times are of other clocks. Operators are timed as networks of
//! their own: TensorRT fuses across the borders of operators, so no layer of a network is theirs.

mod gpu;
mod output;
#[cfg(test)]
mod tests;

use std::time::Duration;

use zen_agent::{Limits, Scope};

use self::gpu::{GpuState, QUERIES};
use self::output::{Banner, banner, complaints, layers, passed, times};
use super::target::{Answer, Target};
use super::{OperatorForm, Runner, RunnerAbout, RunnerEntry, RunnerError, RunnerOptions, Subject};
use crate::latency::Precision;
use crate::onnx::activation_chain_model;
use crate::profile::transport::{Exit, Transport};
use crate::stats::median;

pub(super) const ENTRY: RunnerEntry = RunnerEntry {
    name: "tensorrt",
    about: "TensorRT through its trtexec, on an NVIDIA GPU; fp32, fp16 or int8",
    open: |transport, options| Ok(Box::new(TensorRt::open(transport, options, COOL_DOWN)?)),
};

/// Files in the private folder.
const ENGINE: &str = "engine.plan";
const TIMES: &str = "times.json";
const PROFILE: &str = "profile.json";
const GPU_LOG: &str = "gpu.csv";

/// Runs a program while the GPU is watched: `$1` is what to ask for (nothing where there is no
/// `nvidia-smi`), the rest is the program's command line. Files of an earlier run go first, so that none
/// is taken for this run's. The text is fixed; nothing is written into it.
const WATCHED: &str = r#"
rm -f times.json profile.json gpu.csv
query=$1
shift
if [ -n "$query" ]; then
    nvidia-smi "--query-gpu=$query" --id=0 --format=csv,noheader,nounits --loop-ms=100 >gpu.csv 2>/dev/null &
    watcher=$!
fi
"$@"
code=$?
if [ -n "$query" ]; then
    kill "$watcher" 2>/dev/null
    wait "$watcher" 2>/dev/null
    nvidia-smi "--query-gpu=$query" --id=0 --format=csv,noheader,nounits >>gpu.csv 2>/dev/null
fi
exit "$code"
"#;

/// Calls whose median is one sample.
const CALLS_PER_SAMPLE: usize = 10;
/// Most samples of a block.
const MAX_SAMPLES: usize = 100;
/// Times a block is taken until the GPU does not throttle.
const MAX_TRIES: u32 = 4;
/// Pause before the second time; twice as long before each further one.
const COOL_DOWN: Duration = Duration::from_secs(2);
const BUILD_TIME: Duration = Duration::from_secs(900);
const RUN_TIME: Duration = Duration::from_secs(300);
const SHORT_TIME: Duration = Duration::from_secs(60);
/// Most of what a program prints or a file holds.
const MAX_BYTES: usize = 16 << 20;

struct TensorRt {
    target: Target,
    options: RunnerOptions,
    banner: Banner,
    /// What `nvidia-smi` there can be asked for; empty where it is missing.
    query: &'static str,
    gpu: GpuState,
    cool_down: Duration,
}

impl TensorRt {
    fn open(transport: Box<dyn Transport>, options: &RunnerOptions, cool_down: Duration) -> Result<Self, RunnerError> {
        let mut target = Target::new(transport);
        let (query, gpu) = find_query(&mut target)?;
        let banner = Banner { version: String::new(), emulated: false };
        let mut runner = Self { target, options: options.clone(), banner, query, gpu, cool_down };
        // A small model shows whether all of it works before anything is measured.
        let probe = activation_chain_model(1).map_err(|error| RunnerError::Model(error.to_string()))?;
        runner.banner = runner.build(&probe)?;
        runner.run_engine(CALLS_PER_SAMPLE)?;
        Ok(runner)
    }

    /// Builds the engine of a model, unless it is the one that lies there.
    fn build(&mut self, model: &[u8]) -> Result<Banner, RunnerError> {
        if !self.target.put_model(0, model)? {
            return Ok(self.banner.clone());
        }
        let built = self.build_put_model();
        if built.is_err() {
            // Whatever engine lies there is not this model's.
            self.target.forget_model(0);
        }
        built
    }

    fn build_put_model(&mut self) -> Result<Banner, RunnerError> {
        let [onnx, engine] = [format!("--onnx={}", Target::model_name(0)), format!("--saveEngine={ENGINE}")];
        let precision = match self.options.precision {
            // fp32 is to mean fp32.
            Precision::Fp32 => "--noTF32",
            Precision::Fp16 => "--fp16",
            Precision::Int8 => "--int8",
        };
        let argv = [&self.options.trtexec, &onnx, &engine, precision, "--skipInference"].map(str::to_owned);
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let answer = self.target.run(&argv, BUILD_TIME, MAX_BYTES)?;
        self.check(&answer, "building the engine")?;
        banner(&answer.lines).ok_or_else(|| {
            let program = &self.options.trtexec;
            RunnerError::Lost(format!("{}: {program} does not say its TensorRT version", self.target.name()))
        })
    }

    /// Runs the engine and returns the milliseconds of each call and the states of the GPU meanwhile.
    fn run_engine(&mut self, iterations: usize) -> Result<(Vec<f64>, Vec<GpuState>), RunnerError> {
        let arguments = [
            format!("--loadEngine={ENGINE}"),
            format!("--iterations={iterations}"),
            format!("--exportTimes={TIMES}"),
            format!("--exportProfile={PROFILE}"),
        ];
        let mut argv = vec!["sh", "-c", WATCHED, "watched", self.query, self.options.trtexec.as_str()];
        argv.extend(arguments.iter().map(String::as_str));
        argv.extend(["--warmUp=500", "--duration=0", "--avgRuns=1", "--useCudaGraph", "--noDataTransfers"]);
        // Without a run of its own the profile would silently keep the times from being written.
        argv.extend(["--useSpinWait", "--separateProfileRun", "--profilingVerbosity=detailed"]);
        let answer = self.target.run(&argv, RUN_TIME, MAX_BYTES)?;
        self.check(&answer, "running the engine")?;
        let calls = self.file(TIMES)?.and_then(|text| times(&text, iterations));
        let calls =
            calls.map_err(|problem| self.target.strike(format!("trtexec says that it passed, but {problem}")))?;
        let profile = self.file(PROFILE)?.and_then(|text| layers(&text, iterations));
        profile.map_err(|problem| self.target.strike(format!("trtexec says that it passed, but {problem}")))?;
        let log = if self.query.is_empty() { Ok(String::new()) } else { self.file(GPU_LOG)? };
        let states: Vec<GpuState> = log.unwrap_or_default().lines().filter_map(GpuState::parse).collect();
        self.target.worked();
        Ok((calls, states))
    }

    /// The text of a file in the private folder, or that it is not there.
    fn file(&mut self, name: &str) -> Result<Result<String, String>, RunnerError> {
        let answer = self.target.run(&["cat", name], SHORT_TIME, MAX_BYTES)?;
        let there = answer.outcome.exit.is_success();
        Ok(if there { Ok(answer.lines.join("\n")) } else { Err(format!("wrote no file {name}")) })
    }

    /// Whether trtexec did what it was asked for.
    fn check(&mut self, answer: &Answer, doing: &str) -> Result<(), RunnerError> {
        match answer.outcome.exit {
            Exit::Code(126 | 127) => Err(RunnerError::Lost(format!(
                "{} has no program `{}` ({}): it is part of TensorRT, often in /usr/src/tensorrt/bin; name it with its \
                 path if it is there",
                self.target.name(),
                self.options.trtexec,
                answer.last_words()
            ))),
            Exit::Code(0) if passed(&answer.lines) => Ok(()),
            // It says itself that it cannot: that is about the model.
            Exit::Code(_) if !complaints(&answer.lines).is_empty() => {
                Err(RunnerError::Model(super::target::quoted(&format!("{doing}: {}", complaints(&answer.lines)))))
            }
            _ => {
                let (ending, words) = (answer.ending(), answer.last_words());
                Err(self.target.strike(format!("{doing}: trtexec {ending}: {words}")))
            }
        }
    }
}

/// What `nvidia-smi` can be asked for, and its first answer; nothing where there is none.
fn find_query(target: &mut Target) -> Result<(&'static str, GpuState), RunnerError> {
    for query in QUERIES {
        let asked = format!("--query-gpu={query}");
        let argv = ["nvidia-smi", &asked, "--id=0", "--format=csv,noheader,nounits"];
        let answer = target.run(&argv, SHORT_TIME, MAX_BYTES)?;
        if let Some(gpu) = answer.lines.first().and_then(|line| GpuState::parse(line))
            && answer.outcome.exit.is_success()
        {
            return Ok((query, gpu));
        }
    }
    Ok(("", GpuState::default()))
}

/// Every reason for which the GPU throttled.
fn troubles(states: &[GpuState]) -> Vec<&'static str> {
    let mut troubles: Vec<_> = states.iter().flat_map(GpuState::troubles).collect();
    troubles.sort_unstable();
    troubles.dedup();
    troubles
}

impl Runner for TensorRt {
    fn about(&self) -> RunnerAbout {
        let Banner { version, emulated } = &self.banner;
        let name = self.gpu.name.as_deref().unwrap_or("unnamed GPU");
        let driver = self.gpu.driver.as_deref().unwrap_or("unknown");
        let emulated = *emulated || name.contains("stand-in");
        RunnerAbout {
            runtime: ENTRY.name,
            runtime_version: version.clone(),
            // What is emulated has a name of its own already.
            device: self.options.device_of(self.gpu.name.as_deref().filter(|_| !emulated)),
            host: format!("{name}, driver {driver}, at {}", self.target.name()),
            threads: 0,
            processor: None,
            precision: self.options.precision,
            clock: format!(
                "GPU compute time by trtexec, CUDA graph, no copies; each sample the median of {CALLS_PER_SAMPLE} calls"
            ),
            conditions: match self.query {
                "" => "state of the GPU unknown: no nvidia-smi that answers".to_owned(),
                _ => self.gpu.describe(),
            },
            emulated,
        }
    }

    fn transport(&mut self) -> Option<&mut dyn Transport> {
        Some(self.target.transport())
    }

    fn operator_form(&self) -> OperatorForm {
        OperatorForm::Alone
    }

    fn block(&mut self, subject: &Subject, limits: &Limits) -> Result<Vec<f64>, RunnerError> {
        limits.check().map_err(|error| RunnerError::Model(error.to_string()))?;
        if subject.scope != Scope::Whole {
            return Err(RunnerError::Model("trtexec times whole models, not nodes".to_owned()));
        }
        if self.build(&subject.model)? != self.banner {
            let reason = format!("{} has another TensorRT than before", self.target.name());
            return Err(RunnerError::Lost(reason));
        }
        let samples = (limits.max_samples as usize).min(MAX_SAMPLES);
        let mut reasons = Vec::new();
        for attempt in 0..MAX_TRIES {
            if attempt > 0 {
                std::thread::sleep(self.cool_down * 2_u32.pow(attempt - 1));
            }
            let (calls, states) = self.run_engine(samples * CALLS_PER_SAMPLE)?;
            if let Some(state) = states.last() {
                self.gpu = state.clone();
            }
            reasons = troubles(&states);
            if reasons.is_empty() {
                return Ok(calls.chunks_exact(CALLS_PER_SAMPLE).filter_map(median).take(samples).collect());
            }
        }
        Err(RunnerError::Model(format!(
            "the GPU throttled in each of {MAX_TRIES} runs ({}): lock its clocks (nvidia-smi -lgc, as root) or cool it",
            reasons.join(", ")
        )))
    }
}
