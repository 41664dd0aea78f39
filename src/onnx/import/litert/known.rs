//! A tensor of a `.tflite` file, and what it is in ONNX.

use super::turned;
use crate::litert::schema::TensorType;
use crate::onnx::import::constant::MAX_VALUES;
use crate::onnx::import::error::shown;
use crate::onnx::import::messages::{Dimension, TensorShape, TensorType as OnnxType, Type, ValueInfo, data_type};

/// A tensor of the file.
pub(super) struct Known<'f> {
    pub name: String,
    /// In the file's order.
    pub dims: Vec<u64>,
    pub kind: TensorType,
    /// The values of a constant.
    pub data: Option<&'f [u8]>,
    /// Whether the file leaves the first size open.
    pub has_open_batch: bool,
    /// Whether it leaves another one open.
    pub has_open_size: bool,
}

impl Known<'_> {
    /// Sizes in ONNX's order.
    pub fn sizes(&self) -> Vec<u64> {
        turned(&self.dims)
    }

    pub fn elements(&self) -> u64 {
        self.dims.iter().product()
    }

    pub fn as_value(&self) -> ValueInfo {
        let size = |(place, size): (usize, u64)| match place {
            0 if self.has_open_batch => Dimension { dim_value: None, dim_param: Some("batch".to_owned()) },
            _ => Dimension { dim_value: Some(size as i64), dim_param: None },
        };
        let dim = self.sizes().into_iter().enumerate().map(size).collect();
        let tensor_type = OnnxType { elem_type: onnx_type(self.kind), shape: Some(TensorShape { dim }) };
        ValueInfo { name: self.name.clone(), r#type: Some(Type { tensor_type: Some(tensor_type) }) }
    }

    /// The whole numbers of a constant of few.
    pub fn integers(&self) -> Result<Vec<i64>, String> {
        let data = self.data.filter(|_| self.elements() <= MAX_VALUES as u64);
        let data =
            data.ok_or_else(|| format!("the values of its input `{}` are not in the file", shown(&self.name)))?;
        match self.kind {
            TensorType::INT32 => Ok(data.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b).into()).collect()),
            TensorType::INT64 => Ok(data.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect()),
            _ => Err(format!("its input `{}` holds no whole numbers", shown(&self.name))),
        }
    }
}

/// ONNX's number of a type; that of floats for those that no weight has.
pub(super) fn onnx_type(kind: TensorType) -> i32 {
    match kind {
        TensorType::FLOAT16 => data_type::FLOAT16,
        TensorType::FLOAT64 => data_type::DOUBLE,
        TensorType::INT8 | TensorType::INT4 => data_type::INT8,
        TensorType::UINT8 => data_type::UINT8,
        TensorType::INT16 => data_type::INT16,
        TensorType::INT32 => data_type::INT32,
        TensorType::INT64 => data_type::INT64,
        TensorType::BOOL => data_type::BOOL,
        TensorType::STRING => data_type::STRING,
        _ => data_type::FLOAT,
    }
}
