//! Which input is the image, and its size where the file leaves it open.

use super::ImportOptions;
use super::error::{Problem, shown};
use super::messages::{Dimension, ValueInfo};
use super::network::ValueId;
use super::reader::Reader;
use crate::net::MAX_RESOLUTION;

/// Channels of images; a dimension of one of these sizes that stands last means channels last.
const IMAGE_CHANNELS: [u64; 3] = [1, 3, 4];

/// Types that no pixel has: strings, truth values, complex numbers.
const NO_PIXELS: [i32; 4] = [8, 9, 14, 15];

/// The input that is the image.
#[derive(Debug)]
pub(super) struct Image {
    pub name: String,
    /// Its dimensions in the file's order, with one image.
    pub dims: Vec<u64>,
    /// Whether the file leaves any of them open.
    pub is_open: bool,
}

/// Finds the image among the inputs and adds it.
///
/// # Errors
/// When no input, or more than one, has the dimensions of an image, or its size is open.
pub(super) fn add(reader: &mut Reader, options: &ImportOptions) -> Result<Image, Problem> {
    let mut used = vec![false; reader.network.values()];
    for id in reader.network.nodes.iter().flat_map(|node| node.inputs.iter().flatten()) {
        used[*id] = true;
    }
    let inputs: Vec<&(ValueId, ValueInfo)> = reader.network.inputs.iter().filter(|(id, _)| used[*id]).collect();
    let (id, info) = match inputs[..] {
        [input] => input,
        [] => return Err(Problem::Model("no output depends on an input; is it a network?".to_owned())),
        _ => {
            let names: Vec<String> = inputs.iter().map(|(_, info)| shown(&info.name)).take(8).collect();
            let reason = format!("it has several inputs ({}), but networks of one image are read", names.join(", "));
            return Err(Problem::Model(reason));
        }
    };
    let problem = |reason: String| Problem::Tensor { tensor: info.name.clone(), reason };
    let tensor_type = info.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
    if let Some(kind) = tensor_type.map(|tensor| tensor.elem_type).filter(|kind| NO_PIXELS.contains(kind)) {
        let kind = super::constant::type_name(kind);
        return Err(problem(format!("the input is of type {kind}, but an image is of numbers; is it the right file?")));
    }
    let shape = tensor_type.and_then(|tensor| tensor.shape.as_ref());
    let dims = shape
        .map(|shape| shape.dim.as_slice())
        .ok_or_else(|| problem("the input has no shape; export the model with one".to_owned()))?;
    let [batch, image @ ..] = dims else {
        return Err(problem("the input has no dimensions, but an image has four".to_owned()));
    };
    if image.len() != 3 {
        let reason =
            format!("the input has {} dimensions, but an image has four (batch, channels, height, width)", dims.len());
        return Err(problem(reason));
    }
    reader.file_batch = fixed(batch).map_err(problem)?;
    let sizes: Vec<Option<u64>> = image.iter().map(fixed).collect::<Result<_, _>>().map_err(problem)?;
    let (dims, channel_axis) = resolved(&sizes, options).map_err(problem)?;
    let is_open = reader.file_batch.is_none() || sizes.contains(&None);
    reader.image(*id, dims.clone(), channel_axis)?;
    Ok(Image { name: info.name.clone(), dims, is_open })
}

/// A size, if it is a number.
fn fixed(dim: &Dimension) -> Result<Option<u64>, String> {
    match dim.dim_value {
        None => Ok(None),
        // Some exporters write these for an open size.
        Some(-1 | 0) => Ok(None),
        Some(size) => u64::try_from(size).map(Some).map_err(|_| format!("the input has a negative dimension, {size}")),
    }
}

/// Sizes of one image, and where its channels are.
fn resolved(sizes: &[Option<u64>], options: &ImportOptions) -> Result<(Vec<u64>, usize), String> {
    let is_channels = |size: Option<u64>| size.is_some_and(|size| IMAGE_CHANNELS.contains(&size));
    let is_last = is_channels(sizes[2]) && !is_channels(sizes[0]);
    let (channels, [height, width]) =
        if is_last { (sizes[2], [sizes[0], sizes[1]]) } else { (sizes[0], [sizes[1], sizes[2]]) };
    let channels = channels.unwrap_or_else(|| options.channels.unwrap_or(3).into());
    let mut sides = [0; 2];
    for (side, (stated, place)) in sides.iter_mut().zip([(height, 0), (width, 1)]) {
        let wanted = options.resolution.map(|resolution| u64::from(resolution[place]));
        *side = match (stated, wanted) {
            (Some(stated), Some(wanted)) if stated != wanted => {
                return Err(format!(
                    "the file fixes an image side of {stated}, but --resolution asks for {wanted}; leave that out, or \
                     export the model at that size"
                ));
            }
            (Some(side), _) | (None, Some(side)) => side,
            (None, None) => return Err("height and width are open; say which with --resolution".to_owned()),
        };
        if !(1..=u64::from(MAX_RESOLUTION)).contains(side) {
            return Err(format!("an image side is {side}, but must be from 1 to {MAX_RESOLUTION}"));
        }
    }
    let [height, width] = sides;
    Ok(if is_last { (vec![1, height, width, channels], 3) } else { (vec![1, channels, height, width], 1) })
}
