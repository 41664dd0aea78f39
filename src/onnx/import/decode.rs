//! From bytes to messages, counting first: a few bytes of a hostile file may ask for a hundred
//! times their size in memory.

use prost::Message;
use prost::bytes::Bytes;

use super::error::Problem;
use super::messages::Model;

/// Nodes of a network; the largest published CNNs have some thousands.
const MAX_NODES: u64 = 200_000;
/// Fields of all nodes together: names, inputs, outputs, attributes.
const MAX_NODE_FIELDS: u64 = 20 * MAX_NODES;
/// Attributes of all nodes together, the largest of their fields.
const MAX_ATTRIBUTES: u64 = 5 * MAX_NODES;
/// Tensors, descriptions of values and other messages beside nodes.
const MAX_OTHERS: u64 = 4 * MAX_NODES;
/// Bytes of descriptions and of whole numbers, which take more memory than they have bytes.
const MAX_EXPANDING_BYTES: u64 = 16 << 20;

/// Field numbers of `onnx.proto`.
mod field {
    pub const MODEL_GRAPH: u64 = 7;
    pub const GRAPH_NODE: u64 = 1;
    pub const GRAPH_INITIALIZER: u64 = 5;
    pub const NODE_ATTRIBUTE: u64 = 5;
    pub const ATTRIBUTE_TENSOR: u64 = 5;
    pub const TENSOR_DIMS: u64 = 1;
    pub const TENSOR_INT64_DATA: u64 = 7;
    pub const TENSOR_UINT64_DATA: u64 = 11;
}

/// Decodes a model without copying its weights.
pub(super) fn decode(bytes: Bytes) -> Result<Model, Problem> {
    Counter::default().model(&bytes)?;
    Model::decode(bytes).map_err(|error| Problem::Decode(error.to_string()))
}

/// Counts what takes memory before memory is taken for it.
#[derive(Default)]
struct Counter {
    nodes: u64,
    node_fields: u64,
    attributes: u64,
    others: u64,
    expanding_bytes: u64,
}

impl Counter {
    fn model(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        each_field(bytes, |number, content| match number {
            field::MODEL_GRAPH => self.graph(content),
            _ => self.other(content),
        })
    }

    fn graph(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        each_field(bytes, |number, content| match number {
            field::GRAPH_NODE => self.node(content),
            field::GRAPH_INITIALIZER => {
                self.others += 1;
                limited(self.others, MAX_OTHERS, "tensors and descriptions of values")?;
                self.tensor(content)
            }
            _ => self.other(content),
        })
    }

    fn node(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.nodes += 1;
        limited(self.nodes, MAX_NODES, "nodes")?;
        each_field(bytes, |number, content| {
            self.node_fields += 1;
            limited(self.node_fields, MAX_NODE_FIELDS, "names of inputs and outputs, and other fields of nodes")?;
            if number != field::NODE_ATTRIBUTE {
                return Ok(());
            }
            self.attributes += 1;
            limited(self.attributes, MAX_ATTRIBUTES, "attributes of nodes")?;
            each_field(content, |number, content| match number {
                field::ATTRIBUTE_TENSOR => self.tensor(content),
                _ => self.expanding(content),
            })
        })
    }

    fn tensor(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        each_field(bytes, |number, content| match number {
            field::TENSOR_DIMS | field::TENSOR_INT64_DATA | field::TENSOR_UINT64_DATA => self.expanding(content),
            _ => Ok(()),
        })
    }

    fn other(&mut self, content: &[u8]) -> Result<(), Problem> {
        self.others += 1;
        limited(self.others, MAX_OTHERS, "tensors and descriptions of values")?;
        self.expanding(content)
    }

    fn expanding(&mut self, content: &[u8]) -> Result<(), Problem> {
        self.expanding_bytes += content.len() as u64 + 1;
        limited(self.expanding_bytes, MAX_EXPANDING_BYTES, "bytes of descriptions, attributes and whole numbers")
    }
}

fn limited(count: u64, limit: u64, what: &str) -> Result<(), Problem> {
    if count <= limit {
        return Ok(());
    }
    Err(Problem::Model(format!(
        "it has more than {limit} {what}, which is no network this reads; is it the right file?"
    )))
}

/// Calls `visit` with number and content of each field of a message; numbers have no content.
fn each_field(bytes: &[u8], mut visit: impl FnMut(u64, &[u8]) -> Result<(), Problem>) -> Result<(), Problem> {
    each_raw_field(bytes, |number, content, _| visit(number, content))
}

/// As [`each_field`], with the whole field as it stands, to be copied.
pub(super) fn each_raw_field(
    mut bytes: &[u8],
    mut visit: impl FnMut(u64, &[u8], &[u8]) -> Result<(), Problem>,
) -> Result<(), Problem> {
    while !bytes.is_empty() {
        let whole = bytes;
        let key = varint(&mut bytes)?;
        let content = match key & 7 {
            0 => {
                varint(&mut bytes)?;
                &[]
            }
            1 => skipped(&mut bytes, 8)?,
            2 => {
                let length = varint(&mut bytes)?;
                skipped(&mut bytes, length)?
            }
            5 => skipped(&mut bytes, 4)?,
            _ => return Err(Problem::Decode(format!("a field of the unknown kind {}", key & 7))),
        };
        visit(key >> 3, content, &whole[..whole.len() - bytes.len()])?;
    }
    Ok(())
}

fn varint(bytes: &mut &[u8]) -> Result<u64, Problem> {
    let mut value = 0;
    for place in 0..10 {
        let (byte, rest) = bytes.split_first().ok_or_else(truncated)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Problem::Decode("a number has more than ten bytes".to_owned()))
}

fn skipped<'b>(bytes: &mut &'b [u8], length: u64) -> Result<&'b [u8], Problem> {
    let length = usize::try_from(length).map_err(|_| truncated())?;
    let (content, rest) = bytes.split_at_checked(length).ok_or_else(truncated)?;
    *bytes = rest;
    Ok(content)
}

fn truncated() -> Problem {
    Problem::Decode("it ends in the middle of a field".to_owned())
}
