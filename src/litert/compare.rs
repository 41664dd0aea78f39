//! Running what was written beside the ONNX form that it was made of, in tract.
//!
//! Where tract's reader lacks or mistakes an operator that another can stand for, that other one is run: floats in the
//! place of float16 weights and of an image of bytes, sums and products in the place of means. Not here: whether the
//! bytes are those that were to be written (`check`).

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustc_hash::FxHashMap;
use tract_onnx::prelude::*;

use super::convert::stored;
use super::model::{Model, Options, Tensor, TensorId};
use super::schema::{self, BuiltinOperator, TensorType};
use super::write::encode;
use crate::onnx::import::Source;
use crate::onnx::normal;

/// How a file was checked.
#[derive(Clone, Debug, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct Checked {
    /// Runtime that ran the network; without one the file was read back only.
    pub runtime: Option<&'static str>,
    /// Largest difference of an output to the ONNX form, as a share of the largest output.
    pub largest_difference: Option<f64>,
    /// Operators that tract lacks.
    pub not_run: Vec<String>,
}

/// Operators that tract's reader has, in every use that is written.
const IN_TRACT: [BuiltinOperator; 30] = [
    BuiltinOperator::ABS,
    BuiltinOperator::ADD,
    BuiltinOperator::AVERAGE_POOL_2D,
    BuiltinOperator::BATCH_MATMUL,
    BuiltinOperator::CEIL,
    BuiltinOperator::CONCATENATION,
    BuiltinOperator::CONV_2D,
    BuiltinOperator::DEPTHWISE_CONV_2D,
    BuiltinOperator::DIV,
    BuiltinOperator::EXP,
    BuiltinOperator::FLOOR,
    BuiltinOperator::FULLY_CONNECTED,
    BuiltinOperator::HARD_SWISH,
    BuiltinOperator::LEAKY_RELU,
    BuiltinOperator::LOGISTIC,
    BuiltinOperator::MAXIMUM,
    BuiltinOperator::MAX_POOL_2D,
    BuiltinOperator::MINIMUM,
    BuiltinOperator::MUL,
    BuiltinOperator::PAD,
    BuiltinOperator::RELU,
    BuiltinOperator::RELU6,
    BuiltinOperator::RESHAPE,
    BuiltinOperator::RSQRT,
    BuiltinOperator::SOFTMAX,
    BuiltinOperator::SQRT,
    BuiltinOperator::SUB,
    BuiltinOperator::SUM,
    BuiltinOperator::TANH,
    BuiltinOperator::TRANSPOSE,
];

/// The ONNX form that a model was made of.
#[derive(Clone, Copy, Debug)]
pub struct Reference<'r> {
    onnx: &'r [u8],
    takes_bytes: bool,
    is_channels_last: bool,
}

impl<'r> Reference<'r> {
    pub fn new(onnx: &'r [u8], source: &Source) -> Self {
        Self { onnx, takes_bytes: source.takes_bytes(), is_channels_last: source.channel_axis() != 1 }
    }
}

/// Runs the network of `model` and the ONNX form it was made of on one random image each, if tract has all operators.
///
/// # Errors
/// When one does not run, or their results differ by more than `tolerance`, as a share of the largest.
pub fn compare(reference: Reference, model: &Model, tolerance: f64) -> Result<Checked, String> {
    let plain = with_sums(without_conversions(model));
    let not_run = not_in_tract(&plain);
    if !not_run.is_empty() {
        return Ok(Checked { runtime: None, largest_difference: None, not_run });
    }
    let difference = catch_unwind(AssertUnwindSafe(|| difference(reference, &plain)))
        .unwrap_or_else(|_| Err("tract panicked".to_owned()))?;
    if difference.is_nan() || difference > tolerance {
        return Err(format!(
            "in tract its results differ from those of the ONNX form by {difference:.1e} of the largest"
        ));
    }
    Ok(Checked { runtime: Some("tract"), largest_difference: Some(difference), not_run })
}

