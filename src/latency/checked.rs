//! The whole networks that a table was checked on, from all runs that may say something about it.
//!
//! Each network once, with its newest measurement, and as calibration if any run of the setting
//! fitted on it. Not here: predicting them again and the figures (`report`).

use std::collections::{BTreeMap, BTreeSet};

use super::LatencyError;
use super::store::{NetworkCheck, Purpose, SettingTable, Store, TableSource};

/// A checked network with where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedNetwork {
    pub check: NetworkCheck,
    /// Whether it came with the table; otherwise it was measured here.
    pub came_with_table: bool,
    /// Whether it is known only because a user gave it to be verified; otherwise it was drawn at random.
    pub given: bool,
}

/// What makes two measurements one of the same network.
type Identity = (String, u32, u32, bool);

fn identity(check: &NetworkCheck) -> Identity {
    (check.structure.clone(), check.resolution, check.classes, check.squeeze_excite)
}

/// Networks stored for one of a setting's tables, oldest first: of its own runs, and where it is not a local one
/// and no local one is finished, those that were measured on the setting before there was one. What a built-in
/// table comes with is not among them.
///
/// # Errors
/// When the database cannot be read.
pub(super) fn checked_networks(
    store: &Store,
    tables: &[SettingTable],
    index: usize,
) -> Result<Vec<CheckedNetwork>, LatencyError> {
    let is_local = |table: &SettingTable| matches!(table.source, TableSource::Local { .. });
    // A table of another machine of the same name has no say; what was measured before there was one does.
    let any_finished = tables.iter().any(|table| is_local(table) && table.finished);
    let of_table =
        |other: usize| other == index || (!is_local(&tables[index]) && is_local(&tables[other]) && !any_finished);
    let mut runs: Vec<_> =
        tables.iter().enumerate().flat_map(|(number, table)| table.runs.iter().map(move |run| (number, run))).collect();
    // Imported before local, oldest first: later ones replace earlier ones.
    runs.sort_by_key(|(_, run)| (run.imported.is_none(), run.id));
    let mut calibration = BTreeSet::new();
    let mut networks: BTreeMap<Identity, (usize, CheckedNetwork)> = BTreeMap::new();
    let mut order = 0;
    for (number, run) in runs {
        for check in store.checks(run.id)? {
            let key = identity(&check);
            if check.calibration {
                calibration.insert(key.clone());
            }
            if of_table(number) {
                // One that was drawn at random stays so when it is verified later.
                let random = networks.get(&key).is_some_and(|(_, known)| !known.given);
                let given = run.about.purpose == Purpose::Verification && !random;
                let network = CheckedNetwork { check, came_with_table: run.imported.is_some(), given };
                networks.insert(key, (order, network));
                order += 1;
            }
        }
    }
    let mut networks: Vec<_> = networks.into_iter().collect();
    networks.sort_by_key(|(_, (order, _))| *order);
    let network = |(identity, (_, mut network)): (Identity, (usize, CheckedNetwork))| {
        network.check.calibration = calibration.contains(&identity);
        network
    };
    Ok(networks.into_iter().map(network).collect())
}

#[cfg(test)]
mod tests {
    use super::super::{Evidence, NewRun, OperatorKey, Precision, RunId, Setting, TableChoice};
    use super::*;

    fn check(structure: &str, calibration: bool, measured_ms: f64) -> NetworkCheck {
        NetworkCheck {
            structure: structure.to_owned(),
            resolution: 96,
            classes: 10,
            squeeze_excite: false,
            calibration,
            predicted_ms: 1.0,
            measured_ms,
            stderr_ms: None,
            repeat_ms: None,
        }
    }

    fn run(store: &mut Store, setting: &Setting, purpose: Purpose, checks: &[NetworkCheck]) -> RunId {
        let about = NewRun { purpose, ..NewRun::default() };
        let run = store.begin_run(setting, &about).unwrap();
        for check in checks {
            store.insert_check(run, check).unwrap();
        }
        run
    }

    #[test]
    fn once_each_the_newest_and_never_what_any_run_fitted_on() {
        let setting = Setting::new("x", "tract", Precision::Fp32, 1).with_threads(1);
        let mut store = Store::in_memory_empty().unwrap();
        let [a, b, c] = ["SuperConvK3BNRELU(3,8,2,1)", "SuperConvK3BNRELU(3,16,2,1)", "SuperConvK3BNRELU(3,24,2,1)"];
        let first = run(&mut store, &setting, Purpose::SearchSpaces, &[check(a, false, 1.0), check(b, true, 2.0)]);
        run(
            &mut store,
            &setting,
            Purpose::Verification,
            &[check(a, false, 1.5), check(b, false, 2.5), check(c, false, 3.0)],
        );
        let networks = |store: &Store| store.require_table(&setting, &TableChoice::Best).unwrap().networks;
        let found = networks(&store);
        let found: Vec<_> =
            found.iter().map(|n| (&*n.check.structure, n.check.measured_ms, n.check.calibration)).collect();
        assert_eq!(found, [(a, 1.5, false), (b, 2.5, true), (c, 3.0, false)]);

        // An imported table's networks step back with it, but what it was fitted on stays known.
        let mut table = store.require_table(&setting, &TableChoice::Best).unwrap();
        let came = |check| CheckedNetwork { check, came_with_table: true, given: false };
        table.networks = vec![came(check(c, true, 9.0)), came(check("SuperConvK3BNRELU(3,32,2,1)", false, 9.0))];
        store.import_table("a file", &table.to_text()).unwrap();
        assert_eq!(networks(&store).len(), 4);
        let key = OperatorKey::conv(3, 1, 8, 8, 14);
        store.insert_measurement(first, &key, 1.0, None, Evidence::Measured, &[]).unwrap();
        store.finish_run(first, None).unwrap();
        let networks = |store: &Store| store.require_table(&setting, &TableChoice::Best).unwrap().networks;
        let found = networks(&store);
        let found: Vec<_> = found.iter().map(|n| (n.check.measured_ms, n.check.calibration, n.given)).collect();
        assert_eq!(found, [(1.5, false, false), (2.5, true, false), (3.0, true, true)]);
    }
}
