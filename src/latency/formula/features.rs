//! The features of formulas: amounts of work in one fused operator, each with the name of its coefficient.
//!
//! Adding a feature is one line in [`FEATURES`]. Not here: coefficients, and how they add up (`formula`).

use super::super::key::KeyClass;
use super::super::{KeyKind, OperatorKey};
use crate::net::Activation;

/// Something about an operator that costs time.
#[derive(Debug)]
pub struct Feature {
    /// Name of its coefficient in tables, which ends in the unit.
    pub name: &'static str,
    /// What it slows down with.
    pub(super) class: KeyClass,
    amount: fn(&Work) -> f64,
}

impl Feature {
    /// Its amount in an operator for a batch, in units of the coefficient's denominator; channels are padded to
    /// a multiple of `channel_multiple`.
    pub fn amount(&self, key: &OperatorKey, batch_size: u32, channel_multiple: u32) -> f64 {
        (self.amount)(&Work::new(key, batch_size, channel_multiple))
    }

    /// Whether an operator with an amount of it costs nothing else, where a formula has its coefficient.
    pub fn is_alone(&self) -> bool {
        self.name == ALONE
    }

    pub(super) fn of(&self, work: &Work) -> f64 {
        (self.amount)(work)
    }
}

const fn conv(name: &'static str, amount: fn(&Work) -> f64) -> Feature {
    Feature { name, class: KeyClass::Conv, amount }
}

const fn depthwise(name: &'static str, amount: fn(&Work) -> f64) -> Feature {
    Feature { name, class: KeyClass::Depthwise, amount }
}

const fn traffic(name: &'static str, amount: fn(&Work) -> f64) -> Feature {
    Feature { name, class: KeyClass::Traffic, amount }
}

/// Name of the feature that an operator has alone: where a formula has its coefficient, operators with an amount
/// of it cost nothing else.
pub(super) const ALONE: &str = "thin_ms_per_mega";

/// Every feature. Elements and multiply-adds are those of the whole batch, weights those of one.
pub static FEATURES: &[Feature] = &[
    // Pixels of element-wise operators on at most 4 channels, as normalising the image has.
    traffic(ALONE, |work| if is_thin(work.key) { 1e-6 * work.batch * work.pixels } else { 0.0 }),
    // What a kernel costs, however small.
    conv("operator_ms", |_| 1.0),
    conv("kernel_ms", |work| kernels(work.key)),
    conv("conv_ms", |work| count(is_dense_compute(work.key) && !is_pixel_conv(work.key))),
    conv("pixel_conv_ms", |work| count(is_pixel_conv(work.key))),
    depthwise("depthwise_ms", |work| count(work.class == Class::Depthwise)),
    traffic("light_ms", |work| count(work.is_light())),
    traffic("activation_ms", |work| count(work.class == Class::Activation)),
    traffic("move_ms", |work| count(work.class == Class::Move || work.class == Class::Resize)),
    traffic("global_pool_ms", |work| count(work.key.kind == KeyKind::GlobalPool)),
    // Multiply-adds: 1x1 convolutions; those of kernel 3 and stride 1, for which there are faster ways; the others.
    conv("conv1_ms_per_gmac", |work| work.gmac(Class::Conv1)),
    conv("winograd_ms_per_gmac", |work| work.gmac(Class::Winograd)),
    conv("convk_ms_per_gmac", |work| work.gmac(Class::ConvK)),
    conv("dense_ms_per_gmac", |work| work.gmac(Class::Dense)),
    conv("grouped_ms_per_gmac", |work| unpadded_gmac_if(work.class == Class::Grouped, work)),
    depthwise("depthwise_ms_per_gmac", |work| work.gmac(Class::Depthwise)),
    conv("matmul_ms_per_gmac", |work| unpadded_gmac_if(work.class == Class::MatMul, work)),
    // Runtimes that run a grouped convolution group by group.
    conv("group_ms_per_kilo", |work| groups(work, 1)),
    conv("wide_group_ms_per_kilo", |work| groups(work, 16)),
    // Reading weights, and reductions that few threads share.
    conv("weight_ms_per_mega", |work| 1e-6 * work.key.weights() as f64),
    conv(
        "dense_weight_ms_per_mega",
        |work| {
            if work.class == Class::Dense { 1e-6 * work.key.weights() as f64 } else { 0.0 }
        },
    ),
    conv("reduction_ms_per_kilo", reduction_kilo),
    // Maps read and written.
    conv("image_ms_per_mega", image_mega),
    conv("conv_ms_per_mega", |work| if is_conv(work.class) { work.mega() } else { 0.0 }),
    conv("winograd_ms_per_mega", |work| {
        if work.class == Class::Winograd { 1e-6 * work.batch * (work.read() + work.written()) } else { 0.0 }
    }),
    depthwise("depthwise_ms_per_mega", |work| work.mega_of(Class::Depthwise)),
    conv("dense_ms_per_mega", |work| work.mega_of(Class::Dense)),
    conv("matmul_ms_per_mega", |work| work.mega_of(Class::MatMul)),
    traffic("light_ms_per_mega", |work| work.mega_of(Class::Light) + work.mega_of(Class::Resize)),
    traffic("activation_ms_per_mega", |work| work.mega_of(Class::Activation)),
    traffic("pool_ms_per_mega", |work| work.mega_of(Class::Pool)),
    traffic("move_ms_per_mega", |work| work.mega_of(Class::Move)),
    traffic("norm_ms_per_mega", |work| work.mega_of(Class::Norm)),
    traffic("softmax_ms_per_mega", |work| work.mega_of(Class::Softmax)),
    // Outputs of activations with an exponential, of their own or fused.
    traffic("exponential_ms_per_mega", |work| {
        if work.key.activation.is_some_and(has_exponential) { 1e-6 * work.batch * work.written() } else { 0.0 }
    }),
    // The regimes of the Zen-NAS publication.
    conv("pointwise_ms_per_gmac", |work| unpadded_gmac_if(is_pointwise(work.key), work)),
    conv("spatial_ms_per_gmac", |work| unpadded_gmac_if(work.key.kind == KeyKind::Conv && work.key.kernel > 1, work)),
    traffic("eager_ms_per_giga", |work| 1e-9 * work.batch * eager_elements(work.key)),
    traffic("gate_ms_per_giga", |work| 1e-9 * work.batch * gate_elements(work.key)),
    traffic("activation_ms_per_giga", |work| 1e-9 * work.batch * fused_elements(work.key)),
];

