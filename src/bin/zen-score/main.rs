//! `zen-score`: scores, costs and predicted latency of given networks, and how scores agree.

mod args;
mod files;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use serde_json::{Value, json};
use zen_nas::cli::{self, Exit, OpenTable, Progress, Trial};
use zen_nas::latency::{LatencyError, Prediction, Predictor, SettingQuery};
use zen_nas::net::{Graph, Header};
use zen_nas::profile::ProfileError;
use zen_nas::report::scores::{Board, Step, Subject, Work, compared, compared_names};
use zen_nas::report::scores::{comparison_to_csv, networks_to_csv};
use zen_nas::score::{Proxy, compare, find};

use self::args::Args;
use self::files::Files;

/// Structures that the choice of a table asks about.
const ASKED: usize = 50;

fn main() -> ExitCode {
    let args = Args::parse();
    if args.completions.print::<Args>() {
        return Exit::Done.into();
    }
    cli::finish(score(&args))
}

fn score(args: &Args) -> anyhow::Result<Exit> {
    cli::interrupted();
    let mut proxies = match (&args.proxy[..], args.compare) {
        ([], true) => compare::default_proxies(),
        ([], false) => vec![find("zen-closed")?],
        (names, _) => names.iter().map(|name| find(name)).collect::<Result<Vec<_>, _>>()?,
    };
    // Each once, in the order given.
    let mut known = Vec::new();
    proxies.retain(|proxy| {
        !known.contains(&proxy.name()) && {
            known.push(proxy.name());
            true
        }
    });
    let (files, structures): (Vec<_>, Vec<_>) = args.structures.iter().partition(|argument| cli::is_onnx(argument));
    let (subjects, headers) = read(args, &structures)?;
    let asked_for = args.setting.queries();
    let is_implied = asked_for.is_empty();
    let queries = if is_implied { implied(args, &headers)? } else { asked_for };
    if args.explain && queries.is_empty() {
        let message = "--explain needs --device, or a run or file that names its device";
        Args::command().error(clap::error::ErrorKind::MissingRequiredArgument, message).exit();
    }
    if let ([_, _, ..], Some(option)) =
        (&queries[..], [(args.explain, "--explain"), (args.compare, "--compare")].iter().find(|(given, _)| *given))
    {
        let message = format!("{} works with one --device, not with several", option.1);
        Args::command().error(clap::error::ErrorKind::ArgumentConflict, message).exit();
    }
    let trial = Trial::new(&args.database, &args.output, args.check);
    let asked: Vec<Graph> = subjects.iter().filter_map(|subject| subject.graph().ok()).take(ASKED).collect();
    let asked: Vec<&Graph> = asked.iter().collect();
    let (mut found, mut opened) = (Vec::with_capacity(queries.len()), Vec::with_capacity(queries.len()));
    for query in &queries {
        match cli::open_table(Some(query), &asked, &trial) {
            Ok(table) => {
                opened.extend(table);
                found.push(query.clone());
            }
            // Nobody asked for it by an option.
            Err(error) if is_implied && !matches!(error, ProfileError::Interrupted) => {
                args.output.note(format!("note: no latency: {error}"));
            }
            // One device without such a table does not hide the others.
            Err(ProfileError::Latency(error @ LatencyError::NoTable { .. })) if queries.len() > 1 => {
                eprintln!("error: {error}");
            }
            Err(error) => return Err(error.into()),
        }
    }
    let without_table = if is_implied { 0 } else { queries.len() - found.len() };
    if without_table > 0 && found.is_empty() {
        return Ok(Exit::BadInput);
    }
    let predictors: Vec<&Predictor> = opened.iter().map(|table| &table.predictor).collect();
    let work = Work { proxies: &proxies, sampling: args.sampling()?, predictor: None, compared: &[] }
        .with(&predictors, queries.len() > 1);
    let mut progress = Progress::shares("score", args.output.quiet);
    let board = work.run(&subjects, &cli::interrupted, &mut |step| match step {
        Step::Missing(subject, missing) => eprintln!("error: {}{missing}", subject.prefix()),
        Step::Progress { share, proxy, evaluation, network } => progress.set_share(share, || {
            let (mean, draws) = (cli::with_error(&evaluation), evaluation.draws);
            format!("network {network} of {}: {proxy} {mean} after {draws} draws", subjects.len())
        }),
    });
    progress.finish();
    let files = files::look_at(args, &files, (&found, &opened), &trial, &work)?;
    print(args, &board, &files, &proxies, &opened)?;
    if board.interrupted {
        let done = board.networks.len();
        args.output.note(format!("interrupted: {done} of {} networks are done", subjects.len()));
        return Ok(Exit::Interrupted);
    }
    let nothing = board.networks.iter().all(|network| network.scores.iter().all(|(_, score)| score.is_none()));
    Ok(match board.missing + files.missing + without_table {
        0 => Exit::Done,
        _ if nothing && files.networks.is_empty() => Exit::BadInput,
        _ => Exit::Partial,
    })
}

/// What files say of their networks, by origin.
type Headers = Vec<(String, Header)>;

