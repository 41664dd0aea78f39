//! Given networks measured as a whole, beside what the table predicts for them.
//!
//! What a user does with the winner of a search before training it. Not here: checking a table on
//! random networks, which gives the table its error (`check`).

use serde::Serialize;

use super::check::network_subject;
use super::{Estimate, ProfileError, Runner, RunnerError, Target, measure, setting_of};
use crate::latency::{EvidenceShares, Interval, NetworkCheck, NewRun, Predictor, Setting, Store, VERIFICATION_METHOD};
use crate::net::{Graph, LowerOptions, Network};

/// One network, predicted and measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verified {
    pub structure: String,
    /// Milliseconds of one call with the whole batch; none without a table for the setting.
    pub predicted_ms: Option<f64>,
    /// Where the measured time is expected; none where the table does not say.
    pub interval: Option<Interval>,
    /// Where the prediction comes from.
    pub evidence: Option<EvidenceShares>,
    /// The same, measured: median and its standard error.
    pub measured_ms: f64,
    pub stderr_ms: f64,
}

/// What a verification found.
#[derive(Clone, Debug, Serialize)]
pub struct Verification {
    pub setting: Setting,
    pub runtime_version: String,
    pub networks: Vec<Verified>,
    /// Structure and reason of those that could not be timed.
    pub failed: Vec<(String, String)>,
    pub interrupted: bool,
}

/// Measures networks end to end and keeps what was found in the database, as a run of its own.
///
/// # Errors
/// When the device is lost or the database cannot be used.
pub fn verify(
    store: &mut Store,
    runner: &mut dyn Runner,
    networks: &[(Network, Graph)],
    lower: &LowerOptions,
    batch_size: u32,
    interrupted: &dyn Fn() -> bool,
    on_network: &mut dyn FnMut(&Verified),
) -> Result<Verification, ProfileError> {
    let about = runner.about();
    let setting = setting_of(&about, batch_size);
    // Without a table there is still a time to measure.
    let predictor = Predictor::new(store, &setting).ok();
    let new_run = NewRun {
        origin: "measured with zen-profile".to_owned(),
        licence: "MIT OR Apache-2.0".to_owned(),
        runtime_version: about.runtime_version.clone(),
        host: about.host.clone(),
        method: format!("{VERIFICATION_METHOD}; {}", about.clock),
        notes: format!("{} given networks", networks.len()),
    };
    let run = match &predictor {
        Some(_) => Some(store.begin_run(&setting, &new_run)?),
        None => None,
    };
    let mut found = Verification {
        setting,
        runtime_version: about.runtime_version,
        networks: Vec::new(),
        failed: Vec::new(),
        interrupted: false,
    };
    for (network, graph) in networks {
        if interrupted() {
            found.interrupted = true;
            break;
        }
        let subject = network_subject(network, graph, batch_size, 0)?;
        let estimate = match measure(runner, &subject, &Target::network()) {
            Ok(estimate) => estimate,
            Err(RunnerError::Model(reason)) => {
                found.failed.push((subject.name, reason));
                continue;
            }
            Err(RunnerError::Interrupted) => {
                found.interrupted = true;
                break;
            }
            Err(error) => return Err(ProfileError::of_runner(error)),
        };
        let prediction = predictor.as_ref().map(|predictor| predictor.predict(graph));
        let predicted_ms = prediction.as_ref().map(|prediction| prediction.ms);
        if let (Some(run), Some(predicted_ms)) = (run, predicted_ms) {
            let Estimate { median_ms, stderr_ms, .. } = estimate;
            let check = NetworkCheck::new(subject.name.clone(), lower, predicted_ms, median_ms, stderr_ms);
            store.insert_check(run, &check)?;
        }
        let verified = Verified {
            structure: subject.name,
            predicted_ms,
            interval: prediction.as_ref().and_then(|prediction| prediction.interval),
            evidence: prediction.map(|prediction| prediction.evidence),
            measured_ms: estimate.median_ms,
            stderr_ms: estimate.stderr_ms,
        };
        on_network(&verified);
        found.networks.push(verified);
    }
    if let Some(run) = run {
        store.finish_run(run, None)?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::runner::mock::Mock;
    use super::*;

    #[test]
    fn times_come_beside_predictions_and_change_no_table() {
        let mut store = Store::in_memory_empty().unwrap();
        let network = Network::parse("SuperConvK3BNRELU(3,8,2,1)").unwrap();
        let lower = LowerOptions::new(16, 10);
        let graph = network.lower(&lower).unwrap();
        let mut runner = Mock::new(|_, _| Ok(vec![2.0; 8]));
        let networks = [(network, graph)];
        let found = verify(&mut store, &mut runner, &networks, &lower, 1, &|| false, &mut |_| ()).unwrap();
        assert_eq!(found.networks[0].measured_ms, 2.0);
        assert_eq!(found.networks[0].predicted_ms, None);
        assert!(store.rows(&found.setting).unwrap().is_empty());
        let stopped = verify(&mut store, &mut runner, &networks, &lower, 1, &|| true, &mut |_| ()).unwrap();
        assert!(stopped.interrupted && stopped.networks.is_empty());
    }
}
