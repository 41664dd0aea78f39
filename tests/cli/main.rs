//! The programs as users run them: output, files, exit codes, messages.

mod bad_input;
mod export;
mod program;
mod reference;
mod score;
mod search;
