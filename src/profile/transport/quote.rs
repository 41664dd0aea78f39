//! Arguments for a POSIX shell, each as one word that means itself.

/// Puts a word between single quotes, where nothing is special but the single quote.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Quotes every argument and joins them by spaces.
pub fn quote_all(argv: &[&str]) -> String {
    argv.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_stay_and_others_are_quoted() {
        assert_eq!(
            quote_all(&["a-b_c/d.e", "", "$(x)", "it's", "a\nb", "~", "A=b", "!x"]),
            "a-b_c/d.e '' '$(x)' 'it'\\''s' 'a\nb' '~' 'A=b' '!x'"
        );
    }
}
