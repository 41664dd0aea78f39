//! From the uncertainty of operators to that of a network, and the interval that it gives.
//!
//! Not here: how uncertain an operator is (`correction`), how wide the interval must be to hold its
//! share of networks (`fit::spread`).

use super::{Composition, Interval};
use crate::stats::upper_normal_quantile;

/// Share of networks that an interval is to hold.
pub const COVERAGE: f64 = 0.9;

/// Share of the variance of one class's operators that they have in common: rows of one kind err alike,
/// but a common factor is in the class weight already.
const COMMON: f64 = 0.05;

/// Adds up the standard deviations of the operators of one class.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClassSpread {
    sum_ms: f64,
    squares: f64,
}

impl ClassSpread {
    /// An operator of `ms` with the standard deviation `uncertainty` of its logarithm.
    pub fn add(&mut self, ms: f64, uncertainty: f64) {
        self.sum_ms += ms * uncertainty;
        self.squares += (ms * uncertainty).powi(2);
    }

    /// Standard deviation of the sum, in milliseconds.
    pub fn ms(&self) -> f64 {
        (COMMON * self.sum_ms.powi(2) + (1.0 - COMMON) * self.squares).sqrt()
    }
}

impl Composition {
    /// Where the measured latency of a network predicted at `ms` is expected; `operator_spread` is what
    /// [`NetworkTimes::operator_spread`](super::NetworkTimes::operator_spread) says. None where the
    /// spread was never calibrated.
    pub fn interval(&self, ms: f64, operator_spread: f64) -> Option<Interval> {
        if self.spread_factor <= 0.0 {
            return None;
        }
        let reach = (self.spread_factor * operator_spread.hypot(self.spread_floor)).exp();
        Some(Interval { low_ms: ms / reach, high_ms: ms * reach, coverage: COVERAGE })
    }

    /// The factor on a prediction that the measured latency stays below for a share `confidence` of networks, from 0.5
    /// to below 1. None where the spread was never calibrated.
    ///
    /// The calibrated interval holds 90% of networks between `ms / exp(r)` and `ms * exp(r)`. If errors in logarithms
    /// are symmetric, 95% lie below its upper end, so at 0.95 the factor is `exp(r)`. At other levels it is
    /// `exp(r z(confidence) / z(0.95))`, z the standard normal quantile: only the calibrated `r` sets the scale. Errors
    /// with heavier tails make the factor rather too large below 0.95 and too small above.
    pub fn upper_factor(&self, operator_spread: f64, confidence: f64) -> Option<f64> {
        if self.spread_factor <= 0.0 {
            return None;
        }
        let share = z(confidence) / z((1.0 + COVERAGE) / 2.0);
        Some((share * self.spread_factor * operator_spread.hypot(self.spread_floor)).exp())
    }
}

/// Standard normal quantile of a probability from 0.5 to below 1.
fn z(probability: f64) -> f64 {
    if probability <= 0.5 { 0.0 } else { upper_normal_quantile(1.0 - probability) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interval_by_hand() {
        let composition = Composition { spread_floor: 0.03, spread_factor: 2.0, ..Composition::default() };
        let Interval { low_ms, high_ms, coverage } = composition.interval(10.0, 0.04).unwrap();
        // 2 x hypot(3%, 4%) = 10% in logarithms.
        assert!((low_ms - 10.0 * (-0.1_f64).exp()).abs() < 1e-12 && (high_ms - 10.0 * 0.1_f64.exp()).abs() < 1e-12);
        assert_eq!((coverage, Composition::default().interval(10.0, 0.04)), (0.9, None));
    }

    #[test]
    fn one_sided_quantiles_by_hand() {
        let composition = Composition { spread_floor: 0.03, spread_factor: 2.0, ..Composition::default() };
        let factor = |confidence: f64| composition.upper_factor(0.04, confidence).unwrap();
        // 95% lie below the upper end of an interval that holds 90%.
        assert_eq!(factor(0.95), composition.interval(1.0, 0.04).unwrap().high_ms);
        assert_eq!(factor(0.5), 1.0);
        // 10% x 1.2816 / 1.6449.
        assert!((factor(0.9).ln() - 0.07791).abs() < 1e-4, "{}", factor(0.9));
        assert!(factor(0.8) < factor(0.9) && factor(0.99) > factor(0.95));
        assert_eq!(Composition::default().upper_factor(0.04, 0.9), None);
    }

    #[test]
    fn single_errors_average_out_common_ones_do_not() {
        let spread = |count: usize| {
            let mut class = ClassSpread::default();
            (0..count).for_each(|_| class.add(1.0 / count as f64, 0.1));
            class.ms()
        };
        assert!((spread(1) - 0.1).abs() < 1e-12);
        // 0.1 x sqrt(0.05 + 0.95 / 100).
        assert!((spread(100) - 0.1 * 0.0595_f64.sqrt()).abs() < 1e-12);
    }
}
