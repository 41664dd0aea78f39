"""Makes the test databases of earlier schemas, and what must be found in them. Needs Python 3.10 or later.

    make.py thin full1.sqlite schema1.sqlite     a small database of a full one (measure.sh writes those)
    make.py expected                             expected.json of the three small databases in this folder

Thinning keeps every run that the user made and two built-in tables, but few rows of each; texts stay as the programs
wrote them, except for the name of the machine.
"""

import json
import pathlib
import re
import sqlite3
import sys

FOLDER = pathlib.Path(__file__).parent

# Built-in tables that are kept.
BUILT_IN = ["cpu-amd-epyc_tract_fp32_b1_t1", "t4_tensorrt_int8_b1"]

# What each of the user's runs is, by schema and the number of the run: by the command that made it (measure.sh), not by
# its texts, which are what a migration has to read it from.
PURPOSES = {
    1: {13: "search_spaces", 14: "search_spaces", 15: "verification", 16: "imported"},
    2: {
        13: "search_spaces", 14: "search_spaces", 15: "verification", 16: "imported", 37: "adapted",
        38: "search_spaces", 39: "search_spaces", 40: "check", 41: "verification", 42: "imported", 43: "imported",
    },
    3: {
        21: "adapted", 22: "search_spaces", 23: "search_spaces", 24: "check", 25: "one_model", 26: "one_model",
        27: "one_model", 28: "verification", 29: "imported", 30: "imported", 31: "imported",
    },
}

# A failure as those programs wrote it, for schemas 1 and 2: none happened. In the first run of the user.
FAILED_RUN = 13
FAILED_KEY = ("global_pool", 1, 1, 1, 96, 96, 1, 1, "", 0)
FAILURE = "no node of the optimised model has a name that starts with `operator_`"

# The machine's name and that which stands for it.
DEVICE = "cpu-test-processor"
HOST = "Test Processor, 2 cores, linux"

# Most that is kept of each run: rows, samples of a row, checked networks of each kind, readings of the reference.
ROWS, SAMPLES, CHECKS, READINGS = 6, 5, 2, 4

# Time by which an operator without a node of its own was stored.
MERGED_MS = 1e-6
EVIDENCE = ["interpolated", "fitted", "measured"]
KEY = [
    "kind", "kernel", "stride", "groups", "in_channels", "out_channels", "in_height", "in_width", "activation",
    "residual_add",
]


def spread(items, count):
    """At most `count` of the items, evenly spaced."""
    if len(items) <= count:
        return list(items)
    return [items[round(place * (len(items) - 1) / (count - 1))] for place in range(count)]


def column(database, sql, *parameters):
    return [row[0] for row in database.execute(sql, parameters)]


def keep(database, table, run, kept):
    marks = ",".join(map(str, kept))
    database.execute(f"DELETE FROM {table} WHERE run_id = ? AND id NOT IN ({marks})", [run])


def thin_rows(database, run):
    ids = "SELECT id FROM measurement WHERE run_id = ? AND "
    kept = column(database, ids + "(failure IS NOT NULL OR median_ms <= ?) ORDER BY id", run, MERGED_MS)
    timed = column(database, ids + "median_ms > ? ORDER BY id", run, MERGED_MS)
    # One operator with all of its times, where one has several: what it took is their median.
    several = database.execute(
        "SELECT key_id FROM measurement WHERE run_id = ? AND median_ms > ? GROUP BY key_id HAVING count(*) > 1 "
        "ORDER BY min(id) LIMIT 1",
        [run, MERGED_MS],
    ).fetchone()
    if several:
        kept += column(database, ids + "key_id = ? ORDER BY id LIMIT 3", run, several[0])
    kept += spread(timed, ROWS)
    keep(database, "measurement", run, kept)


def thin_checks(database, run, schema):
    kinds = ["1"]
    if schema > 1:
        kinds = ["calibration = 1", "calibration = 0 AND repeat_ms IS NULL", "calibration = 0 AND repeat_ms > 0"]
    kept = []
    for kind in kinds:
        ids = column(database, f"SELECT id FROM network_check WHERE run_id = ? AND {kind} ORDER BY id", run)
        kept += spread(ids, CHECKS)
    keep(database, "network_check", run, kept)


