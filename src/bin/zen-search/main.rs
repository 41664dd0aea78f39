//! `zen-search`: evolutionary search for a network within budgets.

mod args;
mod front;
mod spaces;
mod tables;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{CommandFactory, Parser};
use serde_json::{Value, json};
use zen_nas::cli::{self, Exit, NamedStructure, Progress, ResolvedBudgets};
use zen_nas::latency::{Device, Setting, SettingChoice, Store};
use zen_nas::net::{Header, Network};
use zen_nas::search::budget::BudgetSpec;
use zen_nas::search::repeat;
use zen_nas::search::run::{Step, run, write_onnx, write_results};
use zen_nas::search::{Evolution, Finalist, FinishedRun, Lead, RUN_FORMAT, RunDirectory, RunSpec, StopReason, Winner};
use zen_nas::space::{Draw, Space};

use args::{Args, Command};
use tables::Tables;

/// Time between two `progress` events.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let mut args = Args::parse();
    if args.completions.print::<Args>() {
        return Exit::Done.into();
    }
    if let Some(Command::Spaces { spaces, schema, toml, output }) = &args.command {
        return cli::finish(spaces::list(spaces, *schema, *toml, output));
    }
    if let Err(message) = args.check() {
        Args::command().error(clap::error::ErrorKind::MissingRequiredArgument, message).exit();
    }
    let (events, json) = (args.events, args.output.json);
    cli::finish_telling(search(&mut args), |failure| match (events, json) {
        (true, _) => cli::print(&event("failure", failure).to_string()),
        (false, true) => cli::print(&format!("{failure:#}")),
        (false, false) => {}
    })
}