/// The model with floats in the place of what operators make floats of.
fn without_conversions(model: &Model) -> Model {
    let mut plain = model.clone();
    let mut alias: FxHashMap<TensorId, TensorId> = FxHashMap::default();
    plain.operators.retain_mut(|operator| {
        for input in &mut operator.inputs {
            *input = alias.get(input).copied().unwrap_or(*input);
        }
        if operator.code != BuiltinOperator::DEQUANTIZE {
            return true;
        }
        let (from, to) = (operator.inputs[0] as usize, operator.outputs[0] as usize);
        match plain.tensors[from].data.take() {
            Some(halves) => {
                let halves = halves.as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32());
                plain.tensors[to].data = Some(halves.flat_map(f32::to_le_bytes).collect::<Vec<u8>>().into());
            }
            None => {
                (plain.tensors[from].kind, plain.tensors[from].is_unit_scaled) = (TensorType::FLOAT32, false);
                alias.insert(operator.outputs[0], operator.inputs[0]);
            }
        }
        false
    });
    plain
}

/// The model with sums and products in the place of means: tract's reader rounds means to whole numbers.
fn with_sums(mut model: Model) -> Model {
    let operators = std::mem::take(&mut model.operators);
    for mut operator in operators {
        if operator.code != BuiltinOperator::MEAN {
            model.operators.push(operator);
            continue;
        }
        let (input, output) = (operator.inputs[0], operator.outputs[0]);
        let elements = |model: &Model, id: TensorId| {
            model.tensor(id).map_or(1.0, |tensor| tensor.shape.iter().map(|side| f64::from(*side)).product())
        };
        let share = (elements(&model, output) / elements(&model, input)) as f32;
        let sum = model.tensors[output as usize].clone();
        let sum = model.add(Tensor { name: format!("{}_sum", sum.name), ..sum });
        let share = model.floats(format!("{}_share", model.tensors[output as usize].name), &[1], &[share]);
        operator.outputs = vec![sum];
        operator.code = BuiltinOperator::SUM;
        model.operators.push(operator);
        let none = Options::Arithmetic(schema::ActivationFunctionType::NONE);
        model.operate(BuiltinOperator::MUL, &[sum, share], output, none);
    }
    model
}

fn not_in_tract(model: &Model) -> Vec<String> {
    let mut names = Vec::new();
    for operator in &model.operators {
        let name = operator.code.variant_name().unwrap_or("UNKNOWN");
        let depth = |id: TensorId| model.tensor(id).and_then(|tensor| tensor.shape.last().copied());
        let what = match operator.options {
            // tract reads every convolution as one of one group, and takes every layer's input for a matrix.
            Options::Convolution { multiplier: None, .. } if depth(operator.inputs[0]) != depth(operator.inputs[1]) => {
                format!("{name} in groups")
            }
            Options::Convolution { multiplier: Some(2..), .. } => format!("{name} with several filters a channel"),
            Options::FullyConnected { keep_dimensions: true, .. } => format!("{name} of maps"),
            // tract takes the size -1, all there is of an open batch, for a number.
            _ if operator.code == BuiltinOperator::SLICE => {
                let sizes = model.tensor(operator.inputs[2]).and_then(|tensor| tensor.data.as_deref()).unwrap_or(&[]);
                if sizes.as_chunks().0.iter().all(|size| i32::from_le_bytes(*size) >= 0) {
                    continue;
                }
                format!("{name} of an open batch")
            }
            _ if IN_TRACT.contains(&operator.code) => continue,
            _ => name.to_owned(),
        };
        if !names.contains(&what) {
            names.push(what);
        }
    }
    names
}

