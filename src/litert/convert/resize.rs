//! Maps of another height and width: resizing, blocks of pixels into channels and back, padding.

use super::super::model::Options;
use super::super::schema::BuiltinOperator;
use super::value::IMAGE_ORDER;
use super::{Converter, Family};
use crate::onnx::import::Node;

pub const RULES: Family = &[
    ("DepthToSpace", |converter, node| blocks(converter, node, BuiltinOperator::DEPTH_TO_SPACE)),
    ("Pad", pad),
    ("Resize", resize),
    ("SpaceToDepth", |converter, node| blocks(converter, node, BuiltinOperator::SPACE_TO_DEPTH)),
];

fn text(node: &Node, name: &str, default: &str) -> Result<String, String> {
    Ok(node.text(name)?.map_or_else(|| default.to_owned(), |text| String::from_utf8_lossy(text).into_owned()))
}

fn resize(converter: &mut Converter, node: &Node) -> Result<(), String> {
    let input = converter.input(node, 0)?;
    let id = Converter::first_output(node)?;
    let dims = converter.source.dims(id)?.to_vec();
    if dims.len() != 4 || dims[..2] != input.dims[..2] {
        return Err(format!("it makes {dims:?} of {:?}, but only height and width are resized", input.dims));
    }
    let mode = text(node, "mode", "nearest")?;
    let position = text(node, "coordinate_transformation_mode", "half_pixel")?;
    let rounding = text(node, "nearest_mode", "round_prefer_floor")?;
    let is_whole = (2..4).all(|axis| dims[axis].is_multiple_of(input.dims[axis]));
    let (code, flags) = match (mode.as_str(), position.as_str(), rounding.as_str()) {
        ("linear", "half_pixel" | "pytorch_half_pixel", _) => (BuiltinOperator::RESIZE_BILINEAR, [false, true]),
        ("linear", "align_corners", _) => (BuiltinOperator::RESIZE_BILINEAR, [true, false]),
        ("linear", "asymmetric", _) => (BuiltinOperator::RESIZE_BILINEAR, [false, false]),
        ("nearest", "asymmetric", "floor") => (BuiltinOperator::RESIZE_NEAREST_NEIGHBOR, [false, false]),
        // By whole factors these all copy each pixel into its block.
        ("nearest", "half_pixel" | "pytorch_half_pixel", _) if is_whole => {
            (BuiltinOperator::RESIZE_NEAREST_NEIGHBOR, [false, false])
        }
        _ => return Err(format!("it resizes in mode {mode}, {position}, {rounding}, which LiteRT has not")),
    };
    let tensor = converter.ordered(&input, &IMAGE_ORDER)?;
    let output = converter.output(id, IMAGE_ORDER.to_vec())?;
    let name = format!("{}_size", converter.name_of(output));
    let size = converter.model.integers(name, &[2], &[dims[2] as i32, dims[3] as i32]);
    let [align_corners, half_pixel_centers] = flags;
    let version = if half_pixel_centers { 3 } else { 1 };
    let options = Options::Resize { align_corners, half_pixel_centers };
    converter.model.operate_version(code, version, &[tensor, size], output, options);
    Ok(())
}

fn blocks(converter: &mut Converter, node: &Node, code: BuiltinOperator) -> Result<(), String> {
    let input = converter.input(node, 0)?;
    if text(node, "mode", "DCR")? != "DCR" {
        return Err("its mode is not DCR".to_owned());
    }
    let side = node.int("blocksize")?.and_then(|side| i32::try_from(side).ok()).ok_or("it has no blocksize")?;
    let tensor = converter.ordered(&input, &IMAGE_ORDER)?;
    let output = converter.output(Converter::first_output(node)?, IMAGE_ORDER.to_vec())?;
    converter.model.operate(code, &[tensor], output, Options::Block(side));
    Ok(())
}

/// Padding with a constant.
fn pad(converter: &mut Converter, node: &Node) -> Result<(), String> {
    let input = converter.input(node, 0)?;
    let mode = text(node, "mode", "constant")?;
    if mode != "constant" && !mode.is_empty() {
        return Err(format!("its mode is {mode}, but padding with a constant is written"));
    }
    if node.input(3).is_some() {
        return Err("it pads some dimensions only; simplify the model (onnxsim)".to_owned());
    }
    let pads = match node.input(1) {
        Some(id) => converter.source.integers(id).ok_or("its pads are not known")?,
        None => node.ints("pads")?.map(<[i64]>::to_vec).ok_or("it has no pads")?,
    };
    let rank = input.dims.len();
    if pads.len() != 2 * rank || pads.iter().any(|pad| *pad < 0) {
        return Err(format!("its pads are {pads:?}, but padding by nothing or more is written"));
    }
    let value = match node.input(2) {
        Some(_) => converter.scalar_of(node, 2).ok_or("its value is not known")?,
        None => node.float("value")?.unwrap_or(0.0) as f32,
    };
    let pairs: Vec<i32> = input.order.iter().flat_map(|axis| [pads[*axis] as i32, pads[axis + rank] as i32]).collect();
    let id = Converter::first_output(node)?;
    let output = converter.output(id, input.order)?;
    let name = converter.name_of(output);
    let pairs = converter.model.integers(format!("{name}_pads"), &[rank, 2], &pairs);
    if value == 0.0 {
        converter.model.operate(BuiltinOperator::PAD, &[input.tensor, pairs], output, Options::None);
    } else {
        let value = converter.model.floats(format!("{name}_value"), &[1], &[value]);
        converter.model.operate(BuiltinOperator::PADV2, &[input.tensor, pairs, value], output, Options::None);
    }
    converter.nonnegative(id, input.is_nonnegative && value >= 0.0);
    Ok(())
}
