//! `SuperResK1DW{K}K1(in,out,stride,bottleneck,sub_layers)`: a family that only the tests know.
//!
//! It follows the recipe for a new block type in `CONTRIBUTING.md`: this file, `example.py` beside it and one line in
//! `FAMILIES`. The tests below show that nothing else is needed.

use super::{BlockType, Family, Python};

pub static FAMILY: Family = Family {
    name: "example",
    bottleneck: true,
    residual: true,
    types: &[
        BlockType { name: "SuperResK1DW3K1", kernel: 3, expansion: 1 },
        BlockType { name: "SuperResK1DW5K1", kernel: 5, expansion: 1 },
    ],
    python: Python { function: "separable", text: include_str!("example.py") },
    lower_layer: |builder, block, block_type, layer| {
        let narrow = block.bottleneck_or_out();
        builder.residual(layer.stride, block.out_channels, layer.first, |unit| {
            unit.conv_bn_relu(1, 1, 1, narrow);
            unit.conv_bn_relu(block_type.kernel, layer.stride, narrow, narrow);
            unit.squeeze_excite();
            unit.conv_bn(1, 1, 1, block.out_channels);
        });
    },
};

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use crate::net::{LowerOptions, Network};
    use crate::pytorch::module_text;
    use crate::score::{Scratch, Trial, find};
    use crate::space::{Draw, Rules, Space};

    const STRUCTURE: &str =
        "SuperConvK3BNRELU(3,8,2,1)SuperResK1DW5K1(8,16,2,24,2)SuperResK3K3(16,24,2,8,1)SuperConvK1BNRELU(24,64,1,1)";

    #[test]
    fn a_new_family_is_parsed_lowered_scored_and_written() {
        let network = Network::parse(STRUCTURE).unwrap();
        assert_eq!(network.to_string(), STRUCTURE);
        let options = LowerOptions::new(32, 10);
        let graph = network.lower(&options).unwrap();
        // Each layer: narrow (1x1), depthwise (5x5), widen (1x1); the first has a projection with bias.
        let first = 8 * 24 + 25 * 24 + 24 * 16 + 2 * (24 + 24 + 16) + (8 * 16 + 16) + 2 * 16;
        let second = 16 * 24 + 25 * 24 + 24 * 16 + 2 * (24 + 24 + 16);
        let plain = Network::parse(&STRUCTURE.replace("SuperResK1DW5K1(8,16,2,24,2)", "SuperResK3K3(8,16,2,24,1)"));
        let basic = 8 * 24 * 9 + 24 * 16 * 9 + 2 * (24 + 16) + (8 * 16 + 16) + 2 * 16;
        let others = plain.unwrap().lower(&options).unwrap().cost().parameters - basic;
        assert_eq!(graph.cost().parameters, others + first + second);
        let score = find("zen-closed").unwrap().score(&graph, &Trial::NONE, &mut Scratch::default()).unwrap();
        assert!(score.is_finite() && score > 0.0, "{score}");
        let module = module_text(&network, &options).unwrap();
        assert!(module.contains("\ndef separable(") && module.contains("dict(layer=separable, kernel=5, inputs=8,"));
    }

    #[test]
    fn a_space_of_a_new_family_is_searched() {
        let text = r#"
            name = "example"
            types = [["SuperResK1DW3K1", "SuperResK1DW5K1"]]
            channels = { most = 64 }
            [[stages]]
            stride = 2
            [[stages]]
            stride = 2
        "#;
        let space = Space::parse(text, "example.toml").unwrap();
        let rules = Rules::within(&space, &space.rails).unwrap();
        let rng = &mut rand_pcg::Pcg64Mcg::seed_from_u64(1);
        let mut network = space.initial(32);
        let mut names = std::collections::BTreeSet::new();
        for _ in 0..200 {
            network = space.child(&network, &rules, 2, Draw::Uniform, rng);
            names.extend(network.blocks().iter().map(|block| block.kind.name()));
            if network.layers() > 30 {
                network = space.initial(32);
            }
        }
        let names: Vec<_> = names.into_iter().collect();
        assert_eq!(names, ["SuperConvK1BNRELU", "SuperConvK3BNRELU", "SuperResK1DW3K1", "SuperResK1DW5K1"]);
    }
}
