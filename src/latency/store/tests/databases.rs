//! Databases of every earlier schema, as the programs of their time wrote them (`tests/data/databases/README.md`):
//! what a migration must keep, by value.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::*;

/// The files with the version of their schema.
const FILES: [(&str, i64); 3] = [("schema1.sqlite", 1), ("schema2.sqlite", 2), ("schema3.sqlite", 3)];

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/databases").join(name)
}

fn expected() -> Value {
    serde_json::from_str(&fs::read_to_string(data("expected.json")).unwrap()).unwrap()
}

fn number(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// The rows that a query gives, each as the JSON array it makes of itself.
fn rows(store: &Store, sql: &str, run: i64) -> Vec<Value> {
    let mut statement = store.connection.prepare(sql).unwrap();
    let text = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
    let rows = statement.query_map([run], text).unwrap().map(|text| serde_json::from_str(&text.unwrap()).unwrap());
    rows.collect()
}

const KEY: &str = "json_object('kind', k.kind, 'kernel', k.kernel, 'stride', k.stride, 'groups', k.groups,
    'in_channels', k.in_channels, 'out_channels', k.out_channels, 'in_height', k.in_height, 'in_width', k.in_width,
    'activation', k.activation, 'residual_add', json(iif(k.residual_add, 'true', 'false')))";

fn measurements(store: &Store, run: i64, columns: &str, condition: &str) -> Vec<Value> {
    let sql = format!(
        "SELECT json_array({KEY}, {columns}) FROM measurement m JOIN operator_key k ON k.id = m.key_id
         WHERE m.run_id = ?1 AND {condition} ORDER BY m.id"
    );
    rows(store, &sql, run)
}

/// Everything that `expected.json` lists of a run, as the migrated database has it.
fn found(store: &Store, run: &Run, like: &Value) -> Value {
    let id = run.id.0;
    let about = &run.about;
    let from = run.imported.as_ref();
    let evidence = |evidence: Evidence| {
        let rank = evidence as i64;
        measurements(store, id, "m.median_ms", &format!("m.evidence = {rank} AND failure IS NULL AND NOT merged")).len()
    };
    let spot = |wanted: &Value| {
        let samples =
            "(SELECT json_group_array(ms) FROM (SELECT ms FROM sample WHERE measurement_id = m.id ORDER BY number))";
        let columns = format!("m.evidence, m.median_ms, m.stderr_ms, json({samples})");
        let all = measurements(store, id, &columns, "failure IS NULL AND NOT merged");
        // One operator may have been measured several times.
        let is_wanted = |row: &&Value| row[0] == wanted["operator"] && same_number(&row[2], &wanted["ms"]);
        let row = all.iter().find(is_wanted).unwrap_or_else(|| panic!("run {id} lost {wanted}"));
        let name = Evidence::ALL.into_iter().find(|evidence| row[1] == *evidence as i64).unwrap().name();
        json!({ "operator": row[0], "evidence": name, "ms": row[2], "stderr_ms": row[3], "samples_ms": row[4] })
    };
    let finished_at = run.finished_at.clone();
    let error = run.error.as_ref().map(|error| {
        json!({
            "mape": error.mape, "within5": error.within5, "within10": error.within10,
            "kendall_tau": error.kendall_tau, "networks": error.networks, "method": error.method,
        })
    });
    let checks: Vec<Value> =
        store.checks(run.id).unwrap().iter().map(|check| serde_json::to_value(check).unwrap()).collect();
    let drift: Vec<Value> =
        store.drift(run.id).unwrap().iter().map(|reading| serde_json::to_value(reading).unwrap()).collect();
    let coefficients = rows(store, "SELECT json_array(name, value) FROM coefficient WHERE run_id = ?1", id);
    let coefficients: serde_json::Map<_, _> =
        coefficients.into_iter().map(|row| (row[0].as_str().unwrap().to_owned(), row[1].clone())).collect();
    let unit: String =
        store.connection.query_row("SELECT unit FROM run WHERE id = ?1", [id], |row| row.get(0)).unwrap();
    json!({
        "id": id, "setting": run.setting.id(), "purpose": about.purpose.name(), "finished": finished_at.is_some(),
        "imported_file": from.map(|from| &from.file), "imported_hash": from.map(|from| &from.content),
        "started_at": run.started_at, "finished_at": finished_at, "origin": about.origin, "licence": about.licence,
        "runtime_version": about.runtime_version, "host": about.host, "method": about.method, "unit": unit,
        "notes": about.notes, "error": error,
        "rows": {
            "interpolated": evidence(Evidence::Interpolated),
            "fitted": evidence(Evidence::Fitted),
            "measured": evidence(Evidence::Measured),
        },
        "spots": like["spots"].as_array().unwrap().iter().map(spot).collect::<Vec<_>>(),
        "merged": measurements(store, id, "1", "m.merged").into_iter().map(|row| row[0].clone()).collect::<Vec<_>>(),
        "failures": measurements(store, id, "m.failure", "failure IS NOT NULL").into_iter()
            .map(|row| json!({ "operator": row[0], "reason": row[1] })).collect::<Vec<_>>(),
        "checks": checks, "drift": drift, "coefficients": coefficients,
    })
}

