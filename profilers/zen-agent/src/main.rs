//! `zen-agent [--cores MASK] JOB`: times the models of a job file and answers with JSON lines on stdout.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process;
use std::time::Duration;

use zen_agent::{ExitCode, Job, PROTOCOL, RUNTIME, RUNTIME_VERSION, VERSION, run_job};

const USAGE: &str = "usage: zen-agent [--cores MASK] JOB.json | zen-agent --version";

/// A call that hangs inside the runtime is given this long beyond the job's time limit.
const GRACE: Duration = Duration::from_secs(10);

fn main() {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let code = match arguments.as_slice() {
        [version] if version == "--version" => {
            println!("zen-agent {VERSION}, protocol {PROTOCOL}, {RUNTIME} {RUNTIME_VERSION}");
            ExitCode::Done
        }
        [job] if is_plain(job) => run(Path::new(job), None),
        [option, mask, job] if option == "--cores" && is_plain(job) => {
            run(Path::new(job), Some(&mask.to_string_lossy()))
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::Usage
        }
    };
    process::exit(code as i32);
}

fn is_plain(argument: &OsStr) -> bool {
    !argument.to_string_lossy().starts_with('-')
}

fn run(path: &Path, cores: Option<&str>) -> ExitCode {
    watch(path);
    run_job(path, cores, &mut io::stdout().lock()).unwrap_or_else(|error| {
        eprintln!("zen-agent: writing the records: {error}");
        ExitCode::Unexpected
    })
}

/// Ends the process when a model hangs beyond the time limit: the answer then lacks its end.
fn watch(path: &Path) {
    let limit_s = std::fs::read(path).ok().and_then(|text| serde_json::from_slice::<Job>(&text).ok());
    let Some(limit) = limit_s.and_then(|job| Duration::try_from_secs_f64(job.time_limit_s).ok()) else {
        return; // The job is refused anyway.
    };
    std::thread::spawn(move || {
        std::thread::sleep(limit.saturating_add(GRACE));
        eprintln!("zen-agent: a model still runs {} s after the time limit", GRACE.as_secs());
        process::exit(ExitCode::PartlyMeasured as i32);
    });
}
