//! How far predictions are from measurements of whole networks.

use serde::Serialize;

use super::store::{NetworkCheck, TableError};
use super::{Composition, NetworkTimes};

/// Error of a table on networks that were predicted and measured; none without networks.
pub fn error_of(checks: &[NetworkCheck], method: &str) -> Option<TableError> {
    let pairs: Vec<(f64, f64)> = checks.iter().map(|check| (check.predicted_ms, check.measured_ms)).collect();
    error_of_pairs(&pairs, method)
}

/// Error of networks, each predicted by what `fit` makes of all others; none for fewer than three.
pub fn leave_out_error(
    networks: &[NetworkTimes],
    fit: impl Fn(&[NetworkTimes]) -> Composition,
    method: &str,
) -> Option<TableError> {
    if networks.len() < 3 {
        return None;
    }
    let pair = |left_out: usize| {
        let mut others = networks.to_vec();
        let one = others.remove(left_out);
        (one.predict(&fit(&others)), one.measured_ms)
    };
    error_of_pairs(&(0..networks.len()).map(pair).collect::<Vec<_>>(), method)
}

/// As [`error_of`], from pairs of predicted and measured times.
pub(crate) fn error_of_pairs(pairs: &[(f64, f64)], method: &str) -> Option<TableError> {
    let figures = ErrorFigures::of(pairs)?;
    Some(TableError {
        mape: figures.mape,
        within5: Some(figures.within5),
        within10: Some(figures.within10),
        kendall_tau: figures.kendall_tau,
        networks: Some(figures.networks),
        method: method.to_owned(),
    })
}

/// How far times are from the times they should be; shares, not percent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ErrorFigures {
    pub networks: u32,
    /// Mean absolute relative error.
    pub mape: f64,
    /// Mean relative error with its sign: above 0 predictions are too slow.
    pub bias: f64,
    /// Share of networks within 5%.
    pub within5: f64,
    /// Share of networks within 10%.
    pub within10: f64,
    /// None where one side never varies.
    pub kendall_tau: Option<f64>,
}

impl ErrorFigures {
    /// From pairs of predicted and measured times; none without pairs.
    pub fn of(pairs: &[(f64, f64)]) -> Option<Self> {
        if pairs.is_empty() {
            return None;
        }
        let count = pairs.len() as f64;
        let relative: Vec<f64> = pairs.iter().map(|(predicted, measured)| predicted / measured - 1.0).collect();
        let within = |limit: f64| relative.iter().filter(|error| error.abs() <= limit).count() as f64 / count;
        Some(Self {
            networks: pairs.len() as u32,
            mape: relative.iter().map(|error| error.abs()).sum::<f64>() / count,
            bias: relative.iter().sum::<f64>() / count,
            within5: within(0.05),
            within10: within(0.10),
            kendall_tau: kendall_tau(pairs),
        })
    }
}

/// Kendall's tau-b: agreement of two orders from -1 to 1, ties counted; none where one side never
/// varies.
pub fn kendall_tau(pairs: &[(f64, f64)]) -> Option<f64> {
    // Knight's way: sorted by one side, the discordant pairs are the exchanges that sort the other.
    let mut sorted = pairs.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let left_ties = ties(sorted.chunk_by(|a, b| a.0 == b.0).map(<[_]>::len));
    let both_ties = ties(sorted.chunk_by(|a, b| a == b).map(<[_]>::len));
    let mut right: Vec<f64> = sorted.iter().map(|pair| pair.1).collect();
    let discordant = sort_counting(&mut right);
    let right_ties = ties(right.chunk_by(|a, b| a == b).map(<[_]>::len));
    let all = ties([pairs.len()].into_iter());
    let (left, right) = (all - left_ties, all - right_ties);
    (left > 0.0 && right > 0.0)
        .then(|| (all - left_ties - right_ties + both_ties - 2.0 * discordant) / f64::sqrt(left * right))
}

/// Pairs within groups of these sizes.
fn ties(sizes: impl Iterator<Item = usize>) -> f64 {
    sizes.map(|size| 0.5 * size as f64 * (size as f64 - 1.0)).sum()
}

/// Merge sort; the number of pairs that were in the wrong order.
fn sort_counting(values: &mut [f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let (left, right) = values.split_at_mut(values.len() / 2);
    let mut exchanges = sort_counting(left) + sort_counting(right);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut i, mut j) = (0, 0);
    while i < left.len() && j < right.len() {
        if right[j] < left[i] {
            exchanges += (left.len() - i) as f64;
            merged.push(right[j]);
            j += 1;
        } else {
            merged.push(left[i]);
            i += 1;
        }
    }
    merged.extend_from_slice(&left[i..]);
    merged.extend_from_slice(&right[j..]);
    values.copy_from_slice(&merged);
    exchanges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_by_hand() {
        let pairs = [(1.04, 1.0), (2.16, 2.0), (2.0, 4.0), (8.0, 8.0)];
        let error = error_of_pairs(&pairs, "by hand").unwrap();
        assert!((error.mape - (0.04 + 0.08 + 0.5) / 4.0).abs() < 1e-12);
        assert_eq!((error.within5, error.within10, error.networks), (Some(0.5), Some(0.75), Some(4)));
        // One of six pairs is in the wrong order.
        assert_eq!(error.kendall_tau, Some(4.0 / 6.0));
        assert_eq!(kendall_tau(&[(1.0, 1.0), (2.0, 1.0)]), None);
        // Ties by scipy.stats.kendalltau([1, 2, 2, 3], [1, 3, 2, 4]).
        let tied = kendall_tau(&[(1.0, 1.0), (2.0, 3.0), (2.0, 2.0), (3.0, 4.0)]).unwrap();
        assert!((tied - 0.912_870_929_175_277).abs() < 1e-12);
    }
}