def thin_readings(database, run):
    readings = column(database, "SELECT id FROM drift WHERE run_id = ? ORDER BY id", run)
    jumps = column(database, "SELECT id FROM drift WHERE run_id = ? AND jump = 1 ORDER BY id LIMIT 1", run)
    keep(database, "drift", run, spread(readings, READINGS - len(jumps)) + jumps)


def add_failure(database):
    marks = ",".join("?" * len(FAILED_KEY))
    database.execute(f"INSERT OR IGNORE INTO operator_key ({','.join(KEY)}) VALUES ({marks})", FAILED_KEY)
    where = " AND ".join(f"{name} = ?" for name in KEY)
    key = column(database, f"SELECT id FROM operator_key WHERE {where}", *FAILED_KEY)[0]
    database.execute(
        "INSERT INTO measurement (run_id, key_id, evidence, failure) VALUES (?, ?, 2, ?)", [FAILED_RUN, key, FAILURE]
    )


def hide_machine(database):
    """Replaces the name of the machine wherever it stands."""
    own = "SELECT s.text, r.host FROM run r JOIN setting s ON s.id = r.setting_id WHERE r.shipped IS NULL LIMIT 1"
    setting, host = database.execute(own).fetchone()
    names = [(setting.split("/")[0], DEVICE), (host, HOST)]
    texts = [
        ("setting", "text"), ("run", "host"), ("run", "origin"), ("run", "method"), ("run", "notes"),
        ("run", "error_method"), ("run", "runtime_version"), ("measurement", "failure"),
    ]
    for table, name in texts:
        for old, new in names:
            database.execute(f"UPDATE {table} SET {name} = replace({name}, ?, ?)", [old, new])


def thin(full, small):
    pathlib.Path(small).unlink(missing_ok=True)
    database = sqlite3.connect(full)
    database.execute("VACUUM INTO ?", [small])
    database.close()
    database = sqlite3.connect(small, isolation_level=None)
    database.execute("PRAGMA foreign_keys = ON")
    database.execute("BEGIN")
    schema = column(database, "PRAGMA user_version")[0]
    marks = ",".join("?" * len(BUILT_IN))
    for table, name in [("run", "shipped"), ("shipped", "name")]:
        is_built_in = f"{name} NOT LIKE 'imported from %'"
        database.execute(f"DELETE FROM {table} WHERE {is_built_in} AND {name} NOT IN ({marks})", BUILT_IN)
    own = set(column(database, "SELECT id FROM run WHERE shipped IS NULL OR shipped LIKE 'imported from %'"))
    assert own == set(PURPOSES[schema]), own
    if schema < 3:
        add_failure(database)
    for run in column(database, "SELECT id FROM run"):
        thin_rows(database, run)
        thin_checks(database, run, schema)
        if schema >= 3:
            thin_readings(database, run)
    database.execute("DELETE FROM sample WHERE number >= ?", [SAMPLES])
    database.execute("DELETE FROM operator_key WHERE id NOT IN (SELECT key_id FROM measurement)")
    database.execute("DELETE FROM setting WHERE id NOT IN (SELECT setting_id FROM run)")
    hide_machine(database)
    database.execute("COMMIT")
    database.execute("PRAGMA journal_mode = DELETE")
    database.execute("VACUUM")
    assert not database.execute("PRAGMA foreign_key_check").fetchall()
    database.close()


def operator(row):
    key = {name: row[name] for name in KEY}
    return key | {"residual_add": bool(key["residual_add"])}


def known(value):
    """A standard error; 0 stood for one that is not known."""
    return value or None


def samples(database, measurement):
    return column(database, "SELECT ms FROM sample WHERE measurement_id = ? ORDER BY number", measurement)