/// What an operator is to a formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Convolution without groups, kernel 1.
    Conv1,
    /// The same with kernel 3, stride 1 and at least 8 channels.
    Winograd,
    /// The same with another kernel or stride.
    ConvK,
    Grouped,
    Depthwise,
    Dense,
    MatMul,
    /// Concatenation, transposition, padding.
    Move,
    Resize,
    Pool,
    Norm,
    Softmax,
    /// An activation of its own that takes arithmetic.
    Activation,
    /// Sums, products, gates, and other functions of the values.
    Light,
}

/// An operator with what its features are made of.
pub(super) struct Work<'k> {
    key: &'k OperatorKey,
    class: Class,
    batch: f64,
    /// Channels, padded.
    in_channels: f64,
    out_channels: f64,
    /// Pixels of one output.
    pixels: f64,
}

impl<'k> Work<'k> {
    pub(super) fn new(key: &'k OperatorKey, batch_size: u32, channel_multiple: u32) -> Self {
        let padded = |channels: u32| f64::from(channels.div_ceil(channel_multiple)) * f64::from(channel_multiple);
        Self {
            key,
            class: class(key),
            batch: f64::from(batch_size),
            // An image stays as it is.
            in_channels: if key.in_channels <= 4 { f64::from(key.in_channels) } else { padded(key.in_channels) },
            out_channels: padded(key.out_channels),
            pixels: f64::from(key.out_height()) * f64::from(key.out_width()),
        }
    }

    /// Without weights, and no activation that takes arithmetic.
    fn is_light(&self) -> bool {
        let moves = matches!(self.class, Class::Move | Class::Resize | Class::Pool);
        moves || matches!(self.class, Class::Light | Class::Norm | Class::Softmax)
    }

    /// 1e9 multiply-adds of the padded channels, if it is of the class.
    fn gmac(&self, class: Class) -> f64 {
        if self.class != class {
            return 0.0;
        }
        let inputs = if class == Class::Depthwise { 1.0 } else { self.in_channels };
        1e-9 * self.batch * inputs * self.out_channels * f64::from(self.key.kernel).powi(2) * self.pixels
    }

    /// Elements read for one image; a strided 1x1 convolution reads only the pixels it uses.
    fn read(&self) -> f64 {
        let skipped =
            if is_conv(self.class) && self.key.kernel == 1 { f64::from(self.key.stride).powi(2) } else { 1.0 };
        self.in_channels * f64::from(self.key.in_height) * f64::from(self.key.in_width) / skipped
    }

    /// Elements written for one image.
    fn written(&self) -> f64 {
        self.out_channels * self.pixels
    }

