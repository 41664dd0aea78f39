//! Networks that are named on the command line: measured as a whole, or operator by operator.

use std::path::Path;

use anyhow::Context;
use zen_nas::cli::json::GivenJson;
use zen_nas::cli::{
    self, Exit, ImportArgs, InputError, LoweringArgs, NamedStructure, OutputArgs, Progress, SessionProgress,
};
use zen_nas::latency::{SettingQuery, Store};
use zen_nas::net::Network;
use zen_nas::onnx::NetworkParts;
use zen_nas::onnx::import::{Runnable, runnable};
use zen_nas::profile::{
    DriftOptions, GivenNetwork, GivenOptions, ProfileError, RUNNERS, Runner, Target, Verification, profile_given,
    verify,
};

use crate::args::{MeasureArgs, VerifyArgs};

/// How given networks are read.
struct ReadOptions<'a> {
    lowering: &'a LoweringArgs,
    import: ImportArgs,
    batch_size: u32,
    output: &'a OutputArgs,
}

/// Structures among the arguments, each in its place; none in that of an ONNX file.
type Structures = Vec<Option<Vec<NamedStructure>>>;

fn read_structures(arguments: &[String]) -> Result<Structures, InputError> {
    let read = |argument: &String| (!cli::is_model(argument)).then(|| cli::read_structures(argument)).transpose();
    arguments.iter().map(read).collect()
}

/// The setting that runs and files name, where they name one; says where they disagree.
fn implied(structures: &Structures, output: &OutputArgs) -> anyhow::Result<Option<SettingQuery>> {
    let mut queries: Vec<SettingQuery> = Vec::new();
    for structure in structures.iter().flatten().flatten() {
        queries.extend(cli::query_of(&structure.header)?.filter(|query| !queries.contains(query)));
    }
    if queries.len() > 1 {
        output.note("note: the networks are for different settings; --device says where they are measured");
        return Ok(None);
    }
    Ok(queries.pop())
}

/// Structures as they are lowered, and ONNX files, in the order of the arguments.
fn lowered(arguments: &[String], structures: Structures, options: &ReadOptions) -> anyhow::Result<Vec<GivenNetwork>> {
    let headers = structures.iter().flatten().flatten();
    let headers = headers.map(|structure| (structure.origin.as_str(), &structure.header));
    options.lowering.tell(headers, options.output);
    let mut networks = Vec::new();
    for (argument, structures) in arguments.iter().zip(structures) {
        let Some(structures) = structures else {
            networks.push(read_file(argument, options)?);
            continue;
        };
        for NamedStructure { origin, text, header } in structures {
            let lower = options.lowering.options_for(&header);
            let network = Network::parse(&text).with_context(|| origin.clone())?;
            let graph = network.lower(&lower).with_context(|| origin.clone())?;
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
    let structures = read_structures(networks)?;
    let implied = if device.is_none() { implied(&structures, output)? } else { None };
    let mut runtime = runtime.clone();
    let mut device = device.clone().unwrap_or_else(|| "cpu".to_owned());
    let mut batch_size = *batch_size;
    if let Some(query) = implied {
        // As it was searched for, as far as no option says otherwise.
        output.note(format!(
            "note: measured on {}, for which it was searched (--device cpu: this machine)",
            query.device
        ));
        device = query.device;
        batch_size = batch_size.or(query.batch_size);
        let is_measured = |name: &String| RUNNERS.iter().any(|entry| entry.name == name);
        runtime.runtime = runtime.runtime.or(query.runtime.filter(is_measured));
        runtime.remote.precision = runtime.remote.precision.or(query.precision);
        runtime.remote.runtime_threads =
            runtime.remote.runtime_threads.or(query.threads.filter(|threads| *threads > 0));
    }
    let batch_size = batch_size.unwrap_or(1);
    let options = ReadOptions { lowering, import: *import, batch_size, output };
    let networks = lowered(networks, structures, &options)?;
    let mut store = cli::open_store(database)?;
    let mut runner = runtime.open(&store, &device, output)?;
    cli::interrupted();
    let found = measure_whole(&mut store, runner.as_mut(), &networks, batch_size, output)?;
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
        cli::print(&serde_json::to_string_pretty(&GivenJson { operators: &outcome, whole: found.as_ref() })?);
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
