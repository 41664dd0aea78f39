//! Profiling: from a search space to a latency table that knows its error.
//!
//! What to measure (`plan`) -> one-operator models timed by a runner (`runner`) until their
//! estimate is stable (`bench`) -> rows stored as they arrive (`session`) -> whole networks
//! predicted and measured (`check`). How a machine is reached is `transport`. Not here: looking a
//! latency up (`latency`).

mod bench;
mod check;
mod error;
mod plan;
mod reach;
mod runner;
mod session;
pub mod transport;
mod verify;

pub use bench::{Estimate, Settled, Target, measure, median_and_stderr};
pub use check::{CheckReport, MAX_NETWORKS};
pub use error::ProfileError;
pub use plan::{MAX_OPERATORS, Plan, PlanOptions, draw_networks, plan};
pub use reach::open_runner;
pub use runner::{
    Difference, Parts, RUNNERS, Runner, RunnerAbout, RunnerEntry, RunnerError, RunnerOptions, Subject, Without,
};
pub use session::{Ending, Event, Failure, Outcome, SessionOptions, local_setting, profile};
pub use verify::{Verification, Verified, verify};
