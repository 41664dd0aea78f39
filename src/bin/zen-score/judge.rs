//! Holding the networks that were scored to limits.

use std::path::Path;

use anyhow::Context;
use zen_nas::cli::{Judge, Key, OpenTable, Tables, Verdict, to_junit};
use zen_nas::latency::SettingQuery;
use zen_nas::net::Network;
use zen_nas::report::scores::{Board, Subject};

use super::files::Files;

/// The tables for all networks, and what they were asked for by.
pub struct Asked<'a> {
    pub on_device: &'a [SettingQuery],
    pub answers: &'a [(SettingQuery, usize)],
    pub opened: &'a [OpenTable],
}

/// Holds every structure and every file to the limits; `failed` are messages on those that are missing.
pub fn judge(
    mut judge: Judge<'_>,
    (subjects, board): (&[Subject], &Board),
    files: &Files,
    asked: &Asked<'_>,
    failed: Vec<String>,
) -> anyhow::Result<Verdict> {
    let structures = board.networks.iter().map(Key::of_structure);
    let keys: Vec<Key> = structures.chain(files.networks.iter().map(|file| Key::of_file(&file.network))).collect();
    judge.expect(&keys);
    let mut keys = keys.iter();
    let tables = |opened| Tables { opened, answers: asked.answers, on_device: asked.on_device };
    // The board has those that can be lowered.
    let lowered = subjects.iter().filter_map(|subject| {
        let network = Network::parse(&subject.text).ok()?;
        let graph = network.lower(&subject.options).ok()?;
        Some((network, graph))
    });
    for ((network, graph), key) in lowered.zip(keys.by_ref().take(board.networks.len())) {
        judge.judge(key, Some(&network), &graph, &tables(asked.opened.iter().collect()))?;
    }
    for (file, key) in files.networks.iter().zip(keys) {
        judge.judge(key, None, &file.graph, &tables(file.tables(asked.opened)))?;
    }
    Ok(judge.finish(failed)?)
}

/// Writes the verdict for a CI server.
pub fn write_junit(path: &Path, verdict: &Verdict) -> anyhow::Result<()> {
    zen_nas::files::write(path, to_junit(verdict).as_bytes()).with_context(|| format!("writing {}", path.display()))
}
