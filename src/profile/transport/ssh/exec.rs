//! Running one command on a session: its script in, its lines out, both outputs drained in turns.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{ErrorKind, Read, Write};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use ssh2::{Channel, ErrorCode, Session};

use super::super::lines::{LineSplitter, Tail, printable};
use super::super::quote::quote;
use super::super::{Exit, Limit, Limits, Line, Outcome, TransportError};

/// libssh2: nothing to read or write now.
const WOULD_BLOCK: i32 = -37;
/// Pause between two looks at silent outputs, shortest and longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));
/// Limits of our own small scripts.
const SCRIPT_LIMITS: Limits<'static> = Limits {
    inactivity: Duration::from_secs(30),
    total: Duration::from_secs(60),
    line_bytes: 4096,
    stderr_bytes: 4096,
    stop: None,
};

/// A session that is logged in.
pub struct Remote {
    pub session: Session,
    pub target: String,
    /// Why the connection was lost, once it was: nothing is tried on it any more.
    pub lost: RefCell<Option<String>>,
}

/// Why draining ended before the command did.
enum Cut {
    Stopped,
    Limit(Limit),
    Lost(String),
}

impl Remote {
    /// Runs one of our own scripts and collects its few lines.
    pub fn script(&self, script: &str, name: &str) -> Result<(Outcome, Vec<String>), TransportError> {
        let mut lines = Vec::new();
        let outcome = self.run("/", script, name, &SCRIPT_LIMITS, &mut |line| {
            lines.push(line.text.to_owned());
            if lines.len() < 100 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok((outcome, lines))
    }

    /// Runs a script in a folder; `program` names it in messages.
    pub fn run(
        &self,
        directory: &str,
        script: &str,
        program: &str,
        limits: &Limits<'_>,
        on_line: &mut dyn FnMut(Line<'_>) -> ControlFlow<()>,
    ) -> Result<Outcome, TransportError> {
        // Login scripts may print; what counts begins after a line that they cannot know. It also
        // gives the number of the process, whose group is killed where a limit is reached.
        let token = format!("zen-nas-{:016x}", RandomState::new().build_hasher().finish());
        let input = format!(
            "cd -- {} || exit 1\nprintf '\\n%s %s\\n' {token} \"$$\"\n{{ {script}\n}} </dev/null\n",
            quote(directory)
        );
        let doing = format!("running {program}");
        self.check_alive(&doing)?;
        let lost = |problem| self.lost(&doing, problem);
        let mut channel = self.start(&input).map_err(|error| {
            let problem = printable(error.message());
            if self.is_lost(&error) {
                return lost(problem);
            }
            let (target, program) = (self.target.clone(), program.to_owned());
            TransportError::Run { target, program, problem }
        })?;
        let process = Cell::new(None);
        let mut stderr = Tail::new(limits.stderr_bytes);
        let mut after_start = |line: Line<'_>| match process.get() {
            Some(_) => on_line(line),
            None => {
                let number = line.text.strip_prefix(&token).and_then(|rest| rest.trim().parse::<u32>().ok());
                process.set(number.filter(|number| *number > 1));
                ControlFlow::Continue(())
            }
        };
        self.session.set_blocking(false);
        let drained = drain(&self.session, &mut channel, limits, &mut stderr, &mut after_start);
        self.session.set_blocking(true);
        let cut = match drained {
            Ok(exit) if process.get().is_some() => return Ok(Outcome { exit, stderr: stderr.text() }),
            Ok(_) => {
                let problem = format!("the machine's shell did not start it{}", stderr.for_message());
                return Err(TransportError::Run { target: self.target.clone(), program: program.to_owned(), problem });
            }
            Err(Cut::Lost(problem)) => return Err(lost(problem)),
            Err(cut) => cut,
        };
        // A connection that died in silence shows here.
        if let Some(number) = process.get() {
            self.kill(number).map_err(lost)?;
        }
        let limit = match cut {
            Cut::Limit(limit) => limit,
            Cut::Stopped | Cut::Lost(_) => return Ok(Outcome { exit: Exit::Stopped, stderr: stderr.text() }),
        };
        Err(limits.reached(limit, &self.target, program, &stderr))
    }

    /// The error of a connection that is lost from now on.
    pub fn lost(&self, doing: &str, problem: String) -> TransportError {
        *self.lost.borrow_mut() = Some(problem.clone());
        TransportError::ConnectionLost { target: self.target.clone(), doing: doing.to_owned(), problem }
    }

    /// Refuses to use a lost connection: each answer would be waited for in vain.
    pub fn check_alive(&self, doing: &str) -> Result<(), TransportError> {
        let problem = self.lost.borrow().clone();
        problem.map_or(Ok(()), |problem| Err(self.lost(doing, problem)))
    }

    /// Whether an error means that the connection is gone; where libssh2 only says that a channel
    /// failed, another channel is tried.
    pub fn is_lost(&self, error: &ssh2::Error) -> bool {
        let channel_failed = matches!(error.code(), ErrorCode::Session(_));
        super::is_lost(error) || (channel_failed && self.session.channel_session().is_err())
    }

    fn start(&self, input: &str) -> Result<Channel, ssh2::Error> {
        let mut channel = self.session.channel_session()?;
        channel.exec("exec sh -s")?;
        channel.write_all(input.as_bytes()).map_err(|_| super::last_error(&self.session))?;
        channel.send_eof()?;
        Ok(channel)
    }

    /// Kills a process and its children: a server gives each command a group of its own.
    fn kill(&self, number: u32) -> Result<(), String> {
        let kill = || -> Result<(), ssh2::Error> {
            let mut channel = self.start(&format!("kill -s KILL -- -{number} || kill -s KILL {number}\n"))?;
            channel.wait_eof()?;
            channel.wait_close()
        };
        kill().map_err(|error| printable(error.message()))
    }
}

/// Reads both outputs of a non-blocking session until the command has ended.
fn drain(
    session: &Session,
    channel: &mut Channel,
    limits: &Limits<'_>,
    stderr: &mut Tail,
    on_line: &mut dyn FnMut(Line<'_>) -> ControlFlow<()>,
) -> Result<Exit, Cut> {
    let start = Instant::now();
    let mut heard = start;
    let mut pause = PAUSE.0;
    let mut lines = LineSplitter::new(limits.line_bytes);
    let mut buffer = vec![0; 32 << 10];
    loop {
        let mut idle = true;
        for stream in [0, 1] {
            match channel.stream(stream).read(&mut buffer) {
                Ok(0) => continue,
                Ok(count) if stream == 0 => {
                    if lines.push(&buffer[..count], on_line).is_break() {
                        return Err(Cut::Stopped);
                    }
                }
                Ok(count) => stderr.push(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Err(Cut::Lost(printable(&error.to_string()))),
            }
            idle = false;
        }
        if idle && channel.eof() {
            // The status comes with the channel's end; without that end there is none to believe.
            match channel.wait_close() {
                Ok(()) => {
                    return match lines.finish(on_line) {
                        ControlFlow::Continue(()) => exit_of(channel).map_err(|e| Cut::Lost(printable(e.message()))),
                        ControlFlow::Break(()) => Err(Cut::Stopped),
                    };
                }
                Err(error) if error.code() == ErrorCode::Session(WOULD_BLOCK) => {}
                Err(error) => return Err(Cut::Lost(printable(error.message()))),
            }
        }
        if limits.stop_requested() {
            return Err(Cut::Stopped);
        }
        if start.elapsed() > limits.total {
            return Err(Cut::Limit(Limit::Total));
        }
        if !idle {
            (heard, pause) = (Instant::now(), PAUSE.0);
            continue;
        }
        if heard.elapsed() > limits.inactivity {
            return Err(Cut::Limit(Limit::Inactivity));
        }
        match session.keepalive_send() {
            Err(error) if error.code() != ErrorCode::Session(WOULD_BLOCK) => {
                return Err(Cut::Lost(printable(error.message())));
            }
            _ => std::thread::sleep(pause),
        }
        pause = (pause * 2).min(PAUSE.1);
    }
}

/// A command that a signal ended has status 0 and the signal's name.
fn exit_of(channel: &Channel) -> Result<Exit, ssh2::Error> {
    match channel.exit_signal()?.exit_signal {
        Some(signal) => Ok(Exit::Signal(printable(&signal))),
        None => channel.exit_status().map(Exit::Code),
    }
}
