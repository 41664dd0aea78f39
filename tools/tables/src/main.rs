//! `zen-tables`: makes the built-in latency tables, and judges them. For maintainers; users of the product
//! need neither it nor the files it reads.
//!
//! The rooms: `derive` makes tables from third-party files, `fit` fits settings on whole networks, `evaluate` checks the predictor on what others
//! measured, `check` sets every table against published whole networks, `published` the Zen-NAS publication. Not here: the predictor, the fits and
//! the form of a table, which are the library's.

mod args;
mod check;
mod derive;
mod evaluate;
mod features;
mod fit;
mod markers;
mod published;
mod sheet;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use zen_nas::cli::{self, Exit, OutputArgs, Progress};

use self::args::{Args, Command};

fn main() -> ExitCode {
    cli::finish(match &Args::parse().command {
        Command::Derive { raw, out, output } => derive_tables(raw, out, output),
        Command::Evaluate { raw, networks, draws, output } => {
            print_evaluation(raw, &measured_networks(raw, networks.as_deref()), *draws, output)
        }
        Command::Curve { raw, networks, output } => {
            print_curves(raw, &measured_networks(raw, networks.as_deref()), output)
        }
        Command::Check { raw, update, output } => print_check(raw, update.as_deref(), output),
        Command::Published { update } => print_published(update.as_deref()),
        Command::Devices { update } => print_devices(update.as_deref()),
    })
}

/// The file of measured networks: the one that was asked for, else the one among the third-party files.
fn measured_networks(raw: &Path, asked: Option<&Path>) -> PathBuf {
    asked.map_or_else(|| raw.join(derive::MEASURED_NETWORKS), Path::to_owned)
}

/// Makes the built-in tables from a folder of third-party files.
fn derive_tables(raw: &Path, out: &Path, output: &OutputArgs) -> anyhow::Result<Exit> {
    let mut progress = Progress::new("deriving tables", derive::STEPS, output.quiet);
    let summary = derive::derive_tables(raw, out, |done| progress.set(done, String::new))?;
    progress.finish();
    if output.json {
        cli::print(&serde_json::to_string_pretty(&summary.files)?);
    } else {
        for (setting, rows, line) in summary.tables {
            cli::print(&format!("{setting}: {rows} rows; {line}"));
        }
        for (setting, line) in summary.tried {
            cli::print(&format!("{setting}: {line}"));
        }
    }
    Ok(Exit::Done)
}

fn print_evaluation(raw: &Path, networks: &Path, draws: u32, output: &OutputArgs) -> anyhow::Result<Exit> {
    let mut progress = Progress::new("evaluating", evaluate::STEPS, output.quiet);
    let evaluation = evaluate::evaluate(raw, networks, draws, |done| progress.set(done, String::new))?;
    progress.finish();
    if output.json {
        cli::print(&serde_json::to_string_pretty(&evaluation)?);
    } else {
        cli::print(evaluation.to_text().trim_end());
    }
    Ok(Exit::Done)
}

/// How the error of networks falls with the rows of a table.
fn print_curves(raw: &Path, networks: &Path, output: &OutputArgs) -> anyhow::Result<Exit> {
    let mut progress = Progress::new("curves", derive::STEPS, output.quiet);
    let curves = derive::curves(raw, networks, |done| progress.set(done, String::new))?;
    progress.finish();
    if output.json {
        cli::print(&serde_json::to_string_pretty(&curves)?);
    } else {
        cli::print(derive::curves_to_text(&curves).trim_end());
    }
    Ok(Exit::Done)
}

/// Every built-in setting against published whole networks.
fn print_check(raw: &Path, update: Option<&Path>, output: &OutputArgs) -> anyhow::Result<Exit> {
    let found = check::check(raw)?;
    if let Some(path) = update {
        check::update(path, &found)?;
    }
    if output.json {
        cli::print(&serde_json::to_string_pretty(&found)?);
    } else if update.is_none() {
        cli::print(found.to_text().trim_end());
    }
    Ok(Exit::Done)
}

/// Lines between which the README holds the list of devices.
const DEVICES: (&str, &str) = ("<!-- begin devices -->\n", "<!-- end devices -->");

fn print_devices(update: Option<&Path>) -> anyhow::Result<Exit> {
    let list = cli::devices_markdown()?;
    match update {
        None => cli::print(list.trim_end()),
        Some(path) => markers::update(path, &[(DEVICES, list)])?,
    }
    Ok(Exit::Done)
}

fn print_published(update: Option<&Path>) -> anyhow::Result<Exit> {
    match update {
        None => cli::print(published::report()?.trim_end()),
        Some(path) => published::update(path)?,
    }
    Ok(Exit::Done)
}
