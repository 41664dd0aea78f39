//! Contract of the store.

use std::fs;

use super::*;
use crate::latency::{KeyKind, LatencyModel, Precision, Prior, Roofline, export_table};

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

fn about() -> NewRun {
    NewRun { origin: "a test".into(), host: "a processor".into(), ..NewRun::default() }
}

#[test]
fn measurements_come_back() {
    let mut store = Store::in_memory_empty().unwrap();
    let run = store.begin_run(&setting(), &about()).unwrap();
    store.insert_measurement(run, &key(8), 0.5, 0.01, Evidence::Measured, &[0.4, 0.5, 0.6]).unwrap();
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
        stderr_ms: 0.01,
        repeat_ms: Some(1.02),
    };
    store.insert_check(run, &check).unwrap();
    let model = LatencyModel::additive(Prior::Roofline(Roofline { launch_ms: 0.25, ..Roofline::default() }));
    store.set_model(run, &model).unwrap();
    assert_eq!(store.runs(&setting()).unwrap()[0].finished_at, None);
    let error = crate::latency::error_of(std::slice::from_ref(&check), "by hand").unwrap();
    store.finish_run(run, Some(&error)).unwrap();

    let row = Row { key: key(8), ms: 0.5, stderr_ms: 0.01, evidence: Evidence::Measured };
    assert_eq!(store.rows(&setting()).unwrap(), [row]);
    assert_eq!(store.samples(&setting(), &key(8)).unwrap(), [0.4, 0.5, 0.6]);
    assert_eq!(store.failures(&setting()).unwrap(), [(key(16), "out of memory".to_owned())]);
    assert_eq!(store.checks(run).unwrap(), [check]);
    assert_eq!(store.model(&setting()).unwrap(), Some(model));
    assert_eq!(store.table_error(&setting()).unwrap(), Some(error));
    let summary = store.summary(&setting()).unwrap();
    assert_eq!((summary.operators, summary.failed), ([1, 0, 0], 1));
    assert_eq!(summary.runs[0].about, about());
    assert!(summary.runs[0].finished_at.is_some() && summary.runs[0].started_at.ends_with('Z'));
    assert_eq!(store.settings().unwrap(), [setting()]);
}

#[test]
fn weaker_evidence_never_replaces_stronger() {
    let mut store = Store::in_memory_empty().unwrap();
    let run = store.begin_run(&setting(), &about()).unwrap();
    for (ms, evidence) in [(1.0, Evidence::Measured), (2.0, Evidence::Fitted), (3.0, Evidence::Interpolated)] {
        store.insert_measurement(run, &key(8), ms, 0.0, evidence, &[]).unwrap();
    }
    assert_eq!(store.rows(&setting()).unwrap()[0].ms, 1.0);
    let again = store.begin_run(&setting(), &about()).unwrap();
    store.insert_measurement(again, &key(8), 4.0, 0.0, Evidence::Measured, &[]).unwrap();
    assert_eq!(store.rows(&setting()).unwrap()[0].ms, 4.0);
    let history: Vec<f64> = store.history(&setting(), &key(8)).unwrap().iter().map(|row| row.ms).collect();
    assert_eq!(history, [3.0, 2.0, 1.0, 4.0]);
}

#[test]
fn own_rows_come_before_shipped_and_survive_a_newer_shipped_table() {
    let mut store = Store::in_memory_empty().unwrap();
    let run = store.begin_run(&setting(), &about()).unwrap();
    store.insert_measurement(run, &key(8), 1.0, 0.0, Evidence::Measured, &[]).unwrap();
    let text = export_table(&store, &setting()).unwrap();
    let (old, new) = (text.replace(",1,0,measured", ",7,0,measured"), text.replace(",1,0,measured", ",9,0,measured"));
    assert_ne!(old, new);
    assert!(store.import_table("shipped", &old).unwrap());
    assert!(!store.import_table("shipped", &old).unwrap());
    assert_eq!(store.rows(&setting()).unwrap()[0].ms, 7.0, "the own run is not finished");
    store.finish_run(run, None).unwrap();
    assert_eq!(store.rows(&setting()).unwrap()[0].ms, 1.0);
    assert!(store.import_table("shipped", &new).unwrap());
    let history: Vec<f64> = store.history(&setting(), &key(8)).unwrap().iter().map(|row| row.ms).collect();
    assert_eq!(history, [9.0, 1.0]);
}

#[test]
fn a_shipped_table_steps_back_as_a_whole_once_the_setting_is_measured() {
    let mut other = Store::in_memory_empty().unwrap();
    let run = other.begin_run(&setting(), &about()).unwrap();
    for channels in [8, 16] {
        other.insert_measurement(run, &key(channels), 5.0, 0.0, Evidence::Measured, &[]).unwrap();
    }
    let error = TableError {
        mape: 0.1,
        within5: None,
        within10: None,
        kendall_tau: None,
        networks: Some(4),
        method: "by hand".to_owned(),
    };
    other.finish_run(run, Some(&error)).unwrap();
    let text = export_table(&other, &setting()).unwrap();

    let mut store = Store::in_memory_empty().unwrap();
    store.import_table("shipped", &text).unwrap();
    assert_eq!(store.rows(&setting()).unwrap().len(), 2);
    assert_eq!(store.table_error(&setting()).unwrap().map(|error| error.mape), Some(0.1));
    let run = store.begin_run(&setting(), &about()).unwrap();
    assert_eq!(store.rows(&setting()).unwrap().len(), 2, "a run that measured nothing changes nothing");
    store.insert_measurement(run, &key(8), 1.0, 0.0, Evidence::Measured, &[]).unwrap();
    assert_eq!(store.rows(&setting()).unwrap()[0].ms, 5.0, "an interrupted run leaves the shipped table in place");
    store.choose_tables(TableChoice::Own { host: about().host });
    assert_eq!(store.rows(&setting()).unwrap()[0].ms, 1.0);
    store.choose_tables(TableChoice::Best);
    store.finish_run(run, None).unwrap();
    let rows: Vec<_> = store.rows(&setting()).unwrap().iter().map(|row| (row.key, row.ms)).collect();
    assert_eq!(rows, [(key(8), 1.0)]);
    assert!(store.table_error(&setting()).unwrap().is_none(), "the shipped error says nothing about own rows");
}

