//! The answer of a search: as text, as JSON, and what to do with it next.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use zen_nas::cli::{self, json::SearchJson};
use zen_nas::latency::{Device, Setting, SettingChoice};
use zen_nas::search::{Evolution, Finalist, Lead, RailPrice, RunSpec, Winner};

use super::args::Args;
use super::tables::Tables;

/// Whether the latency was predicted for the machine that this runs on.
pub fn is_this_machine(setting: &Setting) -> bool {
    Device::find("cpu").is_ok_and(|here| here.table_name() == setting.device)
}

/// A line of `--events`.
pub fn event(name: &str, mut value: Value) -> Value {
    value["event"] = name.into();
    value
}

/// Prints a result for programs, as the last event or alone.
pub fn print_json(args: &Args, value: Value) {
    cli::print(&if args.events { event("result", value).to_string() } else { format!("{value:#}") });
}

/// What `--json` prints: `best.json`, with the tables and why they and their settings were chosen.
pub fn result(winner: &Winner, tables: &Tables, choices: &[SettingChoice], directory: &Path) -> anyhow::Result<Value> {
    let tables = tables.json(choices);
    let first = tables.first();
    Ok(serde_json::to_value(SearchJson {
        winner,
        table: first.map(|first| first.table),
        table_choice: first.map(|first| first.table_choice),
        setting_choice: first.and_then(|first| first.setting_choice),
        tables: &tables,
        directory: directory.display().to_string(),
    })?)
}

pub fn report(winner: &Winner, tables: &Tables, directory: &Path, writes_onnx: bool) -> String {
    let mut lines = vec![("structure", winner.structure.clone())];
    lines.extend(score_lines(winner));
    lines.extend(optimum_lines(winner));
    lines.extend(cli::cost_lines(winner.layers, &winner.cost));
    for (prediction, quality) in winner.latencies.iter().zip(&tables.qualities) {
        lines.extend(cli::describe_latency(prediction, quality));
    }
    for (i, budget) in winner.budgets.iter().enumerate() {
        lines.push((if i == 0 { "budgets" } else { "" }, format!("{}: {}", budget.name, budget.text)));
    }
    for (i, other) in winner.alternatives.iter().enumerate().skip(1) {
        let text = format!(
            "{} ({}), {:.0}% of its layers differ",
            cli::score(other.score),
            winner.proxy,
            other.distance * 100.0
        );
        lines.push((
            if i == 1 { "others" } else { "" },
            format!("{text}: zen-export {} --rank {}", directory.display(), i + 1),
        ));
    }
    let file = directory.join(if writes_onnx { "best.onnx" } else { "best.json" });
    lines.push(("written to", file.display().to_string()));
    cli::table(&lines)
}

/// The scores of the winner, and how far it is ahead.
fn score_lines(winner: &Winner) -> Vec<(&'static str, String)> {
    let of_search = format!("{} ({})", cli::score(winner.score), winner.proxy);
    let Some(found) = &winner.final_score else { return vec![("score", of_search)] };
    let draws = found.evaluation.draws;
    let mean = cli::with_error(&found.evaluation);
    let finalists = winner.finalists.len();
    let mut lines = vec![
        ("score", format!("{mean} ({}, mean of {draws} random initialisations)", found.proxy)),
        ("", format!("{of_search}, what the search ranked by")),
    ];
    if let Some(Lead { difference, standard_error, told_apart, alike }) = winner.lead {
        let verdict = match told_apart {
            true => format!("{difference:.2} +- {standard_error:.2} ahead of every other one of {finalists} finalists"),
            false => format!("the exact score does not tell the first {alike} of {finalists} finalists apart"),
        };
        lines.push(("", verdict));
    }
    lines
}

/// What is proven, and what the rails cost.
fn optimum_lines(winner: &Winner) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if let Some(optimum) = &winner.optimum {
        let gap = optimum.gap_percent;
        let (score, bound) = (cli::score(winner.score), cli::score(optimum.certificate.bound));
        let proxy = &winner.proxy;
        lines.push(("optimum", format!("{proxy} is at most {bound}; this network has {score}, within {gap:.3}%")));
        lines.push(("", format!("proven for {}", optimum.certificate.superset)));
    }
    let price = |price: &RailPrice| format!("{} {:.1}%", price.rail, price.percent);
    let prices: Vec<String> = winner.rails.price.iter().map(price).collect();
    if !prices.is_empty() {
        lines.push(("rails", format!("cost, in percent of the bound: {}", prices.join(", "))));
    }
    lines
}

/// How long each part of a search took.
pub struct Times {
    pub solving: Duration,
    pub search: Duration,
    pub final_round: Duration,
}

/// How far an evolution is: best score, bound, candidates within all budgets, rate.
pub fn how_far(evolution: &Evolution<'_>, best: f64, bound: Option<f64>, elapsed_s: f64) -> String {
    let done = evolution.iteration().max(1) as f64;
    let counts = evolution.counts();
    let missed = counts.over_budget.iter().sum::<u64>() + counts.off_rails;
    let bound = bound.map_or_else(String::new, |bound| {
        format!(" of at most {} ({:.2}% below)", cli::score(bound), (1.0 - best / bound) * 100.0)
    });
    format!(
        "best {}{bound}, {:.0}% of candidates within budgets and rails, {:.0} a second",
        cli::score(best),
        (1.0 - missed as f64 / done) * 100.0,
        done / elapsed_s.max(1e-3)
    )
}

/// What was looked at, and how long it took.
pub fn how_it_went(winner: &Winner, evolved: bool, times: &Times) -> Vec<String> {
    let mut notes = Vec::new();
    if evolved {
        let counts = &winner.search.counts;
        notes.push(format!(
            "{} candidates in {:.2} s: {} accepted, {} duplicates, {} not better, {} over a budget, {} off the rails",
            winner.search.iterations,
            times.search.as_secs_f64(),
            counts.accepted,
            counts.duplicates,
            counts.not_better + counts.too_small,
            counts.over_budget.iter().sum::<u64>(),
            counts.off_rails
        ));
    }
    if winner.optimum.is_some() {
        notes.push(format!("solved in {:.2} s", times.solving.as_secs_f64()));
    }
    if !winner.finalists.is_empty() {
        let draws = |finalist: &Finalist| finalist.final_score.map_or(0, |found| found.evaluation.draws);
        notes.push(format!(
            "final round: {} networks in {:.2} s, {} random initialisations",
            winner.finalists.len(),
            times.final_round.as_secs_f64(),
            winner.finalists.iter().map(draws).sum::<u32>()
        ));
    }
    notes
}

/// What to do with the winner.
pub fn next_steps(winner: &Winner, spec: &RunSpec, directory: &Path) -> String {
    let directory = directory.display();
    let mut lines = vec![
        format!("next: look      open {directory}/report.html"),
        format!("      train     zen-export {directory} -o network.py"),
        format!("      export    zen-export {directory} --weights trained.pth -o network.onnx"),
    ];
    let here = winner.latencies.iter().any(|prediction| is_this_machine(&prediction.setting));
    let device = spec.setting.as_deref().and_then(|setting| setting.split('/').next());
    lines.push(match device {
        // Search exploits prediction errors.
        _ if here => format!("      measure   zen-profile verify {directory}"),
        Some(device) => format!("      measure   zen-profile verify {directory} --device {device} --host ME@HOST"),
        None => format!("      measure   zen-profile verify {directory} --device cpu"),
    });
    lines.join("\n")
}
