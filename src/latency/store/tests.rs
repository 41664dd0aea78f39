//! Contract of the store.

mod databases;

use std::fs;

use super::migrations::{APPLICATION_ID, MIGRATIONS};
use super::*;
use crate::latency::{Evidence, KeyKind, LatencyModel, OperatorKey, Precision, Prior, Roofline, Setting, Table};
use rusqlite::OptionalExtension;

fn setting() -> Setting {
    Setting::new("cpu", "tract", Precision::Fp32, 1).with_threads(1)
}

fn key(channels: u32) -> OperatorKey {
    OperatorKey {
        kind: KeyKind::Conv,
        kernel: 3,
        stride: 1,
        groups: 1,
        in_channels: channels,
        out_channels: channels,
        in_height: 14,
        in_width: 14,
        activation: Some(crate::net::Activation::Relu),
        residual_add: true,
    }
}

fn table_of(store: &Store, choice: TableChoice) -> Table {
    store.require_table(&setting(), &choice).unwrap()
}

/// The times that predictions are made from.
fn best_ms(store: &Store) -> Vec<f64> {
    let table = store.table(&setting(), &TableChoice::Best).unwrap();
    table.map(|table| table.rows.iter().map(|row| row.ms).collect()).unwrap_or_default()
}

fn about() -> NewRun {
    NewRun { origin: "a test".into(), host: "a processor".into(), ..NewRun::default() }
}

#[test]
fn measurements_come_back() {
    let mut store = Store::in_memory_empty().unwrap();
    let run = store.begin_run(&setting(), &about()).unwrap();
    store.insert_measurement(run, &key(8), 0.5, Some(0.01), Evidence::Measured, &[0.4, 0.5, 0.6]).unwrap();
    store.insert_failure(run, &key(16), "out of memory").unwrap();
    store.insert_failure(run, &key(8), "an earlier attempt").unwrap();
    let check = NetworkCheck {
        structure: "x".into(),
        resolution: 32,
        classes: 10,
        squeeze_excite: true,
        calibration: false,
        predicted_ms: 1.1,
        measured_ms: 1.0,
        stderr_ms: Some(0.01),
        repeat_ms: Some(1.02),
    };
    store.insert_check(run, &check).unwrap();
    let model = LatencyModel::additive(Prior::Roofline(Roofline { launch_ms: 0.25, ..Roofline::default() }));
    store.set_model(run, &model).unwrap();
    assert_eq!(store.runs(&setting()).unwrap()[0].finished_at, None);
    let error = crate::latency::error_of(std::slice::from_ref(&check), "by hand").unwrap();
    store.finish_run(run, Some(&error)).unwrap();

    let table = table_of(&store, TableChoice::Best);
    assert_eq!(table.rows, [Row { stderr_ms: Some(0.01), ..Row::new(key(8), 0.5, Evidence::Measured) }]);
    assert_eq!(store.samples(&setting(), &key(8)).unwrap(), [0.4, 0.5, 0.6]);
    assert_eq!(store.failures(&setting()).unwrap(), [(key(16), "out of memory".to_owned())]);
    assert_eq!(store.checks(run).unwrap(), [check]);
    assert_eq!((table.model, table.error, table.about), (Some(model), Some(error), about()));
    assert_eq!((table.networks.len(), table.evidence), (1, Evidence::Measured));
    let runs = store.runs(&setting()).unwrap();
    assert!(runs[0].finished_at.is_some() && runs[0].started_at.ends_with('Z'));
    assert_eq!(store.settings().unwrap(), [setting()]);
}

#[test]
fn weaker_evidence_never_replaces_stronger() {
    let mut store = Store::in_memory_empty().unwrap();
    let run = store.begin_run(&setting(), &about()).unwrap();
    for (ms, evidence) in [(1.0, Evidence::Measured), (2.0, Evidence::Fitted), (3.0, Evidence::Interpolated)] {
        store.insert_measurement(run, &key(8), ms, None, evidence, &[]).unwrap();
    }
    assert_eq!(best_ms(&store)[0], 1.0);
    let again = store.begin_run(&setting(), &about()).unwrap();
    store.insert_measurement(again, &key(8), 4.0, None, Evidence::Measured, &[]).unwrap();
    assert_eq!(best_ms(&store)[0], 4.0);
    let history: Vec<f64> = store.history(&setting(), &key(8)).unwrap().iter().map(|row| row.ms).collect();
    assert_eq!(history, [3.0, 2.0, 1.0, 4.0]);
}

/// A table file with these operators of 5 ms.
fn file(channels: &[u32]) -> String {
    let mut other = Store::in_memory_empty().unwrap();
    let run = other.begin_run(&setting(), &about()).unwrap();
    for channels in channels {
        other.insert_measurement(run, &key(*channels), 5.0, None, Evidence::Measured, &[]).unwrap();
    }
    let error = TableError { mape: 0.1, networks: Some(4), method: "by hand".to_owned(), ..TableError::default() };
    other.finish_run(run, Some(&error)).unwrap();
    table_of(&other, TableChoice::Best).to_text()
}

