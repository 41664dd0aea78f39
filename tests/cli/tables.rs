//! Tables of one's own: refused, imported, removed, tried, and which one is used.

use std::time::Instant;

use zen_nas::latency::{Device, Evidence, NewRun, OperatorKey, Precision, Row, Setting, Store, TableChoice};

use crate::program::Place;
use crate::schemas::is_described;

const HEADER: &str = "# setting: my-gpu/tensorrt/fp16/b1\n# evidence: measured\n\
                      kind,kernel,stride,in_channels,out_channels,in_height,in_width,ms\n";
const NETWORK: &str = "SuperConvK3BNRELU(3,32,2,1)SuperResK3K3(32,64,2,32,1)SuperConvK1BNRELU(64,512,1,1)";

fn three_rows(last_ms: &str) -> String {
    format!("{HEADER}conv,3,2,3,32,224,224,0.0143\nconv,3,1,64,64,56,56,0.0143\nconv,3,1,256,256,14,14,{last_ms}\n")
}

#[test]
fn files_that_cannot_be_true_are_refused_with_the_line_or_marked() {
    let place = Place::new();
    for (row, part) in [
        ("conv,3,1,512,512,112,112,0.0001", "line 5: 3.0e17 multiply-adds per second"),
        ("conv,224,3,64,64,3,3,0.1", "line 5: a kernel of 224"),
        ("depthwise,3,1,64,32,28,28,0.1", "line 5: depthwise makes 32 channels of 64"),
        ("conv,3,2,3,32,224,224,0.02", "line 5: conv 3x3 s2 3->32 @224x224 takes 0.02 ms here and 0.0143 ms in line 4"),
    ] {
        place.write("bad.csv", format!("{HEADER}conv,3,2,3,32,224,224,0.0143\n{row}\n"));
        place.fails("zen-profile", "import bad.csv", 3, &["bad.csv", part, "--force"]);
    }
    place.write("seconds.csv", three_rows("0.0121").replace(",0.0", ",0.0000"));
    place.fails("zen-profile", "import seconds.csv", 3, &["line 4", "probably in seconds", "2 more lines"]);
    assert!(!place.run("zen-profile", "list").stdout.contains("my-gpu"));

    let forced = place.done("zen-profile", "import --force seconds.csv");
    assert!(forced.stdout.contains("WARNING: imported with --force although line 4"), "{}", forced.stdout);
    for (program, arguments) in [
        ("zen-profile", "list"),
        ("zen-profile", "show my-gpu"),
        ("zen-score", &format!("{NETWORK} --device my-gpu") as &str),
    ] {
        let told = place.done(program, arguments).stdout;
        assert!(told.contains("WARNING: imported with --force"), "{arguments}: {told}");
    }
    // The mark travels with the table.
    let exported = place.done("zen-profile", "export my-gpu").stdout;
    assert!(exported.contains("# warning: imported with --force although line 4"), "{exported}");

    // An operator that is there twice, with times that agree: the median.
    place.write("twice.csv", format!("{}conv,3,1,256,256,14,14,0.0122\n", three_rows("0.0120")));
    let twice = place.done("zen-profile", "import twice.csv --json").json();
    assert_eq!((&twice[0]["repeated"], &twice[0]["rows"]), (&1.into(), &4.into()));
    assert_eq!(twice[0]["used"]["file"], "twice.csv", "a marked table is not used beside another");
    let store = Store::open(&place.file("tables.sqlite")).unwrap();
    let setting = "my-gpu/tensorrt/fp16/b1".parse().unwrap();
    let rows = store.require_table(&setting, &TableChoice::Best).unwrap().rows;
    let ms: Vec<f64> = rows.iter().filter(|row| row.key.in_channels == 256).map(|row| row.ms).collect();
    assert!(ms.len() == 1 && (ms[0] - 0.0121).abs() < 1e-12, "{ms:?}");
}