fn same_number(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-15 * a.abs().max(b.abs()),
        _ => a == b,
    }
}

/// Compares by value; numbers may be written as whole numbers or not. Names the place that differs.
fn assert_same(place: &str, found: &Value, expected: &Value) {
    match (found, expected) {
        (Value::Object(a), Value::Object(b)) => {
            let names = |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(a), names(b), "{place}");
            a.iter().for_each(|(name, value)| assert_same(&format!("{place}/{name}"), value, &b[name]));
        }
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len(), "{place}: {found} {expected}");
            a.iter().zip(b).enumerate().for_each(|(i, (a, b))| assert_same(&format!("{place}/{i}"), a, b));
        }
        _ => assert!(same_number(found, expected), "{place}: {found} instead of {expected}"),
    }
}

/// Everything that a file says must be there after it was brought up to date.
fn assert_kept(store: &Store, name: &str) {
    let expected = &expected()[name];
    let settings: Vec<Value> = store.stored_settings().unwrap().iter().map(|setting| setting.id().into()).collect();
    let mut wanted: Vec<Value> = expected["settings"].as_array().unwrap().clone();
    let built_in = expected["built_in"].as_array().unwrap();
    let runs = expected["runs"].as_array().unwrap();
    // Settings of built-in tables alone have no run any more.
    wanted.retain(|setting| runs.iter().any(|run| run["setting"] == *setting));
    wanted.sort_by_key(|setting| setting.to_string());
    let mut settings = settings;
    settings.sort_by_key(|setting| setting.to_string());
    assert_eq!(settings, wanted, "{name}");
    assert_eq!(number(&store.connection, "SELECT count(*) FROM run"), runs.len() as i64, "{name}");
    assert!(!built_in.is_empty() && built_in.iter().all(|run| runs.iter().all(|other| other["id"] != run["id"])));
    for run in runs {
        let setting: Setting = run["setting"].as_str().unwrap().parse().unwrap();
        let stored = store.runs(&setting).unwrap();
        let stored = stored.iter().find(|stored| run["id"] == stored.id.0).unwrap_or_else(|| panic!("{name}: {run}"));
        assert_same(&format!("{name}/run {}", stored.id.0), &found(store, stored, run), run);
    }
    assert_eq!(number(&store.connection, "SELECT count(*) FROM pragma_foreign_key_check"), 0, "{name}");
    let orphans = "SELECT count(*) FROM measurement WHERE run_id NOT IN (SELECT id FROM run)";
    assert_eq!(number(&store.connection, orphans), 0, "{name}");
}

/// Every table of a database, row by row.
fn dump(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let column = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let tables = column("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name");
    let mut lines = column("SELECT coalesce(sql, name) FROM sqlite_master ORDER BY name");
    for table in tables {
        let names = column(&format!("SELECT name FROM pragma_table_info('{table}')"));
        let all = names.iter().map(|name| format!("quote({name})")).collect::<Vec<_>>().join(" || '|' || ");
        lines.extend(column(&format!("SELECT '{table}:' || {all} FROM {table} ORDER BY 1")));
    }
    lines
}

#[test]
fn opening_keeps_everything_and_a_copy_of_the_file() {
    for (name, version) in FILES {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("latency.sqlite");
        fs::copy(data(name), &path).unwrap();
        let store = Store::open(&path).unwrap();
        assert_kept(&store, name);
        drop(store);
        let copy = folder.path().join(format!("latency.schema{version}.sqlite"));
        assert_eq!(dump(&copy), dump(&data(name)), "{name}");
        let connection = Connection::open(&copy).unwrap();
        assert_eq!(number(&connection, "PRAGMA user_version"), version);
        assert_eq!(number(&connection, "PRAGMA application_id"), APPLICATION_ID);
        let whole: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(whole, "ok");
        // Opened again, it changes no more.
        let before = dump(&path);
        drop(Store::open(&path).unwrap());
        assert_eq!(dump(&path), before, "{name}");
        assert_kept(&Store::read(&path).unwrap(), name);
    }
}

#[test]
fn reading_an_old_file_writes_nothing() {
    for (name, version) in FILES {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("latency.sqlite");
        fs::copy(data(name), &path).unwrap();
        let mut permissions = fs::metadata(&path).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&path, permissions).unwrap();
        let before = fs::read(&path).unwrap();
        assert_kept(&Store::read(&path).unwrap(), name);
        assert_eq!(fs::read(&path).unwrap(), before, "{name}");
        let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(files, ["latency.sqlite"], "{name}");
        let connection = Connection::open(&path).unwrap();
        assert_eq!(number(&connection, "PRAGMA user_version"), version);
    }
}
