//! What each operator of a `.tflite` file is in ONNX.

mod layout;
mod product;
mod window;

use super::attribute::int;
use super::{Translation, turned, turned_axis};
use crate::litert::schema::{ActivationFunctionType as Fused, BuiltinOperator as Code, Operator, OperatorCode};
use crate::onnx::import::error::{Problem, shown};
use crate::onnx::import::messages::Attribute;

/// Operators that compute each element by itself.
const UNARY: [(Code, &str); 19] = [
    (Code::ABS, "Abs"),
    (Code::CEIL, "Ceil"),
    (Code::COS, "Cos"),
    (Code::ELU, "Elu"),
    (Code::EXP, "Exp"),
    (Code::FLOOR, "Floor"),
    (Code::GELU, "Gelu"),
    (Code::HARD_SWISH, "HardSwish"),
    (Code::LEAKY_RELU, "LeakyRelu"),
    (Code::LOG, "Log"),
    (Code::LOGISTIC, "Sigmoid"),
    (Code::NEG, "Neg"),
    (Code::RELU, "Relu"),
    (Code::ROUND, "Round"),
    (Code::RSQRT, "Sqrt"),
    (Code::SIGN, "Sign"),
    (Code::SIN, "Sin"),
    (Code::SQRT, "Sqrt"),
    (Code::TANH, "Tanh"),
];

/// Operators on two tensors, element by element.
const BINARY: [(Code, &str); 8] = [
    (Code::ADD, "Add"),
    (Code::DIV, "Div"),
    (Code::MAXIMUM, "Max"),
    (Code::MINIMUM, "Min"),
    (Code::MUL, "Mul"),
    (Code::POW, "Pow"),
    (Code::SQUARED_DIFFERENCE, "Sub"),
    (Code::SUB, "Sub"),
];

const REDUCE: [(Code, &str); 5] = [
    (Code::MEAN, "ReduceMean"),
    (Code::REDUCE_MAX, "ReduceMax"),
    (Code::REDUCE_MIN, "ReduceMin"),
    (Code::REDUCE_PROD, "ReduceProd"),
    (Code::SUM, "ReduceSum"),
];

/// An operator that is translated.
struct Call<'t, 'f, 'o> {
    to: &'t mut Translation<'f>,
    operator: &'o Operator<'f>,
    /// None where an input is left out.
    inputs: Vec<Option<usize>>,
    outputs: Vec<usize>,
}

/// Adds the nodes for one operator.
pub(super) fn translate<'f>(
    to: &mut Translation<'f>,
    code: &OperatorCode<'f>,
    operator: &Operator<'f>,
) -> Result<(), Problem> {
    // Files older than the wider field have the code in the narrow one.
    let narrow = Code(i32::from(code.deprecated_builtin_code()));
    let kind = if code.builtin_code().0 > narrow.0 { code.builtin_code() } else { narrow };
    let name = match (kind, code.custom_code()) {
        (Code::CUSTOM, Some(custom)) => shown(custom),
        _ => kind.variant_name().map_or_else(|| format!("operator {}", kind.0), str::to_owned),
    };
    let node = format!("operator {}", to.place + 1);
    let inputs = operator.inputs().into_iter().flatten().map(|id| usize::try_from(id).ok()).collect();
    let outputs = operator.outputs().into_iter().flatten().map(|id| id as usize).collect();
    let mut call = Call { to, operator, inputs, outputs };
    call.translate(kind, &name).map_err(|reason| Problem::Node { node, operation: name, reason })
}

