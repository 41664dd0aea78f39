//! What the sessions on other machines have in common: options small enough for a test.

use std::time::Duration;

use zen_nas::latency::Store;
use zen_nas::net::LowerOptions;
use zen_nas::profile::transport::{OpenOptions, Transport, find};
use zen_nas::profile::{Event, Outcome, PlanOptions, ProfileError, Runner, SessionOptions, Source, Target, profile};
use zen_nas::space::Space;

/// Python of an environment with `requirements.txt` installed; without one the test is skipped, loudly.
pub fn python(theme: &str) -> Option<String> {
    let python = std::env::var("ZEN_NAS_PEER_PYTHON").ok();
    if python.is_none() {
        let notice = format!("SKIPPED {theme}: set ZEN_NAS_PEER_PYTHON to a Python with requirements.txt\n");
        // Past the test harness, which swallows the output of tests that pass.
        std::io::Write::write_all(&mut std::io::stderr(), notice.as_bytes()).unwrap();
    }
    python
}

pub fn local() -> Box<dyn Transport> {
    (find("local").unwrap().open)("", OpenOptions::default()).unwrap()
}

/// A session of a few operators of small networks, each measured briefly.
pub fn session(
    store: &mut Store,
    runner: &mut dyn Runner,
    operators: usize,
    networks: usize,
    on_event: &mut dyn FnMut(Event<'_>),
) -> Result<Outcome, ProfileError> {
    let lower = LowerOptions::new(32, 10);
    let brief = |target: Target| Target { min_blocks: 1, max_blocks: 1, time_limit: Duration::from_secs(3), ..target };
    let options = SessionOptions {
        plan: PlanOptions { sources: vec![Source { space: Space::find("xxbl").unwrap(), lower }], operators, seed: 5 },
        batch_size: 1,
        networks,
        time_limit: None,
        target_within10: None,
        adapt_from: None,
        only_check: false,
        drift: None,
        operator_target: brief(Target::operator()),
        network_target: brief(Target::network()),
    };
    profile(store, runner, &options, &|| false, on_event)
}

/// Writes a program into a folder and returns its path.
pub fn program(folder: &std::path::Path, name: &str, script: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    path.to_str().unwrap().to_owned()
}
