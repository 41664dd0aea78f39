//! Formulas: an operator's time as a sum of features of its shape, each times a coefficient.
//!
//! Coefficients are fitted on whole networks. A feature is a function of one fused operator and the batch;
//! [`FEATURES`] lists them, and adding one is one entry there. Not here: what a call costs beside its operators
//! ([`Composition`](super::Composition)), finding coefficients.

use super::{KeyKind, OperatorKey};
use crate::net::Activation;

/// Something about an operator that costs time.
#[derive(Debug)]
pub struct Feature {
    /// Name of its coefficient in tables, which ends in the unit.
    pub name: &'static str,
    /// Its amount in an operator for a batch, in units of the coefficient's denominator.
    pub amount: fn(&OperatorKey, f64) -> f64,
}

/// Every feature. Elements and multiply-adds are those of the whole batch, weights those of one.
pub static FEATURES: &[Feature] = &[
    // What a kernel costs, however small.
    Feature { name: "conv_ms", amount: |key, _| count(is_dense_compute(key) && !is_pixel_conv(key)) },
    Feature { name: "pixel_conv_ms", amount: |key, _| count(is_pixel_conv(key)) },
    Feature { name: "depthwise_ms", amount: |key, _| count(class(key) == Class::Depthwise) },
    Feature { name: "light_ms", amount: |key, _| count(matches!(class(key), Class::Light | Class::Move)) },
    Feature { name: "activation_ms", amount: |key, _| count(class(key) == Class::Activation) },
    // Multiply-adds.
    Feature {
        name: "conv1_ms_per_gmac",
        amount: |key, n| gmac_if(matches!(class(key), Class::Conv1 | Class::Dense), key, n),
    },
    Feature { name: "convk_ms_per_gmac", amount: |key, n| gmac_if(class(key) == Class::ConvK, key, n) },
    Feature { name: "grouped_ms_per_gmac", amount: |key, n| gmac_if(class(key) == Class::Grouped, key, n) },
    Feature { name: "depthwise_ms_per_gmac", amount: |key, n| gmac_if(class(key) == Class::Depthwise, key, n) },
    Feature { name: "matmul_ms_per_gmac", amount: |key, n| gmac_if(class(key) == Class::MatMul, key, n) },
    // Runtimes that run a grouped convolution group by group.
    Feature { name: "group_ms_per_kilo", amount: |key, _| groups(key, 1) },
    Feature { name: "wide_group_ms_per_kilo", amount: |key, _| groups(key, 16) },
    // Reading weights, moving maps, reductions that few threads share.
    Feature { name: "weight_ms_per_mega", amount: |key, _| 1e-6 * key.weights() as f64 },
    Feature { name: "reduction_ms_per_kilo", amount: reduction_kilo },
    Feature { name: "image_ms_per_mega", amount: image_mega },
    Feature { name: "compute_ms_per_mega", amount: |key, n| if computes(key) { mega(key, n) } else { 0.0 } },
    Feature { name: "light_ms_per_mega", amount: light_mega },
    Feature {
        name: "activation_ms_per_mega",
        amount: |key, n| if class(key) == Class::Activation { mega(key, n) } else { 0.0 },
    },
    // The regimes of the Zen-NAS publication.
    Feature { name: "pointwise_ms_per_gmac", amount: |key, n| gmac_if(is_pointwise(key), key, n) },
    Feature {
        name: "spatial_ms_per_gmac",
        amount: |key, n| gmac_if(key.kind == KeyKind::Conv && key.kernel > 1, key, n),
    },
    Feature { name: "eager_ms_per_giga", amount: |key, n| 1e-9 * n * eager_elements(key) },
    Feature { name: "gate_ms_per_giga", amount: |key, n| 1e-9 * n * gate_elements(key) },
    Feature { name: "activation_ms_per_giga", amount: |key, n| 1e-9 * n * fused_elements(key) },
];

/// How names of coefficients begin that belong to operators without weights.
const TRAFFIC: [&str; 4] = ["light_", "activation_", "eager_", "gate_"];

