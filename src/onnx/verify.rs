//! Checking a model by running it in tract.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::floats::FloatPrecisionTranslator;
use tract_onnx::tract_core::plan;
use tract_onnx::tract_core::transform::ModelTransform;
use tract_onnx::tract_hir::infer::Factoid;
use tract_onnx::tract_hir::internal::DimLike;

use super::OnnxError;
use super::weights::normal;

/// Largest finite float16.
const LARGEST_HALF: f32 = 65504.0;

/// End of the names of sums that tract splits a mean into. Runtimes for float16 sum a mean in
/// float32.
const SUM_OF_MEAN: &str = ".sum";

/// What was checked.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Verification {
    /// Runtime that ran the model.
    pub runtime: String,
    /// Images it was run on.
    pub batch_size: usize,
    /// Classes it gave for each.
    pub classes: usize,
}

/// Loads the model at `path` in tract and runs it on a random image (batch 1 where the model
/// leaves the batch open); checks the output's shape and that every value is finite.
///
/// A model that computes in float16 is loaded as it is and computed in float32, because tract's
/// float16 is some hundred times slower; no result of any node may then leave float16's range.
///
/// # Errors
/// Says which step failed and how. Panics inside tract count as failures.
pub fn verify(path: &Path, classes: u32) -> Result<Verification, OnnxError> {
    let failed = |reason| OnnxError::Check { reason };
    catch_unwind(AssertUnwindSafe(|| run(path, classes as usize)))
        .unwrap_or_else(|_| Err("tract panicked".to_owned()))
        .map_err(failed)
}

fn run(path: &Path, classes: usize) -> Result<Verification, String> {
    let step = |what: &'static str| move |error: TractError| format!("{what}: {error:#}");
    let model = tract_onnx::onnx().model_for_path(path).map_err(step("loading"))?;
    let declared = model.input_fact(0).map_err(step("reading the input"))?.clone();
    let shape: Vec<usize> = declared
        .shape
        .dims()
        .map(|dimension| dimension.concretize().and_then(|size| size.to_usize().ok()).unwrap_or(1))
        .collect();
    let batch_size = shape.first().copied().unwrap_or(1);
    let numbers = declared.datum_type.concretize().unwrap_or(f32::datum_type());

    let mut input = random_image(&shape, numbers).map_err(step("making an input"))?;
    let fact = InferenceFact::dt_shape(numbers, &shape);
    let mut model =
        model.with_input_fact(0, fact).and_then(|model| model.into_typed()).map_err(step("reading the nodes"))?;
    let half = f16::datum_type();
    let halves = model.nodes.iter().any(|node| node.outputs.iter().any(|output| output.fact.datum_type == half));
    if halves {
        let single = f32::datum_type();
        FloatPrecisionTranslator::new(half, single).transform(&mut model).map_err(step("widening"))?;
        if numbers == half {
            input = input.cast_to_dt(single).map_err(step("widening the input"))?.into_owned();
        }
    }
    let plan = model.into_optimized().and_then(|model| model.into_runnable()).map_err(step("optimising"))?;
    let outputs = plan
        .spawn()
        .and_then(|mut state| {
            state.run_plan_with_eval(tvec!(input.into_tvalue()), |context, op_state, node, inputs| {
                let outputs = plan::eval(context, op_state, node, inputs)?;
                if halves && !node.name.ends_with(SUM_OF_MEAN) {
                    outputs.iter().try_for_each(|output| within_half(&node.name, output))?;
                }
                TractResult::Ok(outputs)
            })
        })
        .map_err(step("running"))?;

    let output = outputs.first().ok_or("it has no output")?;
    if output.shape() != [batch_size, classes] {
        return Err(format!("the output has shape {:?} instead of [{batch_size}, {classes}]", output.shape()));
    }
    let output = output.cast_to::<f32>().map_err(step("reading the output"))?;
    let logits = output.to_plain_array_view::<f32>().map_err(step("reading the output"))?;
    if let Some(value) = logits.iter().find(|value| !value.is_finite()) {
        return Err(format!("an output is {value}; check the weights"));
    }
    Ok(Verification { runtime: "tract".to_owned(), batch_size, classes })
}

/// Whether a float16 network's result stays in float16's range; packed matrices and other numbers
/// are not looked at.
fn within_half(node: &str, output: &Tensor) -> TractResult<()> {
    let Ok(values) = output.to_plain_array_view::<f32>() else { return Ok(()) };
    let largest = values.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    if largest > LARGEST_HALF {
        let text = format!("{node} reaches {largest}, beyond float16's {LARGEST_HALF}; export in fp32");
        return Err(TractError::msg(text));
    }
    Ok(())
}

/// N(0, 1) as a normalised image has it, or bytes around their middle.
fn random_image(shape: &[usize], numbers: DatumType) -> TractResult<Tensor> {
    let mut values = normal(0, "verification", shape.iter().product(), 1.0);
    if numbers == u8::datum_type() {
        values.iter_mut().for_each(|value| *value = (128.0 + 64.0 * *value).clamp(0.0, 255.0));
    }
    Ok(Tensor::from_shape(shape, &values)?.cast_to_dt(numbers)?.into_owned())
}
