//! A machine on which programs time models: files that go there once, answers of bounded size, and
//! when to give up on it.
//!
//! Not here: what the programs are and what they answer.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;
use std::time::Duration;

use super::RunnerError;
use crate::profile::transport::{Dialogue, Exit, FileMode, Limits, Line, Outcome, Transport, TransportError};

/// Programs in a row that did not do as they should before the machine counts as lost.
const MAX_STRIKES: u32 = 3;
/// Characters of a foreign text that go into a message.
const QUOTED_CHARACTERS: usize = 300;

pub(super) struct Target {
    transport: Box<dyn Transport>,
    /// A program that stays, where the transport keeps programs.
    dialogue: Option<Box<dyn Dialogue>>,
    /// Length and hash of the model that lies in each slot.
    slots: Vec<Option<(usize, u64)>>,
    strikes: u32,
    /// The last program came to its time limit.
    hung: bool,
}

/// What a program wrote, and how it ended.
pub(super) struct Answer {
    /// None of them cut.
    pub lines: Vec<String>,
    pub outcome: Outcome,
}

impl Answer {
    /// The end of what the program said, for messages.
    pub fn last_words(&self) -> String {
        let stderr = self.outcome.stderr.trim();
        let stdout = self.lines.iter().rev().find(|line| !line.trim().is_empty());
        match (stderr.lines().last(), stdout) {
            (Some(line), _) => quoted(line),
            (None, Some(line)) => quoted(line),
            (None, None) => "it said nothing".to_owned(),
        }
    }

    /// How it ended, for messages.
    pub fn ending(&self) -> String {
        match &self.outcome.exit {
            Exit::Code(code) => format!("ended with code {code}"),
            Exit::Signal(name) => format!("was killed by the signal {name}"),
            Exit::Stopped => "was stopped".to_owned(),
        }
    }
}

impl Target {
    pub fn new(transport: Box<dyn Transport>) -> Self {
        Self { transport, dialogue: None, slots: Vec::new(), strikes: 0, hung: false }
    }

    /// The machine, for messages.
    pub fn name(&self) -> &str {
        self.transport.target()
    }

    pub fn transport(&mut self) -> &mut dyn Transport {
        self.transport.as_mut()
    }

    /// Name of the file of a slot, in the private folder.
    pub fn model_name(slot: usize) -> String {
        format!("model{slot}.onnx")
    }

    /// Puts a model into a slot unless it lies there already; says whether it was put.
    pub fn put_model(&mut self, slot: usize, model: &[u8]) -> Result<bool, RunnerError> {
        let mut hasher = DefaultHasher::new();
        model.hash(&mut hasher);
        let mark = Some((model.len(), hasher.finish()));
        if self.slots.len() <= slot {
            self.slots.resize(slot + 1, None);
        }
        if self.slots[slot] == mark {
            return Ok(false);
        }
        self.slots[slot] = None;
        self.put(&Self::model_name(slot), model)?;
        self.slots[slot] = mark;
        Ok(true)
    }

    /// The next model of a slot is put again, whichever it is.
    pub fn forget_model(&mut self, slot: usize) {
        if let Some(mark) = self.slots.get_mut(slot) {
            *mark = None;
        }
    }

    /// Puts a file into the private folder and returns its path there.
    pub fn put(&mut self, name: &str, content: &[u8]) -> Result<String, RunnerError> {
        self.transport.put(name, content, FileMode::Data).map_err(|error| self.failed(&error))
    }

    /// Runs a program to its end and returns what it wrote, at most `max_bytes`.
    pub fn run(&mut self, argv: &[&str], limit: Duration, max_bytes: usize) -> Result<Answer, RunnerError> {
        let (limits, mut written) = (limits_of(limit, max_bytes), Written::new(max_bytes));
        let outcome = self.transport.run(argv, &limits, &mut |line| written.take(line, &|_| false));
        let outcome = outcome.map_err(|error| self.failed(&error))?;
        self.answer(argv[0], written, outcome)
    }

