//! `zen-score` as a gate in a pipeline: budgets, baselines, exit code 7, Markdown and JUnit.

use serde_json::Value;
use zen_nas::search::budget::BUDGETS;

use crate::program::Place;

const SMALL: &str = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)";
const LARGER: &str = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,24,2,8,1)";

/// A folder with `net.onnx`, `two.csv` and the run `run`.
fn place() -> Place {
    let place = Place::new();
    place.done("zen-export", &format!("{SMALL} --resolution 32 --classes 10 -o net.onnx"));
    place.write(
        "two.csv",
        format!("name,structure,resolution,classes\nfirst,\"{SMALL}\",32,10\nsecond,\"{LARGER}\",32,10\n"),
    );
    place
}

/// The checks of a result: network, figure, and whether it holds.
fn checks(result: &Value) -> Vec<(String, String, bool)> {
    let text = |check: &Value, name: &str| check[name].as_str().unwrap().to_owned();
    let checks = result["verdict"]["checks"].as_array().unwrap().iter();
    checks.map(|check| (text(check, "network"), text(check, "name"), check["holds"].as_bool().unwrap())).collect()
}

#[test]
fn budgets_hold_or_end_with_seven() {
    let place = place();
    let all = "--max-latency-ms 20 --max-params 1M --max-flops 1G --max-size 1MB --max-activation-bytes 1MB";
    let ended = place.done("zen-score", &format!("net.onnx two.csv --device pixel2 {all}"));
    assert!(ended.stdout.contains("15 checks, none broken"), "{}", ended.stdout);
    // Whatever stdout is for, stderr says what is broken.
    let tight = "net.onnx two.csv --device pixel2 --max-latency-ms 20 --max-params 3k --quiet";
    let broken =
        place.fails("zen-score", &format!("{tight} --json"), 7, &["second: ", "k parameters", "1 of 6 checks broken"]);
    let found = checks(&broken.json());
    let expected = |network: &str, parameters| {
        [(network.to_owned(), "parameters".to_owned(), parameters), (network.to_owned(), "latency_ms".to_owned(), true)]
    };
    let all: Vec<_> =
        [("first", true), ("second", false), ("net.onnx", true)].iter().flat_map(|(n, p)| expected(n, *p)).collect();
    assert_eq!(found, all);
    for format in ["", "--csv", "--markdown"] {
        place.fails("zen-score", &format!("{tight} {format}"), 7, &["error: 1 of 6 checks broken"]);
    }
    // Units are those of the search, whose flags these are; 3k weights of fp16 are 6 kB.
    place.fails(
        "zen-score",
        &format!("{LARGER} --max-size 6kB --precision fp16 --resolution 32 --classes 10"),
        7,
        &["broken"],
    );
    place.done("zen-score", &format!("{LARGER} --max-size 12kB --precision fp16 --resolution 32 --classes 10"));
    let help = place.done("zen-score", "--help").stdout;
    for flag in BUDGETS.iter().flat_map(|kind| kind.flags) {
        assert!(help.contains(&format!("--{}", flag.name)), "{}", flag.name);
    }
}

