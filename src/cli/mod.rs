//! What the binaries share: options, exit codes, progress, and how a latency is printed.
//!
//! No decisions here: options become library types, results become text.

mod axes;
mod board;
mod budgets;
mod compared;
mod devices;
mod exit;
mod foreign;
mod gates;
mod interrupt;
pub mod json;
mod lowering;
mod networks;
mod number;
mod options;
mod passphrase;
mod print;
mod profile;
mod progress;
mod rails;
mod report;
mod scores;
mod setting;
mod spaces;
mod structures;
mod tables;
mod trial;
mod verification;

pub use crate::units::{large_number, positive};
pub use axes::AxesArg;
pub use board::{describe_comparison, describe_scored, score_table};
pub use budgets::{BUDGET_GROUP, BudgetArgs, ResolvedBudgets};
pub use compared::describe_on_devices;
pub use devices::{
    DeviceSetting, DeviceSummary, DeviceTable, all_devices, describe_devices, devices_markdown, devices_with,
};
pub use exit::{Exit, exit_help, exit_of, finish, finish_telling};
pub use foreign::{ImportArgs, describe_foreign, foreign_table, gap_lines, is_model};
pub use gates::{GateArgs, Judge, Key, LimitArgs, Tables, Verdict, to_junit, to_markdown};
pub use interrupt::{interrupt_flag, interrupted};
pub use lowering::LoweringArgs;
pub use networks::{InputError, Networks, read_networks};
pub use number::{Confidence, confidence, count, count_or_none, threads};
pub use options::{
    CompletionArgs, ComputeArgs, DatabaseArgs, OpenTable, OutputArgs, TableArgs, open_store, open_table, open_table_of,
    read_store, resolve_telling,
};
pub use passphrase::Passphrases;
pub use print::{aligned, columns, cost_lines, describe_latency, human, print, score, table, table_lines};
pub use profile::{SessionProgress, describe_given, describe_session, profile_exit};
pub use progress::Progress;
pub use rails::{RAIL_GROUP, RailArgs};
pub use report::{describe_report, describe_setting};
pub use scores::{SCORE_ADVICE, proxies_help, with_error};
pub use setting::{DeviceArgs, SettingArgs};
pub use spaces::{SpaceSummary, describe_space};
pub use structures::{NamedStructure, query_of, read_structure, read_structures};
pub use tables::{RunSummary, TableSummary, all_tables, describe_import, tables_of};
pub use trial::{CheckArgs, Trial, describe_trial, keep, try_table};
pub use verification::{describe_verification, verification_exit};
