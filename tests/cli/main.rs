//! The programs as users run them: output, files, exit codes, messages.

mod agent;
mod bad_input;
mod devices;
mod export;
mod foreign;
mod front;
mod gates;
mod handing;
#[path = "../support/json_schema.rs"]
mod json_schema;
#[cfg(unix)]
mod kills;
mod litert;
#[cfg(unix)]
#[path = "../support/peak_memory.rs"]
mod peak_memory;
mod profile;
mod program;
mod reference;
mod report;
mod schemas;
mod score;
mod search;
mod spaces;
mod tables;
mod units;
