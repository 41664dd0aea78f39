//! What training says, as a table, and how far the score and plain counts agree with it. Not here: training.

use std::path::Path;

use serde::Deserialize;
use zen_nas::score::compare::{Compared, Group, compare};

use crate::networks::{CLASSES, Candidate, RESOLUTION};

/// A network under one schedule, as `train.py` writes it.
#[derive(Deserialize)]
struct Trained {
    structure: String,
    epochs: u32,
    learning_rate: f64,
    /// Share of test images, for each seed.
    accuracies: Vec<f64>,
}

impl Trained {
    /// Mean and standard error of the test accuracy.
    fn accuracy(&self) -> (f64, f64) {
        let count = self.accuracies.len() as f64;
        let mean = self.accuracies.iter().sum::<f64>() / count;
        let squares: f64 = self.accuracies.iter().map(|accuracy| (accuracy - mean).powi(2)).sum();
        (mean, (squares / (count - 1.0) / count).sqrt())
    }
}

/// Share of the bound from which a network is near it.
const NEAR: f64 = 0.93;

/// What is compared with the accuracy, in the order of [`figures`].
const FIGURES: [&str; 4] = ["zen-closed", "params", "flops", "layers"];

fn figures(candidate: &Candidate) -> [f64; 4] {
    [candidate.score, candidate.parameters as f64, candidate.flops as f64, f64::from(candidate.layers)]
}

/// Prints the networks with what `results.jsonl` in `folder` knows of them under each schedule.
pub fn print(candidates: &[Candidate], folder: &Path, schedules: &[u32]) {
    let text = std::fs::read_to_string(folder.join("results.jsonl")).unwrap_or_default();
    let trained: Vec<Trained> =
        text.lines().map(|line| serde_json::from_str(line).expect("a line of train.py")).collect();
    let find = |candidate: &Candidate, epochs: u32| {
        trained.iter().find(|trained| trained.structure == candidate.structure && trained.epochs == epochs)
    };
    let columns: String =
        schedules.iter().map(|epochs| format!(" {epochs} epochs: accuracy, % | learning rate |")).collect();
    println!("| network | score | % of its bound | layers | parameters | MFLOPs |{columns}");
    println!("|---|--:|--:|--:|--:|--:|{}", "--:|--:|".repeat(schedules.len()));
    for candidate in candidates {
        let Candidate { name, score, bound, layers, parameters, flops, .. } = candidate;
        let (share, mega) = (score / bound * 100.0, *flops as f64 / 1e6);
        let cells: String = schedules.iter().map(|epochs| cells(find(candidate, *epochs))).collect();
        println!("| {name} | {score:.1} | {share:.1} | {layers} | {parameters} | {mega:.2} |{cells}");
    }
    println!("\n| Kendall's tau-b of accuracy with | networks | {} | by chance |", FIGURES.join(" | "));
    println!("|---|--:|{}--:|", "---|".repeat(FIGURES.len()));
    for epochs in schedules {
        for set in ["all", "near the bound", "rails", "free"] {
            let chosen = candidates.iter().filter(|candidate| match set {
                "near the bound" => candidate.score >= NEAR * candidate.bound,
                "rails" => candidate.rails,
                "free" => !candidate.rails,
                _ => true,
            });
            let known: Vec<_> = chosen.filter_map(|c| Some((c, find(c, *epochs)?.accuracy().0))).collect();
            agreement(&format!("{epochs} epochs, {set}"), &known);
        }
    }
}

/// Accuracy with its standard error, and the best learning rate.
fn cells(trained: Option<&Trained>) -> String {
    let Some(trained) = trained else { return " | |".to_owned() };
    let (mean, error) = trained.accuracy();
    format!(" {:.1} +- {:.1} | {} |", mean * 100.0, error * 100.0, trained.learning_rate)
}

/// A row: tau of each figure with the accuracy, and its interval where there is one.
fn agreement(what: &str, known: &[(&Candidate, f64)]) {
    let group = Group { dataset: None, resolution: RESOLUTION, classes: CLASSES };
    let compared: Vec<Compared> = known
        .iter()
        .map(|(candidate, accuracy)| {
            let all = figures(candidate).into_iter().chain([*accuracy]);
            Compared { group: group.clone(), figures: all.map(Some).collect() }
        })
        .collect();
    let names: Vec<&str> = FIGURES.into_iter().chain(["accuracy"]).collect();
    let Some(comparison) = compare(&names, &compared).into_iter().next() else { return };
    let with_accuracy: Vec<_> = comparison.agreements.iter().filter(|agreement| agreement.b == "accuracy").collect();
    let cell = |tau: Option<f64>, low: Option<f64>, high: Option<f64>| match (tau, low, high) {
        (Some(tau), Some(low), Some(high)) => format!("{tau:.2} ({low:.2} to {high:.2})"),
        (Some(tau), ..) => format!("{tau:.2}"),
        (None, ..) => "none".to_owned(),
    };
    let taus: Vec<String> = with_accuracy.iter().map(|a| cell(a.kendall_tau, a.low, a.high)).collect();
    let by_chance = with_accuracy.first().and_then(|agreement| agreement.kendall_tau_by_chance);
    let by_chance = by_chance.map_or("none".to_owned(), |tau| format!("{tau:.2}"));
    println!("| {what} | {} | {} | {by_chance} |", comparison.networks, taus.join(" | "));
}
