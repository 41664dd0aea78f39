//! Scored networks and comparisons of scores, for people.

use super::options::OpenTable;
use super::print::{columns, cost_lines, describe_latency, human, table};
use super::scores::with_error;
use crate::report::scores::{ACCURACY, ScoredNetwork};
use crate::score::Scored;
use crate::score::compare::{Agreement, GroupComparison, LEAST_FOR_INTERVAL};

/// Operators shown by `--explain`.
const EXPLAINED: usize = 10;

/// One network, a line for each figure; `explain` adds the slowest operators.
pub fn describe_scored(network: &ScoredNetwork, opened: Option<&OpenTable>, explain: bool) -> String {
    let mut lines = vec![("structure", network.structure.clone())];
    lines.extend(network.name.clone().map(|name| ("name", name)));
    for (i, (proxy, scored)) in network.scores.iter().enumerate() {
        let text = match scored {
            Some(Scored { evaluation, seed: Some(_), .. }) => {
                let draws = evaluation.draws;
                let what = if draws == 1 { "1 draw".to_owned() } else { format!("mean of {draws} draws") };
                format!("{} ({proxy}, {what})", with_error(evaluation))
            }
            Some(Scored { evaluation, .. }) => format!("{} ({proxy})", with_error(evaluation)),
            None => format!("none ({proxy})"),
        };
        lines.push((if i == 0 { "score" } else { "" }, text));
    }
    lines.extend(network.accuracy.map(|accuracy| (ACCURACY, accuracy.to_string())));
    lines.extend(cost_lines(network.layers, &network.cost));
    if let (Some(prediction), Some(opened)) = (&network.latency, opened) {
        lines.extend(describe_latency(prediction, &opened.quality));
        if explain {
            let mut operators: Vec<_> = prediction.operators.iter().collect();
            operators.sort_by(|a, b| b.ms.total_cmp(&a.ms));
            for (i, operator) in operators.iter().take(EXPLAINED).enumerate() {
                let outside = if operator.extrapolated { ", outside the table" } else { "" };
                let text = format!("{:.4} ms  {}  ({}{outside})", operator.ms, operator.key, operator.evidence);
                lines.push((if i == 0 { "operators" } else { "" }, text));
            }
        }
    }
    table(&lines)
}

/// Many networks, a line each.
pub fn score_table(networks: &[ScoredNetwork], opened: Option<&OpenTable>) -> String {
    let Some(first) = networks.first() else { return String::new() };
    let kinds_differ = networks.iter().any(|network| kind(network) != kind(first));
    let accuracies = networks.iter().any(|network| network.accuracy.is_some());
    let mut header: Vec<String> = first.scores.iter().map(|(proxy, _)| (*proxy).to_owned()).collect();
    header.extend(accuracies.then(|| ACCURACY.to_owned()));
    header.extend(["parameters", "multiply-adds", "layers"].map(str::to_owned));
    if let Some(opened) = opened {
        header.push(format!("ms per call on {}", opened.predictor.setting()));
        header.extend(["error", "evidence, by time"].map(str::to_owned));
    }
    header.extend(kinds_differ.then(|| "image, classes".to_owned()));
    header.push(if networks.iter().all(|network| network.name.is_some()) { "network" } else { "structure" }.to_owned());
    let mut lines = vec![header];
    for network in networks {
        let score = |scored: &Option<Scored>| scored.map_or("-".to_owned(), |scored| with_error(&scored.evaluation));
        let mut cells: Vec<String> = network.scores.iter().map(|(_, scored)| score(scored)).collect();
        if accuracies {
            cells.push(network.accuracy.map_or("-".to_owned(), |accuracy| accuracy.to_string()));
        }
        cells.extend([
            human(network.cost.parameters as f64),
            human(network.cost.flops as f64),
            network.layers.to_string(),
        ]);
        if let Some(prediction) = &network.latency {
            cells.push(format!("{:.3}", prediction.ms));
            cells.push(prediction.error.map_or("unknown".to_owned(), |error| format!("+-{:.1}%", error * 100.0)));
            cells.push(prediction.evidence.to_string());
        }
        cells.extend(kinds_differ.then(|| kind(network)));
        cells.push(network.name.as_ref().unwrap_or(&network.structure).clone());
        lines.push(cells);
    }
    let mut text = columns(&lines);
    let drawn = networks.iter().flat_map(|network| &network.scores).filter_map(|(_, scored)| *scored);
    if drawn.into_iter().any(|scored| scored.evaluation.standard_error.is_some()) {
        text.push_str("\nscores that draw weights: mean +- its standard error");
    }
    if let Some(opened) = opened {
        text.push_str(&format!("\ntable error of {}: {}", opened.predictor.setting(), opened.quality));
    }
    text
}

