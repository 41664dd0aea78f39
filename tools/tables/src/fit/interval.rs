//! How wide the interval of a fitted setting is: from the errors of networks that its fit had not seen.

/// Standard deviations on either side of a normal distribution that hold 90%.
pub const FACTOR: f64 = 1.645;
/// Least reach, as a logarithm: two publications of one network differ by as much.
const LEAST: f64 = 0.08;
/// Figures that the pool counts as beside a setting's own.
const POOLED: f64 = 5.0;
/// Groups of networks from which on their quantile alone is believed, and from which on it counts half.
const ENOUGH: usize = 20;
const SOME: usize = 10;

/// Student's t at 95% for 2 to 19 degrees of freedom.
const STUDENT: [f64; 18] = [
    2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812, 1.796, 1.782, 1.771, 1.761, 1.753, 1.746, 1.740,
    1.734, 1.729,
];

/// The logarithm of the factor that holds 90% of networks, from the absolute errors (logarithms) of networks in so
/// many groups of near-copies: their quantile, and with few groups the reach of a normal distribution.
pub fn reach_of_quantile(errors: &[f64], groups: usize) -> f64 {
    let mut sorted = errors.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (Some(largest), true) = (sorted.last(), groups > 1) else { return f64::INFINITY };
    let rank = (0.9 * (sorted.len() + 1) as f64).ceil() as usize;
    let quantile = sorted.get(rank.max(1) - 1).unwrap_or(largest);
    let half = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 { sorted[half] } else { 0.5 * (sorted[half - 1] + sorted[half]) };
    let squares: f64 = sorted.iter().map(|error| error.min(3.0 * median + 1e-9).powi(2)).sum();
    let deviation = (squares / sorted.len() as f64).sqrt();
    let student = STUDENT[(groups - 1).clamp(2, ENOUGH - 1) - 2];
    let normal = student * deviation * (1.0 + 1.0 / groups as f64).sqrt();
    let reach = match groups {
        ENOUGH.. => *quantile,
        SOME.. => 0.5 * (quantile + normal),
        _ => quantile.max(normal),
    };
    reach.max(LEAST)
}

/// The same from a setting's own errors and the mean square of those of all settings like it.
pub fn reach_of_pool(errors: &[f64], pooled_square: f64) -> f64 {
    let squares: f64 = errors.iter().map(|error| error * error).sum();
    FACTOR * ((squares + POOLED * pooled_square) / (errors.len() as f64 + POOLED)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reaches_by_hand() {
        let errors: Vec<f64> = (1..=30).map(|place| 0.01 * f64::from(place)).collect();
        // The ceil(0.9 x 31) = 28th of 30.
        assert!((reach_of_quantile(&errors, 25) - 0.28).abs() < 1e-12);
        assert_eq!(reach_of_quantile(&[0.001; 30], 25), LEAST);
        // Four groups: t of 3 degrees of freedom.
        let few = [0.1, 0.1, 0.1, 0.1];
        assert!((reach_of_quantile(&few, 4) - 2.353 * 0.1 * 1.25_f64.sqrt()).abs() < 1e-9);
        assert!((reach_of_pool(&[0.1; 5], 0.04) - 1.645 * 0.025_f64.sqrt()).abs() < 1e-12);
    }
}
