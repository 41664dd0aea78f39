//! Which zen-agent runs on a target, and how it gets there whole.

use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::{RunnerError, RunnerOptions};
use crate::profile::transport::cksum::cksum;
use crate::profile::transport::{Exit, FileMode, Limits, Transport, printable};

pub(super) const HOW_TO_BUILD: &str = "If the agent does not run there, build it for that machine (cargo build --release -p zen-agent \
                                       --target ..., best one that is linked statically) and name the file";

/// Largest executable.
const MAX_BYTES: u64 = 512 << 20;
/// Name on the target.
const NAME: &str = "zen-agent";
/// How often a damaged copy is replaced.
const ATTEMPTS: u32 = 2;
const SHORT: Limits<'static> = Limits {
    inactivity: Duration::from_secs(60),
    total: Duration::from_secs(60),
    line_bytes: 4096,
    stderr_bytes: 4096,
    stop: None,
};

/// The executable for the target, on this machine: the one that was named, or the one beside this
/// program where the target is of the same kind.
pub(super) fn find(transport: &mut dyn Transport, options: &RunnerOptions) -> Result<PathBuf, RunnerError> {
    if let Some(path) = &options.agent {
        return Ok(path.clone());
    }
    let here = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.join(program_name())));
    let (_, line) = first_line(transport, &["uname", "-sm"])?;
    let line = line.unwrap_or_default();
    let kind = kind_of(&line);
    let ours = (std::env::consts::OS, std::env::consts::ARCH);
    if kind != Some(ours) {
        return Err(RunnerError::Lost(format!(
            "{} is {}, this program is for {} {}: build the zen-agent for that machine (cargo build --release -p zen-agent \
             --target ...) and name the file",
            transport.target(),
            if line.is_empty() { "a machine of unknown kind" } else { &line },
            ours.0,
            ours.1
        )));
    }
    here.filter(|path| path.is_file()).ok_or_else(|| {
        RunnerError::Lost(
            "there is no zen-agent beside this program: build it (cargo build --release -p zen-agent) or name the file"
                .to_owned(),
        )
    })
}

fn program_name() -> String {
    format!("{NAME}{}", std::env::consts::EXE_SUFFIX)
}

/// System and architecture, as Rust names them, from the words of `uname -sm`.
fn kind_of(line: &str) -> Option<(&'static str, &'static str)> {
    let (system, machine) = line.split_once(' ')?;
    let system = match system {
        "Linux" => "linux",
        "Darwin" => "macos",
        "FreeBSD" => "freebsd",
        _ => return None,
    };
    let architecture = match machine.trim() {
        "x86_64" | "amd64" => "x86_64",
        "aarch64" | "arm64" => "aarch64",
        "riscv64" => "riscv64",
        _ => return None,
    };
    Some((system, architecture))
}

/// Puts the executable on the target and returns its path there. Where the target has `cksum`, the
/// copy is compared by size and checksum.
pub(super) fn put(transport: &mut dyn Transport, path: &Path) -> Result<String, RunnerError> {
    let content = read(path)?;
    let expected = cksum(&content);
    for _ in 0..ATTEMPTS {
        let program = transport.put(NAME, &content, FileMode::Executable).map_err(|error| RunnerError::of(&error))?;
        let (exit, line) = first_line(transport, &["cksum", NAME])?;
        // Behind sum and size stands the name.
        let words: Vec<_> = line.as_deref().unwrap_or_default().split_ascii_whitespace().take(2).collect();
        // A target without the program cannot be asked.
        if !exit.is_success() || words.join(" ") == expected {
            return Ok(program);
        }
    }
    Err(RunnerError::Lost(format!(
        "the zen-agent did not arrive whole on {}, {ATTEMPTS} times: the connection or the disk there is damaged",
        transport.target()
    )))
}

fn read(path: &Path) -> Result<Vec<u8>, RunnerError> {
    let failed = |reason: String| RunnerError::Lost(format!("reading the zen-agent {}: {reason}", path.display()));
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    let mut content = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut content).map_err(|error| failed(error.to_string()))?;
    match content.len() as u64 {
        0 => Err(failed("it is empty".to_owned())),
        bytes if bytes > MAX_BYTES => Err(failed(format!("it has more than {MAX_BYTES} bytes"))),
        _ => Ok(content),
    }
}

/// Runs a small program and returns its first line, fit for messages.
fn first_line(transport: &mut dyn Transport, argv: &[&str]) -> Result<(Exit, Option<String>), RunnerError> {
    let mut first = None;
    let outcome = transport.run(argv, &SHORT, &mut |line| {
        first.get_or_insert_with(|| printable(line.text));
        ControlFlow::Continue(())
    });
    Ok((outcome.map_err(|error| RunnerError::of(&error))?.exit, first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_told_apart() {
        assert_eq!(kind_of("Linux aarch64"), Some(("linux", "aarch64")));
        assert_eq!(kind_of("Darwin arm64"), Some(("macos", "aarch64")));
        assert_eq!(kind_of("Linux toaster"), None);
        assert_eq!(kind_of(""), None);
    }
}
