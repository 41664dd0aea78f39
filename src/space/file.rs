//! The text of a space file: TOML with everything that a search may choose from.
//!
//! Unknown keys and empty choices are errors with line and column. The comments on the fields are what the JSON schema
//! for editors says; `docs/reference/space-file.md` has every key. Not here: what the limits mean in a search.

mod choices;
mod convert;
mod initial;

use std::collections::BTreeMap;
use std::ops::Range;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::{Rails, Space, SpaceError};

/// A search space of zen-nas
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "zen-nas search space")]
struct File {
    /// Name of the space: letters, digits, `-` and `_`
    #[schemars(with = "String")]
    name: Spanned<String>,
    /// One line for people
    #[serde(default)]
    about: String,
    /// Families of block types that a residual block may become; the published draw weights each family by its order
    #[schemars(with = "Vec<Vec<String>>")]
    types: Spanned<Vec<Vec<Spanned<String>>>>,
    /// Limit on layers of a search that names none
    #[schemars(with = "Option<u32>")]
    max_layers: Option<Spanned<u32>>,
    /// Sizes of images in pixels to choose from, the default first; any size if absent
    #[schemars(with = "Option<Vec<u32>>")]
    resolutions: Option<Spanned<Vec<u32>>>,
    /// Squeeze-and-excitation in the blocks that know it
    #[serde(default)]
    squeeze_excite: bool,
    /// Residual links; without them every unit is its plain chain
    #[serde(default = "yes")]
    residual_links: bool,
    /// The width of the 1x1 tail stays that of the initial structure
    #[serde(default)]
    fixed_tail: bool,
    /// Output channels of residual blocks
    #[schemars(with = "ChannelsFile")]
    channels: Spanned<ChannelsFile>,
    /// Bottleneck channels of residual blocks; what is absent is as in `channels`
    #[schemars(with = "Option<ChannelsFile>")]
    bottleneck: Option<Spanned<ChannelsFile>>,
    /// The first convolution; what is absent is as in `channels`
    #[schemars(with = "Option<StemFile>")]
    stem: Option<Spanned<StemFile>>,
    /// The 1x1 convolution before the classifier; what is absent is as in `channels`
    #[schemars(with = "Option<ChannelsFile>")]
    tail: Option<Spanned<ChannelsFile>>,
    /// Limits of the published rules, for the built-in spaces
    #[schemars(with = "Option<PublishedFile>")]
    published: Option<Spanned<PublishedFile>>,
    /// Stages from the image to the tail; if absent, they are those of the initial structures
    #[serde(default)]
    #[schemars(with = "Vec<StageFile>")]
    stages: Vec<Spanned<StageFile>>,
    /// Where a search starts; if absent, a structure is made from the stages
    #[serde(default)]
    #[schemars(with = "Vec<InitialFile>")]
    initial: Vec<Spanned<InitialFile>>,
    /// Limits on the shape of networks; what is absent is not limited
    #[serde(default)]
    #[schemars(with = "Rails")]
    rails: BTreeMap<Spanned<String>, Spanned<toml::Value>>,
}

/// Channels to choose from
#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChannelsFile {
    /// Fewest channels
    least: Option<u32>,
    /// Most channels
    most: Option<u32>,
    /// Channels are multiples of this
    multiple: Option<u32>,
}

/// The first convolution
#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StemFile {
    /// Fewest channels
    least: Option<u32>,
    /// Most channels
    most: Option<u32>,
    /// Channels are multiples of this
    multiple: Option<u32>,
    /// Kernel of an initial structure that is made from the stages: 1, 3, 5 or 7 [default: 3]
    kernel: Option<u32>,
    /// Stride of an initial structure that is made from the stages [default: 2]
    stride: Option<u32>,
}

/// Limits of the published rules
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PublishedFile {
    /// Most channels of any block
    max_channels: u32,
    /// Networks that were published: the depth and width of a search under a latency budget alone follow them
    #[serde(default)]
    #[schemars(with = "Vec<PublishedNetworkFile>")]
    networks: Vec<Spanned<PublishedNetworkFile>>,
}

/// A published network of the space
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PublishedNetworkFile {
    /// Its name
    name: String,
    /// Height and width of its images in pixels
    resolution: u32,
    /// Its structure
    structure: String,
}

/// Residual blocks of one resolution: the first has the stride, any number may follow
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StageFile {
    /// Stride of the first block
    stride: u32,
    /// Most layers in all blocks of the stage
    most_layers: Option<u32>,
    /// Block types of this stage, of those of the space [default: all]
    #[schemars(with = "Option<Vec<String>>")]
    types: Option<Vec<Spanned<String>>>,
    /// Output channels; what is absent is as in `channels` of the space
    channels: Option<ChannelsFile>,
    /// Bottleneck channels; what is absent is as in `bottleneck` of the space
    bottleneck: Option<ChannelsFile>,
}

/// A structure that a search starts from
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct InitialFile {
    /// Smallest height and width of images that it is meant for [default: 1]
    from_resolution: Option<u32>,
    /// The structure
    structure: String,
}

fn yes() -> bool {
    true
}

/// The JSON schema of space files.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(File).to_value()
}

/// What is wrong in a file, and where.
type Wrong = (Range<usize>, String);

impl Space {
    /// Reads a space file; `shown` is its name in errors.
    ///
    /// # Errors
    /// Names line and column of what is wrong.
    pub fn parse(text: &str, shown: &str) -> Result<Self, SpaceError> {
        let space = Self::parse_built_in(text, shown)?;
        if Self::built_in(&space.name).is_ok_and(|known| *known.text != *text) {
            let at = text.find(&space.name).unwrap_or(0);
            let reason = format!("the name {} is that of a built-in space; choose another", space.name);
            return Err(wrong_at(text, shown, (at..at, reason)));
        }
        Ok(space)
    }

    /// As [`Space::parse`], for a file whose name is that of a built-in space.
    pub(super) fn parse_built_in(text: &str, shown: &str) -> Result<Self, SpaceError> {
        let file: File = toml::from_str(text).map_err(|error| {
            wrong_at(text, shown, (error.span().unwrap_or(0..0), error.message().trim().to_owned()))
        })?;
        file.into_space(text).map_err(|wrong| wrong_at(text, shown, wrong))
    }
}

fn wrong_at(text: &str, shown: &str, (span, reason): Wrong) -> SpaceError {
    let before = &text[..text.floor_char_boundary(span.start)];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
    SpaceError::File { file: shown.to_owned(), line, column, reason }
}
