//! Running a search into its directory: events, checkpoints, results.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::run_dir::{ALTERNATIVES, BEST, POPULATION};
use super::{
    Alternative, Checkpoint, Evolution, FinalProgress, FinalRound, Finalist, Member, RunDirectory, RunSpec,
    SearchConfig, SearchError, StopReason, Winner,
};
use crate::latency::{Precision, Prediction, UNIT};
use crate::net::{Graph, Header, Network};
use crate::onnx::{ExportOptions, ExportSummary, OnnxError, Weights, export};
use crate::score::Scored;

/// Time between checkpoints.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(10);

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub reason: StopReason,
    /// Best first; empty without a final round, and where it was interrupted.
    pub finalists: Vec<Finalist>,
    /// Of the search alone, this time.
    pub search_time: Duration,
    /// Of the final round; zero without one.
    pub final_time: Duration,
}

/// Where a run stands.
pub enum Step<'s, 'c> {
    /// After a batch of candidates.
    Evolution(&'s Evolution<'c>),
    Final(FinalProgress),
}

/// Runs a search and its final round to their end or until `stop`; after `time_limit` the search ends and its final
/// round begins. Every new best network is an event, and a killed process loses at most a few seconds of evolution. The
/// checkpoint stays until the results are written and the caller removes it.
///
/// # Errors
/// When the run directory cannot be written.
pub fn run<'c>(
    evolution: &mut Evolution<'c>,
    config: &SearchConfig,
    final_round: Option<&FinalRound>,
    directory: &mut RunDirectory,
    time_limit: Option<Duration>,
    stop: &dyn Fn() -> bool,
    observe: &mut dyn FnMut(Step<'_, 'c>),
) -> Result<Outcome, SearchError> {
    let started = Instant::now();
    let first = evolution.iteration();
    directory.event(&json!({
        "event": if first == 0 { "start" } else { "resume" },
        "unix_s": unix_s(),
        "version": env!("CARGO_PKG_VERSION"),
        "iteration": first,
        "iterations": config.iterations,
        "threads": config.threads,
    }))?;
    let is_late = || time_limit.is_some_and(|limit| started.elapsed() >= limit);
    let reason = match evolve(evolution, directory, started, &|| stop() || is_late(), observe)? {
        StopReason::Interrupted if !stop() => StopReason::Time,
        reason => reason,
    };
    let search_time = started.elapsed();
    let mut outcome = Outcome { reason, finalists: Vec::new(), search_time, final_time: Duration::ZERO };
    if let (Some(round), StopReason::Finished | StopReason::Time) = (final_round, outcome.reason) {
        // From here on only the final round is made again.
        directory.save_checkpoint(&Checkpoint::of(evolution))?;
        let ranked = evolution.population().ranked();
        match round.run(&ranked, config, stop, &mut |progress| observe(Step::Final(progress)))? {
            Some(finalists) => outcome.finalists = finalists,
            None => outcome.reason = StopReason::Interrupted,
        }
        outcome.final_time = started.elapsed() - search_time;
        for finalist in &outcome.finalists {
            directory.event(
                &json!({ "event": "finalist", "elapsed_s": seconds(started.elapsed()), "finalist": finalist }),
            )?;
        }
    }
    if outcome.reason == StopReason::Interrupted {
        directory.save_checkpoint(&Checkpoint::of(evolution))?;
    }
    directory.event(&json!({
        "event": "end",
        "reason": outcome.reason,
        "iteration": evolution.iteration(),
        "elapsed_s": seconds(started.elapsed()),
        "iterations_per_s": ((evolution.iteration() - first) as f64 / seconds(search_time).max(1e-3)).round(),
        "counts": evolution.counts(),
    }))?;
    Ok(outcome)
}

/// The evolution, with its events and checkpoints.
fn evolve<'c>(
    evolution: &mut Evolution<'c>,
    directory: &mut RunDirectory,
    started: Instant,
    stop: &dyn Fn() -> bool,
    observe: &mut dyn FnMut(Step<'_, 'c>),
) -> Result<StopReason, SearchError> {
    let mut best = f64::NEG_INFINITY;
    if let Some(member) = evolution.population().best().filter(|_| evolution.iteration() == 0) {
        best = member.score;
        directory.event(&found_best(member, 0, started))?;
    }
    let mut next_checkpoint = CHECKPOINT_EVERY;
    let mut failed = None;
    // A full disk ends the search at the next batch, with its error.
    let failure = std::cell::Cell::new(false);
    let reason = evolution.run(&|| failure.get() || stop(), &mut |evolution| {
        let mut write = || -> Result<(), SearchError> {
            if let Some(member) = evolution.population().best().filter(|member| member.score > best) {
                best = member.score;
                directory.event(&found_best(member, evolution.iteration(), started))?;
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
        observe(Step::Evolution(evolution));
    });
    failed.map_or(Ok(reason), Err)
}

/// The event of a new best network.
fn found_best(member: &Member, iteration: u64, started: Instant) -> serde_json::Value {
    json!({
        "event": "best",
        "iteration": iteration,
        "elapsed_s": seconds(started.elapsed()),
        "score": member.score,
        "structure": member.network.to_string(),
    })
}

/// Seconds since 1970.
pub fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Seconds to the millisecond.
pub fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e3).round() / 1e3
}

