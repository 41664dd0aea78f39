//! A model as the bytes of a `.tflite` file.
//!
//! A flatbuffer is written from its end to its beginning. Buffers are written first and so stand last in the file;
//! each begins at a multiple of [`ALIGNMENT`], as the schema asks for. Not here: what stands in them (`convert`).

use flatbuffers::{FlatBufferBuilder, WIPOffset};

use super::LitertError;
use super::model::{Model, Named, Operator, Tensor, TensorId};
use super::options;
use super::schema::{self, ALIGNMENT, BuiltinOperator, BuiltinOptions};

/// The name by which programs ask for the network.
pub const SIGNATURE: &str = "serving_default";

/// Bytes beside the buffers that a model may have.
const MAX_STRUCTURE_BYTES: u64 = 64 << 20;

/// The file of `model`.
///
/// # Errors
/// When it would be larger than such a file can be.
pub fn encode(model: &Model) -> Result<Vec<u8>, LitertError> {
    let constants = model.tensors.iter().filter_map(|tensor| tensor.data.as_deref());
    let metadata = model.metadata.iter().map(|(_, value)| value.as_bytes());
    // The first buffer is that of every tensor without one.
    let buffers: Vec<&[u8]> = std::iter::once(&[][..]).chain(constants).chain(metadata).collect();
    let bytes = buffers.iter().map(|buffer| (buffer.len() + ALIGNMENT) as u64).sum::<u64>() + MAX_STRUCTURE_BYTES;
    if bytes > schema::MAX_FILE_BYTES {
        return Err(LitertError::TooLarge { bytes });
    }
    // How much is written after the buffers decides where they stand; it does not depend on how long they are.
    let behind = Writer::new(model, &buffers, None).finish().len() % ALIGNMENT;
    Ok(Writer::new(model, &buffers, Some(behind)).finish())
}

struct Writer<'m> {
    builder: FlatBufferBuilder<'m>,
    model: &'m Model,
    buffers: Vec<WIPOffset<schema::Buffer<'m>>>,
}

impl<'m> Writer<'m> {
    /// Writes the buffers; `behind` is the length of the whole file, as far as it matters for alignment. Without it the
    /// buffers stay empty.
    fn new(model: &'m Model, contents: &[&[u8]], behind: Option<usize>) -> Self {
        let bytes: usize = contents.iter().map(|content| content.len() + ALIGNMENT).sum();
        let mut builder = FlatBufferBuilder::with_capacity(behind.map_or(0, |_| bytes) + (1 << 16));
        let mut written = Vec::with_capacity(contents.len());
        for content in contents {
            let is_there = !content.is_empty();
            let content = if behind.is_some() { content } else { &[][..] };
            // The distance from the first byte to the file's end, as the file's length leaves it.
            while behind.is_some_and(|behind| (builder.unfinished_data().len() + content.len()) % ALIGNMENT != behind) {
                builder.push(0_u8);
            }
            written.push(is_there.then(|| builder.create_vector(content)));
        }
        while !builder.unfinished_data().len().is_multiple_of(ALIGNMENT) {
            builder.push(0_u8);
        }
        let buffers = written
            .into_iter()
            .map(|data| schema::Buffer::create(&mut builder, &schema::BufferArgs { data }))
            .collect();
        Self { builder, model, buffers }
    }

    fn finish(mut self) -> Vec<u8> {
        let Model { tensors, operators, inputs, outputs, metadata } = self.model;
        let mut codes: Vec<(BuiltinOperator, i32)> = Vec::new();
        let mut written = Vec::with_capacity(operators.len());
        for operator in operators {
            written.push(self.operator(operator, &mut codes));
        }
        let operators = self.builder.create_vector(&written);
        let mut buffer = 0;
        let mut written = Vec::with_capacity(tensors.len());
        for tensor in tensors {
            buffer += u32::from(tensor.data.is_some());
            let place = if tensor.data.is_some() { buffer } else { 0 };
            written.push(self.tensor(tensor, place));
        }
        let tensors = self.builder.create_vector(&written);
        let signature = self.signature(inputs, outputs);
        let [inputs, outputs] = [inputs, outputs].map(|named| {
            let ids: Vec<TensorId> = named.iter().map(|(_, id)| *id).collect();
            self.builder.create_vector(&ids)
        });
        let name = self.builder.create_string("main");
        let graph = schema::SubGraphArgs {
            tensors: Some(tensors),
            inputs: Some(inputs),
            outputs: Some(outputs),
            operators: Some(operators),
            name: Some(name),
        };
        let graph = schema::SubGraph::create(&mut self.builder, &graph);

        let mut entries = Vec::with_capacity(metadata.len());
        for (key, _) in metadata {
            buffer += 1;
            let name = Some(self.builder.create_string(key));
            entries.push(schema::Metadata::create(&mut self.builder, &schema::MetadataArgs { name, buffer }));
        }
        let codes: Vec<_> = codes.into_iter().map(|(code, version)| self.code(code, version)).collect();
        let description = format!("zen-nas {}", env!("CARGO_PKG_VERSION"));
        let model = schema::ModelArgs {
            version: schema::VERSION,
            operator_codes: Some(self.builder.create_vector(&codes)),
            subgraphs: Some(self.builder.create_vector(&[graph])),
            description: Some(self.builder.create_string(&description)),
            buffers: Some(self.builder.create_vector(&self.buffers)),
            metadata: Some(self.builder.create_vector(&entries)),
            signature_defs: Some(self.builder.create_vector(&[signature])),
            ..schema::ModelArgs::default()
        };
        let model = schema::Model::create(&mut self.builder, &model);
        self.builder.finish(model, Some(schema::IDENTIFIER));
        let (mut bytes, start) = self.builder.collapse();
        bytes.drain(..start);
        bytes
    }

