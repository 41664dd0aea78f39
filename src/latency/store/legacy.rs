//! Step 4 of the schema: what the sentences of earlier versions meant, as columns.
//!
//! The sentences stand here as those versions wrote them and change no more. Not here: the other steps
//! (`migrations`).

use rusqlite::{Transaction, params};

use super::run::{Fingerprint, Purpose};

/// Purpose by the beginning of a run's method.
const PURPOSES: [(&str, Purpose); 5] = [
    ("operators of given networks", Purpose::OneModel),
    ("given whole networks", Purpose::Verification),
    ("whole networks, processor time", Purpose::Verification),
    ("fresh whole networks", Purpose::Check),
    ("whole networks only; operators scaled from another setting's table", Purpose::Adapted),
];

/// How operators were timed, by words in a run's method.
const FORMS: [(&str, &str); 5] = [
    ("each inside the network by its own nodes", "inside"),
    ("operators inside random whole networks", "inside"),
    ("operators between 1x1 convolutions", "nodes"),
    ("operators each as a network of its own", "alone"),
    ("operators by the difference between", "difference"),
];

/// What the name of an imported table began with.
const IMPORTED: &str = "imported from ";

/// Purpose of built-in tables for as long as the step lasts.
const BUILT_IN: &str = "built_in";

const COLUMNS: &str = "
    ALTER TABLE run ADD COLUMN purpose TEXT NOT NULL DEFAULT 'search_spaces';
    ALTER TABLE run ADD COLUMN fingerprint TEXT NOT NULL DEFAULT '';  -- with purpose, host and runtime_version: what continues what
    ALTER TABLE run ADD COLUMN imported_file TEXT;              -- NULL for what was measured here
    ALTER TABLE run ADD COLUMN imported_content TEXT;           -- hash; with the setting it tells imported tables apart
    ALTER TABLE run ADD COLUMN processor TEXT;                  -- its kind; NULL where it is not known
    ALTER TABLE run ADD COLUMN warning TEXT;                    -- why the numbers are to be doubted
    ALTER TABLE run ADD COLUMN error_median REAL;
    ALTER TABLE run ADD COLUMN error_bias REAL;
    ALTER TABLE run ADD COLUMN error_within20 REAL;
    ALTER TABLE measurement ADD COLUMN merged INTEGER NOT NULL DEFAULT 0;   -- 1: no node of its own, its neighbours' times have its
    UPDATE measurement SET merged = 1, median_ms = 0 WHERE median_ms <= 1e-6;
    UPDATE measurement SET stderr_ms = NULL WHERE stderr_ms = 0;
    CREATE TABLE network_check_4 (
        id INTEGER PRIMARY KEY,
        run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
        structure TEXT NOT NULL,
        resolution INTEGER NOT NULL,
        classes INTEGER NOT NULL,
        squeeze_excite INTEGER NOT NULL,
        calibration INTEGER NOT NULL,       -- 1: the composition was fitted on it
        predicted_ms REAL NOT NULL,
        measured_ms REAL NOT NULL,
        stderr_ms REAL,                     -- of measured_ms, NULL where not known
        repeat_ms REAL                      -- measured once more, later
    ) STRICT;
    INSERT INTO network_check_4 SELECT id, run_id, structure, resolution, classes, squeeze_excite, calibration,
        predicted_ms, measured_ms, nullif(stderr_ms, 0), repeat_ms FROM network_check;
    DROP TABLE network_check;
    ALTER TABLE network_check_4 RENAME TO network_check;
    CREATE INDEX network_check_run ON network_check (run_id);
    CREATE TABLE published_network (        -- whole networks that others timed, of an imported table
        id INTEGER PRIMARY KEY,
        run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
        network TEXT NOT NULL,
        input TEXT NOT NULL,
        source TEXT NOT NULL,
        predicted_ms REAL NOT NULL,
        published_ms REAL NOT NULL
    ) STRICT;
    CREATE INDEX published_network_run ON published_network (run_id);
    CREATE TABLE spot_check (               -- a table of another machine, tried on this one with a few networks
        id INTEGER PRIMARY KEY,
        setting TEXT NOT NULL,
        content TEXT NOT NULL,              -- hash of the table
        processor TEXT NOT NULL,            -- of this machine, '' where it is not known
        host TEXT NOT NULL,
        runtime_version TEXT NOT NULL,
        at TEXT NOT NULL,                   -- UTC, ISO 8601
        factor REAL NOT NULL,               -- measured over predicted, geometric mean
        scatter REAL NOT NULL,              -- standard deviation of the logarithm of that
        mape REAL NOT NULL,                 -- each network predicted with the factor of the others
        networks INTEGER NOT NULL,
        verdict TEXT NOT NULL
    ) STRICT;
";

