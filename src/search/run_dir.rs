//! The run directory: what a search leaves behind, readable after a crash.
//!
//! `config.toml` (how to repeat it), `events.jsonl` (what happened when; the only file with
//! times), `checkpoint.json` (while it is unfinished), `best.txt`, `best.json`, `best.onnx`,
//! `population.txt`. Every file but the log is replaced in one step.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Checkpoint, RunSpec, SearchError};
use crate::files;

/// Names inside a run directory.
const CONFIG: &str = "config.toml";
const CHECKPOINT: &str = "checkpoint.json";
const EVENTS: &str = "events.jsonl";

/// An open run directory.
#[derive(Debug)]
pub struct RunDirectory {
    path: PathBuf,
    events: File,
    /// Is shown every line of the log.
    watcher: Option<fn(&str)>,
}

impl RunDirectory {
    /// Makes a new directory and writes the configuration.
    ///
    /// # Errors
    /// When it holds files already or cannot be written.
    pub fn create(path: &Path, spec: &RunSpec) -> Result<Self, SearchError> {
        let error = |source| SearchError::RunDirectory { path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(error)?;
        if std::fs::read_dir(path).map_err(error)?.next().is_some() {
            return Err(SearchError::RunDirectoryInUse { path: path.to_owned() });
        }
        let config = spec.to_toml().map_err(|e| SearchError::encode(path.join(CONFIG), e))?;
        write(&path.join(CONFIG), config.as_bytes())?;
        Self::open_events(path)
    }

    /// Opens a directory whose search is to continue.
    ///
    /// # Errors
    /// When it is no run directory, or its files cannot be read.
    pub fn open(path: &Path) -> Result<(Self, RunSpec, Option<Checkpoint>), SearchError> {
        let config = path.join(CONFIG);
        let spec = toml::from_str(&read(&config)?).map_err(|e| SearchError::malformed(&config, e))?;
        let checkpoint = path.join(CHECKPOINT);
        let state = match checkpoint.exists() {
            true => {
                Some(serde_json::from_str(&read(&checkpoint)?).map_err(|e| SearchError::malformed(&checkpoint, e))?)
            }
            false => None,
        };
        Ok((Self::open_events(path)?, spec, state))
    }

    fn open_events(path: &Path) -> Result<Self, SearchError> {
        let file = path.join(EVENTS);
        let events = OpenOptions::new().create(true).append(true).open(&file);
        let events = events.map_err(|source| SearchError::RunDirectory { path: file, source })?;
        Ok(Self { path: path.to_owned(), events, watcher: None })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Shows every further line of the log to `watcher`, without its newline.
    pub fn watch(&mut self, watcher: fn(&str)) {
        self.watcher = Some(watcher);
    }

    /// Appends one line to the log.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn event(&mut self, event: &impl Serialize) -> Result<(), SearchError> {
        let path = self.path.join(EVENTS);
        let mut line = serde_json::to_string(event).map_err(|e| SearchError::encode(path.clone(), e))?;
        if let Some(watcher) = self.watcher {
            watcher(&line);
        }
        line.push('\n');
        self.events.write_all(line.as_bytes()).map_err(|source| SearchError::RunDirectory { path, source })
    }

    /// Replaces the checkpoint.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save_checkpoint(&self, checkpoint: &Checkpoint) -> Result<(), SearchError> {
        self.write_json(CHECKPOINT, checkpoint)
    }

    /// Removes the checkpoint of a finished search.
    ///
    /// # Errors
    /// When there is one and it cannot be removed.
    pub fn remove_checkpoint(&self) -> Result<(), SearchError> {
        let path = self.path.join(CHECKPOINT);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(SearchError::RunDirectory { path, source })
            }
            _ => Ok(()),
        }
    }

    /// Writes a file of the directory as JSON.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), SearchError> {
        let path = self.path.join(name);
        let mut text = serde_json::to_vec_pretty(value).map_err(|e| SearchError::encode(path.clone(), e))?;
        text.push(b'\n');
        write(&path, &text)
    }

    /// Writes a file of the directory as text.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_text(&self, name: &str, text: &str) -> Result<(), SearchError> {
        write(&self.path.join(name), text.as_bytes())
    }
}

fn read(path: &Path) -> Result<String, SearchError> {
    std::fs::read_to_string(path).map_err(|source| SearchError::RunDirectory { path: path.to_owned(), source })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), SearchError> {
    files::write(path, bytes).map_err(|source| SearchError::RunDirectory { path: path.to_owned(), source })
}