fn search(args: &mut Args) -> anyhow::Result<Exit> {
    cli::interrupted();
    let (store, mut spec, choices, resumed) = match (&args.resume, &args.repeat) {
        (Some(path), _) => {
            let (directory, mut spec, checkpoint) = RunDirectory::open(path)?;
            args.continue_run(&mut spec)?;
            (cli::read_store(&args.database)?, spec, Vec::new(), Some((directory, checkpoint)))
        }
        (None, Some(path)) => {
            let mut spec = RunDirectory::read_spec(path)?.again();
            args.continue_run(&mut spec)?;
            (cli::read_store(&args.database)?, spec, Vec::new(), None)
        }
        (None, None) => {
            let store = cli::read_store(&args.database)?;
            let (spec, choices) = spec(args, &store)?;
            (store, spec, choices, None)
        }
    };
    let args = &*args;
    let threads = cli::threads(args.threads);
    let tables = Tables::choose(args, &store, &mut spec, resumed.is_some())?;
    if let Some(path) = args.resume.as_ref().or(args.repeat.as_ref()) {
        let now = RunSpec { version: env!("CARGO_PKG_VERSION").to_owned(), ..spec.clone() };
        for change in repeat::changes(&RunDirectory::read_spec(path)?, &now) {
            args.output.note(format!("note: since {} was begun: {change}", path.display()));
        }
    }
    if spec.front.is_some() {
        return front::search(args, spec, &tables, &choices, resumed.map(|(directory, _)| directory));
    }
    let mut config = spec.to_config(&tables.predictors, threads)?;
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
    let fitted = config.rules.fit(&config.initial);
    if args.initial.is_some() && fitted != config.initial {
        args.output.note(format!("note: the initial structure is outside the space; the search starts from {fitted}"));
    }
    if *evolution.initial() != fitted && evolution.iteration() == 0 {
        args.output.note("note: the initial structure is over a budget; the search starts from a smaller one");
    }
    let final_round = spec.final_round(&config);
    if spec.finalists > 0 && final_round.is_none() {
        args.output.note(format!("no final round: nothing in this program is more precise than {}", spec.proxy));
    }
    let time_limit = spec.time_limit()?;
    if let Some(minutes) = spec.minutes {
        args.output.note(format!(
            "note: the search ends after {minutes} minutes; what it finds by then depends on this machine and cannot be \
             repeated"
        ));
    }
    if args.events {
        directory.watch(cli::print);
    }
    let started = Instant::now();
    let mut next_event = PROGRESS_EVERY;
    let mut progress = Progress::new("search", config.iterations, args.output.quiet);
    let mut elapsed = None;
    let outcome = run(
        &mut evolution,
        &config,
        final_round.as_ref(),
        &mut directory,
        time_limit,
        &cli::interrupted,
        &mut |step| match step {
            Step::Evolution(evolution) => {
                let best = evolution.population().best().map_or(f64::NAN, |member| member.score);
                progress.set(evolution.iteration(), || format!("best {best:.2}"));
                if args.events && started.elapsed() >= next_event {
                    next_event = started.elapsed() + PROGRESS_EVERY;
                    let elapsed_s = started.elapsed().as_secs_f64().round();
                    let at = json!({ "iteration": evolution.iteration(), "elapsed_s": elapsed_s, "score": best });
                    cli::print(&event("progress", at).to_string());
                }
            }
            Step::Final(found) => {
                if elapsed.is_none() {
                    elapsed = Some(started.elapsed());
                    progress.finish();
                    progress = Progress::shares("finalists", args.output.quiet);
                }
                let share = f64::from(found.draws) / f64::from(found.expected);
                progress.set_share(share, || format!("{} draws, best {}", found.draws, cli::with_error(&found.best)));
            }
        },
    )?;
    progress.finish();
    let whole = started.elapsed();
    let elapsed = elapsed.unwrap_or(whole);
    let reason = outcome.reason;
    let (winner, graph) = Winner::of(&evolution, &config, &spec, &tables.predictors, outcome)?;
    write_results(&directory, &evolution, &winner, &spec.header())?;
    let writes_onnx = !spec.no_onnx && reason != StopReason::Interrupted;
    if writes_onnx {
        // float32 weights; batch norms fold away.
        let megabytes = winner.cost.parameters as f64 * 4e-6;
        args.output.note(format!("writing best.onnx ({megabytes:.0} MB) and running it once"));
        write_onnx(&directory, &winner, &graph, &spec.header(), spec.seed)
            .context("the network was found and is in best.txt")?;
    }
    if reason == StopReason::Finished {
        directory.remove_checkpoint()?;
    }
    if args.output.json || args.events {
        let value = result(&winner, &tables, &choices, directory.path())?;
        cli::print(&if args.events { event("result", value).to_string() } else { format!("{value:#}") });
    } else {
        cli::print(&report(&winner, &tables, directory.path(), writes_onnx));
    }
    let counts = &winner.search.counts;
    args.output.note(format!(
        "{} children in {:.2} s: {} entered, {} duplicates, {} not better, {} over a budget, {} off the rails",
        winner.search.iterations,
        elapsed.as_secs_f64(),
        counts.accepted,
        counts.duplicates,
        counts.not_better + counts.too_small,
        counts.over_budget.iter().sum::<u64>(),
        counts.off_rails
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
    for off in config.space.rails.violations(&Network::parse(&winner.structure)?, &graph) {
        args.output.note(format!("note: outside the rails of {}: {off}", config.space.name));
    }
    if winner.latencies.iter().any(|prediction| is_this_machine(&prediction.setting)) {
        // Search exploits prediction errors.
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

/// Whether the latency was predicted for the machine that this runs on.
fn is_this_machine(setting: &Setting) -> bool {
    Device::find("cpu").is_ok_and(|here| here.table_name() == setting.device)
}

/// A line of `--events`.
fn event(name: &str, mut value: Value) -> Value {
    value["event"] = name.into();
    value
}

/// What `--json` prints: `best.json`, with the tables and why they and their settings were chosen.
fn result(winner: &Winner, tables: &Tables, choices: &[SettingChoice], directory: &Path) -> anyhow::Result<Value> {
    let tables = tables.json(choices);
    let mut value = serde_json::to_value(winner)?;
    // The first by itself, too, for readers of earlier versions.
    for name in ["table", "table_choice", "setting_choice"] {
        value[name] = tables.first().map_or(Value::Null, |table| table[name].clone());
    }
    value["tables"] = tables.into();
    value["directory"] = directory.display().to_string().into();
    Ok(value)
}

/// The search that the options ask for, and why its settings were chosen.
fn spec(args: &Args, store: &Store) -> anyhow::Result<(RunSpec, Vec<SettingChoice>)> {
    let space = Space::find(&args.space)?;
    let defaults = [BudgetSpec::new("layers", space.default_max_layers.into())];
    let ResolvedBudgets { setting, choices, budgets, axes } =
        args.all_budgets().resolve(&args.setting, &defaults, store, &args.output)?;
    let (header, initial) = match &args.initial {
        Some(argument) => {
            let (NamedStructure { origin, text, header }, _) = cli::read_structure(argument, None)?;
            args.lowering.tell([(origin.as_str(), &header)], &args.output);
            (header, Some(text.trim().to_owned()))
        }
        None => (Header::default(), None),
    };
    let resolution = space.resolution(args.lowering.resolution.or(header.resolution))?;
    let lower = args.lowering.options_for(&header);
    let initial = initial.unwrap_or_else(|| space.initial(resolution).to_string());
    let spec = RunSpec {
        format: RUN_FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        space: space.name.clone(),
        space_file: (!space.is_built_in()).then(|| space.text.to_string()),
        initial,
        resolution,
        classes: lower.classes,
        squeeze_excite: args.lowering.squeeze_excite.or(header.squeeze_excite).unwrap_or(space.squeeze_excite),
        residual_links: space.residual_links,
        proxy: args.proxy.clone(),
        draw: if args.published_draw { Draw::Published } else { Draw::Uniform },
        seed: args.seed,
        iterations: args.iterations as u64,
        population: args.population as usize,
        draws: args.draws,
        finalists: args.finalists as usize,
        standard_error: args.se,
        score_batch_size: args.score_batch_size,
        setting: setting.map(|setting| setting.id()),
        table: args.setting.table.choice.as_ref().map(ToString::to_string),
        shipped_table: false,
        published_rules: args.rails.published_rules,
        rails: args.rails.apply(&space.rails),
        no_check: args.check.no_check,
        database: args
            .database
            .db
            .as_ref()
            .map(std::path::absolute)
            .transpose()?
            .map(|path| path.display().to_string()),
        confidence: args.confidence.0,
        minutes: args.minutes,
        device_compute: args.compute.device_compute.to_string(),
        no_onnx: args.no_onnx,
        budgets,
        front: front::spec(args, axes),
        spot_checks: Vec::new(),
        used_tables: Vec::new(),
    };
    Ok((spec, choices))
}

fn default_directory(args: &Args, spec: &RunSpec) -> PathBuf {
    // However the device was written, its folder has its name.
    let named = |device: &str| Device::find(device).map_or_else(|_| device.to_owned(), |device| device.name);
    let device = args.setting.table.device.as_deref().or(spec.setting.as_deref().and_then(|id| id.split('/').next()));
    let what = device.map_or_else(|| spec.space.clone(), named);
    let budget = args.budgets.in_name();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |t| t.as_secs());
    Path::new("zen-runs").join(format!("{what}{budget}-{now}"))
}

fn report(winner: &Winner, tables: &Tables, directory: &Path, writes_onnx: bool) -> String {
    let mut lines = vec![("structure", winner.structure.clone())];
    lines.extend(score_lines(winner));
    lines.extend(cli::cost_lines(winner.layers, &winner.cost));
    for (prediction, quality) in winner.latencies.iter().zip(&tables.qualities) {
        lines.extend(cli::describe_latency(prediction, quality));
    }
    for (i, budget) in winner.budgets.iter().enumerate() {
        lines.push((if i == 0 { "budgets" } else { "" }, format!("{}: {}", budget.name, budget.text)));
    }
    let file = directory.join(if writes_onnx { "best.onnx" } else { "best.json" });
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
