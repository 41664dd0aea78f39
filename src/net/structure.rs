//! Structure strings: parsing with spans in every error, and printing back.
//!
//! The grammar is section 1 of the published format: super-blocks written one after another
//! without separators, an optional block name first in the parentheses, the head implied. Not
//! here: what a block computes (`block`), the operators (`lower`).

use std::fmt;
use std::ops::Range;

use super::StructureError;
use super::block::BlockKind;
use crate::names::closest;

/// Largest structure string that is read, in bytes.
pub const MAX_STRUCTURE_BYTES: usize = 1 << 16;
/// Largest number of channels a block may name.
pub const MAX_CHANNELS: u32 = 1 << 16;
/// Largest stride a block may name.
pub const MAX_STRIDE: u32 = 32;
/// Largest sum of `sub_layers` over all blocks.
pub const MAX_LAYERS: u32 = 1024;

/// One super-block: a block type with its arguments, repeated `sub_layers` times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SuperBlock {
    pub kind: BlockKind,
    pub in_channels: u32,
    pub out_channels: u32,
    /// Stride of the first layer; the others have stride 1.
    pub stride: u32,
    /// Bottleneck channels, in the families that have them.
    pub bottleneck: Option<u32>,
    pub sub_layers: u32,
}

/// A network as its super-blocks; consecutive blocks agree in channels.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    blocks: Vec<SuperBlock>,
    /// Optional block names; empty when no block is named.
    names: Vec<Option<Box<str>>>,
}

impl Network {
    /// A network of blocks without names.
    ///
    /// # Errors
    /// When there is no block, channels disagree, or a number is out of range.
    pub fn new(blocks: Vec<SuperBlock>) -> Result<Self, StructureError> {
        let network = Self { blocks, names: Vec::new() };
        // The printed form is what a reader of the error sees, so its checks are the parser's.
        let text = network.to_string();
        Self::parse(&text)
    }

    /// Takes blocks that are known to be chained, as a mutation leaves them.
    pub(crate) fn from_chained(blocks: Vec<SuperBlock>) -> Self {
        debug_assert!(blocks.windows(2).all(|pair| pair[0].out_channels == pair[1].in_channels));
        Self { blocks, names: Vec::new() }
    }

    /// Reads a structure string; surrounding white space is accepted.
    ///
    /// # Errors
    /// Names the characters concerned and what was expected there.
    pub fn parse(text: &str) -> Result<Self, StructureError> {
        Parser { text, position: 0 }.network()
    }

    pub fn blocks(&self) -> &[SuperBlock] {
        &self.blocks
    }

    /// Channels of the image.
    pub fn in_channels(&self) -> u32 {
        self.blocks[0].in_channels
    }

    /// Layers as the published budgets count them: the sum of `sub_layers`.
    pub fn layers(&self) -> u32 {
        self.blocks.iter().map(|block| block.sub_layers).sum()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, block) in self.blocks.iter().enumerate() {
            write!(f, "{}(", block.kind.name())?;
            if let Some(Some(name)) = self.names.get(i) {
                write!(f, "{name}|")?;
            }
            write!(f, "{},{},{},", block.in_channels, block.out_channels, block.stride)?;
            if let Some(bottleneck) = block.bottleneck {
                write!(f, "{bottleneck},")?;
            }
            write!(f, "{})", block.sub_layers)?;
        }
        Ok(())
    }
}

impl std::str::FromStr for Network {
    type Err = StructureError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

struct Parser<'t> {
    text: &'t str,
    position: usize,
}

