//! Guard rails: limits on the shape of a network, beside any budget.
//!
//! The optimum of a score alone is no network that anybody trains; the defaults of each space are the envelope of its
//! published networks. Not here: budgets, which limit what a network costs.

use serde::{Deserialize, Serialize};

use super::skeleton::stage_starts;
use crate::net::{Graph, Network, OperatorKind, SuperBlock};

/// Limits on shapes; what is absent is not limited.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rails {
    /// A residual block's output is at least its input divided by this.
    pub width_fall: Option<f64>,
    /// A residual block's output is at most its bottleneck times this.
    pub output_per_bottleneck: Option<f64>,
    /// Fewest output channels of a residual block.
    pub narrowest: Option<u32>,
    pub narrowest_bottleneck: Option<u32>,
    /// Most output channels of a residual block.
    pub widest: Option<u32>,
    pub widest_bottleneck: Option<u32>,
    /// Most output channels of the tail.
    pub widest_tail: Option<u32>,
    /// Most layers in one stage.
    pub stage_layers: Option<u32>,
    /// Largest share of the layers of all residual blocks that one stage may hold.
    pub stage_share: Option<f64>,
    /// Largest share of the parameters in tail and classifier.
    pub tail_share: Option<f64>,
    /// Kernels that residual blocks may have.
    pub kernels: Option<Vec<u32>>,
    /// Channels are multiples of this.
    pub channel_multiple: Option<u32>,
}

/// A place where a network leaves the rails.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OffRails {
    /// Key of the rail, e.g. `width_fall`.
    pub rail: &'static str,
    /// Number of the block from 1; none for the whole network.
    pub block: Option<usize>,
    /// What stands there and what would be allowed.
    pub text: String,
}

impl Rails {
    /// Whether a residual block may follow `in_channels` with `out_channels`.
    pub fn allows_step(&self, in_channels: u32, out_channels: u32) -> bool {
        self.width_fall.is_none_or(|fall| f64::from(out_channels) * fall >= f64::from(in_channels))
    }

    /// Whether a residual block of that output may have that bottleneck.
    pub fn allows_bottleneck(&self, out_channels: u32, bottleneck: u32) -> bool {
        self.output_per_bottleneck.is_none_or(|ratio| f64::from(out_channels) <= f64::from(bottleneck) * ratio)
    }

    /// Most layers in one stage of a network with so many layers in its residual blocks.
    pub fn most_stage_layers(&self, residual_layers: u32) -> u32 {
        let by_share = self.stage_share.map(|share| (share * f64::from(residual_layers) + 1e-9).floor() as u32);
        self.stage_layers.into_iter().chain(by_share.map(|layers| layers.max(1))).min().unwrap_or(u32::MAX)
    }

    /// Everything about a network that the rails do not allow; `graph` is its lowering.
    pub fn violations(&self, network: &Network, graph: &Graph) -> Vec<OffRails> {
        let blocks = network.blocks();
        let mut found = Vec::new();
        let mut off = |rail, block: Option<usize>, text: String| found.push(OffRails { rail, block, text });
        for (i, block) in blocks.iter().enumerate() {
            let place = Some(i + 1);
            if let Some(multiple) = self.channel_multiple
                && let Some(channels) = [Some(block.out_channels), block.bottleneck]
                    .into_iter()
                    .flatten()
                    .find(|channels| !channels.is_multiple_of(multiple))
            {
                off("channel_multiple", place, format!("{channels} channels are no multiple of {multiple}"));
            }
            if !block.kind.family().residual {
                continue;
            }
            let SuperBlock { in_channels, out_channels, .. } = *block;
            if let Some(fall) = self.width_fall.filter(|_| !self.allows_step(in_channels, out_channels)) {
                let times = f64::from(in_channels) / f64::from(out_channels);
                off(
                    "width_fall",
                    place,
                    format!("the width falls from {in_channels} to {out_channels}, by {times:.1}; at most {fall}"),
                );
            }
            if let (Some(bottleneck), Some(ratio)) = (block.bottleneck, self.output_per_bottleneck)
                && !self.allows_bottleneck(out_channels, bottleneck)
            {
                let times = f64::from(out_channels) / f64::from(bottleneck);
                let text = format!(
                    "{out_channels} outputs over a bottleneck of {bottleneck} are {times:.1} times as many; at most {ratio}"
                );
                off("output_per_bottleneck", place, text);
            }
            for (rail, value, least, most) in [
                ("narrowest", Some(out_channels), self.narrowest, None),
                ("narrowest_bottleneck", block.bottleneck, self.narrowest_bottleneck, None),
                ("widest", Some(out_channels), None, self.widest),
                ("widest_bottleneck", block.bottleneck, None, self.widest_bottleneck),
            ] {
                let Some(value) = value else { continue };
                if let Some(least) = least.filter(|least| value < *least) {
                    off(rail, place, format!("{value} channels; at least {least}"));
                }
                if let Some(most) = most.filter(|most| value > *most) {
                    off(rail, place, format!("{value} channels; at most {most}"));
                }
            }
            let kernel = block.kind.block_type().kernel;
            if let Some(kernels) = self.kernels.as_ref().filter(|kernels| !kernels.contains(&kernel)) {
                off("kernels", place, format!("a kernel of {kernel}; allowed are {kernels:?}"));
            }
        }
        if let (Some(tail), Some(most)) = (blocks.last(), self.widest_tail)
            && !tail.kind.family().residual
            && tail.out_channels > most
        {
            off("widest_tail", Some(blocks.len()), format!("a tail of {} channels; at most {most}", tail.out_channels));
        }
        let layers = stage_layers(blocks);
        let all: u32 = layers.iter().map(|(_, layers)| layers).sum();
        let most = self.most_stage_layers(all);
        for (start, layers) in layers.iter().filter(|(_, layers)| *layers > most) {
            let rail =
                if self.stage_layers.is_some_and(|limit| *layers > limit) { "stage_layers" } else { "stage_share" };
            let text = format!("the stage from here has {layers} of {all} layers; at most {most}");
            off(rail, Some(start + 1), text);
        }
        if let Some(most) = self.tail_share {
            let (tail, all) = (tail_parameters(network, graph), graph.cost().parameters);
            let share = tail as f64 / all.max(1) as f64;
            if share > most {
                let text = format!(
                    "tail and classifier hold {:.0}% of the parameters; at most {:.0}%",
                    share * 100.0,
                    most * 100.0
                );
                off("tail_share", None, text);
            }
        }
        found
    }
}

