//! PyTorch processes that make draws on request (`exact_torch.py`).

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

/// A Python with torch.
pub struct Torch {
    python: OsString,
}

impl Torch {
    pub fn new(python: OsString) -> Self {
        Self { python }
    }

    /// A process for what `exact_torch.py` is told.
    pub fn start(&self, spec: &serde_json::Value) -> Process {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/exact/exact_torch.py");
        let mut command = Command::new(&self.python);
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("ZEN_NAS_TORCH_PYTHON starts");
        let (mut input, output) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        writeln!(input, "{spec}").expect("the description is sent");
        Process { child, input: Some(input), output: BufReader::new(output) }
    }
}

/// A running `exact_torch.py`.
pub struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// What it says of some draws.
#[derive(serde::Deserialize)]
pub struct Answer {
    pub scores: Vec<f64>,
    /// Peak resident memory after the import.
    pub imported_mib: f64,
    pub peak_mib: f64,
}

impl Process {
    fn ask(&mut self, draws: u32) {
        let input = self.input.as_mut().expect("the process runs");
        writeln!(input, "{draws}").and_then(|()| input.flush()).expect("PyTorch listens");
    }

    fn answer(&mut self) -> Answer {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("PyTorch answers");
        serde_json::from_str(&line).expect("PyTorch answers in JSON (its errors stand above)")
    }

    /// Makes draws.
    pub fn draw(&mut self, draws: u32) -> Answer {
        self.ask(draws);
        self.answer()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The end of its input ends it.
        self.input.take();
        let _ = self.child.wait();
    }
}

/// Milliseconds per draw and the scores of `count` draws in each process, at the same time.
pub fn draws(processes: &mut [Process], count: u32) -> (f64, Vec<f64>) {
    let started = Instant::now();
    processes.iter_mut().for_each(|process| process.ask(count));
    let scores: Vec<f64> = processes.iter_mut().flat_map(|process| process.answer().scores).collect();
    (started.elapsed().as_secs_f64() * 1e3 / scores.len() as f64, scores)
}
