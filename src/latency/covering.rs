//! Which table to predict one network from, where it was measured for that very network.
//!
//! A table of a few operators, measured for one network, is no table for others: it counts for those
//! networks alone whose operators it has, and does not stand in for the setting's. Not here: which table
//! counts otherwise (`store`).

use std::collections::BTreeSet;

use super::{Evidence, Fuser, LatencyError, OperatorKey, Setting, Store, Table, TableChoice, TableSource};
use crate::net::Graph;

/// A local table in which every operator of the network was measured, or tried, if `instead_of` is another.
///
/// # Errors
/// When the database cannot be read.
pub fn table_for(
    store: &Store,
    setting: &Setting,
    graph: &Graph,
    instead_of: Option<&TableSource>,
) -> Result<Option<Table>, LatencyError> {
    let needed: BTreeSet<OperatorKey> = Fuser::default().fuse(graph).iter().copied().collect();
    let failed: BTreeSet<OperatorKey> = store.failures(setting)?.into_iter().map(|(key, _)| key).collect();
    for found in store.tables(setting)? {
        let TableSource::Local { host } = &found.source else { continue };
        if instead_of == Some(&found.source) {
            continue;
        }
        let Some(table) = store.table(setting, &TableChoice::Host(host.clone()))? else { continue };
        let measured = table.rows.iter().filter(|row| row.evidence == Evidence::Measured).map(|row| row.key);
        let known: BTreeSet<OperatorKey> = measured.chain(failed.iter().copied()).collect();
        if needed.is_subset(&known) {
            return Ok(Some(table));
        }
    }
    Ok(None)
}
