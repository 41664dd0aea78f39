//! Scored networks and comparisons as CSV. Columns only ever come after those that are there; an
//! unknown value is an empty field. What `zen-score` writes it also reads.

use super::{ForeignNetwork, ScoredNetwork};
use crate::latency::Prediction;
use crate::net::Cost;
use crate::score::Scored;
use crate::score::compare::GroupComparison;

/// Columns of every network, before those of the scores.
const NETWORK: [&str; 11] = [
    "name",
    "structure",
    "resolution",
    "classes",
    "squeeze_excite",
    "dataset",
    "accuracy",
    "layers",
    "parameters",
    "flops",
    "peak_activation_bytes",
];

/// Columns of a predicted latency, after those of the scores.
const LATENCY: [&str; 8] = [
    "latency_setting",
    "latency_evidence",
    "latency_ms",
    "latency_ms_per_image",
    "latency_low_ms",
    "latency_high_ms",
    "latency_error",
    "latency_extrapolated_share",
];

/// Columns of networks from files, last, where there are any.
const FILES: [&str; 3] = ["file", "latency_without_evidence_share", "latency_approximated_share"];

/// Columns of a comparison, one line for each pair of figures.
const COMPARISON: [&str; 10] =
    ["dataset", "resolution", "classes", "a", "b", "networks", "kendall_tau", "low", "high", "kendall_tau_by_chance"];

/// One line for each network: what it is and costs, then for each proxy its score, `<proxy>_standard_error`
/// and `<proxy>_draws`, then the latency where one was predicted, then what only files have. What a file
/// does not say of its network is empty. Where latencies on several devices were predicted, one line for each device.
pub fn networks_to_csv(networks: &[ScoredNetwork], files: &[ForeignNetwork], proxies: &[&str]) -> String {
    let latency = networks.iter().any(|network| network.latency.is_some() || !network.latencies.is_empty())
        || files.iter().any(|network| network.latency.is_some() || !network.latencies.is_empty());
    let mut header: Vec<String> = NETWORK.map(str::to_owned).to_vec();
    for proxy in proxies {
        header.extend([(*proxy).to_owned(), format!("{proxy}_standard_error"), format!("{proxy}_draws")]);
    }
    if latency {
        header.extend(LATENCY.map(str::to_owned));
    }
    if !files.is_empty() {
        header.extend(FILES.map(str::to_owned));
    }
    let columns = header.len();
    let lines = networks.iter().flat_map(|network| {
        let latencies = each(network.latency.as_ref(), &network.latencies);
        latencies.into_iter().map(move |latency| (network, latency))
    });
    let lines = lines.map(|(network, latency)| {
        let mut fields = vec![
            text(network.name.as_ref()),
            network.structure.clone(),
            network.resolution.to_string(),
            network.classes.to_string(),
            network.squeeze_excite.to_string(),
            text(network.dataset.as_ref()),
            text(network.accuracy),
            network.layers.to_string(),
        ];
        fields.extend(cost_fields(&network.cost));
        fields.extend(score_fields(&network.scores, proxies));
        fields.extend(latency.iter().flat_map(|latency| latency_fields(latency)));
        fields.resize(columns, String::new());
        fields
    });
    let files = files.iter().flat_map(|network| {
        let latencies = each(network.latency.as_ref(), &network.latencies);
        latencies.into_iter().map(move |latency| (network, latency))
    });
    let files = files.map(|(network, latency)| {
        let side = (network.input.height == network.input.width).then_some(network.input.height);
        let mut fields = vec![network.name.clone(), String::new(), text(side)];
        fields.resize(NETWORK.len() - 3, String::new());
        fields.extend(cost_fields(&network.cost));
        fields.extend(score_fields(&network.scores, proxies));
        fields.extend(latency.iter().flat_map(|latency| latency_fields(latency)));
        fields.push(network.file.clone());
        let gaps = latency.map(Prediction::gaps);
        fields.push(text(gaps.as_ref().map(|gaps| gaps.without_evidence_share)));
        fields.push(text(gaps.as_ref().map(|gaps| gaps.approximated_share)));
        fields
    });
    to_text(header, lines.chain(files))
}

/// The lines of one network: one without a latency, one with its latency, or one for each of several devices.
fn each<'p>(latency: Option<&'p Prediction>, latencies: &'p [Prediction]) -> Vec<Option<&'p Prediction>> {
    if latencies.is_empty() { vec![latency] } else { latencies.iter().map(Some).collect() }
}

fn cost_fields(cost: &Cost) -> [String; 3] {
    [cost.parameters, cost.flops, cost.peak_activation_bytes].map(|figure| figure.to_string())
}

/// Three fields for each proxy.
fn score_fields(scores: &[(&'static str, Option<Scored>)], proxies: &[&str]) -> Vec<String> {
    let of_proxy = |proxy: &&str| {
        let found = scores.iter().find(|(name, _)| name == proxy);
        let found = found.and_then(|(_, scored)| *scored).map(|scored| scored.evaluation);
        [
            text(found.map(|found| found.score)),
            text(found.and_then(|found| found.standard_error)),
            text(found.map(|found| found.draws)),
        ]
    };
    proxies.iter().flat_map(of_proxy).collect()
}

fn latency_fields(prediction: &Prediction) -> [String; LATENCY.len()] {
    let interval = prediction.interval;
    [
        prediction.setting.id(),
        prediction.evidence.to_string(),
        prediction.ms.to_string(),
        prediction.ms_per_image.to_string(),
        text(interval.map(|interval| interval.low_ms)),
        text(interval.map(|interval| interval.high_ms)),
        text(prediction.error),
        prediction.extrapolated_share.to_string(),
    ]
}

/// One line for each pair of figures in each group.
pub fn comparison_to_csv(groups: &[GroupComparison]) -> String {
    let lines = groups.iter().flat_map(|group| {
        group.agreements.iter().map(|agreement| {
            vec![
                text(group.group.dataset.as_ref()),
                group.group.resolution.to_string(),
                group.group.classes.to_string(),
                agreement.a.clone(),
                agreement.b.clone(),
                agreement.networks.to_string(),
                text(agreement.kendall_tau),
                text(agreement.low),
                text(agreement.high),
                text(agreement.kendall_tau_by_chance),
            ]
        })
    });
    to_text(COMPARISON.map(str::to_owned).to_vec(), lines)
}

fn text(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// Lines with their header, without a newline at the end.
fn to_text(header: Vec<String>, lines: impl Iterator<Item = Vec<String>>) -> String {
    let quoted = |fields: Vec<String>| {
        let fields = fields.into_iter().map(|field| match field.contains([',', '"', '\n', '\r']) {
            true => format!("\"{}\"", field.replace('"', "\"\"")),
            false => field,
        });
        fields.collect::<Vec<_>>().join(",")
    };
    std::iter::once(header).chain(lines).map(quoted).collect::<Vec<_>>().join("\n")
}
