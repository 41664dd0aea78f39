//! Random images, for want of real ones.

use super::{Image, ModelInput};
use crate::onnx::InputForm;
use crate::onnx::weights::normal;

/// N(0, 1) where the model takes normalised images; pixels around the middle of their range
/// otherwise.
pub fn image(input: &ModelInput, seed: u64, image: usize) -> Image {
    let values = normal(seed, &format!("calibration {image}"), input.elements(), 1.0);
    let pixel = |value: f32| (0.5 + 0.25 * value).clamp(0.0, 1.0);
    match input.form {
        InputForm::Uint8Nhwc => {
            Image::Bytes(values.iter().map(|value| (255.0 * pixel(*value)).round() as u8).collect())
        }
        InputForm::FloatNchw if input.wants_normalized() => Image::Floats(values),
        InputForm::FloatNchw => Image::Floats(values.into_iter().map(pixel).collect()),
    }
}
