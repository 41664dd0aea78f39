//! `zen-profile`: latency tables, measured, listed and exported.

mod args;
mod given;
mod remote;
mod tables;

use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use zen_nas::cli::{self, Exit, LoweringArgs, SessionProgress};
use zen_nas::latency::{LatencyError, Precision, Setting, SettingQuery, Store, resolve};
use zen_nas::net::LowerOptions;
use zen_nas::profile::{DriftOptions, PlanOptions, SessionOptions, Source, Target, profile};
use zen_nas::report::ReportOptions;
use zen_nas::space::{SPACES, Space};

use self::args::{Args, Command, MeasureArgs};

/// Time of a session that measures a search space, unless another is asked for.
const TIME_LIMIT: Duration = Duration::from_secs(600);

/// Where the networks come from whose operators are measured.
fn sources(spaces: &[String], lowering: &LoweringArgs) -> anyhow::Result<Vec<Source>> {
    let lower = lowering.options();
    let mut sources = Vec::new();
    for name in spaces {
        sources.push(Source { space: Space::find(name)?, lower });
    }
    if spaces.is_empty() {
        for space in SPACES.iter() {
            sources.push(Source { space: space.clone(), lower });
            // Its published networks are of both kinds.
            if space.name == "idw" && !lower.squeeze_excite {
                sources.push(Source { space: space.clone(), lower: LowerOptions { squeeze_excite: true, ..lower } });
            }
        }
    }
    Ok(sources)
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.completions.print::<Args>() {
        return Exit::Done.into();
    }
    cli::finish(match &args.command {
        Some(Command::Verify(args)) => given::verify_networks(args),
        Some(Command::Devices { words, database, output }) => tables::devices(words, database, output),
        Some(Command::List { database, output }) => tables::list(database, output),
        Some(Command::Show { device, database, output }) => tables::show(device, database, output),
        Some(Command::Report { table, space, worst, svg, database, output }) => {
            let options = ReportOptions { space: space.clone(), worst: *worst };
            tables::report(table, &options, svg.as_deref(), database, output)
        }
        Some(Command::Export { setting, out, max_rows, database }) => {
            tables::export(setting, out.as_deref(), *max_rows, database)
        }
        Some(Command::Import { paths, force, database, output }) => tables::import(paths, *force, database, output),
        Some(Command::Remove { what, all, database, output }) => tables::remove(what, *all, database, output),
        Some(Command::Check { device, runtime, python, database, output }) => {
            tables::check(device, runtime.as_deref(), python.clone(), database, output)
        }
        None => match &args.measure.device {
            Some(device) if args.measure.files.is_empty() => measure(device, &args.measure),
            Some(device) => given::measure_for(device, &args.measure),
            None => Args::command()
                .error(
                    clap::error::ErrorKind::MissingRequiredArgument,
                    "name what to measure (zen-profile --device cpu), or use list, show or export",
                )
                .exit(),
        },
    })
}

fn measure(device: &str, args: &MeasureArgs) -> anyhow::Result<Exit> {
    let sources = sources(&args.space, &args.lowering)?;
    let mut store = cli::open_store(&args.database)?;
    let mut runner = args.runtime.open(&store, device, &args.output)?;
    let adapt_from = match &args.adapt_from {
        Some(table) => Some(adaptable(&store, table, args.batch_size)?),
        None => None,
    };
    let options = SessionOptions {
        adapt_from,
        only_check: args.only_check,
        plan: PlanOptions { sources, operators: args.operators as usize, seed: args.seed },
        batch_size: args.batch_size,
        networks: args.networks as usize,
        time_limit: Some(args.minutes.unwrap_or(TIME_LIMIT)),
        target_within10: Some(args.target_within10),
        operator_target: Target::operator(),
        network_target: Target::network(),
        drift: Some(DriftOptions::default()),
    };
    let mut progress = SessionProgress::new(args.output.quiet);
    cli::interrupted();
    let outcome = profile(&mut store, runner.as_mut(), &options, &cli::interrupted, &mut |event| progress.show(event))?;
    progress.finish();
    if args.output.json {
        cli::print(&serde_json::to_string_pretty(&outcome)?);
    } else {
        cli::print(&cli::describe_session(&outcome, &store));
    }
    Ok(cli::profile_exit(&outcome))
}

/// The table to adapt: a setting, or the one of a device that fits best.
fn adaptable(store: &Store, table: &str, batch_size: u32) -> Result<Setting, LatencyError> {
    if table.contains('/') {
        return table.parse();
    }
    let query = SettingQuery {
        device: table.to_owned(),
        batch_size: Some(batch_size),
        precision: Some(Precision::Fp32),
        ..SettingQuery::default()
    };
    resolve(store, &query)
}
