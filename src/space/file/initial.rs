//! The initial structures of a space file: given ones, or one made from the stages.

use toml::Spanned;

use super::{File, InitialFile, Wrong};
use crate::net::block::BlockKind;
use crate::net::{MAX_STRIDE, Network, SuperBlock};
use crate::space::{Bounds, Initial};

impl File {
    pub(super) fn initial(&self, bounds: &Bounds) -> Result<Vec<Initial>, Wrong> {
        let mut initial = Vec::with_capacity(self.initial.len().max(1));
        for entry in &self.initial {
            let InitialFile { from_resolution, structure } = entry.get_ref();
            let network = Network::parse(structure).map_err(|error| (entry.span(), error.to_string()))?;
            initial.push(Initial { from_resolution: from_resolution.unwrap_or(1), network });
        }
        if initial.is_empty() {
            if self.stages.is_empty() {
                let reason = "neither [[initial]] nor [[stages]]: a space needs one of them";
                return Err((0..0, reason.to_owned()));
            }
            initial.push(Initial { from_resolution: 1, network: self.made(bounds)? });
        }
        initial.sort_by_key(|initial| initial.from_resolution);
        Ok(initial)
    }

    /// One layer in every stage; widths double from stage to stage as far as the bounds allow.
    fn made(&self, bounds: &Bounds) -> Result<Network, Wrong> {
        let span = self.stem.as_ref().map_or(0..0, Spanned::span);
        let stem = self.stem.as_ref().map(|stem| *stem.get_ref()).unwrap_or_default();
        let conv = |kernel: u32| {
            let kind = BlockKind::from_name(&format!("SuperConvK{kernel}BNRELU"));
            kind.ok_or_else(|| (span.clone(), format!("no convolution has a kernel of {kernel}; 1, 3, 5 and 7 exist")))
        };
        let stride = stem.stride.unwrap_or(2);
        if !(1..=MAX_STRIDE).contains(&stride) {
            return Err((span, format!("the stride of the stem must be from 1 to {MAX_STRIDE}")));
        }
        let mut block = SuperBlock {
            kind: conv(stem.kernel.unwrap_or(3))?,
            in_channels: 3,
            out_channels: bounds.stem.nearest(32),
            stride,
            bottleneck: None,
            sub_layers: 1,
        };
        let mut blocks = vec![block];
        let mut width = 32;
        for (stage, file) in bounds.stages.iter().zip(&self.stages) {
            width *= 2;
            let kind = stage.kinds[0];
            block = SuperBlock {
                kind,
                in_channels: block.out_channels,
                out_channels: stage.channels.nearest(width),
                stride: file.get_ref().stride,
                bottleneck: kind.family().bottleneck.then(|| stage.bottleneck.nearest(width / 2)),
                sub_layers: 1,
            };
            blocks.push(block);
        }
        let out_channels = bounds.tail.map_or(2048, |tail| tail.nearest(width));
        blocks.push(SuperBlock {
            kind: conv(1)?,
            in_channels: block.out_channels,
            out_channels,
            stride: 1,
            bottleneck: None,
            sub_layers: 1,
        });
        Ok(Network::from_chained(blocks))
    }
}
