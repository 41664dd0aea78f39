//! The tables of fitted settings, with what their headers say.

use std::collections::BTreeMap;

use zen_nas::latency::{Evidence, LatencyModel, NewRun, PublishedNetwork, Row, Table, TableError, TableSource};

use super::registry::{Source, Sources};
use super::settings::{Fitted, Predicted};

/// The table of a fitted setting; `date` is when the derivation was last changed.
pub fn table(fitted: &Fitted, sources: &Sources, date: &str, rounded: impl Fn(&LatencyModel) -> LatencyModel) -> Table {
    let Fitted { setting, error, base, .. } = fitted;
    let source_of = |network: &Predicted| sources.source.iter().find(|source| source.name == network.figure.source);
    let mut counts: BTreeMap<(&str, &str), (usize, Option<&Source>)> = BTreeMap::new();
    for network in &fitted.networks {
        let figure = &network.figure;
        counts.entry((&figure.source, &figure.commit)).or_insert((0, source_of(network))).0 += 1;
    }
    let named = |count: &(usize, Option<&Source>)| count.1.is_some_and(|source| source.named);
    let mut licences: Vec<&str> = Vec::new();
    for (_, source) in counts.values().filter(|count| named(count)) {
        let licence = source.map_or("", |source| source.licence.as_str());
        if !licences.contains(&licence) {
            licences.push(licence);
        }
    }
    let figures_only =
        if counts.values().all(named) { "" } else { " (of GPL and AGPL texts: figures alone, as facts)" };
    let from: Vec<String> = counts
        .iter()
        .map(|((name, commit), (_, source))| match source {
            Some(source) => format!("{} ({}, commit {commit})", source.label(), source.repository),
            None => format!("{name} ({commit})"),
        })
        .collect();
    let label =
        |name: &str, source: Option<&Source>| source.map_or(name.to_owned(), |source| source.label().to_owned());
    let behind: Vec<String> =
        counts.iter().map(|((name, _), (count, source))| format!("{count} of {}", label(name, *source))).collect();
    let together = if fitted.figures > fitted.networks.len() {
        format!(", fitted together with other batches ({} figures of {} networks)", fitted.figures, fitted.groups)
    } else {
        format!(" ({} networks, near-copies counted once)", fitted.groups)
    };
    let of_operators = match base {
        None => String::new(),
        Some(table) => format!("; operator times of {} ({})", table.setting, table.about.origin),
    };
    let published = fitted.networks.iter().filter_map(|network| {
        let source = source_of(network).filter(|source| source.named)?;
        Some(PublishedNetwork {
            network: network.figure.network.clone(),
            input: network.figure.input.clone(),
            source: source.label().to_owned(),
            predicted_ms: network.left_out_ms,
            published_ms: network.figure.ms,
        })
    });
    Table {
        setting: setting.clone(),
        source: TableSource::BuiltIn { name: String::new() },
        date: date.to_owned(),
        about: NewRun {
            origin: format!("fitted on latencies published by {}{of_operators}", from.join(", ")),
            licence: if licences.is_empty() {
                format!("MIT OR Apache-2.0{figures_only}")
            } else {
                format!("{}{figures_only}", licences.join(" and "))
            },
            runtime_version: fitted.runtime_version.clone(),
            host: sources.devices.get(&setting.device).cloned().unwrap_or_default(),
            method: format!(
                "call + sum over fused operators; positive coefficients, robust least squares of logarithms of whole \
                 networks' times around {}",
                fitted.around
            ),
            notes: format!("{} A published time is {}. {}", fitted.regime, fitted.includes, fitted.notes),
            ..NewRun::default()
        },
        evidence: Evidence::Fitted,
        error: Some(TableError {
            mape: error.mape,
            median: Some(error.median),
            bias: Some(error.bias),
            within5: Some(error.within5),
            within10: Some(error.within10),
            within20: Some(error.within20),
            kendall_tau: error.kendall_tau,
            networks: Some(error.networks),
            method: format!(
                "leave-one-out over {} published figures, {}{together}: each was predicted by a fit that has not seen \
                 its network",
                fitted.networks.len(),
                behind.join(", ")
            ),
        }),
        model: Some(rounded(&seen(&fitted.model, fitted.networks.iter().map(|network| network.figure.ms)))),
        rows: base.iter().flat_map(|table| &table.rows).map(fitted_row).collect(),
        networks: Vec::new(),
        published: published.collect(),
    }
}

/// A model with the range of the times of the networks that it was fitted to, in milliseconds of a call.
pub fn seen(model: &LatencyModel, times_ms: impl Iterator<Item = f64> + Clone) -> LatencyModel {
    let mut model = model.clone();
    model.composition.seen_low_ms = times_ms.clone().reduce(f64::min).unwrap_or_default();
    model.composition.seen_high_ms = times_ms.reduce(f64::max).unwrap_or_default();
    model
}

/// Times of another table, of which this one takes a share.
fn fitted_row(row: &Row) -> Row {
    Row { evidence: Evidence::Fitted, ..row.clone() }
}
