//! The sub-commands about tables that exist: list, show, report, export, import, remove, check.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use anyhow::Context;
use zen_nas::cli::{self, DatabaseArgs, Exit, OutputArgs, TableArgs, TableSummary, json::CheckJson};
use zen_nas::files;
use zen_nas::latency::{
    Device, ImportedTable, LatencyError, Setting, Store, Table, TableChoice, import_table_file, user_directory,
};
use zen_nas::profile::RunnerEntry;
use zen_nas::report::{ReportOptions, report as report_of, to_svg};

fn read_store(database: &DatabaseArgs, output: &OutputArgs) -> Result<Store, LatencyError> {
    database.note_if_missing(output);
    cli::read_store(database)
}

pub fn devices(words: &[String], database: &DatabaseArgs, output: &OutputArgs) -> anyhow::Result<Exit> {
    let devices = cli::devices_with(cli::all_devices(&read_store(database, output)?)?, words)?;
    if output.json {
        cli::print(&serde_json::to_string_pretty(&devices)?);
    } else {
        cli::print(&cli::describe_devices(&devices, user_directory().as_deref(), !words.is_empty()));
    }
    Ok(Exit::Done)
}

pub fn list(database: &DatabaseArgs, output: &OutputArgs) -> anyhow::Result<Exit> {
    print_tables(&cli::all_tables(&read_store(database, output)?)?, output, TableSummary::line, "\n")
}

pub fn show(device: &str, database: &DatabaseArgs, output: &OutputArgs) -> anyhow::Result<Exit> {
    print_tables(&cli::tables_of(&read_store(database, output)?, device)?, output, TableSummary::text, "\n\n")
}

pub fn report(
    table: &TableArgs,
    options: &ReportOptions,
    svg: Option<&Path>,
    database: &DatabaseArgs,
    output: &OutputArgs,
) -> anyhow::Result<Exit> {
    let store = read_store(database, output)?;
    let query = table.query()?;
    let setting = cli::resolve_telling(&store, &query, output)?.setting;
    let report = report_of(&store, &setting, &query.table, options)?;
    match (svg, to_svg(&report)) {
        (Some(path), Some(svg)) => {
            files::write(path, svg.as_bytes()).with_context(|| format!("writing {}", path.display()))?;
        }
        (Some(path), None) => output.note(format!("note: {} is not written: no network to draw", path.display())),
        (None, _) => {}
    }
    if output.json {
        cli::print(&serde_json::to_string_pretty(&report)?);
    } else {
        cli::print(&cli::describe_report(&report));
    }
    Ok(Exit::Done)
}

fn print_tables(
    tables: &[TableSummary],
    output: &OutputArgs,
    text: fn(&TableSummary) -> String,
    between: &str,
) -> anyhow::Result<Exit> {
    if output.json {
        cli::print(&serde_json::to_string_pretty(tables)?);
    } else {
        cli::print(&tables.iter().map(text).collect::<Vec<_>>().join(between));
    }
    Ok(Exit::Done)
}

pub fn export(what: &str, out: Option<&Path>, max_rows: Option<u32>, database: &DatabaseArgs) -> anyhow::Result<Exit> {
    let store = read_store(database, &OutputArgs::default())?;
    let tables = cli::tables_of(&store, what)?;
    let [table] = tables.as_slice() else {
        let known: Vec<_> = tables.iter().map(|table| table.setting.id()).collect();
        let available = format!("it has several tables, name one: {}", known.join(", "));
        return Err(LatencyError::NoTable { kind: String::new(), setting: what.to_owned(), available }.into());
    };
    let mut table = store.require_table(&table.setting, &TableChoice::Best)?;
    if let Some(max_rows) = max_rows {
        table = table.thinned(max_rows as usize)?;
    }
    let text = table.to_text();
    match out {
        None => cli::print(text.trim_end()),
        Some(path) => {
            files::write(path, text.as_bytes()).with_context(|| format!("writing {}", path.display()))?;
        }
    }
    Ok(Exit::Done)
}

pub fn import(paths: &[PathBuf], force: bool, database: &DatabaseArgs, output: &OutputArgs) -> anyhow::Result<Exit> {
    let mut store = cli::open_store(database)?;
    let mut imported = Vec::new();
    for path in paths {
        imported.push(import_table_file(&mut store, path, force)?);
    }
    if output.json {
        cli::print(&serde_json::to_string_pretty(&imported)?);
    } else {
        cli::print(&imported.iter().map(cli::describe_import).collect::<Vec<_>>().join("\n"));
    }
    Ok(Exit::Done)
}

pub fn remove(what: &str, all: bool, database: &DatabaseArgs, output: &OutputArgs) -> anyhow::Result<Exit> {
    let mut store = cli::open_store(database)?;
    let known = store.imported_tables()?;
    let meant: Vec<ImportedTable> = known.iter().filter(|table| table.is_called(what)).cloned().collect();
    let names = |tables: &[ImportedTable]| tables.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  ");
    if meant.is_empty() {
        let known =
            if known.is_empty() { "there is none".to_owned() } else { format!("there are\n  {}", names(&known)) };
        return Err(LatencyError::NoImported { what: what.to_owned(), known }.into());
    }
    if meant.len() > 1 && !all {
        return Err(LatencyError::SeveralImported { what: what.to_owned(), found: names(&meant) }.into());
    }
    for table in &meant {
        store.remove_imported(&table.setting, &table.from)?;
    }
    if output.json {
        cli::print(&serde_json::to_string_pretty(&meant)?);
    } else {
        cli::print(&meant.iter().map(|table| format!("removed {table}")).collect::<Vec<_>>().join("\n"));
    }
    Ok(Exit::Done)
}

pub fn check(
    device: &str,
    runtime: Option<&str>,
    python: Option<String>,
    database: &DatabaseArgs,
    output: &OutputArgs,
) -> anyhow::Result<Exit> {
    cli::interrupted();
    let store = read_store(database, output)?;
    let here = Device::find("cpu")?;
    let name = if device == here.name { here.table_name() } else { device.to_owned() };
    let runtime = RunnerEntry::find(runtime.unwrap_or(&here.default_setting.runtime))?.name;
    let setting = Setting { device: name, runtime: runtime.to_owned(), ..here.default_setting };
    let table = table_to_try(&store, &setting)?;
    let found = cli::try_table(&store, &table, python, output)?;
    drop(store);
    let kept = cli::keep(database, &found.check, output);
    if output.json {
        let value = CheckJson { found: Cow::Borrowed(&found), stored: kept };
        cli::print(&serde_json::to_string_pretty(&value)?);
    } else {
        cli::print(&cli::describe_trial(&table, &found));
    }
    Ok(Exit::Done)
}

/// The table of a setting that was not measured here: the built-in one, else the newest imported one.
fn table_to_try(store: &Store, setting: &Setting) -> Result<Table, LatencyError> {
    for choice in [TableChoice::BuiltIn, TableChoice::Imported] {
        if let Some(table) = store.table(setting, &choice)? {
            return Ok(table);
        }
    }
    let on_device = |device: &str| Setting { device: device.to_owned(), ..setting.clone() };
    let others: Vec<String> = store
        .settings()?
        .into_iter()
        .filter(|other| other.device.starts_with("cpu-") && *other == on_device(&other.device) && other != setting)
        .map(|other| other.device)
        .collect();
    let mut available = "measure this machine: zen-profile --device cpu".to_owned();
    if !others.is_empty() {
        available.push_str(&format!("; --device tries another processor's table on it: {}", others.join(", ")));
    }
    Err(LatencyError::NoTable { kind: "built-in or imported ".to_owned(), setting: setting.id(), available })
}