#[test]
fn an_imported_table_steps_back_as_a_whole_once_the_setting_is_measured_and_checked() {
    let mut store = Store::in_memory_empty().unwrap();
    assert!(store.import_table("mine.csv", &file(&[8, 16])).unwrap());
    assert_eq!(best_ms(&store), [5.0, 5.0]);
    assert_eq!(table_of(&store, TableChoice::Best).error.map(|error| error.mape), Some(0.1));
    let run = store.begin_run(&setting(), &about()).unwrap();
    store.insert_measurement(run, &key(8), 1.0, None, Evidence::Measured, &[]).unwrap();
    assert_eq!(best_ms(&store), [5.0, 5.0], "an interrupted run leaves the imported table in place");
    let local = table_of(&store, TableChoice::Host(about().host));
    assert_eq!((local.rows[0].ms, local.source), (1.0, TableSource::Local { host: about().host }));
    store.finish_run(run, None).unwrap();
    assert_eq!(best_ms(&store), [5.0, 5.0], "a table that was never checked displaces none that was");
    let local = table_of(&store, TableChoice::Local);
    assert!(local.error.is_none(), "the imported error says nothing about local rows");
    let run = store.begin_run(&setting(), &NewRun { purpose: Purpose::Check, ..about() }).unwrap();
    let error = TableError { mape: 0.2, networks: Some(10), method: "by hand".to_owned(), ..TableError::default() };
    store.finish_run(run, Some(&error)).unwrap();
    assert_eq!(best_ms(&store), [1.0]);
    assert_eq!(table_of(&store, TableChoice::Best).error, Some(error));
    assert_eq!(table_of(&store, TableChoice::Imported).rows.len(), 2);
}

#[test]
fn imported_tables_are_told_apart_by_setting_and_content_and_removed_one_by_one() {
    let mut store = Store::in_memory_empty().unwrap();
    let (first, second) = (file(&[8]), file(&[16]));
    let other = file(&[24]).replace("cpu/tract", "other/tract");
    for text in [&first, &second, &other] {
        assert!(store.import_table("table.csv", text).unwrap());
        assert!(!store.import_table("again.csv", text).unwrap(), "the same content is there already");
    }
    assert_eq!(store.settings().unwrap().len(), 2, "a file of one name deletes nothing of another setting");
    let keys = |store: &Store| table_of(store, TableChoice::Imported).rows[0].key;
    assert_eq!(keys(&store), key(16), "the newest counts");
    let run = store.runs(&setting()).unwrap().remove(0);
    store.remove_imported(&setting(), &run.imported.unwrap()).unwrap();
    assert_eq!(keys(&store), key(8));
}

#[test]
fn a_run_continues_one_of_the_same_purpose_machine_runtime_and_request_whatever_its_sentences() {
    let run = NewRun { fingerprint: Fingerprint::new("inside", "networks:idw@224x224 seed:0"), ..about() };
    assert!(run.continues(&NewRun {
        method: "told otherwise".into(),
        notes: "and so are these".into(),
        ..run.clone()
    }));
    for other in [
        NewRun { purpose: Purpose::OneModel, ..run.clone() },
        NewRun { host: "another".into(), ..run.clone() },
        NewRun { runtime_version: "another".into(), ..run.clone() },
        NewRun { fingerprint: Fingerprint::new("inside", "networks:idw@224x224 seed:1"), ..run.clone() },
    ] {
        assert!(!run.continues(&other), "{other:?}");
    }
    assert!(run.same_protocol(&NewRun { fingerprint: Fingerprint::new("inside", "seed:1"), ..run.clone() }));
    assert!(!run.same_protocol(&NewRun { fingerprint: Fingerprint::new("nodes", "seed:1"), ..run.clone() }));
}

#[test]
fn times_must_be_positive_numbers() {
    let mut store = Store::in_memory_empty().unwrap();
    let run = store.begin_run(&setting(), &about()).unwrap();
    for ms in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(store.insert_measurement(run, &key(8), ms, None, Evidence::Measured, &[]).is_err());
    }
    assert!(best_ms(&store).is_empty());
}

#[test]
fn built_in_tables_are_offered_and_never_stored() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new").join("latency.sqlite");
    let store = Store::open(&path).unwrap();
    let stored: i64 = store.connection.query_row("SELECT count(*) FROM measurement", [], |row| row.get(0)).unwrap();
    assert_eq!(stored, 0);
    let settings = store.settings().unwrap();
    assert!(settings.len() >= 20 && settings.is_sorted());
    for setting in settings {
        let table = store.require_table(&setting, &TableChoice::Best).unwrap();
        assert!(matches!(table.source, TableSource::BuiltIn { .. }), "{setting}");
    }
}

