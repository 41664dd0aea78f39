//! Devices for people: a heading each, and a line for each setting.

use std::path::Path;

use super::{DeviceSetting, DeviceSummary, ReachKind, TableSource};
use crate::cli::print::aligned;

const COLUMNS: [&str; 9] =
    ["  runtime", "precision", "batch", "threads", "evidence", "networks", "error", "date", "table"];
/// Numbers.
const RIGHT: [usize; 3] = [2, 3, 5];
/// Characters of a date: a day.
const DAY: usize = 10;

/// Each device with its settings, and how to add one; `in_full` adds what has to be connected and other names.
pub fn describe_devices(devices: &[DeviceSummary], directory: Option<&Path>, in_full: bool) -> String {
    let mut lines: Vec<Vec<String>> = vec![COLUMNS.map(str::to_owned).to_vec()];
    lines.extend(devices.iter().flat_map(|device| device.settings.iter().map(cells)));
    let table = aligned(&lines, &RIGHT);
    let mut lines = table.lines();
    let mut text = lines.next().unwrap_or_default().trim_end().to_owned();
    for device in devices {
        text.push_str(&format!("\n{}", heading(device)));
        if in_full && !device.aliases.is_empty() {
            text.push_str(&format!("\n  also named {}", device.aliases.join(", ")));
        }
        if in_full && !device.connect.is_empty() {
            text.push_str(&format!("\n  measuring takes {}", device.connect));
        }
        for line in lines.by_ref().take(device.settings.len()) {
            text.push_str(&format!("\n{line}"));
        }
        if device.settings.is_empty() {
            text.push_str(&format!("\n  no table yet: zen-profile --device {} measures one", device.name));
        }
    }
    text.push_str("\n\n* is used where the device alone is named. The error is the mean over whole networks that no fit\nhas seen; \"never checked\": no whole network supports one.");
    if let Some(directory) = directory {
        text.push_str(&format!("\nyour own devices: {}/NAME.toml", directory.display()));
    }
    text
}

/// `t4: NVIDIA T4 (2018), data-centre card (ssh, none named)`.
fn heading(device: &DeviceSummary) -> String {
    let mut notes = vec![match (device.reached_by, device.addresses.as_slice()) {
        (None, _) => "no device file".to_owned(),
        (Some(kind), []) if kind == ReachKind::Local.name() => "this machine".to_owned(),
        (Some(kind), []) => format!("{kind}, none named"),
        (Some(kind), addresses) => format!("{kind}: {}", addresses.join(", ")),
    }];
    notes.extend(device.file.as_ref().map(|path| match device.replaces_built_in {
        false => path.clone(),
        true => format!("{path} instead of the built-in one"),
    }));
    format!("{}: {} ({})", device.name, device.about, notes.join("; "))
}

fn cells(found: &DeviceSetting) -> Vec<String> {
    let DeviceSetting { setting, is_default, evidence, networks, mape, date, table, other_tables } = found;
    let mark = if *is_default { "*" } else { " " };
    let count = |count: Option<u32>| count.filter(|count| *count > 0).map_or("-".to_owned(), |count| count.to_string());
    let mut source = match table {
        TableSource::Imported { .. } => "imported".to_owned(),
        TableSource::BuiltIn { .. } => "built-in".to_owned(),
        TableSource::Local { host } if !host.is_empty() => format!("local, on {host}"),
        TableSource::Local { .. } => "local".to_owned(),
    };
    if !other_tables.is_empty() {
        source.push_str(&format!(" ({} more, not used)", other_tables.len()));
    }
    vec![
        format!("{mark} {}", setting.runtime),
        setting.precision.to_string(),
        setting.batch_size.to_string(),
        count(Some(setting.threads)),
        evidence.to_string(),
        count(*networks),
        mape.map_or_else(|| "never checked".to_owned(), |mape| format!("{:.1}%", mape * 100.0)),
        date.chars().take(DAY).collect(),
        source,
    ]
}
