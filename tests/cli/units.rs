//! Every latency that is printed or stored says what it is: milliseconds per call or per image, on
//! which device, runtime, precision and batch, and how it is known.
//!
//! Outputs are walked by rule, not by name, so that a field added tomorrow is caught. A failure names the
//! field: end its name in `_ms` if it is a time, else add it to [`NO_TIMES`].

use std::collections::BTreeMap;

use serde_json::Value;
use zen_nas::latency::{Setting, UNIT};

use crate::program::Place;
use crate::report::fill;

const SMALL: &str = "SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,2,8,1)";
const OTHER: &str = "SuperConvK3BNRELU(3,16,2,1)SuperResIDWE4K5(16,24,2,16,1)";

/// Fractional numbers in JSON that are no latencies.
const NO_TIMES: &[&str] = &[
    // Shares and relative errors.
    "accuracy",
    "bias",
    "bound",
    "distance",
    "gap_percent",
    "hypervolume",
    "percent",
    "calibration_mape",
    "chosen_bias",
    "confidence",
    "coverage",
    "covered",
    "error",
    "extrapolated_count",
    "extrapolated_share",
    "extrapolated_time",
    "fitted_count",
    "fitted_time",
    "factor",
    "found",
    "high",
    "interpolated_count",
    "interpolated_time",
    "kendall_tau",
    "kendall_tau_by_chance",
    "low",
    "mape",
    "mape_after_twice",
    "mape_now",
    "median",
    "measured_count",
    "measured_time",
    "measurement_stderr",
    "moved",
    "off",
    "scatter",
    "share",
    "stated",
    "trend",
    "uncertainty",
    "width",
    "within10",
    "within20",
    "within5",
    // Scores and costs.
    "difference",
    "flops",
    "parameters",
    "score",
    "standard_error",
    // How long a search took, and how fast it went.
    "elapsed_s",
    "iterations_per_s",
];

/// Words that say how a latency is known.
const EVIDENCE: [&str; 4] = ["measured", "fitted", "interpolated", "published"];

/// What holds for a part of a JSON document: its own fields and those around it.
#[derive(Clone, Copy, Default)]
struct Known {
    setting: bool,
    evidence: bool,
}

impl Known {
    /// With what the fields of an object add; a `latency` among them speaks for the numbers beside it.
    fn within(self, fields: &serde_json::Map<String, Value>) -> Self {
        let is_setting = |value: &Value| match value {
            Value::String(id) => id.parse::<Setting>().is_ok(),
            Value::Object(parts) => {
                ["device", "runtime", "precision", "batch_size"].iter().all(|part| parts.contains_key(*part))
            }
            _ => false,
        };
        let is_evidence = |value: &Value| match value {
            Value::String(word) => EVIDENCE.contains(&word.as_str()),
            Value::Object(shares) => shares.contains_key("measured_time"),
            _ => false,
        };
        let from = |fields: &serde_json::Map<String, Value>| Self {
            setting: fields.get("setting").is_some_and(is_setting),
            evidence: fields.get("evidence").is_some_and(is_evidence),
        };
        let beside = fields.get("latency").and_then(Value::as_object).map(from).unwrap_or_default();
        let own = from(fields);
        Self {
            setting: self.setting || own.setting || beside.setting,
            evidence: self.evidence || own.evidence || beside.evidence,
        }
    }
}

fn is_time(name: &str) -> bool {
    name == "ms" || name.ends_with("_ms") || name == "ms_per_image"
}

/// Whether the name itself says that a time was measured.
fn says_measured(name: &str) -> bool {
    ["measured_ms", "stderr_ms", "repeat_ms"].contains(&name)
}

fn walk(value: &Value, path: &str, known: Known, latencies: &mut usize) {
    match value {
        Value::Object(fields) => {
            let known = known.within(fields);
            // A budget: name, value and limit.
            let budget = fields.get("name").and_then(Value::as_str).filter(|_| fields.contains_key("limit"));
            if let Some(name) = budget.filter(|name| is_time(name)) {
                assert_eq!(fields["unit"], UNIT, "{path}: {name}");
                assert!(fields.contains_key("setting") && known.setting && known.evidence, "{path}: {value}");
                *latencies += 1;
            }
            for (name, inner) in fields {
                let path = format!("{path}.{name}");
                let (fractional, null_time) = (inner.is_f64(), inner.is_null() && is_time(name));
                if is_time(name) && !null_time {
                    assert!(inner.is_number(), "{path} is named as a time and is {inner}");
                    assert!(known.setting, "{path}: no setting around it");
                    assert!(known.evidence || says_measured(name), "{path}: no evidence around it");
                    *latencies += 1;
                } else if fractional {
                    let of_budget = budget.is_some() && (name == "value" || name == "limit");
                    let listed = NO_TIMES.contains(&name.as_str());
                    assert!(
                        of_budget || listed,
                        "{path} = {inner}: a time is named ..._ms, anything else is listed here"
                    );
                }
                walk(inner, &path, known, latencies);
            }
        }
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                assert!(!item.is_f64(), "{path}[{i}]: a number without a name");
                walk(item, &format!("{path}[{i}]"), known, latencies);
            }
        }
        _ => {}
    }
}