#[test]
fn latency_is_held_on_every_device_that_is_named() {
    let place = place();
    let limits = |arguments: &str| -> Vec<(String, f64)> {
        let ended = place.run("zen-score", &format!("net.onnx --quiet --json {arguments}"));
        let result = ended.json();
        let checks = result["verdict"]["checks"].as_array().unwrap();
        checks
            .iter()
            .map(|check| (check["setting"].as_str().unwrap().to_owned(), check["limit"].as_f64().unwrap()))
            .collect()
    };
    let pixel2 = "pixel2/tflite/fp32/b1/t1".to_owned();
    let t4 = "t4/tensorrt/fp16/b1".to_owned();
    assert_eq!(limits("--device t4,pixel2 --latency-ms 9"), [(t4.clone(), 9.0), (pixel2.clone(), 9.0)]);
    let two = [(t4.clone(), 5.0), (pixel2.clone(), 90.0)];
    assert_eq!(limits("--latency-ms 5@t4 --latency-ms 90@pixel2"), two);
    assert_eq!(limits("--device pixel2 --latency-ms 90 --latency-ms 5@t4").len(), 2);
    // Per image: at the batch of the setting.
    assert_eq!(limits("--device t4 --ms-per-image 0.5"), [("t4/tensorrt/int8/b64".to_owned(), 32.0)]);
    // With confidence, as in the search: the bound is above the prediction.
    let check = |more: &str| {
        let result =
            place.done("zen-score", &format!("net.onnx --device t4 --latency-ms 5 --json --quiet {more}")).json();
        let ms = result["networks"][0]["latency"]["ms"].as_f64().unwrap();
        (result["verdict"]["checks"][0]["value"].as_f64().unwrap() / ms, result["verdict"]["checks"][0].clone())
    };
    let ((bound, with), (same, without)) = (check(""), check("--confidence none"));
    assert!(bound > 1.0 && (same - 1.0).abs() < 1e-12, "{bound} {same}");
    assert_eq!((with["confidence"].as_f64(), without.get("confidence")), (Some(0.9), None));
}

#[test]
fn the_winner_of_a_search_keeps_its_budget() {
    let place = Place::new();
    let search =
        "--latency-ms 0.6 --device t4 --iterations 300 --resolution 32 --finalists 0 --no-onnx --quiet --out run";
    place.done("zen-search", search);
    place.done("zen-score", "run --max-latency-ms 0.6");
    place.fails("zen-score", "run --max-latency-ms 0.05", 7, &["1 of 1 check broken"]);
}

#[test]
fn a_baseline_tells_what_grew_what_is_new_and_what_is_gone() {
    let place = place();
    let old = place.done("zen-score", "net.onnx two.csv --device t4 --json --quiet").stdout;
    place.write("old.json", &old);
    place.done("zen-score", "net.onnx two.csv --device t4 --baseline old.json");
    place.write("measured.json", old.replace("\"kind\": \"built_in\"", "\"kind\": \"local\""));
    let other = place.done("zen-score", "net.onnx --device t4 --baseline measured.json").stdout;
    assert!(other.contains("predicted from another table than in the baseline"), "{other}");
    // The file is another network now, by 20% and more; a network is gone, one is new, and so is a device.
    place.done("zen-export", &format!("{LARGER} --resolution 32 --classes 10 -o net.onnx"));
    place.write(
        "two.csv",
        format!("name,structure,resolution,classes\nfirst,\"{SMALL}\",32,10\nthird,\"{LARGER}\",32,10\n"),
    );
    let now = "net.onnx two.csv --device t4,v100 --baseline old.json --quiet";
    let ended =
        place.fails("zen-score", &format!("{now} --tolerance 5% --json"), 7, &["net.onnx: ", "from the baseline's"]);
    let result = ended.json();
    let broken: Vec<_> = checks(&result).into_iter().filter(|(.., holds)| !holds).collect();
    assert!(broken.contains(&("net.onnx".to_owned(), "parameters".to_owned(), false)), "{broken:?}");
    assert!(broken.iter().all(|(network, ..)| network == "net.onnx"), "{broken:?}");
    let list = |name: &str| -> Vec<(String, bool)> {
        let all = result["verdict"][name].as_array().unwrap().iter();
        all.map(|one| (one["network"].as_str().unwrap().to_owned(), one["setting"].is_string())).collect()
    };
    let both = [("first".to_owned(), true), ("third".to_owned(), false), ("net.onnx".to_owned(), true)];
    assert_eq!((list("new"), list("missing")), (both.to_vec(), vec![("second".to_owned(), false)]));
    place.done("zen-score", &format!("{now} --tolerance 100%"));
    let text = place.run("zen-score", now).stdout;
    for part in ["new", "third: not in the baseline", "missing", "second: in the baseline", "BROKEN"] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    // A result with limits is a baseline, too.
    place.write("new.json", ended.stdout);
    place.done("zen-score", "net.onnx two.csv --device t4 --baseline new.json");
    // A moved file is known by its name.
    std::fs::create_dir(place.file("build")).unwrap();
    std::fs::rename(place.file("net.onnx"), place.file("build/net.onnx")).unwrap();
    place.done("zen-score", "build/net.onnx --device t4 --baseline new.json");
}

