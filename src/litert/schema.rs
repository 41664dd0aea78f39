//! The schema of `.tflite` files: the one place that names its bindings, for writing and reading.
//!
//! The bindings are those that tract generated for its own reader; only what is used here passes through.

pub use tract_tflite::tflite::{
    ActivationFunctionType, AddOptions, AddOptionsArgs, BatchMatMulOptions, BatchMatMulOptionsArgs, Buffer, BufferArgs,
    BuiltinOperator, BuiltinOptions, ConcatenationOptions, ConcatenationOptionsArgs, Conv2DOptions, Conv2DOptionsArgs,
    DepthToSpaceOptions, DepthToSpaceOptionsArgs, DepthwiseConv2DOptions, DepthwiseConv2DOptionsArgs, DivOptions,
    DivOptionsArgs, FullyConnectedOptions, FullyConnectedOptionsArgs, GeluOptions, GeluOptionsArgs, HardSwishOptions,
    HardSwishOptionsArgs, LeakyReluOptions, LeakyReluOptionsArgs, Metadata, MetadataArgs, Model, ModelArgs, MulOptions,
    MulOptionsArgs, Operator, OperatorArgs, OperatorCode, OperatorCodeArgs, PadOptions, PadOptionsArgs, PadV2Options,
    PadV2OptionsArgs, Padding, Pool2DOptions, Pool2DOptionsArgs, QuantizationParameters, QuantizationParametersArgs,
    ReducerOptions, ReducerOptionsArgs, ReshapeOptions, ReshapeOptionsArgs, ResizeBilinearOptions,
    ResizeBilinearOptionsArgs, ResizeNearestNeighborOptions, ResizeNearestNeighborOptionsArgs, SignatureDef,
    SignatureDefArgs, SoftmaxOptions, SoftmaxOptionsArgs, SpaceToDepthOptions, SpaceToDepthOptionsArgs,
    StridedSliceOptions, StridedSliceOptionsArgs, SubGraph, SubGraphArgs, SubOptions, SubOptionsArgs, Tensor,
    TensorArgs, TensorMap, TensorMapArgs, TensorType,
};

/// Identifier at byte 4 of a file.
pub const IDENTIFIER: &str = "TFL3";
/// Version of the schema.
pub const VERSION: u32 = 3;
/// Multiple at which a buffer's data begins in the file.
pub const ALIGNMENT: usize = 16;
/// Largest file: offsets are 32 bits with a sign.
pub const MAX_FILE_BYTES: u64 = i32::MAX as u64;

/// Bytes of an element; none of types that are never written.
pub fn element_bytes(kind: TensorType) -> Option<usize> {
    Some(match kind {
        TensorType::FLOAT32 | TensorType::INT32 => 4,
        TensorType::FLOAT16 => 2,
        TensorType::UINT8 | TensorType::INT8 | TensorType::BOOL => 1,
        TensorType::INT64 => 8,
        _ => return None,
    })
}

/// The model that `bytes` hold, every offset and length checked.
///
/// # Errors
/// Why they hold none.
pub fn root(bytes: &[u8]) -> Result<Model<'_>, String> {
    if bytes.get(4..8) != Some(IDENTIFIER.as_bytes()) {
        return Err(format!("it lacks the identifier {IDENTIFIER}"));
    }
    tract_tflite::tflite::root_as_model(bytes).map_err(|error| error.to_string())
}
