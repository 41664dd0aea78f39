//! Int8: a float model becomes one whose weights are int8 and whose activations are 8-bit integers,
//! written as QDQ (pairs of `QuantizeLinear` and `DequantizeLinear`), which runtimes turn into
//! integer kernels.
//!
//! Weights are symmetric with a scale for each output channel, activations have one scale each,
//! calibrated on images. Not here: emitting the float model (`../emit`), writing the file
//! (`../export.rs`).

mod calibration;
mod compare;
mod histogram;
mod insert;
mod number;
mod plan;
mod range;
mod report;
mod watch;

use onnx_protobuf::ModelProto;

pub use calibration::{Calibration, CalibrationError};
pub(crate) use calibration::{Image, ModelInput};
pub use number::{ActivationScale, Range};
pub use report::{LayerReport, QuantizationReport};

use super::OnnxError;
use crate::names::{named, serialized_by_name};
use compare::{Comparing, float_tensors};
use plan::Plan;
use range::Observed;
use watch::Watched;

/// Share of the magnitudes, in percent, that [`CalibrationMethod::Percentile`] keeps.
pub const PERCENTILE: f64 = 99.99;

/// Quantization scheme of an int8 model; the runtimes do not accept each other's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QuantizedFor {
    /// Activations uint8 with a zero point, biases int32: onnxruntime computes all of it in integers.
    #[default]
    Onnxruntime,
    /// Activations int8 around zero, biases float32, as TensorRT asks for.
    Tensorrt,
}

impl QuantizedFor {
    pub const ALL: [QuantizedFor; 2] = [QuantizedFor::Onnxruntime, QuantizedFor::Tensorrt];

    /// Name in options and metadata.
    pub fn name(self) -> &'static str {
        match self {
            QuantizedFor::Onnxruntime => "onnxruntime",
            QuantizedFor::Tensorrt => "tensorrt",
        }
    }
}

/// How the range of an activation follows from what was seen of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CalibrationMethod {
    /// All that was seen.
    #[default]
    MinMax,
    /// Up to the magnitude below which [`PERCENTILE`] of the values are.
    Percentile,
    /// Up to where the integers tell least false about the values.
    Entropy,
}

impl CalibrationMethod {
    pub const ALL: [CalibrationMethod; 3] =
        [CalibrationMethod::MinMax, CalibrationMethod::Percentile, CalibrationMethod::Entropy];

    /// Name in options and metadata.
    pub fn name(self) -> &'static str {
        match self {
            CalibrationMethod::MinMax => "min-max",
            CalibrationMethod::Percentile => "percentile",
            CalibrationMethod::Entropy => "entropy",
        }
    }
}

named!(QuantizedFor, "runtime to quantise for");
named!(CalibrationMethod, "calibration method");

serialized_by_name!(QuantizedFor);
serialized_by_name!(CalibrationMethod);

/// What an int8 model leaves open.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quantization {
    pub quantized_for: QuantizedFor,
    pub method: CalibrationMethod,
    pub calibration: Calibration,
}

impl Quantization {
    /// For the metadata of a model: how it was calibrated, never on which files.
    ///
    /// # Errors
    /// When calibration images cannot be used, as far as that shows without looking at each.
    pub(super) fn metadata(&self, input: &ModelInput) -> Result<[(String, String); 4], OnnxError> {
        let (images, _) = self.calibration.images(input)?;
        let metadata = [
            ("quantized_for", self.quantized_for.to_string()),
            ("calibration", self.calibration.kind().to_owned()),
            ("calibration_images", images.to_string()),
            ("calibration_method", self.method.to_string()),
        ];
        Ok(metadata.map(|(key, value)| (key.to_owned(), value)))
    }
}

/// Turns the float32 `model` into its int8 form and compares both on the calibration images, image
/// by image. `progress` is told the share that is done.
///
/// # Errors
/// When calibration images cannot be used, a value that a network computes for one is not finite,
/// or tract does not run a model.
pub(super) fn quantize(
    model: &mut ModelProto,
    options: &Quantization,
    input: &ModelInput,
    progress: &mut dyn FnMut(f64),
) -> Result<QuantizationReport, OnnxError> {
    let failed = |reason| OnnxError::Quantize { reason };
    let plan = Plan::new(&model.graph);
    let tensors = float_tensors(&plan);
    let (count, images) = options.calibration.images(input)?;
    let float = Watched::new(model, &tensors, input).map_err(failed)?;
    // Comparing runs two models. A file may claim any number of images.
    let share = |images: usize, runs: f64| images as f64 / count as f64 * runs / 3.0;

    let mut observed = vec![Observed::new(options.method); tensors.len()];
    for (i, image) in images.enumerate() {
        let look = |place: usize, values: &[f32]| {
            observed[place].add(values).map_err(|value| format!("{} is {value} for image {i}", tensors[place]))
        };
        float.run(&image?, look).map_err(failed)?;
        progress(share(i + 1, 1.0));
    }
    let of_place = |place: &plan::Place| observed[place.scale_of].range(options.method, options.quantized_for);
    let ranges: Vec<Range> = plan.places().iter().map(of_place).collect();
    let scales: Vec<_> = ranges.iter().map(|range| ActivationScale::of(*range, options.quantized_for)).collect();
    insert::insert(model.graph.mut_or_insert_default(), &plan, &scales, options.quantized_for).map_err(failed)?;

    let (_, images) = options.calibration.images(input)?;
    let mut comparing = Comparing::new(&float, model, &plan, input).map_err(failed)?;
    for (i, image) in images.enumerate() {
        comparing.add(&image?).map_err(failed)?;
        progress(1.0 / 3.0 + share(i + 1, 2.0));
    }
    let comparison = comparing.finish();
    Ok(QuantizationReport::new(options, &plan, &ranges, &scales, &comparison))
}
