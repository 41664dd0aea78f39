//! The sub-commands about tables that exist: list, show, report, export, import.

use std::path::{Path, PathBuf};

use anyhow::Context;
use zen_nas::cli::{self, DatabaseArgs, Exit, OutputArgs, TableArgs, TableSummary};
use zen_nas::files;
use zen_nas::latency::{LatencyError, TableChoice, import_table_file, user_directory};
use zen_nas::report::{ReportOptions, report as report_of, to_svg};

pub fn devices(words: &[String], database: &DatabaseArgs, output: &OutputArgs) -> anyhow::Result<Exit> {
    let devices = cli::devices_with(cli::all_devices(&cli::read_store(database)?)?, words)?;
    if output.json {
        cli::print(&serde_json::to_string_pretty(&devices)?);
    } else {
        cli::print(&cli::describe_devices(&devices, user_directory().as_deref(), !words.is_empty()));
    }
    Ok(Exit::Done)
}

pub fn list(database: &DatabaseArgs, output: &OutputArgs) -> anyhow::Result<Exit> {
    print_tables(&cli::all_tables(&cli::read_store(database)?)?, output, TableSummary::line, "\n")
}

pub fn show(device: &str, database: &DatabaseArgs, output: &OutputArgs) -> anyhow::Result<Exit> {
    print_tables(&cli::tables_of(&cli::read_store(database)?, device)?, output, TableSummary::text, "\n\n")
}

pub fn report(
    table: &TableArgs,
    options: &ReportOptions,
    svg: Option<&Path>,
    database: &DatabaseArgs,
    output: &OutputArgs,
) -> anyhow::Result<Exit> {
    let store = cli::read_store(database)?;
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
    let store = cli::read_store(database)?;
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

pub fn import(paths: &[PathBuf], database: &DatabaseArgs, output: &OutputArgs) -> anyhow::Result<Exit> {
    let mut store = cli::open_store(database)?;
    let mut imported = Vec::new();
    for path in paths {
        imported.push(import_table_file(&mut store, path)?);
    }
    if output.json {
        cli::print(&serde_json::to_string_pretty(&imported)?);
    } else {
        cli::print(&imported.iter().map(cli::describe_import).collect::<Vec<_>>().join("\n"));
    }
    Ok(Exit::Done)
}
