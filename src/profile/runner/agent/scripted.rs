//! A transport that follows a script instead of reaching a machine.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::rc::Rc;

use crate::profile::transport::cksum::cksum;
use crate::profile::transport::{Exit, FileMode, Limits, Line, Outcome, Transport, TransportError};

/// What one run of the agent does.
pub(super) struct Run {
    pub lines: Vec<String>,
    pub end: End,
}

/// How a command ends.
pub(super) enum End {
    Exit(Exit, &'static str),
    /// It says nothing more.
    Hang,
    /// The connection breaks.
    Lost,
}

/// What the target saw.
#[derive(Default)]
pub(super) struct Seen {
    pub files: BTreeMap<String, Vec<u8>>,
    /// Names in the order they were put.
    pub puts: Vec<String>,
    pub runs: usize,
}

pub(super) struct Scripted {
    pub runs: VecDeque<Run>,
    pub seen: Rc<RefCell<Seen>>,
    /// Copies that arrive damaged.
    pub damaged: usize,
    /// Files that fit on the device.
    pub room: usize,
    /// Answer to `uname -sm`.
    pub uname: &'static str,
}

impl Scripted {
    fn answer(
        lines: &[String],
        exit: Exit,
        stderr: &str,
        limits: &Limits<'_>,
        on_line: &mut dyn FnMut(Line<'_>) -> ControlFlow<()>,
    ) -> Outcome {
        for line in lines {
            let kept = &line[..line.len().min(limits.line_bytes)];
            if on_line(Line { text: kept, truncated: kept.len() < line.len() }).is_break() {
                return Outcome { exit: Exit::Stopped, stderr: String::new() };
            }
        }
        Outcome { exit, stderr: stderr.to_owned() }
    }
}

impl Transport for Scripted {
    fn target(&self) -> &str {
        "script"
    }

    fn directory(&self) -> &str {
        "/private"
    }

    fn put(&mut self, name: &str, content: &[u8], _: FileMode) -> Result<String, TransportError> {
        if self.seen.borrow().puts.len() == self.room {
            let problem = "no space left on device".to_owned();
            return Err(TransportError::Put { target: "script".to_owned(), name: name.to_owned(), problem });
        }
        let mut content = content.to_vec();
        if self.damaged > 0 {
            self.damaged -= 1;
            content.pop();
        }
        let mut seen = self.seen.borrow_mut();
        seen.files.insert(name.to_owned(), content);
        seen.puts.push(name.to_owned());
        Ok(format!("/private/{name}"))
    }

    fn run(
        &mut self,
        argv: &[&str],
        limits: &Limits<'_>,
        on_line: &mut dyn FnMut(Line<'_>) -> ControlFlow<()>,
    ) -> Result<Outcome, TransportError> {
        match argv {
            ["uname", "-sm"] => {
                return Ok(Self::answer(&[self.uname.to_owned()], Exit::Code(0), "", limits, on_line));
            }
            ["cksum", name] => {
                let line = {
                    let seen = self.seen.borrow();
                    let content = &seen.files[*name];
                    format!("{} {name}", cksum(content))
                };
                return Ok(Self::answer(&[line], Exit::Code(0), "", limits, on_line));
            }
            _ => assert_eq!(argv, ["/private/zen-agent", "job.json"]),
        }
        self.seen.borrow_mut().runs += 1;
        let run = self.runs.pop_front().expect("the script has an answer for every run");
        let (target, program) = ("script".to_owned(), "zen-agent".to_owned());
        let exit = match &run.end {
            End::Exit(exit, _) => exit.clone(),
            _ => Exit::Code(0),
        };
        let stderr = if let End::Exit(_, stderr) = run.end { stderr } else { "" };
        let outcome = Self::answer(&run.lines, exit, stderr, limits, on_line);
        match run.end {
            End::Exit(..) => Ok(outcome),
            End::Hang => {
                let seconds = limits.inactivity.as_secs();
                Err(TransportError::Inactive { target, program, seconds, stderr: String::new() })
            }
            End::Lost => Err(TransportError::ConnectionLost {
                target,
                doing: "running zen-agent".to_owned(),
                problem: "cable cut".to_owned(),
            }),
        }
    }

    fn close(self: Box<Self>) -> Result<(), TransportError> {
        Ok(())
    }
}
