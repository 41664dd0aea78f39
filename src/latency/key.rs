//! Operator keys: what a runtime executes after fusion, and the unit of table lookup.
//!
//! A key holds everything that decides an operator's time on one setting except the batch, which
//! belongs to the setting. Not here: which operators fuse (`fuse`), how long they take (`predict`).

use std::fmt;
use std::str::FromStr;

use super::store::activation_from_name;
use crate::net::Activation;

/// Kinds of fused operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyKind {
    /// Convolution that is not depthwise (batch norm folded).
    Conv,
    /// Convolution with one group per channel (batch norm folded).
    Depthwise,
    /// Fully connected layer.
    Dense,
    /// Global average pooling.
    GlobalPool,
    /// Map times a gate per channel.
    Gate,
    /// Sum of two maps that did not fuse into a convolution.
    Add,
    /// Activation or batch norm that did not fuse, or another function of the values.
    Elementwise,
    /// Largest value of each window.
    MaxPool,
    /// Mean of each window.
    AveragePool,
    /// Maps behind each other along the channels; the channels are those of all together.
    Concat,
    /// Product of two maps of equal shape.
    Multiply,
    /// Interpolation to twice the side; height and width are those of the output.
    Resize,
    /// Values that are moved: transposition, padding, slices; height and width are those of the output.
    Rearrange,
    /// Normalisation over the channels of each pixel.
    Norm,
    /// Softmax over the channels of each pixel.
    Softmax,
    /// Product of two computed matrices: height x in_channels times in_channels x out_channels, width times.
    MatMul,
}

/// What operators of a network slow down together: what a model's composition weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyClass {
    /// Bound by multiplying.
    Conv,
    Depthwise,
    /// Bound by moving maps.
    Traffic,
}

/// Names of the kinds in tables.
const KINDS: [(KeyKind, &str); 16] = [
    (KeyKind::Conv, "conv"),
    (KeyKind::Depthwise, "depthwise"),
    (KeyKind::Dense, "dense"),
    (KeyKind::GlobalPool, "global_pool"),
    (KeyKind::Gate, "gate"),
    (KeyKind::Add, "add"),
    (KeyKind::Elementwise, "elementwise"),
    (KeyKind::MaxPool, "max_pool"),
    (KeyKind::AveragePool, "average_pool"),
    (KeyKind::Concat, "concat"),
    (KeyKind::Multiply, "multiply"),
    (KeyKind::Resize, "resize"),
    (KeyKind::Rearrange, "rearrange"),
    (KeyKind::Norm, "norm"),
    (KeyKind::Softmax, "softmax"),
    (KeyKind::MatMul, "matmul"),
];

impl KeyKind {
    /// Every kind.
    pub fn all() -> impl Iterator<Item = Self> {
        KINDS.iter().map(|(kind, _)| *kind)
    }

    /// Name in tables and output.
    pub fn name(self) -> &'static str {
        // Every kind is listed, so the fallback is never read.
        KINDS.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    pub(super) fn class(self) -> KeyClass {
        match self {
            KeyKind::Conv | KeyKind::Dense | KeyKind::MatMul => KeyClass::Conv,
            KeyKind::Depthwise => KeyClass::Depthwise,
            _ => KeyClass::Traffic,
        }
    }

    /// Whether it slides a window, so that kernel and stride mean something.
    pub fn has_window(self) -> bool {
        matches!(self, KeyKind::Conv | KeyKind::Depthwise | KeyKind::MaxPool | KeyKind::AveragePool)
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for KeyKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        KINDS.iter().find(|(_, name)| *name == text).map(|(kind, _)| *kind).ok_or_else(|| {
            let names: Vec<_> = KINDS.iter().map(|(_, name)| *name).collect();
            format!("unknown operator kind `{text}`, known are {}", names.join(", "))
        })
    }
}

/// One operator as a runtime executes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperatorKey {
    pub kind: KeyKind,
    /// Side of the kernel; 1 for everything but convolutions and pools.
    pub kernel: u32,
    pub stride: u32,
    pub groups: u32,
    pub in_channels: u32,
    pub out_channels: u32,
    pub in_height: u32,
    pub in_width: u32,
    /// Activation fused into the operator (or the operator itself, for `Elementwise`).
    pub activation: Option<Activation>,
    /// Whether a residual sum is fused, which costs reading a second map.
    pub residual_add: bool,
}

