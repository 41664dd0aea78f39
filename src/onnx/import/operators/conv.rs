//! Convolutions, also transposed ones.

use super::super::call::{Call, Draft};
use super::super::error::shown;
use super::super::window::Window;
use super::Family;
use crate::net::{Activation, ForeignKind, OperatorKind};

pub(super) const READERS: Family = &[("Conv", conv), ("ConvTranspose", conv_transpose)];

/// Place of the map that onnxruntime's fused convolution adds.
const SUM: usize = 3;

/// Sizes of map, weights and groups, checked against one another.
struct Sizes {
    spatial: Vec<u64>,
    kernel: Vec<u64>,
    groups: u64,
    /// Elements of the weights.
    weights: u64,
    in_channels: u64,
    /// First dimension of the weights.
    first: u64,
    /// Second dimension of the weights.
    second: u64,
}

fn sizes(call: &mut Call) -> Result<Sizes, String> {
    call.channels_first(0)?;
    call.check_weights(1..2)?;
    let (map, weights) = (call.input(0)?, call.input(1)?);
    let groups = call.node.int("group")?.unwrap_or(1);
    let groups = u64::try_from(groups).ok().filter(|groups| (1..=u64::from(u32::MAX)).contains(groups));
    let groups = groups.ok_or("its group must be at least 1")?;
    if map.rank() < 3 || weights.rank() != map.rank() {
        return Err(format!(
            "its input has sizes {:?} and its weights {:?}; both need height and width",
            map.dims, weights.dims
        ));
    }
    let mut spatial = map.spatial().to_vec();
    if let Some([top, left, bottom, right]) = map.pad {
        spatial[0] -= top + bottom;
        spatial[1] -= left + right;
    }
    if weights.dims.contains(&0) || spatial.contains(&0) {
        return Err(format!("its input has sizes {:?} and its weights {:?}: one is empty", map.dims, weights.dims));
    }
    Ok(Sizes {
        spatial,
        kernel: weights.dims[2..].to_vec(),
        groups,
        weights: weights.elements(),
        in_channels: map.dims[1],
        first: weights.dims[0],
        second: weights.dims[1],
    })
}

fn conv(call: &mut Call) -> Result<(), String> {
    let sizes = sizes(call)?;
    let (groups, out_channels) = (sizes.groups, sizes.first);
    if sizes.second.checked_mul(groups) != Some(sizes.in_channels) || out_channels % groups != 0 {
        return Err(format!(
            "its weights take {} x {groups} channels and give {out_channels}, but its input has {}",
            sizes.second, sizes.in_channels
        ));
    }
    let mut window = Window::read(call.node, sizes.spatial.len(), Some(sizes.kernel.clone()))?;
    if let Some([top, left, bottom, right]) = call.input(0)?.pad {
        window.before = vec![window.before[0] + top, window.before[1] + left];
        window.behind = vec![window.behind[0] + bottom, window.behind[1] + right];
    }
    let output = window.slide(&sizes.spatial, false)?;
    let batch = call.input(0)?.dims[0];
    let dims: Vec<u64> = [batch, out_channels].into_iter().chain(output.iter().copied()).collect();
    let elements = super::super::tensor::checked(&dims)?;
    let flops = elements.saturating_mul(sizes.weights / out_channels);
    if call.input(0)?.map.is_none() {
        return call.set_known(0, dims, None);
    }

    let bias = call.node.input(2).is_some();
    let owned = call.claim_with_bias(1, 2);
    let expected = sizes.weights + if bias { out_channels } else { 0 };
    let is_fixed = |place: usize| call.optional(place).is_none_or(|tensor| tensor.map.is_none());
    let is_static = is_fixed(1) && is_fixed(2);
    if is_static
        && owned == expected
        && batch == 1
        && let Some((kernel, stride)) = same(call, &window, &sizes.spatial, &output)
    {
        let kind = OperatorKind::Conv { kernel, stride, groups: groups as u32, bias };
        call.operator(kind, [0, 0], dims, 1)?;
        return fused(call);
    }
    let pair = |sides: &[u64]| Window::pair(sides);
    let draft = match (pair(&window.kernel), pair(&window.stride), pair(&window.dilation)) {
        (Some(kernel), Some(stride), Some(dilation)) => Draft {
            kind: ForeignKind::Conv { kernel, stride, dilation, groups: groups as u32, transposed: false },
            flops,
            approximation: approximation(&window, &sizes.spatial, &output, is_static, owned == expected),
        },
        _ => Draft { kind: ForeignKind::Unknown, flops, approximation: Some("a convolution over three dimensions") },
    };
    call.foreign_output(0, draft, dims, 1, owned)?;
    fused(call)
}

