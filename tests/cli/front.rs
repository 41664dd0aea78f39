//! `zen-search --pareto`: the trade-off, its files and its errors.

use serde_json::Value;

use crate::program::Place;

const SMALL: &str = "--resolution 32 --classes 10 --max-layers 10 --quiet";

#[test]
fn a_trade_off_is_written_read_and_exported() {
    let place = Place::new();
    let asked = format!("--pareto params,score --max-params 20k..200k --points 5 {SMALL}");
    let front = place.done("zen-search", &format!("{asked} --knee --json --out run")).json();
    let points = front["points"].as_array().unwrap();
    assert!(points.len() > 2, "{points:?}");
    let number = |point: &Value, name: &str| point.pointer(name).unwrap().as_f64().unwrap();
    for pair in points.windows(2) {
        assert!(number(&pair[0], "/score") > number(&pair[1], "/score"));
        assert!(number(&pair[0], "/values/0") > number(&pair[1], "/values/0"));
    }
    for point in points {
        assert!(number(point, "/bound") >= number(point, "/score"), "{point}");
        assert!(number(point, "/values/0") <= 2e5 && number(point, "/values/0") == number(point, "/parameters"));
    }
    // The knee is the winner, and every point can be exported by its rank.
    let structure = |point: &Value| point["structure"].as_str().unwrap().to_owned();
    let winner = structure(&front["winner"]);
    assert!(points.iter().any(|point| structure(point) == winner) && structure(&points[0]) != winner);
    assert!(place.text("run/best.txt").ends_with(&format!("{winner}\n")));
    let listed = place.text("run/front.txt");
    assert!(listed.starts_with("# zen-nas: resolution=32 classes=10"), "{listed}");
    assert_eq!(listed.lines().skip(1).collect::<Vec<_>>(), points.iter().map(structure).collect::<Vec<_>>());
    assert_eq!(place.text("run/front.csv").lines().count(), points.len() + 1);
    assert!(place.text("run/report.html").contains("The trade-off"));
    let exported = place.done("zen-export", "run --rank 2 -o second.onnx --json --quiet").json();
    assert_eq!(exported["structure"], points[1]["structure"]);
    // The same search again gives the same bytes.
    place.done("zen-search", "--repeat run --no-onnx --quiet --out again");
    for file in ["front.json", "front.csv", "front.txt", "best.txt"] {
        assert_eq!(place.text(&format!("run/{file}")), place.text(&format!("again/{file}")), "{file}");
    }
}

#[test]
fn latencies_of_a_trade_off_stand_beside_their_predictions() {
    let place = Place::new();
    let asked =
        "--pareto latency:t4,score --latency-ms 2..4 --points 3 --max-layers 12 --resolution 64 --no-onnx --quiet";
    let front = place.done("zen-search", &format!("{asked} --json --out run")).json();
    assert_eq!(front["axes"][0]["confidence"], 0.9);
    assert!(front["superset"].as_str().unwrap().contains("at most 12 layers"), "{}", front["superset"]);
    for point in front["points"].as_array().unwrap() {
        let [compared, predicted] =
            ["/values/0", "/predicted_ms/0"].map(|at| point.pointer(at).unwrap().as_f64().unwrap());
        assert!(predicted < compared && compared <= 4.0, "{point}");
    }
    let table = place.text("run/front.csv");
    assert!(
        table.starts_with("rank,latency_ms@t4/tensorrt/fp16/b1,score,predicted_ms@t4/tensorrt/fp16/b1,bound"),
        "{table}"
    );
    assert!(place.text("run/report.html").contains("with 90% confidence"));
}

#[test]
fn what_is_no_trade_off_is_refused() {
    let place = Place::new();
    for (arguments, parts) in [
        ("--pareto speed,score", ["unknown axis `speed`", "latency"]),
        ("--pareto score,score,score", ["exactly one of them `score`", "3 of them"]),
        ("--pareto latency:t4", ["two or three axes", "latency:t4,score"]),
        ("--pareto latency,score", ["names no device", "latency:t4"]),
        ("--max-params 1M..2M", ["--max-params is a range", "--pareto"]),
        ("--pareto params,score --max-flops 1M..2M", ["--max-flops is a range", "--pareto"]),
        ("--pareto params,score --max-params 2M..1M", ["range is empty", "smaller limit first"]),
        ("--max-params 2M --knee", ["--pareto", "required"]),
    ] {
        place.fails("zen-search", &format!("{arguments} {SMALL} --out run"), 2, &parts);
    }
}