/// What an operator is to a formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Convolution without groups, kernel 1.
    Conv1,
    /// Convolution without groups, larger kernel.
    ConvK,
    Grouped,
    Depthwise,
    Dense,
    MatMul,
    /// Concatenation, transposition, resizing.
    Move,
    /// An activation of its own that takes arithmetic.
    Activation,
    /// Everything else that reads and writes maps.
    Light,
}

fn class(key: &OperatorKey) -> Class {
    match key.kind {
        KeyKind::Conv if key.groups != 1 => Class::Grouped,
        KeyKind::Conv if key.kernel == 1 => Class::Conv1,
        KeyKind::Conv => Class::ConvK,
        KeyKind::Depthwise => Class::Depthwise,
        KeyKind::Dense => Class::Dense,
        KeyKind::MatMul => Class::MatMul,
        KeyKind::Concat | KeyKind::Rearrange | KeyKind::Resize => Class::Move,
        KeyKind::Elementwise if key.activation.is_some_and(takes_arithmetic) => Class::Activation,
        _ => Class::Light,
    }
}

/// Whether an activation is more than a comparison.
fn takes_arithmetic(activation: Activation) -> bool {
    !matches!(activation, Activation::Relu | Activation::Relu6 | Activation::LeakyRelu | Activation::PRelu)
}

fn count(is: bool) -> f64 {
    if is { 1.0 } else { 0.0 }
}

fn is_dense_compute(key: &OperatorKey) -> bool {
    matches!(class(key), Class::Conv1 | Class::ConvK | Class::Grouped | Class::Dense | Class::MatMul)
}

fn computes(key: &OperatorKey) -> bool {
    is_dense_compute(key) || class(key) == Class::Depthwise
}

/// A 1x1 convolution on one pixel, as in squeeze-and-excitation.
fn is_pixel_conv(key: &OperatorKey) -> bool {
    class(key) == Class::Conv1 && (key.in_height, key.in_width) == (1, 1)
}

fn is_pointwise(key: &OperatorKey) -> bool {
    match key.kind {
        KeyKind::Conv => key.kernel == 1,
        kind => matches!(kind, KeyKind::Dense | KeyKind::MatMul),
    }
}

/// 1e9 multiply-adds.
fn gmac_if(is: bool, key: &OperatorKey, batch: f64) -> f64 {
    if is { 1e-9 * batch * key.flops() as f64 } else { 0.0 }
}

/// Thousands of groups of at least so many channels.
fn groups(key: &OperatorKey, least_width: u32) -> f64 {
    let counts = class(key) == Class::Grouped && key.in_channels / key.groups >= least_width;
    if counts { 1e-3 * f64::from(key.groups) } else { 0.0 }
}

/// Thousands of products that one output sums up.
fn reduction_kilo(key: &OperatorKey, _: f64) -> f64 {
    match class(key) {
        Class::Conv1 | Class::ConvK | Class::Grouped | Class::Dense => {
            1e-3 * key.weights() as f64 / f64::from(key.out_channels)
        }
        _ => 0.0,
    }
}

/// Millions of elements of the image, where an operator reads it.
fn image_mega(key: &OperatorKey, batch: f64) -> f64 {
    let reads = matches!(key.kind, KeyKind::Conv | KeyKind::Depthwise | KeyKind::Dense) && key.in_channels <= 4;
    if reads { 1e-6 * batch * key.in_elements() as f64 } else { 0.0 }
}

/// Millions of elements read and written; a strided 1x1 convolution reads only the pixels it uses.
fn mega(key: &OperatorKey, batch: f64) -> f64 {
    let skipped = if class(key) == Class::Conv1 { f64::from(key.stride).powi(2) } else { 1.0 };
    let read = key.in_elements() as f64 / skipped;
    1e-6 * batch * (read + key.out_elements() as f64 + key.second_elements() as f64)
}

fn light_mega(key: &OperatorKey, batch: f64) -> f64 {
    match class(key) {
        Class::Light => mega(key, batch),
        Class::Move => 2e-6 * batch * key.out_elements() as f64,
        _ => 0.0,
    }
}

