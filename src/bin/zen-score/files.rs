//! The ONNX files among the arguments.

use zen_nas::cli::{self, OpenTable};
use zen_nas::latency::Precision;
use zen_nas::onnx::import::{Imported, import_with};
use zen_nas::report::scores::{ForeignNetwork, Work};

use super::args::Args;

/// What came of the files.
#[derive(Default)]
pub struct Files {
    /// Those that could be read, in the order given.
    pub networks: Vec<File>,
    /// Files, or scores asked for by name, that are missing.
    pub missing: usize,
}

/// A file's network.
pub struct File {
    pub network: ForeignNetwork,
    /// The table it was predicted from, where that is its own and not the one for all.
    pub table: Option<OpenTable>,
}

impl Files {
    pub fn networks(&self) -> Vec<ForeignNetwork> {
        self.networks.iter().map(|file| file.network.clone()).collect()
    }
}

/// Reads and looks at every file; one that cannot be read does not stop the others.
pub fn look_at(args: &Args, paths: &[&String], work: &Work<'_>) -> anyhow::Result<Files> {
    let mut files = Files::default();
    let query = args.setting.query();
    for path in paths {
        let imported = match import_with(path.as_ref(), &args.import.options(&args.lowering)) {
            Ok(imported) => imported,
            Err(error) => {
                eprintln!("error: {error}");
                files.missing += 1;
                continue;
            }
        };
        warn(args, path, &imported, work);
        let table = match &query {
            Some(query) => cli::open_table_of(query, &args.database, &imported.graph)?,
            None => None,
        };
        let work = Work { predictor: table.as_ref().map(|table| &table.predictor).or(work.predictor), ..*work };
        let mut missing = 0;
        let network = work.foreign(path, &imported, &mut |error| {
            // Nobody asked for the score that is printed without being named.
            if !args.proxy.is_empty() {
                eprintln!("error: {path}: no score by {error}");
                missing += 1;
            }
        });
        files.missing += missing;
        files.networks.push(File { network, table });
    }
    if args.compare && !files.networks.is_empty() {
        args.output.note("note: ONNX files are not compared: scores are defined for structures");
    }
    Ok(files)
}

/// Says what a file's figures leave out.
fn warn(args: &Args, path: &str, imported: &Imported, work: &Work<'_>) {
    for note in &imported.notes {
        args.output.note(format!("warning: {path}: {note}"));
    }
    let Some(setting) = work.predictor.map(|predictor| predictor.setting()) else { return };
    if let Some(fixed) = imported.batch_size.filter(|fixed| *fixed != u64::from(setting.batch_size)) {
        args.output.note(format!(
            "warning: {path}: the file runs on {fixed} images at a time, the prediction is for {} (--batch-size)",
            setting.batch_size
        ));
    }
    if imported.is_quantised && setting.precision != Precision::Int8 {
        args.output.note(format!(
            "warning: {path}: the file computes in int8, the prediction is for {} (--precision int8, where the device \
             has such a table)",
            setting.precision
        ));
    }
}
