//! Latency models: the numbers that turn operators without a row, and operators together, into
//! milliseconds.
//!
//! A model is a [`Prior`] for single operators and a [`Composition`] for networks. Its text form is
//! a flat list of named coefficients, the same in table headers and in the database. Not here:
//! evaluating a prior (`prior`), finding the coefficients (`fit`).

use std::collections::BTreeMap;

/// Prior and composition of one setting.
#[derive(Clone, Debug, PartialEq)]
pub struct LatencyModel {
    pub prior: Prior,
    pub composition: Composition,
}

/// Formula for the time of an operator that has no row.
#[derive(Clone, Debug, PartialEq)]
pub enum Prior {
    Roofline(Roofline),
    Processor(Processor),
    Linear(Linear),
}

/// Coefficients that tables may lack, because older ones do and because only whole networks settle them.
/// They are 0 then, and not written where they are 0.
const OPTIONAL: [&str; 3] = ["network.warm_ms", "network.spread_floor", "network.spread_factor"];

/// Declares a struct of coefficients with their names in tables and their neutral values.
macro_rules! coefficients {
    ($(#[$meta:meta])* $name:ident, $prefix:literal { $($(#[$doc:meta])* $field:ident = $default:expr,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[$doc])* pub $field: f64,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $name {
            /// Every coefficient with its name.
            pub(crate) fn fields(&self) -> Vec<(&'static str, f64)> {
                vec![$((concat!($prefix, ".", stringify!($field)), self.$field)),*]
            }

            fn take(values: &mut BTreeMap<&str, f64>) -> Result<Self, String> {
                let mut take = |name: &str| {
                    let absent = || OPTIONAL.contains(&name).then_some(0.0);
                    values.remove(name).or_else(absent).ok_or_else(|| format!("coefficient `{name}` is missing"))
                };
                Ok(Self { $($field: take(concat!($prefix, ".", stringify!($field)))?,)* })
            }
        }
    };
}

coefficients! {
    /// Launch time + sqrt(compute^2 + memory^2), the smooth form of a roofline.
    ///
    /// compute = multiply-adds / rate of the kernel size, slowed by `1 + short_reduction / K` for
    /// reductions of length K = in_channels / groups * kernel^2; memory = bytes moved / bandwidth.
    Roofline, "roofline" {
        /// Time of an operator with no work.
        launch_ms = 0.01,
        /// Regular convolutions, 1e12 multiply-adds a second, by kernel size.
        conv1_tmac_s = 1.0,
        conv3_tmac_s = 1.0,
        conv5_tmac_s = 1.0,
        conv7_tmac_s = 1.0,
        /// Reduction length at which half the rate is lost.
        short_reduction = 1.0,
        /// Factor on the compute time of convolutions that read an image (up to 4 channels).
        image_factor = 1.0,
        /// Factor on the compute time of strided convolutions.
        stride_factor = 1.0,
        /// 1e9 bytes a second.
        bandwidth_gb_s = 100.0,
        /// Depthwise convolutions, 1e12 multiply-adds a second, by kernel size (1 counts as 3).
        depthwise3_tmac_s = 0.1,
        depthwise5_tmac_s = 0.1,
        depthwise7_tmac_s = 0.1,
        depthwise_bandwidth_gb_s = 100.0,
        /// Operators without weights (sums, gates, pools, activations).
        traffic_launch_ms = 0.01,
        traffic_bandwidth_gb_s = 100.0,
        /// Milliseconds per 1e9 elements of a gated map, three times its size, for the gate with
        /// what belongs to it; replaces traffic for gates where it is not 0.
        gate_ms_per_giga = 0.0,
        /// Channels are padded to a multiple of this.
        channel_multiple = 1.0,
        /// 1 where a fused activation costs nothing, so that rows serve for any activation.
        free_activation = 0.0,
        /// Factors on everything of a class: how a device differs from the one it is based on.
        scale_conv = 1.0,
        scale_depthwise = 1.0,
    }
}

coefficients! {
    /// Sum of what a processor does one after another: gathering the windows of a convolution into
    /// a matrix, multiplying, moving maps and weights, and fetching what does not fit its cache.
    ///
    /// `*_ms_per_giga` are milliseconds per 1e9 elements or bytes, `*_gmac_s` 1e9 multiply-adds a
    /// second.
    Processor, "processor" {
        /// Time of an operator with no work.
        launch_ms = 0.001,
        /// Regular convolutions and dense layers, by kernel size.
        conv1_gmac_s = 50.0,
        conv3_gmac_s = 50.0,
        conv5_gmac_s = 50.0,
        conv7_gmac_s = 50.0,
        /// Output channels are padded to a multiple of this: the rows of a matrix tile.
        channel_multiple = 16.0,
        /// Factor on the compute time of convolutions that read an image (up to 4 channels).
        image_factor = 1.0,
        /// Gathering windows, per element of the gathered matrix: kernels above 1, by stride.
        gather_ms_per_giga = 0.3,
        strided_gather_ms_per_giga = 0.3,
        /// Picking every other pixel for a strided 1x1 convolution, per element picked.
        pick_ms_per_giga = 1.0,
        /// Bytes of maps read and written.
        map_ms_per_giga = 0.05,
        /// Bytes of weights.
        weight_ms_per_giga = 0.05,
        /// Bytes of any one map or of the weights beyond `cache_bytes`.
        cold_ms_per_giga = 0.1,
        cache_bytes = 16_000_000.0,
        /// Depthwise convolutions, by stride: outputs whose window lies inside the map, and those
        /// at the border, which runtimes treat apart.
        inner_gmac_s = 10.0,
        border_gmac_s = 3.0,
        strided_inner_gmac_s = 5.0,
        strided_border_gmac_s = 2.0,
        /// Per 1e9 outputs of a depthwise convolution, whatever its kernel.
        depthwise_ms_per_giga = 0.3,
        /// Per 1e9 channels of a depthwise convolution.
        depthwise_channel_ms_per_giga = 100.0,
        /// Operators without weights (sums, gates, pools, activations).
        traffic_launch_ms = 0.001,
        traffic_ms_per_giga = 0.1,
    }
}

