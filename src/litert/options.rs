//! What an operator has besides inputs and outputs, as its table in the file.

use flatbuffers::{FlatBufferBuilder, UnionWIPOffset, WIPOffset};

use super::model::Options;
use super::schema::{self, BuiltinOperator, BuiltinOptions};

/// Options of the operator's own kind.
pub fn write(
    b: &mut FlatBufferBuilder,
    code: BuiltinOperator,
    options: Options,
) -> Option<(BuiltinOptions, WIPOffset<UnionWIPOffset>)> {
    /// The table of one kind of options.
    macro_rules! table {
        ($kind:ident, $args:ident { $($field:ident : $value:expr),* $(,)? }) => {{
            #[allow(clippy::needless_update)]
            let args = schema::$args { $($field: $value,)* ..schema::$args::default() };
            (BuiltinOptions::$kind, schema::$kind::create(b, &args).as_union_value())
        }};
    }
    Some(match (code, options) {
        (BuiltinOperator::ADD, Options::Arithmetic(activation)) => {
            table!(AddOptions, AddOptionsArgs { fused_activation_function: activation })
        }
        (BuiltinOperator::SUB, Options::Arithmetic(activation)) => {
            table!(SubOptions, SubOptionsArgs { fused_activation_function: activation })
        }
        (BuiltinOperator::MUL, Options::Arithmetic(activation)) => {
            table!(MulOptions, MulOptionsArgs { fused_activation_function: activation })
        }
        (BuiltinOperator::DIV, Options::Arithmetic(activation)) => {
            table!(DivOptions, DivOptionsArgs { fused_activation_function: activation })
        }
        (_, Options::BatchMatMul { transpose_second }) => {
            table!(BatchMatMulOptions, BatchMatMulOptionsArgs { adj_y: transpose_second })
        }
        (_, Options::Concatenation { axis }) => {
            table!(ConcatenationOptions, ConcatenationOptionsArgs { axis: axis })
        }
        (_, Options::Convolution { padding, stride, dilation, activation, multiplier: None }) => {
            table!(
                Conv2DOptions,
                Conv2DOptionsArgs {
                    padding: padding,
                    stride_h: stride[0],
                    stride_w: stride[1],
                    dilation_h_factor: dilation[0],
                    dilation_w_factor: dilation[1],
                    fused_activation_function: activation,
                }
            )
        }
        (_, Options::Convolution { padding, stride, dilation, activation, multiplier: Some(multiplier) }) => {
            table!(
                DepthwiseConv2DOptions,
                DepthwiseConv2DOptionsArgs {
                    padding: padding,
                    stride_h: stride[0],
                    stride_w: stride[1],
                    dilation_h_factor: dilation[0],
                    dilation_w_factor: dilation[1],
                    fused_activation_function: activation,
                    depth_multiplier: multiplier,
                }
            )
        }
        (BuiltinOperator::DEPTH_TO_SPACE, Options::Block(size)) => {
            table!(DepthToSpaceOptions, DepthToSpaceOptionsArgs { block_size: size })
        }
        (_, Options::Block(size)) => table!(SpaceToDepthOptions, SpaceToDepthOptionsArgs { block_size: size }),
        (_, Options::FullyConnected { activation, keep_dimensions }) => {
            table!(
                FullyConnectedOptions,
                FullyConnectedOptionsArgs { fused_activation_function: activation, keep_num_dims: keep_dimensions }
            )
        }
        (_, Options::LeakyRelu { slope }) => table!(LeakyReluOptions, LeakyReluOptionsArgs { alpha: slope }),
        (_, Options::Pool { padding, stride, window }) => {
            table!(
                Pool2DOptions,
                Pool2DOptionsArgs {
                    padding: padding,
                    stride_h: stride[0],
                    stride_w: stride[1],
                    filter_height: window[0],
                    filter_width: window[1],
                }
            )
        }
        (_, Options::Reduce { keep_dimensions }) => {
            table!(ReducerOptions, ReducerOptionsArgs { keep_dims: keep_dimensions })
        }
        (BuiltinOperator::RESIZE_BILINEAR, Options::Resize { align_corners, half_pixel_centers }) => {
            table!(
                ResizeBilinearOptions,
                ResizeBilinearOptionsArgs { align_corners: align_corners, half_pixel_centers: half_pixel_centers }
            )
        }
        (_, Options::Resize { align_corners, half_pixel_centers }) => {
            table!(
                ResizeNearestNeighborOptions,
                ResizeNearestNeighborOptionsArgs {
                    align_corners: align_corners,
                    half_pixel_centers: half_pixel_centers,
                }
            )
        }
        // Tables of their own that hold nothing, or what is the same for all.
        (BuiltinOperator::GELU, _) => table!(GeluOptions, GeluOptionsArgs { approximate: false }),
        (BuiltinOperator::HARD_SWISH, _) => table!(HardSwishOptions, HardSwishOptionsArgs {}),
        (BuiltinOperator::PAD, _) => table!(PadOptions, PadOptionsArgs {}),
        (BuiltinOperator::PADV2, _) => table!(PadV2Options, PadV2OptionsArgs {}),
        (BuiltinOperator::RESHAPE, _) => table!(ReshapeOptions, ReshapeOptionsArgs {}),
        (BuiltinOperator::SOFTMAX, _) => table!(SoftmaxOptions, SoftmaxOptionsArgs { beta: 1.0 }),
        (BuiltinOperator::STRIDED_SLICE, _) => table!(StridedSliceOptions, StridedSliceOptionsArgs {}),
        _ => return None,
    })
}