impl OperatorKey {
    /// A dense convolution on a square map, nothing fused into it.
    pub fn conv(kernel: u32, stride: u32, in_channels: u32, out_channels: u32, side: u32) -> Self {
        Self {
            kind: KeyKind::Conv,
            kernel,
            stride,
            groups: 1,
            in_channels,
            out_channels,
            in_height: side,
            in_width: side,
            activation: None,
            residual_add: false,
        }
    }

    /// A depthwise convolution on a square map, nothing fused into it.
    pub fn depthwise(kernel: u32, stride: u32, channels: u32, side: u32) -> Self {
        Self { kind: KeyKind::Depthwise, groups: channels, ..Self::conv(kernel, stride, channels, channels, side) }
    }

    /// Whether a convolution has groups of several channels.
    pub fn has_groups(&self) -> bool {
        self.kind == KeyKind::Conv && self.groups != 1
    }

    /// Its kind as tables name those that a fit has seen: `grouped` for convolutions with groups.
    pub fn fitted_kind(&self) -> &'static str {
        if self.has_groups() { "grouped" } else { self.kind.name() }
    }

    /// Height of the output.
    pub fn out_height(&self) -> u32 {
        match self.kind {
            KeyKind::GlobalPool | KeyKind::Dense => 1,
            _ => self.in_height.div_ceil(self.stride),
        }
    }

    /// Width of the output.
    pub fn out_width(&self) -> u32 {
        match self.kind {
            KeyKind::GlobalPool | KeyKind::Dense => 1,
            _ => self.in_width.div_ceil(self.stride),
        }
    }

    /// Multiply-adds for one image.
    pub fn flops(&self) -> u64 {
        match self.kind {
            KeyKind::Conv | KeyKind::Depthwise | KeyKind::Dense => self.weights() * self.out_pixels(),
            KeyKind::MatMul => self.in_elements() * self.out_channels as u64,
            _ => 0,
        }
    }

    /// Number of weights, without bias.
    pub fn weights(&self) -> u64 {
        match self.kind {
            KeyKind::Conv | KeyKind::Depthwise | KeyKind::Dense => {
                self.out_channels as u64 * (self.in_channels / self.groups) as u64 * (self.kernel as u64).pow(2)
            }
            _ => 0,
        }
    }

    /// Elements of the input map for one image, without the second map of a sum.
    pub fn in_elements(&self) -> u64 {
        self.in_channels as u64 * self.in_height as u64 * self.in_width as u64
    }

    /// Elements of a second map that is read, for one image.
    pub fn second_elements(&self) -> u64 {
        match self.kind {
            KeyKind::Add | KeyKind::Multiply => self.out_elements(),
            KeyKind::MatMul => self.in_channels as u64 * self.out_channels as u64 * self.in_width as u64,
            _ if self.residual_add => self.out_elements(),
            _ => 0,
        }
    }

    /// Elements of the output map for one image.
    pub fn out_elements(&self) -> u64 {
        self.out_channels as u64 * self.out_pixels()
    }

    /// The key that a row is looked up by: without its activation where fusing one costs nothing.
    pub(super) fn looked_up(&self, free_activation: bool) -> Self {
        match self.kind {
            KeyKind::Conv | KeyKind::Depthwise | KeyKind::Dense | KeyKind::Add if free_activation => {
                Self { activation: None, ..*self }
            }
            _ => *self,
        }
    }

    /// The operator with the activation that costs the same and that the search spaces have, if its own
    /// is another.
    pub(super) fn with_common_activation(&self) -> Option<Self> {
        match self.activation {
            Some(Activation::Relu6 | Activation::LeakyRelu) => {
                Some(Self { activation: Some(Activation::Relu), ..*self })
            }
            Some(Activation::HardSigmoid) => Some(Self { activation: Some(Activation::Sigmoid), ..*self }),
            _ => None,
        }
    }

    fn out_pixels(&self) -> u64 {
        self.out_height() as u64 * self.out_width() as u64
    }
}

