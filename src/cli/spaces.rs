//! Search spaces, for people and programs.

use serde::Serialize;

use super::print::table;
use crate::space::{Channels, RAILS, Rails, Space};

/// What a space holds.
#[derive(Serialize, schemars::JsonSchema)]
pub struct SpaceSummary<'s> {
    pub name: &'s str,
    pub about: &'s str,
    pub built_in: bool,
    pub types: Vec<Vec<&'static str>>,
    pub stem: Channels,
    pub stages: Vec<StageSummary>,
    /// None where the width of the tail is that of the initial structure.
    pub tail: Option<Channels>,
    pub max_layers: u32,
    /// Empty where any size is allowed.
    pub resolutions: &'s [u32],
    pub squeeze_excite: bool,
    pub residual_links: bool,
    pub initial: Vec<InitialSummary>,
    pub rails: &'s Rails,
}

/// What the blocks of a stage may be; one for all stages where the space does not tell them apart.
#[derive(Serialize, schemars::JsonSchema)]
pub struct StageSummary {
    /// None where the initial structure says.
    pub stride: Option<u32>,
    pub channels: Channels,
    pub bottleneck: Channels,
    pub most_layers: u32,
    pub types: Vec<&'static str>,
}

/// Where a search starts.
#[derive(Serialize, schemars::JsonSchema)]
pub struct InitialSummary {
    pub from_resolution: u32,
    pub structure: String,
}

impl<'s> SpaceSummary<'s> {
    pub fn of(space: &'s Space) -> Self {
        let names = |kinds: &[crate::net::block::BlockKind]| kinds.iter().map(|kind| kind.name()).collect();
        let stages = space.bounds.stages.iter().enumerate().map(|(i, stage)| StageSummary {
            stride: space.strides.as_ref().map(|strides| strides[i]),
            channels: stage.channels,
            bottleneck: stage.bottleneck,
            most_layers: stage.most_layers,
            types: names(&stage.kinds),
        });
        let initial = space.initial.iter().map(|initial| InitialSummary {
            from_resolution: initial.from_resolution,
            structure: initial.network.to_string(),
        });
        Self {
            name: &space.name,
            about: &space.about,
            built_in: space.is_built_in(),
            types: space.types.iter().map(|family| names(family)).collect(),
            stem: space.bounds.stem,
            stages: stages.collect(),
            tail: space.bounds.tail,
            max_layers: space.default_max_layers,
            resolutions: &space.resolutions,
            squeeze_excite: space.squeeze_excite,
            residual_links: space.residual_links,
            initial: initial.collect(),
            rails: &space.rails,
        }
    }
}

/// A space, a line for each thing that it holds.
pub fn describe_space(space: &Space) -> String {
    let SpaceSummary { types, stages, tail, resolutions, .. } = SpaceSummary::of(space);
    let channels = |channels: &Channels| {
        let Channels { least, most, multiple } = channels;
        format!("{least} to {most}, multiples of {multiple}")
    };
    let mut lines = vec![("space", space.name.clone()), ("", space.about.clone())];
    for (i, family) in types.iter().enumerate() {
        lines.push((if i == 0 { "block types" } else { "" }, family.join(" ")));
    }
    lines.push(("stem", channels(&space.bounds.stem)));
    for (i, stage) in stages.iter().enumerate() {
        let stride = stage.stride.map(|stride| format!("stride {stride}; ")).unwrap_or_default();
        let layers = match stage.most_layers {
            crate::net::MAX_LAYERS => String::new(),
            most => format!("; at most {most} layers"),
        };
        let subset =
            if stage.types.len() < space.kinds.len() { format!("; {}", stage.types.join(" ")) } else { String::new() };
        let text = format!(
            "{stride}widths {}; bottlenecks {}{layers}{subset}",
            channels(&stage.channels),
            channels(&stage.bottleneck)
        );
        lines.push((if i == 0 { "stages" } else { "" }, text));
    }
    lines.push(("tail", tail.map_or("as in the initial structure".to_owned(), |tail| channels(&tail))));
    lines.push(("layers", format!("at most {} unless --max-layers says otherwise", space.default_max_layers)));
    if !resolutions.is_empty() {
        let sizes = resolutions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        lines.push(("resolutions", sizes));
    }
    for (i, initial) in space.initial.iter().enumerate() {
        let from = match initial.from_resolution {
            1 => initial.network.to_string(),
            pixels => format!("from {pixels} pixels: {}", initial.network),
        };
        lines.push((if i == 0 { "initial" } else { "" }, from));
    }
    let values = serde_json::to_value(&space.rails).unwrap_or_default();
    let set: Vec<_> = RAILS.iter().filter(|rail| !values[rail.key].is_null()).collect();
    if set.is_empty() {
        lines.push(("rails", "none".to_owned()));
    }
    for (i, rail) in set.into_iter().enumerate() {
        let text = format!("{} = {}  (--{})", rail.key, values[rail.key], rail.flag);
        lines.push((if i == 0 { "rails" } else { "" }, text));
    }
    table(&lines)
}
