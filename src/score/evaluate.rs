//! Repeating a proxy that draws until its mean is known, on any number of threads with one result.
//!
//! Trials are numbered. Threads may finish them in any order; whether the mean is known well enough
//! is judged in the order of their numbers, and what was computed beyond is dropped.

use super::{Compute, Draw, Proxy, Randomness, ScoreError, Scratch, Trial, Until};
use crate::net::Graph;
use crate::parallel::in_order;

/// How proxies that draw are repeated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    pub seed: u64,
    /// Images of a trial; the proxy's own number if absent.
    pub batch_size: Option<usize>,
    /// When to stop; the proxy's own rule if absent. A standard error applies to proxies whose own
    /// rule is one, since only their unit is known.
    pub until: Option<Until>,
    /// Threads; no influence on the result.
    pub threads: usize,
    /// Where proxies that can choose compute; the numbers drawn are the same, rounding is not.
    pub compute: Compute,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { seed: 0, batch_size: None, until: None, threads: 1, compute: Compute::Cpu }
    }
}

impl Sampling {
    /// Trials before a standard error is believed: with fewer, their spread is not known.
    pub const LEAST_DRAWS: u32 = 8;
    /// Trials at most, whatever the standard error is.
    pub const MOST_DRAWS: u32 = 1000;
}

/// A score with its evidence.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct Evaluation {
    /// Mean over the trials.
    pub score: f64,
    /// Standard error of the mean, in units of the score; absent for one trial, and for proxies
    /// that draw nothing.
    pub standard_error: Option<f64>,
    /// Trials made.
    pub draws: u32,
}

/// An evaluation with what repeats it.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct Scored {
    pub proxy: &'static str,
    #[serde(flatten)]
    pub evaluation: Evaluation,
    /// None for proxies that draw nothing.
    pub seed: Option<u64>,
    /// Images of a draw; none for proxies that draw nothing.
    pub score_batch_size: Option<usize>,
}

/// Evaluates proxies, with working memory for each thread.
#[derive(Debug)]
pub struct Evaluator {
    sampling: Sampling,
    scratch: Vec<Scratch>,
}

impl Evaluator {
    pub fn new(sampling: Sampling) -> Self {
        let scratch = (0..sampling.threads.max(1)).map(|_| Scratch::default()).collect();
        Self { sampling, scratch }
    }

    /// The score of a network; `observe` sees the mean so far as trials come in.
    ///
    /// # Errors
    /// When a trial fails.
    pub fn evaluate(
        &mut self,
        proxy: &dyn Proxy,
        graph: &Graph,
        observe: &mut dyn FnMut(&Evaluation),
    ) -> Result<Evaluation, ScoreError> {
        let mut trials = self.begin(proxy);
        loop {
            if let Some(evaluation) = self.advance(proxy, graph, &mut trials, observe)? {
                return Ok(evaluation);
            }
        }
    }

    /// No trial yet, with the rule by which this evaluator stops; for callers that stop, pause or go
    /// on by rules of their own.
    pub fn begin(&self, proxy: &dyn Proxy) -> Trials {
        let Randomness::Drawn { batch_size, until } = proxy.randomness() else {
            return Trials { moments: Moments::default(), batch_size: 1, until: Until::Draws(1) };
        };
        let until = match (self.sampling.until, until) {
            (Some(Until::StandardError(_)), Until::Draws(own)) => Until::Draws(own),
            (asked, own) => asked.unwrap_or(own),
        };
        Trials { moments: Moments::default(), batch_size: self.sampling.batch_size.unwrap_or(batch_size), until }
    }

    /// What the trials of a proxy say, with what repeats them; nothing before the first.
    pub fn scored(&self, proxy: &dyn Proxy, trials: &Trials) -> Option<Scored> {
        let drawn = proxy.randomness() != Randomness::None;
        Some(Scored {
            proxy: proxy.name(),
            evaluation: trials.evaluation()?,
            seed: drawn.then_some(self.sampling.seed),
            score_batch_size: drawn.then_some(trials.batch_size),
        })
    }

    /// One more trial on each thread, as far as the rule asks for them; the evaluation once it is met.
    ///
    /// # Errors
    /// When a trial fails.
    pub fn advance(
        &mut self,
        proxy: &dyn Proxy,
        graph: &Graph,
        trials: &mut Trials,
        observe: &mut dyn FnMut(&Evaluation),
    ) -> Result<Option<Evaluation>, ScoreError> {
        if graph.is_foreign() && !proxy.takes_foreign() {
            let reason = "it scores networks given as a structure, and this one was read from a file".to_owned();
            return Err(ScoreError::Undefined { proxy: proxy.name(), reason });
        }
        if let Some(evaluation) = trials.evaluation().filter(|evaluation| enough(trials.until, evaluation)) {
            return Ok(Some(evaluation));
        }
        if proxy.randomness() == Randomness::None {
            trials.moments.add(proxy.score(graph, &Trial::NONE, &mut self.scratch[0])?);
            return Ok(trials.evaluation());
        }
        let Trials { moments, batch_size, until } = trials;
        let first = moments.count;
        let ahead = match until {
            Until::Draws(draws) => (*draws).max(1).saturating_sub(first),
            Until::StandardError(_) => Sampling::MOST_DRAWS.saturating_sub(first),
        };
        let count = ahead.min(self.scratch.len() as u32);
        let Sampling { seed, compute, .. } = self.sampling;
        let trial = |number| Trial { draw: Draw { seed, number }, batch_size: *batch_size, compute };
        let numbers: Vec<u32> = (first..first + count).collect();
        let scores = in_order(&mut self.scratch[..count as usize], &numbers, |scratch, number| {
            proxy.score(graph, &trial(*number), scratch)
        });
        for score in scores {
            moments.add(score?);
            let evaluation = moments.evaluation();
            observe(&evaluation);
            if enough(*until, &evaluation) {
                return Ok(Some(evaluation));
            }
        }
        Ok(None)
    }
}

/// The trials of one network so far.
#[derive(Clone, Copy, Debug)]
pub struct Trials {
    moments: Moments,
    batch_size: usize,
    until: Until,
}

impl Trials {
    /// What they say; nothing before the first.
    pub fn evaluation(&self) -> Option<Evaluation> {
        (self.moments.count > 0).then(|| self.moments.evaluation())
    }

    /// Images of a trial.
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// The rule that ends them.
    pub fn until(&self) -> Until {
        self.until
    }

    /// Replaces that rule; trials that were made stay.
    pub fn set_until(&mut self, until: Until) {
        self.until = until;
    }
}

fn enough(until: Until, evaluation: &Evaluation) -> bool {
    match until {
        Until::Draws(draws) => evaluation.draws >= draws,
        Until::StandardError(target) => {
            evaluation.draws >= Sampling::MOST_DRAWS
                || evaluation.draws >= Sampling::LEAST_DRAWS
                    && evaluation.standard_error.is_some_and(|error| error <= target)
        }
    }
}

/// Mean and variance as values come in (Welford, 1962).
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    count: u32,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.count += 1;
        let difference = value - self.mean;
        self.mean += difference / self.count as f64;
        self.squares += difference * (value - self.mean);
    }

    fn evaluation(&self) -> Evaluation {
        let n = self.count as f64;
        let standard_error = (self.count > 1).then(|| (self.squares / (n - 1.0) / n).sqrt());
        Evaluation { score: self.mean, standard_error, draws: self.count }
    }
}

#[cfg(test)]
mod tests;
