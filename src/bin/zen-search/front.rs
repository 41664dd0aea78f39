//! `zen-search --pareto`: the trade-off between score and costs.

use std::time::Instant;

use anyhow::Context;
use serde_json::json;
use zen_nas::cli::{self, Exit, Progress, json::FrontJson};
use zen_nas::latency::SettingChoice;
use zen_nas::search::front::{self, AxisSpec, Front, FrontSpec};
use zen_nas::search::run::{seconds, unix_s, write_onnx};
use zen_nas::search::{RunDirectory, RunSpec, SearchError, StopReason};

use super::args::Args;
use super::tables::Tables;
use super::{answer, ask, page};

/// What the options ask for; `costs` are the axes that are budgets, in order.
pub fn spec(args: &Args, mut costs: Vec<AxisSpec>) -> Option<FrontSpec> {
    let axes = args.pareto.as_ref()?;
    costs.insert(axes.score(), AxisSpec { kind: front::SCORE.to_owned(), setting: None, least: None });
    Some(FrontSpec { points: args.points, knee: args.knee, axes: costs })
}

/// Searches and writes; one that was interrupted begins anew in its directory.
pub fn search(
    args: &Args,
    mut spec: RunSpec,
    tables: &Tables,
    choices: &[SettingChoice],
    resumed: Option<RunDirectory>,
) -> anyhow::Result<Exit> {
    front::settle(&mut spec, &tables.predictors)?;
    let Some(wanted) = spec.front.clone() else { return Ok(Exit::Done) };
    let along = wanted.along(&spec)?;
    let mut config = spec.to_config(&tables.predictors, cli::threads(args.threads))?;
    config.sampling.compute = args.compute.open()?;
    let mut directory = ask::directory(args, &spec, resumed)?;
    if args.events {
        directory.watch(cli::print);
    }
    let started = Instant::now();
    let limit = spec.time_limit()?;
    let is_late = || limit.is_some_and(|limit| started.elapsed() >= limit);
    let elapsed_s = || seconds(started.elapsed());
    let version = env!("CARGO_PKG_VERSION");
    directory.event(&json!({ "event": "start", "unix_s": unix_s(), "version": version, "threads": config.threads }))?;
    let mut progress = Progress::shares("trade-off", args.output.quiet);
    let mut failed = None;
    let stop = || cli::interrupted() || is_late();
    let found = front::find(&config, &wanted, spec.optimiser, &along, &stop, &mut |at| {
        progress.set_share(at.share, || {
            at.generation.map_or_else(String::new, |(_, volume)| format!("hypervolume {volume:.4}"))
        });
        if let Some((generation, hypervolume)) = at.generation {
            let line = json!({
                "event": "generation",
                "generation": generation,
                "elapsed_s": elapsed_s(),
                "hypervolume": hypervolume,
            });
            failed = failed.take().or(directory.event(&line).err());
        }
    })?;
    progress.finish();
    failed.map_or(Ok(()), Err)?;
    let reason = match (cli::interrupted(), is_late()) {
        (true, _) => StopReason::Interrupted,
        (false, true) => StopReason::Time,
        (false, false) => StopReason::Finished,
    };
    let found_s = elapsed_s();
    directory
        .event(&json!({ "event": "end", "reason": reason, "elapsed_s": found_s, "points": found.points.len() }))?;
    let picked = if wanted.knee { found.knee() } else { found.points.first() };
    let path = directory.path().to_owned();
    let picked = picked.ok_or_else(|| SearchError::NoResult { path: path.clone() })?;
    let (winner, graph) = found.write(&directory, &config, &spec, &tables.predictors, picked, reason)?;
    if !spec.no_onnx && reason != StopReason::Interrupted {
        write_onnx(&directory, &winner, &graph, &spec, spec.file_precision()?)
            .context("the networks were found and are in front.txt")?;
    }
    page::write_into(&directory, tables)?;
    if args.output.json || args.events {
        let (tables, directory) = (&tables.json(choices)[..], path.display().to_string());
        let value = FrontJson { front: &found, winner: &winner, tables, directory };
        answer::print_json(args, serde_json::to_value(value)?);
    } else {
        cli::print(&table(&found, picked.rank));
    }
    tell(args, &found, found_s);
    let (directory, rank) = (path.display(), picked.rank);
    args.output.note(format!("rank {rank} is best.txt; another: zen-export {directory} --rank N -o network.onnx"));
    args.output.note(format!("the front as a picture: {}", path.join("report.html").display()));
    if reason == StopReason::Interrupted {
        args.output.note(format!("interrupted; begin again with: zen-search --resume {directory}"));
        return Ok(Exit::Interrupted);
    }
    Ok(Exit::Done)
}

/// How the front was found, and what there is no network for.
fn tell(args: &Args, front: &Front, elapsed_s: f64) {
    let points = front.points.len();
    match &front.not_solved {
        Some(reason) => {
            args.output.note(format!("{points} points by NSGA-II in {elapsed_s:.1} s, without a bound: {reason}"))
        }
        None => {
            let gaps = || front.points.iter().filter_map(|point| point.gap_percent);
            let (close, largest) = (gaps().filter(|gap| *gap <= 0.5).count(), gaps().fold(0.0, f64::max));
            args.output.note(format!(
                "{points} points in {elapsed_s:.1} s, {close} of them within 0.5% of their bound, all within {largest:.2}%"
            ));
            if let Some(superset) = &front.superset {
                args.output.note(format!("each bound is proven, within its limits, for {superset}"));
            }
        }
    }
    if let [one] = &front.left_out[..] {
        args.output.note(format!("no network was found within {}", limits(front, one)));
    } else if let Some(largest) = front.left_out.first() {
        let others = front.left_out.len() - 1;
        args.output.note(format!("no network was found within {} and {others} other limits", limits(front, largest)));
    }
}

/// Limits in words.
fn limits(front: &Front, limits: &[f64]) -> String {
    let axes = front.axes.iter().filter(|axis| axis.most.is_some()).zip(limits);
    axes.map(|(axis, limit)| format!("{limit:.4} ({})", axis.label())).collect::<Vec<_>>().join(", ")
}

/// The points, a line each.
fn table(front: &Front, picked: u32) -> String {
    let mut header = vec![String::new(), "rank".to_owned()];
    header.extend(front.axes.iter().map(|axis| match axis.confidence {
        Some(confidence) => format!("{}, {:.0}%", axis.label(), confidence * 100.0),
        None => axis.label(),
    }));
    header.extend(front.predicted_labels());
    header.extend(["bound", "gap", "layers", "parameters", "multiply-adds", "structure"].map(str::to_owned));
    let mut lines = vec![header];
    for point in &front.points {
        let mut cells = vec![if point.rank == picked { "*" } else { "" }.to_owned(), point.rank.to_string()];
        cells.extend(front.axes.iter().zip(&point.values).map(|(axis, value)| match axis.most {
            Some(_) if *value >= 1000.0 => cli::human(*value),
            Some(_) => format!("{value:.3}"),
            None => format!("{value:.2}"),
        }));
        cells.extend(point.predicted_ms.iter().map(|ms| format!("{ms:.3}")));
        cells.push(point.bound.map_or_else(|| "-".to_owned(), |bound| format!("{bound:.2}")));
        cells.push(point.gap_percent.map_or_else(|| "-".to_owned(), |gap| format!("{gap:.2}%")));
        cells.extend([point.layers.to_string(), cli::human(point.parameters as f64), cli::human(point.flops as f64)]);
        cells.push(point.structure.to_string());
        lines.push(cells);
    }
    cli::columns(&lines)
}
