//! The devices that can be named, for people and as JSON.

use serde::Serialize;

use crate::latency::{Device, DeviceSource, LatencyError, ReachKind, Setting, Store, TableChoice, TableSource};

/// One device.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeviceSummary {
    pub name: String,
    pub about: String,
    /// `local`, `ssh` or `adb`.
    pub reached_by: &'static str,
    /// Hosts or serial numbers that its file names.
    pub addresses: Vec<String>,
    /// What has to be connected.
    pub connect: String,
    pub default_setting: Setting,
    /// The user's file; none for a built-in one.
    pub file: Option<String>,
    /// Whether a built-in device of this name steps back.
    pub replaces_built_in: bool,
    pub tables: Vec<DeviceTable>,
}

/// A table of a device.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeviceTable {
    pub setting: Setting,
    pub source: TableSource,
    /// Whether predictions are made from it.
    pub counts: bool,
}

/// Every device with its tables.
///
/// # Errors
/// When a device file does not read, or the database cannot.
pub fn all_devices(store: &Store) -> Result<Vec<DeviceSummary>, LatencyError> {
    let settings = store.settings()?;
    Device::all()?.into_iter().map(|device| summarise(store, &settings, device)).collect()
}

fn summarise(store: &Store, settings: &[Setting], device: Device) -> Result<DeviceSummary, LatencyError> {
    let name = device.table_name();
    let mut tables = Vec::new();
    for setting in settings.iter().filter(|setting| setting.device == name) {
        let counting = store.table(setting, &TableChoice::Best)?.map(|table| table.source);
        tables.extend(store.tables(setting)?.into_iter().map(|table| DeviceTable {
            setting: setting.clone(),
            counts: counting.as_ref() == Some(&table.source),
            source: table.source,
        }));
    }
    let addresses = device.addresses().to_vec();
    let (file, replaces_built_in) = match device.source {
        DeviceSource::BuiltIn => (None, false),
        DeviceSource::User { path, replaces_built_in } => (Some(path.display().to_string()), replaces_built_in),
    };
    Ok(DeviceSummary {
        name: device.name,
        about: device.about,
        reached_by: device.reach.kind.name(),
        addresses,
        connect: device.reach.connect,
        default_setting: device.default_setting,
        file,
        replaces_built_in,
        tables,
    })
}

/// A line each, and how to add one.
pub fn describe_devices(devices: &[DeviceSummary], directory: Option<&std::path::Path>) -> String {
    let header = ["device", "what it is", "reached by", "default setting", "tables", "file"].map(str::to_owned);
    let lines: Vec<[String; 6]> = std::iter::once(header).chain(devices.iter().map(DeviceSummary::cells)).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    let text = |line: &[String; 6]| {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut text = lines.iter().map(text).collect::<Vec<_>>().join("\n");
    if let Some(directory) = directory {
        text.push_str(&format!("\nyour own devices: {}/NAME.toml", directory.display()));
    }
    text
}

impl DeviceSummary {
    fn cells(&self) -> [String; 6] {
        let reached = match (self.reached_by, self.addresses.as_slice()) {
            (kind, []) if kind == ReachKind::Local.name() => "this machine".to_owned(),
            (kind, []) => format!("{kind}, none named"),
            (kind, addresses) => format!("{kind}: {}", addresses.join(", ")),
        };
        let count = |wanted: &dyn Fn(&TableSource) -> bool| self.tables.iter().filter(|t| wanted(&t.source)).count();
        let counts = [
            ("local", count(&|source| matches!(source, TableSource::Local { .. }))),
            ("imported", count(&|source| matches!(source, TableSource::Imported { .. }))),
            ("built-in", count(&|source| matches!(source, TableSource::BuiltIn { .. }))),
        ];
        let tables: Vec<String> =
            counts.iter().filter(|(_, n)| *n > 0).map(|(kind, n)| format!("{n} {kind}")).collect();
        let tables = if tables.is_empty() { "none".to_owned() } else { tables.join(", ") };
        let file = match (&self.file, self.replaces_built_in) {
            (None, _) => "built-in".to_owned(),
            (Some(path), false) => path.clone(),
            (Some(path), true) => format!("{path} (instead of the built-in one)"),
        };
        let setting = self.default_setting.id();
        [self.name.clone(), self.about.clone(), reached, setting, tables, file]
    }
}
