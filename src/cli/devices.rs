//! The devices that can be named, each with its settings: for people, as JSON, and as a table for documents.
//!
//! Not here: the text for people (`text`), the table for documents (`markdown`).

mod markdown;
mod text;

use serde::Serialize;

use crate::latency::{
    Device, DeviceSource, Evidence, LatencyError, ReachKind, Setting, SettingQuery, Stated, Store, TableChoice,
    TableSource, resolve, runtime_name, same_device_name,
};

pub use markdown::devices_markdown;
pub use text::describe_devices;

/// One device.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct DeviceSummary {
    pub name: String,
    pub about: String,
    /// Other names that it is found by.
    pub aliases: Vec<String>,
    /// `local`, `ssh` or `adb`; none for a device that has tables and no file.
    pub reached_by: Option<&'static str>,
    /// Hosts or serial numbers that its file names.
    pub addresses: Vec<String>,
    /// What has to be connected.
    pub connect: String,
    /// What its file says; a device without a table of it uses another setting.
    pub default_setting: Setting,
    /// The user's file; none for a built-in one.
    pub file: Option<String>,
    /// Whether a built-in device of this name steps back.
    pub replaces_built_in: bool,
    /// Settings with a table, the default first.
    pub settings: Vec<DeviceSetting>,
    /// Every table of those settings.
    pub tables: Vec<DeviceTable>,
}

/// A setting of a device, with what the table that predictions are made from states about itself.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct DeviceSetting {
    pub setting: Setting,
    /// Whether it is used where the device alone is named.
    pub is_default: bool,
    pub evidence: Evidence,
    /// Whole networks behind the error.
    pub networks: Option<u32>,
    /// Mean absolute relative error on them, as a share; none where it was never checked on whole networks.
    pub mape: Option<f64>,
    pub date: String,
    pub table: TableSource,
    /// Tables of the setting that are not used.
    pub other_tables: Vec<TableSource>,
}

/// A table of a device.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct DeviceTable {
    pub setting: Setting,
    pub source: TableSource,
    /// Whether predictions are made from it.
    pub counts: bool,
}

/// Every device with its settings: those with a file, then those that have tables alone.
///
/// # Errors
/// When a device file does not read, or the database cannot.
pub fn all_devices(store: &Store) -> Result<Vec<DeviceSummary>, LatencyError> {
    summaries(store, Device::all()?)
}

fn summaries(store: &Store, devices: Vec<Device>) -> Result<Vec<DeviceSummary>, LatencyError> {
    let mut rest = store.settings()?;
    let mut found = Vec::with_capacity(devices.len());
    for device in devices {
        let name = device.table_name();
        let (own, others) = rest.into_iter().partition(|setting| same_device_name(&setting.device, &name));
        rest = others;
        found.push(DeviceSummary::of_file(store, device, own)?);
    }
    while let Some(first) = rest.first().cloned() {
        let (own, others) = rest.into_iter().partition(|setting| setting.device == first.device);
        rest = others;
        found.push(DeviceSummary::of_tables(store, &first.device, own)?);
    }
    Ok(found)
}

impl DeviceSummary {
    fn of_file(store: &Store, device: Device, own: Vec<Setting>) -> Result<Self, LatencyError> {
        let addresses = device.addresses().to_vec();
        let (settings, tables) = settings_of(store, &device.name, own)?;
        let (file, replaces_built_in) = match device.source {
            DeviceSource::BuiltIn => (None, false),
            DeviceSource::User { path, replaces_built_in } => (Some(path.display().to_string()), replaces_built_in),
        };
        Ok(Self {
            name: device.name,
            about: device.about,
            aliases: device.aliases,
            reached_by: Some(device.reach.kind.name()),
            addresses,
            connect: device.reach.connect,
            default_setting: device.default_setting,
            file,
            replaces_built_in,
            settings,
            tables,
        })
    }

