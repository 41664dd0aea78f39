//! What stands between a model's input and output and the network: types, layout, normalisation,
//! softmax. Its nodes have names that start with [`INTERFACE_NODE_PREFIX`].
//!
//! Not here: what may be asked for (`../interface.rs`).

use super::names::{INPUT_NAME, OUTPUT_NAME, PROBABILITIES_NAME};
use super::{ModelBuilder, NumberType, int, ints};
use crate::net::Shape;
use crate::onnx::interface::{InputForm, Interface, NormalizeAs};

/// Start of the names of nodes that prepare the image or finish the result. They compute in float32
/// whatever the precision of the network, unless the model's input and output are float16.
pub const INTERFACE_NODE_PREFIX: &str = "io_";

/// The largest value of a byte.
const BYTE: f64 = 255.0;

/// The tensor that the network reads.
pub struct PreparedImage {
    pub tensor: String,
    /// What the first convolution's weights are to be multiplied by, for each channel; empty where
    /// there is nothing.
    pub scale: Vec<f64>,
}

impl ModelBuilder {
    /// Declares the input and prepares the image; `fold` says whether convolutions alone read it,
    /// so that they can take a scale.
    pub fn image(&mut self, shape: Shape, interface: &Interface, fold: bool) -> PreparedImage {
        let channels = shape.channels as usize;
        let numbers = if interface.half { self.numbers } else { NumberType::Float };
        let mut tensor = INPUT_NAME.to_owned();
        let bytes = interface.input == InputForm::Uint8Nhwc;
        if bytes {
            self.typed_input(INPUT_NAME, &[shape.height, shape.width, shape.channels], NumberType::Byte);
            tensor = self.interface_cast("io_float", &tensor, numbers);
            self.node("Transpose", "io_nchw", &[&tensor], "io_nchw", vec![ints("perm", &[0, 3, 1, 2])]);
            tensor = "io_nchw".to_owned();
        } else {
            self.typed_input(INPUT_NAME, &[shape.channels, shape.height, shape.width], numbers);
        }

        let fold = fold && interface.normalize_as == NormalizeAs::Folded;
        // Divided by 255, weights would fall below the smallest float16 of full precision.
        let fold_bytes = bytes && fold && self.numbers == NumberType::Float;
        let mut scale = vec![1.0; channels];
        let mut unit = 1.0;
        if fold_bytes {
            unit = BYTE;
            scale.fill(1.0 / BYTE);
        } else if bytes {
            tensor = self.interface_constant("Mul", "io_unit", &tensor, &[(1.0 / BYTE) as f32], numbers);
        }
        if let Some(normalization) = &interface.normalization {
            let mean: Vec<f32> = normalization.mean.iter().map(|mean| (unit * *mean as f64) as f32).collect();
            if mean.iter().any(|mean| *mean != 0.0) {
                tensor = self.interface_constant("Sub", "io_mean", &tensor, &mean, numbers);
            }
            if fold {
                for (scale, deviation) in scale.iter_mut().zip(&normalization.deviation) {
                    *scale /= *deviation as f64;
                }
            } else {
                tensor = self.interface_constant("Div", "io_deviation", &tensor, &normalization.deviation, numbers);
            }
        }
        if self.numbers != numbers {
            let to = self.numbers;
            tensor = self.interface_cast("io_half", &tensor, to);
        }
        if scale.iter().all(|scale| *scale == 1.0) {
            scale.clear();
        }
        PreparedImage { tensor, scale }
    }

    /// Finishes the logits that `linear` computes in the tensor it is given, and declares the
    /// output.
    pub fn result(&mut self, classes: u32, interface: &Interface, linear: impl FnOnce(&mut Self, &str)) {
        let half = self.numbers == NumberType::Half;
        let cast = half && !interface.half;
        let logits = if cast { "logits_half" } else { OUTPUT_NAME };
        linear(self, logits);
        if cast {
            let to = vec![int("to", NumberType::Float.onnx() as i64)];
            self.node("Cast", "io_logits", &[logits], OUTPUT_NAME, to);
        }
        let mut output = OUTPUT_NAME;
        if interface.softmax {
            output = PROBABILITIES_NAME;
            self.node("Softmax", "io_softmax", &[OUTPUT_NAME], output, vec![int("axis", 1)]);
        }
        self.typed_output(
            output,
            &[classes],
            if half && interface.half { NumberType::Half } else { NumberType::Float },
        );
    }

    fn interface_cast(&mut self, name: &str, tensor: &str, to: NumberType) -> String {
        self.node("Cast", name, &[tensor], name, vec![int("to", to.onnx() as i64)]);
        name.to_owned()
    }

    /// An operation with one constant for each channel, or one for all.
    fn interface_constant(
        &mut self,
        operation: &str,
        name: &str,
        tensor: &str,
        values: &[f32],
        numbers: NumberType,
    ) -> String {
        let constant = format!("{name}_value");
        self.typed_weights(&constant, &[1, values.len() as u32, 1, 1], values, numbers);
        self.node(operation, name, &[tensor, &constant], name, vec![]);
        name.to_owned()
    }
}
