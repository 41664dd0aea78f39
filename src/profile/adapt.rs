//! A table for a device from the table of a similar one and a few whole networks.
//!
//! The other table says how operators relate, the networks say how much faster or slower each class of
//! them is here, and what the host costs. Nothing of the result is measured: its rows are `fitted`,
//! and its error is that of networks left out. Not here: fitting (`latency`), the check on further
//! networks (`check`).

use super::bench::Bench;
use super::check::whole;
use super::draw::Drawer;
use super::session::{Event, SessionOptions};
use super::{Ending, ProfileError};
use crate::latency::{
    Evidence, NetworkCheck, NetworkTimes, Predictor, Setting, TableChoice, TableError, fit_composition, fit_spread_of,
    leave_out_error, scaled_table,
};

/// Whole networks that an adaptation measures.
pub const ADAPT_NETWORKS: usize = 10;
/// Fewer say nothing.
const LEAST_NETWORKS: usize = 3;
/// Tells these networks from all others.
const ADAPT_STREAM: u64 = 0x0ada_97ed_5eed_0001;

/// Measures [`ADAPT_NETWORKS`] networks and makes a table of `from`'s that fits them; returns the number
/// of networks and the error of each predicted by the others.
pub(super) fn adapt(
    bench: &mut Bench<'_>,
    options: &SessionOptions,
    from: &Setting,
) -> Result<(usize, Option<TableError>), ProfileError> {
    let source = bench.table.store.require_table(from, &TableChoice::Best)?;
    let predictor = Predictor::from_table(&source)?;
    (bench.run.on_event)(Event::Check { measurements: ADAPT_NETWORKS });
    let plan = &options.plan;
    let mut drawer = Drawer::new(&plan.sources, plan.seed ^ ADAPT_STREAM)?;
    let mut networks: Vec<NetworkTimes> = Vec::with_capacity(ADAPT_NETWORKS);
    for drawn in (0..ADAPT_NETWORKS).map_while(|_| drawer.draw()) {
        let Some((measured_ms, stderr_ms)) = whole(bench, &drawn, options.plan.seed)? else { continue };
        let predicted_ms = predictor.predict(&drawn.graph).ms;
        let check = drawn.check(predicted_ms, measured_ms, Some(stderr_ms));
        bench.table.store.insert_check(bench.run.id, &NetworkCheck { calibration: true, ..check })?;
        let (cold_weight_giga, cold_map_giga) = (0.0, 0.0);
        let times = predictor.class_times(&drawn.graph);
        networks.push(NetworkTimes { measured_ms, cold_weight_giga, cold_map_giga, ..times });
    }
    if bench.run.outcome.ending == Ending::Interrupted {
        return Ok((0, None));
    }
    if networks.len() < LEAST_NETWORKS {
        return Err(ProfileError::AdaptNetworks { measured: networks.len(), needed: LEAST_NETWORKS });
    }
    let (rows, model) = scaled_table(&source.rows, predictor.model(), &fit_spread_of(&networks));
    bench.table.store.insert_rows(bench.run.id, &rows)?;
    bench.table.store.set_model(bench.run.id, &model)?;
    bench.run.outcome.stored = rows.len();
    bench.run.outcome.evidence = Evidence::Fitted;
    let method = format!(
        "each of {} networks predicted by a fit to the others; operators from {from}, none measured here",
        networks.len()
    );
    Ok((networks.len(), leave_out_error(&networks, fit_composition, &method)))
}
