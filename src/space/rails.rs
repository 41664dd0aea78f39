//! Guard rails: limits on the shape of a network, beside any budget.
//!
//! The optimum of a score alone is no network that anybody trains; the defaults of each space are the envelope of its
//! published networks. Not here: budgets, which limit what a network costs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::skeleton::stage_starts;
use crate::net::{Graph, Network, OperatorKind, SuperBlock};

/// Limits on shapes; what is absent is not limited. Each has its flag and its meaning in [`RAILS`](super::RAILS).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rails {
    /// A width falls at most by this factor from one residual block to the next
    pub width_fall: Option<f64>,
    /// A residual block has at most this many times as many outputs as bottleneck channels
    pub output_per_bottleneck: Option<f64>,
    /// Fewest output channels of a residual block
    pub narrowest: Option<u32>,
    /// Fewest bottleneck channels
    pub narrowest_bottleneck: Option<u32>,
    /// Most output channels of a residual block
    pub widest: Option<u32>,
    /// Most bottleneck channels
    pub widest_bottleneck: Option<u32>,
    /// Most output channels of the tail
    pub widest_tail: Option<u32>,
    /// Most layers in one stage
    pub stage_layers: Option<u32>,
    /// Largest share of the layers of all residual blocks in one stage
    pub stage_share: Option<f64>,
    /// Largest share of the parameters in tail and classifier
    pub tail_share: Option<f64>,
    /// Kernels that residual blocks may have
    pub kernels: Option<Vec<u32>>,
    /// Channels are multiples of this
    pub channel_multiple: Option<u32>,
}

/// A place where a network leaves the rails.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct OffRails {
    /// Key of the rail, e.g. `width_fall`.
    pub rail: &'static str,
    /// Number of the block from 1; none for the whole network.
    pub block: Option<usize>,
    /// What stands there and what would be allowed.
    pub text: String,
}

impl std::fmt::Display for OffRails {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.block {
            Some(block) => write!(f, "block {block}: {} ({})", self.text, self.rail),
            None => write!(f, "{} ({})", self.text, self.rail),
        }
    }
}

/// A limit that is broken, before it has a text.
enum Breach<'r> {
    Multiple { channels: u32, multiple: u32 },
    Fall { from: u32, to: u32, most: f64 },
    PerBottleneck { outputs: u32, bottleneck: u32, most: f64 },
    Fewer { channels: u32, least: u32 },
    More { channels: u32, most: u32 },
    Kernel { kernel: u32, allowed: &'r [u32] },
    StageLayers { layers: u32, all: u32, most: u32 },
    TailShare { share: f64, most: f64 },
}

