//! Checking the built-in tables against every published whole network of their regimes.
//!
//! What a table states is not read from its header: the fits are made anew from the raw files, and each network is
//! predicted by one that has not seen it. Not here: the fits (`fit`).

mod groups;
mod order;
mod text;

use std::path::Path;

use serde::Serialize;
use zen_nas::latency::{ErrorFigures, LatencyError, PredictScratch, Predictor, Setting};

use self::groups::groups;
use self::order::{Order, orders};
use crate::evaluate::{built_in, operators_alone};
use crate::fit::networks::Networks;
use crate::fit::{Fitted, Predicted, fit_all};
use crate::markers;
use crate::published::{self, EXCLUDED, REGIMES};

/// Where a file holds the check.
const MARKERS: markers::Markers = ("<!-- begin check -->\n", "<!-- end check -->");

/// Largest difference between a prediction of a built-in table and of the fit that it is from, as a logarithm.
const SAME: f64 = 1e-3;

/// What a check found.
#[derive(Debug, Serialize)]
pub struct Checked {
    pub settings: Vec<Line>,
    /// Networks of several settings, or some networks of one.
    pub groups: Vec<Line>,
    /// Over all settings: networks, and the share inside the 90% interval of their setting.
    pub networks: usize,
    pub inside: f64,
    pub tried: Vec<Line>,
    pub orders: Vec<Order>,
    /// Built-in tables that are not those of the fits.
    pub outdated: Vec<String>,
}

/// Errors of some networks, as shares.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    pub what: String,
    #[serde(flatten)]
    pub error: ErrorFigures,
    /// Share inside the 90% interval; none where there is no interval.
    pub inside: Option<f64>,
    /// Mean absolute relative error of the fit on the networks that it has seen.
    pub fit_mape: Option<f64>,
    /// What else is to be said.
    pub note: String,
}

/// A network's times with the logarithm that its interval reaches.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    predicted_ms: f64,
    published_ms: f64,
    reach: Option<f64>,
}

impl Pair {
    fn of(network: &Predicted, reach: f64) -> Self {
        Self { predicted_ms: network.left_out_ms, published_ms: network.figure.ms, reach: Some(reach) }
    }

    fn is_inside(&self) -> Option<bool> {
        self.reach.map(|reach| (self.predicted_ms / self.published_ms).ln().abs() <= reach)
    }
}

impl Line {
    /// None without networks.
    fn of(what: String, pairs: &[Pair], note: &str) -> Option<Self> {
        let times: Vec<_> = pairs.iter().map(|pair| (pair.predicted_ms, pair.published_ms)).collect();
        let inside: Vec<bool> = pairs.iter().filter_map(Pair::is_inside).collect();
        let share = inside.iter().filter(|inside| **inside).count() as f64 / inside.len().max(1) as f64;
        Some(Self {
            what,
            error: ErrorFigures::of(&times)?,
            inside: (!inside.is_empty()).then_some(share),
            fit_mape: None,
            note: note.to_owned(),
        })
    }
}

/// Checks every built-in setting against the figures in the files under `raw`.
///
/// # Errors
/// When a file is missing or does not read, or a fit fails.
pub fn check(raw: &Path) -> Result<Checked, LatencyError> {
    let networks = Networks::read(raw)?;
    let fitted = fit_all(raw, &networks, &operators_alone)?;
    let (shipped, tried): (Vec<&Fitted>, Vec<&Fitted>) = fitted.iter().partition(|fitted| fitted.tried.is_none());
    let of = |fitted: &Fitted| -> Vec<Pair> {
        fitted.networks.iter().map(|network| Pair::of(network, fitted.reach)).collect()
    };
    let (mut settings, mut pairs, mut outdated) = (Vec::new(), Vec::new(), Vec::new());
    for fitted in &shipped {
        pairs.extend(of(fitted));
        let line = Line::of(fitted.setting.id(), &of(fitted), "");
        settings.extend(line.map(|line| Line { fit_mape: Some(fitted.fit_mape), ..line }));
        if !is_built_in(fitted, &networks)? {
            outdated.push(fitted.setting.id());
        }
    }
    for regime in &REGIMES {
        let of_regime = published_pairs(regime)?;
        pairs.extend(&of_regime);
        settings.extend(Line::of(regime.setting().id(), &of_regime, ""));
    }
    settings.sort_by(|a, b| a.what.cmp(&b.what));
    let total = Line::of(String::new(), &pairs, "");
    Ok(Checked {
        settings,
        groups: groups(&shipped, &networks)?,
        networks: pairs.len(),
        inside: total.and_then(|total| total.inside).unwrap_or(0.0),
        tried: tried
            .iter()
            .filter_map(|fitted| {
                Line::of(fitted.setting.id(), &of(fitted), fitted.tried.as_deref().unwrap_or_default())
            })
            .collect(),
        orders: orders(&networks)?,
        outdated,
    })
}

/// Replaces the check in a Markdown file, between its markers.
///
/// # Errors
/// When the file cannot be read or written, or lacks a marker.
pub fn update(path: &Path, checked: &Checked) -> Result<(), LatencyError> {
    markers::update(path, &[(MARKERS, checked.to_text())])
}

/// Whether the built-in table predicts what the fit does.
fn is_built_in(fitted: &Fitted, networks: &Networks) -> Result<bool, LatencyError> {
    let Ok(table) = built_in(&fitted.setting) else { return Ok(false) };
    let (predictor, mut scratch) = (Predictor::from_table(&table)?, PredictScratch::default());
    Ok(fitted.networks.iter().all(|network| {
        let keys = networks.get(&network.figure.id).unwrap_or_default();
        (predictor.predict_keys_ms(keys, &mut scratch) / network.fit_ms).ln().abs() < SAME
    }))
}

/// Networks of the Zen-NAS publication, each predicted by the fit to the others, per call.
fn published_pairs(regime: &published::Regime) -> Result<Vec<Pair>, LatencyError> {
    let all = published::networks()?;
    let batch = f64::from(regime.setting().batch_size);
    let composition = built_in(&regime.setting())?.model.map(|model| model.composition);
    let reach = composition.map(|composition| composition.spread_factor * composition.spread_floor);
    let pairs = all.iter().zip(regime.left_out_ms(all)).filter(|(network, _)| network.name != EXCLUDED);
    Ok(pairs
        .map(|(network, predicted_ms)| Pair {
            predicted_ms: batch * predicted_ms,
            published_ms: batch * regime.published_ms(network),
            reach,
        })
        .collect())
}

/// Predicted by a built-in table, without an interval.
fn by_table(setting: &Setting, predicted: &[Predicted], networks: &Networks) -> Result<Vec<Pair>, LatencyError> {
    let (predictor, mut scratch) = (Predictor::from_table(&built_in(setting)?)?, PredictScratch::default());
    let pair = |network: &Predicted| Pair {
        predicted_ms: predictor.predict_keys_ms(networks.get(&network.figure.id).unwrap_or_default(), &mut scratch),
        published_ms: network.figure.ms,
        reach: None,
    };
    Ok(predicted.iter().map(pair).collect())
}
