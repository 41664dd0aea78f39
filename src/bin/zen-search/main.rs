//! `zen-search`: evolutionary search for a network within budgets.

mod args;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use clap::{CommandFactory, Parser};
use zen_nas::cli::{self, Exit, NamedStructure, Progress, Trial};
use zen_nas::latency::{ChosenTable, Device, Predictor, SettingChoice, SpotChecks, Store, require_choice};
use zen_nas::report::Quality;
use zen_nas::search::repeat::{self, UsedTable};
use zen_nas::search::run::{Step, run, write_onnx, write_results};
use zen_nas::search::{
    Evolution, Finalist, FinishedRun, Lead, Limits, RUN_FORMAT, RunDirectory, RunSpec, StopReason, Winner,
};
use zen_nas::space::{Draw, Space};

use args::Args;

fn main() -> ExitCode {
    let args = Args::parse();
    if args.completions.print::<Args>() {
        return Exit::Done.into();
    }
    if args.resume.is_none()
        && args.repeat.is_none()
        && [args.latency_ms, args.ms_per_image, args.max_params, args.max_flops].iter().all(Option::is_none)
    {
        let message =
            "give at least one budget: --latency-ms (with --device), --ms-per-image, --max-params or --max-flops";
        Args::command().error(clap::error::ErrorKind::MissingRequiredArgument, message).exit();
    }
    cli::finish(search(&args))
}

fn search(args: &Args) -> anyhow::Result<Exit> {
    cli::interrupted();
    let store = cli::read_store(&args.database)?;
    let (mut spec, choice, resumed) = match (&args.resume, &args.repeat) {
        (Some(path), _) => {
            let (directory, spec, checkpoint) = RunDirectory::open(path)?;
            (spec, None, Some((directory, checkpoint)))
        }
        (None, Some(path)) => (RunDirectory::read_spec(path)?.again(), None, None),
        (None, None) => {
            let (spec, choice) = spec(args, &store)?;
            (spec, choice, None)
        }
    };
    let threads = cli::threads(args.threads);
    let chosen = choose(args, &store, &mut spec, resumed.is_some())?;
    if let Some(path) = args.resume.as_ref().or(args.repeat.as_ref()) {
        let used_table = chosen.as_ref().map(UsedTable::of);
        let now = RunSpec { version: env!("CARGO_PKG_VERSION").to_owned(), used_table, ..spec.clone() };
        for change in repeat::changes(&RunDirectory::read_spec(path)?, &now) {
            args.output.note(format!("note: since {} was begun: {change}", path.display()));
        }
    }
    let predictor = chosen.as_ref().map(|chosen| Predictor::from_table(&chosen.table)).transpose()?.map(Arc::new);
    let quality = chosen.as_ref().map(Quality::of);
    if let (Some(predictor), Some(quality)) = (&predictor, &quality) {
        args.output
            .note(format!("latencies are predicted, ms per call on {}; table error {quality}", predictor.setting()));
        for line in quality.lines() {
            args.output.note(format!("note: {}: {line}", predictor.setting()));
        }
    }
    let mut config = spec.to_config(predictor.as_ref(), threads)?;
    config.sampling.compute = args.compute.open()?;
    let (mut directory, mut evolution) = match resumed {
        Some((directory, Some(checkpoint))) => (directory, checkpoint.resume(&config)?),
        Some((directory, None)) => (directory, Evolution::start(&config)?),
        None => {
            let evolution = Evolution::start(&config)?;
            let path = args.out.clone().unwrap_or_else(|| default_directory(args, &spec));
            (RunDirectory::create(&path, &spec)?, evolution)
        }
    };
    if evolution.initial().to_string() != spec.initial && evolution.iteration() == 0 {
        args.output.note("note: the initial structure is over a budget; the search starts from a smaller one");
    }
    let final_round = spec.final_round(&config);
    if spec.finalists > 0 && final_round.is_none() {
        args.output.note(format!("no final round: nothing in this program is more precise than {}", spec.proxy));
    }
    let started = Instant::now();
    let mut progress = Progress::new("search", config.iterations, args.output.quiet);
    let mut elapsed = None;
    let outcome =
        run(
            &mut evolution,
            &config,
            final_round.as_ref(),
            &mut directory,
            &cli::interrupted,
            &mut |step| match step {
                Step::Evolution(evolution) => {
                    let best = evolution.population().best().map_or(f64::NAN, |member| member.score);
                    progress.set(evolution.iteration(), || format!("best {best:.2}"));
                }
                Step::Final(found) => {
                    if elapsed.is_none() {
                        elapsed = Some(started.elapsed());
                        progress.finish();
                        progress = Progress::shares("finalists", args.output.quiet);
                    }
                    let share = f64::from(found.draws) / f64::from(found.expected);
                    progress
                        .set_share(share, || format!("{} draws, best {}", found.draws, cli::with_error(&found.best)));
                }
            },
        )?;
    progress.finish();
    let whole = started.elapsed();
    let elapsed = elapsed.unwrap_or(whole);
    let reason = outcome.reason;
    let (winner, graph) = Winner::of(&evolution, &config, &spec, predictor.as_deref(), outcome)?;
    write_results(&directory, &evolution, &winner, &spec.header())?;
    if !args.no_onnx && reason == StopReason::Finished {
        // float32 weights; batch norms fold away.
        let megabytes = winner.cost.parameters as f64 * 4e-6;
        args.output.note(format!("writing best.onnx ({megabytes:.0} MB) and running it once"));
        write_onnx(&directory, &winner, &graph, &spec.header(), spec.seed)
            .context("the network was found and is in best.txt")?;
    }
    if reason == StopReason::Finished {
        directory.remove_checkpoint()?;
    }
    if args.output.json {
        let mut value = serde_json::to_value(&winner)?;
        value["table"] = serde_json::to_value(quality.as_ref().map(|quality| &quality.table))?;
        value["setting_choice"] = serde_json::to_value(&choice)?;
        value["table_choice"] = serde_json::to_value(quality.as_ref().map(|quality| &quality.decision))?;
        value["directory"] = directory.path().display().to_string().into();
        cli::print(&serde_json::to_string_pretty(&value)?);
    } else {
        cli::print(&report(&winner, quality.as_ref(), directory.path(), args.no_onnx));
    }
    let counts = &winner.search.counts;
    args.output.note(format!(
        "{} children in {:.2} s: {} entered, {} duplicates, {} not better, {} over a budget",
        winner.search.iterations,
        elapsed.as_secs_f64(),
        counts.accepted,
        counts.duplicates,
        counts.not_better + counts.too_small,
        counts.over_budget.iter().sum::<u64>()
    ));
    if !winner.finalists.is_empty() {
        let draws = |finalist: &Finalist| finalist.final_score.map_or(0, |found| found.evaluation.draws);
        args.output.note(format!(
            "{} finalists in {:.2} s: {} draws",
            winner.finalists.len(),
            (whole - elapsed).as_secs_f64(),
            winner.finalists.iter().map(draws).sum::<u32>()
        ));
    }
    if is_this_machine(&winner) {
        // A search finds what its table takes for too fast.
        let directory = directory.path().display();
        args.output.note(format!("measure it before you train it: zen-profile verify {directory}"));
    }
    if let (Some(path), StopReason::Finished) = (&args.repeat, reason) {
        match FinishedRun::read(path) {
            Ok(before) => args.output.note(format!("note: {}", repeat::compare_results(&before, &winner))),
            Err(error) => args.output.note(format!("note: the winners are not compared: {error}")),
        }
    }
    if reason == StopReason::Interrupted {
        args.output.note(format!("interrupted; continue with: zen-search --resume {}", directory.path().display()));
        return Ok(Exit::Interrupted);
    }
    Ok(Exit::Done)
}

