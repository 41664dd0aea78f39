//! What the score is worth in training, on a toy.
//!
//! `ZEN_NAS_TORCH_PYTHON=... cargo bench --bench trainability` makes networks of one budget at about 94, 97 and 100% of the
//! proven bound, with and without guard rails, and baselines; trains them on scikit-learn's digits (`train.py`, which
//! needs `requirements.txt`) and prints accuracies and Kendall's tau. Networks and results stay in `--out`, so that the same
//! command resumes; without the variable the table of what is there is printed.

mod networks;
mod table;

use std::path::PathBuf;
use std::process::Command;

use clap::Parser;

/// What the score is worth in training.
#[derive(Parser)]
struct Args {
    /// Folder of modules and results
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/target/trainability"))]
    out: PathBuf,
    /// Schedules, in epochs; 10 take about 15 minutes of processor time
    #[arg(long, value_delimiter = ',', default_value = "10")]
    epochs: Vec<u32>,
    /// Networks trained at once, each in one thread
    #[arg(long, default_value_t = 2)]
    processes: usize,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let args = Args::parse();
    let candidates = networks::in_folder(&args.out);
    let Some(python) = std::env::var_os("ZEN_NAS_TORCH_PYTHON") else {
        println!(
            "no PyTorch to train with: python3 -m venv torch-venv && torch-venv/bin/pip install -r \
             benches/trainability/requirements.txt, then ZEN_NAS_TORCH_PYTHON=torch-venv/bin/python cargo bench --bench \
             trainability\n"
        );
        return table::print(&candidates, &args.out, &args.epochs);
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/trainability/train.py");
    let numbers = [args.processes.to_string()].into_iter().chain(args.epochs.iter().map(u32::to_string));
    let status = Command::new(python).arg(script).arg(&args.out).args(numbers).status();
    let status = status.expect("ZEN_NAS_TORCH_PYTHON starts");
    assert!(status.success(), "train.py ended with {status}; its errors stand above");
    table::print(&candidates, &args.out, &args.epochs);
}
