//! The types of numbers that weights come in.

use tract_onnx::prelude::f16;

/// Their names, for messages.
pub const FLOATS: &str = "F32, F64, F16 or BF16";

/// A type of little-endian numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Float {
    F32,
    F64,
    F16,
    Bf16,
}

impl Float {
    /// Bytes of one number.
    pub fn bytes(self) -> usize {
        match self {
            Float::F64 => 8,
            Float::F32 => 4,
            Float::F16 | Float::Bf16 => 2,
        }
    }

    /// Appends the numbers in `bytes` as 32-bit floats.
    pub fn append(self, bytes: &[u8], values: &mut Vec<f32>) {
        fn convert<const N: usize>(bytes: &[u8], values: &mut Vec<f32>, value: impl Fn([u8; N]) -> f32) {
            values.extend(bytes.as_chunks::<N>().0.iter().map(|word| value(*word)));
        }
        match self {
            Float::F32 => convert(bytes, values, f32::from_le_bytes),
            Float::F64 => convert(bytes, values, |word| f64::from_le_bytes(word) as f32),
            Float::F16 => convert(bytes, values, |word| f16::from_bits(u16::from_le_bytes(word)).to_f32()),
            // The upper half of a 32-bit float.
            Float::Bf16 => convert(bytes, values, |word| f32::from_bits((u16::from_le_bytes(word) as u32) << 16)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_float_type_reads_as_the_same_number() {
        let to_f32 = |float: Float, bytes: &[u8]| {
            let mut values = Vec::new();
            float.append(bytes, &mut values);
            assert_eq!(values.len(), bytes.len() / float.bytes());
            values
        };
        assert_eq!(to_f32(Float::F32, &1.5f32.to_le_bytes()), [1.5]);
        assert_eq!(to_f32(Float::F64, &(-0.25f64).to_le_bytes()), [-0.25]);
        assert_eq!(to_f32(Float::F16, &[0x00, 0x3e, 0x00, 0xc0]), [1.5, -2.0]);
        assert_eq!(to_f32(Float::Bf16, &[0xc0, 0x3f]), [1.5]);
    }
}
