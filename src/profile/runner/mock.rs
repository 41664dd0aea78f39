//! A runner that follows a script instead of a clock, for tests.

use zen_agent::Limits;

use crate::latency::Precision;

use super::{Parts, Runner, RunnerAbout, RunnerError, Subject};

/// What the script answers: the samples of a block, given the subject and how many blocks were
/// asked for before.
pub(crate) type Script<'s> = Box<dyn FnMut(&Subject, u32) -> Result<Vec<f64>, RunnerError> + 's>;

/// Milliseconds of each part of a subject's network.
pub(crate) type PartsScript<'s> = Box<dyn FnMut(&Subject) -> Result<Vec<f64>, RunnerError> + 's>;

pub(crate) struct Mock<'s> {
    script: Script<'s>,
    parts: Option<PartsScript<'s>>,
    blocks: u32,
}

impl<'s> Mock<'s> {
    pub fn new(script: impl FnMut(&Subject, u32) -> Result<Vec<f64>, RunnerError> + 's) -> Self {
        Self { script: Box::new(script), parts: None, blocks: 0 }
    }

    /// One that also times the parts of networks.
    pub fn with_parts(self, parts: impl FnMut(&Subject) -> Result<Vec<f64>, RunnerError> + 's) -> Self {
        Self { parts: Some(Box::new(parts)), ..self }
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
            processor: None,
            precision: Precision::Fp32,
            clock: "scripted".to_owned(),
            conditions: String::new(),
            emulated: false,
        }
    }

    fn block(&mut self, subject: &Subject, _: &Limits) -> Result<Vec<f64>, RunnerError> {
        self.blocks += 1;
        (self.script)(subject, self.blocks - 1)
    }

    fn times_parts(&self) -> bool {
        self.parts.is_some()
    }

    fn parts(
        &mut self,
        subject: &Subject,
        _: &dyn Fn(&str) -> Option<usize>,
        count: usize,
        _: &Limits,
    ) -> Result<Parts, RunnerError> {
        let script = self.parts.as_mut().ok_or_else(|| RunnerError::Model("no script for parts".to_owned()))?;
        let parts_ms: Vec<Vec<f64>> = script(subject)?.into_iter().map(|ms| vec![ms]).collect();
        assert_eq!(parts_ms.len(), count);
        let whole_ms = vec![parts_ms.iter().flatten().sum()];
        Ok(Parts { parts_ms, unowned_ms: vec![0.0], whole_ms })
    }
}
