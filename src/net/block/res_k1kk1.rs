//! `SuperResK1K{K}K1(in,out,stride,bottleneck,sub_layers)`: bottleneck blocks, two units a layer.

use super::{BlockType, Family, Python};

pub static FAMILY: Family = Family {
    name: "res_k1kk1",
    bottleneck: true,
    residual: true,
    types: &[
        BlockType { name: "SuperResK1K3K1", kernel: 3, expansion: 1 },
        BlockType { name: "SuperResK1K5K1", kernel: 5, expansion: 1 },
        BlockType { name: "SuperResK1K7K1", kernel: 7, expansion: 1 },
    ],
    python: Python { function: "bottlenecks", text: include_str!("res_k1kk1.py") },
    lower_layer: |builder, block, block_type, layer| {
        for (stride, project) in [(layer.stride, layer.first), (1, false)] {
            builder.residual(stride, block.out_channels, project, |unit| {
                unit.conv_bn_relu(1, 1, 1, block.bottleneck_or_out());
                unit.conv_bn_relu(block_type.kernel, stride, 1, block.bottleneck_or_out());
                unit.squeeze_excite();
                unit.conv_bn(1, 1, 1, block.out_channels);
            });
        }
    },
};
