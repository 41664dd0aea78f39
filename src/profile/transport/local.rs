//! This machine, through the operating system's processes.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::process::{Command, ExitStatus};
use std::sync::atomic::AtomicBool;

use tempfile::TempDir;

use super::lines::Tail;
use super::process::{End, Input, Process, signal_name};
use super::{
    Dialogue, Exit, FileMode, Limit, Limits, Line, Outcome, Transport, TransportError, check_arguments,
    check_file_name, is_set, unless_interrupted,
};

/// Runs commands on this machine.
pub struct Local {
    directory: TempDir,
    /// The same, as text.
    path: String,
    stop: Option<&'static AtomicBool>,
}

const TARGET: &str = "this machine";

impl Local {
    /// Makes the private folder below the system's folder for temporary files.
    ///
    /// # Errors
    /// When there is no room for it, or its path is not text.
    pub fn open() -> Result<Self, TransportError> {
        Self::open_with(None)
    }

    pub(in super::super) fn open_with(stop: Option<&'static AtomicBool>) -> Result<Self, TransportError> {
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let directory =
            builder.prefix("zen-nas.").tempdir().map_err(TransportError::io("making a private temporary folder"))?;
        let path = directory.path().to_str().map(str::to_owned).ok_or_else(|| TransportError::Setup {
            target: TARGET.to_owned(),
            problem: format!("{} is not valid text; set TMPDIR to another folder", directory.path().display()),
        })?;
        Ok(Self { directory, path, stop })
    }
}

impl Transport for Local {
    fn target(&self) -> &str {
        TARGET
    }

    fn directory(&self) -> &str {
        &self.path
    }

    fn put(&mut self, name: &str, content: &[u8], mode: FileMode) -> Result<String, TransportError> {
        check_file_name(name)?;
        if is_set(self.stop) {
            return Err(TransportError::Interrupted { target: TARGET.to_owned() });
        }
        let path = self.directory.path().join(name);
        let write = || -> io::Result<()> {
            let mut builder = tempfile::Builder::new();
            #[cfg(unix)]
            builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode.bits()));
            let mut file = builder.prefix(".put.").tempfile_in(self.directory.path())?;
            file.write_all(content)?;
            // Closed before it gets its name: a program that is open for writing cannot be run.
            file.into_temp_path().persist(&path)?;
            Ok(())
        };
        write().map_err(|source| TransportError::Put {
            target: TARGET.to_owned(),
            name: name.to_owned(),
            problem: source.to_string(),
        })?;
        Ok(format!("{}/{name}", self.path))
    }

    fn run(
        &mut self,
        argv: &[&str],
        limits: &Limits<'_>,
        on_line: &mut dyn FnMut(Line<'_>) -> ControlFlow<()>,
    ) -> Result<Outcome, TransportError> {
        let mut talk = self.begin(argv, Input::Nothing)?;
        let answer = talk.ask(None, limits, on_line);
        let outcome = |stderr: Tail| Outcome { exit: Exit::Stopped, stderr: stderr.text() };
        answer.map(|ended| ended.unwrap_or_else(|| outcome(talk.stderr)))
    }

    fn start(&mut self, argv: &[&str]) -> Result<Option<Box<dyn Dialogue>>, TransportError> {
        Ok(Some(Box::new(self.begin(argv, Input::Lines)?)))
    }

    fn is_here(&self) -> bool {
        true
    }

    fn close(self: Box<Self>) -> Result<(), TransportError> {
        let doing = format!("removing {}", self.path);
        self.directory.close().map_err(TransportError::io(doing))
    }
}

/// A program that runs, or why it was not started.
struct Talk {
    program: String,
    process: Result<Process, Outcome>,
    stderr: Tail,
    stop: Option<&'static AtomicBool>,
}

impl Local {
    fn begin(&self, argv: &[&str], input: Input) -> Result<Talk, TransportError> {
        let program = check_arguments(TARGET, argv)?;
        let mut command = Command::new(program);
        command.args(&argv[1..]).current_dir(self.directory.path());
        let process = match Process::start(&mut command, input) {
            Ok(process) => Ok(process),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(not_started(127, program, &error)),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(not_started(126, program, &error)),
            Err(source) => return Err(TransportError::io(format!("starting {program}"))(source)),
        };
        let stderr = Tail::new(Limits::default().stderr_bytes);
        Ok(Talk { program: program.to_owned(), process, stderr, stop: self.stop })
    }
}

impl Dialogue for Talk {
    fn ask(
        &mut self,
        line: Option<&str>,
        limits: &Limits<'_>,
        on_line: &mut dyn FnMut(Line<'_>) -> ControlFlow<()>,
    ) -> Result<Option<Outcome>, TransportError> {
        let process = match &mut self.process {
            Ok(process) => process,
            Err(outcome) => return Ok(Some(outcome.clone())),
        };
        if let Some(line) = line {
            process.say(line);
        }
        self.stderr.resize(limits.stderr_bytes);
        let end = process.drive(&limits.or_stop(self.stop), &mut self.stderr, on_line);
        if !matches!(end, Ok(End::Stopped)) {
            process.kill();
        }
        let limit = match end.map_err(TransportError::io(format!("waiting for {}", self.program)))? {
            End::Inactive => Limit::Inactivity,
            End::TimeLimit => Limit::Total,
            End::Exited(status) => {
                return Ok(Some(Outcome { exit: exit_of(status), stderr: self.stderr.text() }));
            }
            End::Stopped => {
                let outcome = Outcome { exit: Exit::Stopped, stderr: self.stderr.text() };
                unless_interrupted(TARGET, outcome, self.stop)?;
                return Ok(None);
            }
        };
        Err(limits.reached(limit, TARGET, &self.program, &self.stderr))
    }
}

/// What a shell says of a program that it cannot start.
fn not_started(code: i32, program: &str, error: &io::Error) -> Outcome {
    Outcome { exit: Exit::Code(code), stderr: format!("{program}: {error}\n") }
}

fn exit_of(status: ExitStatus) -> Exit {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return Exit::Signal(signal_name(signal));
    }
    Exit::Code(status.code().unwrap_or(-1))
}
