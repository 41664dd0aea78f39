//! The run directory: what a search leaves behind, readable after a crash.
//!
//! `config.toml` (how to repeat it), `events.jsonl` (what happened when; the only file with
//! times), `checkpoint.json` (while it is unfinished), `best.txt`, `best.json`, `best.onnx`,
//! `population.txt`. Every file but the log is replaced in one step. Not here: reading the result (`finished`).

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Checkpoint, RUN_FORMAT, RunSpec, SearchError};
use crate::files;

/// Names inside a run directory.
const CONFIG: &str = "config.toml";
const CHECKPOINT: &str = "checkpoint.json";
const EVENTS: &str = "events.jsonl";
pub(super) const BEST: &str = "best.txt";
pub(super) const POPULATION: &str = "population.txt";
/// Networks that differ from the winner and from each other, best first.
pub(super) const ALTERNATIVES: &str = "alternatives.txt";
/// Networks of a trade-off, best score first.
pub(super) const FRONT: &str = "front.txt";

/// An open run directory.
#[derive(Debug)]
pub struct RunDirectory {
    path: PathBuf,
    events: File,
    /// Is shown every line of the log.
    watcher: Option<fn(&str)>,
}

impl RunDirectory {
    /// Makes a new directory and writes the configuration. A directory whose search was killed before it had anything
    /// to keep counts as new.
    ///
    /// # Errors
    /// When it holds other files already, a search is writing to it, or it cannot be written.
    pub fn create(path: &Path, spec: &RunSpec) -> Result<Self, SearchError> {
        let error = |source| SearchError::RunDirectory { path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(error)?;
        Self::check_free(path)?;
        // The log comes first: whoever has it has the directory.
        let directory = Self::open_events(path)?;
        directory.events.set_len(0).map_err(error)?;
        let config = spec.to_toml().map_err(|e| SearchError::encode(path.join(CONFIG), e))?;
        write(&path.join(CONFIG), config.as_bytes())?;
        Ok(directory)
    }

    /// Whether a search could begin in a directory, which need not exist.
    ///
    /// # Errors
    /// When it holds files that a search wrote, or others.
    pub fn check_free(path: &Path) -> Result<(), SearchError> {
        if !path.exists() {
            return Ok(());
        }
        let error = |source| SearchError::RunDirectory { path: path.to_owned(), source };
        for entry in std::fs::read_dir(path).map_err(error)? {
            let name = entry.map_err(error)?.file_name();
            if ![CONFIG, EVENTS].iter().any(|known| name == *known) && !files::is_temporary(&name) {
                return Err(SearchError::RunDirectoryInUse { path: path.to_owned() });
            }
        }
        Ok(())
    }

    /// Opens a directory whose search is to continue.
    ///
    /// # Errors
    /// When it is no run directory, or its files cannot be read.
    pub fn open(path: &Path) -> Result<(Self, RunSpec, Option<Checkpoint>), SearchError> {
        let spec = Self::read_spec(path)?;
        let directory = Self::open_events(path)?;
        let checkpoint = path.join(CHECKPOINT);
        let state = match checkpoint.exists() {
            true => {
                Some(serde_json::from_str(&read(&checkpoint)?).map_err(|e| SearchError::malformed(&checkpoint, e))?)
            }
            false => None,
        };
        Ok((directory, spec, state))
    }

    /// What was asked of the search of a directory.
    ///
    /// # Errors
    /// When it is no run directory, or its configuration cannot be read.
    pub fn read_spec(path: &Path) -> Result<RunSpec, SearchError> {
        let config = path.join(CONFIG);
        if !config.exists() {
            return Err(SearchError::NoRun { path: path.to_owned() });
        }
        let spec: RunSpec = toml::from_str(&read(&config)?).map_err(|e| SearchError::malformed(&config, e))?;
        if spec.format != RUN_FORMAT {
            return Err(SearchError::Format { found: spec.format, known: RUN_FORMAT });
        }
        Ok(spec)
    }

    /// The log, locked until it is closed, be it by a kill; files that a killed search left half written are removed.
    fn open_events(path: &Path) -> Result<Self, SearchError> {
        let file = path.join(EVENTS);
        let events = OpenOptions::new().create(true).append(true).open(&file);
        let events = events.map_err(|source| SearchError::RunDirectory { path: file, source })?;
        // Where a file system has no locks there is nothing to go by.
        if let Err(TryLockError::WouldBlock) = events.try_lock() {
            return Err(SearchError::RunDirectoryBusy { path: path.to_owned() });
        }
        let error = |source| SearchError::RunDirectory { path: path.to_owned(), source };
        for entry in std::fs::read_dir(path).map_err(error)? {
            let entry = entry.map_err(error)?;
            if files::is_temporary(&entry.file_name()) {
                std::fs::remove_file(entry.path()).map_err(error)?;
            }
        }
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

pub(super) fn read(path: &Path) -> Result<String, SearchError> {
    std::fs::read_to_string(path).map_err(|source| SearchError::RunDirectory { path: path.to_owned(), source })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), SearchError> {
    files::write(path, bytes).map_err(|source| SearchError::RunDirectory { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::super::spec::tests::OLD;
    use super::*;

    #[test]
    fn what_a_killed_start_leaves_can_be_used_again() {
        let spec: RunSpec = toml::from_str(OLD).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        let write = |name: &str| std::fs::write(path.join(name), "x\n").unwrap();
        for _ in 0..2 {
            let mut directory = RunDirectory::create(&path, &spec).unwrap();
            // Not by two searches at once.
            let error = RunDirectory::create(&path, &spec).unwrap_err();
            assert!(matches!(error, SearchError::RunDirectoryBusy { .. }), "{error}");
            assert!(matches!(RunDirectory::open(&path), Err(SearchError::RunDirectoryBusy { .. })));
            directory.event(&"started").unwrap();
            drop(directory);
            write(".zen-nas-abc.partial");
        }
        assert_eq!(read(&path.join(EVENTS)).unwrap(), "\"started\"\n");
        let (directory, found, state) = RunDirectory::open(&path).unwrap();
        assert_eq!((found, state), (spec.clone(), None));
        assert!(!path.join(".zen-nas-abc.partial").exists());
        drop(directory);
        for name in [CHECKPOINT, BEST, "notes.txt"] {
            write(name);
            let error = RunDirectory::create(&path, &spec).unwrap_err();
            assert!(matches!(error, SearchError::RunDirectoryInUse { .. }), "{name}: {error}");
            std::fs::remove_file(path.join(name)).unwrap();
        }
        let error = RunDirectory::open(folder.path()).unwrap_err();
        assert!(matches!(error, SearchError::NoRun { .. }), "{error}");
        assert!(!folder.path().join(EVENTS).exists());
    }
}
