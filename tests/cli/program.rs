//! Running a program in a folder and database of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A temporary folder with a database in it.
pub struct Place {
    folder: tempfile::TempDir,
}

/// What a program printed and how it ended.
#[derive(Debug)]
pub struct Ended {
    pub stdout: String,
    pub stderr: String,
    pub code: i32,
}

impl Place {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        std::fs::write(self.file(name), text).unwrap();
        self.file(name).display().to_string()
    }

    /// The program with the folder as working directory; arguments are split at spaces.
    pub fn command(&self, program: &str, arguments: &str) -> Command {
        let path = match program {
            "zen-search" => env!("CARGO_BIN_EXE_zen-search"),
            "zen-profile" => env!("CARGO_BIN_EXE_zen-profile"),
            "zen-score" => env!("CARGO_BIN_EXE_zen-score"),
            "zen-export" => env!("CARGO_BIN_EXE_zen-export"),
            _ => panic!("{program}"),
        };
        let mut command = Command::new(path);
        command.args(arguments.split_whitespace()).current_dir(self.path());
        command.env("ZEN_NAS_DB", self.file("tables.sqlite")).stdin(Stdio::null());
        command.env("ZEN_NAS_CONFIG", self.file("configuration"));
        command
    }

    pub fn run(&self, program: &str, arguments: &str) -> Ended {
        Ended::of(self.command(program, arguments).output().unwrap())
    }

    /// Runs and expects success.
    pub fn done(&self, program: &str, arguments: &str) -> Ended {
        let ended = self.run(program, arguments);
        assert_eq!(ended.code, 0, "{program} {arguments}: {ended:?}");
        ended
    }

    /// Runs and expects an exit code and a message with all of the given parts.
    pub fn fails(&self, program: &str, arguments: &str, code: i32, parts: &[&str]) -> Ended {
        let ended = self.run(program, arguments);
        assert_eq!(ended.code, code, "{program} {arguments}: {ended:?}");
        for part in parts {
            assert!(ended.stderr.contains(part), "{program} {arguments}: no `{part}` in {}", ended.stderr);
        }
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        ended
    }
}

impl Ended {
    pub fn of(output: Output) -> Self {
        Self {
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code().unwrap_or(-1),
        }
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}
