//! Third-party models: an ONNX or LiteRT file as a [`Graph`], so that cost, fusion and latency work on
//! it as on a structure.
//!
//! Only sizes are needed, so weights are neither copied nor looked at, and may stand in external
//! data that is not there. The stages: `decode` (bytes to messages, with limits; of a `.tflite` file `litert`), `network` (names
//! to numbers), `order` (what the outputs need, in order), `rewrite` (several nodes that stand for
//! one operator become one), `operators` (one reader for each operation, drawing through `call` on
//! `reader`). `runnable` makes a file that runtimes can be timed with.
//! Not here: running the network, its weights' values, writing ONNX (`export`).

mod absorbed;
mod call;
mod constant;
mod decode;
mod error;
mod image;
mod litert;
mod messages;
mod network;
mod operators;
mod order;
mod reader;
mod rewrite;
mod runnable;
mod source;
mod tensor;
mod unknown;
mod window;

use std::io::Read;
use std::path::Path;

use prost::bytes::Bytes;
use rustc_hash::FxHashSet;

use self::call::Call;
use self::error::Problem;
use self::image::Image;
use self::messages::Model;
use self::network::Network;
use self::reader::Reader;
use super::error::MAX_MODEL_BYTES;
use crate::net::{Graph, Shape};

pub use self::error::ImportError;
pub(crate) use self::error::shown;
pub(crate) use self::network::{Node, ValueId};
pub use self::runnable::{Runnable, runnable};
pub(crate) use self::source::Source;
pub(crate) use self::window::Window;

/// Versions of ONNX's operators whose meaning is known here.
pub const OPSETS: std::ops::RangeInclusive<i64> = 7..=26;

/// What a file may leave open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// Height and width of the image in pixels, for files with symbolic ones; an error if the file
    /// fixes others.
    pub resolution: Option<[u32; 2]>,
    /// Channels of the image, for files that leave them open; 3 if not given.
    pub channels: Option<u32>,
}

/// A network that was read.
#[derive(Clone, Debug)]
pub struct Imported {
    /// Operators in execution order, for one image.
    pub graph: Graph,
    /// Size of the image.
    pub input: Shape,
    /// Images in one run, where the file fixes them.
    pub batch_size: Option<u64>,
    /// Whether the file describes int8 arithmetic (quantise and dequantise nodes or integer
    /// operators); the graph has none of these nodes.
    pub is_quantised: bool,
    /// Version of ONNX's operators; none for a `.tflite` file.
    pub opset: Option<i64>,
    /// What wrote the file, with its version if stated; may be empty.
    pub producer: String,
    /// What was read as something else than it is, for people.
    pub notes: Vec<String>,
}

/// Reads a file whose sizes are all fixed, but for the batch.
///
/// # Errors
/// As [`import_with`].
pub fn import(path: &Path) -> Result<Imported, ImportError> {
    import_with(path, &ImportOptions::default())
}

/// Reads a file.
///
/// # Errors
/// When the file cannot be read, is no whole ONNX model, describes no inference network on one
/// image, or holds a node whose output size cannot be known. Errors name file, node and the way out.
pub fn import_with(path: &Path, options: &ImportOptions) -> Result<Imported, ImportError> {
    let (name, bytes) = read_file(path)?;
    from_bytes(&name, bytes, options).map(|(imported, _)| imported)
}

