//! An earlier result of `zen-score --json`, and which of its networks is which of today's.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::cli::networks::{InputError, read_text};
use crate::latency::TableSource;
use crate::report::scores::{ForeignNetwork, ScoredNetwork};

/// What a network is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Name, or structure where there is none, or file.
    what: String,
    /// Name of a file's network, where it is one.
    stem: Option<String>,
    /// What is looked at: size and classes, or the shape of the image.
    image: String,
}

impl Key {
    pub fn of_structure(network: &ScoredNetwork) -> Self {
        let ScoredNetwork { name, structure, resolution, classes, squeeze_excite, .. } = network;
        Self::structure(name.as_deref(), structure, (*resolution, *classes), *squeeze_excite)
    }

    fn structure(name: Option<&str>, structure: &str, (resolution, classes): (u32, u32), squeeze_excite: bool) -> Self {
        let image = format!("{resolution}, {classes}{}", if squeeze_excite { ", se" } else { "" });
        Self { what: name.unwrap_or(structure).to_owned(), stem: None, image }
    }

    pub fn of_file(network: &ForeignNetwork) -> Self {
        Self { what: network.file.clone(), stem: Some(network.name.clone()), image: network.input.to_string() }
    }

    /// For people, without control characters.
    pub fn label(&self) -> String {
        self.what.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
    }

    fn is_renamed(&self, other: &Self) -> bool {
        self.stem.is_some() && self.stem == other.stem && self.image == other.image
    }
}

/// A network as the earlier result has it.
#[derive(Clone, Debug)]
pub struct Before {
    key: Key,
    pub parameters: f64,
    pub flops: f64,
    latencies: Vec<(String, f64, Value)>,
}

impl Before {
    /// The milliseconds on a setting, and whether a table is the one that they were predicted from.
    pub fn take_latency(&mut self, setting: &str) -> Option<(f64, impl Fn(&TableSource) -> bool + use<>)> {
        let place = self.latencies.iter().position(|(known, ..)| known == setting)?;
        let (_, ms, table) = self.latencies.remove(place);
        let is_same = move |now: &TableSource| serde_json::to_value(now).is_ok_and(|now| now == table);
        Some((ms, is_same))
    }

    /// Settings that were not asked about.
    pub fn settings(self) -> impl Iterator<Item = String> {
        self.latencies.into_iter().map(|(setting, ..)| setting)
    }
}

/// An earlier result.
pub struct Baseline {
    file: String,
    rows: Vec<Before>,
    expected: Vec<Key>,
}

/// What is read of a network; everything else is left alone.
#[derive(Deserialize)]
struct Row {
    name: Option<String>,
    structure: Option<String>,
    resolution: Option<u32>,
    classes: Option<u32>,
    #[serde(default)]
    squeeze_excite: bool,
    file: Option<String>,
    input: Option<String>,
    parameters: u64,
    flops: u64,
    latency: Option<Time>,
    /// Of the one latency.
    #[serde(default)]
    table: Value,
    #[serde(default)]
    latencies: Vec<Time>,
}

#[derive(Deserialize)]
struct Time {
    setting: Id,
    ms: f64,
    #[serde(default)]
    table: Value,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

impl Baseline {
    /// Reads what `zen-score --json` wrote.
    ///
    /// # Errors
    /// When it is something else; names the file and what is missing.
    pub fn read(path: &Path) -> Result<Self, InputError> {
        let file = path.display().to_string();
        let broken = |reason: String| InputError::File {
            file: file.clone(),
            reason: format!("not the output of `zen-score --json`: {reason}"),
        };
        let mut value: Value = serde_json::from_str(&read_text(&file)?).map_err(|error| broken(error.to_string()))?;
        let networks = if value.is_object() { value["networks"].take() } else { value };
        let rows: Vec<Row> = serde_json::from_value(networks).map_err(|error| broken(error.to_string()))?;
        let rows = rows.into_iter().map(Before::try_from).collect::<Result<_, String>>().map_err(broken)?;
        Ok(Self { file, rows, expected: Vec::new() })
    }

    pub fn expect(&mut self, keys: &[Key]) {
        self.expected = keys.to_vec();
    }