fn difference(reference: Reference, plain: &Model) -> Result<f64, String> {
    let step = |what: &'static str| move |error: TractError| format!("{what}: {error:#}");
    let image = plain.inputs.first().and_then(|(_, id)| plain.tensor(*id)).ok_or("it has no input")?;
    let shape: Vec<usize> = image.shape.iter().map(|side| *side as usize).collect();
    let mut values = normal(0, "verification", shape.iter().product(), 1.0);
    if reference.takes_bytes {
        values.iter_mut().for_each(|value: &mut f32| *value = (128.0 + 64.0 * *value).clamp(0.0, 255.0).round());
    }
    let image = tract_onnx::prelude::Tensor::from_shape(&shape, &values).map_err(step("making an image"))?;
    let mut other_shape = shape.clone();
    if let (&[images, height, width, channels], false) = (&shape[..], reference.is_channels_last) {
        other_shape = vec![images, channels, height, width];
        values = stored(&values, &shape.iter().map(|side| *side as u64).collect::<Vec<_>>(), &[0, 3, 1, 2]);
    }
    let other = tract_onnx::prelude::Tensor::from_shape(&other_shape, &values).map_err(step("making an image"))?;
    let kind = if reference.takes_bytes { u8::datum_type() } else { f32::datum_type() };
    let other = other.cast_to_dt(kind).map_err(step("making an image"))?.into_owned();

    let fact = InferenceFact::dt_shape(kind, other.shape());
    let onnx = tract_onnx::onnx().model_for_read(&mut Cursor::new(reference.onnx));
    let onnx = onnx.and_then(|model| model.with_input_fact(0, fact)).and_then(|model| model.into_typed());
    let expected = run(onnx.map_err(step("reading the ONNX form"))?, other)?;
    let bytes = encode(plain).map_err(|error| error.to_string())?;
    let model = tract_tflite::tflite().model_for_read(&mut Cursor::new(bytes)).map_err(step("loading"))?;
    let found = run(model, image)?;
    if found.len() != expected.len() || found.iter().any(|value| !value.is_finite()) {
        return Err(format!("{} outputs instead of {}, or some that are not finite", found.len(), expected.len()));
    }
    let largest = expected.iter().fold(f32::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
    let apart = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    Ok(f64::from(apart) / f64::from(largest))
}

/// The first output on `input`.
fn run(model: TypedModel, input: tract_onnx::prelude::Tensor) -> Result<Vec<f32>, String> {
    let step = |what: &'static str| move |error: TractError| format!("{what}: {error:#}");
    let plan = model.into_optimized().and_then(|model| model.into_runnable()).map_err(step("optimising"))?;
    let outputs = plan.run(tvec!(input.into_tvalue())).map_err(step("running"))?;
    let output = outputs.first().ok_or("it has no output")?.cast_to::<f32>().map_err(step("reading the output"))?;
    let values = output.to_plain_array_view::<f32>().map_err(step("reading the output"))?;
    Ok(values.iter().copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::litert::check::read_back;
    use crate::litert::convert::{ConvertOptions, convert};
    use crate::net::{LowerOptions, Network};
    use crate::onnx::import::ImportOptions;
    use crate::onnx::{ExportOptions, Weights, model_bytes};

    /// A small network: its ONNX form and its model.
    fn network() -> (Vec<u8>, Source, Model) {
        let network = Network::parse("SuperConvK3BNRELU(3,8,2,1)SuperResIDWE2K3(8,16,2,8,1)").unwrap();
        let graph = network.lower(&LowerOptions { squeeze_excite: true, ..LowerOptions::new(16, 10) }).unwrap();
        let onnx = model_bytes(&graph, &Weights::seeded(0), &ExportOptions::default()).unwrap();
        let source = Source::read("network", onnx.clone().into(), &ImportOptions::default()).unwrap();
        let model = convert(&source, ConvertOptions::default()).unwrap();
        (onnx, source, model)
    }

    #[test]
    fn one_wrong_weight_is_noticed() {
        let (onnx, source, mut model) = network();
        let reference = Reference::new(&onnx, &source);
        let checked = compare(reference, &model, 1e-5).unwrap();
        assert_eq!((checked.runtime, checked.not_run.len()), (Some("tract"), 0));
        let weights = model.tensors.iter_mut().find(|tensor| tensor.name.ends_with("conv0_weight")).unwrap();
        let mut data = weights.data.clone().unwrap().to_vec();
        data[..4].copy_from_slice(&9.0_f32.to_le_bytes());
        weights.data = Some(data.into());
        let error = compare(reference, &model, 1e-5).unwrap_err();
        assert!(error.contains("differ"), "{error}");
    }

    #[test]
    fn bytes_that_are_not_what_was_written_are_noticed() {
        let (_, _, mut model) = network();
        let bytes = encode(&model).unwrap();
        read_back(&bytes, &model).unwrap();
        for length in [0, 7, bytes.len() / 2] {
            assert!(read_back(&bytes[..length], &model).is_err());
        }
        let mut other = bytes.clone();
        let last = other.len() - 20;
        other[last] ^= 0x40;
        assert!(read_back(&other, &model).is_err());
        model.operators.swap(0, 1);
        let error = read_back(&encode(&model).unwrap(), &model).unwrap_err();
        assert!(error.contains("before it is computed"), "{error}");
        let infinite = f32::INFINITY.to_le_bytes().to_vec();
        model.floats("infinite".to_owned(), &[1], &[f32::INFINITY]);
        assert_eq!(model.tensors.last().unwrap().data.as_deref(), Some(&infinite[..]));
        let error = read_back(&encode(&model).unwrap(), &model).unwrap_err();
        assert!(error.contains("not finite"), "{error}");
    }
}