/// A file's name for messages, and its bytes: not many more than are read.
pub(crate) fn read_file(path: &Path) -> Result<(String, Bytes), ImportError> {
    let read = |source| ImportError::Read { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(read)?;
    let size = file.metadata().map_err(read)?.len();
    if size > MAX_MODEL_BYTES {
        return Err(ImportError::TooLarge { file: path.display().to_string(), bytes: size, limit: MAX_MODEL_BYTES });
    }
    let mut bytes = Vec::new();
    file.take(MAX_MODEL_BYTES + 1).read_to_end(&mut bytes).map_err(read)?;
    Ok((path.display().to_string(), Bytes::from(bytes)))
}

/// As [`import_with`], from memory, which is copied once; `name` stands in errors.
///
/// # Errors
/// As [`import_with`].
pub fn import_bytes(name: &str, bytes: &[u8], options: &ImportOptions) -> Result<Imported, ImportError> {
    from_bytes(name, Bytes::copy_from_slice(bytes), options).map(|(imported, _)| imported)
}

fn from_bytes(name: &str, bytes: Bytes, options: &ImportOptions) -> Result<(Imported, Image), ImportError> {
    let size = bytes.len() as u64;
    if size > MAX_MODEL_BYTES {
        return Err(ImportError::TooLarge { file: name.to_owned(), bytes: size, limit: MAX_MODEL_BYTES });
    }
    let is_litert = litert::is_litert(&bytes);
    let model = if is_litert { litert::decode(&bytes) } else { decode::decode(bytes) };
    let read = model.and_then(|model| read(model, options)).map_err(|problem| problem.in_file(name));
    read.map(|(imported, image)| (Imported { opset: imported.opset.filter(|_| !is_litert), ..imported }, image))
}

fn read(model: Model, options: &ImportOptions) -> Result<(Imported, Image), Problem> {
    let Described { mut network, opset, producer, notes } = describe(model)?;
    let is_quantised = rewrite::rewrite(&mut network);
    order::drop_unused(&mut network);

    let (Reader { graph, notes, file_batch, .. }, image) = draw(&network, opset, notes, options)?;
    if graph.operators().len() < 2 {
        return Err(Problem::Model("no output depends on its image; is it a network?".to_owned()));
    }
    let input = graph.operators()[0].shape;
    let imported = Imported { graph, input, batch_size: file_batch, is_quantised, opset: Some(opset), producer, notes };
    Ok((imported, image))
}

/// A file's nodes in order, and what it says of itself.
struct Described {
    network: Network,
    opset: i64,
    producer: String,
    notes: Vec<String>,
}

fn describe(model: Model) -> Result<Described, Problem> {
    let mut notes = Vec::new();
    let opset = opset(&model, &mut notes)?;
    if !model.training_info.is_empty() {
        return Err(Problem::Model("it holds training steps; export the network for inference".to_owned()));
    }
    let producer = [model.producer_name.as_str(), model.producer_version.as_str()].join(" ").trim().to_owned();
    let functions: FxHashSet<(String, String)> =
        model.functions.iter().map(|function| (function.domain.clone(), function.name.clone())).collect();
    let mut network = Network::read(model)?;
    let is_function = |node: &&Node| functions.contains(&(node.domain.clone(), node.operation.clone()));
    if let Some(node) = network.nodes.iter().find(|node| !functions.is_empty() && is_function(node)) {
        return Err(node.problem("it is a function of the file's own; inline functions first (onnx.inliner)"));
    }
    order::drop_unused(&mut network);
    order::sort(&mut network)?;
    Ok(Described { network, opset, producer, notes })
}

/// Reads the nodes one by one: what is known of every value, and the graph.
fn draw<'n>(
    network: &'n Network,
    opset: i64,
    notes: Vec<String>,
    options: &ImportOptions,
) -> Result<(Reader<'n>, Image), Problem> {
    let mut reader = Reader::new(network, opset);
    reader.notes = notes;
    let image = image::add(&mut reader, options)?;
    let readers = operators::readers();
    for node in &network.nodes {
        let mut call = Call { reader: &mut reader, node };
        let known = readers.get(node.operation.as_str()).filter(|_| node.domain.is_empty());
        let read = known.copied().unwrap_or(unknown::read);
        read(&mut call).map_err(|reason| node.problem(reason))?;
    }
    Ok((reader, image))
}

/// The version of ONNX's own operators.
fn opset(model: &Model, notes: &mut Vec<String>) -> Result<i64, Problem> {
    let own = |domain: &str| domain.is_empty() || domain == "ai.onnx";
    let version = model.opset_import.iter().filter(|set| own(&set.domain)).map(|set| set.version).max();
    let version = version
        .ok_or_else(|| Problem::Model("it names no version of ONNX's operators; is it an ONNX model?".to_owned()))?;
    if version < *OPSETS.start() {
        return Err(Problem::Model(format!(
            "it is written for opset {version}, but {} is the oldest that is read; export it again with a newer one",
            OPSETS.start()
        )));
    }
    if version > *OPSETS.end() {
        notes.push(format!(
            "opset {version} is newer than {}, the last one known: it is read as if it were that",
            OPSETS.end()
        ));
    }
    Ok(version)
}
