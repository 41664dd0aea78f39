//! Reading what a search found: the unit that is handed to other programs.
//!
//! Not here: writing a run directory and continuing a search (`run_dir`).

use std::path::{Path, PathBuf};

use super::run_dir::{ALTERNATIVES, BEST, FRONT, POPULATION, read};
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

    /// The structure of a rank, from 1, and the name of its file: of a trade-off its points, best score first; otherwise
    /// the winner, its alternatives or, where the search wrote none, the networks that it kept. The winner without a rank.
    ///
    /// # Errors
    /// When there are fewer networks, or their file cannot be read.
    pub fn ranked(&self, rank: Option<u32>) -> Result<(PathBuf, String), SearchError> {
        let front = self.path.join(FRONT);
        let (file, structures) = match rank {
            Some(_) if front.exists() => (front.clone(), structures(&front)?),
            None | Some(0 | 1) => return Ok((self.path.join(BEST), self.best.clone())),
            Some(_) => {
                let alternatives = self.path.join(ALTERNATIVES);
                let file = if alternatives.exists() { alternatives } else { self.path.join(POPULATION) };
                let mut all = structures(&file)?;
                all.retain(|structure| *structure != self.best);
                all.insert(0, self.best.clone());
                (file, all)
            }
        };
        let (rank, found) = (rank.unwrap_or(1), structures.len() as u32);
        match structures.into_iter().nth(rank.saturating_sub(1) as usize) {
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
        assert_eq!(run.ranked(Some(1)).unwrap(), (folder.path().join("best.txt"), "A(1)".to_owned()));

        write("population.txt", "# best first\nA(1)\nB(1)\nC(1)\n");
        assert_eq!(run.ranked(Some(3)).unwrap(), (folder.path().join("population.txt"), "C(1)".to_owned()));
        // Alternatives count where they are, with or without the winner.
        for text in ["A(1)\nD(1)\n", "D(1)\n"] {
            write("alternatives.txt", text);
            assert_eq!(run.ranked(Some(2)).unwrap().1, "D(1)");
            let error = run.ranked(Some(3)).unwrap_err().to_string();
            assert!(error.contains("no network of rank 3") && error.contains("2 networks"), "{error}");
        }
        // The points of a trade-off have ranks of their own; the winner may be any of them.
        write("front.txt", "# a header\nE(1)\nA(1)\n");
        assert_eq!(run.ranked(None).unwrap().1, "A(1)");
        assert_eq!(run.ranked(Some(1)).unwrap(), (folder.path().join("front.txt"), "E(1)".to_owned()));
        assert!(run.ranked(Some(3)).unwrap_err().to_string().contains("2 networks"));
    }
}
