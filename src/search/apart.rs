//! How far apart two networks are, and the best of a list that are far enough apart.
//!
//! Structures alone decide: a near-copy has the same layers. Not here: what networks score or cost.

use crate::net::Network;
use crate::net::block::BlockKind;

/// Share of layers from which two networks really differ.
pub const REALLY_DIFFERENT: f64 = 0.15;

/// Widths that differ at most by this factor count as the same.
const SAME_WIDTH: f64 = 1.1;

/// A layer as far as it is compared.
struct Layer {
    kind: BlockKind,
    out_channels: u32,
    bottleneck: Option<u32>,
}

impl Layer {
    fn is_like(&self, other: &Self) -> bool {
        let alike = |a: u32, b: u32| f64::from(a.max(b)) <= SAME_WIDTH * f64::from(a.min(b));
        let bottlenecks = match (self.bottleneck, other.bottleneck) {
            (Some(a), Some(b)) => alike(a, b),
            (a, b) => a == b,
        };
        self.kind == other.kind && alike(self.out_channels, other.out_channels) && bottlenecks
    }
}

/// The layers of each stage; a residual block with a stride begins a stage.
fn stages(network: &Network) -> Vec<Vec<Layer>> {
    let mut stages = vec![Vec::new()];
    for block in network.blocks() {
        if block.stride > 1 && block.kind.family().residual {
            stages.push(Vec::new());
        }
        let layer = || Layer { kind: block.kind, out_channels: block.out_channels, bottleneck: block.bottleneck };
        if let Some(stage) = stages.last_mut() {
            stage.extend((0..block.sub_layers).map(|_| layer()));
        }
    }
    stages
}

/// Share of layers that differ, from 0 to 1: the layers of each stage are compared in their order, two are alike if they
/// are of one block type and their widths differ by at most 10%, and the share is one of the deeper network.
pub fn distance(a: &Network, b: &Network) -> f64 {
    let alike = |(a, b): (Vec<Layer>, Vec<Layer>)| a.iter().zip(&b).filter(|(a, b)| a.is_like(b)).count();
    let alike: usize = stages(a).into_iter().zip(stages(b)).map(alike).sum();
    1.0 - alike as f64 / f64::from(a.layers().max(b.layers()))
}

/// At most `count` of `ranked`, from the best down, each at least `least` apart from all before it; `network` is what is
/// compared of an item. The first of `ranked` is always among them.
pub fn really_different<T>(
    ranked: impl IntoIterator<Item = T>,
    network: impl Fn(&T) -> &Network,
    count: usize,
    least: f64,
) -> Vec<T> {
    let mut taken: Vec<T> = Vec::new();
    for item in ranked {
        if taken.len() == count {
            break;
        }
        if taken.iter().all(|other| distance(network(other), network(&item)) >= least) {
            taken.push(item);
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(blocks: &str) -> Network {
        Network::parse(&format!("SuperConvK3BNRELU(3,16,2,1){blocks}")).unwrap()
    }

    #[test]
    fn the_share_of_layers_that_differ() {
        let base = network("SuperResK3K3(16,32,2,16,4)SuperResK3K3(32,64,2,32,5)");
        let cases = [
            ("the same", "SuperResK3K3(16,32,2,16,4)SuperResK3K3(32,64,2,32,5)", 0.0),
            // However it is written.
            ("split", "SuperResK3K3(16,32,2,16,1)SuperResK3K3(32,32,1,16,3)SuperResK3K3(32,64,2,32,5)", 0.0),
            ("a little wider", "SuperResK3K3(16,32,2,16,4)SuperResK3K3(32,70,2,35,5)", 0.0),
            ("wider", "SuperResK3K3(16,32,2,16,4)SuperResK3K3(32,72,2,32,5)", 0.5),
            ("narrower inside", "SuperResK3K3(16,32,2,8,4)SuperResK3K3(32,64,2,32,5)", 0.4),
            ("another kernel", "SuperResK5K5(16,32,2,16,4)SuperResK3K3(32,64,2,32,5)", 0.4),
            // The layers of the second stage keep their partners.
            ("a layer less", "SuperResK3K3(16,32,2,16,3)SuperResK3K3(32,64,2,32,5)", 0.1),
            ("a layer more", "SuperResK3K3(16,32,2,16,4)SuperResK3K3(32,64,2,32,6)", 1.0 / 11.0),
            ("a stage less", "SuperResK3K3(16,32,2,16,4)", 0.5),
        ];
        for (what, blocks, expected) in cases {
            let other = network(blocks);
            assert!((distance(&base, &other) - expected).abs() < 1e-12, "{what}: {}", distance(&base, &other));
            assert_eq!(distance(&base, &other), distance(&other, &base), "{what}");
        }
    }

    #[test]
    fn near_copies_of_better_ones_are_left_out() {
        let ranked = [
            "SuperResK3K3(16,32,2,16,9)",
            "SuperResK3K3(16,32,2,16,8)",
            "SuperResK3K3(16,32,2,16,6)",
            // A near-copy of the one before, which was taken.
            "SuperResK3K3(16,32,2,16,5)SuperResK5K5(32,32,1,16,1)",
            "SuperResK5K5(16,32,2,16,9)",
        ]
        .map(network);
        let taken = |count| {
            let taken = really_different(ranked.iter().enumerate(), |(_, network)| network, count, REALLY_DIFFERENT);
            taken.into_iter().map(|(i, _)| i).collect::<Vec<_>>()
        };
        assert_eq!(taken(9), [0, 2, 4]);
        assert_eq!(taken(2), [0, 2]);
        assert_eq!(taken(0), [0; 0]);
    }
}