/// What onnxruntime fuses into a convolution when it writes an optimised model: a sum, then an activation.
fn fused(call: &mut Call) -> Result<(), String> {
    if call.optional(SUM).is_some_and(|tensor| tensor.map.is_some()) {
        call.add_to_output(SUM)?;
    }
    let Some(name) = call.node.text("activation")?.cloned() else { return Ok(()) };
    let parameters = call.node.floats("activation_params")?.unwrap_or(&[]);
    let activation = match (&name[..], parameters) {
        (b"Relu", _) => Activation::Relu,
        (b"Clip", [least, most]) if (*least, *most) == (0.0, 6.0) => Activation::Relu6,
        (b"LeakyRelu", _) => Activation::LeakyRelu,
        (b"Sigmoid", _) => Activation::Sigmoid,
        (b"HardSigmoid", _) => Activation::HardSigmoid,
        (b"Tanh", _) => Activation::Tanh,
        _ => {
            let name = String::from_utf8_lossy(&name);
            call.note(&format!("the activation {} inside FusedConv is not counted", shown(&name)));
            return Ok(());
        }
    };
    call.activate_output(activation)
}

/// Kernel and stride of a square convolution with an odd kernel and "same" padding, whether that is
/// symmetric or TensorFlow's.
fn same(call: &mut Call, window: &Window, input: &[u64], output: &[u64]) -> Option<(u32, u32)> {
    let ([height, width], [down, right]) = (window.kernel[..].try_into().ok()?, window.stride[..].try_into().ok()?);
    let (kernel, stride): (u64, u64) = (height, down);
    let is_square = height == width && down == right && kernel % 2 == 1 && window.dilation == [1, 1];
    let keeps = input.iter().zip(output).all(|(input, output)| input.div_ceil(stride) == *output);
    let half = (kernel - 1) / 2;
    if !is_square || !keeps || window.before.iter().chain(&window.behind).any(|pad| *pad > half) {
        return None;
    }
    if window.before.iter().any(|pad| *pad != half) {
        call.note("padding that is not the same on both sides (TensorFlow's) is taken as if it were");
    }
    Some((kernel as u32, stride as u32))
}

/// How the latency of a convolution that is not of the first class is estimated.
fn approximation(
    window: &Window,
    input: &[u64],
    output: &[u64],
    is_static: bool,
    is_owned: bool,
) -> Option<&'static str> {
    let differs = |sides: &[u64]| sides.iter().any(|side| *side != sides[0]);
    if !is_static {
        return Some("weights that are computed; timed as if they were fixed");
    }
    if window.kernel.len() == 1 {
        return Some("a convolution along one dimension; timed as a square one of about as many values");
    }
    if window.dilation.iter().any(|dilation| *dilation != 1) {
        return Some("dilation; timed as if its kernel were dense");
    }
    if differs(&window.kernel) || differs(&window.stride) {
        return Some("a window that is not square; timed as a square one of about as many values");
    }
    if !is_owned {
        return Some("weights that are shared or made of several");
    }
    if divides(window, input, output) {
        return None;
    }
    Some("padding that is not \"same\"; timed for an input of output times stride")
}

/// Whether an even kernel makes of each `stride` pixels one, as operators with one are timed: patches, and
/// kernels twice their stride padded alike.
fn divides(window: &Window, input: &[u64], output: &[u64]) -> bool {
    let (kernel, stride) = (window.kernel[0], window.stride[0]);
    let Some(padding) = kernel.checked_sub(stride).filter(|_| kernel % 2 == 0) else { return false };
    let (before, behind) = (padding / 2, padding - padding / 2);
    window.before.iter().all(|pad| *pad == before)
        && window.behind.iter().all(|pad| *pad == behind)
        && input.iter().zip(output).all(|(input, output)| *input == output * stride)
}

fn conv_transpose(call: &mut Call) -> Result<(), String> {
    let sizes = sizes(call)?;
    if sizes.first != sizes.in_channels || sizes.in_channels % sizes.groups != 0 {
        return Err(format!("its weights take {} channels, but its input has {}", sizes.first, sizes.in_channels));
    }
    let window = Window::read(call.node, sizes.spatial.len(), Some(sizes.kernel.clone()))?;
    let output = window.slide_back(call.node, &sizes.spatial)?;
    let map = call.input(0)?;
    let channels = sizes.second.saturating_mul(sizes.groups);
    let dims: Vec<u64> = [map.dims[0], channels].into_iter().chain(output).collect();
    let flops = map.elements().saturating_mul(sizes.weights / sizes.in_channels);
    let owned = call.claim_with_bias(1, 2);
    let pair = |sides: &[u64]| Window::pair(sides);
    let kind = match (pair(&window.kernel), pair(&window.stride), pair(&window.dilation)) {
        (Some(kernel), Some(stride), Some(dilation)) => {
            ForeignKind::Conv { kernel, stride, dilation, groups: sizes.groups as u32, transposed: true }
        }
        _ => ForeignKind::Unknown,
    };
    let approximation = Some("a transposed convolution; timed as a convolution at its input's size");
    call.foreign_output(0, Draft { kind, flops, approximation }, dims, 1, owned)
}
