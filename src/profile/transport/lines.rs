//! Bounded reading of what a command writes: lines for the caller, the tail of standard error.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use super::Line;

/// Cuts a stream of bytes into lines, holding at most one line's limit in memory.
pub struct LineSplitter {
    limit: usize,
    line: Vec<u8>,
    /// The current line has passed the limit; its rest is dropped.
    truncated: bool,
}

impl LineSplitter {
    pub fn new(limit: usize) -> Self {
        Self { limit, line: Vec::new(), truncated: false }
    }

    /// Takes the next bytes and hands on every line that they complete.
    pub fn push(&mut self, mut bytes: &[u8], on_line: &mut dyn FnMut(Line<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.extend(&bytes[..end]);
            bytes = &bytes[end + 1..];
            self.emit(on_line)?;
        }
        self.extend(bytes);
        ControlFlow::Continue(())
    }

    /// Hands on a last line without a line end.
    pub fn finish(&mut self, on_line: &mut dyn FnMut(Line<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
        if self.line.is_empty() && !self.truncated { ControlFlow::Continue(()) } else { self.emit(on_line) }
    }

    fn extend(&mut self, bytes: &[u8]) {
        let room = self.limit - self.line.len();
        self.truncated |= bytes.len() > room;
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn emit(&mut self, on_line: &mut dyn FnMut(Line<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
        let truncated = std::mem::take(&mut self.truncated);
        let bytes = self.line.strip_suffix(b"\r").filter(|_| !truncated).unwrap_or(&self.line);
        let flow = on_line(Line { text: &String::from_utf8_lossy(bytes), truncated });
        self.line.clear();
        flow
    }
}

/// The last bytes of a stream.
pub struct Tail {
    limit: usize,
    bytes: VecDeque<u8>,
}

impl Tail {
    pub fn new(limit: usize) -> Self {
        Self { limit, bytes: VecDeque::new() }
    }

    /// Keeps this many bytes from now on.
    pub fn resize(&mut self, limit: usize) {
        self.limit = limit;
        self.push(&[]);
    }

    pub fn push(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(self.limit)..];
        let excess = (self.bytes.len() + bytes.len()).saturating_sub(self.limit);
        self.bytes.drain(..excess);
        self.bytes.extend(bytes);
    }

    /// The kept text; a character cut at its beginning is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.iter().copied().collect::<Vec<_>>()).into_owned()
    }

    /// For the end of an error message: the last line that is not empty, printable.
    pub fn for_message(&self) -> String {
        let text = self.text();
        match text.lines().rev().find(|line| !line.trim().is_empty()) {
            Some(line) => format!("; its last message: {}", printable(line)),
            None => String::new(),
        }
    }
}

/// Text from the other side, fit for a terminal: no control characters, at most 300 characters.
pub fn printable(text: &str) -> String {
    text.trim().chars().take(300).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(limit: usize, chunks: &[&[u8]]) -> Vec<(String, bool)> {
        let mut lines = Vec::new();
        let mut on_line = |line: Line<'_>| {
            lines.push((line.text.to_owned(), line.truncated));
            ControlFlow::Continue(())
        };
        let mut splitter = LineSplitter::new(limit);
        for chunk in chunks {
            assert!(splitter.push(chunk, &mut on_line).is_continue());
            assert!(splitter.line.len() <= limit);
        }
        assert!(splitter.finish(&mut on_line).is_continue());
        lines
    }

    #[test]
    fn lines_are_put_together_from_any_chunks() {
        let expected = vec![("ab".to_owned(), false), (String::new(), false), ("cd".to_owned(), false)];
        assert_eq!(split(10, &[b"ab\n\ncd"]), expected);
        assert_eq!(split(10, &[b"a", b"b", b"\n", b"\nc", b"d"]), expected);
        assert_eq!(split(10, &[b"ab\r\n\r\ncd\n"]), expected);
    }

    #[test]
    fn a_long_line_is_cut_and_the_next_is_whole() {
        let expected = vec![("abc".to_owned(), true), ("xyz".to_owned(), false)];
        assert_eq!(split(3, &[b"abcdef", b"gh\nxyz\n"]), expected);
    }

    #[test]
    fn bytes_that_are_not_text_are_replaced() {
        assert_eq!(split(10, &[b"a\xffb\n"]), vec![("a\u{fffd}b".to_owned(), false)]);
    }

    #[test]
    fn the_tail_keeps_the_end_only() {
        let mut tail = Tail::new(4);
        for chunk in [&b"ab"[..], b"cdefgh", b"i", b""] {
            tail.push(chunk);
            assert!(tail.bytes.len() <= 4);
        }
        assert_eq!(tail.text(), "fghi");
        let mut tail = Tail::new(100);
        tail.push(b"first\nlast \x1b[31m\n\n");
        assert_eq!(tail.for_message(), "; its last message: last  [31m");
    }
}
