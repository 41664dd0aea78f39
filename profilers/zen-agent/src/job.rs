//! Running a job file: models in, records out.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::emulation::is_emulated;
use crate::{
    AgentError, ClockCheck, ClockWatch, Greeting, Job, JobModel, MAX_BLOCKS, MAX_MODEL_BYTES, Machine, Model, PROTOCOL,
    RUNTIME, RUNTIME_VERSION, Record, Scope, VERSION, stay_on,
};

/// Largest job file that is read.
pub const MAX_JOB_BYTES: u64 = 16 << 20;

/// How the `zen-agent` process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Every model was measured.
    Done = 0,
    /// The answer cannot be written.
    Unexpected = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The job cannot be read or is of another protocol.
    BadJob = 3,
    /// The processors that were asked for cannot be had; nothing was measured.
    Cores = 4,
    /// Some models failed or the time limit came first; the records say which.
    PartlyMeasured = 5,
}

/// Reads and checks a job file.
///
/// # Errors
/// When it is not there, too large, not a job, of another protocol, or asks for the impossible.
pub(crate) fn read_job(path: &Path) -> Result<Job, AgentError> {
    let bad = |reason: String| AgentError::Job { path: path.to_owned(), reason };
    let text = read_bounded(path, MAX_JOB_BYTES)?;
    // The version is looked at first: another one may have other fields.
    let value: serde_json::Value = serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
    match value.get("protocol").and_then(serde_json::Value::as_u64) {
        Some(version) if version == u64::from(PROTOCOL) => {}
        Some(version) => return Err(bad(format!("is of protocol {version}, this agent speaks {PROTOCOL}"))),
        None => return Err(bad("names no protocol".to_owned())),
    }
    let job: Job = serde_json::from_value(value).map_err(|error| bad(error.to_string()))?;
    job.limits.check()?;
    if !(job.time_limit_s > 0.0 && job.time_limit_s <= 604_800.0) {
        return Err(bad(format!("time_limit_s is {}, but must be above 0 and at most a week", job.time_limit_s)));
    }
    if let Some(model) = job.models.iter().find(|model| !(1..=MAX_BLOCKS).contains(&model.blocks)) {
        return Err(bad(format!(
            "model `{}` wants {} blocks, from 1 to {MAX_BLOCKS} are taken",
            model.name, model.blocks
        )));
    }
    if let Some(model) = job.models.iter().find(|model| model.parts && model.scope != Scope::Whole) {
        return Err(bad(format!("model `{}` wants parts and a scope; parts are of the whole model", model.name)));
    }
    Ok(job)
}

/// Runs the job in a file and writes its records, each flushed as it is known. `cores` goes before
/// the job's own.
///
/// # Errors
/// When the output cannot be written. Everything else is told in the records, or, where the job
/// itself cannot be read, on stderr.
pub fn run_job(path: &Path, cores: Option<&str>, out: &mut impl Write) -> io::Result<ExitCode> {
    let job = match read_job(path) {
        Ok(job) => job,
        Err(error) => {
            eprintln!("zen-agent: {error}");
            return Ok(ExitCode::BadJob);
        }
    };
    let deadline = Instant::now() + Duration::from_secs_f64(job.time_limit_s);
    let cores = cores.or(job.cores.as_deref());
    // Asked before it is told where to stay: the machine has more cores than that.
    let machine = Machine::here();
    if let Some(Err(error)) = cores.map(stay_on) {
        eprintln!("zen-agent: {error}");
        return Ok(ExitCode::Cores);
    }
    write(out, &hello(machine, cores))?;
    let directory = path.parent().unwrap_or(Path::new("."));
    let (mut measured, mut failed, mut time_limit_reached) = (0, 0, false);
    'models: for model in &job.models {
        for block in 0..model.blocks {
            if Instant::now() >= deadline {
                time_limit_reached = true;
                break 'models;
            }
            match time_block(&job, model, block, directory) {
                Ok(record) => write(out, &record)?,
                Err(error) => {
                    failed += 1;
                    write(out, &Record::Failure { model: model.name.clone(), reason: error.to_string() })?;
                    continue 'models;
                }
            }
        }
        measured += 1;
    }
    write(out, &Record::End { measured, failed, time_limit_reached })?;
    Ok(if failed > 0 || time_limit_reached { ExitCode::PartlyMeasured } else { ExitCode::Done })
}

/// The greeting.
fn hello(machine: Machine, cores: Option<&str>) -> Record {
    Record::Hello(Greeting {
        protocol: PROTOCOL,
        agent_version: VERSION.to_owned(),
        runtime: RUNTIME.to_owned(),
        runtime_version: RUNTIME_VERSION.to_owned(),
        machine,
        clock: crate::CLOCK.to_owned(),
        clock_check: ClockCheck::now(),
        emulated: is_emulated(),
        cores: cores.map(str::to_owned),
    })
}

fn time_block(job: &Job, asked: &JobModel, block: u32, directory: &Path) -> Result<Record, AgentError> {
    let bytes = read_bounded(&directory.join(&asked.path), MAX_MODEL_BYTES)?;
    let model = Model::load(&bytes)?;
    let (name, watch) = (asked.name.clone(), ClockWatch::start());
    Ok(if asked.parts {
        let samples = model.node_times(&job.limits)?;
        Record::Parts { model: name, block, samples, clock_jump_ms: watch.jump_ms() }
    } else {
        let samples = model.block(&asked.scope, &job.limits)?;
        Record::Block { model: name, block, samples, clock_jump_ms: watch.jump_ms() }
    })
}

fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, AgentError> {
    let failed = |source| AgentError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file at the limit from one beyond it.
    File::open(path).map_err(failed)?.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(AgentError::TooLarge { bytes: bytes.len() as u64, limit });
    }
    Ok(bytes)
}

fn write(out: &mut impl Write, record: &Record) -> io::Result<()> {
    serde_json::to_writer(&mut *out, record)?;
    out.write_all(b"\n")?;
    out.flush()
}
