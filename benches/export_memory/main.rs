//! Peak memory of `zen-export` against the size of the weights: the published 183M-parameter
//! `latency08ms` network from random weights, safetensors and a PyTorch checkpoint, in fp32 and
//! fp16.
//!
//!     cargo bench --bench export_memory
//!
//! Fails where a peak is more than three times the weights in fp32. Needs some 3 GB of disk in the
//! temporary folder, and memory for what it measures.

mod checkpoint;
#[cfg(unix)]
#[path = "../../tests/support/peak_memory.rs"]
mod peak_memory;

#[cfg(unix)]
fn main() {
    use std::process::{Command, Stdio};
    use std::time::Instant;

    use zen_nas::net::{LowerOptions, Network};
    use zen_nas::onnx::weights::required_tensors;

    let mut rows = csv::Reader::from_path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/networks.csv")).unwrap();
    let row = rows.records().map(|row| row.unwrap()).find(|row| row[0].contains("latency08ms")).unwrap();
    let (structure, resolution) = (&row[1], &row[2]);
    let options = LowerOptions::new(resolution.parse().unwrap(), 1000);
    let graph = Network::parse(structure).unwrap().lower(&options).unwrap();
    let specs = required_tensors(&graph);
    let weight_bytes: u64 = specs.iter().map(|spec| 4 * spec.elements()).sum();

    let folder = tempfile::tempdir().unwrap();
    let (safetensors, pytorch) = (folder.path().join("w.safetensors"), folder.path().join("w.pth"));
    checkpoint::write_safetensors(&specs, &safetensors);
    let mut sources = vec![("random", None), ("safetensors", Some(safetensors))];
    if cfg!(feature = "candle") {
        checkpoint::write_pytorch(&specs, &pytorch);
        sources.push(("pytorch", Some(pytorch)));
    }
    println!("{} with {:.0} MB of weights in fp32", &row[0], weight_bytes as f64 / 1e6);
    println!("{:<12} {:<5} {:>8} {:>6} {:>8}", "weights", "file", "peak MB", "ratio", "seconds");
    let mut worst = 0f64;
    for (name, file) in &sources {
        for precision in ["fp32", "fp16"] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_zen-export"));
            command.args([structure, "--resolution", resolution, "--precision", precision, "-o"]);
            command.arg(folder.path().join("out.onnx")).stdout(Stdio::null());
            if let Some(file) = file {
                command.arg("--weights").arg(file);
            }
            let start = Instant::now();
            let (peak, code) = peak_memory::peak_bytes(&mut command);
            assert_eq!(code, 0, "{command:?} failed");
            let peak = peak as f64;
            let ratio = peak / weight_bytes as f64;
            let seconds = start.elapsed().as_secs_f64();
            println!("{name:<12} {precision:<5} {:>8.0} {ratio:>6.2} {seconds:>8.1}", peak / 1e6);
            worst = worst.max(ratio);
        }
    }
    assert!(worst <= 3.0, "more than three times the weights");
}

#[cfg(not(unix))]
fn main() {
    println!("peak memory is read on Unix only");
}
