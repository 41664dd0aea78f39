//! The transport contract on this machine.

use zen_nas::profile::transport::{OpenOptions, find};

use super::contract;

#[test]
fn local_keeps_the_contract() {
    contract::check(&|| (find("local").unwrap().open)("", OpenOptions::default()).unwrap());
}
