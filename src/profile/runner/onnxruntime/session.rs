//! A model loaded into onnxruntime: one thread, every optimisation, its processor provider.

use std::fmt::Display;
use std::path::Path;

use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, Tensor, TensorElementType};
use zen_agent::input_values;

/// A loaded model with inputs of fixed values.
pub(super) struct Model {
    session: Session,
    inputs: Vec<SessionInputValue<'static>>,
}

impl Model {
    /// Reads and optimises an ONNX model. With `profile`, every call is recorded until
    /// [`Model::end_profiling`], and written to a file that starts with this path.
    ///
    /// # Errors
    /// When onnxruntime does not take the model, or an input's shape is not fixed.
    pub fn load(environment: &Environment, bytes: &[u8], profile: Option<&Path>) -> Result<Self, String> {
        let session = builder(environment, profile)?.commit_from_memory(bytes).map_err(text)?;
        let inputs = session.inputs().iter().map(|input| {
            let shape = input.dtype().tensor_shape().filter(|shape| shape.iter().all(|side| *side > 0));
            let shape = shape.ok_or_else(|| format!("the input {} has no fixed shape", input.name()))?;
            let values = input_values(shape.iter().product::<i64>() as usize);
            let shape = shape.to_vec();
            match input.dtype().tensor_type() {
                Some(TensorElementType::Float32) => Ok(tensor(shape, values)?.into()),
                // As a camera gives them.
                Some(TensorElementType::Uint8) => {
                    let bytes: Vec<u8> = values.iter().map(|value| (127.5 * (value + 1.0)) as u8).collect();
                    Ok(Tensor::from_array((shape, bytes)).map(Tensor::into_dyn).map_err(text)?.into())
                }
                other => {
                    let kind = other.map_or("no tensor".to_owned(), |kind| kind.to_string());
                    Err(format!("the input {} takes {kind}, but float32 or uint8 values are given here", input.name()))
                }
            }
        });
        let inputs = inputs.collect::<Result<_, String>>()?;
        Ok(Self { session, inputs })
    }

    /// One call; what it computes is dropped.
    pub fn call(&mut self) -> Result<(), String> {
        let outputs = self.session.run(self.inputs.as_slice()).map_err(text)?;
        std::hint::black_box(&outputs);
        Ok(())
    }

    /// Ends recording; returns the file that holds it.
    pub fn end_profiling(&mut self) -> Result<String, String> {
        self.session.end_profiling().map_err(text)
    }

    /// The values of the first output, for the given values of the only input.
    #[cfg(test)]
    pub fn output(&mut self, shape: Vec<i64>, values: Vec<f32>) -> Result<Vec<f32>, String> {
        let outputs = self.session.run([tensor(shape, values)?.into()]).map_err(text)?;
        let (_, values) = outputs[0].try_extract_tensor::<f32>().map_err(text)?;
        Ok(values.to_vec())
    }
}

fn tensor(shape: Vec<i64>, values: Vec<f32>) -> Result<DynValue, String> {
    Tensor::from_array((shape, values)).map(Tensor::into_dyn).map_err(text)
}

fn builder(environment: &Environment, profile: Option<&Path>) -> Result<SessionBuilder, String> {
    let builder = Session::builder(environment).map_err(text)?;
    let builder = builder.with_log_level(LogLevel::Fatal).map_err(text)?;
    let builder = builder.with_optimization_level(GraphOptimizationLevel::All).map_err(text)?;
    let builder = builder.with_parallel_execution(false).map_err(text)?;
    let builder = builder.with_intra_threads(1).map_err(text)?.with_intra_op_spinning(false).map_err(text)?;
    let builder = builder.with_inter_threads(1).map_err(text)?.with_inter_op_spinning(false).map_err(text)?;
    match profile {
        Some(path) => builder.with_profiling(path).map_err(text),
        None => Ok(builder),
    }
}

fn text(error: impl Display) -> String {
    error.to_string()
}
