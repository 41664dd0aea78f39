//! This machine, through the operating system's processes.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::process::{Command, ExitStatus};
use std::sync::atomic::AtomicBool;

use tempfile::TempDir;

use super::lines::Tail;
use super::process::{End, Process, signal_name};
use super::{
    Exit, FileMode, Limit, Limits, Line, Outcome, Transport, TransportError, check_arguments, check_file_name, is_set,
    unless_interrupted,
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

    pub(super) fn open_with(stop: Option<&'static AtomicBool>) -> Result<Self, TransportError> {
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
        let program = check_arguments(TARGET, argv)?;
        let mut command = Command::new(program);
        command.args(&argv[1..]).current_dir(self.directory.path());
        let mut process = match Process::start(&mut command, None) {
            Ok(process) => process,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(not_started(127, program, &error)),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Ok(not_started(126, program, &error));
            }
            Err(source) => return Err(TransportError::io(format!("starting {program}"))(source)),
        };
        let mut stderr = Tail::new(limits.stderr_bytes);
        let end = process.drive(&limits.or_stop(self.stop), &mut stderr, on_line);
        process.kill();
        let limit = match end.map_err(TransportError::io(format!("waiting for {program}")))? {
            End::Inactive => Limit::Inactivity,
            End::TimeLimit => Limit::Total,
            ended => {
                let exit = if let End::Exited(status) = ended { exit_of(status) } else { Exit::Stopped };
                let outcome = Outcome { exit, stderr: stderr.text() };
                return unless_interrupted(TARGET, outcome, self.stop);
            }
        };
        Err(limits.reached(limit, TARGET, program, &stderr))
    }

    fn close(self: Box<Self>) -> Result<(), TransportError> {
        let doing = format!("removing {}", self.path);
        self.directory.close().map_err(TransportError::io(doing))
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