/// What is no longer needed once every run has its purpose; `ON DELETE CASCADE` takes what belongs to a run.
const REST: &str = "
    DELETE FROM run WHERE purpose = 'built_in';
    DELETE FROM operator_key WHERE id NOT IN (SELECT key_id FROM measurement);
    DROP TABLE shipped;
    ALTER TABLE run DROP COLUMN shipped;
";

/// See the module.
pub fn purposes_and_unknowns(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(COLUMNS)?;
    let mut runs = transaction.prepare(
        "SELECT r.id, r.shipped, r.method, r.notes, s.hash FROM run r LEFT JOIN shipped s ON s.name = r.shipped",
    )?;
    let mut update = transaction.prepare(
        "UPDATE run SET purpose = ?2, fingerprint = ?3, imported_file = ?4, imported_content = ?5 WHERE id = ?1",
    )?;
    let mut rows = runs.query([])?;
    while let Some(row) = rows.next()? {
        let (id, name, method, notes): (i64, Option<String>, String, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let hash: Option<String> = row.get(4)?;
        let (purpose, fingerprint, from) = match &name {
            None => {
                let (purpose, fingerprint) = of_texts(&method, &notes);
                (purpose.name(), fingerprint, None)
            }
            Some(name) => match name.strip_prefix(IMPORTED) {
                Some(file) => (Purpose::Imported.name(), Fingerprint::default(), Some(file)),
                None => (BUILT_IN, Fingerprint::default(), None),
            },
        };
        let content = from.map(|_| hash.unwrap_or_default());
        update.execute(params![id, purpose, fingerprint.to_string(), from, content])?;
    }
    drop(rows);
    drop((runs, update));
    transaction.execute_batch(REST)
}

/// Purpose and identity of a user's own run from what its method and notes say.
fn of_texts(method: &str, notes: &str) -> (Purpose, Fingerprint) {
    let purpose =
        PURPOSES.iter().find(|(begin, _)| method.starts_with(begin)).map_or(Purpose::SearchSpaces, |(_, found)| *found);
    let form = match purpose {
        Purpose::Check => "check",
        Purpose::Adapted => "adapted",
        Purpose::Verification => return (purpose, Fingerprint::default()),
        _ => FORMS.iter().find(|(words, _)| method.contains(words)).map_or("unknown", |(_, form)| form),
    };
    let (asked, seed) = notes.rsplit_once(", seed ").unwrap_or((notes, ""));
    let subject = match purpose {
        Purpose::OneModel => {
            let asked = asked.strip_prefix("operators of ").unwrap_or(asked);
            let (names, again) = match asked.strip_suffix(", all measured again") {
                Some(names) => (names, " again"),
                None => (asked, ""),
            };
            format!("for:{}{again} seed:{seed}", names.replace(", ", ","))
        }
        _ => {
            let (from, sources) = match asked.split_once(" on networks of ") {
                Some((from, sources)) => (from.strip_prefix("adapted from "), sources),
                None => (None, asked.strip_prefix("networks of ").unwrap_or(asked)),
            };
            let sources =
                sources.replace(" with squeeze-and-excitation", "+se").replace(" at ", "@").replace(", ", ",");
            let from = from.map_or_else(String::new, |from| format!(" from:{from}"));
            format!("networks:{sources}{from} seed:{seed}")
        }
    };
    (purpose, Fingerprint::new(form, &subject))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_of_earlier_versions() {
        let inside = "operators inside random whole networks, each by its own nodes; median over networks of medians \
                      over freshly loaded instances; processor time of the thread";
        for (method, notes, purpose, fingerprint) in [
            (
                inside,
                "networks of xxbl at 224x224, idw with squeeze-and-excitation at 224x224, seed 7",
                Purpose::SearchSpaces,
                "inside networks:xxbl@224x224,idw+se@224x224 seed:7",
            ),
            (
                "operators of given networks, each inside the network by its own nodes; median over freshly loaded \
                 instances of each instance's median; the others: operators between 1x1 convolutions, only their own \
                 nodes timed; wall time",
                "operators of a.onnx, b.onnx, all measured again, seed 0",
                Purpose::OneModel,
                "inside for:a.onnx,b.onnx again seed:0",
            ),
            ("given whole networks; wall time", "1 given networks", Purpose::Verification, ""),
            ("whole networks, processor time of the thread", "1 given networks", Purpose::Verification, ""),
            (
                "fresh whole networks; wall time",
                "networks of idw at 192x192, seed 3",
                Purpose::Check,
                "check networks:idw@192x192 seed:3",
            ),
            (
                "whole networks only; operators scaled from another setting's table; wall time",
                "adapted from v100/tensorrt/fp32/b1 on networks of idw at 192x192, seed 3",
                Purpose::Adapted,
                "adapted networks:idw@192x192 from:v100/tensorrt/fp32/b1 seed:3",
            ),
            ("something else", "", Purpose::SearchSpaces, "unknown networks: seed:"),
        ] {
            let (found, text) = of_texts(method, notes);
            assert_eq!((found, text.to_string().as_str()), (purpose, fingerprint));
        }
    }
}