impl Call<'_, '_, '_> {
    fn translate(&mut self, code: Code, name: &str) -> Result<(), String> {
        if let Some((_, operation)) = UNARY.iter().find(|(known, _)| *known == code) {
            let input = self.value(0)?;
            return self.node(operation, vec![input], Vec::new());
        }
        if let Some((_, operation)) = BINARY.iter().find(|(known, _)| *known == code) {
            let inputs = vec![self.operand(0)?, self.operand(1)?];
            return self.fused(operation, inputs, Vec::new(), self.binary_activation(code));
        }
        if let Some((_, operation)) = REDUCE.iter().find(|(known, _)| *known == code) {
            return self.reduce(operation);
        }
        match code {
            Code::CONV_2D => self.convolution(),
            Code::DEPTHWISE_CONV_2D => self.depthwise(),
            Code::TRANSPOSE_CONV => self.transposed_convolution(),
            Code::FULLY_CONNECTED => self.fully_connected(),
            Code::BATCH_MATMUL => self.batch_matmul(),
            Code::AVERAGE_POOL_2D => self.pool("AveragePool"),
            Code::MAX_POOL_2D => self.pool("MaxPool"),
            Code::RELU6 => self.clip(0.0, 6.0),
            Code::RELU_N1_TO_1 => self.clip(-1.0, 1.0),
            Code::RELU_0_TO_1 => self.clip(0.0, 1.0),
            Code::PRELU => {
                let inputs = vec![self.value(0)?, self.operand(1)?];
                self.node("PRelu", inputs, Vec::new())
            }
            Code::SQUARE => {
                let input = self.value(0)?;
                self.node("Mul", vec![input.clone(), input], Vec::new())
            }
            Code::SOFTMAX | Code::LOG_SOFTMAX => {
                let axis = turned_axis(-1, self.rank(0)?)? as i64;
                let input = self.value(0)?;
                let operation = if code == Code::SOFTMAX { "Softmax" } else { "LogSoftmax" };
                self.node(operation, vec![input], vec![int("axis", axis)])
            }
            Code::CONCATENATION => {
                let options = self.operator.builtin_options_as_concatenation_options();
                let (axis, fused) = options.map_or((-1, Fused::NONE), |o| (o.axis(), o.fused_activation_function()));
                let axis = turned_axis(axis.into(), self.output_dims()?.len())? as i64;
                let inputs = (0..self.inputs.len()).map(|place| self.value(place)).collect::<Result<_, _>>()?;
                self.fused("Concat", inputs, vec![int("axis", axis)], fused)
            }
            Code::PAD | Code::PADV2 | Code::MIRROR_PAD => self.pad(code),
            Code::RESIZE_BILINEAR => self.resize("linear"),
            Code::RESIZE_NEAREST_NEIGHBOR => self.resize("nearest"),
            Code::DEPTH_TO_SPACE => {
                let size = self.operator.builtin_options_as_depth_to_space_options().map_or(2, |o| o.block_size());
                let input = self.value(0)?;
                self.node("DepthToSpace", vec![input], vec![int("blocksize", size.into())])
            }
            Code::SPACE_TO_DEPTH => {
                let size = self.operator.builtin_options_as_space_to_depth_options().map_or(2, |o| o.block_size());
                let input = self.value(0)?;
                self.node("SpaceToDepth", vec![input], vec![int("blocksize", size.into())])
            }
            Code::RESHAPE | Code::SQUEEZE | Code::EXPAND_DIMS => {
                let (input, sizes) = (self.value(0)?, turned(self.dims(0)?));
                self.finish(input, &sizes)
            }
            Code::TRANSPOSE => self.transpose(),
            Code::SLICE | Code::STRIDED_SLICE if self.output_dims()?.len() == self.rank(0)? => self.slice(),
            Code::SPLIT => {
                let axis = self.integers(0)?.first().copied().unwrap_or(0);
                self.split(1, axis)
            }
            Code::SPLIT_V => {
                let axis = self.integers(2)?.first().copied().unwrap_or(0);
                self.split(0, axis)
            }
            Code::CAST => {
                let input = self.value(0)?;
                self.node("Identity", vec![input], Vec::new())
            }
            Code::QUANTIZE => {
                let input = self.value(0)?;
                self.node("QuantizeLinear", vec![input], Vec::new())
            }
            Code::DEQUANTIZE => self.dequantize(),
            Code::WHILE | Code::IF | Code::CALL_ONCE => {
                Err("control flow has no fixed cost; convert the model without it".to_owned())
            }
            _ => {
                let inputs = (0..self.inputs.len()).filter(|place| self.inputs[*place].is_some());
                let inputs: Vec<usize> = inputs.collect();
                let inputs = inputs.into_iter().map(|place| self.value(place)).collect::<Result<_, _>>()?;
                self.to.unknown(name, inputs, &self.outputs)
            }
        }
    }

    fn id(&self, place: usize) -> Result<usize, String> {
        let id = self.inputs.get(place).copied().flatten();
        id.ok_or_else(|| format!("its input {} is missing; convert the model again", place + 1))
    }

    fn dims(&self, place: usize) -> Result<&[u64], String> {
        Ok(&self.to.tensor(self.id(place)?)?.dims)
    }

    fn rank(&self, place: usize) -> Result<usize, String> {
        Ok(self.dims(place)?.len())
    }

    fn output(&self) -> Result<usize, String> {
        self.outputs.first().copied().ok_or_else(|| "it has no output; convert the model again".to_owned())
    }

    /// Sizes of the first output.
    fn output_dims(&self) -> Result<&[u64], String> {
        Ok(&self.to.tensor(self.output()?)?.dims)
    }

    /// Makes a value the first output.
    fn finish(&mut self, value: String, sizes: &[u64]) -> Result<(), String> {
        let output = self.output()?;
        self.to.finish(value, sizes, output)
    }

    fn integers(&self, place: usize) -> Result<Vec<i64>, String> {
        self.to.tensor(self.id(place)?)?.integers()
    }

    fn value(&mut self, place: usize) -> Result<String, String> {
        let id = self.id(place)?;
        self.to.value(id)
    }

    /// An input that is spread over the sizes of the output, whose last dimensions it has.
    fn operand(&mut self, place: usize) -> Result<String, String> {
        let id = self.id(place)?;
        let rank = self.output_dims()?.len();
        let dims = self.dims(place)?;
        if dims.len() >= rank {
            return self.to.value(id);
        }
        let mut spread = vec![1; rank - dims.len()];
        spread.extend_from_slice(dims);
        let spread = turned(&spread);
        if self.to.tensor(id)?.data.is_some() {
            return self.to.weight(id, spread);
        }
        let value = self.to.value(id)?;
        Ok(self.to.resized(value, &spread))
    }

    /// A node for the first output.
    fn node(&mut self, operation: &str, inputs: Vec<String>, attributes: Vec<Attribute>) -> Result<(), String> {
        self.fused(operation, inputs, attributes, Fused::NONE)
    }

    /// A node for the first output with the activation behind it.
    fn fused(
        &mut self,
        operation: &str,
        inputs: Vec<String>,
        attributes: Vec<Attribute>,
        activation: Fused,
    ) -> Result<(), String> {
        let output = self.to.tensor(self.output()?)?.name.clone();
        let (then, limits) = match activation {
            Fused::NONE => {
                self.to.node(operation, inputs, output, attributes);
                return Ok(());
            }
            Fused::RELU => ("Relu", None),
            Fused::TANH => ("Tanh", None),
            Fused::RELU6 => ("Clip", Some([0.0, 6.0])),
            Fused::RELU_N1_TO_1 => ("Clip", Some([-1.0, 1.0])),
            _ => return Err("its activation is not known here".to_owned()),
        };
        let before = self.to.between();
        self.to.node(operation, inputs, before.clone(), attributes);
        let mut inputs = vec![before];
        inputs.extend(limits.into_iter().flatten().map(|limit| self.to.number(limit)));
        self.to.node(then, inputs, output, Vec::new());
        Ok(())
    }

    fn binary_activation(&self, code: Code) -> Fused {
        let operator = self.operator;
        let found = match code {
            Code::ADD => operator.builtin_options_as_add_options().map(|o| o.fused_activation_function()),
            Code::SUB => operator.builtin_options_as_sub_options().map(|o| o.fused_activation_function()),
            Code::MUL => operator.builtin_options_as_mul_options().map(|o| o.fused_activation_function()),
            Code::DIV => operator.builtin_options_as_div_options().map(|o| o.fused_activation_function()),
            _ => None,
        };
        found.unwrap_or(Fused::NONE)
    }

    fn clip(&mut self, low: f32, high: f32) -> Result<(), String> {
        let inputs = vec![self.value(0)?, self.to.number(low), self.to.number(high)];
        self.node("Clip", inputs, Vec::new())
    }

    /// Weights' bias, where there is one.
    fn with_bias(&mut self, mut inputs: Vec<String>, place: usize) -> Result<Vec<String>, String> {
        if self.inputs.get(place).copied().flatten().is_some() {
            inputs.push(self.value(place)?);
        }
        Ok(inputs)
    }

    /// Of a constant, such as weights in float16: another constant of the file.
    fn dequantize(&mut self) -> Result<(), String> {
        let (from, to) = (self.id(0)?, self.output()?);
        let tensor = self.to.tensor(from)?;
        let (kind, data) = (tensor.kind, tensor.data);
        self.to.tensor(to)?;
        if data.is_some() {
            (self.to.tensors[to].kind, self.to.tensors[to].data) = (kind, data);
            return Ok(());
        }
        let input = self.value(0)?;
        self.node("DequantizeLinear", vec![input], Vec::new())
    }
}
