//! How far predictions are from measurements of whole networks.

use serde::Serialize;

use super::store::{NetworkCheck, TableError};
use super::{Composition, NetworkTimes};
use crate::stats::{kendall_tau, median};

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

/// As [`error_of`], from pairs of predicted and measured milliseconds; none without pairs.
pub fn error_of_pairs(pairs: &[(f64, f64)], method: &str) -> Option<TableError> {
    let figures = ErrorFigures::of(pairs)?;
    Some(TableError {
        mape: figures.mape,
        median: Some(figures.median),
        bias: Some(figures.bias),
        within5: Some(figures.within5),
        within10: Some(figures.within10),
        within20: Some(figures.within20),
        kendall_tau: figures.kendall_tau,
        networks: Some(figures.networks),
        method: method.to_owned(),
    })
}

/// How far times are from the times they should be; shares, not percent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ErrorFigures {
    pub networks: u32,
    /// Mean absolute relative error.
    pub mape: f64,
    /// Median absolute relative error.
    pub median: f64,
    /// Mean relative error with its sign: above 0 predictions are too slow.
    pub bias: f64,
    /// Share of networks within 5%.
    pub within5: f64,
    /// Share of networks within 10%.
    pub within10: f64,
    /// Share of networks within 20%.
    pub within20: f64,
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
            median: median(&relative.iter().map(|error| error.abs()).collect::<Vec<_>>()).unwrap_or_default(),
            bias: relative.iter().sum::<f64>() / count,
            within5: within(0.05),
            within10: within(0.10),
            within20: within(0.20),
            kendall_tau: kendall_tau(pairs),
        })
    }
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
    }
}
