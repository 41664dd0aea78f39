//! Printing for people: numbers with units, and a latency never without its evidence.

use std::io::{ErrorKind, Write};

use super::describe_setting;
use crate::latency::{Interval, Prediction};
use crate::net::Cost;
use crate::report::Quality;
pub use crate::units::human;
use crate::units::human_bytes;

/// Writes text and a newline to stdout; a reader that has gone away ends the program quietly.
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "{text}").and_then(|()| out.flush()) {
        if error.kind() != ErrorKind::BrokenPipe {
            eprintln!("error: writing to stdout: {error}");
            std::process::exit(super::Exit::Unexpected.code().into());
        }
        std::process::exit(super::Exit::Done.code().into());
    }
}

/// Aligned lines of label and value; an empty label continues the line before.
pub fn table(lines: &[(&str, String)]) -> String {
    let width = lines.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    lines.iter().map(|(label, value)| format!("{label:width$}  {value}")).collect::<Vec<_>>().join("\n")
}

/// Cells in columns, the last one flush left, the others flush right.
pub fn columns(lines: &[Vec<String>]) -> String {
    let width = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(String::len).max().unwrap_or(0);
    let line = |cells: &Vec<String>| {
        let last = cells.len().saturating_sub(1);
        let cells = cells.iter().enumerate().map(|(i, cell)| match i == last {
            true => cell.clone(),
            false => format!("{cell:>0$}", width(i)),
        });
        cells.collect::<Vec<_>>().join("  ")
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Cells in columns, those of the columns named `right` flush right, the others flush left.
pub fn aligned(lines: &[Vec<String>], right: &[usize]) -> String {
    let length = |cell: &String| cell.chars().count();
    let width = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(length).max().unwrap_or(0);
    let line = |cells: &Vec<String>| {
        let cells = cells.iter().enumerate().map(|(i, cell)| match right.contains(&i) {
            true => format!("{cell:>0$}", width(i)),
            false => format!("{cell:0$}", width(i)),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A score: two numbers that differ are printed differently, be they 30 or a million.
pub fn score(value: f64) -> String {
    if value.abs() < 1e5 { format!("{value:.3}") } else { human(value) }
}

/// Label and value of each cost.
pub fn cost_lines(layers: u32, cost: &Cost) -> Vec<(&'static str, String)> {
    vec![
        ("parameters", human(cost.parameters as f64)),
        ("FLOPs", format!("{} multiply-adds per image", human(cost.flops as f64))),
        ("layers", layers.to_string()),
        ("activations", activations(cost.peak_activation_bytes as f64)),
    ]
}

/// Peak memory of maps.
pub fn activations(bytes: f64) -> String {
    format!("{} at the peak, float32, one image", human_bytes(bytes))
}

/// Lines that say which table is used, why, and which is not.
pub fn table_lines(quality: &Quality) -> Vec<(&'static str, String)> {
    let lines = quality.lines().into_iter().enumerate();
    lines.map(|(i, line)| (if i == 0 { "table" } else { "" }, line)).collect()
}

/// Lines that say what a predicted latency is, on what, how it is known, and how good the table is.
pub fn describe_latency(prediction: &Prediction, quality: &Quality) -> Vec<(&'static str, String)> {
    let setting = &prediction.setting;
    let images = if setting.batch_size == 1 { "1 image".to_owned() } else { format!("{} images", setting.batch_size) };
    let error = match prediction.error {
        Some(error) => format!(" +- {:.1}%", error * 100.0),
        None => ", error unknown".to_owned(),
    };
    let mut latency = format!("{:.3} ms{error} per call with {images}", prediction.ms);
    if setting.batch_size != 1 {
        latency.push_str(&format!(" ({:.4} ms per image)", prediction.ms_per_image));
    }
    let mut lines = vec![("latency", latency), ("", describe_setting(setting))];
    lines.extend(table_lines(quality));
    // The error is the mean over networks; the interval says how far off single ones are.
    if let Some(Interval { low_ms, high_ms, coverage }) = prediction.interval {
        let percent = coverage * 100.0;
        lines.push((
            "interval",
            format!("{percent:.0}% of such networks between {low_ms:.3} and {high_ms:.3} ms per call"),
        ));
    }
    lines.extend([
        ("evidence", format!("{} of the predicted time", prediction.evidence)),
        ("table error", quality.to_string()),
    ]);
    if prediction.extrapolated_share > 0.005 && quality.error.is_some() {
        let share = prediction.extrapolated_share * 100.0;
        let consequence = if prediction.error.is_none() { ", so the table's error says nothing about it" } else { "" };
        let text = format!("{share:.0}% of the time lies outside the shapes that the table covers{consequence}");
        lines.push(("caution", text));
    }
    if prediction.host_bound {
        lines.push(("caution", "bound by the host's launches, not by the operators".to_owned()));
    }
    lines
}
