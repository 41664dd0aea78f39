//! The README's first command: wall time and peak memory, ONNX and report included.
//!
//! `cargo bench --bench first_command`, on an idle machine. The goals are 10 seconds on two cores and 500 MB.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs that are made; the fastest counts.
const RUNS: usize = 3;

fn main() {
    let arguments = ["--latency-ms", "5", "--device", "t4"];
    println!("zen-search {}", arguments.join(" "));
    let runs: Vec<(f64, u64)> = (0..RUNS).map(|_| run(&arguments)).collect();
    let fastest_s = runs.iter().map(|run| run.0).fold(f64::INFINITY, f64::min);
    let peak_bytes = runs.iter().map(|run| run.1).max().unwrap_or(0);
    println!("  {fastest_s:.1} s, the fastest of {RUNS}: {:.2} of the 10 s allowed", fastest_s / 10.0);
    println!("  {:.0} MB at the peak: {:.2} of the 500 MB allowed", peak_bytes as f64 / 1e6, peak_bytes as f64 / 5e8);
}

/// Seconds of one run, and the most memory it had.
fn run(arguments: &[&str]) -> (f64, u64) {
    let place = tempfile::tempdir().expect("a folder for the run");
    let started = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_zen-search"))
        .args(arguments)
        .arg("--out")
        .arg(place.path().join("run"))
        .env("ZEN_NAS_DB", place.path().join("none.db"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("zen-search starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak_bytes = 0;
    loop {
        // Linux keeps the peak itself; what is read last counts.
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let kilobytes = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = kilobytes.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok());
        peak_bytes = peak_bytes.max(kilobytes.unwrap_or(0) * 1024);
        if let Some(status) = child.try_wait().expect("zen-search is waited for") {
            assert!(status.success(), "zen-search ended with {status}");
            return (started.elapsed().as_secs_f64(), peak_bytes);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
