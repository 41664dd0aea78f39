//! Latency models: the numbers that turn operators without a row, and operators together, into
//! milliseconds.
//!
//! A model is a [`Prior`] for single operators and a [`Composition`] for networks. Its text form is
//! a flat list of named coefficients, the same in table headers and in the database. Not here:
//! evaluating a prior (`prior`), finding the coefficients (`fit`).

use std::collections::{BTreeMap, BTreeSet};

use super::{Formula, KeyKind, OperatorKey};

/// How operators and networks of one setting get their milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct LatencyModel {
    pub prior: Prior,
    pub composition: Composition,
    /// Where whole networks were fitted: a formula, and what it takes of the table's times beside.
    pub fitted: Option<Fitted>,
    /// Kinds of operators in the networks that a fit has seen ([`OperatorKey::fitted_kind`]); empty where that is not
    /// known.
    pub kinds: BTreeSet<String>,
}

/// An operator's time from a table of another origin, brought to whole networks: `share x (table - launch) + formula`.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    pub formula: Formula,
    pub share: TableShare,
}

/// Formula for the time of an operator that has no row.
#[derive(Clone, Debug, PartialEq)]
pub enum Prior {
    Roofline(Roofline),
    Processor(Processor),
    Formula(Formula),
}

/// How the names of coefficients begin that tables may lack: they then have their neutral value, and are not written
/// where they have it.
const OPTIONAL: [&str; 2] = ["network.", "table."];

fn is_optional(name: &str) -> bool {
    OPTIONAL.iter().any(|prefix| name.starts_with(prefix))
}

/// How the names of a formula's coefficients begin, and how they began in earlier versions.
const FORMULA: &str = "formula.";
const FORMULA_BEFORE: &str = "linear.";
/// How the names of kinds begin that a fit has seen; their value says nothing.
const KIND: &str = "kinds.";

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
            /// Every coefficient that is to be written, with its name.
            pub(crate) fn fields(&self) -> Vec<(&'static str, f64)> {
                let all = [$((concat!($prefix, ".", stringify!($field)), self.$field, $default)),*];
                let written = all.into_iter().filter(|(name, value, neutral)| value != neutral || !is_optional(name));
                written.map(|(name, value, _)| (name, value)).collect()
            }

            fn take(values: &mut BTreeMap<&str, f64>) -> Result<Self, String> {
                let mut take = |name: &str, neutral: f64| {
                    let absent = || is_optional(name).then_some(neutral);
                    values.remove(name).or_else(absent).ok_or_else(|| format!("coefficient `{name}` is missing"))
                };
                Ok(Self { $($field: take(concat!($prefix, ".", stringify!($field)), $default)?,)* })
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
    /// What a model fitted on whole networks takes of an operator's time in the table, whose own constant (what
    /// launching and timing one operator alone costs) is taken off first.
    TableShare, "table" {
        /// Share for convolutions without groups.
        conv = 0.0,
        depthwise = 0.0,
        /// For grouped convolutions, dense layers and matrix products.
        other_compute = 0.0,
        /// For everything without weights.
        light = 0.0,
        /// Milliseconds taken off each operator that computes, and off each other one.
        launch_ms = 0.0,
        light_launch_ms = 0.0,
    }
}

coefficients! {
    /// network = max(host_ms + kernel_ms * operators, call_ms + sum over classes of weight * times + cold bytes - warm_ms).
    Composition, "network" {
        /// What a call takes on the device beside its operators.
        call_ms = 0.0,
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
        /// Least and greatest time of a call among the networks that a fit has seen; 0 where that is not known.
        seen_low_ms = 0.0,
        seen_high_ms = 0.0,
        /// Standard deviation of the logarithm of a network's latency that composing leaves, however well
        /// its operators are known.
        spread_floor = 0.0,
        /// Standard deviations on either side that hold 90% of networks; 0 where that was never calibrated.
        spread_factor = 0.0,
    }
}

impl TableShare {
    /// Milliseconds taken of an operator that takes `table_ms` by the table.
    pub fn ms(&self, key: &OperatorKey, table_ms: f64) -> f64 {
        let (share, launch_ms) = self.of(key);
        share * (table_ms - launch_ms).max(0.0)
    }

    /// The share of an operator's time in the table, and what is taken off that time first.
    pub(super) fn of(&self, key: &OperatorKey) -> (f64, f64) {
        match key.kind {
            KeyKind::Conv if !key.has_groups() => (self.conv, self.launch_ms),
            KeyKind::Depthwise => (self.depthwise, self.launch_ms),
            KeyKind::Conv | KeyKind::Dense | KeyKind::MatMul => (self.other_compute, self.launch_ms),
            _ => (self.light, self.light_launch_ms),
        }
    }
}

impl Fitted {
    /// Milliseconds of an operator that takes `table_ms` by the table.
    pub fn ms(&self, key: &OperatorKey, table_ms: f64, batch_size: u32) -> f64 {
        self.share.ms(key, table_ms) + self.formula.ms(key, batch_size)
    }

