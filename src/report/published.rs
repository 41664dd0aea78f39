//! Tables fitted on published figures: every published network, predicted by the fit to all others.

use super::{ComparedNetwork, Comparison, Found, LeftOut, ReportError, networks};
use crate::latency::published::{EXCLUDED, PublishedNetwork, REGIMES, networks as published_networks};
use crate::latency::{EvidenceShares, IMPORTED, Setting, Store};
use crate::net::Network;

/// Outputs of the published networks.
const CLASSES: u32 = 1000;

/// The published networks of a setting whose table was fitted on them; none for other tables.
pub(super) fn find(store: &Store, setting: &Setting) -> Result<Option<Found>, ReportError> {
    let Some(regime) = REGIMES.iter().find(|regime| regime.setting() == *setting) else { return Ok(None) };
    let counting = store.counting_runs(setting)?;
    let shipped = |name: &Option<String>| name.as_ref().is_some_and(|name| !name.starts_with(IMPORTED));
    let fitted_here = store.runs(setting)?.iter().all(|run| !counting.contains(&run.id) || shipped(&run.shipped));
    if !fitted_here {
        return Ok(None);
    }
    let all = published_networks()?;
    let mut found = Found {
        comparison: Comparison::LeaveOneOut,
        method: format!(
            "{} published networks ({}), each predicted by the fit to all others",
            all.len() - 1,
            regime.about
        ),
        compared: Vec::new(),
        left_out: Vec::new(),
    };
    let images = f64::from(setting.batch_size);
    for (network, per_image) in all.iter().zip(regime.left_out_ms(all)) {
        let (predicted_ms, measured_ms) = (images * per_image, images * regime.published_ms(network));
        if network.name == EXCLUDED {
            let reason =
                "the known outlier, in no fit: its published figures do not go together with those of the others"
                    .to_owned();
            let name = network.name.clone();
            found.left_out.push(LeftOut { name, reason, predicted_ms: Some(predicted_ms), measured_ms });
        } else {
            found.compared.push(compared(network, predicted_ms, measured_ms));
        }
    }
    Ok(Some(found))
}

fn compared(network: &PublishedNetwork, predicted_ms: f64, measured_ms: f64) -> ComparedNetwork {
    let parsed = network.structure.as_deref().and_then(|structure| Network::parse(structure).ok());
    ComparedNetwork {
        name: Some(network.name.clone()),
        structure: network.structure.clone(),
        resolution: network.resolution,
        classes: CLASSES,
        squeeze_excite: network.squeeze_excite,
        space: parsed.as_ref().map_or("other", networks::space_of),
        predicted_ms,
        interval: None,
        measured_ms,
        stderr_ms: 0.0,
        repeat_ms: None,
        off: predicted_ms / measured_ms - 1.0,
        evidence: EvidenceShares { fitted_time: 1.0, fitted_count: 1.0, ..EvidenceShares::default() },
    }
}
