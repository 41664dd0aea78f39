//! Values as Python writes them.

use std::fmt::Write;

/// A string literal in printable ASCII: whatever `text` holds, it ends where its quotes do.
pub fn string(text: &str) -> String {
    let mut literal = String::from("\"");
    for c in text.chars() {
        // Writing to a string cannot fail.
        let _ = match (c, c as u32) {
            ('"' | '\\', _) => write!(literal, "\\{c}"),
            (' '..='~', _) => write!(literal, "{c}"),
            (_, code @ ..=0xff) => write!(literal, "\\x{code:02x}"),
            (_, code @ ..=0xffff) => write!(literal, "\\u{code:04x}"),
            (_, code) => write!(literal, "\\U{code:08x}"),
        };
    }
    literal.push('"');
    literal
}

/// `True` or `False`.
pub fn boolean(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_end_where_their_quotes_do() {
        for (text, literal) in [
            ("b1", r#""b1""#),
            (r#"a"""\"#, r#""a\"\"\"\\""#),
            ("a\nb\t\u{7f}", r#""a\x0ab\x09\x7f""#),
            ("é\u{2028}😀", r#""\xe9\u2028\U0001f600""#),
            ("\\N{DIGIT ONE}#'{x}", r#""\\N{DIGIT ONE}#'{x}""#),
        ] {
            assert_eq!(string(text), literal);
        }
    }
}