coefficients! {
    /// Linear in multiply-adds and elements moved, per image; fitted on whole networks.
    Linear, "linear" {
        /// Milliseconds per 1e9 multiply-adds of 1x1 convolutions and dense layers.
        pointwise_ms_per_gmac = 0.0,
        /// Of larger regular convolutions.
        spatial_ms_per_gmac = 0.0,
        /// Of depthwise convolutions.
        depthwise_ms_per_gmac = 0.0,
        /// Milliseconds per 1e9 elements that element-wise operators move when nothing is fused.
        eager_ms_per_giga = 0.0,
        /// Milliseconds per 1e9 elements of gated maps, three times their size.
        gate_ms_per_giga = 0.0,
        /// Milliseconds per 1e9 elements that fused operators read and write.
        activation_ms_per_giga = 0.0,
    }
}

coefficients! {
    /// network = max(host_ms + kernel_ms * operators, sum over classes of weight * times + cold bytes - warm_ms).
    Composition, "network" {
        /// What the host needs for a call, however small.
        host_ms = 0.0,
        /// What the host needs for each operator.
        kernel_ms = 0.0,
        /// Weight of regular convolutions and dense layers.
        conv = 1.0,
        /// Weight of depthwise convolutions.
        depthwise = 1.0,
        /// Weight of everything without weights.
        traffic = 1.0,
        /// Per 1e9 bytes of weights, and of maps, beyond `warm_bytes` in any one operator: in a network
        /// they come from far away, where an operator that is timed again and again finds them near.
        cold_weight_ms_per_giga = 0.0,
        cold_map_ms_per_giga = 0.0,
        /// What a core's own cache keeps.
        warm_bytes = 1_000_000.0,
        /// What a call saves because caches keep a part of the bytes of the call before, where times of
        /// operators are from inside networks: about the same for any network, so most of a small one.
        warm_ms = 0.0,
        /// Standard deviation of the logarithm of a network's latency that composing leaves, however well
        /// its operators are known.
        spread_floor = 0.0,
        /// Standard deviations on either side that hold 90% of networks; 0 where that was never calibrated.
        spread_factor = 0.0,
    }
}

impl LatencyModel {
    /// A prior whose times simply add up.
    pub fn additive(prior: Prior) -> Self {
        Self { prior, composition: Composition::default() }
    }

    /// Flat form: name and value of every coefficient.
    pub fn to_coefficients(&self) -> Vec<(&'static str, f64)> {
        let mut fields = match &self.prior {
            Prior::Roofline(roofline) => roofline.fields(),
            Prior::Processor(processor) => processor.fields(),
            Prior::Linear(linear) => linear.fields(),
        };
        fields.extend(self.composition.fields());
        fields.retain(|(name, value)| *value != 0.0 || !OPTIONAL.contains(name));
        fields
    }

    /// Reads the flat form.
    ///
    /// # Errors
    /// Names a missing, unknown, negative or non-finite coefficient.
    pub fn from_coefficients(coefficients: &BTreeMap<String, f64>) -> Result<Self, String> {
        if let Some((name, value)) = coefficients.iter().find(|(_, value)| !(value.is_finite() && **value >= 0.0)) {
            return Err(format!("coefficient `{name}` is {value}, but must be a number of at least 0"));
        }
        let mut values: BTreeMap<&str, f64> =
            coefficients.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let names = |prefix: &str| values.keys().any(|name| name.starts_with(prefix));
        let prior = if names("roofline.") {
            Prior::Roofline(Roofline::take(&mut values)?)
        } else if names("processor.") {
            Prior::Processor(Processor::take(&mut values)?)
        } else {
            Prior::Linear(Linear::take(&mut values)?)
        };
        let composition = Composition::take(&mut values)?;
        match values.keys().next() {
            Some(name) => Err(format!("unknown coefficient `{name}`")),
            None => Ok(Self { prior, composition }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coefficients_read_back() {
        for prior in [
            Prior::Roofline(Roofline { launch_ms: 0.5, ..Roofline::default() }),
            Prior::Processor(Processor { launch_ms: 0.5, ..Processor::default() }),
            Prior::Linear(Linear { eager_ms_per_giga: 3.0, ..Linear::default() }),
        ] {
            let model = LatencyModel { prior, composition: Composition { host_ms: 2.0, ..Composition::default() } };
            let mut flat: BTreeMap<String, f64> =
                model.to_coefficients().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            assert_eq!(LatencyModel::from_coefficients(&flat).unwrap(), model);
            assert!(!flat.contains_key("network.spread_factor"), "not calibrated");
            flat.insert("network.spread_factor".to_owned(), 1.7);
            assert_eq!(LatencyModel::from_coefficients(&flat).unwrap().composition.spread_factor, 1.7);
            flat.insert("network.host_ms".to_owned(), -1.0);
            assert!(LatencyModel::from_coefficients(&flat).unwrap_err().contains("network.host_ms"));
            flat.remove("network.host_ms");
            assert!(LatencyModel::from_coefficients(&flat).unwrap_err().contains("network.host_ms"));
        }
    }
}