/// The latency table, if the search names a device. A resumed run predicts as it did: what was found then on this
/// machine counts, and nothing is tried again.
fn choose(args: &Args, store: &Store, spec: &mut RunSpec, resumed: bool) -> anyhow::Result<Option<ChosenTable>> {
    let Some((setting, choice)) = spec.table_choice()? else { return Ok(None) };
    let initial = spec.initial_graph()?;
    let networks = [&initial];
    if resumed {
        let checks = spec.spot_check.as_ref().map_or(SpotChecks::Ignore, SpotChecks::With);
        return Ok(Some(require_choice(store, &setting, &choice, &networks, checks)?));
    }
    let trial = Trial::new(&args.database, &args.output, args.check);
    let chosen = trial.choose(store, &setting, &choice, &networks)?;
    spec.spot_check = chosen.decision.used.spot_check.clone();
    spec.used_table = Some(UsedTable::of(&chosen));
    Ok(Some(chosen))
}

/// Whether the latency was predicted for the machine that this runs on.
fn is_this_machine(winner: &Winner) -> bool {
    let device = winner.latency.as_ref().map(|prediction| prediction.setting.device.as_str());
    device.is_some_and(|device| Device::find("cpu").is_ok_and(|here| here.table_name() == device))
}

/// The search that the options ask for, and why its setting was chosen.
fn spec(args: &Args, store: &Store) -> anyhow::Result<(RunSpec, Option<SettingChoice>)> {
    let space = Space::find(&args.space)?;
    let found = match args.setting.query() {
        Some(mut query) => {
            query.preferred_batch_size = args.ms_per_image.map(|_| 64);
            Some(cli::resolve_telling(store, &query, &args.output)?)
        }
        None => None,
    };
    let (setting, choice) = found.map_or((None, None), |found| (Some(found.setting), found.choice));
    let per_call = |ms: f64| setting.as_ref().map(|setting| ms * setting.batch_size as f64);
    let (lower, initial) = match &args.initial {
        Some(argument) => {
            let (NamedStructure { origin, text, header }, _) = cli::read_structure(argument, None)?;
            args.lowering.tell([(origin.as_str(), &header)], &args.output);
            (args.lowering.options_for(&header), text.trim().to_owned())
        }
        None => {
            let lower = args.lowering.options();
            (lower, space.initial_structure(lower.resolution).to_owned())
        }
    };
    let spec = RunSpec {
        format: RUN_FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        space: space.name.to_owned(),
        initial,
        resolution: lower.resolution,
        classes: lower.classes,
        squeeze_excite: lower.squeeze_excite,
        proxy: args.proxy.clone(),
        draw: if args.published_draw { Draw::Published } else { Draw::Uniform },
        seed: args.seed,
        iterations: args.iterations as u64,
        population: args.population as usize,
        draws: args.draws,
        finalists: args.finalists as usize,
        standard_error: args.se,
        score_batch_size: args.score_batch_size,
        budgets: Limits {
            layers: args.max_layers.map_or(Some(space.default_max_layers), |limit| limit.0),
            parameters: args.max_params,
            flops: args.max_flops,
            activation_bytes: args.max_activation_bytes,
            latency_ms: args.latency_ms.or_else(|| args.ms_per_image.and_then(per_call)),
        },
        setting: setting.map(|setting| setting.id()),
        table: args.setting.table.choice.as_ref().map(ToString::to_string),
        shipped_table: false,
        spot_check: None,
        used_table: None,
    };
    Ok((spec, choice))
}

