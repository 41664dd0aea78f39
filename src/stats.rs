//! Medians and how well they are known; agreement of orders (`rank`). Not here: what is measured, and
//! how often.

mod rank;

pub use rank::{LEAST_FOR_INTERVAL, kendall_by_chance, kendall_interval, kendall_tau};

/// The median; none without values.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    median_of_sorted(&sorted)
}

fn median_of_sorted(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[middle]),
        _ => Some(0.5 * (sorted[middle - 1] + sorted[middle])),
    }
}

/// Median and its standard error from order statistics, which need no shape of the distribution:
/// the distance between the c-th values from either end, c = (n + 1) / 2 - sqrt(n), over twice the
/// normal quantile of their binomial coverage (Price and Bonett 2001, as McKean and Schrader
/// 1984). One value has an error of 0; none without values.
pub fn median_and_stderr(values: &[f64]) -> Option<(f64, f64)> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let median = median_of_sorted(&sorted)?;
    let count = sorted.len();
    if count == 1 {
        return Some((median, 0.0));
    }
    let n = count as f64;
    let rank = (((n + 1.0) / 2.0 - n.sqrt()).round() as usize).max(1);
    // Probability that fewer than `rank` of n values lie below the median.
    let mut term = 0.5f64.powf(n);
    let mut tail = 0.0;
    for i in 0..rank {
        tail += term;
        term *= (n - i as f64) / (i as f64 + 1.0);
    }
    let spread = sorted[count - rank] - sorted[rank - 1];
    Some((median, spread / (2.0 * upper_normal_quantile(tail))))
}

/// z with P(Z > z) = p for 0 < p <= 0.5 (Abramowitz and Stegun 26.2.23, error below 4.5e-4).
pub(crate) fn upper_normal_quantile(p: f64) -> f64 {
    // Beyond 1000 values the tail underflows; there it is about 2 standard deviations.
    let t = (-2.0 * p.max(f64::MIN_POSITIVE).ln()).sqrt();
    t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};

    #[test]
    fn known_values() {
        for (p, z) in [(0.25, 0.674490), (0.05, 1.644854), (1.0 / 32.0, 1.862732), (0.001, 3.090232)] {
            assert!((upper_normal_quantile(p) - z).abs() < 4.5e-4, "{p}");
        }
        assert_eq!(median_and_stderr(&[]), None);
        assert_eq!(median_and_stderr(&[3.0]), Some((3.0, 0.0)));
        // Five values: first and last, coverage 1/32 on either side.
        let (median, stderr) = median_and_stderr(&[5.0, 1.0, 2.0, 4.0, 3.0]).unwrap();
        assert_eq!(median, 3.0);
        assert!((stderr - 4.0 / (2.0 * 1.862732)).abs() < 1e-3, "{stderr}");
        // Nine values: the second from either end, (1 + 9) / 512 = 0.0195, z = 2.0649.
        let values = [9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 1e6];
        let (median, stderr) = median_and_stderr(&values).unwrap();
        assert_eq!(median, 5.0);
        assert!((stderr - (9.0 - 2.0) / (2.0 * 2.0649)).abs() < 2e-3, "{stderr}");
    }

    #[test]
    fn standard_error_is_the_spread_of_medians() {
        // Uniform on 0..1: the median of n has a standard deviation of about 0.5 / sqrt(n + 2).
        let rng = &mut rand_pcg::Pcg64Mcg::seed_from_u64(5);
        for n in [6, 15, 40] {
            let trials = 4000;
            let mean: f64 = (0..trials)
                .map(|_| median_and_stderr(&(0..n).map(|_| rng.random::<f64>()).collect::<Vec<_>>()).unwrap().1)
                .sum::<f64>()
                / trials as f64;
            let expected = 0.5 / ((n + 2) as f64).sqrt();
            assert!((mean / expected - 1.0).abs() < 0.15, "{n}: {mean} for {expected}");
        }
    }
}
