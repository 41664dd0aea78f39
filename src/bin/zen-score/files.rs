//! The ONNX files among the arguments.

use zen_nas::cli::{self, OpenTable, Trial};
use zen_nas::latency::{Precision, Predictor, SettingQuery};
use zen_nas::net::Graph;
use zen_nas::onnx::import::{Imported, import_with};
use zen_nas::report::scores::{ForeignNetwork, Work};

use super::args::Args;

/// What came of the files.
#[derive(Default)]
pub struct Files {
    /// Those that could be read, in the order given.
    pub networks: Vec<File>,
    /// Messages on files, or scores asked for by name, that are missing.
    pub missing: Vec<String>,
}

/// A file's network.
pub struct File {
    pub network: ForeignNetwork,
    pub graph: Graph,
    /// For each device the table it was predicted from, where that is its own and not the one for all.
    tables: Vec<Option<OpenTable>>,
}

impl File {
    /// The tables that it was predicted from, given those for all.
    pub fn tables<'t>(&'t self, for_all: &'t [OpenTable]) -> Vec<&'t OpenTable> {
        for_all.iter().zip(&self.tables).map(|(for_all, own)| own.as_ref().unwrap_or(for_all)).collect()
    }
}

impl Files {
    pub fn networks(&self) -> Vec<ForeignNetwork> {
        self.networks.iter().map(|file| file.network.clone()).collect()
    }
}

/// Reads and looks at every file; one that cannot be read does not stop the others. There is a table for each query.
pub fn look_at(
    args: &Args,
    paths: &[&String],
    (queries, for_all): (&[SettingQuery], &[OpenTable]),
    trial: &Trial<'_>,
    work: &Work<'_>,
) -> anyhow::Result<Files> {
    let mut files = Files::default();
    for path in paths {
        let imported = match import_with(path.as_ref(), &args.import.options(&args.lowering)) {
            Ok(imported) => imported,
            Err(error) => {
                files.missing.push(error.to_string());
                eprintln!("error: {error}");
                continue;
            }
        };
        warn(args, path, &imported, for_all);
        let mut tables = Vec::with_capacity(queries.len());
        for (query, for_all) in queries.iter().zip(for_all) {
            // Another table than that of the structures may be the better one for it.
            let own = cli::open_table_of(query, &imported.graph, trial)?;
            tables.push(Some(own).filter(|own| own.quality.decision != for_all.quality.decision));
        }
        let own = for_all.iter().zip(&tables).map(|(for_all, own)| &*own.as_ref().unwrap_or(for_all).predictor);
        let predictors: Vec<&Predictor> = own.collect();
        let work = work.with(&predictors, !work.compared.is_empty());
        let missing = &mut files.missing;
        let network = work.foreign(path, &imported, &mut |error| {
            // Nobody asked for the score that is printed without being named.
            if !args.proxy.is_empty() {
                missing.push(format!("{path}: no score by {error}"));
                eprintln!("error: {path}: no score by {error}");
            }
        });
        files.networks.push(File { network, graph: imported.graph, tables });
    }
    if args.compare && !files.networks.is_empty() {
        args.output.note("note: ONNX files are not compared: scores are defined for structures");
    }
    Ok(files)
}

/// Says what a file's figures leave out.
fn warn(args: &Args, path: &str, imported: &Imported, tables: &[OpenTable]) {
    for note in &imported.notes {
        args.output.note(format!("warning: {path}: {note}"));
    }
    for setting in tables.iter().map(|table| table.predictor.setting()) {
        if let Some(fixed) = imported.batch_size.filter(|fixed| *fixed != u64::from(setting.batch_size)) {
            args.output.note(format!(
                "warning: {path}: the file runs on {fixed} images at a time, the prediction for {} is for {} \
                 (--batch-size)",
                setting.device, setting.batch_size
            ));
        }
        if imported.is_quantised && setting.precision != Precision::Int8 {
            args.output.note(format!(
                "warning: {path}: the file computes in int8, the prediction for {} is for {} (--precision int8, where \
                 the device has such a table)",
                setting.device, setting.precision
            ));
        }
    }
}
