//! This machine, through the operating system's processes.

use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::lines::{LineSplitter, Tail};
use super::{Exit, FileMode, Limits, Line, Outcome, Transport, TransportError, check_arguments, check_file_name};

/// How often the wish to stop is looked at.
const POLL: Duration = Duration::from_millis(50);

/// Runs commands on this machine.
pub struct Local {
    directory: TempDir,
    /// The same, as text.
    path: String,
}

const TARGET: &str = "this machine";

impl Local {
    /// Makes the private folder below the system's folder for temporary files.
    pub fn open() -> Result<Self, TransportError> {
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let directory =
            builder.prefix("zen-nas.").tempdir().map_err(TransportError::io("making a private temporary folder"))?;
        let path = directory.path().to_str().map(str::to_owned).ok_or_else(|| TransportError::Setup {
            target: TARGET.to_owned(),
            problem: format!("{} is not valid text; set TMPDIR to another folder", directory.path().display()),
        })?;
        Ok(Self { directory, path })
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
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own: its children can be killed with it, and Ctrl-C reaches us first.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = match command.spawn() {
            Ok(child) => child,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(not_started(127, program, &error)),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Ok(not_started(126, program, &error));
            }
            Err(source) => return Err(TransportError::io(format!("starting {program}"))(source)),
        };
        let mut process = Process { child, ended: None };
        drive(&mut process, program, limits, on_line)
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

/// A part of what the program wrote, from one of the two reading threads.
enum Chunk {
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
}

fn drive(
    process: &mut Process,
    program: &str,
    limits: &Limits<'_>,
    on_line: &mut dyn FnMut(Line<'_>) -> ControlFlow<()>,
) -> Result<Outcome, TransportError> {
    let chunks = read_both(&mut process.child);
    let start = Instant::now();
    let mut heard = start;
    let mut lines = LineSplitter::new(limits.line_bytes);
    let mut stderr = Tail::new(limits.stderr_bytes);
    let mut flow = ControlFlow::Continue(());
    loop {
        match chunks.recv_timeout(POLL) {
            Ok(Chunk::Stdout(bytes)) => {
                flow = lines.push(&bytes, on_line);
                heard = Instant::now();
            }
            Ok(Chunk::Stderr(bytes)) => {
                stderr.push(&bytes);
                heard = Instant::now();
            }
            Err(RecvTimeoutError::Timeout) => {}
            // Both outputs are closed.
            Err(RecvTimeoutError::Disconnected) => {
                let doing = || format!("waiting for {program}");
                if let Some(status) = process.try_wait().map_err(|e| TransportError::io(doing())(e))? {
                    let exit = match lines.finish(on_line) {
                        ControlFlow::Continue(()) => exit_of(status),
                        ControlFlow::Break(()) => Exit::Stopped,
                    };
                    return Ok(Outcome { exit, stderr: stderr.text() });
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        if flow.is_break() || limits.stop_requested() {
            process.kill();
            return Ok(Outcome { exit: Exit::Stopped, stderr: stderr.text() });
        }
        let (target, program) = (TARGET.to_owned(), program.to_owned());
        if start.elapsed() > limits.total {
            let seconds = limits.total.as_secs();
            return Err(TransportError::TimeLimit { target, program, seconds, stderr: stderr.for_message() });
        }
        if heard.elapsed() > limits.inactivity {
            let seconds = limits.inactivity.as_secs();
            return Err(TransportError::Inactive { target, program, seconds, stderr: stderr.for_message() });
        }
    }
}

/// Reads both outputs, each in a thread, through a channel short enough to bound memory.
fn read_both(child: &mut Child) -> Receiver<Chunk> {
    let (sender, receiver) = sync_channel(4);
    if let Some(stdout) = child.stdout.take() {
        read_in_thread(stdout, sender.clone(), Chunk::Stdout);
    }
    if let Some(stderr) = child.stderr.take() {
        read_in_thread(stderr, sender, Chunk::Stderr);
    }
    receiver
}

fn read_in_thread(mut from: impl Read + Send + 'static, to: SyncSender<Chunk>, wrap: fn(Vec<u8>) -> Chunk) {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 32 << 10];
        loop {
            match from.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => return,
                Ok(count) => {
                    if to.send(wrap(buffer[..count].to_vec())).is_err() {
                        return;
                    }
                }
            }
        }
    });
}

/// A child that does not outlive its transport.
struct Process {
    child: Child,
    /// Set once it was waited for: its number may belong to another process from then on.
    ended: Option<ExitStatus>,
}

impl Process {
    fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.ended = self.child.try_wait()?;
        Ok(self.ended)
    }

    /// Kills the program and its children.
    fn kill(&mut self) {
        if self.ended.is_some() {
            return;
        }
        // SAFETY: a system call on a number; the process has not been waited for, so the number and
        // the group of the same number are still its own.
        #[cfg(unix)]
        unsafe {
            libc::kill(-(self.child.id() as libc::pid_t), libc::SIGKILL);
        }
        let _ = self.child.kill();
        self.ended = self.child.wait().ok();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn exit_of(status: ExitStatus) -> Exit {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return Exit::Signal(signal_name(signal));
    }
    Exit::Code(status.code().unwrap_or(-1))
}

/// The names that SSH uses too (RFC 4254, section 6.10); others by number.
#[cfg(unix)]
fn signal_name(signal: i32) -> String {
    let known = [
        (libc::SIGABRT, "ABRT"),
        (libc::SIGALRM, "ALRM"),
        (libc::SIGFPE, "FPE"),
        (libc::SIGHUP, "HUP"),
        (libc::SIGILL, "ILL"),
        (libc::SIGINT, "INT"),
        (libc::SIGKILL, "KILL"),
        (libc::SIGPIPE, "PIPE"),
        (libc::SIGQUIT, "QUIT"),
        (libc::SIGSEGV, "SEGV"),
        (libc::SIGTERM, "TERM"),
        (libc::SIGUSR1, "USR1"),
        (libc::SIGUSR2, "USR2"),
    ];
    match known.iter().find(|(number, _)| *number == signal) {
        Some((_, name)) => (*name).to_owned(),
        None => signal.to_string(),
    }
}
