//! A search that is killed at any instant ends, once it is resumed, with the same bytes.
//!
//! `ZEN_NAS_KILLS=50 cargo test --release --test cli kills` tries as many instants.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::program::Place;

/// With a final round, an ONNX file, and a table.
const SEARCH: &str = "--optimiser evolution --latency-ms 1 --device t4 --resolution 32 --classes 10 --max-params 1e5 --max-layers 6 \
                      --iterations 20000 --finalists 3 --se 2 --seed 4 --quiet";
/// Files that are the same however often a search was interrupted.
const SAME: [&str; 4] = ["best.json", "best.txt", "population.txt", "config.toml"];

#[test]
fn kills_change_no_byte_of_the_result() {
    let kills = std::env::var("ZEN_NAS_KILLS").map_or(10, |text| text.parse().expect("a number of kills"));
    let place = Place::new();
    let start = Instant::now();
    place.done("zen-search", &format!("{SEARCH} --out whole"));
    let whole = start.elapsed();
    let onnx = |run: &str| std::fs::read(place.file(run).join("best.onnx")).unwrap();
    let mut ways = [0; 3];
    for kill in 0..kills {
        // One instant in each part of the time, at a place that differs from part to part (golden section).
        let within = (kill as f64 * 0.618_033_988_749_895).fract();
        let wait = whole.mul_f64((kill as f64 + within) / kills as f64);
        let run = format!("cut{kill}");
        let arguments = format!("{SEARCH} --out {run}");
        let mut child = place.command("zen-search", &arguments).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(wait);
        child.kill().unwrap();
        child.wait().unwrap();
        let exists = |name: &str| place.file(&run).join(name).exists();
        let way = if !exists("config.toml") { 0 } else { 1 + usize::from(exists("checkpoint.json")) };
        ways[way] += 1;
        match way {
            // Nothing is lost by beginning again.
            0 => place.done("zen-search", &arguments),
            _ => place.done("zen-search", &format!("--resume {run} --quiet")),
        };
        for file in SAME {
            let after = place.text(&format!("{run}/{file}"));
            assert_eq!(after, place.text(&format!("whole/{file}")), "{file} after {wait:?} of {whole:?}");
        }
        assert_eq!(onnx(&run), onnx("whole"), "after {wait:?}");
        assert!(!exists("checkpoint.json"));
        let mut left = std::fs::read_dir(place.file(&run)).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(left.all(|name| !zen_nas::files::is_temporary(&name)), "a half written file is left");
        std::fs::remove_dir_all(place.file(&run)).unwrap();
    }
    eprintln!("{kills} kills: {} before the start, {} before a checkpoint, {} after one", ways[0], ways[1], ways[2]);
}

#[test]
fn what_a_killed_start_left_is_used_again() {
    let place = Place::new();
    let arguments = format!("{SEARCH} --no-onnx --out run");
    place.done("zen-search", &arguments.replace("--out run", "--out whole"));
    let arguments = arguments.as_str();
    let long = arguments.replace("--iterations 20000", "--iterations 9000000");
    let mut child = place.command("zen-search", &long).stdout(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !std::fs::read_to_string(place.file("run/events.jsonl")).is_ok_and(|log| log.contains("\"best\"")) {
        assert!(Instant::now() < deadline, "the search did not begin");
        std::thread::sleep(Duration::from_millis(5));
    }
    // Not while it runs.
    place.fails("zen-search", arguments, 3, &["another search is writing to the run directory run"]);
    place.fails("zen-search", "--resume run", 3, &["another search is writing to the run directory run"]);
    child.kill().unwrap();
    child.wait().unwrap();
    place.done("zen-search", arguments);
    assert_eq!(place.text("run/best.json"), place.text("whole/best.json"));
    assert_eq!(place.text("run/events.jsonl").matches("\"start\"").count(), 1);
    // A result is not written over.
    place.fails("zen-search", arguments, 3, &["run directory run is not empty"]);
}
