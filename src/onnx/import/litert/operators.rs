//! What each operator of a `.tflite` file is in ONNX.

use super::attribute::{int, ints, text};
use super::{Translation, turned, turned_axis};
use crate::litert::schema::{
    ActivationFunctionType as Fused, BuiltinOperator as Code, Operator, OperatorCode, Padding,
};
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
                let axis = turned_axis(axis.into(), self.output_dims(0)?.len())? as i64;
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
                self.to.finish(input, &sizes, self.outputs[0])
            }
            Code::TRANSPOSE => self.transpose(),
            Code::SLICE | Code::STRIDED_SLICE if self.output_dims(0)?.len() == self.rank(0)? => self.slice(),
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

    fn output_dims(&self, place: usize) -> Result<&[u64], String> {
        let id = self.outputs.get(place).ok_or_else(|| "it has no output; convert the model again".to_owned())?;
        Ok(&self.to.tensor(*id)?.dims)
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
        let rank = self.output_dims(0)?.len();
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
        self.output_dims(0)?;
        let output = self.to.tensor(self.outputs[0])?.name.clone();
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

    /// Sizes of weights in the order of `places`, and the weights under them.
    fn kernel(&mut self, place: usize, places: [usize; 4]) -> Result<(Vec<u64>, String), String> {
        let id = self.id(place)?;
        let dims = self.dims(place)?;
        if dims.len() != 4 {
            return Err(format!("its weights have {} dimensions, not 4", dims.len()));
        }
        let sizes: Vec<u64> = places.iter().map(|place| dims[*place]).collect();
        let weights = match self.to.tensor(id)?.data {
            Some(_) => self.to.weight(id, sizes.clone())?,
            None => {
                let value = self.to.value(id)?;
                self.to.resized(value, &sizes)
            }
        };
        Ok((sizes, weights))
    }

    /// Weights' bias, where there is one.
    fn with_bias(&mut self, mut inputs: Vec<String>, place: usize) -> Result<Vec<String>, String> {
        if self.inputs.get(place).copied().flatten().is_some() {
            inputs.push(self.value(place)?);
        }
        Ok(inputs)
    }

    fn convolution(&mut self) -> Result<(), String> {
        let options = self.operator.builtin_options_as_conv_2_doptions().ok_or("it has no options")?;
        let (sizes, weights) = self.kernel(1, [0, 3, 1, 2])?;
        let channels = self.dims(0)?.last().copied().unwrap_or(0);
        if sizes[1] == 0 || !channels.is_multiple_of(sizes[1]) {
            return Err(format!("its input has {channels} channels, its weights take {}", sizes[1]));
        }
        let inputs = vec![self.value(0)?, weights];
        let inputs = self.with_bias(inputs, 2)?;
        let attributes = vec![
            int("group", (channels / sizes[1]) as i64),
            ints("strides", vec![options.stride_h().into(), options.stride_w().into()]),
            ints("dilations", vec![options.dilation_h_factor().into(), options.dilation_w_factor().into()]),
            padding(options.padding()),
        ];
        self.fused("Conv", inputs, attributes, options.fused_activation_function())
    }

    fn depthwise(&mut self) -> Result<(), String> {
        let options = self.operator.builtin_options_as_depthwise_conv_2_doptions().ok_or("it has no options")?;
        let (_, weights) = self.kernel(1, [3, 0, 1, 2])?;
        let channels = self.dims(0)?.last().copied().unwrap_or(0);
        let inputs = vec![self.value(0)?, weights];
        let inputs = self.with_bias(inputs, 2)?;
        let attributes = vec![
            int("group", channels as i64),
            ints("strides", vec![options.stride_h().into(), options.stride_w().into()]),
            ints("dilations", vec![options.dilation_h_factor().into(), options.dilation_w_factor().into()]),
            padding(options.padding()),
        ];
        self.fused("Conv", inputs, attributes, options.fused_activation_function())
    }

    fn transposed_convolution(&mut self) -> Result<(), String> {
        let options = self.operator.builtin_options_as_transpose_conv_options().ok_or("it has no options")?;
        let (_, weights) = self.kernel(1, [3, 0, 1, 2])?;
        let inputs = vec![self.value(2)?, weights];
        let inputs = self.with_bias(inputs, 3)?;
        let output = turned(self.output_dims(0)?);
        let attributes = vec![
            ints("strides", vec![options.stride_h().into(), options.stride_w().into()]),
            ints("output_shape", output.iter().skip(2).map(|size| *size as i64).collect()),
            padding(options.padding()),
        ];
        self.fused("ConvTranspose", inputs, attributes, options.fused_activation_function())
    }

    fn fully_connected(&mut self) -> Result<(), String> {
        let options = self.operator.builtin_options_as_fully_connected_options();
        let (keeps, fused) =
            options.map_or((false, Fused::NONE), |o| (o.keep_num_dims(), o.fused_activation_function()));
        let [outputs, columns] = *self.dims(1)? else {
            return Err("its weights are no matrix".to_owned());
        };
        let dims = self.dims(0)?.to_vec();
        let elements: u64 = dims.iter().product();
        if columns == 0 || !elements.is_multiple_of(columns) {
            return Err(format!("its weights take {columns} values, its input has sizes {dims:?}"));
        }
        let (id, input) = (self.id(1)?, self.value(0)?);
        let is_constant = self.to.tensor(id)?.data.is_some();
        match dims.len() {
            // On every pixel of a map.
            4 if keeps && is_constant => {
                let weights = self.to.weight(id, vec![outputs, columns, 1, 1])?;
                let inputs = self.with_bias(vec![input, weights], 2)?;
                self.fused("Conv", inputs, Vec::new(), fused)
            }
            // On every vector of a sequence.
            3 if is_constant => {
                let weights = self.to.weight(id, vec![columns, outputs])?;
                let product = self.to.between();
                self.to.node("MatMul", vec![input, weights], product.clone(), Vec::new());
                let mut value = product;
                if self.inputs.get(2).copied().flatten().is_some() {
                    let sum = self.to.between();
                    let inputs = self.with_bias(vec![value], 2)?;
                    self.to.node("Add", inputs, sum.clone(), Vec::new());
                    value = sum;
                }
                let sizes = [dims[0], dims[1], outputs];
                let wanted = turned(self.output_dims(0)?);
                if sizes[..] != wanted[..] {
                    value = self.to.resized(value, &wanted);
                }
                self.fused("Identity", vec![value], Vec::new(), fused)
            }
            _ => {
                let rows = elements / columns;
                let flat = if dims.len() == 2 { input } else { self.to.resized(input, &[rows, columns]) };
                let weights = self.value(1)?;
                let inputs = self.with_bias(vec![flat, weights], 2)?;
                let wanted = turned(self.output_dims(0)?);
                let attributes = vec![int("transB", 1)];
                if wanted == [rows, outputs] {
                    return self.fused("Gemm", inputs, attributes, fused);
                }
                let product = self.to.between();
                self.to.node("Gemm", inputs, product.clone(), attributes);
                let value = self.to.resized(product, &wanted);
                self.fused("Identity", vec![value], Vec::new(), fused)
            }
        }
    }

    fn batch_matmul(&mut self) -> Result<(), String> {
        let options = self.operator.builtin_options_as_batch_mat_mul_options();
        let flips = options.map_or([false; 2], |o| [o.adj_x(), o.adj_y()]);
        let mut inputs = Vec::new();
        for (place, flip) in flips.into_iter().enumerate() {
            let mut dims = self.dims(place)?.to_vec();
            let is_turned = dims.len() == 4;
            if let [.., rows, columns] = &mut dims[..]
                && flip
            {
                std::mem::swap(rows, columns);
            }
            let id = self.id(place)?;
            inputs.push(match self.to.tensor(id)?.data {
                Some(_) => self.to.weight(id, dims)?,
                None if flip || is_turned => {
                    let value = self.to.value(id)?;
                    self.to.resized(value, &dims)
                }
                None => self.to.value(id)?,
            });
        }
        let (product, sizes) = (self.to.between(), self.output_dims(0)?.to_vec());
        self.to.node("MatMul", inputs, product.clone(), Vec::new());
        self.to.finish(product, &sizes, self.outputs[0])
    }

    fn pool(&mut self, operation: &str) -> Result<(), String> {
        let options = self.operator.builtin_options_as_pool_2_doptions().ok_or("it has no options")?;
        let attributes = vec![
            ints("kernel_shape", vec![options.filter_height().into(), options.filter_width().into()]),
            ints("strides", vec![options.stride_h().into(), options.stride_w().into()]),
            padding(options.padding()),
        ];
        let input = self.value(0)?;
        self.fused(operation, vec![input], attributes, options.fused_activation_function())
    }

    fn reduce(&mut self, operation: &str) -> Result<(), String> {
        let keeps = self.operator.builtin_options_as_reducer_options().is_some_and(|options| options.keep_dims());
        let dims = self.dims(0)?.to_vec();
        let axes = self.integers(1)?;
        let axes: Vec<usize> = axes.iter().map(|axis| turned_axis(*axis, dims.len())).collect::<Result<_, _>>()?;
        let sizes = turned(&dims).into_iter().enumerate();
        let sizes: Vec<u64> = match keeps {
            true => sizes.map(|(place, size)| if axes.contains(&place) { 1 } else { size }).collect(),
            false => sizes.filter(|(place, _)| !axes.contains(place)).map(|(_, size)| size).collect(),
        };
        let (input, reduced) = (self.value(0)?, self.to.between());
        let axes = self.to.numbers(&axes.iter().map(|axis| *axis as i64).collect::<Vec<_>>());
        self.output_dims(0)?;
        self.to.node(operation, vec![input, axes], reduced.clone(), vec![int("keepdims", keeps.into())]);
        self.to.finish(reduced, &sizes, self.outputs[0])
    }

    fn pad(&mut self, code: Code) -> Result<(), String> {
        let rank = self.rank(0)?;
        let pairs = self.integers(1)?;
        if pairs.len() != 2 * rank {
            return Err(format!("it pads {} sides of {rank} dimensions", pairs.len()));
        }
        let side = |last: usize| turned(&(0..rank).map(|place| pairs[2 * place + last]).collect::<Vec<i64>>());
        let pads = [side(0), side(1)].concat();
        let inputs = vec![self.value(0)?, self.to.numbers(&pads)];
        let mode = if code == Code::MIRROR_PAD { vec![text("mode", "reflect")] } else { Vec::new() };
        self.node("Pad", inputs, mode)
    }

    fn resize(&mut self, mode: &'static str) -> Result<(), String> {
        let sizes: Vec<i64> = turned(self.output_dims(0)?).iter().map(|size| *size as i64).collect();
        let inputs = vec![self.value(0)?, String::new(), String::new(), self.to.numbers(&sizes)];
        self.node("Resize", inputs, vec![text("mode", mode)])
    }

    fn transpose(&mut self) -> Result<(), String> {
        let order = self.integers(1)?;
        let rank = self.rank(0)?;
        let places: Vec<usize> = order.iter().map(|axis| turned_axis(*axis, rank)).collect::<Result<_, _>>()?;
        if places.len() != rank {
            return Err(format!("it orders {} of {rank} dimensions", places.len()));
        }
        let order = turned(&places).iter().map(|place| *place as i64).collect();
        let input = self.value(0)?;
        self.node("Transpose", vec![input], vec![ints("perm", order)])
    }

    /// Where a slice begins does not change what it costs.
    fn slice(&mut self) -> Result<(), String> {
        let ends: Vec<i64> = turned(self.output_dims(0)?).iter().map(|size| *size as i64).collect();
        let inputs = vec![self.value(0)?, self.to.numbers(&vec![0; ends.len()]), self.to.numbers(&ends)];
        self.node("Slice", inputs, Vec::new())
    }

    fn split(&mut self, place: usize, axis: i64) -> Result<(), String> {
        let axis = turned_axis(axis, self.rank(place)?)?;
        let mut sizes = Vec::new();
        let mut output = Vec::new();
        for id in &self.outputs {
            let tensor = self.to.tensor(*id)?;
            sizes.push(tensor.sizes().get(axis).map_or(0, |size| *size as i64));
            output.push(tensor.name.clone());
        }
        let inputs = vec![self.value(place)?, self.to.numbers(&sizes)];
        self.to.node("Split", inputs, String::new(), vec![int("axis", axis as i64)]);
        if let Some(node) = self.to.graph.node.last_mut() {
            node.output = output;
        }
        Ok(())
    }

    /// Of a constant, such as weights in float16: another constant of the file.
    fn dequantize(&mut self) -> Result<(), String> {
        let (from, to) = (self.id(0)?, self.outputs.first().copied().unwrap_or(usize::MAX));
        let tensor = self.to.tensor(from)?;
        let (kind, data) = (tensor.kind, tensor.data);
        self.output_dims(0)?;
        if data.is_some() {
            (self.to.tensors[to].kind, self.to.tensors[to].data) = (kind, data);
            return Ok(());
        }
        let input = self.value(0)?;
        self.node("DequantizeLinear", vec![input], Vec::new())
    }
}

fn padding(padding: Padding) -> Attribute {
    text("auto_pad", if padding == Padding::SAME { "SAME_UPPER" } else { "VALID" })
}
