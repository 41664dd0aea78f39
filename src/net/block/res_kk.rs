//! `SuperResK{K}K{K}(in,out,stride,bottleneck,sub_layers)`: basic residual blocks, one unit a layer.

use super::{BlockType, Family, Python};

pub static FAMILY: Family = Family {
    name: "res_kk",
    bottleneck: true,
    residual: true,
    types: &[
        BlockType { name: "SuperResK3K3", kernel: 3, expansion: 1 },
        BlockType { name: "SuperResK5K5", kernel: 5, expansion: 1 },
        BlockType { name: "SuperResK7K7", kernel: 7, expansion: 1 },
    ],
    python: Python { function: "basic", text: include_str!("res_kk.py") },
    lower_layer: |builder, block, block_type, layer| {
        builder.residual(layer.stride, block.out_channels, layer.first, |unit| {
            unit.conv_bn_relu(block_type.kernel, layer.stride, 1, block.bottleneck_or_out());
            unit.squeeze_excite();
            unit.conv_bn(block_type.kernel, 1, 1, block.out_channels);
        });
    },
};
