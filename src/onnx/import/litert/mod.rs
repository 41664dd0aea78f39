//! `.tflite` files as the messages that ONNX files are decoded to, so that one importer reads both.
//!
//! Maps with four sizes are turned from channels last to channels second. The file states the size of every tensor, so what
//! it computes to learn a size is never needed, and a change of sizes is told by its result. Values of weights stay
//! where they are. `operators` says what each operator is in ONNX. Not here: what operators cost (`super::operators`), the
//! bindings of the format (`crate::litert`).

mod known;
mod operators;

use rustc_hash::FxHashMap;

use super::constant::{MAX_RANK, MAX_VALUES};
use super::error::{Problem, shown};
use super::messages::{Attribute, Graph, Model, Node, OperatorSet, Tensor, attribute_type, data_type};
use crate::litert::schema::{self, TensorType};
use known::{Known, onnx_type};

/// Version of ONNX's operators that the messages are written in.
const OPSET: i64 = 20;
/// Tensors, and operators, of a network; the largest published CNNs have some thousands.
const MAX_PARTS: usize = 200_000;
/// Where each dimension of a map stands in the file.
const ORDER: [usize; 4] = [0, 3, 1, 2];

/// Whether bytes are a `.tflite` file.
pub(super) fn is_litert(bytes: &[u8]) -> bool {
    bytes.get(4..8) == Some(schema::IDENTIFIER.as_bytes())
}

/// Refuses a `.tflite` file where ONNX's own bytes are needed.
pub(super) fn refuse(bytes: &[u8], way_out: &str) -> Result<(), Problem> {
    match is_litert(bytes) {
        true => Err(Problem::Model(format!("it is a LiteRT file, of which only sizes are read; {way_out}"))),
        false => Ok(()),
    }
}

/// Decodes a file's first graph.
pub(super) fn decode(bytes: &[u8]) -> Result<Model, Problem> {
    let root = schema::root(bytes).map_err(|reason| {
        // What follows are the places of tables around it.
        let reason = shown(reason.lines().next().unwrap_or_default());
        Problem::Model(format!("it is not a whole .tflite file ({reason}); copy or convert it again"))
    })?;
    let graph = root.subgraphs().filter(|graphs| !graphs.is_empty()).map(|graphs| graphs.get(0));
    let graph = graph.ok_or_else(|| Problem::Model("it holds no graph; is it a .tflite model?".to_owned()))?;
    let mut translation = Translation::new(&root, &graph)?;
    let codes = root.operator_codes().ok_or_else(|| Problem::Model("it names no operators".to_owned()))?;
    for (place, operator) in graph.operators().into_iter().flatten().enumerate() {
        let index = operator.opcode_index() as usize;
        let code = (index < codes.len()).then(|| codes.get(index));
        let code = code.ok_or_else(|| Problem::Model(format!("operator {} has no code", place + 1)))?;
        translation.place = place;
        operators::translate(&mut translation, &code, &operator)?;
    }
    for id in graph.inputs().into_iter().flatten() {
        let tensor = translation.tensor(id as usize).map_err(Problem::Model)?;
        if tensor.has_open_size {
            let reason = "its height or width is open; convert the model with a fixed size";
            return Err(Problem::Tensor { tensor: tensor.name.clone(), reason: reason.to_owned() });
        }
        let info = tensor.as_value();
        translation.graph.input.push(info);
    }
    for id in graph.outputs().into_iter().flatten() {
        let info = translation.tensor(id as usize).map_err(Problem::Model)?.as_value();
        translation.graph.output.push(info);
    }
    Ok(Model {
        producer_name: root.description().unwrap_or_default().to_owned(),
        graph: Some(translation.graph),
        opset_import: vec![OperatorSet { domain: String::new(), version: OPSET }],
        ..Model::default()
    })
}

/// Sizes of a map in ONNX's order.
fn turned<T: Copy>(dims: &[T]) -> Vec<T> {
    if dims.len() == ORDER.len() { ORDER.iter().map(|place| dims[*place]).collect() } else { dims.to_vec() }
}

/// A file on its way to messages.
struct Translation<'f> {
    tensors: Vec<Known<'f>>,
    graph: Graph,
    /// Names of weights that were added, by tensor and sizes.
    weights: FxHashMap<(usize, Vec<u64>), String>,
    /// Number of the operator, for names.
    place: usize,
    extra: usize,
}