/// All networks that were named as structures, and what their files say of them.
fn read(args: &Args, arguments: &[&String]) -> anyhow::Result<(Vec<Subject>, Headers)> {
    let (mut subjects, mut headers) = (Vec::new(), Vec::new());
    for argument in arguments {
        let networks = cli::read_networks(argument, &args.lowering, args.accuracy_column.as_deref())?;
        if !networks.instead_of_options.is_empty() {
            let columns = networks.instead_of_options.join(", ");
            args.output.note(format!("note: {argument} says {columns} for each network; options do not change it"));
        }
        if let (true, Some(column)) = (args.compare, &networks.accuracy_column) {
            args.output.note(format!("note: accuracies are from the column {column} of {argument}"));
        }
        subjects.extend(networks.subjects);
        headers.extend(networks.headers);
    }
    subjects.iter_mut().for_each(|subject| subject.options.residual &= !args.no_residual);
    args.lowering.tell(headers.iter().map(|(origin, header)| (origin.as_str(), header)), &args.output);
    Ok((subjects, headers))
}

/// The latency table that runs and files name, where no option names one.
fn implied(args: &Args, headers: &[(String, Header)]) -> anyhow::Result<Vec<SettingQuery>> {
    let mut queries: Vec<SettingQuery> = Vec::new();
    for (_, header) in headers {
        if let Some(query) = cli::query_of(header)?.filter(|query| !queries.contains(query)) {
            queries.push(query);
        }
    }
    if let [_, _, ..] = &queries[..] {
        let mut devices: Vec<&str> = queries.iter().map(|query| query.device.as_str()).collect();
        devices.dedup();
        let devices = devices.join(",");
        args.output
            .note(format!("note: no latency: the networks are for different settings; name them: --device {devices}"));
        return Ok(Vec::new());
    }
    Ok(queries)
}

fn print(
    args: &Args,
    board: &Board,
    files: &Files,
    proxies: &[&dyn Proxy],
    opened: &[OpenTable],
) -> anyhow::Result<()> {
    let (networks, foreign) = (&board.networks, files.networks());
    let names: Vec<_> = proxies.iter().map(|proxy| proxy.name()).collect();
    let comparison = args.compare.then(|| {
        let names = compared_names(networks, &names);
        (compare::compare(&names, &compared(networks, &names)), names)
    });
    let several = args.setting.queries().len() > 1;
    if args.output.json {
        let mut all = Vec::with_capacity(networks.len() + foreign.len());
        for network in networks {
            let tables: Vec<_> = opened.iter().collect();
            all.push(with_choice(serde_json::to_value(network)?, (several, &network.latencies), &tables)?);
        }
        for file in &files.networks {
            let network = &file.network;
            all.push(with_choice(serde_json::to_value(network)?, (several, &network.latencies), &file.tables(opened))?);
        }
        let value = match &comparison {
            Some((groups, _)) => json!({ "networks": all, "comparison": groups }),
            None => json!(all),
        };
        cli::print(&serde_json::to_string_pretty(&value)?);
        return Ok(());
    }
    if args.csv {
        match comparison {
            Some((groups, _)) => cli::print(&comparison_to_csv(&groups)),
            None if networks.is_empty() && foreign.is_empty() => {}
            None => cli::print(&networks_to_csv(networks, &foreign, &names)),
        }
        return Ok(());
    }
    if several {
        cli::print(&cli::describe_on_devices(networks, &foreign));
        return Ok(());
    }
    let opened = opened.first();
    let mut parts = match (comparison, &networks[..]) {
        (_, []) => Vec::new(),
        (Some((groups, names)), _) => {
            vec![cli::score_table(networks, opened), cli::describe_comparison(&groups, &names)]
        }
        (None, [network]) => vec![cli::describe_scored(network, opened, args.explain)],
        (None, _) => vec![cli::score_table(networks, opened)],
    };
    match &files.networks[..] {
        [] => {}
        [file] => {
            let table = opened.and_then(|opened| file.tables(std::slice::from_ref(opened)).pop());
            parts.push(cli::describe_foreign(&file.network, table, args.explain));
        }
        _ => parts.push(cli::foreign_table(&foreign)),
    }
    if !parts.is_empty() {
        cli::print(&parts.join("\n\n"));
    }
    Ok(())
}

/// A network's JSON with the table that its latency is predicted from, and why that setting and that table; where
/// several devices are named, a list of latencies instead of one.
fn with_choice(
    mut network: Value,
    (several, latencies): (bool, &[Prediction]),
    tables: &[&OpenTable],
) -> serde_json::Result<Value> {
    if let (Value::Object(fields), true) = (&mut network, several) {
        fields.remove("latency");
        fields.remove("gaps");
        fields.insert("latencies".to_owned(), cli::compared_json(latencies, tables)?);
    } else if let [table] = tables {
        network["setting_choice"] = serde_json::to_value(&table.choice)?;
        network["table"] = serde_json::to_value(&table.quality.table)?;
        network["table_choice"] = serde_json::to_value(&table.quality.decision)?;
    }
    Ok(network)
}