    /// A device that has no file.
    fn of_tables(store: &Store, name: &str, own: Vec<Setting>) -> Result<Self, LatencyError> {
        let about = if name.starts_with("cpu-") { "a processor of this kind" } else { "tables without a device file" };
        let default_setting = own.first().cloned();
        let (settings, tables) = settings_of(store, name, own)?;
        let default_setting = settings.first().map(|first| first.setting.clone()).or(default_setting);
        Ok(Self {
            name: name.to_owned(),
            about: about.to_owned(),
            aliases: Vec::new(),
            reached_by: None,
            addresses: Vec::new(),
            connect: String::new(),
            default_setting: default_setting.unwrap_or_else(|| Setting::new(name, "tract", Default::default(), 1)),
            file: None,
            replaces_built_in: false,
            settings,
            tables,
        })
    }

    /// Whether a word is about the device and not about some of its settings.
    fn is_about(&self, word: &str) -> bool {
        let plain = |text: &str| -> String {
            text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
        };
        let word = plain(word);
        let texts = self.aliases.iter().chain([&self.name, &self.about]);
        texts.into_iter().any(|text| plain(text).contains(&word))
    }
}

/// Settings, the default first, and all of their tables.
fn settings_of(
    store: &Store,
    name: &str,
    own: Vec<Setting>,
) -> Result<(Vec<DeviceSetting>, Vec<DeviceTable>), LatencyError> {
    if own.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let default = resolve(store, &SettingQuery { device: name.to_owned(), ..SettingQuery::default() })?;
    let (mut settings, mut all) = (Vec::new(), Vec::new());
    for setting in own {
        let stated = store.stated(&setting, &TableChoice::Best)?;
        let sources: Vec<TableSource> = store.tables(&setting)?.into_iter().map(|table| table.source).collect();
        all.extend(sources.iter().map(|source| DeviceTable {
            setting: setting.clone(),
            counts: stated.as_ref().is_some_and(|stated| stated.source == *source),
            source: source.clone(),
        }));
        let Some(Stated { source, evidence, date, mape, networks }) = stated else { continue };
        settings.push(DeviceSetting {
            is_default: setting == default,
            evidence,
            networks,
            mape,
            date,
            other_tables: sources.into_iter().filter(|other| *other != source).collect(),
            table: source,
            setting,
        });
    }
    // In numbers, batch 2 comes before batch 16.
    settings.sort_by_key(|found| {
        let Setting { runtime, precision, batch_size, threads, .. } = &found.setting;
        (!found.is_default, *runtime != default.runtime, runtime.clone(), *precision, *batch_size, *threads)
    });
    Ok((settings, all))
}

/// The devices that every one of the words is about, and of the others the settings that it is about.
///
/// # Errors
/// Where there are none, with the devices whose names are close to a word.
pub fn devices_with(devices: Vec<DeviceSummary>, words: &[String]) -> Result<Vec<DeviceSummary>, LatencyError> {
    let mut left = devices;
    for word in words {
        let runtime = runtime_name(word);
        let mut before: Vec<DeviceSummary> = std::mem::take(&mut left);
        // `t4` is a device, not four threads.
        if before.iter().any(|device| same_device_name(&device.name, word)) {
            before.retain(|device| same_device_name(&device.name, word));
        }
        for mut device in before {
            if !device.is_about(word) {
                let is_about = |setting: &Setting| {
                    setting.runtime.contains(&runtime) || setting.id().to_lowercase().contains(&word.to_lowercase())
                };
                device.settings.retain(|found| is_about(&found.setting));
                device.tables.retain(|table| is_about(&table.setting));
                if device.settings.is_empty() {
                    continue;
                }
            }
            left.push(device);
        }
        if left.is_empty() {
            return Err(match Device::find(word) {
                Err(error @ LatencyError::UnknownDevice { .. }) if words.len() == 1 => error,
                _ => LatencyError::UnknownDevice { name: words.join(" "), suggestions: Vec::new() },
            });
        }
    }
    Ok(left)
}

#[cfg(test)]
mod tests;