/// Writes `best.txt`, `best.json` and `population.txt`; `header` says what the structures are made for.
///
/// # Errors
/// When they cannot be written.
pub fn write_results(
    directory: &RunDirectory,
    evolution: &Evolution<'_>,
    winner: &Winner,
    header: &Header,
) -> Result<(), SearchError> {
    let header = header.line();
    directory.write_text(BEST, &format!("{header}{}\n", winner.structure))?;
    directory.write_json("best.json", winner)?;
    // Finalists first: they really differ.
    let finalists: Vec<_> = winner.finalists.iter().map(|finalist| &finalist.structure).collect();
    let others = evolution.population().ranked().into_iter().map(|member| &member.network);
    let others = others.filter(|network| !finalists.contains(network));
    let lines: String = finalists.iter().copied().chain(others).map(|network| format!("{network}\n")).collect();
    let order = match &winner.final_score {
        Some(found) => {
            format!("the {} finalists that {} scored, the others by {}", finalists.len(), found.proxy, winner.proxy)
        }
        None => format!("by {}", winner.proxy),
    };
    let structures = winner.alternatives.iter().map(|alternative| format!("{}\n", alternative.structure));
    directory.write_text(ALTERNATIVES, &format!("{header}{}", structures.collect::<String>()))?;
    directory.write_text(POPULATION, &format!("{header}# best first, {order}\n{lines}"))
}

/// Writes `best.onnx` with random weights drawn from the seed, in `precision` ([`RunSpec::file_precision`]), checked in tract.
///
/// # Errors
/// When the file cannot be written or fails its check; then there is none.
pub fn write_onnx(
    directory: &RunDirectory,
    winner: &Winner,
    graph: &Graph,
    spec: &RunSpec,
    precision: Precision,
) -> Result<ExportSummary, OnnxError> {
    let header = spec.header();
    let mut metadata = vec![(format!("score_{}", winner.proxy), winner.score.to_string())];
    metadata.extend(header_metadata(&header));
    if let Some(Scored { proxy, evaluation, .. }) = &winner.final_score {
        metadata.push((format!("score_{proxy}"), evaluation.score.to_string()));
        metadata.push((format!("score_{proxy}_draws"), evaluation.draws.to_string()));
        let error = evaluation.standard_error.map(|error| (format!("score_{proxy}_standard_error"), error.to_string()));
        metadata.extend(error);
    }
    if let Some(prediction) = &winner.latency {
        metadata.extend(latency_metadata(prediction));
    }
    write_network(directory, "best.onnx", graph, (&winner.structure, metadata), spec, precision)
}

/// Writes a network with random weights drawn from the seed.
fn write_network(
    directory: &RunDirectory,
    name: &str,
    graph: &Graph,
    (structure, metadata): (&str, Vec<(String, String)>),
    spec: &RunSpec,
    precision: Precision,
) -> Result<ExportSummary, OnnxError> {
    let structure = Some(structure.to_owned());
    let options = ExportOptions { structure, metadata, precision, ..ExportOptions::default() };
    export(graph, &Weights::seeded(spec.seed), &options, &directory.path().join(name))
}

/// Writes `alternative-RANK.onnx` as [`write_onnx`] writes the winner.
///
/// # Errors
/// When the file cannot be written or fails its check; then there is none.
pub fn write_alternative(
    directory: &RunDirectory,
    alternative: &Alternative,
    rank: usize,
    config: &SearchConfig,
    spec: &RunSpec,
    precision: Precision,
) -> Result<ExportSummary, SearchError> {
    let graph = Network::parse(&alternative.structure)?.lower(&config.lower)?;
    let mut metadata = vec![(format!("score_{}", spec.proxy), alternative.score.to_string())];
    metadata.extend(header_metadata(&spec.header()));
    metadata.extend(alternative.latencies.first().map(latency_metadata).unwrap_or_default());
    let name = format!("alternative-{rank}.onnx");
    Ok(write_network(directory, &name, &graph, (&alternative.structure, metadata), spec, precision)?)
}

/// What a network is made for as ONNX metadata; what ranked it belongs to its score.
pub fn header_metadata(header: &Header) -> Vec<(String, String)> {
    let entries = header.entries().into_iter().filter(|(key, _)| !["proxy", "table"].contains(key));
    entries.map(|(key, value)| (key.to_owned(), value)).collect()
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