    /// Starts a program that stays; false where the transport keeps none.
    pub fn keep(&mut self, argv: &[&str]) -> Result<bool, RunnerError> {
        self.dialogue = self.transport.start(argv).map_err(|error| self.failed(&error))?;
        Ok(self.dialogue.is_some())
    }

    /// Whether a program stays that can be asked.
    pub fn is_kept(&self) -> bool {
        self.dialogue.is_some()
    }

    /// Lets the program that stays go: it is killed.
    pub fn let_go(&mut self) {
        self.dialogue = None;
    }

    /// What the program that stays answers to a line, up to the line that `is_last`. It is gone where it did not
    /// answer to the end.
    pub fn ask(
        &mut self,
        line: Option<&str>,
        limit: Duration,
        max_bytes: usize,
        is_last: &dyn Fn(&str) -> bool,
    ) -> Result<Answer, RunnerError> {
        let (limits, mut written) = (limits_of(limit, max_bytes), Written::new(max_bytes));
        let Some(mut dialogue) = self.dialogue.take() else {
            return Err(self.strike("no program was started".to_owned()));
        };
        let ended = dialogue.ask(line, &limits, &mut |line| written.take(line, is_last));
        let ended = ended.map_err(|error| self.failed(&error))?;
        if ended.is_none() && written.is_whole {
            self.dialogue = Some(dialogue);
        }
        let outcome = ended.unwrap_or(Outcome { exit: Exit::Stopped, stderr: String::new() });
        self.answer("the program", written, outcome)
    }

    fn answer(&mut self, program: &str, written: Written, outcome: Outcome) -> Result<Answer, RunnerError> {
        let Written { lines, max_bytes, is_whole, .. } = written;
        self.hung = false;
        if !is_whole {
            return Err(self.strike(format!("{program} wrote more than {max_bytes} bytes and was stopped")));
        }
        Ok(Answer { lines, outcome })
    }

    /// The error of something that went wrong on the machine rather than with a model: the machine
    /// is lost when it happens again and again.
    pub fn strike(&mut self, reason: String) -> RunnerError {
        self.strikes += 1;
        if self.strikes < MAX_STRIKES {
            return RunnerError::Model(reason);
        }
        RunnerError::Lost(format!("{}: {reason}, the {MAX_STRIKES}rd such failure in a row", self.name()))
    }

    /// Things work.
    pub fn worked(&mut self) {
        self.strikes = 0;
    }

    /// Whether the last program came to its time limit.
    pub fn hung(&self) -> bool {
        self.hung
    }

    fn failed(&mut self, error: &TransportError) -> RunnerError {
        self.hung = matches!(error, TransportError::TimeLimit { .. } | TransportError::Inactive { .. });
        match error {
            TransportError::Put { .. } | TransportError::TimeLimit { .. } | TransportError::Inactive { .. } => {
                self.strike(error.to_string())
            }
            _ => RunnerError::of(error),
        }
    }
}

fn limits_of(limit: Duration, max_bytes: usize) -> Limits<'static> {
    Limits { inactivity: limit, total: limit, line_bytes: max_bytes, ..Limits::default() }
}

/// What a program wrote so far.
struct Written {
    lines: Vec<String>,
    bytes: usize,
    max_bytes: usize,
    is_whole: bool,
}

impl Written {
    fn new(max_bytes: usize) -> Self {
        Self { lines: Vec::new(), bytes: 0, max_bytes, is_whole: true }
    }

    fn take(&mut self, line: Line<'_>, is_last: &dyn Fn(&str) -> bool) -> ControlFlow<()> {
        self.bytes += line.text.len() + 1;
        if line.truncated || self.bytes > self.max_bytes {
            self.is_whole = false;
            return ControlFlow::Break(());
        }
        self.lines.push(line.text.to_owned());
        if is_last(line.text) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// A foreign text that fits into a message and a terminal.
pub(super) fn quoted(text: &str) -> String {
    let plain = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut short: String = plain.clone().take(QUOTED_CHARACTERS).collect();
    if plain.count() > QUOTED_CHARACTERS {
        short.push_str("...");
    }
    short
}
