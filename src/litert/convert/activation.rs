//! Functions of each number on its own.

use super::super::model::Options;
use super::super::schema::{ActivationFunctionType, BuiltinOperator};
use super::{Converter, Family};
use crate::onnx::import::Node;

pub const RULES: Family = &[
    ("Abs", |converter, node| unary(converter, node, BuiltinOperator::ABS)),
    ("Ceil", |converter, node| unary(converter, node, BuiltinOperator::CEIL)),
    ("Clip", clip),
    ("Cos", |converter, node| unary(converter, node, BuiltinOperator::COS)),
    ("Elu", elu),
    ("Exp", |converter, node| unary(converter, node, BuiltinOperator::EXP)),
    ("Floor", |converter, node| unary(converter, node, BuiltinOperator::FLOOR)),
    ("Gelu", gelu),
    ("HardSigmoid", hard_sigmoid),
    ("HardSwish", |converter, node| unary(converter, node, BuiltinOperator::HARD_SWISH)),
    ("LeakyRelu", leaky_relu),
    ("Log", |converter, node| unary(converter, node, BuiltinOperator::LOG)),
    ("Neg", |converter, node| unary(converter, node, BuiltinOperator::NEG)),
    ("PRelu", prelu),
    ("Relu", |converter, node| unary(converter, node, BuiltinOperator::RELU)),
    ("Round", |converter, node| unary(converter, node, BuiltinOperator::ROUND)),
    ("Sigmoid", |converter, node| unary(converter, node, BuiltinOperator::LOGISTIC)),
    ("Sin", |converter, node| unary(converter, node, BuiltinOperator::SIN)),
    ("Sqrt", |converter, node| unary(converter, node, BuiltinOperator::SQRT)),
    ("Tanh", |converter, node| unary(converter, node, BuiltinOperator::TANH)),
];

/// Whose results have nothing below zero.
const NONNEGATIVE: [BuiltinOperator; 5] = [
    BuiltinOperator::ABS,
    BuiltinOperator::EXP,
    BuiltinOperator::LOGISTIC,
    BuiltinOperator::RELU,
    BuiltinOperator::RELU6,
];

fn unary(converter: &mut Converter, node: &Node, code: BuiltinOperator) -> Result<(), String> {
    unary_with(converter, node, code, Options::None)
}

fn unary_with(converter: &mut Converter, node: &Node, code: BuiltinOperator, options: Options) -> Result<(), String> {
    let input = converter.input(node, 0)?;
    let id = Converter::first_output(node)?;
    let output = converter.output(id, input.order)?;
    converter.model.operate(code, &[input.tensor], output, options);
    converter.nonnegative(id, NONNEGATIVE.contains(&code));
    Ok(())
}

/// Bounds of a Clip.
fn bounds(converter: &Converter, node: &Node) -> Result<(Option<f32>, Option<f32>), String> {
    let bound = |place: usize, attribute: &str| match node.input(place) {
        Some(_) => converter.scalar_of(node, place).map(Some).ok_or_else(|| "its bounds must be constants".to_owned()),
        None => Ok(node.float(attribute)?.map(|value| value as f32)),
    };
    let open = |value: &f32| value.abs() < f32::MAX;
    Ok((bound(1, "min")?.filter(open), bound(2, "max")?.filter(open)))
}

/// The activation that an operator before `node` can take with it.
pub fn fusible(converter: &Converter, node: &Node) -> Result<Option<ActivationFunctionType>, String> {
    if node.operation == "Relu" {
        return Ok(Some(ActivationFunctionType::RELU));
    }
    Ok(match bounds(converter, node)? {
        (Some(0.0), None) => Some(ActivationFunctionType::RELU),
        (Some(0.0), Some(6.0)) => Some(ActivationFunctionType::RELU6),
        _ => None,
    })
}

fn clip(converter: &mut Converter, node: &Node) -> Result<(), String> {
    match bounds(converter, node)? {
        (Some(0.0), None) => unary(converter, node, BuiltinOperator::RELU),
        (Some(0.0), Some(6.0)) => unary(converter, node, BuiltinOperator::RELU6),
        (None, None) => super::layout::alias(converter, node),
        (least, most) => {
            let input = converter.input(node, 0)?;
            let id = Converter::first_output(node)?;
            let output = converter.output(id, input.order.clone())?;
            let name = converter.name_of(output);
            let mut tensor = input.tensor;
            let bounds = [(BuiltinOperator::MAXIMUM, least), (BuiltinOperator::MINIMUM, most)];
            let bounds: Vec<_> = bounds.into_iter().filter_map(|(code, bound)| Some((code, bound?))).collect();
            for (place, (code, bound)) in bounds.iter().enumerate() {
                let target = match place + 1 == bounds.len() {
                    true => output,
                    false => converter.temporary(format!("{name}_low"), &input.dims, &input.order)?,
                };
                let bound = converter.model.floats(format!("{name}_bound{place}"), &[1], &[*bound]);
                converter.model.operate(*code, &[tensor, bound], target, Options::None);
                tensor = target;
            }
            converter.nonnegative(id, least.is_some_and(|least| least >= 0.0));
            Ok(())
        }
    }
}