    /// Millions of elements read and written.
    fn mega(&self) -> f64 {
        let key = self.key;
        let elements = match self.class {
            Class::Move => 2.0 * self.written(),
            Class::MatMul => (key.in_elements() + key.out_elements() + key.second_elements()) as f64,
            _ if key.second_elements() > 0 => self.read() + 2.0 * self.written(),
            _ => self.read() + self.written(),
        };
        1e-6 * self.batch * elements
    }

    fn mega_of(&self, class: Class) -> f64 {
        if self.class == class { self.mega() } else { 0.0 }
    }
}

fn class(key: &OperatorKey) -> Class {
    match key.kind {
        KeyKind::Conv if key.groups != 1 => Class::Grouped,
        KeyKind::Conv if key.kernel == 1 => Class::Conv1,
        KeyKind::Conv if key.kernel == 3 && key.stride == 1 && key.in_channels >= 8 => Class::Winograd,
        KeyKind::Conv => Class::ConvK,
        KeyKind::Depthwise => Class::Depthwise,
        KeyKind::Dense => Class::Dense,
        KeyKind::MatMul => Class::MatMul,
        KeyKind::Concat | KeyKind::Rearrange => Class::Move,
        KeyKind::Resize => Class::Resize,
        KeyKind::GlobalPool | KeyKind::MaxPool | KeyKind::AveragePool => Class::Pool,
        KeyKind::Norm => Class::Norm,
        KeyKind::Softmax => Class::Softmax,
        KeyKind::Elementwise if key.activation.is_some_and(takes_arithmetic) => Class::Activation,
        KeyKind::Elementwise | KeyKind::Add | KeyKind::Gate | KeyKind::Multiply => Class::Light,
    }
}

/// Whether an activation is more than a comparison.
fn takes_arithmetic(activation: Activation) -> bool {
    !matches!(activation, Activation::Relu | Activation::Relu6 | Activation::LeakyRelu | Activation::PRelu)
}

fn has_exponential(activation: Activation) -> bool {
    match activation {
        Activation::Swish | Activation::Sigmoid | Activation::Gelu | Activation::Tanh | Activation::Elu => true,
        Activation::HardSwish | Activation::HardSigmoid => false,
        Activation::Relu | Activation::Relu6 | Activation::LeakyRelu | Activation::PRelu => false,
    }
}

fn count(is: bool) -> f64 {
    if is { 1.0 } else { 0.0 }
}

fn is_conv(class: Class) -> bool {
    matches!(class, Class::Conv1 | Class::Winograd | Class::ConvK | Class::Grouped)
}

fn is_dense_compute(key: &OperatorKey) -> bool {
    is_conv(class(key)) || matches!(class(key), Class::Dense | Class::MatMul)
}

/// A 1x1 convolution on one pixel, as in squeeze-and-excitation.
fn is_pixel_conv(key: &OperatorKey) -> bool {
    class(key) == Class::Conv1 && (key.in_height, key.in_width) == (1, 1)
}

fn is_thin(key: &OperatorKey) -> bool {
    matches!(key.kind, KeyKind::Elementwise | KeyKind::Add | KeyKind::Multiply) && key.out_channels <= 4
}

/// One for each group of a convolution.
fn kernels(key: &OperatorKey) -> f64 {
    if key.kind == KeyKind::Conv { f64::from(key.groups) } else { 1.0 }
}

fn is_pointwise(key: &OperatorKey) -> bool {
    match key.kind {
        KeyKind::Conv => key.kernel == 1,
        kind => matches!(kind, KeyKind::Dense | KeyKind::MatMul),
    }
}

/// 1e9 multiply-adds of the channels as they are.
fn unpadded_gmac_if(is: bool, work: &Work) -> f64 {
    if is { 1e-9 * work.batch * work.key.flops() as f64 } else { 0.0 }
}

/// Thousands of groups of at least so many channels.
fn groups(work: &Work, least_width: u32) -> f64 {
    let counts = work.class == Class::Grouped && work.key.in_channels / work.key.groups >= least_width;
    if counts { 1e-3 * f64::from(work.key.groups) } else { 0.0 }
}

/// Thousands of products that one output sums up.
fn reduction_kilo(work: &Work) -> f64 {
    let sums = is_conv(work.class) || work.class == Class::Dense;
    if sums { 1e-3 * work.key.weights() as f64 / f64::from(work.key.out_channels) } else { 0.0 }
}

/// Millions of elements of the image, where an operator reads it.
fn image_mega(work: &Work) -> f64 {
    let reads = matches!(work.key.kind, KeyKind::Conv | KeyKind::Depthwise | KeyKind::Dense);
    if reads && work.key.in_channels <= 4 { 1e-6 * work.batch * work.key.in_elements() as f64 } else { 0.0 }
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