impl<'f> Translation<'f> {
    fn new(root: &schema::Model<'f>, graph: &schema::SubGraph<'f>) -> Result<Self, Problem> {
        let listed = graph.tensors().ok_or_else(|| Problem::Model("it holds no tensors".to_owned()))?;
        let operators = graph.operators().map_or(0, |operators| operators.len());
        if listed.len().max(operators) > MAX_PARTS {
            let reason = format!("it has more than {MAX_PARTS} tensors or operators, which is no network this reads");
            return Err(Problem::Model(reason));
        }
        let mut tensors = Vec::with_capacity(listed.len());
        for (number, tensor) in listed.iter().enumerate() {
            // Files repeat names.
            let name = format!("{number}:{}", tensor.name().unwrap_or_default());
            let problem = |reason: &str| Problem::Tensor { tensor: name.clone(), reason: reason.to_owned() };
            let shape: Vec<i32> = tensor.shape().map(|shape| shape.iter().collect()).unwrap_or_default();
            if shape.len() > MAX_RANK {
                return Err(problem("it has more dimensions than are read"));
            }
            let dims: Option<Vec<u64>> = shape.iter().map(|size| u64::try_from(*size).ok()).collect();
            let dims = dims.ok_or_else(|| problem("it has a negative size"))?;
            let elements = dims.iter().try_fold(1u64, |product, size| product.checked_mul(*size));
            let elements = elements.ok_or_else(|| problem("it is larger than any memory"))?;
            let index = tensor.buffer() as usize;
            let buffer = root.buffers().filter(|buffers| index < buffers.len()).map(|buffers| buffers.get(index));
            let data = buffer.and_then(|buffer| buffer.data()).map(|data| data.bytes()).filter(|data| !data.is_empty());
            if let (Some(data), Some(bytes)) = (data, schema::element_bytes(tensor.type_()))
                && Some(data.len() as u64) != elements.checked_mul(bytes as u64)
            {
                return Err(problem("it has another number of bytes than its sizes say; convert the model again"));
            }
            let is_open = |size: &i32| *size < 0;
            let signature: Vec<i32> = tensor.shape_signature().map(|shape| shape.iter().collect()).unwrap_or_default();
            tensors.push(Known {
                name,
                dims,
                kind: tensor.type_(),
                data,
                has_open_batch: signature.first().is_some_and(is_open),
                has_open_size: signature.iter().skip(1).any(is_open),
            });
        }
        let (graph, weights) = (Graph::default(), FxHashMap::default());
        Ok(Self { tensors, graph, weights, place: 0, extra: 0 })
    }

