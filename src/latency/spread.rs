//! From the uncertainty of operators to that of a network, and the interval that it gives.
//!
//! Not here: how uncertain an operator is (`correction`), how wide the interval must be to hold its
//! share of networks (`fit::spread`).

use super::{Composition, Interval};

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
