//! Names that users type: what was meant when one is unknown.

/// Text form and parsing of an enum that has `ALL` and `name`.
macro_rules! named {
    ($type:ty, $what:literal) => {
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                Self::ALL.into_iter().find(|value| value.name() == text).ok_or_else(|| {
                    let known: Vec<_> = Self::ALL.iter().map(|value| value.name()).collect();
                    format!(concat!("unknown ", $what, " `{}`, known are {}"), text, known.join(", "))
                })
            }
        }
    };
}
pub(crate) use named;

/// Text form in JSON of a type that has `name`.
macro_rules! serialized_by_name {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "enum": Self::ALL.map(Self::name) })
            }
        }
    };
}
pub(crate) use serialized_by_name;

/// A name that is not among the known ones.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} `{name}`, known are {known}{hint}")]
pub struct UnknownName {
    what: &'static str,
    name: String,
    known: String,
    hint: String,
}

impl UnknownName {
    /// `what` is the kind of thing, e.g. `proxy`.
    pub(crate) fn new<'k>(what: &'static str, name: &str, known: impl Iterator<Item = &'k str> + Clone) -> Self {
        Self {
            what,
            name: name.chars().take(40).collect(),
            known: known.clone().collect::<Vec<_>>().join(", "),
            hint: closest(name, known).map_or_else(String::new, |known| format!("; did you mean {known}?")),
        }
    }
}

/// The known name that a word was probably meant to be: within a third of its length in edits,
/// whatever the case.
pub(crate) fn closest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    /// Longer words are no typing errors.
    const MAX_LENGTH: usize = 64;
    if word.len() > MAX_LENGTH {
        return None;
    }
    let lower = word.to_lowercase();
    known
        .map(|name| (edit_distance(&lower, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(1))
        .min()
        .map(|(_, name)| name)
}

/// Levenshtein distance in characters.
pub(crate) fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_distances() {
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "abc"), 3);
    }

    #[test]
    fn hints_only_where_something_is_close() {
        let known = ["zen-closed", "params", "t4"];
        let hint = |word: &str| closest(word, known.into_iter());
        assert_eq!(hint("zen-close"), Some("zen-closed"));
        assert_eq!(hint("T4"), Some("t4"));
        assert_eq!(hint("accuracy"), None);
        assert_eq!(hint(&"t".repeat(100)), None);
        let error = UnknownName::new("proxy", "param", known.into_iter()).to_string();
        assert_eq!(error, "unknown proxy `param`, known are zen-closed, params, t4; did you mean params?");
    }
}
