//! A process of this machine, driven within limits: lines of its output, the end of its errors.

use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use super::lines::{LineSplitter, Tail};
use super::{Limits, Line};

/// How often the wish to stop is looked at.
const POLL: Duration = Duration::from_millis(50);

/// A child that does not outlive its owner.
pub struct Process {
    child: Child,
    /// Of a program that is told lines while it runs.
    input: Option<ChildStdin>,
    output: Receiver<Chunk>,
    /// Set once it was waited for: its number may belong to another process from then on.
    ended: Option<ExitStatus>,
}

/// What a process reads.
pub enum Input {
    Nothing,
    /// This, and then the end.
    Bytes(Vec<u8>),
    /// What [`Process::say`] says.
    Lines,
}

/// Why driving a process ended.
pub enum End {
    /// It ended by itself.
    Exited(ExitStatus),
    /// The caller asked for it; the process may still run.
    Stopped,
    /// It was silent for too long and may still run.
    Inactive,
    /// It took too long and may still run.
    TimeLimit,
}

impl Process {
    /// Starts a command with both outputs piped.
    pub fn start(command: &mut Command, input: Input) -> io::Result<Self> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(if matches!(input, Input::Nothing) { Stdio::null() } else { Stdio::piped() });
        // A group of its own: its children can be killed with it, and Ctrl-C reaches us first.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(command, 0);
        let mut child = command.spawn()?;
        let mut stdin = child.stdin.take();
        if let Input::Bytes(bytes) = input
            && let Some(mut pipe) = stdin.take()
        {
            // A process that does not read its input ends all the same, and the thread with it.
            std::thread::spawn(move || pipe.write_all(&bytes));
        }
        Ok(Self { output: read_both(&mut child), child, input: stdin, ended: None })
    }

    /// Says a line to a program that was started with [`Input::Lines`]. One that does not listen any more has
    /// ended, which driving it tells.
    pub fn say(&mut self, line: &str) {
        if let Some(input) = &mut self.input {
            let _ = writeln!(input, "{line}").and_then(|()| input.flush());
        }
    }

    /// Hands on the lines of standard output until the process has ended or a limit is reached;
    /// what standard error says goes to `stderr`. A process that did not end is killed when this
    /// value is dropped.
    pub fn drive(
        &mut self,
        limits: &Limits<'_>,
        stderr: &mut Tail,
        on_line: &mut dyn FnMut(Line<'_>) -> ControlFlow<()>,
    ) -> io::Result<End> {
        let start = Instant::now();
        let mut heard = start;
        let mut lines = LineSplitter::new(limits.line_bytes);
        let mut flow = ControlFlow::Continue(());
        loop {
            match self.output.recv_timeout(POLL) {
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
                    if let Some(status) = self.try_wait()? {
                        return Ok(match lines.finish(on_line) {
                            ControlFlow::Continue(()) => End::Exited(status),
                            ControlFlow::Break(()) => End::Stopped,
                        });
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            if flow.is_break() || limits.stop_requested() {
                return Ok(End::Stopped);
            }
            if start.elapsed() > limits.total {
                return Ok(End::TimeLimit);
            }
            if heard.elapsed() > limits.inactivity {
                return Ok(End::Inactive);
            }
        }
    }

    fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.ended = self.child.try_wait()?;
        Ok(self.ended)
    }

    /// Kills the program and its children.
    pub fn kill(&mut self) {
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

/// A part of what the program wrote, from one of the two reading threads.
enum Chunk {
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
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

/// The names that SSH uses too (RFC 4254, section 6.10), by the numbers of Linux; others by number.
pub fn signal_name(signal: i32) -> String {
    let known = [
        (6, "ABRT"),
        (14, "ALRM"),
        (8, "FPE"),
        (1, "HUP"),
        (4, "ILL"),
        (2, "INT"),
        (9, "KILL"),
        (13, "PIPE"),
        (3, "QUIT"),
        (11, "SEGV"),
        (15, "TERM"),
        (10, "USR1"),
        (12, "USR2"),
    ];
    match known.iter().find(|(number, _)| *number == signal) {
        Some((_, name)) => (*name).to_owned(),
        None => signal.to_string(),
    }
}
