//! A runner that follows a script instead of a clock, for tests.

use zen_agent::Limits;

use super::{Runner, RunnerAbout, RunnerError, Subject};

/// What the script answers: the samples of a block, given the subject and how many blocks were
/// asked for before.
pub(crate) type Script<'s> = Box<dyn FnMut(&Subject, u32) -> Result<Vec<f64>, RunnerError> + 's>;

pub(crate) struct Mock<'s> {
    script: Script<'s>,
    blocks: u32,
}

impl<'s> Mock<'s> {
    pub fn new(script: impl FnMut(&Subject, u32) -> Result<Vec<f64>, RunnerError> + 's) -> Self {
        Self { script: Box::new(script), blocks: 0 }
    }
}

impl Runner for Mock<'_> {
    fn about(&self) -> RunnerAbout {
        RunnerAbout {
            runtime: "mock",
            runtime_version: "1".to_owned(),
            device: "mock-device".to_owned(),
            host: "none".to_owned(),
            threads: 1,
            clock: "scripted".to_owned(),
        }
    }

    fn block(&mut self, subject: &Subject, _: &Limits) -> Result<Vec<f64>, RunnerError> {
        self.blocks += 1;
        (self.script)(subject, self.blocks - 1)
    }
}
