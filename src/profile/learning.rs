//! What a session learns about its own table while it measures: every fresh network is predicted
//! before it is measured, so the error is known at any time without holding anything back.
//!
//! Not here: the error that a table states in the end, which is of networks it never sees (`check`).

use serde::Serialize;

use crate::latency::NetworkTimes;

/// Fresh networks that say how good the table is now.
const RECENT: usize = 60;
/// Fewer say nothing about what more time would buy.
const ENOUGH: usize = 24;

/// A fresh network: predicted, then measured.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Met {
    /// Networks that the table was made from by then.
    networks: usize,
    predicted_ms: f64,
    measured_ms: f64,
    /// Times of its operators as the table had them.
    times: NetworkTimes,
}

/// The fresh networks of a session so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Learning {
    met: Vec<Met>,
    /// Networks that small searches chose: predicted and measured milliseconds.
    chosen: Vec<(f64, f64)>,
}

/// Errors of recent fresh networks, each predicted before it was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recent {
    pub networks: usize,
    /// Mean absolute relative error, as a share.
    pub mape: f64,
    /// Share within 10%.
    pub within10: f64,
}

/// What as much time again would buy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct MoreTime {
    /// Mean absolute relative error of fresh networks by now, as a share: by the trend of this session.
    pub mape_now: f64,
    /// The same after twice the networks: the trend continued, not measured.
    pub mape_after_twice: f64,
}

impl Learning {
    /// Adds a fresh network; `networks` is how many the table was made from.
    pub fn push(&mut self, networks: usize, predicted_ms: f64, times: NetworkTimes) {
        self.met.push(Met { networks, predicted_ms, measured_ms: times.measured_ms, times });
    }

    /// Adds a network that a search chose by the table as it was.
    pub fn push_chosen(&mut self, predicted_ms: f64, measured_ms: f64) {
        self.chosen.push((predicted_ms, measured_ms));
    }

    /// Mean signed relative error of the recent networks that searches chose, as a share: below 0
    /// they take longer than predicted. None without any.
    pub fn chosen_bias(&self) -> Option<f64> {
        let recent = &self.chosen[self.chosen.len().saturating_sub(RECENT / 2)..];
        let sum: f64 = recent.iter().map(|(predicted, measured)| predicted / measured - 1.0).sum();
        (!recent.is_empty()).then(|| sum / recent.len() as f64)
    }

    /// Errors of the last `count` fresh networks, or of [`RECENT`]; none when there are fewer.
    pub fn recent(&self, count: Option<usize>) -> Option<Recent> {
        let networks = count.unwrap_or(RECENT.min(self.met.len()));
        let recent = &self.met[self.met.len().checked_sub(networks)?..];
        if recent.is_empty() {
            return None;
        }
        let share = 1.0 / networks as f64;
        let within = recent.iter().filter(|met| met.error() <= 0.1).count();
        let mape = share * recent.iter().map(Met::error).sum::<f64>();
        Some(Recent { networks, mape, within10: share * within as f64 })
    }

    /// Whether at least this share of fresh networks is predicted within 10%, seen on as many as it
    /// takes to tell (100 for 99%).
    pub fn meets(&self, within10: f64) -> bool {
        let needed = (1.0 / (1.0 - within10).max(0.002)).ceil() as usize;
        self.recent(Some(needed.max(RECENT))).is_some_and(|recent| recent.within10 >= within10)
    }

    /// What the composition is fitted on: recent fresh networks, whose operators were predicted as
    /// those of any other network will be.
    pub fn calibration(&self) -> Vec<NetworkTimes> {
        let recent = &self.met[self.met.len().saturating_sub(RECENT)..];
        recent.iter().map(|met| met.times).collect()
    }

    /// The trend of the error, a + b / sqrt(networks) with neither below 0, continued; none where
    /// there are too few fresh networks.
    pub fn more_time(&self) -> Option<MoreTime> {
        if self.met.len() < ENOUGH {
            return None;
        }
        let last = self.met.last()?.networks as f64;
        let points: Vec<(f64, f64)> =
            self.met.iter().map(|met| (1.0 / (met.networks.max(1) as f64).sqrt(), met.error().min(0.3))).collect();
        let count = points.len() as f64;
        let mean = |value: &dyn Fn(&(f64, f64)) -> f64| points.iter().map(value).sum::<f64>() / count;
        let (x, y) = (mean(&|point| point.0), mean(&|point| point.1));
        let variance = mean(&|point| (point.0 - x).powi(2));
        let slope = if variance > 0.0 { mean(&|point| (point.0 - x) * (point.1 - y)) / variance } else { 0.0 };
        // Through the mean, with neither coefficient negative.
        let slope = slope.clamp(0.0, y / x);
        let at = |networks: f64| y + slope * (networks.sqrt().recip() - x);
        Some(MoreTime { mape_now: at(last), mape_after_twice: at(2.0 * last) })
    }
}

impl Met {
    fn error(&self) -> f64 {
        (self.predicted_ms / self.measured_ms - 1.0).abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learning(errors: impl IntoIterator<Item = f64>) -> Learning {
        let mut learning = Learning::default();
        for (index, error) in errors.into_iter().enumerate() {
            let times = NetworkTimes { measured_ms: 10.0, ..NetworkTimes::default() };
            learning.push(index + 1, 10.0 * (1.0 + error), times);
        }
        learning
    }

    #[test]
    fn recent_errors_by_hand() {
        let found = learning([0.5, 0.04, -0.06, 0.2]).recent(Some(3)).unwrap();
        assert_eq!(found.networks, 3);
        assert!((found.mape - 0.1).abs() < 1e-12 && (found.within10 - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(learning([0.1]).recent(Some(2)), None);
        assert_eq!(learning([]).recent(None), None);
    }

    #[test]
    fn a_target_needs_enough_networks() {
        assert!(!learning(vec![0.0; 99]).meets(0.99));
        assert!(learning(vec![0.0; 100]).meets(0.99));
        assert!(learning((0..200).map(|i| if i == 120 { 0.5 } else { 0.0 })).meets(0.99));
        assert!(!learning((0..200).map(|i| if i % 40 == 0 { 0.5 } else { 0.0 })).meets(0.99));
        assert!(learning(vec![0.0; 60]).meets(0.9) && !learning(vec![0.0; 59]).meets(0.9));
    }

    #[test]
    fn the_trend_is_continued() {
        let falling = learning((1..=400).map(|n| 0.02 + 0.1 / f64::from(n).sqrt()));
        let more = falling.more_time().unwrap();
        assert!((more.mape_now - 0.025).abs() < 1e-6 && (more.mape_after_twice - 0.02354).abs() < 1e-4, "{more:?}");
        let flat = learning(vec![0.03; 100]).more_time().unwrap();
        assert!((flat.mape_now - 0.03).abs() < 1e-9 && (flat.mape_after_twice - 0.03).abs() < 1e-9);
        assert_eq!(learning(vec![0.03; 10]).more_time(), None);
    }
}
