//! Repeating a search: what it was run with, and what is different now.

use serde::{Deserialize, Serialize};

use super::{FinishedRun, RunSpec, Winner};
use crate::latency::ChosenTable;

/// What identifies the latency table that a search predicted from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UsedTable {
    /// Id of its setting.
    pub setting: String,
    /// Whose it is, in words.
    pub source: String,
    /// When it was measured or derived.
    pub date: String,
    /// Hash of its content.
    pub content: String,
    /// Its stated mean error on whole networks, as a share.
    pub error: Option<f64>,
}

impl UsedTable {
    pub fn of(chosen: &ChosenTable) -> Self {
        let table = &chosen.table;
        Self {
            setting: table.setting.id(),
            source: table.source.to_string(),
            date: table.date.clone(),
            content: table.content(),
            error: table.error.as_ref().map(|error| error.mape),
        }
    }

    fn text(&self) -> String {
        let Self { source, date, content, error, .. } = self;
        let error = error.map_or_else(|| "unknown".to_owned(), |error| format!("{:.1}%", error * 100.0));
        format!("{source} ({date}, content {content}, error {error})")
    }
}

impl RunSpec {
    /// The same search by this version, before its table is chosen.
    pub fn again(&self) -> Self {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self { version, spot_checks: Vec::new(), used_tables: Vec::new(), ..self.clone() }
    }
}

/// What is different about two searches of the same settings, a sentence each; empty where nothing is.
pub fn changes(before: &RunSpec, now: &RunSpec) -> Vec<String> {
    let mut changes = Vec::new();
    if before.version != now.version {
        changes.push(format!("zen-nas is {} now and was {}", now.version, before.version));
    }
    for table in &now.used_tables {
        let setting = &table.setting;
        match before.used_tables.iter().find(|before| before.setting == *setting) {
            Some(before) if before != table => {
                changes.push(format!(
                    "the latency table of {setting} is {} now and was {}",
                    table.text(),
                    before.text()
                ));
            }
            Some(_) => {}
            None => changes.push(format!(
                "the latency table of {setting} is {} now; the run does not say which one it was then",
                table.text()
            )),
        }
        let factor = |spec: &RunSpec| {
            let check = spec.spot_checks.iter().find(|check| check.setting == *setting);
            check.map_or(1.0, |check| check.factor)
        };
        if factor(before) != factor(now) {
            changes.push(format!(
                "measured over predicted time of {setting} on this machine is {:.3} now and was {:.3}",
                factor(now),
                factor(before)
            ));
        }
    }
    changes
}

/// Whether a search found what the earlier one had found, in a sentence.
pub fn compare_results(before: &FinishedRun, now: &Winner) -> String {
    let path = before.path.display();
    match before.best == now.structure {
        true => format!("the winner is that of {path}"),
        false => format!("the winner is another network than that of {path}: there it is {}", before.best),
    }
}

#[cfg(test)]
mod tests {
    use super::super::spec::tests::OLD;
    use super::*;

    #[test]
    fn changes_name_what_was_and_what_is() {
        let mut before: RunSpec = toml::from_str(OLD).unwrap();
        let mut now = before.again();
        now.version = before.version.clone();
        assert_eq!(changes(&before, &now), Vec::<String>::new());
        let table = |content: &str, error| UsedTable {
            setting: "t4/tensorrt/fp16/b1".to_owned(),
            source: "the built-in table".to_owned(),
            date: "2026-01-02".to_owned(),
            content: content.to_owned(),
            error,
        };
        now.used_tables = vec![table("2b", None)];
        assert!(changes(&before, &now)[0].contains("does not say which one it was"));
        before.used_tables = vec![table("1a", Some(0.031))];
        now.version = "9.0.0".to_owned();
        assert_eq!(
            changes(&before, &now),
            [
                "zen-nas is 9.0.0 now and was 0.1.0",
                "the latency table of t4/tensorrt/fp16/b1 is the built-in table (2026-01-02, content 2b, error unknown) now \
                 and was the built-in table (2026-01-02, content 1a, error 3.1%)",
            ]
        );
        now.used_tables = before.used_tables.clone();
        assert_eq!(changes(&before, &now).len(), 1);
        // What is known of the table is in the configuration.
        let written: RunSpec = toml::from_str(&toml::to_string(&before).unwrap()).unwrap();
        assert_eq!(written, before);
    }
}
