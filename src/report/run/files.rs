//! Reading a run directory for its page. Only `best.json` must be there: other files may be of a run that went on
//! before they existed, or was killed.

use std::path::Path;

use serde_json::{Value, json};

use super::data::Data;
use super::{RunReport, anatomy};
use crate::report::ReportError;

impl RunReport {
    /// What the files of a run directory say.
    ///
    /// # Errors
    /// When there is no result yet, or a file cannot be read.
    pub fn read(directory: &Path) -> Result<Self, ReportError> {
        let best = directory.join("best.json");
        let Some(text) = read(&best)? else { return Err(ReportError::NoResult { directory: directory.to_owned() }) };
        let best: Value = parse(&best, serde_json::from_str(&text))?;
        let front = directory.join("front.json");
        let front: Value = match read(&front)? {
            Some(text) => parse(&front, serde_json::from_str(&text))?,
            None => Value::Null,
        };
        let path = directory.join("config.toml");
        let config_text = read(&path)?.unwrap_or_default();
        let config: toml::Value = parse(&path, toml::from_str(&config_text))?;
        let events = read(&directory.join("events.jsonl"))?.unwrap_or_default();
        let name = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
        let mut report = Self::of(best, front);
        report.data.set("config", super::to_value(config));
        report.data.set("config_text", config_text.into());
        report.data.set("directory", directory.display().to_string().into());
        report.data.set("name", name.file_name().unwrap_or_default().to_string_lossy().into());
        report.add_events(&events);
        Ok(report)
    }

    /// From the content of `best.json` and, where there is one, `front.json`.
    pub(super) fn of(best: Value, front: Value) -> Self {
        let data = json!({
            "best": best,
            "front": front,
            "progress": [],
            "anatomy": null,
            "references": [],
            "tables": [],
            "proxies": null,
        });
        let mut report = Self { data: Data::new(data) };
        let anatomy = anatomy::of(&report.data);
        report.data.set("anatomy", super::to_value(anatomy));
        report.add_references();
        report
    }

    /// What the page needs of the log; the last line of a killed run may be a part of one.
    pub(super) fn add_events(&mut self, lines: &str) {
        let events = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        for event in events {
            match event["event"].as_str() {
                Some("best") => {
                    let point = json!({
                        "candidates": event["iteration"],
                        "elapsed_s": event["elapsed_s"],
                        "score": event["score"],
                    });
                    self.data.push("progress", point);
                }
                Some("start") => self.data.set("started_unix_s", event["unix_s"].clone()),
                Some("solved" | "end") => {
                    // A resumed run ended more than once.
                    let before = self.data.number("/elapsed_s").unwrap_or_default();
                    let elapsed_s = event["elapsed_s"].as_f64().map(|elapsed_s| before + elapsed_s);
                    self.data.set("elapsed_s", elapsed_s.into());
                }
                _ => {}
            }
        }
    }
}

/// A file's text; none where there is no file.
fn read(path: &Path) -> Result<Option<String>, ReportError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ReportError::RunFile { path: path.to_owned(), source }),
    }
}

fn parse<T>(path: &Path, parsed: Result<T, impl std::fmt::Display>) -> Result<T, ReportError> {
    parsed.map_err(|reason| ReportError::MalformedRunFile { path: path.to_owned(), reason: reason.to_string() })
}