#[test]
fn few_rows_extrapolate_and_promise_nothing() {
    let place = Place::new();
    place.write("three.csv", three_rows("0.0121"));
    place.done("zen-profile", "import three.csv");
    let told = place.done("zen-score", &format!("{NETWORK} --device my-gpu --json")).json();
    let latency = &told[0]["latency"];
    let share = |name: &str| latency["evidence"][name].as_f64().unwrap();
    assert!(share("extrapolated_time") > 0.5 && share("interpolated_time") < 0.5, "{latency}");
    let all = ["measured_time", "fitted_time", "interpolated_time", "extrapolated_time"].map(share);
    assert!((all.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    assert!(latency["interval"].is_null() && latency["error"].is_null());
    let text = place.done("zen-score", &format!("{NETWORK} --device my-gpu")).stdout;
    assert!(text.contains("% extrapolated of the predicted time") && !text.contains("interval"), "{text}");
}

#[test]
fn an_imported_table_is_removed_by_setting_file_or_hash_and_nothing_else_is() {
    let place = Place::new();
    let none = place.fails("zen-profile", "remove my-gpu/tensorrt/fp16/b1", 3, &["there is none"]);
    assert!(none.stdout.is_empty());
    place.write("first.csv", three_rows("0.0121"));
    place.write("second.csv", three_rows("0.0123"));
    place.done("zen-profile", "import first.csv");
    let second = place.done("zen-profile", "import second.csv").stdout;
    assert!(
        second.contains("used for this setting: the table imported from second.csv")
            && second.contains("the table imported from first.csv stays in the database"),
        "{second}"
    );
    place.fails("zen-profile", "remove third.csv", 3, &["`third.csv`", "first.csv", "second.csv"]);
    // No beginning of a name is enough.
    place.fails("zen-profile", "remove first", 3, &["first.csv"]);
    place.fails("zen-profile", "remove my-gpu/tensorrt/fp16/b1", 3, &["--all", "first.csv", "second.csv", "hash"]);
    let store = || Store::open(&place.file("tables.sqlite")).unwrap();
    let known: Vec<(String, String)> =
        store().imported_tables().unwrap().into_iter().map(|table| (table.from.file, table.from.content)).collect();
    assert_eq!(known.iter().map(|(file, _)| file.as_str()).collect::<Vec<_>>(), ["second.csv", "first.csv"]);
    let removed = place.done("zen-profile", &format!("remove {}", known[0].1)).stdout;
    assert!(removed.starts_with("removed my-gpu/tensorrt/fp16/b1 from second.csv"), "{removed}");
    let setting: Setting = "my-gpu/tensorrt/fp16/b1".parse().unwrap();
    let rows = store().require_table(&setting, &TableChoice::Best).unwrap().rows;
    assert!(rows.iter().any(|row| row.ms == 0.0121) && rows.len() == 3, "what the other file brought stays");

    // What was measured stays, too.
    let mut writing = store();
    let run = writing.begin_run(&setting, &NewRun { host: "mine".to_owned(), ..NewRun::default() }).unwrap();
    let row = Row::new(OperatorKey::conv(1, 1, 8, 8, 7), 0.5, Evidence::Measured);
    writing.insert_rows(run, std::slice::from_ref(&row)).unwrap();
    writing.finish_run(run, None).unwrap();
    drop(writing);
    place.done("zen-profile", "import second.csv");
    let removed = place.done("zen-profile", "remove my-gpu/tensorrt/fp16/b1 --all --json").json();
    assert_eq!(removed.as_array().unwrap().len(), 2);
    assert_eq!(removed[0]["operators"], 3);
    assert_eq!(store().require_table(&setting, &TableChoice::Best).unwrap().rows, [row]);
    place.fails("zen-profile", "remove my-gpu/tensorrt/fp16/b1", 3, &["there is none"]);
}

#[test]
fn a_table_that_is_not_used_is_named_with_what_it_lacks() {
    let place = Place::new();
    let mut store = Store::open(&place.file("tables.sqlite")).unwrap();
    let setting = Setting::new("v100", "tensorrt", Precision::Fp16, 64);
    let run = store.begin_run(&setting, &NewRun { host: "mine".to_owned(), ..NewRun::default() }).unwrap();
    let key = OperatorKey::conv(3, 1, 64, 64, 56);
    store.insert_rows(run, &[Row::new(key, 1.0, Evidence::Measured)]).unwrap();
    store.finish_run(run, None).unwrap();
    drop(store);
    let device = "--device v100 --runtime tensorrt --precision fp16 --batch-size 64";
    let text = place.done("zen-score", &format!("{NETWORK} {device}")).stdout;
    assert!(text.contains("the built-in table: the best supported of them"), "{text}");
    assert!(text.contains("not used: the local table of mine (never checked on whole networks; covers "), "{text}");
    assert!(text.contains("--table local, built-in or imported decides"), "{text}");
    let json = place.done("zen-score", &format!("{NETWORK} {device} --json")).json();
    let choice = &json[0]["table_choice"];
    assert_eq!((&json[0]["table"]["kind"], &choice["reason"]), (&"built_in".into(), &"better_supported".into()));
    assert_eq!(choice["others"][0]["source"]["host"], "mine");
    assert!(choice["others"][0]["covered"].as_f64().unwrap() < 0.9);
    let asked = place.done("zen-score", &format!("{NETWORK} {device} --table local --json")).json();
    assert_eq!(asked[0]["table_choice"]["reason"], "asked_for");
    let search = format!("--latency-ms 20 {device} --iterations 200 --finalists 0 --no-onnx --json --quiet --out run");
    let found = place.done("zen-search", &search).json();
    assert_eq!(
        (&found["table"]["kind"], &found["table_choice"]["reason"]),
        (&"built_in".into(), &"better_supported".into())
    );
}

#[test]
fn a_table_of_this_processors_name_is_tried_before_its_first_use_and_not_again() {
    let place = Place::new();
    let here = Device::find("cpu").unwrap().table_name();
    let other = "cpu-amd-epyc/tract/fp32/b1/t1";
    let text = place.done("zen-profile", &format!("export {other}")).stdout;
    place.write("colleague.csv", text.replace("# setting: cpu-amd-epyc/", &format!("# setting: {here}/")));
    place.done("zen-profile", "import colleague.csv");
    let score = |options: &str| place.run("zen-score", &format!("{NETWORK} --device cpu --table imported {options}"));

    let untried = score("--no-check");
    assert_eq!(untried.code, 0, "{untried:?}");
    assert!(untried.stdout.contains("NOT CHECKED on this machine: --no-check"), "{}", untried.stdout);

    let first = score("--json");
    assert!(first.stderr.contains("is used on this machine for the first time"), "{first:?}");
    let started = Instant::now();
    let again = score("--json --quiet");
    assert!(started.elapsed().as_secs_f64() < 1.0, "nothing is measured again");
    assert!(!again.stderr.contains("first time"));
    assert_eq!(first.code, again.code);
    if first.code == 3 {
        // A processor that is another altogether.
        assert!(again.stderr.contains("does not hold on this machine") && again.stderr.contains("--no-check"));
        return;
    }
    assert_eq!(first.stdout, again.stdout);
    let told = again.json();
    let check = &told[0]["table_choice"]["spot_check"];
    assert!(check["networks"].as_u64().unwrap() >= 3);
    let plain = score("--no-check --json").json();
    let ms = |value: &serde_json::Value| value[0]["latency"]["ms"].as_f64().unwrap();
    let factor = match check["verdict"].as_str().unwrap() {
        "scaled" => check["factor"].as_f64().unwrap(),
        verdict => {
            assert_eq!(verdict, "confirmed");
            1.0
        }
    };
    assert!((ms(&told) / ms(&plain) - factor).abs() < 1e-9, "{} {} {factor}", ms(&told), ms(&plain));
    // A search starts from the same result, and keeps it for when it is resumed.
    let search = "--latency-ms 30 --device cpu --table imported --iterations 200 --finalists 0 --no-onnx --out run";
    let search = place.done("zen-search", search);
    assert!(!search.stderr.contains("first time"), "{}", search.stderr);
    assert!(place.text("run/config.toml").contains("[[spot_check]]"));

    let checked = place.done("zen-profile", "check --json").json();
    is_described("zen-profile-check", &checked, "zen-profile check");
    assert!(checked["tried"].as_array().unwrap().len() >= 3 && checked["stored"] == true);
    place.fails(
        "zen-profile",
        "check --device cpu-none",
        3,
        &["no built-in or imported latency table", "cpu-amd-epyc"],
    );
}