    fn tensor(&mut self, tensor: &Tensor, buffer: u32) -> WIPOffset<schema::Tensor<'m>> {
        let name = self.builder.create_string(&tensor.name);
        let shape = self.builder.create_vector(&tensor.shape);
        let signature = tensor.has_open_batch.then(|| {
            let open: Vec<i32> = std::iter::once(-1).chain(tensor.shape.iter().skip(1).copied()).collect();
            self.builder.create_vector(&open)
        });
        let quantization = tensor.is_unit_scaled.then(|| {
            let (scale, zero_point) = (self.builder.create_vector(&[1.0_f32]), self.builder.create_vector(&[0_i64]));
            let args = schema::QuantizationParametersArgs {
                scale: Some(scale),
                zero_point: Some(zero_point),
                ..schema::QuantizationParametersArgs::default()
            };
            schema::QuantizationParameters::create(&mut self.builder, &args)
        });
        let args = schema::TensorArgs {
            quantization,
            shape: Some(shape),
            type_: tensor.kind,
            buffer,
            name: Some(name),
            shape_signature: signature,
            has_rank: true,
            ..schema::TensorArgs::default()
        };
        schema::Tensor::create(&mut self.builder, &args)
    }

    fn signature(&mut self, inputs: &[Named], outputs: &[Named]) -> WIPOffset<schema::SignatureDef<'m>> {
        let [inputs, outputs] = [inputs, outputs].map(|named| {
            let mut maps = Vec::with_capacity(named.len());
            for (name, id) in named {
                let name = Some(self.builder.create_string(name));
                let args = schema::TensorMapArgs { name, tensor_index: *id as u32 };
                maps.push(schema::TensorMap::create(&mut self.builder, &args));
            }
            Some(self.builder.create_vector(&maps))
        });
        let signature_key = Some(self.builder.create_string(SIGNATURE));
        let args = schema::SignatureDefArgs { inputs, outputs, signature_key, subgraph_index: 0 };
        schema::SignatureDef::create(&mut self.builder, &args)
    }

    fn code(&mut self, code: BuiltinOperator, version: i32) -> WIPOffset<schema::OperatorCode<'m>> {
        // Readers older than the field of 32 bits look at the one of 8.
        let deprecated = code.0.min(BuiltinOperator::PLACEHOLDER_FOR_GREATER_OP_CODES.0) as i8;
        let args = schema::OperatorCodeArgs {
            deprecated_builtin_code: deprecated,
            version,
            builtin_code: code,
            ..schema::OperatorCodeArgs::default()
        };
        schema::OperatorCode::create(&mut self.builder, &args)
    }

    fn operator(
        &mut self,
        operator: &Operator,
        codes: &mut Vec<(BuiltinOperator, i32)>,
    ) -> WIPOffset<schema::Operator<'m>> {
        let code = (operator.code, operator.version);
        let opcode_index = codes.iter().position(|known| *known == code).unwrap_or_else(|| {
            codes.push(code);
            codes.len() - 1
        });
        let (inputs, outputs) =
            (self.builder.create_vector(&operator.inputs), self.builder.create_vector(&operator.outputs));
        let options = options::write(&mut self.builder, operator.code, operator.options);
        let args = schema::OperatorArgs {
            opcode_index: opcode_index as u32,
            inputs: Some(inputs),
            outputs: Some(outputs),
            builtin_options_type: options.map_or(BuiltinOptions::NONE, |(kind, _)| kind),
            builtin_options: options.map(|(_, options)| options),
            ..schema::OperatorArgs::default()
        };
        schema::Operator::create(&mut self.builder, &args)
    }
}
