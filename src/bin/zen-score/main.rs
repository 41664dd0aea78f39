//! `zen-score`: scores, costs and predicted latency of given networks, how scores agree, and whether limits hold.

mod args;
mod files;
mod judge;
mod output;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, error::ErrorKind};
use zen_nas::cli::{self, Exit, OpenTable, Progress, Trial};
use zen_nas::latency::{LatencyError, Predictor, SettingQuery};
use zen_nas::net::{Graph, Header};
use zen_nas::profile::ProfileError;
use zen_nas::report::scores::{Step, Subject, Work};
use zen_nas::score::{Proxy, compare, find};

use self::args::Args;
use self::judge::Asked;

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
    let proxies = proxies(args)?;
    let (files, structures): (Vec<_>, Vec<_>) = args.structures.iter().partition(|argument| cli::is_model(argument));
    let limits = &args.gates.limits;
    or_usage(limits.check(files.first().map(|file| file.as_str())), ErrorKind::ArgumentConflict);
    let judge = args.gates.are_given().then(|| cli::Judge::new(&args.gates, &args.setting)).transpose()?;
    let (subjects, headers) = read(args, &structures)?;
    let named = args.setting.queries();
    let on_device = if named.is_empty() { implied(args, &headers)? } else { named.clone() };
    let queries = or_usage(limits.queries(&args.setting, &on_device), ErrorKind::MissingRequiredArgument);
    let is_implied = named.is_empty() && !limits.need_tables();
    if args.explain && queries.is_empty() {
        let message = "--explain needs --device, or a run or file that names its device";
        Args::command().error(ErrorKind::MissingRequiredArgument, message).exit();
    }
    if let ([_, _, ..], Some(option)) =
        (&queries[..], [(args.explain, "--explain"), (args.compare, "--compare")].iter().find(|(given, _)| *given))
    {
        let message = format!("{} works with one --device, not with several", option.1);
        Args::command().error(ErrorKind::ArgumentConflict, message).exit();
    }
    let trial = Trial::new(&args.database, &args.output, args.check);
    let found = open_tables(args, &queries, is_implied, &subjects, &trial)?;
    let Found { opened, asked, answers, failed: without_table } = found;
    if !without_table.is_empty() && opened.is_empty() {
        return Ok(Exit::BadInput);
    }
    let predictors: Vec<&Predictor> = opened.iter().map(|table| &*table.predictor).collect();
    let several = named.len() > 1 || asked.len() > 1;
    let work = Work { proxies: &proxies, sampling: args.sampling()?, predictor: None, compared: &[] }
        .with(&predictors, several);
    let mut progress = Progress::shares("score", args.output.quiet);
    let mut messages = without_table;
    let board = work.run(&subjects, &cli::interrupted, &mut |step| match step {
        Step::Missing(subject, missing) => {
            let message = format!("{}{missing}", subject.prefix());
            eprintln!("error: {message}");
            messages.push(message);
        }
        Step::Progress { share, proxy, evaluation, network } => progress.set_share(share, || {
            let (mean, draws) = (cli::with_error(&evaluation), evaluation.draws);
            format!("network {network} of {}: {proxy} {mean} after {draws} draws", subjects.len())
        }),
    });
    progress.finish();
    let files = files::look_at(args, &files, (&asked, &opened), &trial, &work)?;
    messages.extend(files.missing.iter().cloned());
    let is_complete = messages.is_empty();
    let verdict = match judge.filter(|_| !board.interrupted) {
        Some(judge) => {
            let asked = Asked { on_device: &on_device, answers: &answers, opened: &opened };
            Some(judge::judge(judge, (&subjects, &board), &files, &asked, messages)?)
        }
        None => None,
    };
    if let (Some(path), Some(verdict)) = (&args.gates.junit, &verdict) {
        judge::write_junit(path, verdict)?;
    }
    output::print(args, &board, &files, &proxies, (&opened, several), verdict.as_ref())?;
    if board.interrupted {
        let done = board.networks.len();
        args.output.note(format!("interrupted: {done} of {} networks are done", subjects.len()));
        return Ok(Exit::Interrupted);
    }
    if let Some(verdict) = verdict.filter(|verdict| verdict.broken().next().is_some()) {
        eprintln!("error: {}", verdict.headline());
        return Ok(Exit::LimitBroken);
    }
    let nothing = board.networks.iter().all(|network| network.scores.iter().all(|(_, score)| score.is_none()));
    Ok(match is_complete {
        true => Exit::Done,
        false if nothing && files.networks.is_empty() => Exit::BadInput,
        false => Exit::Partial,
    })
}

/// What an option comes to, or the end with a message on how to write it.
fn or_usage<T>(result: Result<T, String>, kind: ErrorKind) -> T {
    result.unwrap_or_else(|message| Args::command().error(kind, message).exit())
}

/// What was asked for, each once, in the order given.
fn proxies(args: &Args) -> anyhow::Result<Vec<&'static dyn Proxy>> {
    let mut proxies = match (&args.proxy[..], args.compare) {
        ([], true) => compare::default_proxies(),
        ([], false) => vec![find("zen-closed")?],
        (names, _) => names.iter().map(|name| find(name)).collect::<Result<Vec<_>, _>>()?,
    };
    let mut known = Vec::new();
    proxies.retain(|proxy| {
        !known.contains(&proxy.name()) && {
            known.push(proxy.name());
            true
        }
    });
    Ok(proxies)
}

/// Latency tables, each of another setting.
struct Found {
    opened: Vec<OpenTable>,
    /// What each was asked for by.
    asked: Vec<SettingQuery>,
    /// Every query that has a table, with its place.
    answers: Vec<(SettingQuery, usize)>,
    /// Messages on those that have none.
    failed: Vec<String>,
}

fn open_tables(
    args: &Args,
    queries: &[SettingQuery],
    is_implied: bool,
    subjects: &[Subject],
    trial: &Trial<'_>,
) -> anyhow::Result<Found> {
    let graphs: Vec<Graph> = subjects.iter().filter_map(|subject| subject.graph().ok()).take(ASKED).collect();
    let graphs: Vec<&Graph> = graphs.iter().collect();
    let mut found = Found { opened: Vec::new(), asked: Vec::new(), answers: Vec::new(), failed: Vec::new() };
    for query in queries {
        match cli::open_table(Some(query), &graphs, trial) {
            Ok(Some(table)) => {
                let is_it = |known: &OpenTable| known.predictor.setting() == table.predictor.setting();
                let place = found.opened.iter().position(is_it).unwrap_or(found.opened.len());
                found.answers.push((query.clone(), place));
                if place == found.opened.len() {
                    found.opened.push(table);
                    found.asked.push(query.clone());
                }
            }
            Ok(None) => {}
            // Nobody asked for it by an option.
            Err(error) if is_implied && !matches!(error, ProfileError::Interrupted) => {
                args.output.note(format!("note: no latency: {error}"));
            }
            // One device without such a table does not hide the others.
            Err(ProfileError::Latency(error @ LatencyError::NoTable { .. })) if queries.len() > 1 => {
                eprintln!("error: {error}");
                found.failed.push(error.to_string());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
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
