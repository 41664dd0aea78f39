//! Windows that slide over height and width: their attributes, and the size of what comes out.

use super::network::Node;

/// Largest side, stride, dilation or padding of a window.
const MAX_SIDE: u64 = 4096;

/// Kernel, stride, dilation and padding for each of the dimensions that slide.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub kernel: Vec<u64>,
    pub stride: Vec<u64>,
    pub dilation: Vec<u64>,
    pub before: Vec<u64>,
    pub behind: Vec<u64>,
    /// Padding that follows from the size of the input.
    same: Option<Same>,
}

/// Which side has the odd row of padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Same {
    Upper,
    Lower,
}

impl Window {
    /// Reads the attributes of `node`; `kernel` is that of the weights, pools state theirs.
    pub fn read(node: &Node, rank: usize, kernel: Option<Vec<u64>>) -> Result<Self, String> {
        let stated = sides(node, "kernel_shape", rank, 1)?;
        let kernel = match (kernel, stated) {
            (Some(kernel), Some(stated)) if kernel != stated => {
                return Err(format!("its kernel_shape {stated:?} is not that of its weights, {kernel:?}"));
            }
            (Some(kernel), _) | (None, Some(kernel)) => kernel,
            (None, None) => return Err("it has no kernel_shape".to_owned()),
        };
        if kernel.iter().any(|side| *side == 0 || *side > MAX_SIDE) {
            return Err(format!("its kernel {kernel:?} is out of range (1 to {MAX_SIDE})"));
        }
        let stride = sides(node, "strides", rank, 1)?.unwrap_or_else(|| vec![1; rank]);
        let dilation = sides(node, "dilations", rank, 1)?.unwrap_or_else(|| vec![1; rank]);
        let pads = sides(node, "pads", 2 * rank, 0)?.unwrap_or_else(|| vec![0; 2 * rank]);
        let auto_pad = node.text("auto_pad")?.map_or(&b"NOTSET"[..], |text| &text[..]);
        let (same, pads) = match auto_pad {
            b"NOTSET" | b"" => (None, pads),
            b"VALID" => (None, vec![0; 2 * rank]),
            b"SAME_UPPER" => (Some(Same::Upper), pads),
            b"SAME_LOWER" => (Some(Same::Lower), pads),
            _ => return Err("its auto_pad is none of NOTSET, VALID, SAME_UPPER and SAME_LOWER".to_owned()),
        };
        let (before, behind) = (pads[..rank].to_vec(), pads[rank..].to_vec());
        Ok(Self { kernel, stride, dilation, before, behind, same })
    }

    /// Sizes of the output for an input of `sizes`; sets the padding where it follows from them.
    pub fn slide(&mut self, sizes: &[u64], ceil: bool) -> Result<Vec<u64>, String> {
        let mut output = Vec::with_capacity(sizes.len());
        for (axis, size) in sizes.iter().enumerate() {
            let (stride, reach) = (self.stride[axis], (self.kernel[axis] - 1) * self.dilation[axis] + 1);
            if let Some(same) = self.same {
                let steps = size.div_ceil(stride);
                let total = (steps.saturating_sub(1) * stride + reach).saturating_sub(*size);
                let small = total / 2;
                (self.before[axis], self.behind[axis]) =
                    if same == Same::Upper { (small, total - small) } else { (total - small, small) };
                output.push(steps);
                continue;
            }
            let padded = size + self.before[axis] + self.behind[axis];
            let room = padded.checked_sub(reach).ok_or_else(|| {
                format!(
                    "its kernel reaches over {reach} pixels, but there are {padded} with padding; use a larger --resolution"
                )
            })?;
            let mut steps = if ceil { room.div_ceil(stride) } else { room / stride } + 1;
            // A window must not begin in the padding behind.
            if ceil && (steps - 1) * stride >= size + self.before[axis] {
                steps -= 1;
            }
            output.push(steps);
        }
        Ok(output)
    }

    /// Sizes of the output of a transposed convolution.
    pub fn slide_back(&self, node: &Node, sizes: &[u64]) -> Result<Vec<u64>, String> {
        let rank = sizes.len();
        if let Some(shape) = node.ints("output_shape")? {
            let tail = shape.len().checked_sub(rank).and_then(|start| shape.get(start..)).unwrap_or(&[]);
            let shape: Option<Vec<u64>> = tail.iter().map(|dim| u64::try_from(*dim).ok()).collect();
            return shape.filter(|shape| shape.len() == rank).ok_or_else(|| "its output_shape fits no map".to_owned());
        }
        let extra = sides(node, "output_padding", rank, 0)?.unwrap_or_else(|| vec![0; rank]);
        (0..rank)
            .map(|axis| {
                let (size, stride) = (sizes[axis], self.stride[axis]);
                if self.same.is_some() {
                    return Ok(size * stride);
                }
                let reach = (self.kernel[axis] - 1) * self.dilation[axis] + 1;
                (stride * (size - 1) + extra[axis] + reach)
                    .checked_sub(self.before[axis] + self.behind[axis])
                    .ok_or_else(|| "its pads are larger than its output".to_owned())
            })
            .collect()
    }

    /// Height and width of `sizes`, which has one or two dimensions.
    pub fn pair(sizes: &[u64]) -> Option<[u32; 2]> {
        let side = |axis: usize| sizes.get(axis).map_or(Some(1), |size| u32::try_from(*size).ok());
        if sizes.len() > 2 { None } else { Some([side(0)?, side(1)?]) }
    }
}

/// The attribute `name` with `count` numbers from `least` to [`MAX_SIDE`].
fn sides(node: &Node, name: &str, count: usize, least: u64) -> Result<Option<Vec<u64>>, String> {
    let Some(values) = node.ints(name)? else { return Ok(None) };
    if values.len() != count {
        return Err(format!("its {name} has {} numbers, but {count} are needed", values.len()));
    }
    let sides: Option<Vec<u64>> = values.iter().map(|value| u64::try_from(*value).ok()).collect();
    match sides {
        Some(sides) if sides.iter().all(|side| (least..=MAX_SIDE).contains(side)) => Ok(Some(sides)),
        _ => Err(format!("its {name} {values:?} are out of range ({least} to {MAX_SIDE})")),
    }
}