/// Elements that element-wise kernels move for one image when nothing is fused: batch norm reads and writes its
/// map once, an activation too, a residual sum reads two maps and writes one.
fn eager_elements(key: &OperatorKey) -> f64 {
    let (read, written) = (key.in_elements() as f64, key.out_elements() as f64);
    match key.kind {
        KeyKind::Conv | KeyKind::Depthwise => {
            let sum = if key.residual_add { 3.0 } else { 0.0 };
            let activation = if key.activation.is_some() { 2.0 } else { 0.0 };
            (2.0 + sum + activation) * written
        }
        KeyKind::Gate => 4.0 * read,
        KeyKind::Add if key.activation.is_some() => 5.0 * written,
        KeyKind::Add => 3.0 * written,
        KeyKind::GlobalPool | KeyKind::Dense | KeyKind::MatMul => 0.0,
        // What the published networks did not have: maps read and written.
        _ => read + written + key.second_elements() as f64,
    }
}

/// Three times the elements of a gated map of one image.
fn gate_elements(key: &OperatorKey) -> f64 {
    if key.kind == KeyKind::Gate { 3.0 * key.in_elements() as f64 } else { 0.0 }
}

/// Elements that fused convolutions, gates and pools read and write for one image.
fn fused_elements(key: &OperatorKey) -> f64 {
    match key.kind {
        KeyKind::Conv | KeyKind::Depthwise => (key.in_elements() + key.out_elements()) as f64,
        KeyKind::Gate => 2.0 * key.in_elements() as f64,
        KeyKind::GlobalPool => key.in_elements() as f64,
        _ => 0.0,
    }
}

/// A coefficient for some of the features; the others cost nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Formula {
    /// Places in [`FEATURES`] with milliseconds per unit, in that order.
    terms: Vec<(usize, f64)>,
}