#[test]
fn what_cannot_be_held_is_refused() {
    let place = place();
    place.write("empty.json", "[]");
    place.write("other.json", "{\"a\": 1}");
    for (arguments, code, part) in [
        ("net.onnx --max-latency-ms 20", 2, "--latency-ms 20 names no device: write --latency-ms 20@t4"),
        ("net.onnx --max-layers 20", 2, "counts the blocks of structures, and net.onnx is an ONNX file"),
        ("two.csv --max-params 1k..2k", 2, "is a range"),
        ("two.csv --max-params nothing", 2, "not a number"),
        ("two.csv --junit checks.xml", 2, "--max-params"),
        ("two.csv --tolerance 5%", 2, "--baseline"),
        ("two.csv --baseline empty.json --tolerance 5", 2, "such as 5%"),
        ("two.csv --baseline empty.json", 3, "there is no network in this baseline"),
        ("two.csv --baseline other.json", 3, "not the output of `zen-score --json`"),
        ("two.csv --baseline none.json", 3, "none.json"),
        ("two.csv --max-latency-ms 5 --device nothing", 3, "nothing"),
    ] {
        place.fails("zen-score", arguments, code, &[part]);
    }
    // What could not be read neither hides what is broken nor passes.
    place.write("bad.onnx", "no model");
    place.fails("zen-score", "bad.onnx two.csv --max-params 1M", 5, &["bad.onnx"]);
    place.fails("zen-score", "bad.onnx two.csv --max-params 3k", 7, &["bad.onnx", "1 of 2 checks broken"]);
}

#[test]
fn junit_and_markdown_hold_any_name() {
    let place = place();
    let name = "<a href=\"x\">|`*_&amp;\u{1}@all #1";
    let row = format!("\"{}\",\"{SMALL}\"", name.replace('"', "\"\""));
    place.write("odd.csv", format!("name,structure\n{row}\n"));
    place.write("bad.onnx", "no <model>");
    let arguments = "odd.csv bad.onnx net.onnx --resolution 32 --classes 10 --device t4 --max-params 3k --max-flops 10";
    let ended = place.fails("zen-score", &format!("{arguments} --junit checks.xml --markdown"), 7, &["bad.onnx"]);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines[0], "**zen-score: 2 of 4 checks broken**");
    for table in ended.stdout.split("\n\n").skip(1) {
        let columns = |line: &str| line.matches('|').count();
        assert!(table.lines().all(|line| columns(line) == columns(table.lines().next().unwrap())), "{table}");
        for markup in ["<a", "&amp;", "`", "@", "\u{1}"] {
            assert!(!table.contains(markup), "{markup} in {table}");
        }
    }
    for part in ["| ms per call |", "90% interval, ms", "evidence, by time", "t4/tensorrt/fp16/b1", "% extrapolated"] {
        assert!(ended.stdout.contains(part), "no `{part}` in {}", ended.stdout);
    }
    let xml = place.text("checks.xml");
    let count = |text: &str| xml.matches(text).count();
    assert!(
        xml.contains("<testsuite name=\"zen-score\" tests=\"5\" failures=\"2\" errors=\"1\" skipped=\"0\">"),
        "{xml}"
    );
    assert_eq!((count("<testcase "), count("</testcase>"), count("<failure "), count("<error ")), (5, 5, 2, 1));
    assert!(
        !xml.contains("<a ") && !xml.contains('\u{1}') && xml.contains("&lt;a href=&quot;x&quot;&gt;|`*_&amp;amp;")
    );
    // Python's parser reads it, where there is one.
    let script = "import sys,xml.dom.minidom as m; print(len(m.parse(sys.argv[1]).getElementsByTagName('testcase')))";
    if let Ok(read) = std::process::Command::new("python3").args(["-c", script]).arg(place.file("checks.xml")).output()
    {
        assert_eq!(String::from_utf8_lossy(&read.stdout).trim(), "5", "{}", String::from_utf8_lossy(&read.stderr));
    }
}