fn elu(converter: &mut Converter, node: &Node) -> Result<(), String> {
    match node.float("alpha")? {
        None | Some(1.0) => unary(converter, node, BuiltinOperator::ELU),
        Some(alpha) => Err(format!("its alpha is {alpha}, but LiteRT's ELU has 1")),
    }
}

fn gelu(converter: &mut Converter, node: &Node) -> Result<(), String> {
    if node.text("approximate")?.is_some_and(|kind| &kind[..] == b"tanh") {
        return Err("it approximates with tanh; export the exact GELU".to_owned());
    }
    unary(converter, node, BuiltinOperator::GELU)
}

/// `clip(a x + b, 0, 1)` as `relu6(6 a x + 6 b) / 6`.
fn hard_sigmoid(converter: &mut Converter, node: &Node) -> Result<(), String> {
    let input = converter.input(node, 0)?;
    let (slope, shift) = (6.0 * node.float("alpha")?.unwrap_or(0.2), 6.0 * node.float("beta")?.unwrap_or(0.5));
    let id = Converter::first_output(node)?;
    let output = converter.output(id, input.order.clone())?;
    let name = converter.name_of(output);
    let part = |word: &str| format!("{name}_{word}");
    let mut tensor = input.tensor;
    // PyTorch's slope is a sixth.
    if (slope as f32 - 1.0).abs() > f32::EPSILON {
        let factor = converter.model.floats(part("slope"), &[1], &[slope as f32]);
        let scaled = converter.temporary(part("scaled"), &input.dims, &input.order)?;
        let none = Options::Arithmetic(ActivationFunctionType::NONE);
        converter.model.operate(BuiltinOperator::MUL, &[tensor, factor], scaled, none);
        tensor = scaled;
    }
    let shift = converter.model.floats(part("shift"), &[1], &[shift as f32]);
    let clipped = converter.temporary(part("clipped"), &input.dims, &input.order)?;
    let relu6 = Options::Arithmetic(ActivationFunctionType::RELU6);
    converter.model.operate(BuiltinOperator::ADD, &[tensor, shift], clipped, relu6);
    let sixth = converter.model.floats(part("sixth"), &[1], &[1.0 / 6.0]);
    let none = Options::Arithmetic(ActivationFunctionType::NONE);
    converter.model.operate(BuiltinOperator::MUL, &[clipped, sixth], output, none);
    converter.nonnegative(id, true);
    Ok(())
}

fn leaky_relu(converter: &mut Converter, node: &Node) -> Result<(), String> {
    let slope = node.float("alpha")?.unwrap_or(0.01) as f32;
    unary_with(converter, node, BuiltinOperator::LEAKY_RELU, Options::LeakyRelu { slope })
}

/// One slope for each channel, which stands last.
fn prelu(converter: &mut Converter, node: &Node) -> Result<(), String> {
    let input = converter.input(node, 0)?;
    let (slopes, _) = converter.weights_of(node, 1)?.ok_or("it has no slopes")?;
    let rank = input.dims.len();
    let channels = input.dims.get(1).copied().unwrap_or(1) as usize;
    let slopes = match slopes.len() {
        1 => vec![slopes[0]; channels],
        count if count == channels => slopes,
        count => return Err(format!("it has {count} slopes for {channels} channels")),
    };
    let mut order: Vec<usize> = (0..rank).filter(|axis| *axis != 1).collect();
    order.push(1);
    let tensor = converter.ordered(&input, &order)?;
    let output = converter.output(Converter::first_output(node)?, order)?;
    let mut shape = vec![1; rank - 1];
    shape[rank - 2] = channels;
    let name = format!("{}_slopes", converter.name_of(output));
    let slopes = converter.model.floats(name, &shape, &slopes);
    converter.model.operate(BuiltinOperator::PRELU, &[tensor, slopes], output, Options::None);
    Ok(())
}
