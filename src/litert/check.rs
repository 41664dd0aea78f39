//! Reading a written file back: all its offsets are checked, and what it holds is compared with what was to be written.
//!
//! Not here: running it (`compare`).

use super::model::Model;
use super::schema::{self, ALIGNMENT, TensorType};
use super::write::SIGNATURE;

/// Reads `bytes` back and compares them with `model`.
///
/// # Errors
/// What is wrong first.
pub fn read_back(bytes: &[u8], model: &Model) -> Result<(), String> {
    let root = schema::root(bytes)?;
    let graphs = root.subgraphs().ok_or("it has no graph")?;
    if root.version() != schema::VERSION || graphs.len() != 1 {
        return Err(format!("it is of version {} with {} graphs", root.version(), graphs.len()));
    }
    let (graph, buffers) = (graphs.get(0), root.buffers().ok_or("it has no buffers")?);
    let tensors = graph.tensors().ok_or("it has no tensors")?;
    if tensors.len() != model.tensors.len() {
        return Err(format!("it has {} tensors instead of {}", tensors.len(), model.tensors.len()));
    }
    for (tensor, expected) in tensors.iter().zip(&model.tensors) {
        let name = &expected.name;
        let index = tensor.buffer() as usize;
        let buffer = (index < buffers.len()).then(|| buffers.get(index)).ok_or(format!("{name} lacks a buffer"))?;
        let data = buffer.data().map(|data| data.bytes());
        let is_same = tensor.name() == Some(name)
            && tensor.shape().is_some_and(|shape| shape.iter().eq(expected.shape.iter().copied()))
            && tensor.type_() == expected.kind
            && data == expected.data.as_deref();
        if !is_same {
            return Err(format!("the tensor {name} is not what was written"));
        }
        let Some(data) = data else { continue };
        let elements: usize = expected.shape.iter().map(|side| *side as usize).product();
        if Some(data.len()) != schema::element_bytes(expected.kind).map(|bytes| bytes * elements) {
            return Err(format!("{name} has {} bytes for sizes {:?}", data.len(), expected.shape));
        }
        if !(data.as_ptr() as usize - bytes.as_ptr() as usize).is_multiple_of(ALIGNMENT) {
            return Err(format!("{name} does not begin at a multiple of {ALIGNMENT} bytes"));
        }
        let is_finite = |bytes: &[u8; 4]| f32::from_le_bytes(*bytes).is_finite();
        if expected.kind == TensorType::FLOAT32 && !data.as_chunks().0.iter().all(is_finite) {
            return Err(format!("{name} holds a value that is not finite; check the weights"));
        }
    }
    operators(&root, &graph, model)?;
    let signature = root.signature_defs().filter(|signatures| signatures.len() == 1).map(|all| all.get(0));
    if signature.and_then(|signature| signature.signature_key()) != Some(SIGNATURE) {
        return Err(format!("it has no signature {SIGNATURE}"));
    }
    let metadata = root.metadata().map_or(0, |metadata| metadata.len());
    if metadata != model.metadata.len() {
        return Err(format!("it has {metadata} entries of metadata instead of {}", model.metadata.len()));
    }
    Ok(())
}

/// Whether all operators are there and read what is computed before them.
fn operators(root: &schema::Model, graph: &schema::SubGraph, model: &Model) -> Result<(), String> {
    let codes = root.operator_codes().ok_or("it has no operator codes")?;
    let operators = graph.operators().ok_or("it has no operators")?;
    if operators.len() != model.operators.len() {
        return Err(format!("it has {} operators instead of {}", operators.len(), model.operators.len()));
    }
    let mut is_known: Vec<bool> = model.tensors.iter().map(|tensor| tensor.data.is_some()).collect();
    let place = |id: i32| usize::try_from(id).ok().filter(|place| *place < model.tensors.len());
    for id in graph.inputs().ok_or("it has no inputs")? {
        is_known[place(id).ok_or("an input is no tensor")?] = true;
    }
    for (operator, expected) in operators.iter().zip(&model.operators) {
        let index = operator.opcode_index() as usize;
        let name = expected.code.variant_name().unwrap_or("an operator");
        if index >= codes.len() || codes.get(index).builtin_code() != expected.code {
            return Err(format!("{name} has another code"));
        }
        for id in operator.inputs().ok_or("an operator has no inputs")? {
            if !place(id).is_some_and(|place| is_known[place]) {
                return Err(format!("{name} reads tensor {id} before it is computed"));
            }
        }
        for id in operator.outputs().ok_or("an operator has no outputs")? {
            let place = place(id).ok_or_else(|| format!("{name} writes a tensor that is not there"))?;
            if std::mem::replace(&mut is_known[place], true) {
                return Err(format!("{name} writes tensor {id}, which has a value already"));
            }
        }
    }
    for id in graph.outputs().ok_or("it has no outputs")? {
        if !place(id).is_some_and(|place| is_known[place]) {
            return Err(format!("the output {id} is never computed"));
        }
    }
    Ok(())
}