/// Short form for people: `conv 3x3 s2 64->128 @56x56 +add +relu`.
impl fmt::Display for OperatorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if self.kind.has_window() {
            write!(f, " {0}x{0} s{1}", self.kernel, self.stride)?;
        }
        if self.kind == KeyKind::Conv && self.groups != 1 {
            write!(f, " g{}", self.groups)?;
        }
        write!(f, " {}", self.in_channels)?;
        if matches!(self.kind, KeyKind::Conv | KeyKind::Dense | KeyKind::MatMul) {
            write!(f, "->{}", self.out_channels)?;
        }
        write!(f, " @{}x{}", self.in_height, self.in_width)?;
        if self.residual_add {
            f.write_str(" +add")?;
        }
        match self.activation {
            Some(activation) => write!(f, " +{}", activation.name()),
            None => Ok(()),
        }
    }
}

/// Inverse of the short form.
impl FromStr for OperatorKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = |part: &str| format!("`{part}` of the operator `{text}` is not read");
        let number = |part: &str, digits: &str| match digits.parse::<u32>() {
            Ok(number) if number > 0 => Ok(number),
            _ => Err(bad(part)),
        };
        let mut parts = text.split(' ').peekable();
        let kind: KeyKind = parts.next().unwrap_or_default().parse()?;
        let mut key = Self { kind, ..Self::conv(1, 1, 1, 1, 1) };
        if let Some(part) = parts.next_if(|_| kind.has_window()) {
            let (side, other) = part.split_once('x').ok_or_else(|| bad(part))?;
            if side != other {
                return Err(bad(part));
            }
            key.kernel = number(part, side)?;
            let part = parts.next().unwrap_or_default();
            key.stride = number(part, part.strip_prefix('s').ok_or_else(|| bad(part))?)?;
        }
        if let Some(part) = parts.next_if(|part| part.starts_with('g')) {
            key.groups = number(part, &part[1..])?;
        }
        let part = parts.next().unwrap_or_default();
        let (inputs, outputs) = part.split_once("->").unwrap_or((part, part));
        (key.in_channels, key.out_channels) = (number(part, inputs)?, number(part, outputs)?);
        if kind == KeyKind::Depthwise {
            key.groups = key.in_channels;
        }
        let part = parts.next().unwrap_or_default();
        let (height, width) =
            part.strip_prefix('@').and_then(|sides| sides.split_once('x')).ok_or_else(|| bad(part))?;
        (key.in_height, key.in_width) = (number(part, height)?, number(part, width)?);
        key.residual_add = parts.next_if(|part| *part == "+add").is_some();
        if let Some(part) = parts.next() {
            key.activation = activation_from_name(part.strip_prefix('+').ok_or_else(|| bad(part))?)?;
        }
        match parts.next() {
            None if key.groups <= key.in_channels => Ok(key),
            None => Err(format!("{} groups for {} channels in `{text}`", key.groups, key.in_channels)),
            Some(part) => Err(bad(part)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_read_back() {
        for text in [
            "conv 3x3 s2 64->128 @56x56 +add +relu",
            "conv 3x3 s1 g32 128->128 @56x28",
            "depthwise 5x5 s2 96 @7x7 +hard_swish",
            "dense 512->1000 @1x1",
            "matmul 64->197 @197x12",
            "max_pool 3x3 s2 64 @112x112",
            "global_pool 2048 @7x7",
            "elementwise 3 @224x224 +swish",
        ] {
            assert_eq!(text.parse::<OperatorKey>().unwrap().to_string(), text);
        }
        assert_eq!("depthwise 3x3 s1 8 @4x4".parse::<OperatorKey>().unwrap(), OperatorKey::depthwise(3, 1, 8, 4));
    }

    #[test]
    fn bad_short_forms_name_the_part() {
        for (text, part) in [
            ("", "unknown operator kind"),
            ("conv 3x5 s1 8->8 @4x4", "3x5"),
            ("conv 3x3 8->8 @4x4", "8->8"),
            ("conv 3x3 s1 8->0 @4x4", "8->0"),
            ("add 8", "``"),
            ("add 8 @4", "@4"),
            ("add 8 @4x4 +wish", "wish"),
            ("add 8 @4x4 relu", "relu"),
            ("add 8 @4x4 +relu more", "more"),
            ("conv 3x3 s1 g16 8->8 @4x4", "16 groups"),
        ] {
            let error = text.parse::<OperatorKey>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