def describe_rows(database, run):
    sql = "SELECT m.*, k.* FROM measurement m JOIN operator_key k ON k.id = m.key_id WHERE run_id = ? ORDER BY m.id"
    columns = [entry[0] for entry in database.execute(sql, [run]).description]
    # The first `id` is the measurement's.
    columns[0] = "measurement"
    rows = [dict(zip(columns, row)) for row in map(tuple, database.execute(sql, [run]))]
    timed = [row for row in rows if row["median_ms"] is not None and row["median_ms"] > MERGED_MS]
    spots = []
    for row in spread(timed, 2):
        spots.append({
            "operator": operator(row),
            "evidence": EVIDENCE[row["evidence"]],
            "ms": row["median_ms"],
            "stderr_ms": known(row["stderr_ms"]),
            "samples_ms": samples(database, row["measurement"]),
        })
    return {
        "rows": {
            name: sum(row["evidence"] == number for row in timed) for number, name in enumerate(EVIDENCE)
        },
        "spots": spots,
        "merged": [
            operator(row) for row in rows if row["median_ms"] is not None and row["median_ms"] <= MERGED_MS
        ],
        "failures": [
            {"operator": operator(row), "reason": row["failure"]} for row in rows if row["failure"] is not None
        ],
    }


def describe_checks(database, run):
    found = []
    for row in database.execute("SELECT * FROM network_check WHERE run_id = ? ORDER BY id", [run]):
        row = dict(row)
        found.append({
            "structure": row["structure"],
            "resolution": row["resolution"],
            "classes": row.get("classes", 1000),
            "squeeze_excite": bool(row.get("squeeze_excite", 0)),
            "calibration": bool(row.get("calibration", 0)),
            "predicted_ms": row["predicted_ms"],
            "measured_ms": row["measured_ms"],
            "stderr_ms": known(row.get("stderr_ms")),
            "repeat_ms": row.get("repeat_ms"),
        })
    return found


def describe_run(database, row, schema):
    run = row["id"]
    error = None
    if row["error_mape"] is not None:
        names = ["mape", "within5", "within10", "kendall_tau", "networks", "method"]
        error = {name: row[f"error_{name}"] for name in names}
    drift = []
    if schema >= 3:
        sql = "SELECT at, reference_ms, jump, conditions FROM drift WHERE run_id = ? ORDER BY id"
        drift = [dict(reading) | {"jump": bool(reading["jump"])} for reading in database.execute(sql, [run])]
    imported = re.fullmatch("imported from (.*)", row["shipped"] or "")
    hashes = column(database, "SELECT hash FROM shipped WHERE name = ?", row["shipped"])
    coefficients = database.execute("SELECT name, value FROM coefficient WHERE run_id = ? ORDER BY name", [run])
    texts = ["started_at", "finished_at", "origin", "licence", "runtime_version", "host", "method", "unit", "notes"]
    return {
        "id": run,
        "setting": row["text"],
        "purpose": PURPOSES[schema].get(run, "built_in"),
        "finished": row["finished_at"] is not None,
        "imported_file": imported and imported[1],
        "imported_hash": hashes[0] if imported else None,
        **{name: row[name] for name in texts},
        "error": error,
        **describe_rows(database, run),
        "checks": describe_checks(database, run),
        "drift": drift,
        "coefficients": dict(map(tuple, coefficients)),
    }


def expected():
    found = {}
    for schema in PURPOSES:
        name = f"schema{schema}.sqlite"
        database = sqlite3.connect(f"file:{FOLDER / name}?mode=ro", uri=True)
        database.row_factory = sqlite3.Row
        assert column(database, "PRAGMA user_version")[0] == schema
        sql = "SELECT r.*, s.text FROM run r JOIN setting s ON s.id = r.setting_id ORDER BY r.id"
        runs = [describe_run(database, row, schema) for row in database.execute(sql)]
        stays = [run for run in runs if run["purpose"] != "built_in"]
        found[name] = {
            "user_version": schema,
            "settings": sorted({run["setting"] for run in stays}),
            "runs": stays,
            "built_in": [run for run in runs if run["purpose"] == "built_in"],
        }
        database.close()
    (FOLDER / "expected.json").write_text(json.dumps(found, indent=1) + "\n")


match sys.argv[1:]:
    case ["thin", full, small]:
        thin(full, small)
    case ["expected"]:
        expected()
    case _:
        sys.exit(__doc__)
