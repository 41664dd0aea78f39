//! The command line of `zen-tables`: what can be asked, and the help that teaches it.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use zen_nas::cli::{self, OutputArgs, count};

use crate::evaluate::DRAWS;

/// Makes the built-in latency tables from the files they come from, and says how good they are.
///
/// For maintainers: FOLDER holds third-party files that are not in the repository;
/// latency_tables/README.md names them.
#[derive(Parser)]
#[command(name = "zen-tables", version, after_help = examples(),
    after_long_help = format!("{}\n\n{}", examples(), cli::exit_help()))]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Make the tables that come from third-party files; the same files give the same bytes
    ///
    /// Also writes published.csv, the published networks that `published` compares with. The tables of
    /// processors are not made here: they are measured with zen-profile.
    Derive {
        /// Folder of the third-party files
        #[arg(value_name = "FOLDER")]
        raw: PathBuf,
        /// Folder to write the tables to, made if it is missing
        #[arg(long, short, value_name = "DIR")]
        out: PathBuf,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Check the predictor on networks and operators that others measured
    ///
    /// Whole networks are predicted by a composition fitted on ten of them, drawn at random; operators are
    /// predicted from a table that lacks them.
    Evaluate {
        /// Folder of the third-party files
        #[arg(value_name = "FOLDER")]
        raw: PathBuf,
        /// Measured networks [default: help/ofa/v100_networks.csv in that folder]
        #[arg(long, value_name = "FILE")]
        networks: Option<PathBuf>,
        /// Draws of the ten networks that calibrate
        #[arg(long, value_name = "N", default_value_t = DRAWS, value_parser = count, allow_negative_numbers = true)]
        draws: u32,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Show how the error of networks falls with the number of rows in a table
    Curve {
        /// Folder of the third-party files
        #[arg(value_name = "FOLDER")]
        raw: PathBuf,
        /// Measured networks [default: help/ofa/v100_networks.csv in that folder]
        #[arg(long, value_name = "FILE")]
        networks: Option<PathBuf>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Check the built-in tables against whole networks that others timed
    ///
    /// Each network is predicted by a fit that has not seen it; the fits are made anew from the files.
    Check {
        /// Folder of the third-party files
        #[arg(value_name = "FOLDER")]
        raw: PathBuf,
        /// Instead of printing: replace the check in this Markdown file, between its markers
        #[arg(long, value_name = "FILE")]
        update: Option<PathBuf>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Predict the published networks with the built-in tables, beside the published figures
    Published {
        /// Instead of printing: replace the comparison and the list of built-in tables in this Markdown file,
        /// between their markers
        #[arg(long, value_name = "FILE")]
        update: Option<PathBuf>,
    },
    /// List the devices with a built-in table, their settings and errors, as the README has them
    Devices {
        /// Instead of printing: replace the list in this Markdown file, between its markers
        #[arg(long, value_name = "FILE")]
        update: Option<PathBuf>,
    },
}

fn examples() -> &'static str {
    "Examples:
  zen-tables derive FOLDER -o latency_tables
  zen-tables published --update latency_tables/README.md
  zen-tables devices --update README.md
  zen-tables check FOLDER --update docs/performance.md
  zen-tables evaluate FOLDER
  zen-tables curve FOLDER --json"
}
