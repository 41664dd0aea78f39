//! Convolutions, with the batch norm and the activation behind them.
//!
//! Padding that LiteRT's SAME does not give is a PAD of its own and a VALID convolution, which XNNPACK joins again.

use super::super::model::{Options, TensorId};
use super::super::schema::{BuiltinOperator, Padding};
use super::value::{IMAGE_ORDER, Value, stored};
use super::{Converter, Family, norm};
use crate::onnx::import::{Node, Window};

pub const RULES: Family = &[("Conv", conv)];

/// A window over height and width.
pub struct Sliding {
    pub window: [i32; 2],
    pub stride: [i32; 2],
    pub dilation: [i32; 2],
    /// Rows above, columns to the left.
    pub before: [u64; 2],
    /// Rows below, columns to the right.
    pub behind: [u64; 2],
    /// Whether LiteRT's SAME begins at the same place and gives as many results.
    pub is_same: bool,
}

impl Sliding {
    /// Of `node` on `value`, whose results are of `output` height and width.
    pub fn read(node: &Node, value: &Value, kernel: Option<Vec<u64>>, output: &[u64]) -> Result<Self, String> {
        let &[_, _, height, width] = &value.dims[..] else {
            return Err(format!("its input has sizes {:?}, but maps of height and width are written", value.dims));
        };
        let mut window = Window::read(node, 2, kernel)?;
        // Sets the padding where it follows from sizes.
        window.slide(&[height, width], false)?;
        let mut is_same = true;
        for axis in 0..2 {
            let (size, stride) = ([height, width][axis], window.stride[axis]);
            let reach = (window.kernel[axis] - 1) * window.dilation[axis] + 1;
            let steps = size.div_ceil(stride);
            let total = ((steps - 1) * stride + reach).saturating_sub(size);
            is_same &= output.get(axis) == Some(&steps) && window.before[axis] == total / 2;
        }
        let pair = |sides: &[u64]| [sides[0] as i32, sides[1] as i32];
        Ok(Self {
            window: pair(&window.kernel),
            stride: pair(&window.stride),
            dilation: pair(&window.dilation),
            before: [window.before[0], window.before[1]],
            behind: [window.behind[0], window.behind[1]],
            is_same,
        })
    }

    pub fn is_padded(&self) -> bool {
        self.before.iter().chain(&self.behind).any(|pad| *pad > 0)
    }
}

/// The map padded around height and width, channels last.
pub fn padded(
    converter: &mut Converter,
    value: &Value,
    name: &str,
    [before, behind]: [[u64; 2]; 2],
    least: bool,
) -> Result<TensorId, String> {
    let tensor = converter.ordered(value, &IMAGE_ORDER)?;
    let mut dims = value.dims.clone();
    for axis in 0..2 {
        dims[2 + axis] += before[axis] + behind[axis];
    }
    let output = converter.temporary(format!("{name}_padded"), &dims, &IMAGE_ORDER)?;
    let [top, left] = before.map(|pad| pad as i32);
    let [bottom, right] = behind.map(|pad| pad as i32);
    let pads = converter.model.integers(format!("{name}_pads"), &[4, 2], &[0, 0, top, bottom, left, right, 0, 0]);
    if least {
        let value = converter.model.floats(format!("{name}_least"), &[1], &[f32::MIN]);
        converter.model.operate(BuiltinOperator::PADV2, &[tensor, pads, value], output, Options::None);
    } else {
        converter.model.operate(BuiltinOperator::PAD, &[tensor, pads], output, Options::None);
    }
    Ok(output)
}

fn conv(converter: &mut Converter, node: &Node) -> Result<(), String> {
    let input = converter.input(node, 0)?;
    let (mut weights, dims) = converter.weights_of(node, 1)?.ok_or("it has no weights")?;
    let &[filters, depth, height, width] = &dims[..] else {
        return Err(format!(
            "its weights have sizes {dims:?}, but only convolutions over height and width are written"
        ));
    };
    let mut bias = match converter.weights_of(node, 2)? {
        Some((bias, _)) => bias,
        None => vec![0.0; filters as usize],
    };
    let mut id = Converter::first_output(node)?;
    let output = converter.source.dims(id)?.get(2..).unwrap_or(&[]).to_vec();
    if bias.len() as u64 != filters {
        return Err(format!("it has {} biases for {filters} filters", bias.len()));
    }
    if let Some(norm) = norm::behind(converter, id)? {
        norm::fold(&norm, &mut weights, &mut bias)?;
        converter.absorbed[norm.place] = true;
        id = Converter::first_output(&converter.source.nodes()[norm.place])?;
    }
    let sliding = Sliding::read(node, &input, Some(vec![height, width]), &output)?;
    let name = converter.source.name(id).to_owned();
    let (padding, tensor) = if sliding.is_same {
        (Padding::SAME, converter.ordered(&input, &IMAGE_ORDER)?)
    } else if sliding.is_padded() {
        (Padding::VALID, padded(converter, &input, &name, [sliding.before, sliding.behind], false)?)
    } else {
        (Padding::VALID, converter.ordered(&input, &IMAGE_ORDER)?)
    };
    let (groups, channels) = (node.int("group")?.unwrap_or(1) as u64, input.dims[1]);
    let is_depthwise = groups == channels && depth == 1 && channels > 1;
    // Filters first, or each channel's filters last.
    let order = if is_depthwise { [1, 2, 3, 0] } else { [0, 2, 3, 1] };
    let shape = order.map(|axis| dims[axis] as usize);
    let weights = stored(&weights, &dims, &order);
    let weights = converter.weights(format!("{name}_weight"), &shape, &weights);
    let bias = converter.weights(format!("{name}_bias"), &[bias.len()], &bias);
    let multiplier = is_depthwise.then_some((filters / groups) as i32);
    let is_dilated = sliding.dilation != [1, 1];
    let (code, version) = match (is_depthwise, groups > 1) {
        (true, _) => (BuiltinOperator::DEPTHWISE_CONV_2D, if is_dilated { 2 } else { 1 }),
        (false, true) => (BuiltinOperator::CONV_2D, 6),
        (false, false) => (BuiltinOperator::CONV_2D, 1),
    };
    let Sliding { stride, dilation, .. } = sliding;
    converter.operator(code, version, &[tensor, weights, bias], id, IMAGE_ORDER.to_vec(), |activation| {
        Options::Convolution { padding, stride, dilation, activation, multiplier }
    })
}
