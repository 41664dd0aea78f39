//! `zen-search`: search for the best network within budgets.

mod answer;
mod args;
mod ask;
mod front;
mod page;
mod spaces;
mod tables;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{CommandFactory, Parser};
use serde_json::json;
use zen_nas::cli::{self, Exit, Progress};
use zen_nas::search::optimise::{Beginning, Plan};
use zen_nas::search::repeat;
use zen_nas::search::run::{Step, run, seconds, write_alternative, write_onnx, write_results};
use zen_nas::search::{FinishedRun, RunDirectory, RunSpec, StopReason, Winner};

use answer::Times;
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
    if let Some(Command::Report { run, no_proxies, threads, database, output }) = &args.command {
        return cli::finish(page::write(run, !no_proxies, cli::threads(*threads), database, output));
    }
    if let Err(message) = args.check() {
        Args::command().error(clap::error::ErrorKind::MissingRequiredArgument, message).exit();
    }
    let (events, json) = (args.events, args.output.json);
    cli::finish_telling(search(&mut args), |failure| match (events, json) {
        (true, _) => cli::print(&answer::event("failure", json!(failure)).to_string()),
        (false, true) => cli::print(&format!("{:#}", json!(failure))),
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
            let (spec, choices) = ask::spec(args, &store)?;
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
    if args.resume.is_none() && args.repeat.is_none() {
        ask::keep_in_region(args, &mut spec, &tables)?;
    }
    let mut config = spec.to_config(&tables.predictors, threads)?;
    config.sampling.compute = args.compute.open()?;
    let plan = Plan::of(spec.optimiser, &config)?;
    if !plan.evolves {
        config.iterations = 0;
    }
    if let Some(reason) = &plan.not_solved {
        args.output.note(format!("note: the search is evolved, not solved: {reason}; no bound is known"));
    }
    if !plan.not_in_bound.is_empty() {
        args.output.note(format!(
            "note: {} is no sum over operators: networks keep to it, but the bound takes no account of it",
            plan.not_in_bound.join(", ")
        ));
    }
    if let (None, Some(path)) = (&resumed, &args.out) {
        RunDirectory::check_free(path)?;
    }
    let started = Instant::now();
    let checkpoint = resumed.as_ref().and_then(|(_, checkpoint)| checkpoint.as_ref());
    let mut progress = Progress::shares("solving", args.output.quiet);
    let begun = plan.begin(&config, spec.top as usize, checkpoint, &cli::interrupted, &mut |found| {
        progress.set_share(found.share, || {
            let number = |value: Option<f64>| value.map_or_else(|| "?".to_owned(), |value| format!("{value:.2}"));
            format!("best {}, at most {}", number(found.best), number(found.bound))
        });
    })?;
    progress.finish();
    let solving = started.elapsed();
    let Beginning { mut evolution, certificate, rail_prices } = begun;
    let mut directory = ask::directory(args, &spec, resumed.map(|(directory, _)| directory))?;
    if let Some(certificate) = &certificate {
        let elapsed_s = seconds(solving);
        directory.event(&json!({ "event": "solved", "elapsed_s": elapsed_s, "bound": certificate.bound }))?;
    }
    let fitted = config.rules.fit(&config.initial);
    if args.initial.is_some() && fitted != config.initial {
        args.output.note(format!("note: the initial structure is outside the space; the search starts from {fitted}"));
    }
    if certificate.is_none() && *evolution.initial() != fitted && evolution.iteration() == 0 {
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
    let searching = Instant::now();
    let bound = certificate.as_ref().map(|certificate| certificate.bound);
    let mut next_event = PROGRESS_EVERY;
    progress = Progress::new("search", config.iterations, args.output.quiet);
    let mut is_final = false;
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
                progress.set(evolution.iteration(), || {
                    answer::how_far(evolution, best, bound, searching.elapsed().as_secs_f64())
                });
                if args.events && searching.elapsed() >= next_event {
                    next_event = searching.elapsed() + PROGRESS_EVERY;
                    let elapsed_s = searching.elapsed().as_secs_f64().round();
                    let at = json!({ "iteration": evolution.iteration(), "elapsed_s": elapsed_s, "score": best });
                    cli::print(&answer::event("progress", at).to_string());
                }
            }
            Step::Final(found) => {
                if !std::mem::replace(&mut is_final, true) {
                    progress.finish();
                    progress = Progress::shares("finalists", args.output.quiet);
                }
                let share = f64::from(found.draws) / f64::from(found.expected);
                progress.set_share(share, || {
                    format!("{} random initialisations, best {}", found.draws, cli::with_error(&found.best))
                });
            }
        },
    )?;
    progress.finish();
    let (reason, search_time, final_time) = (outcome.reason, outcome.search_time, outcome.final_time);
    let proven = (certificate, rail_prices);
    let (winner, graph) = Winner::of(&evolution, &config, &spec, &tables.predictors, proven, outcome)?;
    write_results(&directory, &evolution, &winner, &spec.header())?;
    let writes_onnx = !spec.no_onnx && reason != StopReason::Interrupted;
    if writes_onnx {
        // Batch norms fold away.
        let precision = spec.file_precision()?;
        let megabytes = winner.cost.parameters as f64 * precision.bytes() * 1e-6;
        args.output.note(format!("writing best.onnx ({megabytes:.0} MB, {precision}) and running it once"));
        write_onnx(&directory, &winner, &graph, &spec, precision)
            .context("the network was found and is in best.txt")?;
        if args.top.is_some() {
            for (i, alternative) in winner.alternatives.iter().enumerate().skip(1) {
                write_alternative(&directory, alternative, i + 1, &config, &spec, precision)
                    .context("the networks were found and are in alternatives.txt")?;
            }
        }
    }
    if reason != StopReason::Interrupted {
        directory.remove_checkpoint()?;
    }
    page::write_into(&directory, &tables)?;
    if args.output.json || args.events {
        let value = answer::result(&winner, &tables, &choices, directory.path())?;
        answer::print_json(args, value);
    } else {
        cli::print(&answer::report(&winner, &tables, directory.path(), writes_onnx));
    }
    let times = Times { solving, search: search_time, final_round: final_time };
    answer::how_it_went(&winner, plan.evolves, &times).iter().for_each(|note| args.output.note(note));
    for off in &winner.rails.off {
        args.output.note(format!("note: outside the rails of {}: {off}", config.space.name));
    }
    if reason != StopReason::Interrupted {
        args.output.note(answer::next_steps(&winner, &spec, directory.path()));
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