#[test]
fn times_must_be_positive_numbers() {
    let mut store = Store::in_memory_empty().unwrap();
    let run = store.begin_run(&setting(), &about()).unwrap();
    for ms in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(store.insert_measurement(run, &key(8), ms, 0.0, Evidence::Measured, &[]).is_err());
    }
    assert!(store.rows(&setting()).unwrap().is_empty());
}

#[test]
fn importing_the_shipped_tables_twice_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new").join("latency.sqlite");
    let count = |store: &Store| -> i64 {
        store.connection.query_row("SELECT count(*) + max(id) FROM measurement", [], |row| row.get(0)).unwrap()
    };
    let first = count(&Store::open(&path).unwrap());
    let mut store = Store::open(&path).unwrap();
    assert_eq!(store.import_shipped().unwrap(), 0);
    assert_eq!(count(&store), first);
    assert_eq!(store.settings().unwrap().len(), SHIPPED.len());
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
        store.insert_measurement(run, &key(channels), ms, 0.0, Evidence::Measured, &[]).unwrap();
        store.finish_run(run, None).unwrap();
        let rows = store.rows(&setting()).unwrap();
        let counting: Vec<_> = store.tables(&setting()).unwrap().into_iter().filter(|table| table.counts).collect();
        assert_eq!(counting.len(), 1);
        assert_eq!(counting[0].source, TableSource::Own { host: host.to_owned() });
        rows.iter().map(|row| row.ms).collect::<Vec<_>>()
    };
    assert_eq!(measure("one", 8, 1.0), [1.0]);
    assert_eq!(measure("two", 16, 2.0), [2.0], "the machine measured last counts alone");
    assert_eq!(measure("one", 24, 3.0), [1.0, 3.0], "runs of one machine are one table");
    let before = store.choose_tables(TableChoice::Own { host: "two".to_owned() });
    assert_eq!((before, store.rows(&setting()).unwrap()[0].ms), (TableChoice::Best, 2.0));
    store.choose_tables(TableChoice::Shipped);
    assert!(store.rows(&setting()).unwrap().is_empty());
}

#[test]
fn an_imported_table_steps_before_the_shipped_one_and_is_not_mixed_with_it() {
    let mut other = Store::in_memory_empty().unwrap();
    let run = other.begin_run(&setting(), &about()).unwrap();
    other.insert_measurement(run, &key(8), 1.0, 0.0, Evidence::Measured, &[]).unwrap();
    other.finish_run(run, None).unwrap();
    let text = export_table(&other, &setting()).unwrap();
    let mut store = Store::in_memory_empty().unwrap();
    store.import_table(&format!("{}mine.csv", super::super::IMPORTED), &text).unwrap();
    store.import_table("shipped", &text.replace(",1,0,measured", ",7,0,measured")).unwrap();
    let ms = |store: &Store| store.rows(&setting()).unwrap().iter().map(|row| row.ms).collect::<Vec<_>>();
    assert_eq!(ms(&store), [1.0]);
    store.choose_tables(TableChoice::Shipped);
    assert_eq!(ms(&store), [7.0]);
}

#[test]
fn what_was_stored_since_a_moment_can_be_taken_back() {
    let mut store = Store::in_memory_empty().unwrap();
    let other = store.begin_run(&setting(), &about()).unwrap();
    let run = store.begin_run(&setting(), &about()).unwrap();
    store.insert_measurement(run, &key(8), 1.0, 0.0, Evidence::Measured, &[1.0]).unwrap();
    let mark = store.mark(run).unwrap();
    store.insert_measurement(other, &key(16), 1.0, 0.0, Evidence::Measured, &[1.0]).unwrap();
    store.insert_measurement(run, &key(24), 1.0, 0.0, Evidence::Measured, &[1.0]).unwrap();
    store.insert_failure(run, &key(32), "no").unwrap();
    assert_eq!(store.take_back(run, mark).unwrap(), 2);
    assert_eq!(store.measured_keys(run).unwrap(), [key(8)]);
    assert_eq!(store.measured_keys(other).unwrap(), [key(16)]);
    assert!(store.insert_drift(run, f64::NAN, false, "").is_err());
    store.insert_drift(run, 2.0, true, "warm").unwrap();
    let readings = store.drift(run).unwrap();
    assert_eq!((readings[0].reference_ms, readings[0].jump, readings[0].conditions.as_str()), (2.0, true, "warm"));
}
