//! What a structure was made for, as one line of text that travels with it.
//!
//! `# zen-nas: resolution=192 classes=10 squeeze_excite=false setting=t4/tensorrt/fp16/b1` stands above structures in a
//! file; the part behind the colon is also the entry `zen_nas` of checkpoints and weight files. Not here: what counts
//! where an option says otherwise (`cli::lowering`).

use std::fmt;
use std::str::FromStr;

use super::{LowerOptions, MAX_CLASSES, MAX_RESOLUTION};

/// Beginning of the line in a file.
const PREFIX: &str = "# zen-nas:";
/// Key of the text in checkpoints and weight files.
pub const HEADER_KEY: &str = "zen_nas";

/// What a structure was made for; what is not known is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Height and width of the image in pixels.
    pub resolution: Option<u32>,
    pub classes: Option<u32>,
    pub squeeze_excite: Option<bool>,
    /// Whether the network has residual links; they are on unless this says otherwise.
    pub residual_links: Option<bool>,
    /// Id of the latency setting, such as `t4/tensorrt/fp16/b1`.
    pub setting: Option<String>,
    /// Kind of the latency table, where it was chosen.
    pub table: Option<String>,
    /// What ranked the structures.
    pub proxy: Option<String>,
    /// Keys that this version does not know, with their values.
    pub others: Vec<(String, String)>,
}

impl Header {
    /// Of a network that is lowered with these options.
    pub fn of(options: &LowerOptions) -> Self {
        Self {
            resolution: Some(options.resolution),
            classes: Some(options.classes),
            squeeze_excite: Some(options.squeeze_excite),
            residual_links: (!options.residual).then_some(false),
            ..Self::default()
        }
    }

    /// The header in a line of a file; none where the line is another comment or no comment.
    ///
    /// # Errors
    /// When the line is a header and malformed.
    pub fn of_line(line: &str) -> Result<Option<Self>, String> {
        line.trim().strip_prefix(PREFIX).map(str::parse).transpose()
    }

    /// The line of a file, with its end.
    pub fn line(&self) -> String {
        format!("{PREFIX} {self}\n")
    }

    /// This header, and the other one for whatever this one leaves open.
    pub fn or(self, other: &Self) -> Self {
        Self {
            resolution: self.resolution.or(other.resolution),
            classes: self.classes.or(other.classes),
            squeeze_excite: self.squeeze_excite.or(other.squeeze_excite),
            residual_links: self.residual_links.or(other.residual_links),
            setting: self.setting.or_else(|| other.setting.clone()),
            table: self.table.or_else(|| other.table.clone()),
            proxy: self.proxy.or_else(|| other.proxy.clone()),
            others: self.others,
        }
    }

    /// Keys and values, the known ones first.
    pub fn entries(&self) -> Vec<(&str, String)> {
        let number = |value: Option<u32>| value.map(|value| value.to_string());
        let boolean = |value: Option<bool>| value.map(|value| value.to_string());
        let known = [
            ("resolution", number(self.resolution)),
            ("classes", number(self.classes)),
            ("squeeze_excite", boolean(self.squeeze_excite)),
            ("residual_links", boolean(self.residual_links)),
            ("setting", self.setting.clone()),
            ("table", self.table.clone()),
            ("proxy", self.proxy.clone()),
        ];
        let known = known.into_iter().filter_map(|(key, value)| Some((key, value?)));
        known.chain(self.others.iter().map(|(key, value)| (key.as_str(), value.clone()))).collect()
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (key, value)) in self.entries().into_iter().enumerate() {
            write!(f, "{}{key}={value}", if i == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

impl FromStr for Header {
    type Err = String;

    /// Reads `KEY=VALUE` entries separated by spaces.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut header = Self::default();
        let mut seen = Vec::new();
        for entry in text.split_whitespace() {
            let (key, value) = entry
                .split_once('=')
                .filter(|(key, value)| !key.is_empty() && !value.is_empty())
                .ok_or_else(|| format!("`{}` is not KEY=VALUE", shown(entry)))?;
            if seen.contains(&key) {
                return Err(format!("`{}` is there twice", shown(key)));
            }
            seen.push(key);
            let bad = |reason: String| format!("{key} is `{}`: {reason}", shown(value));
            match key {
                "resolution" => header.resolution = Some(number(value, MAX_RESOLUTION).map_err(bad)?),
                "classes" => header.classes = Some(number(value, MAX_CLASSES).map_err(bad)?),
                "squeeze_excite" => header.squeeze_excite = Some(boolean(value).map_err(bad)?),
                "residual_links" => header.residual_links = Some(boolean(value).map_err(bad)?),
                "setting" => header.setting = Some(value.to_owned()),
                "table" => header.table = Some(value.to_owned()),
                "proxy" => header.proxy = Some(value.to_owned()),
                _ => header.others.push((key.to_owned(), value.to_owned())),
            }
        }
        Ok(header)
    }
}

fn number(text: &str, limit: u32) -> Result<u32, String> {
    let value = text.parse().ok().filter(|value| (1..=limit).contains(value));
    value.ok_or_else(|| format!("it must be a whole number from 1 to {limit}"))
}

/// As Rust, TOML and JSON write it, or as Python does.
fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" | "True" => Ok(true),
        "false" | "False" => Ok(false),
        _ => Err("it must be true or false".to_owned()),
    }
}

/// The beginning of a text from outside, without control characters.
fn shown(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "# zen-nas: resolution=192 classes=10 squeeze_excite=true setting=t4/tensorrt/fp16/b1 \
                        proxy=zen-closed\n";

    #[test]
    fn lines_read_back() {
        let header = Header::of_line(LINE).unwrap().unwrap();
        let options = LowerOptions { squeeze_excite: true, ..LowerOptions::new(192, 10) };
        let setting = Some("t4/tensorrt/fp16/b1".to_owned());
        assert_eq!(header, Header { setting, proxy: Some("zen-closed".to_owned()), ..Header::of(&options) });
        assert_eq!(header.line(), LINE);
        assert_eq!(Header::of_line("# best first\n"), Ok(None));
        assert_eq!(Header::of_line("SuperConvK3BNRELU(3,8,1,1)"), Ok(None));
        // What a later version knows stays in place; Python's way of writing is understood.
        let later: Header = "classes=7 squeeze_excite=False colour=red residual_links=False".parse().unwrap();
        assert_eq!(later.to_string(), "classes=7 squeeze_excite=false residual_links=false colour=red");
    }

    #[test]
    fn malformed_headers_name_the_entry() {
        for (text, part) in [
            ("resolution", "`resolution` is not KEY=VALUE"),
            ("resolution=", "`resolution=` is not KEY=VALUE"),
            ("resolution=0", "resolution is `0`: it must be a whole number from 1 to 4096"),
            ("classes=ten", "classes is `ten`"),
            ("squeeze_excite=yes", "squeeze_excite is `yes`: it must be true or false"),
            ("classes=1 classes=2", "`classes` is there twice"),
        ] {
            let error = Header::of_line(&format!("# zen-nas: {text}")).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn gaps_are_filled_from_another() {
        let first: Header = "resolution=96".parse().unwrap();
        let both = first.or(&"resolution=32 classes=5 setting=t4/tensorrt/fp16/b1".parse().unwrap());
        assert_eq!(both.to_string(), "resolution=96 classes=5 setting=t4/tensorrt/fp16/b1");
    }
}
