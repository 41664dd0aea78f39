//! Bad input: each gets its exit code and a message with the way out, and leaves nothing behind.

use zen_nas::net::Network;

use crate::program::Place;

const SEARCH: &str = "--max-params 1M --iterations 200 --finalists 0 --no-onnx --quiet";

#[test]
fn structures() {
    let place = Place::new();
    place.fails("zen-score", "SuperConvK3BNRELU(3,8,1)", 3, &["character 24", "found `)`"]);
    place.fails(
        "zen-export",
        "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(9,8,1,8,1) -o a.onnx",
        3,
        &["expected 8 input channels, as block 1 (SuperConvK3BNRELU) puts out", "found 9 in block 2"],
    );
    assert!(!place.file("a.onnx").exists());
    place.fails(
        "zen-search",
        &format!("{SEARCH} --initial SuperConvK3BNRELU(3,8,1,1)SuperResK4K4(8,8,1,8,1)"),
        3,
        &["the closest is SuperResK3K3"],
    );
    place.fails("zen-score", "missing.txt", 3, &["missing.txt", "neither a structure nor a readable file"]);
    place.write("binary.txt", [0xff, 0xfe, 0x00]);
    place.fails("zen-score", "binary.txt", 3, &["binary.txt", "not a text file"]);
}

#[test]
fn names() {
    let place = Place::new();
    for arguments in ["--latency-ms 5 --device t5", "--max-params 1M --device t5"] {
        place.fails("zen-search", arguments, 3, &["unknown device `t5`, did you mean `t4`?", "zen-profile devices"]);
    }
    place.fails("zen-score", "SuperConvK3BNRELU(3,8,1,1) --device pixel", 3, &["pixel2"]);
    place.fails("zen-search", &format!("{SEARCH} --space xxb"), 3, &["did you mean xxbl?"]);
    place.fails("zen-search", &format!("{SEARCH} --proxy zen-close"), 3, &["did you mean zen-closed?"]);
    place.fails("zen-search", "--latency-ms 5 --device t4 --batch-size 7", 3, &["t4/tensorrt/int8/b64"]);
    place.fails("zen-search", "--latency-ms 5 --device t4 --precision fp8", 2, &["fp8"]);
    place.fails("zen-search", "--latency 5 --device t4", 2, &["--latency-ms"]);
    assert!(!place.file("zen-runs").exists(), "a failed search left a directory");
}

#[test]
fn numbers() {
    let place = Place::new();
    for (flag, values) in [
        ("--latency-ms", &["0", "-5", "nan", "inf", "five"][..]),
        ("--ms-per-image", &["0", "-0.1"]),
        ("--max-params", &["0", "-1", "1e400", "1X"]),
        ("--max-flops", &["0", "-1M"]),
        ("--max-layers", &["0", "-1", "1.5"]),
        ("--max-size", &["0", "-1MB", "6TB"]),
        ("--max-activation-bytes", &["0", "-1", "6TB"]),
        ("--confidence", &["0", "0.4", "1", "-0.9", "high"]),
        ("--minutes", &["0", "-1", "nan"]),
        ("--batch-size", &["0", "-1"]),
        ("--resolution", &["0", "-224"]),
        ("--classes", &["0", "-1"]),
        ("--iterations", &["0", "-1"]),
        ("--population", &["0", "-1"]),
        ("--threads", &["0", "-1"]),
        ("--finalists", &["-1", "all"]),
        ("--final-seconds", &["0", "-1", "soon"]),
        ("--se", &["0", "-0.3", "nan"]),
        ("--draws", &["0", "-1"]),
        ("--score-batch-size", &["0", "-1"]),
    ] {
        for value in values {
            let ended = place.run("zen-search", &format!("--device t4 {flag} {value}"));
            assert_eq!(ended.code, 2, "{flag} {value}: {ended:?}");
            assert!(ended.stderr.contains(flag) && ended.stderr.contains(value), "{flag} {value}: {}", ended.stderr);
            if ["--se", "--draws", "--score-batch-size", "--threads"].contains(&flag) {
                let structure = "SuperConvK3BNRELU(3,8,1,1)";
                place.fails("zen-score", &format!("{structure} {flag} {value}"), 2, &[flag, value]);
            }
        }
    }
    place.fails("zen-score", "SuperConvK3BNRELU(3,8,1,1) --draws 3 --se 1", 2, &["--draws", "--se"]);
    place.fails("zen-score", "SuperConvK3BNRELU(3,8,1,1) --csv --json", 2, &["--csv", "--json"]);
    place.fails("zen-search", "--resume run --finalists 3", 2, &["--resume", "--finalists"]);
    place.fails("zen-search", "--device t4", 2, &["at least one budget"]);
    place.fails("zen-search", "--latency-ms 5", 2, &["--device"]);
    place.fails("zen-search", &format!("{SEARCH} --resolution 1000000"), 3, &["resolution is 1000000", "4096"]);
}