#[test]
fn reading_needs_no_file_and_writes_none() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("none").join("latency.sqlite");
    let store = Store::read(&path).unwrap();
    assert!(store.settings().unwrap().len() >= 20 && !path.parent().unwrap().exists());
    drop(store);
    let mut store = Store::open(&path).unwrap();
    let run = store.begin_run(&setting(), &about()).unwrap();
    store.insert_measurement(run, &key(8), 1.0, None, Evidence::Measured, &[]).unwrap();
    store.finish_run(run, None).unwrap();
    drop(store);
    let before = fs::read(&path).unwrap();
    let mut store = Store::read(&path).unwrap();
    assert_eq!(best_ms(&store), [1.0]);
    let error = store.insert_failure(run, &key(16), "no").unwrap_err().to_string();
    assert!(error.contains("readonly"), "{error}");
    drop(store);
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn files_that_cannot_be_used_are_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("latency.sqlite");
    let unusable = |content: &[u8], expected: &str| {
        fs::write(&path, content).unwrap();
        let error = Store::open(&path).unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()) && error.contains("--db PATH"), "{error}");
        assert!(error.contains(expected), "{error}");
        assert_eq!(fs::read(&path).unwrap(), content);
    };
    unusable(b"This is not a database, but long enough to look like a file with content in it.".as_slice(), "database");
    let database = |sql: &str| {
        let other = directory.path().join("other.sqlite");
        let _ = fs::remove_file(&other);
        let connection = Connection::open(&other).unwrap();
        connection.execute_batch(sql).unwrap();
        drop(connection);
        fs::read(&other).unwrap()
    };
    unusable(&database("CREATE TABLE birds (name TEXT)"), "another program");
    unusable(
        &database(&format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 99")),
        "newer version",
    );
    let whole = database("CREATE TABLE birds (name TEXT)");
    unusable(&whole[..whole.len() / 2], "database");
    assert!(Store::open(directory.path()).unwrap_err().to_string().contains("--db PATH"));
}

#[test]
fn schema_is_brought_up_to_date_and_keeps_its_version() {
    let store = Store::in_memory_empty().unwrap();
    let version: i64 = store.connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, MIGRATIONS.len() as i64);
    let problems: Option<String> =
        store.connection.query_row("PRAGMA foreign_key_check", [], |row| row.get(0)).optional().unwrap();
    assert_eq!(problems, None);
    let enforced: i64 = store.connection.query_row("PRAGMA foreign_keys", [], |row| row.get(0)).unwrap();
    assert_eq!(enforced, 1);
}

#[test]
fn two_machines_of_one_setting_are_never_mixed() {
    let mut store = Store::in_memory_empty().unwrap();
    let mut measure = |host: &str, channels: u32, ms: f64| {
        let run = store.begin_run(&setting(), &NewRun { host: host.to_owned(), ..about() }).unwrap();
        store.insert_measurement(run, &key(channels), ms, None, Evidence::Measured, &[]).unwrap();
        store.finish_run(run, None).unwrap();
        assert_eq!(table_of(&store, TableChoice::Best).source, TableSource::Local { host: host.to_owned() });
        best_ms(&store)
    };
    assert_eq!(measure("one", 8, 1.0), [1.0]);
    assert_eq!(measure("two", 16, 2.0), [2.0], "the machine measured last counts alone");
    assert_eq!(measure("one", 24, 3.0), [1.0, 3.0], "runs of one machine are one table");
    assert_eq!(table_of(&store, TableChoice::Host("two".to_owned())).rows[0].ms, 2.0);
    assert_eq!(table_of(&store, TableChoice::Local).rows.len(), 2);
    assert_eq!(store.table(&setting(), &TableChoice::BuiltIn).unwrap(), None);
    let error = store.require_table(&setting(), &TableChoice::BuiltIn).unwrap_err().to_string();
    assert!(error.contains("no built-in latency table") && error.contains("the local table of one"), "{error}");
}

#[test]
fn what_was_stored_since_a_moment_can_be_taken_back() {
    let mut store = Store::in_memory_empty().unwrap();
    let other = store.begin_run(&setting(), &about()).unwrap();
    let run = store.begin_run(&setting(), &about()).unwrap();
    store.insert_measurement(run, &key(8), 1.0, None, Evidence::Measured, &[1.0]).unwrap();
    let mark = store.mark(run).unwrap();
    store.insert_measurement(other, &key(16), 1.0, None, Evidence::Measured, &[1.0]).unwrap();
    store.insert_measurement(run, &key(24), 1.0, None, Evidence::Measured, &[1.0]).unwrap();
    store.insert_failure(run, &key(32), "no").unwrap();
    assert_eq!(store.take_back(run, mark).unwrap(), 2);
    assert_eq!(store.measured_keys(run).unwrap(), [key(8)]);
    assert_eq!(store.measured_keys(other).unwrap(), [key(16)]);
    assert!(store.insert_drift(run, f64::NAN, false, "").is_err());
    store.insert_drift(run, 2.0, true, "warm").unwrap();
    let readings = store.drift(run).unwrap();
    assert_eq!((readings[0].reference_ms, readings[0].jump, readings[0].conditions.as_str()), (2.0, true, "warm"));
}