impl Breach<'_> {
    /// By what factor the limit is exceeded; above 1.
    fn excess(&self) -> f64 {
        let ratio = |value: u32, limit: u32| f64::from(value) / f64::from(limit.max(1));
        match *self {
            Self::Multiple { .. } | Self::Kernel { .. } => 2.0,
            Self::Fall { from, to, most } => ratio(from, to) / most,
            Self::PerBottleneck { outputs, bottleneck, most } => ratio(outputs, bottleneck) / most,
            Self::Fewer { channels, least } => ratio(least, channels),
            Self::More { channels, most } => ratio(channels, most),
            Self::StageLayers { layers, most, .. } => ratio(layers, most),
            Self::TailShare { share, most } => share / most,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Multiple { channels, multiple } => format!("{channels} channels are no multiple of {multiple}"),
            Self::Fall { from, to, most } => {
                let times = f64::from(*from) / f64::from(*to);
                format!("the width falls from {from} to {to}, by {times:.1}; at most {most}")
            }
            Self::PerBottleneck { outputs, bottleneck, most } => {
                let times = f64::from(*outputs) / f64::from(*bottleneck);
                format!(
                    "{outputs} outputs over a bottleneck of {bottleneck} are {times:.1} times as many; at most {most}"
                )
            }
            Self::Fewer { channels, least } => format!("{channels} channels; at least {least}"),
            Self::More { channels, most } => format!("{channels} channels; at most {most}"),
            Self::Kernel { kernel, allowed } => format!("a kernel of {kernel}; allowed are {allowed:?}"),
            Self::StageLayers { layers, all, most } => {
                format!("the stage from here has {layers} of {all} layers; at most {most}")
            }
            Self::TailShare { share, most } => format!(
                "tail and classifier hold {:.0}% of the parameters; at most {:.0}%",
                share * 100.0,
                most * 100.0
            ),
        }
    }
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
        let mut found = Vec::new();
        self.check(network, graph, &mut |rail, block, breach| {
            found.push(OffRails { rail, block, text: breach.text() })
        });
        found
    }

    /// How far a network is off the rails: 1 on them, otherwise 1 and every factor's excess over 1.
    pub fn excess(&self, network: &Network, graph: &Graph) -> f64 {
        let mut excess = 1.0;
        self.check(network, graph, &mut |_, _, breach| excess += breach.excess() - 1.0);
        excess
    }

    /// Reports every breach with the key of its rail and the number of its block.
    fn check<'r>(
        &'r self,
        network: &Network,
        graph: &Graph,
        off: &mut dyn FnMut(&'static str, Option<usize>, Breach<'r>),
    ) {
        if *self == Self::default() {
            return;
        }
        for (i, block) in network.blocks().iter().enumerate() {
            self.check_block(block, &mut |rail, breach| off(rail, Some(i + 1), breach));
        }
        let blocks = network.blocks();
        if let (Some(tail), Some(most)) = (blocks.last(), self.widest_tail)
            && !tail.kind.family().residual
            && tail.out_channels > most
        {
            off("widest_tail", Some(blocks.len()), Breach::More { channels: tail.out_channels, most });
        }
        if self.stage_layers.is_some() || self.stage_share.is_some() {
            let stages = stage_layers(blocks);
            let all: u32 = stages.iter().map(|(_, layers)| layers).sum();
            let most = self.most_stage_layers(all);
            for (start, layers) in stages.into_iter().filter(|(_, layers)| *layers > most) {
                let rail =
                    if self.stage_layers.is_some_and(|limit| layers > limit) { "stage_layers" } else { "stage_share" };
                off(rail, Some(start + 1), Breach::StageLayers { layers, all, most });
            }
        }
        if let Some(most) = self.tail_share {
            let share = tail_parameters(network, graph) as f64 / graph.parameters_and_flops().0.max(1) as f64;
            if share > most {
                off("tail_share", None, Breach::TailShare { share, most });
            }
        }
    }

    fn check_block<'r>(&'r self, block: &SuperBlock, off: &mut dyn FnMut(&'static str, Breach<'r>)) {
        let SuperBlock { in_channels, out_channels, bottleneck, .. } = *block;
        if let Some(multiple) = self.channel_multiple
            && let Some(channels) = [Some(out_channels), bottleneck]
                .into_iter()
                .flatten()
                .find(|channels| !channels.is_multiple_of(multiple))
        {
            off("channel_multiple", Breach::Multiple { channels, multiple });
        }
        if !block.kind.family().residual {
            return;
        }
        if let Some(most) = self.width_fall.filter(|_| !self.allows_step(in_channels, out_channels)) {
            off("width_fall", Breach::Fall { from: in_channels, to: out_channels, most });
        }
        if let (Some(bottleneck), Some(most)) = (bottleneck, self.output_per_bottleneck)
            && !self.allows_bottleneck(out_channels, bottleneck)
        {
            off("output_per_bottleneck", Breach::PerBottleneck { outputs: out_channels, bottleneck, most });
        }
        for (rail, channels, least, most) in [
            ("narrowest", Some(out_channels), self.narrowest, None),
            ("narrowest_bottleneck", bottleneck, self.narrowest_bottleneck, None),
            ("widest", Some(out_channels), None, self.widest),
            ("widest_bottleneck", bottleneck, None, self.widest_bottleneck),
        ] {
            let Some(channels) = channels else { continue };
            if let Some(least) = least.filter(|least| channels < *least) {
                off(rail, Breach::Fewer { channels, least });
            }
            if let Some(most) = most.filter(|most| channels > *most) {
                off(rail, Breach::More { channels, most });
            }
        }
        let kernel = block.kind.block_type().kernel;
        if let Some(allowed) = self.kernels.as_deref().filter(|kernels| !kernels.contains(&kernel)) {
            off("kernels", Breach::Kernel { kernel, allowed });
        }
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
        assert_eq!(names(Rails { tail_share: Some(0.05), ..Rails::default() }), [("tail_share", None)]);
    }
}
