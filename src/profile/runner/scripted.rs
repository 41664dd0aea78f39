//! A transport that follows a script instead of reaching a machine, for tests.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::rc::Rc;

use crate::profile::transport::{Exit, FileMode, Limits, Line, Outcome, Transport, TransportError};

/// What a program prints, how it ends, and what it says on standard error.
pub(super) type Said = Result<(String, Exit, String), TransportError>;

/// What the script knows: the files that were put, and the command line.
pub(super) type Play = Box<dyn FnMut(&BTreeMap<String, Vec<u8>>, &[&str]) -> Said>;

pub(super) struct Scripted {
    play: Play,
    files: BTreeMap<String, Vec<u8>>,
    /// Every command line, for the test to look at.
    pub commands: Rc<RefCell<Vec<Vec<String>>>>,
}

impl Scripted {
    pub fn new(play: impl FnMut(&BTreeMap<String, Vec<u8>>, &[&str]) -> Said + 'static) -> Self {
        Self { play: Box::new(play), files: BTreeMap::new(), commands: Rc::default() }
    }
}

/// Prints and ends well.
pub(super) fn says(text: impl Into<String>) -> Said {
    Ok((text.into(), Exit::Code(0), String::new()))
}

/// The connection is gone.
pub(super) fn cut() -> Said {
    let [target, doing, problem] = ["scripted", "reading", "cut"].map(str::to_owned);
    Err(TransportError::ConnectionLost { target, doing, problem })
}

/// The program hangs until its limit.
pub(super) fn hangs() -> Said {
    let [target, program, stderr] = ["scripted", "program", ""].map(str::to_owned);
    Err(TransportError::TimeLimit { target, program, seconds: 1, stderr })
}

impl Transport for Scripted {
    fn target(&self) -> &str {
        "scripted"
    }

    fn directory(&self) -> &str {
        "/scripted"
    }

    fn put(&mut self, name: &str, content: &[u8], _: FileMode) -> Result<String, TransportError> {
        self.files.insert(name.to_owned(), content.to_vec());
        Ok(format!("/scripted/{name}"))
    }

    fn run(
        &mut self,
        argv: &[&str],
        limits: &Limits<'_>,
        on_line: &mut dyn FnMut(Line<'_>) -> ControlFlow<()>,
    ) -> Result<Outcome, TransportError> {
        self.commands.borrow_mut().push(argv.iter().map(|argument| (*argument).to_owned()).collect());
        let (text, exit, stderr) = (self.play)(&self.files, argv)?;
        for line in text.lines() {
            let truncated = line.len() > limits.line_bytes;
            if on_line(Line { text: line, truncated }).is_break() {
                return Ok(Outcome { exit: Exit::Stopped, stderr });
            }
        }
        Ok(Outcome { exit, stderr })
    }

    fn close(self: Box<Self>) -> Result<(), TransportError> {
        Ok(())
    }
}