/// Index of the first block of each stage with the layers of the stage.
pub fn stage_layers(blocks: &[SuperBlock]) -> Vec<(usize, u32)> {
    let starts = stage_starts(blocks);
    let end = |i: usize| starts.get(i + 1).copied().unwrap_or(blocks.len());
    let layers = |from: usize, to: usize| {
        blocks[from..to].iter().filter(|block| block.kind.family().residual).map(|block| block.sub_layers).sum()
    };
    starts.iter().enumerate().map(|(i, start)| (*start, layers(*start, end(i)))).collect()
}

/// Parameters of the tail with its batch norm and of the classifier.
fn tail_parameters(network: &Network, graph: &Graph) -> u64 {
    let Some(tail) = network.blocks().last().filter(|tail| !tail.kind.family().residual) else { return 0 };
    let kernel = u64::from(tail.kind.block_type().kernel);
    let [input, output] = [tail.in_channels, tail.out_channels].map(u64::from);
    let linear = graph.operators().iter().rev().find(|operator| operator.kind == OperatorKind::Linear);
    let classes = linear.map_or(0, |operator| u64::from(operator.shape.channels));
    input * output * kernel * kernel + 2 * output + classes * (output + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::LowerOptions;

    #[test]
    fn every_rail_names_its_place() {
        let text = "SuperConvK3BNRELU(3,24,1,1)SuperResK1K5K1(24,400,1,20,4)SuperResK3K3(400,40,2,40,1)SuperConvK1BNRELU(40,512,1,1)";
        let network = Network::parse(text).unwrap();
        let graph = network.lower(&LowerOptions::new(32, 10)).unwrap();
        let names = |rails: Rails| -> Vec<(&'static str, Option<usize>)> {
            rails.violations(&network, &graph).into_iter().map(|off| (off.rail, off.block)).collect()
        };
        assert_eq!(names(Rails::default()), []);
        assert_eq!(names(Rails { width_fall: Some(4.5), ..Rails::default() }), [("width_fall", Some(3))]);
        assert_eq!(
            names(Rails { output_per_bottleneck: Some(12.0), ..Rails::default() }),
            [("output_per_bottleneck", Some(2))]
        );
        assert_eq!(
            names(Rails { narrowest_bottleneck: Some(24), ..Rails::default() }),
            [("narrowest_bottleneck", Some(2))]
        );
        assert_eq!(names(Rails { widest: Some(256), ..Rails::default() }), [("widest", Some(2))]);
        assert_eq!(names(Rails { stage_share: Some(0.75), ..Rails::default() }), [("stage_share", Some(2))]);
        assert_eq!(names(Rails { stage_layers: Some(4), ..Rails::default() }), []);
        assert_eq!(names(Rails { kernels: Some(vec![3]), ..Rails::default() }), [("kernels", Some(2))]);
        assert_eq!(names(Rails { channel_multiple: Some(8), ..Rails::default() }), [("channel_multiple", Some(2))]);
        assert_eq!(names(Rails { widest_tail: Some(256), ..Rails::default() }), [("widest_tail", Some(4))]);
        assert_eq!(names(Rails { tail_share: Some(0.1), ..Rails::default() }), [("tail_share", None)]);
    }
}
