//! One network on several devices, for people.

use super::board::describe_scored;
use super::foreign::describe_foreign;
use super::print::{aligned, human};
use super::scores::with_error;
use crate::latency::Prediction;
use crate::net::Cost;
use crate::report::scores::{ForeignNetwork, ScoredNetwork};
use crate::score::Scored;

/// Networks on several devices: each network's figures, then a line for each device in the order given. A single
/// network is told in full, of several there is a line each.
pub fn describe_on_devices(networks: &[ScoredNetwork], files: &[ForeignNetwork]) -> String {
    let is_single = networks.len() + files.len() == 1;
    let mut parts = Vec::with_capacity(networks.len() + files.len());
    for network in networks {
        let name = network.name.as_ref().unwrap_or(&network.structure);
        let figures = match is_single {
            true => format!("{}\n", describe_scored(network, None, false)),
            false => in_a_line(name, &network.scores, &network.cost),
        };
        parts.push(format!("{figures}\n{}", devices(&network.latencies)));
    }
    for network in files {
        let figures = match is_single {
            true => format!("{}\n", describe_foreign(network, None, false)),
            false => in_a_line(&network.file, &network.scores, &network.cost),
        };
        parts.push(format!("{figures}\n{}", devices(&network.latencies)));
    }
    parts.join("\n\n")
}

fn in_a_line(name: &str, scores: &[(&'static str, Option<Scored>)], cost: &Cost) -> String {
    let scores = scores.iter().filter_map(|(proxy, scored)| Some((proxy, (*scored)?)));
    let mut figures: Vec<String> =
        scores.map(|(proxy, scored)| format!("{proxy} {}", with_error(&scored.evaluation))).collect();
    figures.push(format!("{} parameters", human(cost.parameters as f64)));
    figures.push(format!("{} multiply-adds", human(cost.flops as f64)));
    format!("{name}: {}", figures.join(", "))
}

/// A line for each device.
fn devices(latencies: &[Prediction]) -> String {
    let several_images = latencies.iter().any(|prediction| prediction.setting.batch_size != 1);
    let mut header = ["device", "setting", "ms per call"].map(str::to_owned).to_vec();
    header.extend(several_images.then(|| "ms per image".to_owned()));
    header.extend(["error", "90% interval, ms", "not measured", "outside", "evidence, by time"].map(str::to_owned));
    let numbers: Vec<usize> = (2..header.len() - 1).collect();
    let mut lines = vec![header];
    for prediction in latencies {
        let percent = |share: f64| format!("{:.1}%", share * 100.0);
        let mut cells =
            vec![prediction.setting.device.clone(), prediction.setting.short(), format!("{:.3}", prediction.ms)];
        cells.extend(several_images.then(|| format!("{:.4}", prediction.ms_per_image)));
        cells.push(prediction.error.map_or_else(|| "unknown".to_owned(), |error| format!("+-{}", percent(error))));
        let interval = prediction.interval.map(|interval| format!("{:.3} to {:.3}", interval.low_ms, interval.high_ms));
        cells.push(interval.unwrap_or_else(|| "-".to_owned()));
        cells.push(percent(prediction.gaps().without_evidence_share));
        cells.push(percent(prediction.extrapolated_share));
        cells.push(prediction.evidence.to_string());
        lines.push(cells);
    }
    aligned(&lines, &numbers)
}
