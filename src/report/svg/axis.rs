//! A logarithmic axis with ticks that people read.

/// The range of an axis, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::report) struct Axis {
    pub low: f64,
    pub high: f64,
}

/// Most ticks on an axis.
const MOST: usize = 9;
/// Room beyond the smallest and largest time, as a factor.
const MARGIN: f64 = 1.08;
/// Smallest ratio of the ends: a few networks of nearly the same time do not fill the plot.
const SMALLEST_RATIO: f64 = 1.6;

/// Leading digits of ticks, finest first; the first choice without too many ticks is taken.
const CHOICES: [&[f64]; 5] = [
    &[1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 6.5, 7.0, 7.5, 8.0, 8.5, 9.0, 9.5],
    &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0],
    &[1.0, 2.0, 3.0, 5.0],
    &[1.0, 3.0],
    &[1.0],
];

impl Axis {
    /// An axis that holds all of these positive times; none without any.
    pub fn covering(times: impl Iterator<Item = f64>) -> Option<Self> {
        let (low, high) = times.fold((f64::INFINITY, 0.0f64), |(low, high), ms| (low.min(ms), high.max(ms)));
        if !(low.is_finite() && high > 0.0) {
            return None;
        }
        let widen = (SMALLEST_RATIO / (high / low)).sqrt().max(MARGIN);
        Some(Self { low: low / widen, high: high * widen })
    }

    /// Where a time lies, from 0 at the low end to 1 at the high end.
    pub fn place(&self, ms: f64) -> f64 {
        (ms / self.low).ln() / (self.high / self.low).ln()
    }

    /// Times with their labels.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let fine =
            [10, 20].map(|step| (100..1000).step_by(step).map(|digits| f64::from(digits) / 100.0).collect::<Vec<_>>());
        let choices = fine.iter().map(Vec::as_slice).chain(CHOICES);
        let mut ticks = Vec::new();
        for digits in choices {
            ticks = self.multiples(digits);
            if ticks.len() <= MOST {
                break;
            }
        }
        // Labels without the noise of powers of ten.
        ticks.into_iter().map(|ms| (ms, format!("{}", format!("{ms:.3e}").parse().unwrap_or(ms)))).collect()
    }

    /// Digits times powers of ten within the range, smallest first.
    fn multiples(&self, digits: &[f64]) -> Vec<f64> {
        let decades = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
        let all = decades.flat_map(|decade| digits.iter().map(move |digit| digit * 10f64.powi(decade)));
        all.filter(|ms| (self.low..=self.high).contains(ms)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_few_and_round() {
        let labels = |low: f64, high: f64| {
            Axis { low, high }.ticks().into_iter().map(|(_, label)| label).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(labels(19.0, 31.0), "20 22 24 26 28 30");
        assert_eq!(labels(1.9, 25.0), "2 3 4 5 6 8 10 15 20");
        assert_eq!(labels(0.004, 0.5), "0.005 0.01 0.02 0.03 0.05 0.1 0.2 0.3 0.5");
        assert_eq!(labels(0.05, 50_000.0), "0.1 1 10 100 1000 10000");
        for (low, high) in [(1e-4, 1.7e-4), (3.0, 7.0), (0.9, 13.0), (8.0, 4000.0)] {
            let count = Axis { low, high }.ticks().len();
            assert!((3..=MOST).contains(&count), "{low} {high}: {count}");
        }
    }

    #[test]
    fn axes_hold_their_times() {
        let axis = Axis::covering([2.0, 8.0].into_iter()).unwrap();
        assert!(axis.low < 2.0 && axis.high > 8.0);
        assert!((axis.place(4.0) - 0.5).abs() < 1e-12);
        let narrow = Axis::covering([5.0].into_iter()).unwrap();
        assert!((narrow.high / narrow.low - SMALLEST_RATIO).abs() < 1e-12);
        assert_eq!(Axis::covering([].into_iter()), None);
    }
}
