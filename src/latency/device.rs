//! Devices: named targets with their default setting and how they are reached.
//!
//! Adding one: write `profilers/devices/x.toml`, list it in [`DEVICES`]. Not here: connecting to a
//! device (the profile room), the tables of a device (`store`).

use serde::Deserialize;

use super::{LatencyError, Precision, Setting};
use crate::names::closest;

/// Device files by name, embedded.
pub static DEVICES: &[(&str, &str)] = &[
    ("cpu", include_str!("../../profilers/devices/cpu.toml")),
    ("t4", include_str!("../../profilers/devices/t4.toml")),
    ("v100", include_str!("../../profilers/devices/v100.toml")),
    ("pixel2", include_str!("../../profilers/devices/pixel2.toml")),
];

/// A named target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub name: String,
    /// One line for lists.
    pub about: String,
    /// Used where the user names nothing else.
    pub default_setting: Setting,
    pub reach: Reach,
}

/// How a device is reached.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reach {
    pub kind: ReachKind,
    /// What the user has to connect, shown when no way to the device is given.
    pub connect: String,
}

/// Ways to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReachKind {
    /// This machine.
    Local,
    Ssh,
    Adb,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    about: String,
    setting: FileSetting,
    reach: Reach,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSetting {
    runtime: String,
    precision: String,
    batch_size: u32,
    #[serde(default)]
    threads: u32,
}

impl Device {
    /// Finds a device by its exact name.
    ///
    /// # Errors
    /// For an unknown name, with the known names and the closest of them.
    pub fn find(name: &str) -> Result<Self, LatencyError> {
        match DEVICES.iter().find(|(known, _)| *known == name) {
            Some((known, text)) => Self::parse(known, text),
            None => {
                let closest = closest(name, DEVICES.iter().map(|(known, _)| *known)).map(str::to_owned);
                let known = DEVICES.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", ");
                Err(LatencyError::UnknownDevice { name: name.to_owned(), closest, known })
            }
        }
    }

    /// Name of the device in the settings of its tables: this machine's tables are named after its
    /// processor, so that no other machine takes them for its own.
    pub fn table_name(&self) -> String {
        match self.reach.kind {
            ReachKind::Local => zen_agent::Machine::here().device_name(),
            ReachKind::Ssh | ReachKind::Adb => self.name.clone(),
        }
    }

    /// Every device, in the order of [`DEVICES`].
    ///
    /// # Errors
    /// When a device file does not read.
    pub fn all() -> Result<Vec<Self>, LatencyError> {
        DEVICES.iter().map(|(name, text)| Self::parse(name, text)).collect()
    }

    /// Reads a device file.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn parse(name: &str, text: &str) -> Result<Self, LatencyError> {
        let bad = |reason: String| LatencyError::DeviceFile { file: format!("{name}.toml"), reason };
        let file: File = toml::from_str(text).map_err(|error| bad(error.to_string()))?;
        if file.setting.batch_size == 0 {
            return Err(bad("batch_size is 0".to_owned()));
        }
        let precision: Precision = file.setting.precision.parse().map_err(bad)?;
        let setting = Setting::new(name, &file.setting.runtime, precision, file.setting.batch_size);
        Ok(Self {
            name: name.to_owned(),
            about: file.about,
            default_setting: setting.with_threads(file.setting.threads),
            reach: file.reach,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_reads() {
        let ids: Vec<_> = Device::all().unwrap().iter().map(|device| device.default_setting.id()).collect();
        assert_eq!(
            ids,
            ["cpu/tract/fp32/b1/t1", "t4/tensorrt/int8/b1", "v100/tensorrt/fp16/b1", "pixel2/published/fp32/b1"]
        );
    }

    #[test]
    fn unknown_names_list_the_known() {
        let error = Device::find("T4 ").unwrap_err().to_string();
        assert!(error.contains("did you mean `t4`") && error.contains("cpu, t4, v100, pixel2"), "{error}");
        assert!(!Device::find("nonsense").unwrap_err().to_string().contains("did you mean"));
    }

    #[test]
    fn bad_files_say_why() {
        let text = DEVICES[0].1;
        for (from, to, expected) in [
            ("fp32", "fp31", "fp31"),
            ("batch_size = 1", "batch_size = 0", "batch_size is 0"),
            ("about", "abuot", "abuot"),
        ] {
            let error = Device::parse("x", &text.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains("x.toml") && error.contains(expected), "{error}");
        }
    }
}