    /// The same network, or for a file that was moved the one of the same name. Each is given once.
    pub fn take(&mut self, key: &Key) -> Option<Before> {
        if let Some(place) = self.rows.iter().position(|row| row.key == *key) {
            return Some(self.rows.remove(place));
        }
        let is_free = |row: &Before| row.key.is_renamed(key) && !self.expected.contains(&row.key);
        let mut places = self.rows.iter().enumerate().filter(|(_, row)| is_free(row)).map(|(place, _)| place);
        match (places.next(), places.next()) {
            (Some(place), None) => Some(self.rows.remove(place)),
            _ => None,
        }
    }

    /// Networks that were not asked about.
    pub fn rest(self) -> impl Iterator<Item = String> {
        self.rows.into_iter().map(|row| row.key.label())
    }

    pub fn has_nothing_in_common(self) -> InputError {
        let known: Vec<String> = self.rows.iter().take(3).map(|row| row.key.label()).collect();
        let reason = match known.is_empty() {
            true => "there is no network in this baseline".to_owned(),
            false => format!(
                "this baseline has none of the networks given, at the same resolution and classes; it has {}",
                known.join(", ")
            ),
        };
        InputError::File { file: self.file, reason }
    }
}

impl TryFrom<Row> for Before {
    type Error = String;

    fn try_from(row: Row) -> Result<Self, String> {
        let key = match (&row.structure, row.resolution, row.classes, &row.file, &row.input) {
            (Some(structure), Some(resolution), Some(classes), None, _) => {
                Key::structure(row.name.as_deref(), structure, (resolution, classes), row.squeeze_excite)
            }
            (None, _, _, Some(file), Some(input)) => {
                Key { what: file.clone(), stem: row.name.clone(), image: input.clone() }
            }
            _ => return Err("a network has neither structure, resolution and classes nor file and input".to_owned()),
        };
        let one = row.latency.map(|time| (time.setting.id, time.ms, row.table));
        let several = row.latencies.into_iter().map(|time| (time.setting.id, time.ms, time.table));
        let latencies: Vec<_> = one.into_iter().chain(several).collect();
        if let Some((setting, ms, _)) = latencies.iter().find(|(_, ms, _)| *ms <= 0.0) {
            return Err(format!("{ms} ms on {setting}"));
        }
        Ok(Self { key, parameters: row.parameters as f64, flops: row.flops as f64, latencies })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> Key {
        let stem = Path::new(path).file_stem().unwrap().to_string_lossy().into_owned();
        Key { what: path.to_owned(), stem: Some(stem), image: "3x224x224".to_owned() }
    }

    fn baseline(files: &[&str]) -> Baseline {
        let row = |path: &&str| Before { key: file(path), parameters: 1.0, flops: 1.0, latencies: Vec::new() };
        Baseline { file: "old.json".to_owned(), rows: files.iter().map(row).collect(), expected: Vec::new() }
    }

    #[test]
    fn a_moved_file_is_found_by_its_name_unless_that_is_a_guess() {
        let mut one = baseline(&["build/net.onnx"]);
        assert!(one.take(&file("net.onnx")).is_some() && one.take(&file("net.onnx")).is_none());
        assert!(baseline(&["a/net.onnx", "b/net.onnx"]).take(&file("net.onnx")).is_none());
        // The other file is given, too, and stands for itself.
        let mut beside = baseline(&["a/net.onnx", "b/net.onnx"]);
        beside.expect(&[file("b/net.onnx"), file("net.onnx")]);
        assert_eq!(beside.take(&file("net.onnx")).unwrap().key, file("a/net.onnx"));
        let other_image = Key { image: "3x32x32".to_owned(), ..file("build/net.onnx") };
        assert!(baseline(&["build/net.onnx"]).take(&other_image).is_none());
    }

    #[test]
    fn what_is_no_result_is_refused() {
        for (text, part) in [
            ("[{}]", "parameters"),
            ("{\"structure\": 1}", "invalid type"),
            ("[{\"parameters\": 1, \"flops\": 1}]", "neither structure"),
            ("[{\"parameters\": -1, \"flops\": 1}]", "-1"),
            ("nonsense", "expected"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("old.json");
            std::fs::write(&path, text).unwrap();
            let error = Baseline::read(&path).err().unwrap().to_string();
            assert!(error.contains("old.json") && error.contains(part), "{text}: {error}");
        }
    }
}