/// Walks a document; how many latencies it has.
fn latencies_in(what: &str, document: &Value) -> usize {
    let mut latencies = 0;
    walk(document, what, Known::default(), &mut latencies);
    latencies
}

/// Whether somewhere a number is followed by `ms`, or a column is headed so.
fn has_latency(text: &str) -> bool {
    let words: Vec<&str> =
        text.split_whitespace().map(|word| word.trim_matches(['(', ')', ',', '.', ':', ';', '|'])).collect();
    let number = |word: &str| word.trim_start_matches('+').parse::<f64>().is_ok();
    words.windows(2).any(|pair| number(pair[0]) && pair[1] == "ms") || text.contains("ms per call on")
}

/// Checks a text; whether it has a latency.
fn check_text(what: &str, text: &str, evidence: &[&str]) -> bool {
    if !has_latency(text) {
        return false;
    }
    let id = text.split(|c: char| c.is_whitespace() || ",;:()".contains(c)).any(|word| word.parse::<Setting>().is_ok());
    let words = ["device ", "runtime ", ", batch "].iter().all(|part| text.contains(part))
        && ["fp32", "fp16", "int8"].iter().any(|precision| text.contains(precision));
    assert!(id || words, "{what}: a latency without its setting in\n{text}");
    assert!(evidence.iter().any(|word| text.contains(word)), "{what}: a latency without evidence in\n{text}");
    let per = ["per call", "per image", "per inference call"];
    assert!(per.iter().any(|per| text.contains(per)), "{what}: per call or per image? in\n{text}");
    true
}

/// Runs a command as text and as JSON, and checks both; whether latencies are expected.
fn check(place: &Place, program: &str, arguments: &str, expected: bool) {
    let what = format!("{program} {arguments}");
    let ended = place.done(program, &arguments.replace("OUT", "text"));
    assert_eq!(check_text(&what, &ended.stdout, &EVIDENCE), expected, "{what}: {}", ended.stdout);
    check_text(&what, &ended.stderr, &EVIDENCE);
    let found =
        latencies_in(&what, &place.done(program, &format!("{} --json", arguments.replace("OUT", "json"))).json());
    assert_eq!(found > 0, expected, "{what}: {found} latencies");
}

#[test]
fn searches_scores_and_exports() {
    let place = Place::new();
    place.write("two.txt", format!("{SMALL}\n{OTHER}\n"));
    for (program, arguments) in [
        (
            "zen-search",
            "--latency-ms 0.6 --device t4 --iterations 300 --resolution 32 --finalists 3 --no-onnx --out OUT",
        ),
        ("zen-search", "--ms-per-image 0.3 --device v100 --iterations 300 --finalists 0 --no-onnx --out OUT-64"),
        ("zen-score", &format!("{SMALL} --device t4 --explain")),
        ("zen-score", &format!("{SMALL} --device t4 --latency-ms 50 --max-params 1M")),
        ("zen-score", "two.txt --device v100 --batch-size 64"),
        ("zen-score", "two.txt --device v100 --proxy zen,params --draws 2 --resolution 32 --compare"),
        ("zen-export", &format!("{SMALL} --device pixel2 -o OUT.onnx")),
    ] {
        check(&place, program, arguments, true);
    }
    check(&place, "zen-score", SMALL, false);
    check(&place, "zen-score", "two.txt --compare --proxy random", false);
    let unmet = "--latency-ms 0.0001 --device t4 --iterations 10 --no-onnx --out none";
    let ended = place.fails("zen-search", unmet, 6, &["t4/tensorrt/fp16/b1"]);
    assert!(check_text(unmet, &ended.stderr, &["per call predicted"]), "{}", ended.stderr);
    // What a run leaves behind.
    for run in ["text", "json", "text-64"] {
        let best: Value = serde_json::from_str(&place.text(&format!("{run}/best.json"))).unwrap();
        assert!(latencies_in("best.json", &best) >= 3);
        for line in place.text(&format!("{run}/events.jsonl")).lines() {
            latencies_in("events.jsonl", &serde_json::from_str(line).unwrap());
        }
        let config: toml::Table = place.text(&format!("{run}/config.toml")).parse().unwrap();
        let budgets = config["budget"].as_array().unwrap();
        let latency = budgets.iter().find(|budget| budget["kind"].as_str() == Some("latency_ms")).unwrap();
        assert!(latency["limit"].is_float() && latency["setting"].as_str().unwrap().parse::<Setting>().is_ok());
        assert!(config["setting"].as_str().unwrap().parse::<Setting>().is_ok());
    }
    let model = std::fs::read(place.file("text.onnx")).unwrap();
    for part in [
        "predicted_latency_ms",
        "predicted_latency_unit",
        UNIT,
        "predicted_latency_setting",
        "pixel2/tflite/fp32/b1/t1",
        "predicted_latency_evidence",
        "100% fitted",
        "predicted_latency_error",
    ] {
        assert!(model.windows(part.len()).any(|window| window == part.as_bytes()), "{part}");
    }
}

