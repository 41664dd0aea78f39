//! A measured network as the times of its operators by class, and what a composition makes of them.

use super::super::Composition;

/// A measured network with the unweighted times of its operators by class.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NetworkTimes {
    pub conv_ms: f64,
    pub depthwise_ms: f64,
    pub traffic_ms: f64,
    /// 1e9 bytes of weights, and of maps, that are cold in a network, on a processor.
    pub cold_weight_giga: f64,
    pub cold_map_giga: f64,
    pub operators: usize,
    /// 1 where operators were timed inside other networks on a processor, so that a call may save
    /// `warm_ms`; else 0.
    pub warm: f64,
    /// The whole network.
    pub measured_ms: f64,
    /// Standard deviations of the three times, as far as single operators are uncertain.
    pub conv_spread_ms: f64,
    pub depthwise_spread_ms: f64,
    pub traffic_spread_ms: f64,
}

impl NetworkTimes {
    /// What a composition predicts.
    pub fn predict(&self, composition: &Composition) -> f64 {
        device_ms(composition, self).max(host_ms(composition, self))
    }

    /// Standard deviation of the logarithm of the network's latency, as far as its operators are
    /// uncertain: 0 where the host decides.
    pub fn operator_spread(&self, composition: &Composition) -> f64 {
        let device = device_ms(composition, self);
        if device <= host_ms(composition, self) {
            return 0.0;
        }
        let conv = composition.conv * self.conv_spread_ms;
        let depthwise = composition.depthwise * self.depthwise_spread_ms;
        let traffic = composition.traffic * self.traffic_spread_ms;
        conv.hypot(depthwise).hypot(traffic) / device
    }
}

/// Device time before any weight.
pub(super) fn total_ms(network: &NetworkTimes) -> f64 {
    network.conv_ms + network.depthwise_ms + network.traffic_ms
}

pub(super) fn device_ms(composition: &Composition, network: &NetworkTimes) -> f64 {
    let operators_ms = composition.conv * network.conv_ms
        + composition.depthwise * network.depthwise_ms
        + composition.traffic * network.traffic_ms
        + composition.cold_weight_ms_per_giga * network.cold_weight_giga
        + composition.cold_map_ms_per_giga * network.cold_map_giga;
    composition.warmed(operators_ms, network.warm)
}

/// Share of the time of its operators that a network takes at least, however warm.
const LEAST_SHARE: f64 = 0.4;

impl Composition {
    /// The time of a network's operators less what caches save it, `warm` of a call's.
    pub(in crate::latency) fn warmed(&self, operators_ms: f64, warm: f64) -> f64 {
        (operators_ms - warm * self.warm_ms).max(LEAST_SHARE * operators_ms)
    }

    /// The largest sum of operators that a call of `ms` can have: what [`Composition::warmed`] leaves of it is at most
    /// the time beside the call's own, whatever the host needs.
    pub(in crate::latency) fn largest_sum_ms(&self, ms: f64) -> f64 {
        let left_ms = ms - self.call_ms;
        (left_ms + self.warm_ms).min(left_ms / LEAST_SHARE)
    }
}

pub(super) fn host_ms(composition: &Composition, network: &NetworkTimes) -> f64 {
    composition.host_ms + composition.kernel_ms * network.operators as f64
}