impl<'t> Parser<'t> {
    fn network(mut self) -> Result<Network, StructureError> {
        if self.text.len() > MAX_STRUCTURE_BYTES {
            return Err(self.error(
                0..0,
                format!("at most {MAX_STRUCTURE_BYTES} bytes"),
                format!("{} bytes", self.text.len()),
            ));
        }
        let end = self.text.trim_end().len();
        self.position = self.text.len() - self.text.trim_start().len();
        let mut blocks: Vec<SuperBlock> = Vec::new();
        let mut names = Vec::new();
        let mut layers = 0;
        while self.position < end || blocks.is_empty() {
            let start = self.position;
            let (block, name, in_span, layers_span) = self.block()?;
            if let Some(previous) = blocks.last()
                && previous.out_channels != block.in_channels
            {
                let expected = format!(
                    "{} input channels, as block {} ({}) puts out",
                    previous.out_channels,
                    blocks.len(),
                    previous.kind.name()
                );
                let found = format!("{} in block {} ({})", block.in_channels, blocks.len() + 1, block.kind.name());
                return Err(self.error(in_span, expected, found));
            }
            layers += block.sub_layers;
            if layers > MAX_LAYERS {
                return Err(self.error(
                    layers_span,
                    format!("at most {MAX_LAYERS} layers in all"),
                    format!("{layers}"),
                ));
            }
            debug_assert!(self.position > start);
            blocks.push(block);
            names.push(name);
        }
        if names.iter().all(Option::is_none) {
            names.clear();
        }
        Ok(Network { blocks, names })
    }

    #[allow(clippy::type_complexity)] // one private caller takes the tuple apart at once
    fn block(&mut self) -> Result<(SuperBlock, Option<Box<str>>, Range<usize>, Range<usize>), StructureError> {
        let kind = self.kind()?;
        self.symbol('(', "`(` after the block type")?;
        let name = self.block_name()?;
        let (in_channels, in_span) = self.number("input channels", MAX_CHANNELS)?;
        self.symbol(',', "`,` after the input channels")?;
        let (out_channels, _) = self.number("output channels", MAX_CHANNELS)?;
        self.symbol(',', "`,` after the output channels")?;
        let (stride, _) = self.number("stride", MAX_STRIDE)?;
        self.symbol(',', "`,` after the stride")?;
        let bottleneck = if kind.family().bottleneck {
            let (bottleneck, _) = self.number("bottleneck channels", MAX_CHANNELS)?;
            self.symbol(',', "`,` and the number of sub-layers after the bottleneck channels")?;
            Some(bottleneck)
        } else {
            None
        };
        let (sub_layers, layers_span) = self.number("number of sub-layers", MAX_LAYERS)?;
        self.symbol(')', "`)` after the number of sub-layers")?;
        let block = SuperBlock { kind, in_channels, out_channels, stride, bottleneck, sub_layers };
        Ok((block, name, in_span, layers_span))
    }

    fn kind(&mut self) -> Result<BlockKind, StructureError> {
        let rest = &self.text[self.position..];
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let word = &rest[..length];
        let span = self.position..self.position + length;
        if word.is_empty() {
            return Err(self.error(span, "a block type such as SuperConvK3BNRELU".into(), self.found_here()));
        }
        let Some(kind) = BlockKind::from_name(word) else {
            let expected = match closest(word, BlockKind::all().map(BlockKind::name)) {
                Some(name) => format!("a block type; the closest is {name}"),
                None => {
                    let families: Vec<_> = super::block::FAMILIES.iter().map(|f| f.types[0].name).collect();
                    format!("a block type such as {}", families.join(", "))
                }
            };
            return Err(self.error(span, expected, format!("`{}`", shorten(word))));
        };
        self.position += length;
        Ok(kind)
    }

    /// `name|` at the start of the arguments, if there is one.
    fn block_name(&mut self) -> Result<Option<Box<str>>, StructureError> {
        let rest = &self.text[self.position..];
        let Some(length) = rest.find(['|', ')', '(']) else {
            return Ok(None);
        };
        if !rest[length..].starts_with('|') {
            return Ok(None);
        }
        let name = &rest[..length];
        if name.is_empty() || name.chars().any(char::is_control) {
            let span = self.position..self.position + length + 1;
            return Err(self.error(
                span,
                "a block name before `|`".into(),
                format!("`{}`", shorten(&name.escape_debug().to_string())),
            ));
        }
        self.position += length + 1;
        Ok(Some(name.into()))
    }

