//! Predictions for the published networks beside the published figures, as Markdown.

use std::fmt::Write as _;
use std::path::Path;

use zen_nas::latency::{LatencyError, Predictor};
use zen_nas::net::{LowerOptions, Network};

use super::shipped::shipped_list;
use super::{EXCLUDED, PIXEL2_SPLIT, REGIMES, Regime, networks};
use crate::evaluate::built_in;
use crate::markers::{self, Markers};

/// The nine networks with structures, in milliseconds per image: published, predicted by the
/// shipped table, and the leave-one-out error; below, the leave-one-out error of each regime.
///
/// # Errors
/// When the shipped tables cannot be loaded or an embedded structure does not lower.
pub fn report() -> Result<String, LatencyError> {
    let networks = networks()?;
    let mut text = String::from("| network (ms per image) |");
    for regime in &REGIMES {
        let _ = write!(text, " {0} published | {0} predicted | left out |", regime.name);
    }
    text.push_str("\n|---|");
    text.push_str(&"--:|--:|--:|".repeat(REGIMES.len()));
    text.push('\n');
    let columns = REGIMES
        .iter()
        .map(|regime| Ok((regime, Predictor::from_table(&built_in(&regime.setting())?)?, regime.left_out_ms(networks))))
        .collect::<Result<Vec<_>, LatencyError>>()?;
    for (index, network) in networks.iter().enumerate() {
        let Some(structure) = &network.structure else { continue };
        let bad = |reason: String| LatencyError::Published { name: network.name.clone(), reason };
        let options =
            LowerOptions { squeeze_excite: network.squeeze_excite, ..LowerOptions::new(network.resolution, 1000) };
        let parsed = Network::parse(structure).map_err(|error| bad(error.to_string()))?;
        let graph = parsed.lower(&options).map_err(|error| bad(error.to_string()))?;
        let star = if network.name == EXCLUDED { " *" } else { "" };
        let _ = write!(text, "| {}{star} |", network.name);
        for (regime, predictor, left_out) in &columns {
            let published = regime.published_ms(network);
            let predicted = predictor.predict(&graph).ms_per_image;
            let error = 100.0 * (left_out[index] / published - 1.0);
            let digits = if published >= 10.0 { 1 } else { 3 };
            let _ = write!(text, " {published} | {predicted:.digits$} | {error:+.1}% |");
        }
        text.push('\n');
    }
    text.push('\n');
    for regime in &REGIMES {
        describe(regime, &mut text)?;
    }
    describe(&PIXEL2_SPLIT, &mut text)?;
    let _ = writeln!(
        text,
        "\n\\* {EXCLUDED} is in no fit: its published row disagrees with every model on all three devices. \"left out\" is the \
         error of the network when it is predicted by the fit to all others; the fits also use EfficientNet-B3, B5 and B6."
    );
    Ok(text)
}

/// One line with the leave-one-out error of a regime.
fn describe(regime: &Regime, text: &mut String) -> Result<(), LatencyError> {
    let networks = networks()?;
    let Some(error) = regime.error(networks) else { return Ok(()) };
    let largest = networks
        .iter()
        .zip(regime.left_out_ms(networks))
        .filter(|(network, _)| network.name != EXCLUDED)
        .map(|(network, predicted)| (predicted / regime.published_ms(network) - 1.0).abs())
        .fold(0.0, f64::max);
    let _ = writeln!(
        text,
        "* {} ({}, predicted times are fitted): {}. Leave-one-out MAPE {:.1}% (largest {:.1}%), {:.0}% within 10%.",
        regime.name,
        regime.setting(),
        regime.about,
        100.0 * error.mape,
        100.0 * largest,
        100.0 * error.within10.unwrap_or(0.0)
    );
    Ok(())
}

/// Where a file holds the report, and the list of shipped tables.
const REPORT: Markers = ("<!-- begin published report -->\n", "<!-- end published report -->");
const LIST: Markers = ("<!-- begin shipped tables -->\n", "<!-- end shipped tables -->");

/// Replaces the report and the list of shipped tables in a Markdown file, between their markers.
///
/// # Errors
/// When the file cannot be read or written, or lacks a marker.
pub fn update(path: &Path) -> Result<(), LatencyError> {
    markers::update(path, &[(REPORT, report()?), (LIST, shipped_list()?)])
}
