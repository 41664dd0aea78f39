//! A table of another machine, tried on this one: a few of the whole networks that it was checked on, measured here.
//!
//! From the smallest to middling ones of each kind, so that it takes seconds. Not here: what the times say and what is done with the table
//! (`latency::spot_check`), when a table is tried (`cli`).

use std::time::{Duration, Instant};

use serde::Serialize;

use super::check::network_subject;
use super::{ProfileError, Runner, RunnerError, Target, measure};
use crate::latency::{Agreement, CheckedNetwork, Fuser, KeyKind, Predictor, SpotCheck, Table};
use crate::net::{Graph, Network};

/// Networks that are measured: three of each kind.
pub const SPOT_NETWORKS: usize = 6;
/// Where they stand among the networks of their kind, by time.
const PLACES: [f64; 4] = [0.0, 0.5, 0.25, 0.1];
/// No network begins after this time.
const TIME_LIMIT: Duration = Duration::from_millis(5000);
/// Longest time for one network.
const NETWORK_LIMIT: Duration = Duration::from_millis(700);

/// A network of the table, measured here.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct TriedNetwork {
    pub structure: String,
    pub resolution: u32,
    pub squeeze_excite: bool,
    /// Milliseconds of one call by the table, on its own machine, and here.
    pub predicted_ms: f64,
    pub there_ms: f64,
    pub measured_ms: f64,
    pub stderr_ms: f64,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct TriedTable {
    #[serde(flatten)]
    pub check: SpotCheck,
    pub tried: Vec<TriedNetwork>,
}

/// Measures a few networks of a table with a runner of its runtime and says what they say about the table.
///
/// # Errors
/// When the table lists too few networks, too few could be measured, or the user interrupted.
pub fn spot_check(
    runner: &mut dyn Runner,
    table: &Table,
    at: String,
    interrupted: &dyn Fn() -> bool,
    on_network: &mut dyn FnMut(usize, &TriedNetwork),
) -> Result<TriedTable, ProfileError> {
    let failed = |reason: String| ProfileError::NotTried { setting: table.setting.id(), reason };
    let networks = telling(table);
    if networks.len() < Agreement::LEAST_NETWORKS {
        return Err(failed(format!("it lists {} whole networks to measure, 3 are needed", networks.len())));
    }
    let predictor = Predictor::from_table(table)?;
    let limits = zen_agent::Limits { block_ms: 60.0, ..Target::network().limits };
    let target = Target { min_blocks: 2, max_blocks: 4, time_limit: NETWORK_LIMIT, limits, ..Target::network() };
    let start = Instant::now();
    let mut tried = Vec::with_capacity(SPOT_NETWORKS);
    for (checked, network, graph) in networks {
        if interrupted() {
            return Err(ProfileError::Interrupted);
        }
        if tried.len() == SPOT_NETWORKS || start.elapsed() > TIME_LIMIT {
            break;
        }
        let subject = network_subject(&network, &graph, table.setting.batch_size, 0)?;
        let estimate = match measure(runner, &subject, &target) {
            Ok(estimate) => estimate,
            Err(RunnerError::Model(_)) => continue,
            Err(error) => return Err(ProfileError::of_runner(error)),
        };
        let found = TriedNetwork {
            structure: subject.name,
            resolution: checked.check.resolution,
            squeeze_excite: checked.check.squeeze_excite,
            predicted_ms: predictor.predict(&graph).ms,
            there_ms: checked.check.measured_ms,
            measured_ms: estimate.median_ms,
            stderr_ms: estimate.stderr_ms,
        };
        tried.push(found);
        if let Some(found) = tried.last() {
            on_network(tried.len(), found);
        }
    }
    let pairs: Vec<(f64, f64)> = tried.iter().map(|network| (network.predicted_ms, network.measured_ms)).collect();
    let Some(Agreement { factor, scatter, mape, verdict }) = Agreement::of(&pairs) else {
        return Err(failed(format!("only {} of its networks could be measured here, 3 are needed", pairs.len())));
    };
    let about = runner.about();
    let check = SpotCheck {
        setting: table.setting.id(),
        content: table.content(),
        processor: about.processor.as_ref().map_or_else(String::new, ToString::to_string),
        host: about.host,
        runtime_version: about.runtime_version,
        at,
        factor,
        scatter,
        mape,
        networks: pairs.len() as u32,
        verdict,
    };
    Ok(TriedTable { check, tried })
}

