//! A table of another machine, tried on this one: what a few whole networks that were measured here say about it.
//!
//! Processors of one name differ, and a virtual machine hides which one it has. So such a table is confirmed, scaled
//! by one factor, or refused. Not here: measuring the networks (`profile::spot_check`), keeping the result (`store`).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{LatencyError, Table, TableError};
use crate::names::{named, serialized_by_name};

/// Most that the geometric mean of measured over predicted is off by, as a share, where a table holds as it is: what
/// two sessions on one machine may differ by.
const HOLDS: f64 = 0.05;
/// Most scatter of a table that holds as it is: above, its stated error is not that of this machine.
const HOLDS_SCATTER: f64 = 0.10;
/// Most scatter that one factor leaves: above, operators relate to each other otherwise here.
const MOST_SCATTER: f64 = 0.25;
/// Largest factor, either way: beyond, it is another kind of processor or another program.
const MOST_FACTOR: f64 = 3.0;
/// Standard deviations that hold 90% of what six values are a sample of (Student's t, 5 degrees of freedom).
const DEVIATIONS: f64 = 2.02;

/// What is done with the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds as it is.
    Confirmed,
    /// Every time is multiplied by one factor.
    Scaled,
    /// It is not used.
    Refused,
}

impl Verdict {
    pub const ALL: [Verdict; 3] = [Verdict::Confirmed, Verdict::Scaled, Verdict::Refused];

    /// Name in the database and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Confirmed => "confirmed",
            Verdict::Scaled => "scaled",
            Verdict::Refused => "refused",
        }
    }
}

named!(Verdict, "verdict");
serialized_by_name!(Verdict);

impl<'de> Deserialize<'de> for Verdict {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The result of trying a table on this machine.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema, Deserialize)]
pub struct SpotCheck {
    /// Id of the setting.
    pub setting: String,
    /// Hash of the table.
    pub content: String,
    /// Kind of this machine's processor; empty where it is not known.
    pub processor: String,
    /// This machine in words.
    pub host: String,
    pub runtime_version: String,
    /// UTC, ISO 8601.
    pub at: String,
    /// Measured over predicted time, geometric mean over the networks.
    pub factor: f64,
    /// Standard deviation of the logarithm of measured over predicted time.
    pub scatter: f64,
    /// Mean absolute relative error of each network predicted with the factor of the others, as a share.
    pub mape: f64,
    pub networks: u32,
    pub verdict: Verdict,
}

/// What measured times say about predicted ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    pub factor: f64,
    pub scatter: f64,
    pub mape: f64,
    pub verdict: Verdict,
}

impl Agreement {
    /// Fewest networks that say anything.
    pub const LEAST_NETWORKS: usize = 3;

    /// Of pairs of predicted and measured milliseconds; none for fewer than three.
    pub fn of(pairs: &[(f64, f64)]) -> Option<Self> {
        let logs: Vec<f64> = pairs.iter().map(|(predicted, measured)| (measured / predicted).ln()).collect();
        let count = logs.len() as f64;
        if logs.len() < Self::LEAST_NETWORKS || logs.iter().any(|log| !log.is_finite()) {
            return None;
        }
        let sum: f64 = logs.iter().sum();
        let mean = sum / count;
        let scatter = (logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt();
        let left_out = |log: &f64| (((sum - log) / (count - 1.0) - log).exp() - 1.0).abs();
        let mape = logs.iter().map(left_out).sum::<f64>() / count;
        let verdict = if scatter > MOST_SCATTER || mean.abs() > MOST_FACTOR.ln() {
            Verdict::Refused
        } else if mean.abs() <= (1.0 + HOLDS).ln() && scatter <= HOLDS_SCATTER {
            Verdict::Confirmed
        } else {
            Verdict::Scaled
        };
        Some(Self { factor: mean.exp(), scatter, mape, verdict })
    }
}

impl SpotCheck {
    /// The table as it is to be used: scaled where the check says so, otherwise as it is.
    ///
    /// # Errors
    /// When no model can be fitted to the table's rows.
    pub fn applied(&self, table: &Table) -> Result<Table, LatencyError> {
        if self.verdict != Verdict::Scaled {
            return Ok(table.clone());
        }
        // It is no better here than on its own machine.
        let there = table.error.as_ref().map_or(0.0, |error| error.mape);
        let error = TableError {
            mape: self.mape.max(there),
            networks: Some(self.networks),
            method: self.to_string(),
            ..TableError::default()
        };
        // The factor itself is known no better than its few networks say.
        let spread = DEVIATIONS * self.scatter * (1.0 + 1.0 / f64::from(self.networks.max(1))).sqrt();
        table.scaled(self.factor, error, spread)
    }
}

/// `scaled by 1.62 after 5 networks measured here, which scatter by 4%`.
impl fmt::Display for SpotCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { factor, scatter, networks, verdict, .. } = self;
        let scatter = scatter * 100.0;
        match verdict {
            Verdict::Confirmed => write!(
                f,
                "confirmed by {networks} networks measured here: they take {:+.1}% against the prediction and scatter by \
                 {scatter:.0}%",
                (factor - 1.0) * 100.0
            ),
            Verdict::Scaled => write!(
                f,
                "scaled by {factor:.2} after {networks} networks measured here, which scatter by {scatter:.0}%"
            ),
            Verdict::Refused => write!(
                f,
                "refused: {networks} networks measured here take {factor:.2} times the predicted time and scatter by \
                 {scatter:.0}% (at most {MOST_FACTOR} times and {:.0}% are accepted)",
                MOST_SCATTER * 100.0
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factor_scatter_and_verdict_by_hand() {
        let of = |ratios: &[f64]| Agreement::of(&ratios.iter().map(|ratio| (2.0, 2.0 * ratio)).collect::<Vec<_>>());
        let found = of(&[1.5, 1.6, 1.7]).unwrap();
        assert!((found.factor - (1.5_f64 * 1.6 * 1.7).cbrt()).abs() < 1e-12);
        let logs = [1.5_f64, 1.6, 1.7].map(f64::ln);
        let mean = logs.iter().sum::<f64>() / 3.0;
        assert!(
            (found.scatter - (logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / 2.0).sqrt()).abs() < 1e-12
        );
        let others = |a: f64, b: f64, own: f64| ((a * b).sqrt() / own - 1.0).abs();
        let mape = (others(1.6, 1.7, 1.5) + others(1.5, 1.7, 1.6) + others(1.5, 1.6, 1.7)) / 3.0;
        assert!((found.mape - mape).abs() < 1e-12);
        for (ratios, verdict) in [
            (&[1.5, 1.6, 1.7][..], Verdict::Scaled),
            (&[1.02, 1.04, 1.03], Verdict::Confirmed),
            (&[0.97, 0.99, 0.96, 0.98], Verdict::Confirmed),
            (&[1.06, 1.06, 1.06], Verdict::Scaled),
            (&[0.85, 1.0, 1.17], Verdict::Scaled),
            (&[1.0, 1.5, 0.7], Verdict::Refused),
            (&[3.1, 3.1, 3.1], Verdict::Refused),
            (&[0.32, 0.32, 0.32], Verdict::Refused),
        ] {
            assert_eq!(of(ratios).unwrap().verdict, verdict, "{ratios:?}");
        }
        assert_eq!((of(&[1.0, 1.0]), of(&[1.0, f64::NAN, 1.0])), (None, None));
    }
}
