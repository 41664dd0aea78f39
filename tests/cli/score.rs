//! `zen-score`: figures of given structures.

use std::process::Stdio;

use crate::program::Place;

const SMALL: &str = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)";

#[test]
fn one_structure_with_its_latency() {
    let place = Place::new();
    let ended = place.done("zen-score", &format!("{SMALL} --device v100 --explain"));
    for part in ["(zen-closed)", "fp16, batch 1", "evidence", "conv 3x3", "dense 16->1000"] {
        assert!(ended.stdout.contains(part), "no `{part}` in {}", ended.stdout);
    }
}

#[test]
fn files_scores_and_json() {
    let place = Place::new();
    let row = csv::Reader::from_path("tests/data/networks.csv").unwrap().records().nth(1).unwrap().unwrap();
    place.write("two.txt", format!("# comment\n{SMALL}\n\n{}\n", &row[1]));
    let ended = place.done("zen-score", "two.txt --proxy zen-closed,params --resolution 32 --classes 10 --json");
    let rows = ended.json();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 2);
    // The published network for a million parameters.
    assert!((rows[1]["scores"]["zen-closed"].as_f64().unwrap() - 192.08).abs() < 0.005);
    assert_eq!(rows[1]["scores"]["params"].as_f64(), rows[1]["parameters"].as_f64());
    assert!(rows[0]["latency"].is_null());
    let table = place.done("zen-score", "two.txt --resolution 32").stdout;
    assert_eq!(table.lines().count(), 3);
}

#[test]
fn one_bad_line_does_not_stop_the_others() {
    let place = Place::new();
    place.write("mixed.txt", format!("{SMALL}\nSuperConvK3BNRELU(3,8,1,1\n{SMALL}\n"));
    let ended = place.fails("zen-score", "mixed.txt --json", 5, &["mixed.txt:2", "`)` after the number of sub-layers"]);
    assert_eq!(ended.json().as_array().unwrap().len(), 2);
    place.write("bad.txt", "nothing\n");
    place.fails("zen-score", "bad.txt", 3, &["bad.txt:1"]);
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let place = Place::new();
    let mut child = place.command("zen-score", SMALL).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
