//! What a quantisation cost, for people and programs.

use serde::Serialize;

use super::compare::Comparison;
use super::number::{ActivationScale, Range};
use super::plan::Plan;
use super::{CalibrationMethod, Quantization, QuantizedFor};

/// An integer model against its float one.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct QuantizationReport {
    pub quantized_for: QuantizedFor,
    pub method: CalibrationMethod,
    /// What activations were calibrated and both models compared on: `images`, `tensors` or
    /// `random inputs`.
    pub calibration: &'static str,
    pub images: usize,
    /// Runtime that ran both models.
    pub compared_in: &'static str,
    /// In the order in which they are computed.
    pub layers: Vec<LayerReport>,
    /// Signal-to-noise ratio of the logits, in decibels.
    pub logits_snr_db: Option<f64>,
    /// Cosine between the logits of both models, over all images.
    pub logits_cosine: Option<f64>,
    /// Images for which both models have the same first class.
    pub top1_agreeing: usize,
    /// The same as a share.
    pub top1_agreement: f64,
}

/// A tensor that became integers.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct LayerReport {
    /// Name of the tensor and of the node that computes it.
    pub tensor: String,
    /// Operation of that node; none for the image.
    pub operation: Option<String>,
    /// What the integers are to hold, by the calibration; they hold zero too. Values outside become its
    /// ends.
    pub range: Range,
    #[serde(flatten)]
    pub scale: ActivationScale,
    /// Signal-to-noise ratio in decibels, everything before the tensor being integers too; none
    /// where nothing differs.
    pub snr_db: Option<f64>,
}

impl QuantizationReport {
    pub(super) fn new(
        options: &Quantization,
        plan: &Plan,
        ranges: &[Range],
        scales: &[ActivationScale],
        comparison: &Comparison,
    ) -> Self {
        let layers = plan.places().iter().enumerate().filter(|(i, place)| place.scale_of == *i);
        let layers = layers.map(|(i, place)| LayerReport {
            tensor: place.tensor.clone(),
            operation: place.operation.clone(),
            range: ranges[i],
            scale: scales[i],
            snr_db: comparison.of_place(i),
        });
        Self {
            quantized_for: options.quantized_for,
            method: options.method,
            calibration: options.calibration.kind(),
            images: comparison.images,
            compared_in: "tract",
            layers: layers.collect(),
            logits_snr_db: comparison.of_logits(),
            logits_cosine: comparison.cosine(),
            top1_agreeing: comparison.agreeing,
            top1_agreement: comparison.agreeing as f64 / comparison.images.max(1) as f64,
        }
    }
}