impl Formula {
    /// From names of features with milliseconds per unit.
    ///
    /// # Errors
    /// Names an unknown feature.
    pub fn new<'n>(coefficients: impl IntoIterator<Item = (&'n str, f64)>) -> Result<Self, String> {
        let mut terms = Vec::new();
        for (name, value) in coefficients {
            let place = FEATURES.iter().position(|feature| feature.name == name);
            terms.push((place.ok_or_else(|| format!("unknown coefficient `formula.{name}`"))?, value));
        }
        terms.sort_by_key(|(place, _)| *place);
        Ok(Self { terms })
    }

    /// Names of the features with milliseconds per unit.
    pub fn coefficients(&self) -> impl Iterator<Item = (&'static str, f64)> {
        self.terms.iter().map(|(place, value)| (FEATURES[*place].name, *value))
    }

    /// Milliseconds of an operator for a batch.
    pub fn ms(&self, key: &OperatorKey, batch_size: u32) -> f64 {
        let batch = f64::from(batch_size);
        self.terms.iter().map(|(place, value)| value * (FEATURES[*place].amount)(key, batch)).sum()
    }

    /// The same on a device where classes of operators take longer by factors: convolutions and dense layers,
    /// depthwise, everything else.
    pub fn scaled_by_class(&self, [conv, depthwise, traffic]: [f64; 3]) -> Self {
        let factor = |name: &str| match name {
            _ if name.starts_with("depthwise_") => depthwise,
            _ if TRAFFIC.iter().any(|prefix| name.starts_with(prefix)) => traffic,
            _ => conv,
        };
        Self {
            terms: self.terms.iter().map(|(place, value)| (*place, value * factor(FEATURES[*place].name))).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: KeyKind, channels: u32, out_channels: u32, side: u32) -> OperatorKey {
        OperatorKey { kind, ..OperatorKey::conv(1, 1, channels, out_channels, side) }
    }

    fn amounts(key: &OperatorKey, batch: f64) -> Vec<(&'static str, f64)> {
        let amount = |feature: &Feature| Some((feature.name, (feature.amount)(key, batch))).filter(|(_, x)| *x != 0.0);
        FEATURES.iter().filter_map(amount).collect()
    }

    #[test]
    fn names_are_unique_and_formulas_read_back() {
        let mut names: Vec<_> = FEATURES.iter().map(|feature| feature.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FEATURES.len());
        let formula = Formula::new([("light_ms", 2.0), ("conv_ms", 1.0)]).unwrap();
        assert_eq!(formula.coefficients().collect::<Vec<_>>(), [("conv_ms", 1.0), ("light_ms", 2.0)]);
        assert_eq!(Formula::new(formula.coefficients()).unwrap(), formula);
        assert!(Formula::new([("lihgt_ms", 2.0)]).unwrap_err().contains("formula.lihgt_ms"));
    }

    /// By hand: 8 images of 64 x 14 x 14, 64 -> 128 channels.
    #[test]
    fn amounts_of_convolutions() {
        let conv = OperatorKey { residual_add: true, ..OperatorKey::conv(1, 2, 64, 128, 14) };
        let (written, macs) = (128.0 * 49.0, 64.0 * 128.0 * 49.0);
        let expected = [
            ("conv_ms", 1.0),
            ("conv1_ms_per_gmac", 8e-9 * macs),
            ("weight_ms_per_mega", 64.0 * 128.0 * 1e-6),
            ("reduction_ms_per_kilo", 0.064),
            // A quarter of the pixels is read.
            ("compute_ms_per_mega", 8e-6 * (64.0 * 49.0 + 2.0 * written)),
            ("pointwise_ms_per_gmac", 8e-9 * macs),
            ("eager_ms_per_giga", 8e-9 * 5.0 * written),
            ("activation_ms_per_giga", 8e-9 * (64.0 * 196.0 + written)),
        ];
        for ((name, found), (expected_name, expected)) in amounts(&conv, 8.0).into_iter().zip(expected) {
            assert_eq!(name, expected_name);
            assert!((found / expected - 1.0).abs() < 1e-12, "{name}: {found}, expected {expected}");
        }
        let grouped = OperatorKey { groups: 8, ..OperatorKey::conv(3, 1, 64, 64, 14) };
        let of =
            |key: &OperatorKey, name: &str| amounts(key, 1.0).iter().find(|(n, _)| *n == name).map_or(0.0, |(_, x)| *x);
        assert_eq!((of(&grouped, "group_ms_per_kilo"), of(&grouped, "wide_group_ms_per_kilo")), (0.008, 0.0));
        assert_eq!(of(&grouped, "convk_ms_per_gmac"), 0.0);
        let pixel = key(KeyKind::Conv, 64, 16, 1);
        assert_eq!((of(&pixel, "pixel_conv_ms"), of(&pixel, "conv_ms")), (1.0, 0.0));
    }

    #[test]
    fn amounts_of_operators_that_move_maps() {
        let elements = 50.0 * 400.0;
        for (kind, expected) in [
            (KeyKind::Add, vec![("light_ms", 1.0), ("light_ms_per_mega", 3e-6), ("eager_ms_per_giga", 3e-9)]),
            (
                KeyKind::Gate,
                vec![
                    ("light_ms", 1.0),
                    ("light_ms_per_mega", 2e-6),
                    ("eager_ms_per_giga", 4e-9),
                    ("gate_ms_per_giga", 3e-9),
                    ("activation_ms_per_giga", 2e-9),
                ],
            ),
            (KeyKind::Concat, vec![("light_ms", 1.0), ("light_ms_per_mega", 2e-6), ("eager_ms_per_giga", 2e-9)]),
        ] {
            let found = amounts(&key(kind, 50, 50, 20), 1.0);
            assert_eq!(found.len(), expected.len(), "{found:?}");
            for ((name, found), (expected_name, expected)) in found.into_iter().zip(expected) {
                let expected = if expected == 1.0 { 1.0 } else { expected * elements };
                assert!(name == expected_name && (found / expected - 1.0).abs() < 1e-9, "{name} {found} {expected}");
            }
        }
        let swish = OperatorKey { activation: Some(Activation::Swish), ..key(KeyKind::Elementwise, 50, 50, 20) };
        assert!(amounts(&swish, 1.0).contains(&("activation_ms", 1.0)));
    }
}
