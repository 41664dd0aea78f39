//! What can be wrong with a structure string or its lowering.

use std::fmt;
use std::ops::Range;

/// A structure string that does not follow the grammar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StructureError {
    /// Bytes of the text.
    span: Range<usize>,
    /// Position of the span's start in characters, from 1.
    column: usize,
    expected: String,
    found: String,
    /// The text around the span, and the span inside it in characters.
    excerpt: String,
    caret: Range<usize>,
}

impl StructureError {
    /// Characters shown on either side of the span.
    const CONTEXT: usize = 30;

    pub(crate) fn new(text: &str, span: Range<usize>, expected: String, found: String) -> Self {
        let column = text[..span.start].chars().count();
        let length = text[span.clone()].chars().count();
        let skip = column.saturating_sub(Self::CONTEXT);
        let excerpt = text
            .chars()
            .skip(skip)
            .take(column - skip + length.min(Self::CONTEXT) + Self::CONTEXT)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        Self {
            span,
            column: column + 1,
            expected,
            found,
            excerpt,
            caret: column - skip..column - skip + length.clamp(1, Self::CONTEXT),
        }
    }

    /// The bytes concerned.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Position of the first character concerned, from 1.
    pub fn column(&self) -> usize {
        self.column
    }
}

impl fmt::Display for StructureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "structure, character {}: expected {}, found {}", self.column, self.expected, self.found)?;
        if !self.excerpt.trim().is_empty() {
            write!(f, "\n  {}\n  {}{}", self.excerpt, " ".repeat(self.caret.start), "^".repeat(self.caret.len()))?;
        }
        Ok(())
    }
}

impl std::error::Error for StructureError {}

/// A network that cannot be lowered with the given options.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct LowerError {
    pub(crate) kind: LowerErrorKind,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LowerErrorKind {
    #[error("{option} is {value}, but must be from 1 to {limit}")]
    Option { option: &'static str, value: u32, limit: u32 },
    #[error(
        "resolution {resolution} is too small for the strides: the map is {side} x {side} where block {} ({name}) \
         has stride {stride}; use a larger --resolution or fewer strided blocks",
        .block + 1
    )]
    TooSmall { resolution: u32, block: usize, name: &'static str, side: u32, stride: u32 },
}

impl LowerError {
    pub(crate) fn option(option: &'static str, value: u32, limit: u32) -> Self {
        Self { kind: LowerErrorKind::Option { option, value, limit } }
    }
}
