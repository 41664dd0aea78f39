//! The third section of a table's text: whole networks that others timed.
//!
//! Each with what a fit to the other networks predicts for it: the table's error can be looked at network by
//! network. Times have six digits.

use std::fmt::Write as _;

use super::super::store::PublishedNetwork;
use super::networks::rounded;
use super::rows::positive_time;

/// Columns of the section; the network's name is last because it may hold commas.
pub(super) const COLUMNS: &str = "source,input,predicted_ms,published_ms,network";

/// Appends the section, if there are networks.
pub(super) fn write(networks: &[PublishedNetwork], text: &mut String) {
    if networks.is_empty() {
        return;
    }
    text.push_str(COLUMNS);
    text.push('\n');
    for PublishedNetwork { network, input, source, predicted_ms, published_ms } in networks {
        let (predicted_ms, published_ms) = (rounded(*predicted_ms), rounded(*published_ms));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{source},{input},{predicted_ms},{published_ms},{network}");
    }
}

/// Reads one line.
pub(super) fn parse(line: &str) -> Result<PublishedNetwork, String> {
    let fields: Vec<&str> = line.splitn(5, ',').collect();
    let Ok([source, input, predicted, published, network]) = <[&str; 5]>::try_from(fields) else {
        return Err("expected 5 fields".to_owned());
    };
    if network.is_empty() {
        return Err("a network without a name".to_owned());
    }
    Ok(PublishedNetwork {
        network: network.to_owned(),
        input: input.to_owned(),
        source: source.to_owned(),
        predicted_ms: positive_time(predicted)?,
        published_ms: positive_time(published)?,
    })
}
