//! `SuperResIDWE{E}K{K}(in,out,stride,bottleneck,sub_layers)`: inverted depthwise blocks, two units
//! a layer: one that narrows to the bottleneck and one that widens to the output.

use super::{BlockType, Family, Python, round8};

pub static FAMILY: Family = Family {
    name: "res_idw",
    bottleneck: true,
    residual: true,
    // Expansion varies fastest: the published draw depends on this order.
    types: &[
        BlockType { name: "SuperResIDWE1K3", kernel: 3, expansion: 1 },
        BlockType { name: "SuperResIDWE2K3", kernel: 3, expansion: 2 },
        BlockType { name: "SuperResIDWE4K3", kernel: 3, expansion: 4 },
        BlockType { name: "SuperResIDWE6K3", kernel: 3, expansion: 6 },
        BlockType { name: "SuperResIDWE1K5", kernel: 5, expansion: 1 },
        BlockType { name: "SuperResIDWE2K5", kernel: 5, expansion: 2 },
        BlockType { name: "SuperResIDWE4K5", kernel: 5, expansion: 4 },
        BlockType { name: "SuperResIDWE6K5", kernel: 5, expansion: 6 },
        BlockType { name: "SuperResIDWE1K7", kernel: 7, expansion: 1 },
        BlockType { name: "SuperResIDWE2K7", kernel: 7, expansion: 2 },
        BlockType { name: "SuperResIDWE4K7", kernel: 7, expansion: 4 },
        BlockType { name: "SuperResIDWE6K7", kernel: 7, expansion: 6 },
    ],
    python: Python { function: "inverted", text: include_str!("res_idw.py") },
    lower_layer: |builder, block, block_type, layer| {
        let narrow = block.bottleneck_or_out();
        for (stride, project, out_channels) in [(layer.stride, layer.first, narrow), (1, false, block.out_channels)] {
            // The first unit expands its bottleneck, the second its output.
            let middle = round8(out_channels as f64 * block_type.expansion as f64);
            builder.residual(stride, out_channels, project, |unit| {
                unit.conv_bn_relu(1, 1, 1, middle);
                unit.conv_bn_relu(block_type.kernel, stride, middle, middle);
                unit.squeeze_excite();
                unit.conv_bn(1, 1, 1, out_channels);
            });
        }
    },
};
