//! What `zen-score` prints: text, JSON, CSV or Markdown.

use zen_nas::cli::json::{NetworkJson, ScoreJson};
use zen_nas::cli::{self, OpenTable, Verdict};
use zen_nas::report::scores::{Board, compared, compared_names, comparison_to_csv, networks_to_csv};
use zen_nas::score::{Proxy, compare};

use super::args::Args;
use super::files::Files;

/// Prints the networks, and what came of holding them to limits.
pub fn print(
    args: &Args,
    board: &Board,
    files: &Files,
    proxies: &[&dyn Proxy],
    (opened, several): (&[OpenTable], bool),
    verdict: Option<&Verdict>,
) -> anyhow::Result<()> {
    let (networks, foreign) = (&board.networks, files.networks());
    let names: Vec<_> = proxies.iter().map(|proxy| proxy.name()).collect();
    let comparison = args.compare.then(|| {
        let names = compared_names(networks, &names);
        (compare::compare(&names, &compared(networks, &names)), names)
    });
    if args.output.json {
        let tables: Vec<_> = opened.iter().collect();
        let structures = networks.iter().map(|network| NetworkJson::of_structure(network, several, &tables));
        let files =
            files.networks.iter().map(|file| NetworkJson::of_file(&file.network, several, &file.tables(opened)));
        let all = structures.chain(files).collect();
        let value = ScoreJson::new(all, comparison.as_ref().map(|(groups, _)| &groups[..]), verdict);
        cli::print(&serde_json::to_string_pretty(&value)?);
        tell_broken(verdict);
        return Ok(());
    }
    if args.markdown {
        cli::print(&cli::to_markdown(networks, &foreign, verdict));
        tell_broken(verdict);
        return Ok(());
    }
    if args.csv {
        match comparison {
            Some((groups, _)) => cli::print(&comparison_to_csv(&groups)),
            None if networks.is_empty() && foreign.is_empty() => {}
            None => cli::print(&networks_to_csv(networks, &foreign, &names)),
        }
        tell_broken(verdict);
        return Ok(());
    }
    let opened = opened.first();
    let mut parts = match (comparison, &networks[..]) {
        _ if several => vec![cli::describe_on_devices(networks, &foreign)],
        (_, []) => Vec::new(),
        (Some((groups, names)), _) => {
            vec![cli::score_table(networks, opened), cli::describe_comparison(&groups, &names)]
        }
        (None, [network]) => vec![cli::describe_scored(network, opened, args.explain)],
        (None, _) => vec![cli::score_table(networks, opened)],
    };
    match &files.networks[..] {
        _ if several => {}
        [] => {}
        [file] => {
            let table = opened.and_then(|opened| file.tables(std::slice::from_ref(opened)).pop());
            parts.push(cli::describe_foreign(&file.network, table, args.explain));
        }
        _ => parts.push(cli::foreign_table(&foreign)),
    }
    parts.extend(verdict.map(Verdict::describe));
    if !parts.is_empty() {
        cli::print(&parts.join("\n\n"));
    }
    Ok(())
}

/// Says on stderr which limits are broken, where stdout is for programs.
fn tell_broken(verdict: Option<&Verdict>) {
    for check in verdict.into_iter().flat_map(Verdict::broken) {
        eprintln!("error: {}: {}", check.network, check.used.text);
    }
}
