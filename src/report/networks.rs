//! Networks measured on the setting and held out of every fit, predicted again as of now.

use super::{ComparedNetwork, Comparison, Found, LeftOut};
use crate::latency::{CheckedNetwork, NetworkCheck, Predictor, Table};
use crate::net::Network;
use crate::space::SPACES;

/// The held-out networks of a table; where only verified ones are known, those.
pub(super) fn find(table: &Table, predictor: &Predictor) -> Found {
    let fitted_on = table.networks.iter().filter(|network| network.check.calibration).count();
    let held_out = table.networks.iter().filter(|network| !network.check.calibration).cloned();
    let (given, random): (Vec<CheckedNetwork>, Vec<CheckedNetwork>) = held_out.partition(|network| network.given);
    let (comparison, kept, others) = match (random.is_empty(), given.is_empty()) {
        (false, _) => (Comparison::HeldOut, random, given),
        (true, false) => (Comparison::Verified, given, Vec::new()),
        (true, true) => (Comparison::None, Vec::new(), Vec::new()),
    };
    let method = match comparison {
        Comparison::HeldOut => {
            let from = match kept.iter().filter(|network| !network.came_with_table).count() {
                0 => "that came with the table".to_owned(),
                here if here == kept.len() => "measured here".to_owned(),
                here => format!("{here} of them measured here, the others came with the table"),
            };
            // Older runs did not store which networks calibrated.
            let others = if fitted_on == 0 { String::new() } else { format!("; {fitted_on} others calibrate") };
            format!("{} random networks held out, {from}{others}", kept.len())
        }
        Comparison::Verified => format!(
            "{} networks that were given to `zen-profile verify`: no random sample, since search exploits prediction errors",
            kept.len()
        ),
        _ => match fitted_on {
            0 => "no whole network measured on this setting is known".to_owned(),
            n => format!("the {n} whole networks measured on this setting are all in the fit"),
        },
    };
    let mut found = Found { comparison, method, compared: Vec::new(), left_out: Vec::new() };
    for network in &kept {
        match compare(predictor, &network.check) {
            Ok(compared) => found.compared.push(compared),
            Err(reason) => found.left_out.push(left_out(&network.check, reason, None)),
        }
    }
    for network in &others {
        let compared = compare(predictor, &network.check);
        let predicted_ms = compared.as_ref().ok().map(|compared| compared.predicted_ms);
        let reason = compared.err().unwrap_or_else(|| "given to `zen-profile verify`: no random sample".to_owned());
        found.left_out.push(left_out(&network.check, reason, predicted_ms));
    }
    found
}

fn left_out(check: &NetworkCheck, reason: String, predicted_ms: Option<f64>) -> LeftOut {
    LeftOut { name: check.structure.clone(), reason, predicted_ms, measured_ms: check.measured_ms }
}

fn compare(predictor: &Predictor, check: &NetworkCheck) -> Result<ComparedNetwork, String> {
    if !(check.measured_ms.is_finite() && check.measured_ms > 0.0) {
        return Err(format!("its measured time is {} ms", check.measured_ms));
    }
    let network = Network::parse(&check.structure).map_err(|error| error.to_string())?;
    let graph = network.lower(&check.lower_options()).map_err(|error| error.to_string())?;
    let prediction = predictor.predict(&graph);
    Ok(ComparedNetwork {
        name: None,
        structure: Some(check.structure.clone()),
        resolution: check.resolution,
        classes: check.classes,
        squeeze_excite: check.squeeze_excite,
        space: space_of(&network),
        predicted_ms: prediction.ms,
        interval: prediction.interval,
        measured_ms: check.measured_ms,
        stderr_ms: check.stderr_ms,
        repeat_ms: check.repeat_ms.filter(|ms| ms.is_finite() && *ms > 0.0),
        off: prediction.ms / check.measured_ms - 1.0,
        evidence: prediction.evidence,
    })
}

/// The first built-in search space that has every residual block of a network.
pub(super) fn space_of(network: &Network) -> &'static str {
    let mut residual = network.blocks().iter().filter(|block| block.kind.family().residual).peekable();
    if residual.peek().is_none() {
        return "other";
    }
    let kinds: Vec<_> = residual.map(|block| block.kind).collect();
    let found = SPACES.iter().find(|space| kinds.iter().all(|kind| space.kinds.contains(kind)));
    found.map_or("other", |space| space.name.as_str())
}
