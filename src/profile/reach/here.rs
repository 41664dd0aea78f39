//! This machine as a target: measured without SSH, with the programs that its user has.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::super::transport::local::Local;
use super::super::{ProfileError, Runner, RunnerEntry, RunnerOptions};
use super::no_runtime;
use crate::latency::{Device, Precision};

/// The host that is this machine: nothing is reached over SSH.
pub const HERE: &str = "local";
/// Names a Python's virtual environment.
const VIRTUAL_ENVIRONMENT: &str = "VIRTUAL_ENV";

/// A runtime on one thread of this machine's processor, in fp32.
///
/// # Errors
/// For an unknown runtime, and for one that cannot be used here.
pub fn open_here(
    runtime: &str,
    python: Option<String>,
    stop: Option<&'static AtomicBool>,
) -> Result<Box<dyn Runner>, ProfileError> {
    let entry = RunnerEntry::find(runtime)?;
    let mut options = RunnerOptions { stop, ..RunnerOptions::new(&Device::find("cpu")?.table_name(), Precision::Fp32) };
    options.python = python_here(python);
    let local = Local::open_with(stop).map_err(|error| ProfileError::of_transport(&error))?;
    (entry.open)(Box::new(local), &options).map_err(|error| no_runtime(entry, &error))
}

/// Whether the addresses are this machine.
pub(super) fn is_here(addresses: &[String]) -> bool {
    matches!(addresses, [address] if address == HERE)
}

/// The Python of this machine that was named, else that of the active virtual environment, else the one on the
/// search path. A relative path is one from where the user is, not from where the runner works.
pub(super) fn python_here(named: Option<String>) -> String {
    let active = || {
        let folder = std::env::var_os(VIRTUAL_ENVIRONMENT).filter(|folder| !folder.is_empty())?;
        let inside = if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" };
        Some(Path::new(&folder).join(inside).to_str()?.to_owned())
    };
    let named = named.map(program_here).or_else(active);
    named.unwrap_or_else(|| if cfg!(windows) { "python" } else { "python3" }.to_owned())
}

pub(super) fn program_here(program: String) -> String {
    let is_path = program.contains(std::path::is_separator);
    let absolute = is_path.then(|| std::path::absolute(&program).ok()?.to_str().map(str::to_owned)).flatten();
    absolute.unwrap_or(program)
}
