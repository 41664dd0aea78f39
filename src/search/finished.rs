//! Reading what a search found: the unit that is handed to other programs.
//!
//! Not here: writing a run directory and continuing a search (`run_dir`).

use std::path::{Path, PathBuf};

use super::run_dir::{ALTERNATIVES, BEST, POPULATION, read};
use super::{RunDirectory, RunSpec, SearchError};

/// A run directory with a result.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishedRun {
    pub path: PathBuf,
    /// What was asked of the search; its [`header`](RunSpec::header) is what the structures were made for.
    pub spec: RunSpec,
    /// The structure of the winner.
    pub best: String,
}

impl FinishedRun {
    /// Reads a run directory.
    ///
    /// # Errors
    /// When it is no run directory, has no result yet, or cannot be read.
    pub fn read(path: &Path) -> Result<Self, SearchError> {
        let spec = RunDirectory::read_spec(path)?;
        let file = path.join(BEST);
        if !file.exists() {
            return Err(SearchError::NoResult { path: path.to_owned() });
        }
        let best = structures(&file)?.into_iter().next();
        let best = best.ok_or_else(|| SearchError::malformed(&file, "there is no structure in it"))?;
        Ok(Self { path: path.to_owned(), spec, best })
    }

    /// The structure of a rank, from 1, and the name of its file: the winner, its alternatives or, where the search
    /// wrote none, the networks that it kept.
    ///
    /// # Errors
    /// When there are fewer networks, or their file cannot be read.
    pub fn ranked(&self, rank: u32) -> Result<(PathBuf, String), SearchError> {
        if rank <= 1 {
            return Ok((self.path.join(BEST), self.best.clone()));
        }
        let alternatives = self.path.join(ALTERNATIVES);
        let file = if alternatives.exists() { alternatives } else { self.path.join(POPULATION) };
        let mut others = structures(&file)?;
        others.retain(|structure| *structure != self.best);
        let found = others.len() as u32 + 1;
        match others.into_iter().nth(rank as usize - 2) {
            Some(structure) => Ok((file, structure)),
            None => Err(SearchError::NoRank { file, rank, found }),
        }
    }
}

/// The lines of a file that are no comments.
fn structures(file: &Path) -> Result<Vec<String>, SearchError> {
    let text = read(file)?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::super::spec::tests::OLD;
    use super::*;

    #[test]
    fn results_are_read_best_first() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let error = || FinishedRun::read(folder.path()).unwrap_err().to_string();
        assert!(error().contains("is no run directory: there is no config.toml"), "{}", error());
        write("config.toml", OLD);
        assert!(error().contains("has no result yet") && error().contains("--resume"), "{}", error());
        write("best.txt", "# only a comment\n");
        assert!(error().contains("best.txt") && error().contains("no structure"), "{}", error());
        write("best.txt", "# a header\nA(1)\n");
        let run = FinishedRun::read(folder.path()).unwrap();
        assert_eq!((run.best.as_str(), run.spec.classes), ("A(1)", 10));
        assert_eq!(run.ranked(1).unwrap(), (folder.path().join("best.txt"), "A(1)".to_owned()));

        write("population.txt", "# best first\nA(1)\nB(1)\nC(1)\n");
        assert_eq!(run.ranked(3).unwrap(), (folder.path().join("population.txt"), "C(1)".to_owned()));
        // Alternatives count where they are, with or without the winner.
        for text in ["A(1)\nD(1)\n", "D(1)\n"] {
            write("alternatives.txt", text);
            assert_eq!(run.ranked(2).unwrap().1, "D(1)");
            let error = run.ranked(3).unwrap_err().to_string();
            assert!(error.contains("no network of rank 3") && error.contains("2 networks"), "{error}");
        }
    }
}
