//! Running a search into its directory: events, checkpoints, results.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Checkpoint, Evolution, RunDirectory, SearchConfig, SearchError, StopReason, Winner};
use crate::latency::{Prediction, UNIT};
use crate::net::Graph;
use crate::onnx::{ExportOptions, ExportSummary, OnnxError, Weights, export};

/// Time between checkpoints.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(10);

/// Runs a search to its end or until `stop`; every new best network is an event, and a killed
/// process loses at most a few seconds.
///
/// # Errors
/// When the run directory cannot be written.
pub fn run(
    evolution: &mut Evolution<'_>,
    config: &SearchConfig,
    directory: &mut RunDirectory,
    stop: &dyn Fn() -> bool,
    observe: &mut dyn FnMut(&Evolution<'_>),
) -> Result<StopReason, SearchError> {
    let started = Instant::now();
    let first = evolution.iteration();
    let unix_s = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |t| t.as_secs());
    directory.event(&json!({
        "event": if first == 0 { "start" } else { "resume" },
        "unix_s": unix_s,
        "version": env!("CARGO_PKG_VERSION"),
        "iteration": first,
        "iterations": config.iterations,
        "threads": config.threads,
    }))?;
    let mut best = f64::NEG_INFINITY;
    let mut next_checkpoint = CHECKPOINT_EVERY;
    let mut failed = None;
    // A full disk ends the search at the next batch, with its error.
    let failure = std::cell::Cell::new(false);
    let reason = evolution.run(&|| failure.get() || stop(), &mut |evolution| {
        let mut write = || -> Result<(), SearchError> {
            if let Some(member) = evolution.population().best().filter(|member| member.score > best) {
                best = member.score;
                directory.event(&json!({
                    "event": "best",
                    "iteration": evolution.iteration(),
                    "elapsed_s": seconds(started.elapsed()),
                    "score": member.score,
                    "structure": member.network.to_string(),
                }))?;
            }
            if started.elapsed() >= next_checkpoint {
                next_checkpoint = started.elapsed() + CHECKPOINT_EVERY;
                directory.save_checkpoint(&Checkpoint::of(evolution))?;
            }
            Ok(())
        };
        if let Err(error) = write() {
            failed = Some(error);
            failure.set(true);
        }
        observe(evolution);
    });
    if let Some(error) = failed {
        return Err(error);
    }
    match reason {
        StopReason::Interrupted => directory.save_checkpoint(&Checkpoint::of(evolution))?,
        StopReason::Finished => directory.remove_checkpoint()?,
    }
    let elapsed_s = seconds(started.elapsed());
    directory.event(&json!({
        "event": "end",
        "reason": reason,
        "iteration": evolution.iteration(),
        "elapsed_s": elapsed_s,
        "iterations_per_s": ((evolution.iteration() - first) as f64 / elapsed_s.max(1e-3)).round(),
        "counts": evolution.counts(),
    }))?;
    Ok(reason)
}

/// Seconds to the millisecond.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e3).round() / 1e3
}

/// Writes `best.txt`, `best.json` and `population.txt`.
///
/// # Errors
/// When they cannot be written.
pub fn write_results(directory: &RunDirectory, evolution: &Evolution<'_>, winner: &Winner) -> Result<(), SearchError> {
    directory.write_text("best.txt", &format!("{}\n", winner.structure))?;
    directory.write_json("best.json", winner)?;
    let lines = evolution.population().ranked();
    let lines: String = lines.iter().map(|member| format!("{}\n", member.network)).collect();
    directory.write_text("population.txt", &format!("# best first, by {}\n{lines}", winner.proxy))
}

/// Writes `best.onnx` with random weights drawn from `seed`, checked in tract.
///
/// # Errors
/// When the file cannot be written or fails its check; then there is none.
pub fn write_onnx(
    directory: &RunDirectory,
    winner: &Winner,
    graph: &Graph,
    seed: u64,
) -> Result<ExportSummary, OnnxError> {
    let mut metadata = vec![
        (format!("score_{}", winner.proxy), winner.score.to_string()),
        ("squeeze_excite".to_owned(), winner.squeeze_excite.to_string()),
    ];
    if let Some(prediction) = &winner.latency {
        metadata.extend(latency_metadata(prediction));
    }
    let options = ExportOptions { structure: Some(winner.structure.clone()), metadata, ..ExportOptions::default() };
    export(graph, &Weights::seeded(seed), &options, &directory.path().join("best.onnx"))
}

/// A predicted latency as ONNX metadata, never without its setting and error.
pub fn latency_metadata(prediction: &Prediction) -> Vec<(String, String)> {
    vec![
        ("predicted_latency_ms".to_owned(), prediction.ms.to_string()),
        ("predicted_latency_unit".to_owned(), UNIT.to_owned()),
        ("predicted_latency_setting".to_owned(), prediction.setting.id()),
        ("predicted_latency_evidence".to_owned(), format!("{} of the predicted time", prediction.evidence)),
        (
            "predicted_latency_error".to_owned(),
            match prediction.error {
                Some(error) => format!("{error} ({})", prediction.error_method),
                None => prediction.error_method.clone(),
            },
        ),
    ]
}
