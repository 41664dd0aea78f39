//! How often a tensor's values have which magnitude, and where to cut the largest off.
//!
//! Bins have one width, which doubles when a larger value comes, so that values are looked at once
//! and never kept. Exact zeros are only counted: every scale holds them. Not here: which tensors
//! (`plan.rs`), what becomes of the cut (`range.rs`).

/// Bins; after widening at least half of them are used.
const BINS: usize = 4096;
/// Distance in bins between the cuts that [`Histogram::entropy_cut`] compares.
const CUT_STEP: usize = 16;
/// Differences between divergences that are rounding.
const ROUNDING: f64 = 1e-9;

/// Counts of magnitudes.
#[derive(Clone, Debug)]
pub struct Histogram {
    /// Bin `i` holds magnitudes from `i` to `i + 1` widths; 0 until there is a value.
    width: f64,
    bins: Vec<u64>,
    zeros: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { width: 0.0, bins: vec![0; BINS], zeros: 0 }
    }
}

impl Histogram {
    /// Counts finite values, of which `largest` is the largest magnitude.
    pub fn add(&mut self, values: &[f32], largest: f32) {
        let largest = largest as f64;
        if largest > 0.0 && self.width == 0.0 {
            self.width = largest / BINS as f64;
        }
        while largest > self.width * BINS as f64 {
            self.widen();
        }
        let inverse = 1.0 / self.width;
        for value in values {
            if *value == 0.0 {
                self.zeros += 1;
            } else {
                let bin = (value.abs() as f64 * inverse) as usize;
                self.bins[bin.min(BINS - 1)] += 1;
            }
        }
    }

    fn widen(&mut self) {
        self.width *= 2.0;
        for bin in 0..BINS / 2 {
            self.bins[bin] = self.bins[2 * bin] + self.bins[2 * bin + 1];
        }
        self.bins[BINS / 2..].fill(0);
    }

    /// Upper end of the bin in which the magnitude of this percentile lies, zeros included.
    pub fn percentile_cut(&self, percentile: f64) -> f32 {
        let total = self.zeros + self.bins.iter().sum::<u64>();
        let wanted = percentile / 100.0 * total as f64;
        let mut below = self.zeros;
        for (bin, count) in self.bins.iter().enumerate() {
            if below as f64 >= wanted {
                return self.end(bin);
            }
            below += count;
        }
        self.end(BINS)
    }

    /// The cut after which `levels` steps tell least false about the values: least
    /// Kullback-Leibler divergence of the values, those beyond the cut put into its last bin, from
    /// what steps of equal width make of them (Migacz, *8-bit inference with TensorRT*, 2017).
    pub fn entropy_cut(&self, levels: usize) -> f32 {
        let used = BINS - self.bins.iter().rev().take_while(|count| **count == 0).count();
        let sums = Sums::of(&self.bins[..used]);
        let mut best = (f64::INFINITY, used);
        let mut cut = used;
        // From the widest on, which wins where nothing is gained.
        while cut >= levels.max(1) {
            let divergence = sums.divergence(cut, levels);
            if divergence < best.0 - ROUNDING {
                best = (divergence, cut);
            }
            cut = cut.saturating_sub(CUT_STEP);
        }
        self.end(best.1)
    }

    fn end(&self, bin: usize) -> f32 {
        (bin as f64 * self.width) as f32
    }
}

/// Sums over all bins before each, so that a cut costs as many steps as it has levels.
struct Sums {
    bins: Vec<f64>,
    /// Of counts.
    counts: Vec<f64>,
    /// Of `count * ln(count)`.
    entropies: Vec<f64>,
    /// Of bins that hold something.
    occupied: Vec<usize>,
}

impl Sums {
    fn of(bins: &[u64]) -> Self {
        let mut sums = Self { bins: Vec::new(), counts: vec![0.0], entropies: vec![0.0], occupied: vec![0] };
        for (bin, count) in bins.iter().enumerate() {
            let (count, is_occupied) = (*count as f64, *count > 0);
            sums.bins.push(count);
            sums.counts.push(sums.counts[bin] + count);
            sums.entropies.push(sums.entropies[bin] + entropy(count));
            sums.occupied.push(sums.occupied[bin] + usize::from(is_occupied));
        }
        sums
    }

    /// Kullback-Leibler divergence of the first `cut` bins, all behind them added to the last, from
    /// the same without those in `levels` steps; infinite where a step that holds nothing would
    /// have to stand for something.
    fn divergence(&self, cut: usize, levels: usize) -> f64 {
        let all = self.counts[self.bins.len()];
        let inside = self.counts[cut];
        let beyond = all - inside;
        let mut divergence = 0.0;
        for level in 0..levels {
            let [start, end] = [level, level + 1].map(|level| level * cut / levels);
            let shown = self.counts[end] - self.counts[start];
            let mut reference = shown;
            let mut entropies = self.entropies[end] - self.entropies[start];
            let mut occupied = self.occupied[end] - self.occupied[start];
            if end == cut && end > start && beyond > 0.0 {
                let last = self.bins[cut - 1];
                reference += beyond;
                entropies += entropy(last + beyond) - entropy(last);
                occupied += usize::from(last == 0.0);
            }
            if reference > 0.0 {
                // A step shows its values as spread over every bin that has some.
                let share = shown / occupied as f64 / inside;
                divergence += entropies - reference * (all.ln() + share.ln());
            }
        }
        divergence / all
    }
}

