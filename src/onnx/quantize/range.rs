//! The range that a tensor of activations is given, of what was seen of it.

use super::histogram::Histogram;
use super::number::Range;
use super::{CalibrationMethod, PERCENTILE, QuantizedFor};

/// What was seen of a tensor.
#[derive(Clone, Debug)]
pub struct Observed {
    seen: Option<Range>,
    /// For methods that look at more than the ends.
    histogram: Option<Histogram>,
}

impl Observed {
    pub fn new(method: CalibrationMethod) -> Self {
        let histogram = (method != CalibrationMethod::MinMax).then(Histogram::default);
        Self { seen: None, histogram }
    }

    /// # Errors
    /// The first value that is not finite.
    pub fn add(&mut self, values: &[f32]) -> Result<(), f32> {
        if let Some(value) = values.iter().find(|value| !value.is_finite()) {
            return Err(*value);
        }
        let Some(first) = values.first() else { return Ok(()) };
        let (low, high) =
            values.iter().fold((*first, *first), |(low, high), value| (low.min(*value), high.max(*value)));
        if let Some(histogram) = &mut self.histogram {
            histogram.add(values, high.max(-low));
        }
        let seen = self.seen.get_or_insert(Range { low, high });
        *seen = Range { low: seen.low.min(low), high: seen.high.max(high) };
        Ok(())
    }

    /// The range to be held in integers of `form`; values outside become its ends.
    pub fn range(&self, method: CalibrationMethod, form: QuantizedFor) -> Range {
        let Range { low, high } = self.seen.unwrap_or(Range { low: 0.0, high: 0.0 });
        let cut = match (&self.histogram, method) {
            (None, _) | (_, CalibrationMethod::MinMax) => return Range { low, high },
            (Some(histogram), CalibrationMethod::Percentile) => histogram.percentile_cut(PERCENTILE),
            (Some(histogram), CalibrationMethod::Entropy) => {
                // Where nothing is negative, a zero point leaves all levels to one side.
                let one_sided = form == QuantizedFor::Onnxruntime && low >= 0.0;
                histogram.entropy_cut(if one_sided { 256 } else { 128 })
            }
        };
        Range { low: low.max(-cut), high: high.min(cut) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_by_method() {
        let bell = crate::onnx::weights::normal(0, "bell", 100_000, 1.0);
        let ends = bell.iter().fold((0f32, 0f32), |(low, high), value| (low.min(*value), high.max(*value)));
        let values: Vec<f32> = bell.into_iter().chain([-40.0]).collect();
        let range = |method| {
            let mut observed = Observed::new(method);
            for part in values.chunks(999) {
                observed.add(part).unwrap();
            }
            observed.range(method, QuantizedFor::Onnxruntime)
        };
        assert_eq!(range(CalibrationMethod::MinMax), Range { low: -40.0, high: ends.1 });
        // Ten values in 100,001 are beyond the 99.99th percentile: 3.89 standard deviations.
        let percentile = range(CalibrationMethod::Percentile);
        assert!((-4.2..-3.6).contains(&percentile.low) && percentile.high == -percentile.low, "{percentile:?}");
        let entropy = range(CalibrationMethod::Entropy);
        assert!((-6.0..-2.5).contains(&entropy.low) && entropy.high <= ends.1, "{entropy:?}");
        let nothing = Observed::new(CalibrationMethod::Entropy);
        assert_eq!(nothing.range(CalibrationMethod::Entropy, QuantizedFor::Tensorrt), Range { low: 0.0, high: 0.0 });
    }

    #[test]
    fn values_that_are_not_finite() {
        let mut observed = Observed::new(CalibrationMethod::MinMax);
        assert_eq!(observed.add(&[1.0, f32::INFINITY]), Err(f32::INFINITY));
        assert!(observed.add(&[f32::NAN]).is_err());
    }
}
