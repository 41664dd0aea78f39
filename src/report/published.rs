//! Tables fitted on published latencies: every published network, predicted by the fit to all others.

use super::{ComparedNetwork, Comparison, Found};
use crate::latency::{Evidence, EvidenceShares, PublishedNetwork, Table};

/// Outputs of the published networks, as far as they classify.
const CLASSES: u32 = 1000;

/// The published networks that a table comes with; none for other tables.
pub(super) fn find(table: &Table) -> Option<Found> {
    if table.published.is_empty() {
        return None;
    }
    let listed = table.published.len();
    let method = match &table.error {
        // What may not be listed here counts in the stated error.
        Some(error) if error.networks.is_some_and(|networks| networks as usize > listed) => format!(
            "{listed} of the {} published networks behind the stated error of {:.1}%; the others may not be listed, so the \
             figures below are of a part: {}",
            error.networks.unwrap_or_default(),
            100.0 * error.mape,
            error.method
        ),
        Some(error) => error.method.clone(),
        None => format!("{} published networks, each predicted by a fit to all others", table.published.len()),
    };
    let compared = table.published.iter().map(|network| compared(table, network)).collect();
    Some(Found { comparison: Comparison::LeaveOneOut, method, compared, left_out: Vec::new() })
}

fn compared(table: &Table, network: &PublishedNetwork) -> ComparedNetwork {
    let PublishedNetwork { network: name, input, predicted_ms, published_ms, .. } = network;
    // Operators of a formula have no uncertainty of their own; what rows leave is not known without the network.
    let composition = table.model.as_ref().map(|model| &model.composition);
    let is_of_networks = table.model.as_ref().is_some_and(|model| model.fitted.is_some()) || table.rows.is_empty();
    let interval = composition.filter(|_| is_of_networks).and_then(|model| model.interval(*predicted_ms, 0.0));
    let share = |evidence: Evidence| if table.evidence == evidence { 1.0 } else { 0.0 };
    ComparedNetwork {
        name: Some(name.clone()),
        structure: None,
        resolution: input.split('x').next().and_then(|side| side.parse().ok()).unwrap_or_default(),
        classes: CLASSES,
        squeeze_excite: false,
        space: "other",
        predicted_ms: *predicted_ms,
        interval,
        measured_ms: *published_ms,
        stderr_ms: None,
        repeat_ms: None,
        off: predicted_ms / published_ms - 1.0,
        evidence: EvidenceShares {
            measured_time: share(Evidence::Measured),
            fitted_time: share(Evidence::Fitted),
            interpolated_time: share(Evidence::Interpolated),
            ..EvidenceShares::default()
        },
    }
}