#[test]
fn tables_and_reports() {
    let place = Place::new();
    fill(&place);
    for (arguments, expected) in [
        ("report mine", true),
        ("report t4 --batch-size 64", true),
        ("report v100 --runtime published", true),
        ("report pixel2", true),
    ] {
        check(&place, "zen-profile", arguments, expected);
    }
    for arguments in ["list", "show mine", "show v100", "report v100 --runtime tensorrt", "import mine.csv"] {
        place.done("zen-profile", "export mine -o mine.csv");
        latencies_in(arguments, &place.done("zen-profile", &format!("{arguments} --json")).json());
        check_text(arguments, &place.done("zen-profile", arguments).stdout, &EVIDENCE);
    }
    for program in ["zen-search", "zen-profile", "zen-score", "zen-export"] {
        check_text(program, &place.done(program, "--help").stdout, &EVIDENCE);
    }
}

#[test]
fn sessions_and_verifications() {
    let place = Place::new();
    let session = "--device cpu --space xxbl --operators 4 --networks 2 --resolution 32 --minutes 0.1";
    check_text(session, &place.done("zen-profile", session).stdout, &EVIDENCE);
    latencies_in(session, &place.done("zen-profile", &format!("{session} --json")).json());
    check(&place, "zen-profile", &format!("verify {SMALL} --resolution 32"), true);
}

#[test]
fn a_table_as_text_names_unit_setting_and_evidence() {
    let place = Place::new();
    fill(&place);
    let text = place.done("zen-profile", "export mine").stdout;
    let header: BTreeMap<_, _> =
        text.lines().filter_map(|line| line.strip_prefix("# ")).filter_map(|line| line.split_once(": ")).collect();
    assert_eq!(header["unit"], UNIT);
    assert!(header["setting"].parse::<Setting>().is_ok() && EVIDENCE.contains(&header["evidence"]));
    // Coefficients with a time in them say so.
    assert!(header.keys().any(|name| name.ends_with("launch_ms")));
    // Fractional columns are times.
    let mut columns: Vec<&str> = Vec::new();
    let mut fractional = 0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if line.starts_with("kind,") || line.starts_with("role,") {
            columns = line.split(',').collect();
            continue;
        }
        for (column, field) in columns.iter().zip(line.splitn(columns.len(), ',')) {
            if field.contains('.') {
                assert!(is_time(column), "{column}: {field}");
                fractional += 1;
            }
        }
    }
    assert!(fractional > 10, "{fractional}");
}

#[test]
fn every_time_in_the_database_belongs_to_a_setting() {
    let place = Place::new();
    fill(&place);
    let database = rusqlite::Connection::open(place.file("tables.sqlite")).unwrap();
    let strings = |sql: &str| -> Vec<String> {
        let mut statement = database.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    let tables = strings("SELECT name FROM sqlite_schema WHERE type = 'table'");
    let parents: BTreeMap<String, Vec<String>> = tables
        .iter()
        .map(|table| (table.clone(), strings(&format!("SELECT \"table\" FROM pragma_foreign_key_list('{table}')"))))
        .collect();
    let mut with_times = 0;
    for table in &tables {
        let numbers = strings(&format!("SELECT name FROM pragma_table_info('{table}') WHERE type = 'REAL'"));
        for column in numbers {
            let share =
                column.starts_with("error_") || table == "spot_check" || (table == "coefficient" && column == "value");
            assert!(is_time(&column) != share, "{table}.{column}: a time is named ..._ms");
            if is_time(&column) {
                with_times += 1;
                let mut reached = vec![table.clone()];
                let mut i = 0;
                while i < reached.len() {
                    reached.extend(parents[&reached[i]].clone());
                    i += 1;
                }
                assert!(reached.contains(&"setting".to_owned()), "{table}.{column} belongs to no setting");
            }
        }
    }
    assert!(with_times >= 7, "{with_times}");
    assert_eq!(strings("SELECT DISTINCT unit FROM run"), [UNIT]);
    assert!(strings("SELECT text FROM setting").iter().all(|id| id.parse::<Setting>().is_ok()));
}