fn entropy(count: f64) -> f64 {
    if count > 0.0 { count * count.ln() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f32]) -> Histogram {
        let mut histogram = Histogram::default();
        histogram.add(values, values.iter().fold(0f32, |largest, value| largest.max(value.abs())));
        histogram
    }

    #[test]
    fn percentiles_of_even_values() {
        let values: Vec<f32> =
            (1..=1000).map(|value| if value % 2 == 0 { value as f32 } else { -value as f32 }).collect();
        let histogram = of(&values);
        for (percentile, expected) in [(100.0, 1000.0), (99.0, 990.0), (50.0, 500.0)] {
            let cut = histogram.percentile_cut(percentile);
            // A bin is 1000 / 4096 wide.
            assert!(cut >= expected && cut < expected + 0.5, "{percentile}: {cut}");
        }
        // As many zeros: what was the median is the 75th percentile.
        let mut more = histogram.clone();
        more.add(&[0.0; 1000], 0.0);
        assert_eq!(more.percentile_cut(75.0), histogram.percentile_cut(50.0));
        assert_eq!(of(&[0.0; 5]).percentile_cut(99.99), 0.0);
        assert_eq!(Histogram::default().percentile_cut(99.99), 0.0);
    }

    #[test]
    fn widening_keeps_every_value_in_its_bin() {
        let mut grown = Histogram::default();
        for values in [[0.5f32, -1.0], [3.0, 0.25], [-8.0, 7.9]] {
            let largest = values.iter().fold(0f32, |largest, value| largest.max(value.abs()));
            grown.add(&values, largest);
        }
        let once = of(&[-8.0, 0.5, -1.0, 3.0, 0.25, 7.9]);
        assert_eq!(grown.width, once.width);
        // Powers of two lie on edges of bins; the largest value of a call is in the bin before.
        assert_eq!(grown.bins.iter().sum::<u64>(), 6);
        let places = |histogram: &Histogram| -> Vec<usize> {
            (0..BINS).flat_map(|bin| std::iter::repeat_n(bin, histogram.bins[bin] as usize)).collect()
        };
        for (grown, once) in places(&grown).into_iter().zip(places(&once)) {
            assert!(grown.abs_diff(once) <= 1, "{grown} {once}");
        }
    }

    #[test]
    fn entropy_cuts_outliers_off_and_keeps_even_values() {
        // Evenly spread: nothing can be cut without telling something false.
        let even: Vec<f32> = (1..=40960).map(|value| value as f32 / 40960.0).collect();
        assert_eq!(of(&even).entropy_cut(128), 1.0);
        // A bell with three values far out, for which steps of 40 / 128 would be too coarse.
        let bell = crate::onnx::weights::normal(0, "bell", 100_000, 1.0);
        let outliers: Vec<f32> = bell.iter().copied().chain([38.0, 39.0, 40.0]).collect();
        let cut = of(&outliers).entropy_cut(128);
        assert!((2.5..6.0).contains(&cut), "{cut}");
        assert_eq!(of(&[0.0; 5]).entropy_cut(128), 0.0);
        assert_eq!(of(&[3.0]).entropy_cut(128), 3.0);
    }

    #[test]
    fn divergence_by_hand() {
        let divergence = |bins: &[u64], cut, levels| Sums::of(bins).divergence(cut, levels);
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        // Steps of one bin each and nothing beyond: nothing is lost.
        near(divergence(&[3, 1, 4, 1], 4, 4), 0.0);
        // One step of two bins: 1/4 and 3/4 shown as 1/2 each.
        near(divergence(&[1, 3], 2, 1), 0.25 * (0.25f64 / 0.5).ln() + 0.75 * (0.75f64 / 0.5).ln());
        // Empty bins stay empty: the one value is shown as it is.
        near(divergence(&[0, 5], 2, 1), 0.0);
        // Two values, one beyond: 1/3 and 2/3 of all, shown as 1/2 each.
        near(divergence(&[1, 1, 1], 2, 1), (1.0 / 3.0f64) * (2.0 / 3.0f64).ln() + (2.0 / 3.0f64) * (4.0 / 3.0f64).ln());
        // The same in two steps: nothing else is lost.
        near(divergence(&[1, 1, 1], 2, 2), (1.0 / 3.0f64) * (2.0 / 3.0f64).ln() + (2.0 / 3.0f64) * (4.0 / 3.0f64).ln());
        assert_eq!(divergence(&[5, 0, 1], 2, 2), f64::INFINITY);
    }
}
