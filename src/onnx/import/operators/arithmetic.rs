//! Functions of the values one by one: of one map, of two, of a map and weights; and the same on
//! the few numbers of shapes.

use super::super::call::{Call, Draft};
use super::super::constant::Values;
use super::super::error::listed;
use super::super::tensor::Tensor;
use super::Family;
use crate::net::{Activation, ForeignKind, OperatorId, OperatorKind};

pub(super) const READERS: Family = &[
    ("Abs", unary),
    ("Add", add),
    ("And", several),
    ("Ceil", unary),
    ("Celu", unary),
    ("Cos", unary),
    ("Div", several),
    ("Equal", several),
    ("Erf", unary),
    ("Exp", unary),
    ("Floor", unary),
    ("Greater", several),
    ("GreaterOrEqual", several),
    ("Less", several),
    ("LessOrEqual", several),
    ("Log", unary),
    ("Max", several),
    ("Mean", several),
    ("Min", several),
    ("Mish", unary),
    ("Mod", several),
    ("Mul", mul),
    ("Neg", unary),
    ("Not", unary),
    ("Or", several),
    ("Pow", several),
    ("Reciprocal", unary),
    ("Round", unary),
    ("Selu", unary),
    ("Shrink", unary),
    ("Sign", unary),
    ("Sin", unary),
    ("Softplus", unary),
    ("Softsign", unary),
    ("Sqrt", unary),
    ("Sub", several),
    ("Sum", add),
    ("ThresholdedRelu", unary),
    ("Where", several),
];

fn unary(call: &mut Call) -> Result<(), String> {
    let input = call.input(0)?;
    let (dims, axis) = (input.dims.clone(), input.channel_axis);
    if input.map.is_some() {
        return call.foreign(ForeignKind::Elementwise, dims, axis);
    }
    let function: Option<fn(f64) -> f64> = match call.node.operation.as_str() {
        "Abs" => Some(f64::abs),
        "Ceil" => Some(f64::ceil),
        "Floor" => Some(f64::floor),
        "Neg" => Some(|value| -value),
        "Round" => Some(f64::round_ties_even),
        "Sqrt" => Some(f64::sqrt),
        _ => None,
    };
    let values = input.values.as_deref().zip(function).map(|(values, function)| values.map(function));
    call.set_known(0, dims, values)
}

/// Sizes of the outputs of all inputs broadcast to each other, and their channel dimension.
fn broadcast(call: &Call) -> Result<(Vec<u64>, usize), String> {
    let places = 0..call.node.inputs.len();
    let tensors: Vec<&Tensor> = places.map(|place| call.input(place)).collect::<Result<_, _>>()?;
    let rank = tensors.iter().map(|tensor| tensor.rank()).max().ok_or("it has no input")?;
    let mut dims = vec![1; rank];
    for tensor in &tensors {
        for (dim, own) in dims.iter_mut().rev().zip(tensor.dims.iter().rev()) {
            if *own != 1 && *dim != 1 && own != dim {
                let all: Vec<_> = tensors.iter().map(|tensor| &tensor.dims).collect();
                return Err(format!("its inputs have sizes {}, which do not fit each other", listed(&all)));
            }
            *dim = if *dim == 1 { *own } else { *dim };
        }
    }
    let largest =
        tensors.iter().filter(|tensor| tensor.map.is_some()).max_by_key(|tensor| (tensor.elements(), tensor.rank()));
    let axis = largest.map_or(1, |tensor| tensor.channel_axis + rank - tensor.rank());
    Ok((dims, axis))
}

fn several(call: &mut Call) -> Result<(), String> {
    let (dims, axis) = broadcast(call)?;
    if call.maps().next().is_none() {
        let values = fold(call);
        return call.set_known(0, dims, values);
    }
    call.foreign(ForeignKind::Elementwise, dims, axis)
}

/// Shape and operator of the two inputs if both are maps.
fn two_maps(call: &Call) -> Option<[(Vec<u64>, OperatorId); 2]> {
    let map = |place| call.optional(place).and_then(|tensor| Some((tensor.dims.clone(), tensor.map?)));
    if call.node.inputs.len() == 2 { Some([map(0)?, map(1)?]) } else { None }
}

fn add(call: &mut Call) -> Result<(), String> {
    let Some([(first, _), (second, _)]) = two_maps(call) else { return several(call) };
    let (dims, axis) = broadcast(call)?;
    if first != second || call.input(0)?.shape()? != call.input(1)?.shape()? {
        return call.foreign(ForeignKind::Elementwise, dims, axis);
    }
    // A sum joins the convolution that computes its first map, if nothing else reads that.
    let places = if !is_convolved(call, 0) && is_convolved(call, 1) { [1, 0] } else { [0, 1] };
    call.operator(OperatorKind::Add, places, dims, axis)
}

/// Whether the input at `place` comes from a convolution and goes nowhere else.
fn is_convolved(call: &Call, place: usize) -> bool {
    let graph = &call.reader.graph;
    let Some(id) = call.optional(place).and_then(|tensor| tensor.map) else { return false };
    let is_conv = |id: OperatorId| match graph.get(id).kind {
        OperatorKind::Conv { .. } => true,
        OperatorKind::Foreign(id) => matches!(graph.foreign(id).kind, ForeignKind::Conv { .. }),
        _ => false,
    };
    let operator = graph.get(id);
    let is_normed = operator.kind == OperatorKind::BatchNorm && graph.inputs(operator).iter().all(|id| is_conv(*id));
    call.is_read_once(place) && (is_normed || is_conv(id))
}

