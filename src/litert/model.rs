//! A model in memory as a `.tflite` file will hold it: tensors, operators, names.
//!
//! Not here: its bytes (`write`), where operators come from (`convert`).

use prost::bytes::Bytes;

use super::schema::{ActivationFunctionType, BuiltinOperator, Padding, TensorType};

/// Number of a tensor.
pub type TensorId = i32;

/// A tensor; without data it is computed.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub name: String,
    /// Sizes in the order of the memory; 1 stands for an open batch.
    pub shape: Vec<i32>,
    /// Whether the first size is an open batch.
    pub has_open_batch: bool,
    pub kind: TensorType,
    /// Little-endian values of a constant.
    pub data: Option<Bytes>,
    /// Whether it holds whole numbers that stand for themselves: scale 1, zero point 0.
    pub is_unit_scaled: bool,
}

/// What an operator has besides inputs and outputs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Options {
    None,
    Arithmetic(ActivationFunctionType),
    BatchMatMul {
        transpose_second: bool,
    },
    Concatenation {
        axis: i32,
    },
    Convolution {
        padding: Padding,
        stride: [i32; 2],
        dilation: [i32; 2],
        activation: ActivationFunctionType,
        /// Outputs of each channel of a depthwise one.
        multiplier: Option<i32>,
    },
    Block(i32),
    FullyConnected {
        activation: ActivationFunctionType,
        keep_dimensions: bool,
    },
    LeakyRelu {
        slope: f32,
    },
    Pool {
        padding: Padding,
        stride: [i32; 2],
        window: [i32; 2],
    },
    Reduce {
        keep_dimensions: bool,
    },
    Resize {
        align_corners: bool,
        half_pixel_centers: bool,
    },
}

/// One operator.
#[derive(Clone, Debug)]
pub struct Operator {
    pub code: BuiltinOperator,
    /// Version of its meaning: the lowest that has what it uses.
    pub version: i32,
    pub inputs: Vec<TensorId>,
    pub outputs: Vec<TensorId>,
    pub options: Options,
}

/// A tensor by the name that programs ask for.
pub type Named = (String, TensorId);

/// A whole model.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub tensors: Vec<Tensor>,
    /// In execution order.
    pub operators: Vec<Operator>,
    pub inputs: Vec<Named>,
    pub outputs: Vec<Named>,
    /// Keys and values, each value a buffer of UTF-8.
    pub metadata: Vec<(String, String)>,
}

impl Model {
    pub fn add(&mut self, tensor: Tensor) -> TensorId {
        self.tensors.push(tensor);
        self.tensors.len() as TensorId - 1
    }

    /// An operator with one output.
    pub fn operate(&mut self, code: BuiltinOperator, inputs: &[TensorId], output: TensorId, options: Options) {
        self.operate_version(code, 1, inputs, output, options);
    }

    pub fn operate_version(
        &mut self,
        code: BuiltinOperator,
        version: i32,
        inputs: &[TensorId],
        output: TensorId,
        options: Options,
    ) {
        self.operators.push(Operator { code, version, inputs: inputs.to_vec(), outputs: vec![output], options });
    }

    pub fn tensor(&self, id: TensorId) -> Option<&Tensor> {
        self.tensors.get(usize::try_from(id).ok()?)
    }

    pub fn constant(&mut self, name: String, shape: &[usize], kind: TensorType, data: Vec<u8>) -> TensorId {
        let shape = shape.iter().map(|side| *side as i32).collect();
        self.add(Tensor {
            name,
            shape,
            has_open_batch: false,
            kind,
            data: Some(Bytes::from(data)),
            is_unit_scaled: false,
        })
    }

    pub fn floats(&mut self, name: String, shape: &[usize], values: &[f32]) -> TensorId {
        let mut data = Vec::with_capacity(4 * values.len());
        values.iter().for_each(|value| data.extend_from_slice(&value.to_le_bytes()));
        self.constant(name, shape, TensorType::FLOAT32, data)
    }

    pub fn integers(&mut self, name: String, shape: &[usize], values: &[i32]) -> TensorId {
        let data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, shape, TensorType::INT32, data)
    }
}
