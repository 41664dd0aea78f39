//! Estimates: when a time is known well enough, and how well.
//!
//! The unit is a block, the samples of one freshly loaded instance: fresh instances of the same
//! operator differ by more than the repetitions of one (where its buffers lie in memory decides),
//! so repeating one instance would feign precision. A block counts by its median, the estimate is
//! the median over blocks: single outliers, among samples or among instances, never decide.

use std::time::{Duration, Instant};

use zen_agent::Limits;

use super::{Runner, RunnerError, Subject};
use crate::stats::{median, median_and_stderr};

/// How well something is to be known, and what that may cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Standard error of the median over the median, as a share.
    pub relative_stderr: f64,
    pub min_blocks: usize,
    pub max_blocks: usize,
    /// No block begins after this time.
    pub time_limit: Duration,
    /// Of each block.
    pub limits: Limits,
}

impl Target {
    /// For one operator.
    pub fn operator() -> Self {
        let limits = Limits { min_samples: 3, max_samples: 20, block_ms: 10.0, ..Limits::default() };
        Self { relative_stderr: 0.02, min_blocks: 5, max_blocks: 12, time_limit: Duration::from_secs(3), limits }
    }

    /// For a whole network.
    pub fn network() -> Self {
        let limits = Limits { min_samples: 3, max_samples: 20, block_ms: 60.0, ..Limits::default() };
        Self { relative_stderr: 0.01, min_blocks: 4, max_blocks: 8, time_limit: Duration::from_secs(8), limits }
    }
}

impl Target {
    /// For one of many networks whose errors are looked at together: half the instances.
    pub fn quick(&self) -> Self {
        let [min_blocks, max_blocks] = [self.min_blocks, self.max_blocks].map(|blocks| blocks.div_ceil(2));
        Self { min_blocks, max_blocks, ..self.clone() }
    }
}

/// Why measuring ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The standard error met its target.
    Stable,
    /// The largest number of blocks came first.
    BlockLimit,
    /// The time limit came first.
    TimeLimit,
}

/// A time with its standard error.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    pub median_ms: f64,
    /// Standard error of the median.
    pub stderr_ms: f64,
    /// Every sample, block after block.
    pub samples_ms: Vec<f64>,
    pub blocks: usize,
    pub settled: Settled,
}

/// Times a subject until its median is known well enough or a limit is reached.
///
/// # Errors
/// As the runner's; a block without a positive, finite sample is an error, too.
pub fn measure(runner: &mut dyn Runner, subject: &Subject, target: &Target) -> Result<Estimate, RunnerError> {
    let start = Instant::now();
    let mut samples_ms = Vec::new();
    let mut block_medians = Vec::new();
    loop {
        let block = runner.block(subject, &target.limits)?;
        let block_median = median(&block).filter(|ms| ms.is_finite() && *ms > 0.0);
        block_medians.push(block_median.ok_or_else(|| {
            RunnerError::Model(format!("the runner gave {} samples without a positive median", block.len()))
        })?);
        samples_ms.extend(block);
        let blocks = block_medians.len();
        // A single instance tells its own spread at least.
        let units = if blocks == 1 { &samples_ms } else { &block_medians };
        let Some((median_ms, stderr_ms)) = median_and_stderr(units) else { continue };
        let settled = if blocks >= target.min_blocks && stderr_ms <= target.relative_stderr * median_ms {
            Settled::Stable
        } else if blocks >= target.max_blocks {
            Settled::BlockLimit
        } else if start.elapsed() >= target.time_limit {
            Settled::TimeLimit
        } else {
            continue;
        };
        return Ok(Estimate { median_ms, stderr_ms, samples_ms, blocks, settled });
    }
}

#[cfg(test)]
mod tests {
    use super::super::runner::mock::Mock;
    use super::*;
    use zen_agent::Scope;

    fn estimate(target: &Target, blocks: &[&[f64]]) -> Estimate {
        let mut runner = Mock::new(|_, block| Ok(blocks[block as usize % blocks.len()].to_vec()));
        let subject = Subject { name: "x".to_owned(), model: Vec::new(), scope: Scope::Whole, without: Vec::new() };
        measure(&mut runner, &subject, target).unwrap()
    }

    #[test]
    fn ends_when_stable_or_at_a_limit() {
        let target = Target { min_blocks: 3, max_blocks: 9, ..Target::operator() };
        let steady = estimate(&target, &[&[1.0, 1.0, 50.0]]);
        assert_eq!((steady.median_ms, steady.blocks, steady.settled), (1.0, 3, Settled::Stable));
        assert_eq!(steady.samples_ms.len(), 9);
        let noisy = estimate(&target, &[&[1.0], &[2.0], &[3.0]]);
        assert_eq!((noisy.median_ms, noisy.blocks, noisy.settled), (2.0, 9, Settled::BlockLimit));
        let slow = estimate(&Target { time_limit: Duration::ZERO, ..target.clone() }, &[&[4.0, 6.0, 5.0]]);
        assert_eq!((slow.median_ms, slow.blocks, slow.settled), (5.0, 1, Settled::TimeLimit));
        assert!(slow.stderr_ms > 0.0);
        // One instance in nine that is ten times slower changes nothing.
        let outlier = estimate(&target, &[&[1.0], &[1.0], &[10.0], &[1.0], &[1.0], &[1.0], &[1.0], &[1.0], &[1.0]]);
        assert_eq!((outlier.median_ms, outlier.settled), (1.0, Settled::Stable));
    }

    #[test]
    fn nonsense_is_an_error() {
        for samples in [vec![], vec![0.0], vec![f64::NAN]] {
            let mut runner = Mock::new(|_, _| Ok(samples.clone()));
            let subject = Subject { name: "x".to_owned(), model: Vec::new(), scope: Scope::Whole, without: Vec::new() };
            assert!(measure(&mut runner, &subject, &Target::operator()).is_err());
        }
    }
}