    fn tensor(&self, id: usize) -> Result<&Known<'f>, String> {
        self.tensors.get(id).ok_or_else(|| format!("there is no tensor {id}; convert the model again"))
    }

    /// A name for a value that the file does not have.
    fn between(&mut self) -> String {
        self.extra += 1;
        format!("between {}", self.extra)
    }

    /// Adds a node that belongs to the operator under way.
    fn push(&mut self, node: Node) {
        let name = format!("operator {}", self.place + 1);
        self.graph.node.push(Node { name, ..node });
    }

    /// A node of ONNX's own with one output.
    fn node(&mut self, operation: &str, input: Vec<String>, output: String, attribute: Vec<Attribute>) {
        let (op_type, output) = (operation.to_owned(), vec![output]);
        self.push(Node { input, output, op_type, attribute, ..Node::default() });
    }

    /// An operator that nothing here knows, timed by its sizes; those of its outputs stand in the file.
    fn unknown(&mut self, operation: &str, input: Vec<String>, outputs: &[usize]) -> Result<(), String> {
        let mut output = Vec::new();
        for id in outputs {
            let tensor = self.tensor(*id)?;
            let info = tensor.as_value();
            output.push(tensor.name.clone());
            self.graph.value_info.push(info);
        }
        let (op_type, domain) = (operation.to_owned(), "tflite".to_owned());
        self.push(Node { input, output, op_type, domain, ..Node::default() });
        Ok(())
    }

    /// Whole numbers as a constant.
    fn numbers(&mut self, values: &[i64]) -> String {
        let name = self.between();
        self.graph.initializer.push(Tensor {
            dims: vec![values.len() as i64],
            data_type: data_type::INT64,
            int64_data: values.to_vec(),
            name: name.clone(),
            ..Tensor::default()
        });
        name
    }

    /// One float as a constant.
    fn number(&mut self, value: f32) -> String {
        let name = self.between();
        let tensor =
            Tensor { data_type: data_type::FLOAT, float_data: vec![value], name: name.clone(), ..Tensor::default() };
        self.graph.initializer.push(tensor);
        name
    }

    /// A constant of the file under these sizes; the float that an integer weight stands for.
    fn weight(&mut self, id: usize, dims: Vec<u64>) -> Result<String, String> {
        if let Some(name) = self.weights.get(&(id, dims.clone())) {
            return Ok(name.clone());
        }
        let tensor = self.tensor(id)?;
        let (kind, data) = (tensor.kind, tensor.data);
        let name = format!("{} {}", tensor.name, self.weights.len());
        let few = data.filter(|data| kind == TensorType::FLOAT32 && data.len() <= 4 * MAX_VALUES);
        let floats = |data: &[u8]| data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        self.graph.initializer.push(Tensor {
            dims: dims.iter().map(|size| *size as i64).collect(),
            data_type: onnx_type(kind),
            name: name.clone(),
            float_data: few.map(floats).unwrap_or_default(),
            // Sizes are enough: values stay where they are.
            data_location: i32::from(few.is_none()),
            ..Tensor::default()
        });
        let is_integer = !matches!(kind, TensorType::FLOAT32 | TensorType::FLOAT16 | TensorType::FLOAT64);
        let found = if is_integer {
            let float = self.between();
            self.node("DequantizeLinear", vec![name], float.clone(), Vec::new());
            float
        } else {
            name
        };
        self.weights.insert((id, dims), found.clone());
        Ok(found)
    }

    /// A value in ONNX's order: computed, or a constant of the file.
    fn value(&mut self, id: usize) -> Result<String, String> {
        let tensor = self.tensor(id)?;
        match tensor.data {
            None => Ok(tensor.name.clone()),
            Some(_) => {
                let sizes = tensor.sizes();
                self.weight(id, sizes)
            }
        }
    }

    /// A value under other sizes of as many elements.
    fn resized(&mut self, value: String, sizes: &[u64]) -> String {
        let output = self.between();
        self.resize_into(value, sizes, output.clone());
        output
    }

    fn resize_into(&mut self, value: String, sizes: &[u64], output: String) {
        let shape = self.numbers(&sizes.iter().map(|size| *size as i64).collect::<Vec<_>>());
        self.node("Reshape", vec![value, shape], output, Vec::new());
    }

    /// Gives a value that an operator made under `sizes` the name and the sizes of a tensor of the file.
    fn finish(&mut self, value: String, sizes: &[u64], output: usize) -> Result<(), String> {
        let tensor = self.tensor(output)?;
        let (name, wanted) = (tensor.name.clone(), tensor.sizes());
        match sizes == wanted {
            true => self.node("Identity", vec![value], name, Vec::new()),
            false => self.resize_into(value, &wanted, name),
        }
        Ok(())
    }
}

/// The dimension of ONNX's order for one of the file's, counted from the end if negative.
fn turned_axis(axis: i64, rank: usize) -> Result<usize, String> {
    let place = if axis < 0 { axis + rank as i64 } else { axis };
    let place = usize::try_from(place).ok().filter(|place| *place < rank);
    let place = place.ok_or_else(|| format!("it names dimension {axis} of {rank}"))?;
    Ok(if rank == ORDER.len() { ORDER.iter().position(|from| *from == place).unwrap_or(place) } else { place })
}

/// Attributes of nodes.
mod attribute {
    use super::{Attribute, attribute_type};

    pub fn int(name: &str, i: i64) -> Attribute {
        Attribute { name: name.to_owned(), i, r#type: attribute_type::INT, ..Attribute::default() }
    }

    pub fn ints(name: &str, ints: Vec<i64>) -> Attribute {
        Attribute { name: name.to_owned(), ints, r#type: attribute_type::INTS, ..Attribute::default() }
    }

    pub fn text(name: &str, text: &'static str) -> Attribute {
        let s = prost::bytes::Bytes::from_static(text.as_bytes());
        Attribute { name: name.to_owned(), s, r#type: attribute_type::STRING, ..Attribute::default() }
    }
}
