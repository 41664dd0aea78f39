//! Networks that are named on the command line: measured as a whole, or operator by operator.

use std::path::Path;

use anyhow::Context;
use serde_json::json;
use zen_nas::cli::{self, Exit, ImportArgs, LoweringArgs, OutputArgs, Progress, SessionProgress};
use zen_nas::latency::Store;
use zen_nas::net::Network;
use zen_nas::onnx::NetworkParts;
use zen_nas::onnx::import::{Runnable, runnable};
use zen_nas::profile::{
    DriftOptions, GivenNetwork, GivenOptions, ProfileError, Runner, Target, Verification, profile_given, verify,
};

use crate::args::{MeasureArgs, VerifyArgs};

/// How given networks are read.
struct ReadOptions<'a> {
    lowering: &'a LoweringArgs,
    import: ImportArgs,
    batch_size: u32,
    output: &'a OutputArgs,
}

/// Reads structures, files of structures and ONNX files.
fn read(arguments: &[String], options: &ReadOptions) -> anyhow::Result<Vec<GivenNetwork>> {
    let lower = options.lowering.options();
    let mut networks = Vec::new();
    for argument in arguments {
        if cli::is_onnx(argument) {
            networks.push(read_file(argument, options)?);
            continue;
        }
        for structure in cli::read_structures(argument)? {
            let network = Network::parse(&structure.text).with_context(|| structure.origin.clone())?;
            let graph = network.lower(&lower).with_context(|| structure.origin.clone())?;
            networks.push(GivenNetwork::Structure { network, graph, lower });
        }
    }
    Ok(networks)
}

fn read_file(file: &str, options: &ReadOptions) -> anyhow::Result<GivenNetwork> {
    let Runnable { imported, model, operator_names } =
        runnable(Path::new(file), &options.import.options(options.lowering), options.batch_size)?;
    for note in &imported.notes {
        options.output.note(format!("warning: {file}: {note}"));
    }
    let parts = NetworkParts::of_file(&imported.graph, &operator_names);
    Ok(GivenNetwork::File { file: file.to_owned(), graph: imported.graph, model, parts })
}

/// Measures whole networks.
pub fn verify_networks(args: &VerifyArgs) -> anyhow::Result<Exit> {
    let VerifyArgs { networks, device, runtime, lowering, import, batch_size, database, output } = args;
    let options = ReadOptions { lowering, import: *import, batch_size: *batch_size, output };
    let networks = read(networks, &options)?;
    let mut store = cli::open_store(database)?;
    let mut runner = runtime.open(&store, device, output)?;
    cli::interrupted();
    let found = measure_whole(&mut store, runner.as_mut(), &networks, *batch_size, output)?;
    if output.json {
        cli::print(&serde_json::to_string_pretty(&found)?);
    } else {
        cli::print(&cli::describe_verification(&found));
    }
    Ok(cli::verification_exit(&found))
}

fn measure_whole(
    store: &mut Store,
    runner: &mut dyn Runner,
    networks: &[GivenNetwork],
    batch_size: u32,
    output: &OutputArgs,
) -> Result<Verification, ProfileError> {
    let mut progress = Progress::new("verify", networks.len() as u64, output.quiet);
    let mut done = 0;
    let found = verify(store, runner, networks, batch_size, &cli::interrupted, &mut |network| {
        done += 1;
        progress.set(done, || format!("{:.3} ms", network.measured_ms));
    })?;
    progress.finish();
    Ok(found)
}

/// Measures the operators of ONNX files, then each file as a whole, beside its prediction.
pub fn measure_for(device: &str, args: &MeasureArgs) -> anyhow::Result<Exit> {
    let MeasureArgs { lowering, import, batch_size, output, .. } = args;
    let options = ReadOptions { lowering, import: *import, batch_size: *batch_size, output };
    let networks = args.files.iter().map(|file| read_file(file, &options)).collect::<Result<Vec<_>, _>>()?;
    let mut store = cli::open_store(&args.database)?;
    let mut runner = args.runtime.open(&store, device, output)?;
    let given = GivenOptions {
        batch_size: *batch_size,
        fresh: args.fresh,
        time_limit: args.minutes,
        seed: args.seed,
        operator_target: Target::operator(),
        network_target: Target::network(),
        drift: Some(DriftOptions::default()),
    };
    let mut progress = SessionProgress::new(output.quiet);
    cli::interrupted();
    let outcome = profile_given(&mut store, runner.as_mut(), &networks, &given, &cli::interrupted, &mut |event| {
        progress.show(event);
    })?;
    progress.finish();
    let found = match cli::interrupted() {
        true => None,
        false => Some(measure_whole(&mut store, runner.as_mut(), &networks, *batch_size, output)?),
    };
    if output.json {
        cli::print(&serde_json::to_string_pretty(&json!({ "operators": outcome, "whole": found }))?);
    } else {
        cli::print(&cli::describe_given(&outcome, &store));
        if let Some(found) = &found {
            cli::print(&format!("\n{}", cli::describe_verification(found)));
        }
    }
    Ok(match (cli::profile_exit(&outcome), &found) {
        (Exit::Done, Some(found)) => cli::verification_exit(found),
        (exit, _) => exit,
    })
}
