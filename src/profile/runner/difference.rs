//! Operators on runtimes that only time whole models: a model with the operator minus models
//! without it.
//!
//! A difference of two large times is a poor measurement of a small one. Both sides are timed in
//! turns, back and forth, so that a machine that grows slower does so for both, and a difference
//! that is lost in its own noise is an error, not a small number.

use zen_agent::{Limits, Scope};

use super::{OperatorForm, Runner, RunnerAbout, RunnerError, Subject};
use crate::profile::transport::Transport;
use crate::stats::{median, median_and_stderr};

/// Turns of every model in a block; even, so that half of them run in either order.
const TURNS: usize = 4;
/// A difference below this many of its standard errors is refused.
const MIN_SIGNIFICANCE: f64 = 2.0;

/// Answers [`Scope::Nodes`] by differences of whole models; everything else is the inner runner's.
pub struct Difference {
    inner: Box<dyn Runner>,
}

impl Difference {
    pub fn new(inner: Box<dyn Runner>) -> Self {
        Self { inner }
    }
}

impl Runner for Difference {
    fn about(&self) -> RunnerAbout {
        let about = self.inner.about();
        let clock = format!("{}; operators by the difference between models with and without them", about.clock);
        RunnerAbout { clock, ..about }
    }

    fn transport(&mut self) -> Option<&mut dyn Transport> {
        self.inner.transport()
    }

    fn await_fit(&mut self) -> Result<Vec<String>, RunnerError> {
        self.inner.await_fit()
    }

    fn operator_form(&self) -> OperatorForm {
        OperatorForm::Difference
    }

    fn blocks(&mut self, models: &[&[u8]], name: &str, limits: &Limits) -> Result<Vec<Vec<f64>>, RunnerError> {
        self.inner.blocks(models, name, limits)
    }

    /// Milliseconds of the operator, one sample for each turn.
    fn block(&mut self, subject: &Subject, limits: &Limits) -> Result<Vec<f64>, RunnerError> {
        if subject.scope == Scope::Whole {
            return self.inner.block(subject, limits);
        }
        if subject.without.is_empty() {
            return Err(RunnerError::Model("no model without the operator was given to compare with".to_owned()));
        }
        let mut sides = vec![(subject.model.as_slice(), 1.0)];
        sides.extend(subject.without.iter().map(|without| (without.model.as_slice(), -without.weight)));
        let mut turns = Vec::with_capacity(TURNS * sides.len());
        for _ in 0..TURNS {
            turns.extend_from_slice(&sides);
            sides.reverse();
        }
        let models: Vec<&[u8]> = turns.iter().map(|(model, _)| *model).collect();
        let blocks = self.inner.blocks(&models, &subject.name, limits)?;
        // The median of each fresh instance.
        let times: Option<Vec<f64>> =
            turns.iter().zip(&blocks).map(|((_, weight), samples)| Some(weight * median(samples)?)).collect();
        let times = times.filter(|times| times.len() == turns.len());
        let times = times.ok_or_else(|| RunnerError::Model("the runner gave no samples".to_owned()))?;
        let differences: Vec<f64> = times.chunks(sides.len()).map(|turn| turn.iter().sum()).collect();
        match median_and_stderr(&differences) {
            Some((median_ms, stderr_ms)) if median_ms > MIN_SIGNIFICANCE * stderr_ms => Ok(differences),
            Some((median_ms, stderr_ms)) => Err(RunnerError::Model(format!(
                "too fast to be told from the models without it: {median_ms:.4} +- {stderr_ms:.4} ms per call"
            ))),
            None => Err(RunnerError::Model("the runner gave no samples".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Without;
    use super::super::mock::Mock;
    use super::*;

    /// A model of one byte takes as many milliseconds.
    fn subject(with: u8, without: &[(u8, f64)]) -> Subject {
        let without = without.iter().map(|(model, weight)| Without { model: vec![*model], weight: *weight }).collect();
        Subject { name: "x".to_owned(), model: vec![with], scope: Scope::Nodes("operator_".to_owned()), without }
    }

    fn block(subject: &Subject, drift: fn(u32) -> f64) -> Result<Vec<f64>, RunnerError> {
        let mock = Mock::new(move |subject, block| Ok(vec![subject.model[0] as f64 + drift(block)]));
        Difference::new(Box::new(mock)).block(subject, &Limits::default())
    }

    #[test]
    fn differences_are_weighted() {
        assert_eq!(block(&subject(10, &[(4, 0.5), (6, 1.0), (2, -0.5)]), |_| 0.0).unwrap(), [3.0; TURNS]);
    }

    #[test]
    fn a_steady_drift_cancels() {
        let samples = block(&subject(10, &[(4, 1.0)]), |block| 0.25 * block as f64).unwrap();
        assert_eq!(samples, [5.75, 6.25, 5.75, 6.25]);
        assert_eq!(median(&samples), Some(6.0));
    }

    #[test]
    fn what_is_lost_in_noise_is_refused() {
        let noisy = |block| f64::from(block * 7 % 5) - 2.0;
        for (with, without) in [(10, 10), (10, 12)] {
            let error = block(&subject(with, &[(without, 1.0)]), noisy).unwrap_err().to_string();
            assert!(error.contains("too fast to be told"), "{error}");
        }
        let error = block(&subject(10, &[]), |_| 0.0).unwrap_err().to_string();
        assert!(error.contains("no model without"), "{error}");
    }

    #[test]
    fn whole_models_pass_through() {
        let whole = Subject { scope: Scope::Whole, ..subject(7, &[]) };
        assert_eq!(block(&whole, |_| 0.0).unwrap(), [7.0]);
    }
}
