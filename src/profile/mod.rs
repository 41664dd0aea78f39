//! Profiling: from a search space to a latency table that knows its error.
//!
//! Random networks (`draw`) -> the operators inside them, timed by a runner (`runner`) while the network
//! runs (`inside`), or one by one (`plan`, `operators`) until their estimate is stable (`estimate`) ->
//! rows stored as they arrive (`session`, functions on its `bench`) -> whole networks predicted and measured (`check`). For networks
//! that a user gave, their own operators (`given`) and the whole (`verify`). How a
//! machine is reached is `transport`, connected again `station`; whether it stays the same meanwhile is `drift`. Not here: looking a latency up (`latency`).

mod adapt;
mod bench;
mod check;
mod chosen;
mod draw;
mod drift;
mod error;
mod estimate;
mod farm;
mod fitted;
mod given;
mod inside;
mod learning;
mod operators;
pub mod phone;
mod plan;
mod reach;
mod runner;
mod session;
mod spot_check;
mod station;
pub mod transport;
mod verify;

pub use adapt::ADAPT_NETWORKS;
pub use check::{CheckReport, MAX_NETWORKS};
pub use draw::{Drawer, Drawn, Source, draw_networks};
pub use drift::{DriftOptions, DriftReport, REFERENCE};
pub use error::ProfileError;
pub use estimate::{Estimate, Settled, Target, measure};
pub use farm::MemberReport;
pub use given::{GivenNetwork, GivenOptions, profile_given};
pub use learning::{Learning, MoreTime, Recent};
pub use plan::{MAX_OPERATORS, Plan, PlanOptions, plan};
pub use reach::{HERE, ReachOptions, Reached, open_here, open_runner};
pub use runner::{
    Difference, OpenRunner, OperatorForm, Parts, RUNNERS, Runner, RunnerAbout, RunnerEntry, RunnerError, RunnerOptions,
    Subject, Without,
};
pub use session::{Ending, Event, Failure, Outcome, SessionOptions, profile, setting_of};
pub use spot_check::{SPOT_NETWORKS, TriedNetwork, TriedTable, spot_check};
pub use station::Tell;
pub use verify::{Lowered, Verification, Verified, verify};
