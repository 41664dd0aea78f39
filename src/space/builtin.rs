//! The two published spaces with the initial structures of the published runs.
//!
//! The published ImageNet structure names 256 input channels for a tail that receives 512; its
//! tool repairs that on the first mutation, here it is written as it runs.

use super::Space;

/// Every built-in space.
pub static SPACES: &[Space] = &[
    Space {
        name: "xxbl",
        about: "residual basic and bottleneck blocks, kernels 3 5 7: latency and parameter budgets (published as XXBL)",
        types: &[
            &["SuperResK3K3", "SuperResK5K5", "SuperResK7K7"],
            &["SuperResK1K3K1", "SuperResK1K5K1", "SuperResK1K7K1"],
        ],
        max_channels: 2048,
        fixed_tail: false,
        initial: &[
            (
                1,
                "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,1,8,1)SuperResK3K3(16,32,2,16,1)\
                 SuperResK3K3(32,64,2,32,1)SuperResK3K3(64,64,2,32,1)SuperConvK1BNRELU(64,128,1,1)",
            ),
            (
                96,
                "SuperConvK3BNRELU(3,32,2,1)SuperResK3K3(32,64,2,32,1)SuperResK3K3(64,128,2,64,1)\
                 SuperResK3K3(128,256,2,128,1)SuperResK3K3(256,512,2,256,1)SuperConvK1BNRELU(512,512,1,1)",
            ),
        ],
        default_max_layers: 30,
    },
    Space {
        name: "idw",
        about: "inverted depthwise blocks, expansion 1 2 4 6, kernels 3 5 7: FLOPs budgets and phones (published as IDW)",
        types: &[&[
            "SuperResIDWE1K3",
            "SuperResIDWE2K3",
            "SuperResIDWE4K3",
            "SuperResIDWE6K3",
            "SuperResIDWE1K5",
            "SuperResIDWE2K5",
            "SuperResIDWE4K5",
            "SuperResIDWE6K5",
            "SuperResIDWE1K7",
            "SuperResIDWE2K7",
            "SuperResIDWE4K7",
            "SuperResIDWE6K7",
        ]],
        // The published space sets no limit; this one keeps numbers within the structure grammar.
        max_channels: 16384,
        fixed_tail: true,
        initial: &[(
            1,
            "SuperConvK3BNRELU(3,8,2,1)SuperResIDWE6K3(8,32,2,8,1)SuperResIDWE6K3(32,48,2,32,1)\
             SuperResIDWE6K3(48,96,2,48,1)SuperResIDWE6K3(96,128,2,96,1)SuperConvK1BNRELU(128,2048,1,1)",
        )],
        default_max_layers: 16,
    },
];