/// Networks of the table that no fit has seen, with and without depthwise convolutions in turn: the fastest of each, then
/// those at a quarter and the middle of the times, so that what is found does not hold for small ones alone. Behind
/// them a few more, for those that fail.
fn telling(table: &Table) -> Vec<(&CheckedNetwork, Network, Graph)> {
    let mut held_out: Vec<&CheckedNetwork> =
        table.networks.iter().filter(|network| network.came_with_table && !network.check.calibration).collect();
    held_out.sort_by(|a, b| a.check.measured_ms.total_cmp(&b.check.measured_ms));
    let lowered = |checked: &&'_ CheckedNetwork| {
        let network = Network::parse(&checked.check.structure).ok()?;
        let graph = network.lower(&checked.check.lower_options()).ok()?;
        Some((network, graph))
    };
    let mut kinds: [Vec<_>; 2] = Default::default();
    for checked in held_out {
        let Some((network, graph)) = lowered(&checked) else { continue };
        let depthwise = Fuser::default().fuse(&graph).iter().any(|key| key.kind == KeyKind::Depthwise);
        kinds[usize::from(depthwise)].push(Some((checked, network, graph)));
    }
    let mut picked = Vec::new();
    for share in PLACES {
        for kind in &mut kinds {
            let place = (share * kind.len() as f64) as usize;
            // The next one that is left, where a kind has few.
            picked.extend(kind.iter_mut().skip(place).find_map(Option::take));
        }
    }
    picked
}

#[cfg(test)]
mod tests {
    use super::super::runner::mock::Mock;
    use super::*;
    use crate::latency::{Precision, Setting, Verdict, built_in_table};

    fn table() -> Table {
        let setting = Setting::new("cpu-amd-epyc", "tract", Precision::Fp32, 1).with_threads(1);
        built_in_table(&setting).unwrap().unwrap()
    }

    /// Predicted time of a network of the table by its structure.
    fn predicted_ms(table: &Table, structure: &str) -> f64 {
        let found = telling(table).into_iter().find(|(_, network, _)| network.to_string() == structure).unwrap();
        Predictor::from_table(table).unwrap().predict(&found.2).ms
    }

    fn run(table: &Table, ratio: impl Fn(usize) -> f64) -> Result<TriedTable, ProfileError> {
        let mut names: Vec<String> = Vec::new();
        let mut runner = Mock::new(|subject, _| {
            if names.last() != Some(&subject.name) {
                names.push(subject.name.clone());
            }
            Ok(vec![predicted_ms(table, &subject.name) * ratio(names.len()); 3])
        });
        spot_check(&mut runner, table, "2026-01-01T00:00:00Z".to_owned(), &|| false, &mut |_, _| ())
    }

    #[test]
    fn a_table_is_confirmed_scaled_or_refused_by_six_of_its_networks() {
        let table = table();
        let picked = telling(&table);
        let fastest = table.networks.iter().map(|network| network.check.measured_ms).fold(f64::INFINITY, f64::min);
        assert!(picked[..2].iter().any(|(network, ..)| network.check.measured_ms == fastest) && picked.len() == 8);
        for (number, (_, network, _)) in picked.iter().enumerate() {
            assert_eq!(network.to_string().contains("IDW"), number % 2 == 1, "both kinds in turn");
        }
        let found = run(&table, |_| 1.01).unwrap();
        assert_eq!((found.check.verdict, found.check.networks, found.tried.len()), (Verdict::Confirmed, 6, 6));
        assert_eq!(found.check.applied(&table).unwrap(), table);
        let found = run(&table, |i| if i % 2 == 0 { 1.6 } else { 1.65 }).unwrap();
        assert_eq!((found.check.verdict, found.check.processor.as_str()), (Verdict::Scaled, ""));
        let factor = (1.6_f64 * 1.65).sqrt();
        assert!((found.check.factor - factor).abs() < 1e-9 && found.check.mape < 0.03);
        let scaled = found.check.applied(&table).unwrap();
        let error = scaled.error.unwrap();
        let there = table.error.as_ref().unwrap().mape;
        assert_eq!((error.networks, error.mape), (Some(6), found.check.mape.max(there)));
        assert_eq!(error.method, "scaled by 1.62 after 6 networks measured here, which scatter by 2%");
        assert_eq!(run(&table, |i| [1.0, 2.0][i % 2]).unwrap().check.verdict, Verdict::Refused);
        assert_eq!(run(&table, |_| 3.5).unwrap().check.verdict, Verdict::Refused);
    }

    #[test]
    fn a_table_without_networks_and_a_runtime_without_luck_say_so() {
        let table = table();
        let bare = Table { networks: Vec::new(), ..table.clone() };
        let error = run(&bare, |_| 1.0).unwrap_err().to_string();
        assert!(error.contains("lists 0 whole networks"), "{error}");
        let mut broken = Mock::new(|_, _| Err(RunnerError::Model("no".to_owned())));
        let error = spot_check(&mut broken, &table, String::new(), &|| false, &mut |_, _| ()).unwrap_err().to_string();
        assert!(error.contains("only 0 of its networks"), "{error}");
        let mut idle = Mock::new(|_, _| Ok(vec![1.0]));
        let stopped = spot_check(&mut idle, &table, String::new(), &|| true, &mut |_, _| ());
        assert!(matches!(stopped, Err(ProfileError::Interrupted)));
    }
}
