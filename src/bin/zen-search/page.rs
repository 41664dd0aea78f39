//! The page of a run: written after a search, and anew by `zen-search report`.

use std::path::Path;

use anyhow::Context;
use zen_nas::cli::{self, DatabaseArgs, Exit, OutputArgs, Progress, json::PageJson};
use zen_nas::report::run::{RunReport, html};
use zen_nas::report::scores::Step;
use zen_nas::search::RunDirectory;

use super::tables::Tables;

/// Its name in the run directory.
const FILE: &str = "report.html";

/// What is known of a run, with its latency tables.
fn with_tables(directory: &Path, tables: &Tables) -> anyhow::Result<RunReport> {
    let mut page = RunReport::read(directory)?;
    tables.predictors.iter().zip(&tables.qualities).for_each(|(table, quality)| page.add_table(table, quality));
    Ok(page)
}

/// Writes the page of the search that has just ended.
pub fn write_into(directory: &RunDirectory, tables: &Tables) -> anyhow::Result<()> {
    Ok(directory.write_text(FILE, &html(&with_tables(directory.path(), tables)?))?)
}

/// Writes the page of a run; `proxies` sets other proxies beside the score.
pub fn write(
    directory: &Path,
    proxies: bool,
    threads: usize,
    database: &DatabaseArgs,
    output: &OutputArgs,
) -> anyhow::Result<Exit> {
    let spec = RunDirectory::read_spec(directory)?;
    let tables = Tables::of_run(&cli::read_store(database)?, &spec)?;
    let mut page = with_tables(directory, &tables)?;
    if proxies {
        let mut progress = Progress::shares("other proxies", output.quiet);
        page.add_proxies(threads, &cli::interrupted, &mut |step| match step {
            Step::Missing(subject, missing) => output.note(format!("note: {}{missing}", subject.prefix())),
            Step::Progress { share, proxy, .. } => progress.set_share(share, || proxy.to_owned()),
        });
        progress.finish();
        if cli::interrupted() {
            output.note("interrupted: the page is as it was");
            return Ok(Exit::Interrupted);
        }
    }
    let path = directory.join(FILE);
    zen_nas::files::write(&path, html(&page).as_bytes()).with_context(|| path.display().to_string())?;
    match output.json {
        true => cli::print(&serde_json::to_string(&PageJson { written: path.display().to_string() })?),
        false => cli::print(&format!("written to {}", path.display())),
    }
    Ok(Exit::Done)
}