/// `224x224, 1000`
fn kind(network: &ScoredNetwork) -> String {
    let dataset = network.dataset.as_ref().map_or(String::new(), |dataset| format!("{dataset}, "));
    format!("{dataset}{0}x{0}, {1}", network.resolution, network.classes)
}

/// What a comparison says, group by group; `names` are those it was made with.
pub fn describe_comparison(groups: &[GroupComparison], names: &[&str]) -> String {
    let mut text = "Kendall's tau-b: 1 where two figures put the networks in the same order, 0 where their orders have \
                    nothing to\ndo with each other, -1 where one reverses the other; networks that tie in a figure count \
                    for neither. Only\nnetworks of one data set, image size and number of classes are compared."
        .to_owned();
    for group in groups {
        let dataset = group.group.dataset.as_ref().map_or(String::new(), |dataset| format!("{dataset}, "));
        text.push_str(&format!(
            "\n\n{dataset}{0}x{0}, {1} classes: {2}",
            group.group.resolution,
            group.group.classes,
            plural(group.networks)
        ));
        if group.networks < 2 {
            text.push_str(", nothing to compare");
            continue;
        }
        text.push('\n');
        let lines = columns(&matrix(group, names));
        text.push_str(&lines.lines().map(str::trim_end).collect::<Vec<_>>().join("\n"));
        text.push_str(&against_accuracy(group));
        text.push_str(&format!("\n{}", caution(group.networks)));
    }
    text
}

fn plural(networks: u32) -> String {
    if networks == 1 { "1 network".to_owned() } else { format!("{networks} networks") }
}

fn tau(agreement: &Agreement) -> String {
    agreement.kendall_tau.map_or("-".to_owned(), |tau| format!("{tau:.2}"))
}

/// Every figure against those before it.
fn matrix(group: &GroupComparison, names: &[&str]) -> Vec<Vec<String>> {
    let mut header = vec![String::new()];
    header.extend(names.iter().take(names.len().saturating_sub(1)).map(|name| (*name).to_owned()));
    let mut lines = vec![header];
    let mut agreements = group.agreements.iter();
    for (i, name) in names.iter().enumerate().skip(1) {
        let mut line = vec![(*name).to_owned()];
        line.extend(agreements.by_ref().take(i).map(tau));
        line.resize(names.len(), String::new());
        lines.push(line);
    }
    // The last column is printed flush left, which numbers are not.
    lines.iter_mut().for_each(|line| line.push(String::new()));
    lines
}

/// What matters most, with its interval; the highest first.
fn against_accuracy(group: &GroupComparison) -> String {
    let mut with: Vec<_> = group.agreements.iter().filter(|agreement| agreement.a == ACCURACY).collect();
    if with.iter().all(|agreement| agreement.kendall_tau.is_none()) {
        return String::new();
    }
    with.sort_by(|a, b| b.kendall_tau.unwrap_or(f64::MIN).total_cmp(&a.kendall_tau.unwrap_or(f64::MIN)));
    let mut lines = vec![["tau", "95% interval", "networks", "against accuracy"].map(str::to_owned).to_vec()];
    for agreement in with {
        let interval = match (agreement.low, agreement.high) {
            (Some(low), Some(high)) => format!("{low:.2} to {high:.2}"),
            _ => "-".to_owned(),
        };
        lines.push(vec![tau(agreement), interval, agreement.networks.to_string(), agreement.b.clone()]);
    }
    format!("\n{}", columns(&lines))
}

/// What so many networks are worth.
fn caution(networks: u32) -> String {
    let chance = match crate::stats::kendall_by_chance(networks as usize) {
        Some(tau) => format!("Unrelated orders reach {tau:.2}, either way, in 5% of cases."),
        None => {
            let orders: u32 = (1..=networks).product();
            let cases = orders / 2;
            format!("Far too few: unrelated orders agree or reverse each other fully in 1 of {cases} cases.")
        }
    };
    match networks as usize {
        0..LEAST_FOR_INTERVAL => format!("{chance} No interval holds for fewer than {LEAST_FOR_INTERVAL} networks."),
        LEAST_FOR_INTERVAL..30 => format!("{chance} Few networks: see how wide the intervals are."),
        _ => chance,
    }
}
