//! Types of numbers in a model, and how values are stored in them.

use onnx_protobuf::tensor_proto::DataType;
use tract_onnx::prelude::f16;

/// Type of a tensor's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NumberType {
    /// float32.
    #[default]
    Float,
    /// float16.
    Half,
    /// uint8; for inputs only.
    Byte,
}

impl NumberType {
    /// ONNX's number of the type.
    pub fn onnx(self) -> i32 {
        (match self {
            NumberType::Float => DataType::FLOAT,
            NumberType::Half => DataType::FLOAT16,
            NumberType::Byte => DataType::UINT8,
        }) as i32
    }

    /// Bytes of one number.
    pub fn bytes(self) -> u64 {
        match self {
            NumberType::Float => 4,
            NumberType::Half => 2,
            NumberType::Byte => 1,
        }
    }
}

/// Values in ONNX's raw form, rounded to the nearest number of the type.
///
/// # Errors
/// The first finite value that is outside the range of the type.
pub fn raw(values: &[f32], numbers: NumberType) -> Result<Vec<u8>, f32> {
    let mut raw = Vec::with_capacity(numbers.bytes() as usize * values.len());
    for value in values {
        match numbers {
            NumberType::Float => raw.extend_from_slice(&value.to_le_bytes()),
            NumberType::Half => {
                let half = f16::from_f32(*value);
                if half.is_infinite() && value.is_finite() {
                    return Err(*value);
                }
                raw.extend_from_slice(&half.to_le_bytes());
            }
            NumberType::Byte => raw.push(*value as u8),
        }
    }
    Ok(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_end_where_float16_does() {
        // 65504 is the largest float16, 65520 the first number that rounds past it.
        assert_eq!(raw(&[1.0, 65519.0], NumberType::Half), Ok(vec![0x00, 0x3c, 0xff, 0x7b]));
        assert_eq!(raw(&[1.0, -65520.0], NumberType::Half), Err(-65520.0));
        assert_eq!(raw(&[1.5], NumberType::Float), Ok(1.5f32.to_le_bytes().to_vec()));
        // Half of the least significant bit: to the even one.
        assert_eq!(raw(&[1.0 + 2f32.powi(-11)], NumberType::Half), Ok(vec![0x00, 0x3c]));
    }
}