fn default_directory(args: &Args, spec: &RunSpec) -> PathBuf {
    // However the device was written, its folder has its name.
    let named = |device: &String| Device::find(device).map_or_else(|_| device.clone(), |device| device.name);
    let device = spec.setting.as_ref().and_then(|setting| setting.split('/').next());
    let device = args.setting.table.device.clone().or(device.map(str::to_owned));
    let what = device.as_ref().map_or_else(|| spec.space.clone(), named);
    let budget = match (args.latency_ms, args.ms_per_image) {
        (Some(ms), _) => format!("-{ms}ms"),
        (_, Some(ms)) => format!("-{ms}ms-per-image"),
        _ => spec.budgets.latency_ms.map_or_else(String::new, |ms| format!("-{ms}ms")),
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |t| t.as_secs());
    Path::new("zen-runs").join(format!("{what}{budget}-{now}"))
}

fn report(winner: &Winner, quality: Option<&Quality>, directory: &Path, no_onnx: bool) -> String {
    let mut lines = vec![("structure", winner.structure.clone())];
    lines.extend(score_lines(winner));
    lines.extend(cli::cost_lines(winner.layers, &winner.cost));
    if let (Some(prediction), Some(quality)) = (&winner.latency, quality) {
        lines.extend(cli::describe_latency(prediction, quality));
    }
    for (i, budget) in winner.budgets.iter().enumerate() {
        lines.push((if i == 0 { "budgets" } else { "" }, format!("{}: {}", budget.name, budget.text)));
    }
    let file = directory.join(if no_onnx || winner.search.stop_reason == StopReason::Interrupted {
        "best.json"
    } else {
        "best.onnx"
    });
    lines.push(("written to", file.display().to_string()));
    cli::table(&lines)
}

/// The scores of the winner, and how far it is ahead.
fn score_lines(winner: &Winner) -> Vec<(&'static str, String)> {
    let of_search = format!("{:.3} ({})", winner.score, winner.proxy);
    let Some(found) = &winner.final_score else { return vec![("score", of_search)] };
    let draws = found.evaluation.draws;
    let mean = cli::with_error(&found.evaluation);
    let finalists = winner.finalists.len();
    let mut lines = vec![
        ("score", format!("{mean} ({}, mean of {draws} draws), the best of {finalists} finalists", found.proxy)),
        ("", format!("{of_search}, what the search ranked by")),
    ];
    if let Some(Lead { difference, standard_error, told_apart }) = winner.lead {
        let verdict = match told_apart {
            true => String::new(),
            false => format!(": the two cannot be told apart (below {} standard errors)", Lead::TOLD_APART),
        };
        lines.push(("", format!("{difference:.2} +- {standard_error:.2} ahead of the second{verdict}")));
    }
    lines
}