    /// The same on a device where classes of operators take longer by factors: convolutions and dense layers,
    /// depthwise, everything else.
    pub fn scaled(&self, [conv, depthwise, traffic]: [f64; 3]) -> Self {
        let share = TableShare {
            conv: self.share.conv * conv,
            depthwise: self.share.depthwise * depthwise,
            other_compute: self.share.other_compute * conv,
            light: self.share.light * traffic,
            ..self.share.clone()
        };
        Self { formula: self.formula.scaled_by_class([conv, depthwise, traffic]), share }
    }
}

impl LatencyModel {
    /// A prior whose times simply add up.
    pub fn additive(prior: Prior) -> Self {
        Self { prior, composition: Composition::default(), fitted: None, kinds: BTreeSet::new() }
    }

    /// Flat form: name and value of every coefficient.
    pub fn to_coefficients(&self) -> Vec<(String, f64)> {
        let of_formula = |formula: &Formula| -> Vec<(String, f64)> {
            formula.coefficients().map(|(name, value)| (format!("{FORMULA}{name}"), value)).collect()
        };
        let mut fields: Vec<(&'static str, f64)> = match &self.prior {
            Prior::Roofline(roofline) => roofline.fields(),
            Prior::Processor(processor) => processor.fields(),
            Prior::Formula(_) => Vec::new(),
        };
        fields.extend(self.composition.fields());
        fields.extend(self.fitted.iter().flat_map(|fitted| fitted.share.fields()));
        let mut all: Vec<(String, f64)> = match (&self.prior, &self.fitted) {
            (Prior::Formula(formula), _) => of_formula(formula),
            (_, Some(fitted)) => of_formula(&fitted.formula),
            _ => Vec::new(),
        };
        all.extend(fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
        all.extend(self.kinds.iter().map(|kind| (format!("{KIND}{kind}"), 1.0)));
        all
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
        let mut take_all = |prefixes: &[&str]| {
            let mut taken = Vec::new();
            values.retain(|name, value| {
                let rest = prefixes.iter().find_map(|prefix| name.strip_prefix(prefix));
                taken.extend(rest.map(|rest| (rest, *value)));
                rest.is_none()
            });
            taken
        };
        let kinds = take_all(&[KIND]).into_iter().map(|(kind, _)| kind.to_owned()).collect();
        let formula = Formula::new(take_all(&[FORMULA, FORMULA_BEFORE]).into_iter().filter(|(_, value)| *value > 0.0))?;
        let names = |prefix: &str| values.keys().any(|name| name.starts_with(prefix));
        let (roofline, processor, share) = (names("roofline."), names("processor."), names("table."));
        let fitted = match share {
            true => Some(Fitted { formula: formula.clone(), share: TableShare::take(&mut values)? }),
            false => None,
        };
        let prior = if roofline {
            Prior::Roofline(Roofline::take(&mut values)?)
        } else if processor {
            Prior::Processor(Processor::take(&mut values)?)
        } else {
            Prior::Formula(formula)
        };
        let composition = Composition::take(&mut values)?;
        match values.keys().next() {
            Some(name) => Err(format!("unknown coefficient `{name}`")),
            None => Ok(Self { prior, composition, fitted, kinds }),
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
            Prior::Formula(Formula::new([("eager_ms_per_giga", 3.0)]).unwrap()),
        ] {
            let composition = Composition { host_ms: 2.0, ..Composition::default() };
            let model =
                LatencyModel { composition, kinds: ["conv".to_owned()].into(), ..LatencyModel::additive(prior) };
            let mut flat: BTreeMap<String, f64> = model.to_coefficients().into_iter().collect();
            assert_eq!(LatencyModel::from_coefficients(&flat).unwrap(), model);
            assert!(!flat.contains_key("network.spread_factor"), "not calibrated");
            flat.insert("network.spread_factor".to_owned(), 1.7);
            assert_eq!(LatencyModel::from_coefficients(&flat).unwrap().composition.spread_factor, 1.7);
            flat.insert("network.host_ms".to_owned(), -1.0);
            assert!(LatencyModel::from_coefficients(&flat).unwrap_err().contains("network.host_ms"));
            flat.remove("network.host_ms");
            assert_eq!(LatencyModel::from_coefficients(&flat).unwrap().composition.host_ms, 0.0);
        }
        let formula = Formula::new([("conv_ms", 0.5)]).unwrap();
        let fitted = Some(Fitted { formula, share: TableShare { conv: 0.4, ..TableShare::default() } });
        let model = LatencyModel { fitted, ..LatencyModel::additive(Prior::Roofline(Roofline::default())) };
        let flat = model.to_coefficients().into_iter().collect();
        assert_eq!(LatencyModel::from_coefficients(&flat).unwrap(), model);
        // As earlier versions wrote it.
        let old: BTreeMap<String, f64> =
            flat.iter().map(|(name, value)| (name.replace("formula.", "linear."), *value)).collect();
        assert_eq!(LatencyModel::from_coefficients(&old).unwrap(), model);
    }
}