#[test]
fn a_resolution_below_the_strides() {
    let place = Place::new();
    place.fails("zen-search", &format!("{SEARCH} --resolution 4"), 3, &["resolution 4 is too small for the strides"]);
    place.fails(
        "zen-score",
        "SuperConvK3BNRELU(3,8,2,1)SuperConvK3BNRELU(8,8,4,1) --resolution 6",
        3,
        &["too small for the strides: the map is 3 x 3 where block 2 (SuperConvK3BNRELU) has stride 4"],
    );
}

#[test]
fn budgets_that_nothing_meets() {
    let place = Place::new();
    let ended = place.fails(
        "zen-search",
        "--latency-ms 0.001 --device t4 --out run",
        6,
        &[
            "no network within the budgets",
            "latency_ms",
            "ms per call predicted, ",
            "ms with 90% confidence",
            "of at most 0.0010 ms on t4/tensorrt/fp16/b1",
            "times the limit",
            "SuperConvK3BNRELU(3,",
        ],
    );
    assert_eq!(ended.stdout, "");
    assert!(!place.file("run").exists());
    // What a program reads of it, and the nearest network.
    let told = place.run("zen-search", "--latency-ms 0.001@t4 --latency-ms 0.002@pixel2 --json");
    assert_eq!(told.code, 6, "{told:?}");
    let failure = told.json();
    assert_eq!(failure["reason"], "budgets-unmet");
    assert!(told.stderr.contains(failure["message"].as_str().unwrap()), "{told:?}");
    Network::parse(failure["nearest"]["structure"].as_str().unwrap()).unwrap();
    let uses = failure["nearest"]["budgets"].as_array().unwrap();
    let limits: Vec<_> = uses.iter().filter(|used| used["name"] == "latency_ms").map(|used| &used["limit"]).collect();
    assert_eq!(limits, [&0.001, &0.002]);
    let line = place.run("zen-search", "--latency-ms 5@t5 --events --quiet");
    assert_eq!((line.code, line.stdout.lines().count()), (3, 1), "{line:?}");
    assert_eq!((&line.json()["event"], &line.json()["reason"]), (&"failure".into(), &"bad-input".into()));
    place.fails("zen-search", "--max-params 10 --resolution 32 --classes 10", 6, &["parameters", "times the limit"]);
}

#[test]
fn databases() {
    let place = Place::new();
    let corrupt = place.write("corrupt.sqlite", "this is no database, whatever its name says. ".repeat(100));
    let before = std::fs::read(&corrupt).unwrap();
    for program in [
        "zen-search --latency-ms 5 --device t4",
        "zen-score SuperConvK3BNRELU(3,8,1,1) --device t4",
        "zen-profile list",
    ] {
        let (program, arguments) = program.split_once(' ').unwrap();
        place.fails(program, &format!("{arguments} --db {corrupt}"), 3, &["corrupt.sqlite", "--db"]);
    }
    assert_eq!(std::fs::read(&corrupt).unwrap(), before, "a corrupt database was touched");
    let folder = place.path().display().to_string();
    place.fails("zen-search", &format!("--latency-ms 5 --device t4 --db {folder}"), 3, &[folder.as_str()]);
}

#[test]
fn outputs() {
    let place = Place::new();
    place.write("file", "in the way");
    place.fails("zen-search", &format!("{SEARCH} --out file/run"), 3, &["file/run"]);
    std::fs::create_dir(place.file("used")).unwrap();
    place.write("used/notes.txt", "mine");
    place.fails("zen-search", &format!("{SEARCH} --out used"), 3, &["used is not empty", "--resume"]);
    assert_eq!(place.text("used/notes.txt"), "mine");
    place.fails("zen-export", "SuperConvK3BNRELU(3,8,1,1) -o missing/a.onnx", 3, &["missing/a.onnx"]);
}

#[test]
fn run_directories() {
    let place = Place::new();
    place.fails("zen-search", "--resume nowhere", 3, &["nowhere"]);
    place.done("zen-search", &format!("{SEARCH} --out run"));
    let config = place.text("run/config.toml");
    for (bad, part) in [
        (config.replace("format = 1", "format = 99"), "format 99"),
        (config.replace("seed = 0", "seed = \"x\""), "config.toml"),
        (config.replace("space = \"xxbl\"", "space = \"other\""), "unknown search space `other`"),
        (String::new(), "config.toml"),
    ] {
        place.write("run/config.toml", bad);
        place.fails("zen-search", "--resume run --quiet", 3, &[part]);
    }
    place.write("run/config.toml", &config);
    place.write("run/checkpoint.json", "{\"format\":1");
    place.fails("zen-search", "--resume run --quiet", 3, &["checkpoint.json"]);
}
