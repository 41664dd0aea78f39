//! The schema, as the steps that lead to it.
//!
//! `user_version` counts the steps a database has seen. A step is never edited after a release:
//! add another. All that a database lacks run in one transaction. Not here: what old sentences meant (`legacy`).

use rusqlite::Transaction;

use super::legacy;

/// Marks a SQLite file as ours (`PRAGMA application_id`): "zen1".
pub const APPLICATION_ID: i64 = 0x7a65_6e31;

/// One step of the schema.
pub enum Step {
    Sql(&'static str),
    /// Also needs what SQL cannot say.
    Code(fn(&Transaction<'_>) -> rusqlite::Result<()>),
}

impl Step {
    pub fn run(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        match self {
            Step::Sql(sql) => transaction.execute_batch(sql),
            Step::Code(code) => code(transaction),
        }
    }
}

/// The steps, oldest first.
pub const MIGRATIONS: &[Step] = &[
    // 1: settings, operator keys, runs, measurements with samples, whole-network checks.
    Step::Sql(
        "
    CREATE TABLE setting (
        id INTEGER PRIMARY KEY,
        text TEXT NOT NULL UNIQUE           -- device/runtime/precision/bBATCH[/tTHREADS]
    ) STRICT;
    CREATE TABLE operator_key (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        kernel INTEGER NOT NULL,
        stride INTEGER NOT NULL,
        groups INTEGER NOT NULL,
        in_channels INTEGER NOT NULL,
        out_channels INTEGER NOT NULL,
        in_height INTEGER NOT NULL,
        in_width INTEGER NOT NULL,
        activation TEXT NOT NULL,           -- '' where none is fused
        residual_add INTEGER NOT NULL,
        UNIQUE (kind, kernel, stride, groups, in_channels, out_channels, in_height, in_width, activation, residual_add)
    ) STRICT;
    CREATE TABLE run (
        id INTEGER PRIMARY KEY,
        setting_id INTEGER NOT NULL REFERENCES setting (id),
        started_at TEXT NOT NULL,           -- UTC, ISO 8601
        finished_at TEXT,                   -- NULL while it goes on or was interrupted
        shipped TEXT,                       -- name of the shipped table it was read from
        origin TEXT NOT NULL,               -- who measured, or what it was fitted on
        licence TEXT NOT NULL,
        runtime_version TEXT NOT NULL,
        host TEXT NOT NULL,                 -- processor or machine
        method TEXT NOT NULL,
        unit TEXT NOT NULL,
        notes TEXT NOT NULL,
        error_mape REAL,                    -- share, not percent
        error_within5 REAL,
        error_within10 REAL,
        error_kendall_tau REAL,
        error_networks INTEGER,
        error_method TEXT                   -- how the error was obtained
    ) STRICT;
    CREATE INDEX run_setting ON run (setting_id);
    CREATE TABLE coefficient (              -- of the run's latency model
        run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        value REAL NOT NULL,
        PRIMARY KEY (run_id, name)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE measurement (
        id INTEGER PRIMARY KEY,
        run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
        key_id INTEGER NOT NULL REFERENCES operator_key (id),
        evidence INTEGER NOT NULL,          -- 0 interpolated, 1 fitted, 2 measured
        median_ms REAL,                     -- of one call with the whole batch; NULL for a failure
        stderr_ms REAL,
        failure TEXT,                       -- why there is no time
        CHECK ((median_ms IS NULL) <> (failure IS NULL))
    ) STRICT;
    CREATE INDEX measurement_run ON measurement (run_id);
    CREATE TABLE sample (
        measurement_id INTEGER NOT NULL REFERENCES measurement (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        ms REAL NOT NULL,
        PRIMARY KEY (measurement_id, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE network_check (            -- whole networks, predicted and measured
        id INTEGER PRIMARY KEY,
        run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
        structure TEXT NOT NULL,
        resolution INTEGER NOT NULL,
        predicted_ms REAL NOT NULL,
        measured_ms REAL NOT NULL
    ) STRICT;
    CREATE INDEX network_check_run ON network_check (run_id);
    CREATE TABLE shipped (                  -- which text of each shipped table is loaded
        name TEXT PRIMARY KEY,
        hash TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    ",
    ),
    // 2: what a report needs to predict a checked network again and to tell noise from error.
    Step::Sql(
        "
    ALTER TABLE network_check ADD COLUMN classes INTEGER NOT NULL DEFAULT 1000;
    ALTER TABLE network_check ADD COLUMN squeeze_excite INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE network_check ADD COLUMN calibration INTEGER NOT NULL DEFAULT 0;    -- 1: the composition was fitted on it
    ALTER TABLE network_check ADD COLUMN stderr_ms REAL NOT NULL DEFAULT 0;         -- of measured_ms, 0 where not known
    ALTER TABLE network_check ADD COLUMN repeat_ms REAL;                            -- measured once more, later
    ",
    ),
    // 3: how steady the machine was, by one small network that is measured again and again.
    Step::Sql(
        "
    CREATE TABLE drift (
        id INTEGER PRIMARY KEY,
        run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
        at TEXT NOT NULL,                   -- UTC, ISO 8601
        reference_ms REAL NOT NULL,
        jump INTEGER NOT NULL,              -- 1: far from the readings before; what was measured since was repeated
        conditions TEXT NOT NULL            -- clocks, temperature, battery, in the runner's words
    ) STRICT;
    CREATE INDEX drift_run ON drift (run_id);
    ",
    ),
    // 4: purpose and identity of runs as columns instead of sentences, what is unknown as NULL instead of a number;
    // built-in tables leave: they are read from the program.
    Step::Code(legacy::purposes_and_unknowns),
];
