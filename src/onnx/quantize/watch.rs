//! Runs a model in tract, image by image, and shows tensors from inside it.
//!
//! Not here: what is made of them (`range.rs`, `compare.rs`).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use onnx_protobuf::{ModelProto, ValueInfoProto};
use tract_onnx::prelude::*;

use super::calibration::{Image, ModelInput};
use crate::onnx::InputForm;
use crate::onnx::emit::encode;

/// A model for one image whose inner tensors can be seen.
pub struct Watched {
    plan: Arc<TypedRunnableModel>,
    dimensions: [usize; 4],
}

impl Watched {
    /// Prepares `model` to show `tensors`, in this order.
    ///
    /// # Errors
    /// What tract says; its panics too.
    pub fn new(model: &mut ModelProto, tensors: &[String], input: &ModelInput) -> Result<Self, String> {
        // What tract reads has other outputs than the model that is written.
        let outputs = tensors.iter().map(|name| ValueInfoProto { name: name.clone(), ..Default::default() }).collect();
        let graph = model.graph.mut_or_insert_default();
        let own = std::mem::replace(&mut graph.output, outputs);
        let bytes = encode(model);
        model.graph.mut_or_insert_default().output = own;
        let bytes = bytes.map_err(|error| error.to_string())?;
        let dimensions = input.dimensions();
        let numbers = match input.form {
            InputForm::FloatNchw => f32::datum_type(),
            InputForm::Uint8Nhwc => u8::datum_type(),
        };
        let plan = caught(move || {
            let model = tract_onnx::onnx().with_ignore_output_types(true).model_for_read(&mut &bytes[..])?;
            drop(bytes);
            let model = model.with_input_fact(0, InferenceFact::dt_shape(numbers, dimensions))?;
            model.into_optimized()?.into_runnable()
        })?;
        Ok(Self { plan, dimensions })
    }

    /// Shows every tensor for one image to `look`, with its place in the list.
    ///
    /// # Errors
    /// What tract or `look` says.
    pub fn run(&self, image: &Image, mut look: impl FnMut(usize, &[f32]) -> Result<(), String>) -> Result<(), String> {
        let outputs = caught(|| {
            let image = match image {
                Image::Floats(values) => Tensor::from_shape(&self.dimensions, values)?,
                Image::Bytes(values) => Tensor::from_shape(&self.dimensions, values)?,
            };
            self.plan.run(tvec!(image.into_tvalue()))
        })?;
        for (place, output) in outputs.iter().enumerate() {
            let view = output.to_plain_array_view::<f32>().map_err(|error| format!("{error:#}"))?;
            look(place, view.as_slice().ok_or("a tensor in an order of its own")?)?;
        }
        Ok(())
    }
}

fn caught<T>(run: impl FnOnce() -> TractResult<T>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|_| Err(TractError::msg("tract panicked")))
        .map_err(|error| format!("{error:#}"))
}
