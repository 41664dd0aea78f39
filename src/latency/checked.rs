//! The whole networks that a setting was checked on, from all of its runs.
//!
//! Each network once, with its newest measurement, and as calibration if any run of the setting
//! fitted on it. Not here: predicting them again and the figures (`report`).

use std::collections::{BTreeMap, BTreeSet};

use super::{LatencyError, NetworkCheck, Setting, Store};

/// How the method of runs begins that measured networks which a user gave (`zen-profile verify`).
///
/// Those are no random sample: a search finds what its table takes for too fast.
pub const VERIFICATION_METHOD: &str = "given whole networks";

/// The same for runs that checked a table on fresh networks and fitted nothing (`--only-check`).
pub const CHECK_METHOD: &str = "fresh whole networks";

/// A checked network with where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedNetwork {
    pub check: NetworkCheck,
    /// Name of the shipped or imported table; none for the user's own run.
    pub shipped: Option<String>,
    /// Whether it is known only because a user gave it to be verified; otherwise it was drawn at random.
    pub given: bool,
}

/// What makes two measurements one of the same network.
type Identity = (String, u32, u32, bool);

fn identity(check: &NetworkCheck) -> Identity {
    (check.structure.clone(), check.resolution, check.classes, check.squeeze_excite)
}

/// Networks of the user's own runs on a setting, and of the shipped and imported tables that
/// predictions are made from; oldest first.
///
/// # Errors
/// When the database cannot be read.
pub fn checked_networks(store: &Store, setting: &Setting) -> Result<Vec<CheckedNetwork>, LatencyError> {
    let counting = store.counting_runs(setting)?;
    let mut runs = store.runs(setting)?;
    let own_counts = runs.iter().any(|run| run.shipped.is_none() && counting.contains(&run.id));
    // Shipped before own, oldest first: later ones replace earlier ones.
    runs.sort_by_key(|run| (run.shipped.is_none(), run.id));
    let mut calibration = BTreeSet::new();
    let mut networks: BTreeMap<Identity, (usize, CheckedNetwork)> = BTreeMap::new();
    let mut order = 0;
    for run in runs {
        // A table of another machine of the same name has no say; what was measured before there was an
        // own table does.
        let first_own = run.shipped.is_none() && !own_counts && store.own_may_count();
        let relevant = first_own || counting.contains(&run.id);
        for check in store.checks(run.id)? {
            if check.calibration {
                calibration.insert(identity(&check));
            }
            if relevant {
                let key = identity(&check);
                // One that was drawn at random stays so when it is verified later.
                let random = networks.get(&key).is_some_and(|(_, known)| !known.given);
                let given = run.shipped.is_none() && run.about.method.starts_with(VERIFICATION_METHOD) && !random;
                networks.insert(key, (order, CheckedNetwork { check, shipped: run.shipped.clone(), given }));
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
    use super::super::{Evidence, NewRun, OperatorKey, Precision, RunId, Table};
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
            stderr_ms: 0.0,
            repeat_ms: None,
        }
    }

    fn run(store: &mut Store, setting: &Setting, method: &str, checks: &[NetworkCheck]) -> RunId {
        let about = NewRun { method: method.to_owned(), ..NewRun::default() };
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
        let first = run(&mut store, &setting, "", &[check(a, false, 1.0), check(b, true, 2.0)]);
        run(
            &mut store,
            &setting,
            VERIFICATION_METHOD,
            &[check(a, false, 1.5), check(b, false, 2.5), check(c, false, 3.0)],
        );
        let found = checked_networks(&store, &setting).unwrap();
        let found: Vec<_> =
            found.iter().map(|n| (&*n.check.structure, n.check.measured_ms, n.check.calibration)).collect();
        assert_eq!(found, [(a, 1.5, false), (b, 2.5, true), (c, 3.0, false)]);

        // An imported table's networks step back with it, but what it was fitted on stays known.
        let text = super::super::export_table(&store, &setting).unwrap();
        let mut table = Table::parse("a file", &text).unwrap();
        table.networks = vec![check(c, true, 9.0), check("SuperConvK3BNRELU(3,32,2,1)", false, 9.0)];
        store.import_table("a file", &table.to_text()).unwrap();
        assert_eq!(checked_networks(&store, &setting).unwrap().len(), 4);
        let key = OperatorKey::conv(3, 1, 8, 8, 14);
        store.insert_measurement(first, &key, 1.0, 0.0, Evidence::Measured, &[]).unwrap();
        store.finish_run(first, None).unwrap();
        let found = checked_networks(&store, &setting).unwrap();
        let found: Vec<_> = found.iter().map(|n| (n.check.measured_ms, n.check.calibration, n.given)).collect();
        assert_eq!(found, [(1.5, false, false), (2.5, true, false), (3.0, true, true)]);
    }
}