    fn number(&mut self, what: &str, limit: u32) -> Result<(u32, Range<usize>), StructureError> {
        let rest = &self.text[self.position..];
        let signed = rest.strip_prefix(['-', '+']).unwrap_or(rest);
        let sign = rest.len() - signed.len();
        let digits = signed.find(|c: char| !c.is_ascii_digit()).unwrap_or(signed.len());
        let span = self.position..self.position + sign + digits;
        let expected = format!("the {what}, a whole number from 1 to {limit}");
        if digits == 0 {
            return Err(self.error(self.position..self.position, expected, self.found_here()));
        }
        let word = &rest[..sign + digits];
        match word.parse::<u32>() {
            // A leading zero or plus sign would not print back as it was written.
            Ok(value) if (1..=limit).contains(&value) && !word.starts_with(['0', '+']) => {
                self.position = span.end;
                Ok((value, span))
            }
            _ => Err(self.error(span, expected, format!("`{}`", shorten(word)))),
        }
    }

    fn symbol(&mut self, symbol: char, expected: &str) -> Result<(), StructureError> {
        if self.text[self.position..].starts_with(symbol) {
            self.position += symbol.len_utf8();
            return Ok(());
        }
        Err(self.error(self.position..self.position, expected.to_owned(), self.found_here()))
    }

    fn found_here(&self) -> String {
        match self.text[self.position..].chars().next() {
            Some(c) if c.is_whitespace() && self.text[self.position..].trim().is_empty() => "the end".into(),
            Some(c) => format!("`{}`", c.escape_debug()),
            None => "the end".into(),
        }
    }

    fn error(&self, span: Range<usize>, expected: String, found: String) -> StructureError {
        StructureError::new(self.text, span, expected, found)
    }
}

fn shorten(word: &str) -> String {
    match word.char_indices().nth(40) {
        Some((end, _)) => format!("{}...", &word[..end]),
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_white_space() {
        let text = " SuperConvK3BNRELU(3,32,2,1)SuperResK3K3(b1|32,64,2,32,1)\n";
        let network = Network::parse(text).unwrap();
        assert_eq!(network.to_string(), text.trim());
        assert_eq!(network.layers(), 2);
    }

    #[test]
    fn errors_say_where_and_what() {
        for (text, span, message) in [
            ("", 0..0, "expected a block type such as SuperConvK3BNRELU"),
            ("SuperConvK3BNRELU(3,8,1", 23..23, "expected `,` after the stride, found the end"),
            ("SuperConvK3BNRELU(3,8,1,1)SuperConvK1BNRELU(9,8,1,1)", 44..45, "expected 8 input channels"),
            (
                "SuperConvK3BNRELU(3,0,1,1)",
                20..21,
                "expected the output channels, a whole number from 1 to 65536, found `0`",
            ),
            ("SuperConvK3BNRELU(3,-8,1,1)", 20..22, "found `-8`"),
            ("SuperConvK3BNRELU(3,99999999999,1,1)", 20..31, "found `99999999999`"),
            ("SuperConvK9BNRELU(3,8,1,1)", 0..17, "the closest is SuperConvK1BNRELU"),
            ("Convolution(3,8,1,1)", 0..11, "such as SuperConvK1BNRELU, SuperResK3K3"),
            ("SuperResK3K3(3,8,1,1)", 20..20, "expected `,` and the number of sub-layers"),
            ("SuperConvK3BNRELU(3,8,1,1) SuperConvK1BNRELU(8,8,1,1)", 26..26, "found ` `"),
            ("SuperConvK3BNRELU(|3,8,1,1)", 18..19, "a block name before `|`"),
        ] {
            let error = Network::parse(text).unwrap_err();
            assert_eq!(error.span(), span, "{text}: {error}");
            assert!(error.to_string().contains(message), "{text}: {error}");
        }
    }
}
