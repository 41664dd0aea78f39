//! A linear axis with ticks that people read, of any unit.

/// The range of an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::report) struct Linear {
    pub low: f64,
    pub high: f64,
}

/// Intervals between ticks that are aimed for.
const INTERVALS: f64 = 5.0;
/// Room beyond the smallest and largest value, as a share of the range.
const MARGIN: f64 = 0.06;

impl Linear {
    /// An axis that holds all of these values; none without any.
    pub fn covering(values: impl Iterator<Item = f64>) -> Option<Self> {
        let finite = values.filter(|value| value.is_finite());
        let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        if low > high {
            return None;
        }
        // One value has no range of its own.
        let range = if high > low { high - low } else { low.abs().max(1.0) };
        Some(Self { low: low - MARGIN * range, high: high + MARGIN * range })
    }

    /// Where a value lies, from 0 at the low end to 1 at the high end.
    pub fn place(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// Values with their labels, one, two or five times a power of ten apart.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let least = (self.high - self.low) / INTERVALS;
        let power = 10f64.powf(least.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|digit| digit * power).find(|step| *step >= least);
        let step = step.unwrap_or(10.0 * power);
        let decimals = (-step.log10().floor()).clamp(0.0, 12.0) as usize;
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step).floor() as i64;
        (first..=last).map(|n| n as f64 * step).map(|value| (value, format!("{value:.decimals$}"))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_few_and_round() {
        let labels = |low: f64, high: f64| {
            Linear { low, high }.ticks().into_iter().map(|(_, label)| label).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(labels(3.0, 547.0), "200 400");
        assert_eq!(labels(480.0, 550.0), "480 500 520 540");
        assert_eq!(labels(-0.3, 1.1), "0.0 0.5 1.0");
        assert_eq!(labels(1e-4, 2.2e-4), "0.00010 0.00015 0.00020");
    }

    #[test]
    fn axes_hold_their_values() {
        let axis = Linear::covering([2.0, f64::NAN, 4.0].into_iter()).unwrap();
        assert!(axis.low < 2.0 && axis.high > 4.0 && (axis.place(3.0) - 0.5).abs() < 1e-12);
        assert!(Linear::covering([7.0].into_iter()).unwrap().ticks().len() >= 2);
        assert_eq!(Linear::covering([f64::NAN].into_iter()), None);
    }
}
