//! Options that several binaries have, with one spelling and one meaning.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::number::count;
use super::trial::Trial;
use crate::latency::{
    ChosenTable, LatencyError, Precision, Predictor, Resolved, Setting, SettingChoice, SettingQuery, Store,
    TableChoice, resolve, resolve_noting,
};
use crate::net::Graph;
use crate::profile::ProfileError;
use crate::report::Quality;
use crate::score::{Compute, ComputeError};

/// Which latency table, where it is the subject of the command.
#[derive(Args, Clone, Debug)]
pub struct TableArgs {
    /// A device, or a setting such as t4/tensorrt/int8/b1 (`zen-profile devices` lists them)
    #[arg(value_name = "DEVICE|SETTING")]
    pub table: String,
    /// Runtime of the device's table, e.g. tensorrt, tflite (also litert), ncnn [default: the device's]
    #[arg(long, value_name = "NAME")]
    pub runtime: Option<String>,
    /// Precision of the device's table: fp32, fp16 or int8 [default: the device's]
    #[arg(long, value_name = "NAME")]
    pub precision: Option<Precision>,
    /// Images in one inference call [default: the device's, usually 1]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub batch_size: Option<u32>,
    /// Threads of the runtime, for tables of processors
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub runtime_threads: Option<u32>,
    /// Which table where there are several: local (measured by you), built-in or imported [default: the best one]
    #[arg(long = "table", value_name = "KIND")]
    pub choice: Option<TableChoice>,
}

impl TableArgs {
    /// What is asked for; options beside a setting must agree with it.
    ///
    /// # Errors
    /// When the text has the form of a setting and is none, or an option contradicts it.
    pub fn query(&self) -> Result<SettingQuery, LatencyError> {
        let mut query = SettingQuery {
            device: self.table.clone(),
            runtime: self.runtime.clone(),
            precision: self.precision,
            batch_size: self.batch_size,
            threads: self.runtime_threads,
            preferred_batch_size: None,
            table: self.choice.clone().unwrap_or_default(),
        };
        if self.table.contains('/') {
            let named: Setting = self.table.parse()?;
            if !query.matches(&named) {
                let reason = "an option says otherwise; name the device alone to choose by options".to_owned();
                return Err(LatencyError::BadSetting { text: self.table.clone(), reason });
            }
            query = SettingQuery::exactly(&named, query.table);
        }
        Ok(query)
    }
}

/// Where scores are computed.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct ComputeArgs {
    /// Where exact scores are computed: cpu, or cuda:N for a GPU (in a build with `--features cuda`); other proxies
    /// stay on the processor
    #[arg(long, value_name = "cpu|cuda:N", default_value_t)]
    pub device_compute: Compute,
}

impl ComputeArgs {
    /// The place, once it is known to work.
    ///
    /// # Errors
    /// When the program was built without CUDA, or the GPU does not open.
    pub fn open(self) -> Result<Compute, ComputeError> {
        self.device_compute.check()?;
        Ok(self.device_compute)
    }
}

/// Where results go.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct OutputArgs {
    /// Print the result as JSON on stdout
    #[arg(long)]
    pub json: bool,
    /// No progress and no notes on stderr
    #[arg(long, short)]
    pub quiet: bool,
}

impl OutputArgs {
    /// A note on stderr, unless quiet.
    pub fn note(&self, text: impl AsRef<str>) {
        if !self.quiet {
            eprintln!("{}", text.as_ref());
        }
    }
}

/// Which database.
#[derive(Args, Clone, Debug, Default)]
pub struct DatabaseArgs {
    /// Database of latency tables [default: one per user, or $ZEN_NAS_DB]
    #[arg(long, value_name = "FILE")]
    pub db: Option<PathBuf>,
}

impl DatabaseArgs {
    /// Says where a database was named that is not there: a typing error would go unseen.
    pub fn note_if_missing(&self, output: &OutputArgs) {
        if let Some(path) = self.db.as_ref().filter(|path| !path.exists()) {
            output.note(format!("note: there is no {}: built-in tables are used", path.display()));
        }
    }
}