fn mul(call: &mut Call) -> Result<(), String> {
    let Some(maps) = two_maps(call) else { return several(call) };
    let (dims, axis) = broadcast(call)?;
    if maps[0].1 == maps[1].1 {
        return call.foreign(ForeignKind::Elementwise, dims, axis);
    }
    for (map, gate) in [(0, 1), (1, 0)] {
        if is_gate(call, map, gate)? {
            return call.operator(OperatorKind::Gate, [map, gate], dims, axis);
        }
    }
    let approximation =
        (maps[0].0 != maps[1].0).then_some("a product of maps of two sizes; timed as if both were of the larger");
    call.foreign(Draft { kind: ForeignKind::Multiply, flops: 0, approximation }, dims, axis)
}

/// Whether `gate` holds one value for each channel of `map`.
fn is_gate(call: &Call, map: usize, gate: usize) -> Result<bool, String> {
    let (map, gate) = (call.input(map)?, call.input(gate)?);
    let (map_shape, gate_shape) = (map.shape()?, gate.shape()?);
    let fits = map.rank() == gate.rank() && map_shape.channels == gate_shape.channels && gate_shape.pixels() == 1;
    if map_shape != gate_shape {
        return Ok(fits);
    }
    // Both are one pixel: the gate is what comes out of a sigmoid.
    let producer = gate.map.map(|id| call.reader.graph.get(id).kind);
    let is_sigmoid = matches!(producer, Some(OperatorKind::Activation(Activation::Sigmoid | Activation::HardSigmoid)));
    Ok(fits && is_sigmoid)
}

/// Numbers of an operation on known numbers; none where it is not needed for shapes.
fn fold(call: &Call) -> Option<Values> {
    let inputs: Vec<&Values> =
        (0..call.node.inputs.len()).map(|place| call.optional(place)?.values.as_deref()).collect::<Option<_>>()?;
    let length = inputs.iter().map(|values| values.len()).max()?;
    if inputs.iter().any(|values| values.len() != length && values.len() != 1) {
        return None;
    }
    let operation = call.node.operation.as_str();
    let whole: Option<Vec<&[i64]>> = inputs.iter().map(|values| values.integers()).collect();
    if let Some(whole) = whole {
        let at = |input: &&[i64], place: usize| if input.len() == 1 { input[0] } else { input[place] };
        let numbers = (0..length).map(|place| {
            let numbers: Vec<i64> = whole.iter().map(|input| at(input, place)).collect();
            fold_integers(operation, &numbers)
        });
        return numbers.collect::<Option<_>>().map(Values::Integers);
    }
    let real: Vec<Vec<f64>> = inputs.iter().map(|values| values.floats()).collect();
    let at = |input: &Vec<f64>, place: usize| if input.len() == 1 { input[0] } else { input[place] };
    let numbers = (0..length).map(|place| {
        let numbers: Vec<f64> = real.iter().map(|input| at(input, place)).collect();
        fold_floats(operation, &numbers)
    });
    numbers.collect::<Option<_>>().map(Values::Floats)
}

fn fold_integers(operation: &str, numbers: &[i64]) -> Option<i64> {
    let truth = |is_true: bool| Some(i64::from(is_true));
    match (operation, numbers) {
        ("Add" | "Sum", &[a, b]) => a.checked_add(b),
        ("Sub", &[a, b]) => a.checked_sub(b),
        ("Mul", &[a, b]) => a.checked_mul(b),
        ("Div", &[a, b]) => a.checked_div(b),
        ("Mod", &[a, b]) => a.checked_rem_euclid(b),
        ("Max", &[a, b]) => Some(a.max(b)),
        ("Min", &[a, b]) => Some(a.min(b)),
        ("Equal", &[a, b]) => truth(a == b),
        ("Greater", &[a, b]) => truth(a > b),
        ("Less", &[a, b]) => truth(a < b),
        ("GreaterOrEqual", &[a, b]) => truth(a >= b),
        ("LessOrEqual", &[a, b]) => truth(a <= b),
        ("And", &[a, b]) => truth(a != 0 && b != 0),
        ("Or", &[a, b]) => truth(a != 0 || b != 0),
        ("Where", &[condition, a, b]) => Some(if condition != 0 { a } else { b }),
        _ => None,
    }
}

fn fold_floats(operation: &str, numbers: &[f64]) -> Option<f64> {
    match (operation, numbers) {
        ("Add" | "Sum", &[a, b]) => Some(a + b),
        ("Sub", &[a, b]) => Some(a - b),
        ("Mul", &[a, b]) => Some(a * b),
        ("Div", &[a, b]) => Some(a / b),
        ("Max", &[a, b]) => Some(a.max(b)),
        ("Min", &[a, b]) => Some(a.min(b)),
        ("Pow", &[a, b]) => Some(a.powf(b)),
        ("Where", &[condition, a, b]) => Some(if condition != 0.0 { a } else { b }),
        _ => None,
    }
}
