//! What a space file may choose from: channels, block types, rails. An empty choice is an error.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;

use super::{ChannelsFile, Wrong};
use crate::names::closest;
use crate::net::MAX_CHANNELS;
use crate::net::block::BlockKind;
use crate::space::{Channels, RAILS, Rail, Rails};

/// What a part says, and where it is silent what the general limits say.
pub(super) fn inherit(part: ChannelsFile, general: Channels) -> Channels {
    Channels {
        least: part.least.unwrap_or(general.least),
        most: part.most.unwrap_or(general.most),
        multiple: part.multiple.unwrap_or(general.multiple),
    }
}

pub(super) fn checked(channels: Channels, span: impl Fn() -> Range<usize>) -> Result<Channels, Wrong> {
    let Channels { least, most, multiple } = channels;
    if most > MAX_CHANNELS || multiple == 0 || multiple > MAX_CHANNELS {
        return Err((span(), format!("channels and multiples must be from 1 to {MAX_CHANNELS}")));
    }
    match channels.is_empty() {
        true => Err((span(), format!("an empty choice: no multiple of {multiple} from {least} to {most}"))),
        false => Ok(channels),
    }
}

pub(super) fn in_range(value: &Spanned<u32>, what: &str, most: u32) -> Result<u32, Wrong> {
    match *value.get_ref() {
        number if (1..=most).contains(&number) => Ok(number),
        number => Err((value.span(), format!("{what} is {number}: must be from 1 to {most}"))),
    }
}

pub(super) fn types(list: &Spanned<Vec<Vec<Spanned<String>>>>) -> Result<Vec<Vec<BlockKind>>, Wrong> {
    let mut types: Vec<Vec<BlockKind>> = Vec::new();
    for family in list.get_ref() {
        let mut kinds = Vec::with_capacity(family.len());
        for name in family {
            let kind = kind(name)?;
            if kinds.contains(&kind) || types.iter().flatten().any(|known| *known == kind) {
                return Err((name.span(), format!("{} is listed twice", kind.name())));
            }
            kinds.push(kind);
        }
        types.push(kinds);
    }
    if types.is_empty() || types.iter().any(Vec::is_empty) {
        return Err((list.span(), "an empty choice of block types".to_owned()));
    }
    Ok(types)
}

fn kind(name: &Spanned<String>) -> Result<BlockKind, Wrong> {
    let residual = || BlockKind::all().filter(|kind| kind.family().residual);
    let written = name.get_ref();
    residual().find(|kind| kind.name() == written).ok_or_else(|| {
        let hint = closest(written, residual().map(BlockKind::name));
        let hint = hint.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
        (name.span(), format!("`{}` is no residual block type{hint}", written.escape_debug()))
    })
}

pub(super) fn stage_kinds(
    names: &[Spanned<String>],
    all: &[BlockKind],
    span: Range<usize>,
) -> Result<Vec<BlockKind>, Wrong> {
    if names.is_empty() {
        return Err((span, "an empty choice of block types".to_owned()));
    }
    let of_space = |name: &Spanned<String>| match kind(name)? {
        kind if all.contains(&kind) => Ok(kind),
        kind => Err((name.span(), format!("{} is not among the types of the space", kind.name()))),
    };
    names.iter().map(of_space).collect()
}

pub(super) fn rails(table: &BTreeMap<Spanned<String>, Spanned<toml::Value>>) -> Result<Rails, Wrong> {
    let mut rails = Rails::default();
    for (key, value) in table {
        let Some(rail) = Rail::of(key.get_ref()) else {
            let known: Vec<_> = RAILS.iter().map(|rail| rail.key).collect();
            let reason = format!("unknown rail `{}`, known are {}", key.get_ref().escape_debug(), known.join(", "));
            return Err((key.span(), reason));
        };
        let text = match value.get_ref() {
            toml::Value::Array(list) => list.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
            number @ (toml::Value::Integer(_) | toml::Value::Float(_)) => number.to_string(),
            other => return Err((value.span(), format!("{} is a {}, no number", rail.key, other.type_str()))),
        };
        rail.set(&mut rails, &text).map_err(|reason| (value.span(), format!("{} {reason}", rail.key)))?;
    }
    Ok(rails)
}
