//! What the binaries share: options, exit codes, progress, and how a latency is printed.
//!
//! No decisions here: options become library types, results become text.

mod exit;
mod interrupt;
mod number;
mod options;
mod print;
mod profile;
mod progress;
mod report;
mod tables;

pub use exit::{Exit, exit_help, exit_of, finish};
pub use interrupt::interrupted;
pub use number::{count, large_number, positive};
pub use options::{
    CompletionArgs, ComputeArgs, DatabaseArgs, LoweringArgs, NamedStructure, OpenTable, OutputArgs, SettingArgs,
    TableArgs, open_store, open_table, read_structures,
};
pub use print::{columns, cost_lines, describe_latency, human, print, table};
pub use profile::{SessionProgress, describe_session, describe_verification, profile_exit, verification_exit};
pub use progress::Progress;
pub use report::{describe_report, describe_setting};
pub use tables::{RunSummary, TableSummary, all_tables, describe_import, tables_of};
