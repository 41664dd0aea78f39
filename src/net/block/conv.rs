//! `SuperConvK{K}BNRELU(in,out,stride,sub_layers)`: stem, tail and plain convolutions.

use super::{BlockType, Family, Python};

pub static FAMILY: Family = Family {
    name: "conv",
    bottleneck: false,
    residual: false,
    types: &[
        BlockType { name: "SuperConvK1BNRELU", kernel: 1, expansion: 1 },
        BlockType { name: "SuperConvK3BNRELU", kernel: 3, expansion: 1 },
        BlockType { name: "SuperConvK5BNRELU", kernel: 5, expansion: 1 },
        BlockType { name: "SuperConvK7BNRELU", kernel: 7, expansion: 1 },
    ],
    python: Python { function: "plain", text: include_str!("conv.py") },
    lower_layer: |builder, block, block_type, layer| {
        builder.conv_bn_relu(block_type.kernel, layer.stride, 1, block.out_channels);
    },
};
