//! Bench statistics: when a time is known well enough, and how well.
//!
//! The unit is a block, the samples of one freshly loaded instance: fresh instances of the same
//! operator differ by more than the repetitions of one (where its buffers lie in memory decides),
//! so repeating one instance would feign precision. A block counts by its median, the estimate is
//! the median over blocks: single outliers, among samples or among instances, never decide.

use std::time::{Duration, Instant};

use zen_agent::Limits;

use super::{Runner, RunnerError, Subject};

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

/// The median; none without values.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    median_of_sorted(&sorted)
}

fn median_of_sorted(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[middle]),
        _ => Some(0.5 * (sorted[middle - 1] + sorted[middle])),
    }
}

/// Median and its standard error from order statistics, which need no shape of the distribution:
/// the distance between the c-th values from either end, c = (n + 1) / 2 - sqrt(n), over twice the
/// normal quantile of their binomial coverage (Price and Bonett 2001, as McKean and Schrader
/// 1984). One value has an error of 0; none without values.
pub fn median_and_stderr(values: &[f64]) -> Option<(f64, f64)> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let median = median_of_sorted(&sorted)?;
    let count = sorted.len();
    if count == 1 {
        return Some((median, 0.0));
    }
    let n = count as f64;
    let rank = (((n + 1.0) / 2.0 - n.sqrt()).round() as usize).max(1);
    // Probability that fewer than `rank` of n values lie below the median.
    let mut term = 0.5f64.powf(n);
    let mut tail = 0.0;
    for i in 0..rank {
        tail += term;
        term *= (n - i as f64) / (i as f64 + 1.0);
    }
    let spread = sorted[count - rank] - sorted[rank - 1];
    Some((median, spread / (2.0 * upper_normal_quantile(tail))))
}

/// z with P(Z > z) = p for 0 < p < 0.5 (Abramowitz and Stegun 26.2.23, error below 4.5e-4).
fn upper_normal_quantile(p: f64) -> f64 {
    // Beyond 1000 values the tail underflows; there it is about 2 standard deviations.
    let t = (-2.0 * p.max(f64::MIN_POSITIVE).ln()).sqrt();
    t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308)))
}

#[cfg(test)]
mod tests {
    use super::super::runner::mock::Mock;
    use super::*;
    use rand::{RngExt, SeedableRng};
    use zen_agent::Scope;

    #[test]
    fn known_values() {
        for (p, z) in [(0.25, 0.674490), (0.05, 1.644854), (1.0 / 32.0, 1.862732), (0.001, 3.090232)] {
            assert!((upper_normal_quantile(p) - z).abs() < 4.5e-4, "{p}");
        }
        assert_eq!(median_and_stderr(&[]), None);
        assert_eq!(median_and_stderr(&[3.0]), Some((3.0, 0.0)));
        // Five values: first and last, coverage 1/32 on either side.
        let (median, stderr) = median_and_stderr(&[5.0, 1.0, 2.0, 4.0, 3.0]).unwrap();
        assert_eq!(median, 3.0);
        assert!((stderr - 4.0 / (2.0 * 1.862732)).abs() < 1e-3, "{stderr}");
        // Nine values: the second from either end, (1 + 9) / 512 = 0.0195, z = 2.0649.
        let values = [9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 1e6];
        let (median, stderr) = median_and_stderr(&values).unwrap();
        assert_eq!(median, 5.0);
        assert!((stderr - (9.0 - 2.0) / (2.0 * 2.0649)).abs() < 2e-3, "{stderr}");
    }

    #[test]
    fn standard_error_is_the_spread_of_medians() {
        // Uniform on 0..1: the median of n has a standard deviation of about 0.5 / sqrt(n + 2).
        let rng = &mut rand_pcg::Pcg64Mcg::seed_from_u64(5);
        for n in [6, 15, 40] {
            let trials = 4000;
            let mean: f64 = (0..trials)
                .map(|_| median_and_stderr(&(0..n).map(|_| rng.random::<f64>()).collect::<Vec<_>>()).unwrap().1)
                .sum::<f64>()
                / trials as f64;
            let expected = 0.5 / ((n + 2) as f64).sqrt();
            assert!((mean / expected - 1.0).abs() < 0.15, "{n}: {mean} for {expected}");
        }
    }

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
