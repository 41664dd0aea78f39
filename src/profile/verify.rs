//! Given networks measured as a whole, beside what the table predicts for them.
//!
//! What a user does with the winner of a search before training it, or with a network of somebody else
//! before choosing it: an ONNX file is timed as it is. Not here: checking a table on random networks,
//! which gives the table its error (`check`).

use serde::Serialize;

use super::{Estimate, GivenNetwork, ProfileError, Runner, RunnerError, Target, measure, setting_of};
use crate::latency::{
    EvidenceShares, Fingerprint, Gaps, Interval, LatencyError, NetworkCheck, NewRun, Prediction, Predictor, Purpose,
    Setting, SpotChecks, Store, TableChoice, choose_table,
};
use crate::net::LowerOptions;

/// One network, predicted and measured.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Verified {
    /// None of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub structure: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// How a structure was lowered.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub lowered: Option<Lowered>,
    /// Milliseconds of one call with the whole batch; none without a table for the setting.
    pub predicted_ms: Option<f64>,
    /// Where the measured time is expected; none where the table does not say.
    pub interval: Option<Interval>,
    /// Where the prediction comes from.
    pub evidence: Option<EvidenceShares>,
    /// What the prediction does not know; of files alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gaps: Option<Gaps>,
    /// The same, measured: median and its standard error.
    pub measured_ms: f64,
    pub stderr_ms: f64,
}

/// What was measured of a structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Lowered {
    pub resolution: u32,
    pub classes: u32,
    pub squeeze_excite: bool,
}

/// What a verification found.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Verification {
    pub setting: Setting,
    pub runtime_version: String,
    pub networks: Vec<Verified>,
    /// Structure or file, and reason, of those that could not be timed.
    pub failed: Vec<(String, String)>,
    pub interrupted: bool,
}

impl Verified {
    /// The structure, or the file's path.
    pub fn name(&self) -> &str {
        self.structure.as_ref().or(self.file.as_ref()).map_or("", String::as_str)
    }
}

/// Measures networks end to end. What was found of structures is kept in the database, as a run of its own;
/// a file cannot be read again from there, so its time is only reported.
///
/// # Errors
/// When the device is lost or the database cannot be used.
pub fn verify(
    store: &mut Store,
    runner: &mut dyn Runner,
    networks: &[GivenNetwork],
    batch_size: u32,
    interrupted: &dyn Fn() -> bool,
    on_network: &mut dyn FnMut(&Verified),
) -> Result<Verification, ProfileError> {
    let about = runner.about();
    let setting = setting_of(&about, batch_size);
    // Without a table there is still a time to measure.
    let has_table = !store.tables(&setting)?.is_empty();
    let new_run = NewRun {
        purpose: Purpose::Verification,
        fingerprint: Fingerprint::default(),
        origin: "measured with zen-profile".to_owned(),
        licence: "MIT OR Apache-2.0".to_owned(),
        runtime_version: about.runtime_version.clone(),
        host: about.host.clone(),
        processor: about.processor.clone(),
        method: format!("given whole networks; {}", about.clock),
        notes: format!("{} given networks", networks.len()),
        warning: String::new(),
    };
    let structures = networks.iter().any(|network| matches!(network, GivenNetwork::Structure { .. }));
    let run = match has_table && structures {
        true => Some(store.begin_run(&setting, &new_run)?),
        false => None,
    };
    let mut found = Verification {
        setting: setting.clone(),
        runtime_version: about.runtime_version,
        networks: Vec::new(),
        failed: Vec::new(),
        interrupted: false,
    };
    for network in networks {
        if interrupted() {
            found.interrupted = true;
            break;
        }
        let subject = network.subject(batch_size, 0)?;
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
        let prediction = predict(store, network, &setting)?;
        let predicted_ms = prediction.as_ref().map(|prediction| prediction.ms);
        let Estimate { median_ms, stderr_ms, .. } = estimate;
        let (mut structure, mut file, mut lowered) = (None, None, None);
        match network {
            GivenNetwork::Structure { lower, .. } => {
                if let (Some(run), Some(predicted_ms)) = (run, predicted_ms) {
                    let check =
                        NetworkCheck::new(subject.name.clone(), lower, predicted_ms, median_ms, Some(stderr_ms));
                    store.insert_check(run, &check)?;
                }
                structure = Some(subject.name);
                let LowerOptions { resolution, classes, squeeze_excite, .. } = *lower;
                lowered = Some(Lowered { resolution, classes, squeeze_excite });
            }
            GivenNetwork::File { .. } => file = Some(subject.name),
        }
        let verified = Verified {
            predicted_ms,
            interval: prediction.as_ref().and_then(|prediction| prediction.interval),
            evidence: prediction.as_ref().map(|prediction| prediction.evidence),
            gaps: prediction.as_ref().filter(|_| file.is_some()).map(Prediction::gaps),
            structure,
            file,
            lowered,
            measured_ms: median_ms,
            stderr_ms,
        };
        on_network(&verified);
        found.networks.push(verified);
    }
    if let Some(run) = run {
        store.finish_run(run, None)?;
    }
    Ok(found)
}

/// A network's prediction by the table that is chosen for it, as it was before anything of it was measured now.
fn predict(store: &Store, network: &GivenNetwork, setting: &Setting) -> Result<Option<Prediction>, LatencyError> {
    let graph = network.graph();
    let chosen = choose_table(store, setting, &TableChoice::Best, &[graph], SpotChecks::Stored)?;
    let predictor = chosen.and_then(|chosen| Predictor::from_table(&chosen.table).ok());
    Ok(predictor.map(|predictor| predictor.predict(graph)))
}

#[cfg(test)]
mod tests {
    use super::super::runner::mock::Mock;
    use super::*;
    use crate::net::Network;

    #[test]
    fn times_come_beside_predictions_and_change_no_table() {
        let mut store = Store::in_memory_empty().unwrap();
        let network = Network::parse("SuperConvK3BNRELU(3,8,2,1)").unwrap();
        let lower = LowerOptions::new(16, 10);
        let graph = network.lower(&lower).unwrap();
        let mut runner = Mock::new(|_, _| Ok(vec![2.0; 8]));
        let networks = [GivenNetwork::Structure { network, graph, lower }];
        let found = verify(&mut store, &mut runner, &networks, 1, &|| false, &mut |_| ()).unwrap();
        assert_eq!(found.networks[0].measured_ms, 2.0);
        assert_eq!(found.networks[0].predicted_ms, None);
        assert!(store.runs(&found.setting).unwrap().is_empty());
        let stopped = verify(&mut store, &mut runner, &networks, 1, &|| true, &mut |_| ()).unwrap();
        assert!(stopped.interrupted && stopped.networks.is_empty());
    }
}
