//! How devices are named by users: which spellings are one name, and what an unknown one may have meant.

use crate::names::edit_distance;

/// Most names that are suggested.
const SUGGESTIONS: usize = 3;
/// Longer words are no typing errors.
const MAX_LENGTH: usize = 64;
/// Shorter words are part of too many names.
const LEAST_PART: usize = 3;

/// Whether two names differ in nothing but case, `-`, `_` and blanks.
pub fn same_name(a: &str, b: &str) -> bool {
    characters(a).eq(characters(b))
}

/// What of a name counts.
fn characters(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter(|c| !matches!(c, '-' | '_') && !c.is_whitespace()).flat_map(char::to_lowercase)
}

/// Names that an unknown one may have meant, the closest first, from pairs of a spelling and the name that it stands
/// for: those within a third of their length in edits, then those that the word is a part of.
pub fn suggestions<'k>(word: &str, known: impl Iterator<Item = (&'k str, &'k str)>) -> Vec<String> {
    let word: String = characters(word).take(MAX_LENGTH + 1).collect();
    if word.len() > MAX_LENGTH {
        return Vec::new();
    }
    let mut found: Vec<(usize, &str)> = Vec::new();
    for (spelling, name) in known {
        let spelling: String = characters(spelling).collect();
        let distance = edit_distance(&word, &spelling);
        if distance <= (spelling.len() / 3).max(1) {
            found.push((distance, name));
        } else if word.len() >= LEAST_PART && spelling.contains(&word) {
            found.push((MAX_LENGTH + distance, name));
        }
    }
    found.sort_unstable();
    let mut names: Vec<String> = Vec::new();
    for (_, name) in found {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names.truncate(SUGGESTIONS);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_does_not_matter() {
        for name in ["galaxy-s24", "Galaxy-S24", "galaxy_s24", "GALAXY S24", " GalaxyS24 "] {
            assert!(same_name(name, "galaxy-s24"), "{name}");
        }
        assert!(!same_name("galaxy-s2", "galaxy-s24"));
    }

    #[test]
    fn the_closest_comes_first() {
        let known = [("galaxy-s24", "galaxy-s24"), ("s24", "galaxy-s24"), ("galaxy-s25", "galaxy-s25"), ("t4", "t4")];
        let of = |word: &str| suggestions(word, known.into_iter());
        assert_eq!(of("galaxy-s34"), ["galaxy-s24", "galaxy-s25"]);
        assert_eq!(of("s23"), ["galaxy-s24"]);
        assert_eq!(of("galaxy"), ["galaxy-s24", "galaxy-s25"]);
        assert_eq!(of("t5"), ["t4"]);
        assert!(of("nonsense").is_empty() && of(&"t".repeat(100)).is_empty());
    }
}
