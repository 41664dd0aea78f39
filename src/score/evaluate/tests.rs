//! Repetition with a proxy whose mean and spread are known.

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
    // Stopping on the way and going on changes nothing.
    let mut evaluator = Evaluator::new(Sampling { threads: 3, ..Sampling::default() });
    let (noise, mut trials) = (Noise(3.0), evaluator.begin(&Noise(3.0)));
    for until in [Until::Draws(5), trials.until()] {
        trials.set_until(until);
        while evaluator.advance(&noise, &graph, &mut trials, &mut |_| ()).unwrap().is_none() {}
        let draws = trials.evaluation().unwrap().draws;
        assert!(until != Until::Draws(5) || draws == 5);
    }
    assert_eq!(trials.evaluation(), Some(loud));
}
