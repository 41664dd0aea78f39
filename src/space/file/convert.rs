//! From a space file to the space, with everything checked.

use super::choices::{checked, in_range, inherit, rails, stage_kinds, types};
use super::{ChannelsFile, File, PublishedNetworkFile, StageFile, StemFile, Wrong};
use crate::net::block::BlockKind;
use crate::net::{MAX_CHANNELS, MAX_LAYERS, MAX_RESOLUTION, MAX_STRIDE, Network};
use crate::space::{Bounds, Channels, PublishedNetwork, Space, StageBounds};
use toml::Spanned;

/// Limit on layers where a file names none.
const MAX_LAYERS_DEFAULT: u32 = 30;

impl File {
    pub(super) fn into_space(self, text: &str) -> Result<Space, Wrong> {
        let is_name =
            |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if !is_name(self.name.get_ref()) {
            return Err((self.name.span(), "a name has letters, digits, `-` and `_`".to_owned()));
        }
        let types = types(&self.types)?;
        let kinds = types.concat();
        let bounds = self.bounds(&kinds)?;
        let rails = rails(&self.rails)?;
        let rails_span = self.rails.keys().map(|key| key.span().start).min().unwrap_or(0);
        bounds.within(&rails).map_err(|error| (rails_span..rails_span, error.to_string()))?;
        let max_layers =
            self.max_layers.as_ref().map(|layers| in_range(layers, "max_layers", MAX_LAYERS)).transpose()?;
        let resolutions = match &self.resolutions {
            Some(list) => match list.get_ref().iter().find(|side| !(1..=MAX_RESOLUTION).contains(side)) {
                Some(side) => return Err((list.span(), format!("{side} pixels: from 1 to {MAX_RESOLUTION}"))),
                None if list.get_ref().is_empty() => return Err((list.span(), "resolutions are empty".to_owned())),
                None => list.get_ref().clone(),
            },
            None => Vec::new(),
        };
        let strides: Option<Vec<u32>> =
            (!self.stages.is_empty()).then(|| self.stages.iter().map(|stage| stage.get_ref().stride).collect());
        let initial = self.initial(&bounds)?;
        let published = match &self.published {
            Some(published) if !(8..=MAX_CHANNELS).contains(&published.get_ref().max_channels) => {
                return Err((published.span(), format!("max_channels must be from 8 to {MAX_CHANNELS}")));
            }
            published => published.as_ref().map(|published| published.get_ref().max_channels),
        };
        let networks = self.published.as_ref().map_or(&[][..], |published| &published.get_ref().networks);
        let networks = networks.iter().map(|entry| {
            let PublishedNetworkFile { name, resolution, structure } = entry.get_ref();
            let network = Network::parse(structure).map_err(|error| (entry.span(), error.to_string()))?;
            Ok(PublishedNetwork { name: name.clone(), resolution: *resolution, network })
        });
        let published_networks = networks.collect::<Result<Vec<_>, Wrong>>()?;
        let space = Space {
            name: self.name.into_inner(),
            about: self.about,
            types,
            kinds,
            bounds,
            published_max_channels: published,
            published: published_networks,
            fixed_tail: self.fixed_tail,
            strides,
            initial,
            default_max_layers: max_layers.unwrap_or(MAX_LAYERS_DEFAULT),
            resolutions,
            squeeze_excite: self.squeeze_excite,
            residual_links: self.residual_links,
            rails,
            text: text.into(),
        };
        for (initial, at) in space.initial.iter().zip(&self.initial) {
            space.check_initial(&initial.network).map_err(|error| (at.span(), error.to_string()))?;
        }
        Ok(space)
    }

    fn bounds(&self, kinds: &[BlockKind]) -> Result<Bounds, Wrong> {
        let given = self.channels.get_ref();
        let Some(most) = given.most else {
            return Err((self.channels.span(), "`most` is missing: the most channels".to_owned()));
        };
        let multiple = given.multiple.unwrap_or(8);
        let general = Channels { least: given.least.unwrap_or(multiple), most, multiple };
        let channels = checked(general, || self.channels.span())?;
        let part = |file: &Option<Spanned<ChannelsFile>>| match file {
            Some(file) => checked(inherit(*file.get_ref(), channels), || file.span()),
            None => Ok(channels),
        };
        let bottleneck = part(&self.bottleneck)?;
        let stem = match &self.stem {
            Some(file) => {
                let StemFile { least, most, multiple, .. } = *file.get_ref();
                checked(inherit(ChannelsFile { least, most, multiple }, channels), || file.span())?
            }
            None => channels,
        };
        let tail = match &self.tail {
            Some(tail) if self.fixed_tail => {
                return Err((tail.span(), "a tail with fixed_tail = true has no choice of channels".to_owned()));
            }
            _ if self.fixed_tail => None,
            tail => Some(part(tail)?),
        };
        let mut stages = Vec::with_capacity(self.stages.len().max(1));
        for stage in &self.stages {
            let StageFile { stride, most_layers, types, channels: of_stage, bottleneck: of_bottleneck } =
                stage.get_ref();
            if !(1..=MAX_STRIDE).contains(stride) || (*stride == 1 && !stages.is_empty()) {
                let reason = "a stage begins with a stride above 1; only the first may have stride 1";
                return Err((stage.span(), reason.to_owned()));
            }
            let most_layers = most_layers.unwrap_or(MAX_LAYERS);
            if !(1..=MAX_LAYERS).contains(&most_layers) {
                return Err((stage.span(), format!("most_layers must be from 1 to {MAX_LAYERS}")));
            }
            let span = || stage.span();
            stages.push(StageBounds {
                channels: checked(inherit(of_stage.unwrap_or_default(), channels), span)?,
                bottleneck: checked(inherit(of_bottleneck.unwrap_or_default(), bottleneck), span)?,
                most_layers,
                kinds: match types {
                    Some(names) => stage_kinds(names, kinds, stage.span())?,
                    None => kinds.to_vec(),
                },
            });
        }
        if stages.is_empty() {
            stages.push(StageBounds { channels, bottleneck, most_layers: MAX_LAYERS, kinds: kinds.to_vec() });
        }
        Ok(Bounds { stem, tail, stages })
    }
}