/// Shell completions.
#[derive(Args, Clone, Debug, Default)]
pub struct CompletionArgs {
    /// Print a completion script for this shell and exit
    #[arg(long, value_name = "SHELL", exclusive = true)]
    pub completions: Option<clap_complete::Shell>,
}

impl CompletionArgs {
    /// Prints the script if one was asked for.
    pub fn print<C: clap::CommandFactory>(&self) -> bool {
        let Some(shell) = self.completions else { return false };
        let mut command = C::command();
        let name = command.get_name().to_owned();
        clap_complete::generate(shell, &mut command, name, &mut std::io::stdout());
        true
    }
}

/// Opens the database that was named, or the user's, for measuring and importing.
///
/// # Errors
/// When it cannot be opened or written; names the file.
pub fn open_store(args: &DatabaseArgs) -> Result<Store, LatencyError> {
    match &args.db {
        Some(path) => Store::open(path),
        None => Store::open(&Store::default_path()?),
    }
}

/// The same for reading alone: neither a file nor a folder that can be written is needed, and nothing is written.
///
/// # Errors
/// When there is a file that cannot be read; names it.
pub fn read_store(args: &DatabaseArgs) -> Result<Store, LatencyError> {
    match &args.db {
        Some(path) => Store::read(path),
        None => match Store::default_path() {
            Ok(path) => Store::read(&path),
            Err(_) => Store::in_memory(),
        },
    }
}

/// A table as it is used, with how good it is.
#[derive(Debug)]
pub struct OpenTable {
    pub predictor: Arc<Predictor>,
    pub quality: Quality,
    /// Why this setting, where the device has others that fit.
    pub choice: Option<SettingChoice>,
}

impl OpenTable {
    /// Of a table that was chosen.
    ///
    /// # Errors
    /// When nothing can be predicted from it.
    pub fn of(chosen: &ChosenTable) -> Result<Self, LatencyError> {
        Ok(Self {
            predictor: Arc::new(Predictor::from_table(&chosen.table)?),
            quality: Quality::of(chosen),
            choice: None,
        })
    }
}

/// The setting that was asked for; says on stderr what was chosen for the user and why.
///
/// # Errors
/// As [`resolve_noting`].
pub fn resolve_telling(store: &Store, query: &SettingQuery, output: &OutputArgs) -> Result<Resolved, LatencyError> {
    let found = resolve_noting(store, query)?;
    found.notes.iter().for_each(|note| output.note(note));
    if let Some(choice) = &found.choice {
        output.note(format!("note: {choice}"));
    }
    Ok(found)
}

/// The table that these networks are predicted from, if a device was named; says on stderr which setting was chosen for
/// the user and why.
///
/// # Errors
/// When the database cannot be opened, no table fits, or the one that fits was refused on this machine.
pub fn open_table(
    query: Option<&SettingQuery>,
    networks: &[&Graph],
    trial: &Trial<'_>,
) -> Result<Option<OpenTable>, ProfileError> {
    let Some(query) = query else { return Ok(None) };
    let store = read_store(trial.database)?;
    let Resolved { setting, choice, .. } = resolve_telling(&store, query, trial.output)?;
    let chosen = trial.choose(&store, &setting, &query.table, networks)?;
    Ok(Some(OpenTable { choice, ..OpenTable::of(&chosen)? }))
}

/// The table that one network is predicted from, without a word about the setting.
///
/// # Errors
/// As [`open_table`].
pub fn open_table_of(query: &SettingQuery, graph: &Graph, trial: &Trial<'_>) -> Result<OpenTable, ProfileError> {
    let store = read_store(trial.database)?;
    let setting = resolve(&store, query)?;
    let chosen = trial.choose(&store, &setting, &query.table, &[graph])?;
    Ok(OpenTable::of(&chosen)?)
}
