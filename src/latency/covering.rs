//! Which table to predict one network from, where it was measured for that very network.
//!
//! A table of a few operators, measured for one network, is no table for others: it counts for those
//! networks alone whose operators it has, and does not stand in for the setting's. Not here: which table
//! counts otherwise (`store`).

use std::collections::BTreeSet;

use super::{Evidence, Fuser, LatencyError, OperatorKey, Setting, Store, TableChoice, TableSource};
use crate::net::Graph;

/// How the method of runs begins that measured the operators of given networks (`zen-profile --for`).
pub const GIVEN_OPERATORS_METHOD: &str = "operators of given networks";

/// The user's own table in which every operator of the network was measured, or tried, if the one that
/// counts is another; else what the store reads now.
///
/// # Errors
/// When the database cannot be read.
pub fn table_for(store: &mut Store, setting: &Setting, graph: &Graph) -> Result<TableChoice, LatencyError> {
    let before = store.chosen_tables().clone();
    if before != TableChoice::Best {
        return Ok(before);
    }
    let needed: BTreeSet<OperatorKey> = Fuser::default().fuse(graph).iter().copied().collect();
    for table in store.tables(setting)? {
        let TableSource::Own { host } = table.source else { continue };
        if table.counts {
            continue;
        }
        let own = TableChoice::Own { host };
        store.choose_tables(own.clone());
        let known = measured_or_tried(store, setting);
        store.choose_tables(before.clone());
        if needed.is_subset(&known?) {
            return Ok(own);
        }
    }
    Ok(before)
}

fn measured_or_tried(store: &Store, setting: &Setting) -> Result<BTreeSet<OperatorKey>, LatencyError> {
    let rows = store.rows(setting)?.into_iter();
    let measured = rows.filter(|row| row.evidence == Evidence::Measured).map(|row| row.key);
    let failed = store.failures(setting)?.into_iter().map(|(key, _)| key);
    Ok(measured.chain(failed).collect())
}
