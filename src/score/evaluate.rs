//! Repeating a proxy that draws until its mean is known, on any number of threads with one result.
//!
//! Trials are numbered. Threads may finish them in any order; whether the mean is known well enough
//! is judged in the order of their numbers, and what was computed beyond is dropped.

use super::{Compute, Draw, Proxy, Randomness, ScoreError, Scratch, Trial, Until};
use crate::net::Graph;

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
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Evaluation {
    /// Mean over the trials.
    pub score: f64,
    /// Standard error of the mean, in units of the score; absent for one trial, and for proxies
    /// that draw nothing.
    pub standard_error: Option<f64>,
    /// Trials made.
    pub draws: u32,
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
        let Randomness::Drawn { batch_size, until } = proxy.randomness() else {
            let score = proxy.score(graph, &Trial::NONE, &mut self.scratch[0])?;
            return Ok(Evaluation { score, standard_error: None, draws: 1 });
        };
        let until = match (self.sampling.until, until) {
            (Some(Until::StandardError(_)), Until::Draws(own)) => Until::Draws(own),
            (asked, own) => asked.unwrap_or(own),
        };
        let batch_size = self.sampling.batch_size.unwrap_or(batch_size);
        let Sampling { seed, compute, .. } = self.sampling;
        let trial = |number| Trial { draw: Draw { seed, number }, batch_size, compute };
        let mut moments = Moments::default();
        loop {
            let first = moments.count;
            let ahead = match until {
                Until::Draws(draws) => draws.max(1) - first,
                Until::StandardError(_) => Sampling::MOST_DRAWS - first,
            };
            let count = ahead.min(self.scratch.len() as u32);
            for score in
                wave(&mut self.scratch[..count as usize], |i, scratch| proxy.score(graph, &trial(first + i), scratch))
            {
                moments.add(score?);
                let evaluation = moments.evaluation();
                observe(&evaluation);
                if enough(until, &evaluation) {
                    return Ok(evaluation);
                }
            }
        }
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

/// One trial on each thread, in order.
fn wave<R: Send>(scratch: &mut [Scratch], trial: impl Fn(u32, &mut Scratch) -> R + Sync) -> Vec<R> {
    if let [scratch] = scratch {
        return vec![trial(0, scratch)];
    }
    let trial = &trial;
    std::thread::scope(|scope| {
        let handles: Vec<_> =
            scratch.iter_mut().enumerate().map(|(i, scratch)| scope.spawn(move || trial(i as u32, scratch))).collect();
        let joined = handles.into_iter().map(|handle| handle.join());
        joined.map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
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
mod tests {
    use super::*;
    use crate::net::{LowerOptions, Network};

    #[test]
    fn moments_are_those_of_the_values() {
        let mut moments = Moments::default();
        [1.0, 2.0, 4.0, 9.0].into_iter().for_each(|value| moments.add(value));
        let found = moments.evaluation();
        assert_eq!((found.score, found.draws), (4.0, 4));
        // Squared deviations 9, 4, 0, 25: variance 38 / 3 over 4 values.
        assert!((found.standard_error.unwrap() - (38.0f64 / 3.0 / 4.0).sqrt()).abs() < 1e-12);
    }

    /// A normal variable with the given spread about 5.
    #[derive(Debug)]
    struct Noise(f64);

    impl Proxy for Noise {
        fn name(&self) -> &'static str {
            "noise"
        }
        fn about(&self) -> &'static str {
            "a test"
        }
        fn randomness(&self) -> Randomness {
            Randomness::Drawn { batch_size: 1, until: Until::StandardError(0.3) }
        }
        fn score(&self, _: &Graph, trial: &Trial, _: &mut Scratch) -> Result<f64, ScoreError> {
            let mut value = [0.0];
            trial.draw.normal(crate::score::Purpose::Other(9), &mut value);
            Ok(5.0 + self.0 * value[0] as f64)
        }
    }

    #[test]
    fn noise_decides_the_number_of_trials_and_threads_do_not() {
        let network = Network::parse("SuperConvK3BNRELU(3,8,1,1)").unwrap();
        let graph = network.lower(&LowerOptions::new(8, 10)).unwrap();
        let evaluate = |spread, until, threads| {
            let sampling = Sampling { until, threads, ..Sampling::default() };
            Evaluator::new(sampling).evaluate(&Noise(spread), &graph, &mut |_| ()).unwrap()
        };
        let quiet = evaluate(0.1, None, 1);
        assert_eq!(quiet.draws, Sampling::LEAST_DRAWS);
        let loud = evaluate(3.0, None, 1);
        assert!((60..160).contains(&loud.draws), "{loud:?}");
        assert!(loud.standard_error.unwrap() <= 0.3 && (loud.score - 5.0).abs() < 1.0, "{loud:?}");
        for threads in [2, 3, 7] {
            assert_eq!(evaluate(3.0, None, threads), loud);
        }
        assert_eq!(evaluate(3.0, Some(Until::Draws(2)), 5).draws, 2);
        assert_eq!(evaluate(1e9, None, 4).draws, Sampling::MOST_DRAWS);
    }
}
