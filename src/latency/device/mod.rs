//! Devices: named targets with their default setting and how they are reached.
//!
//! Adding a built-in one: write `profilers/devices/x.toml`. A user's own are
//! files in the configuration directory (`user`). Not here: reading a file (`file`), connecting to
//! a device (the profile room), the tables of a device (`store`).

mod file;
#[cfg(test)]
mod tests;
mod user;

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{LatencyError, Setting};
use crate::names::closest;

pub(crate) use file::is_address;
pub use user::{CONFIGURATION_VARIABLE, user_directory};

/// Built-in device files by name.
pub static DEVICES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/device_files.rs"));

/// A named target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub name: String,
    /// One line for lists.
    pub about: String,
    /// Used where the user names nothing else.
    pub default_setting: Setting,
    pub reach: Reach,
    pub tools: Tools,
    pub source: DeviceSource,
}

/// Where a device's file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceSource {
    /// In this program.
    BuiltIn,
    /// The user's.
    User {
        path: PathBuf,
        /// Whether a built-in device of this name steps back.
        replaces_built_in: bool,
    },
}

/// How a device is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    pub kind: ReachKind,
    /// What the user has to connect, shown when no way to the device is given.
    pub connect: String,
    /// `[user@]host[:port]`, over SSH; several are equal machines that share the work.
    pub hosts: Vec<String>,
    /// Serial numbers of `adb devices`; several are equal phones that share the work.
    pub serials: Vec<String>,
    /// What the name of the GPU must hold (`T4`); what another one measures is filed under a name of its own.
    pub gpu: Option<String>,
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

impl ReachKind {
    /// As in device files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Ssh => "ssh",
            Self::Adb => "adb",
        }
    }
}

/// What measuring on the device takes; defaults are the runner's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tools {
    /// The zen-agent executable built for the device, on this machine.
    pub agent: Option<PathBuf>,
    /// Processors to stay on, as `taskset` takes them (a hexadecimal mask).
    pub cores: Option<String>,
    /// Execution provider of onnxruntime: `cpu`, `cuda`, `tensorrt`.
    pub provider: Option<String>,
    /// Python interpreter there.
    pub python: Option<String>,
    /// TensorRT's command-line program there.
    pub trtexec: Option<String>,
}

impl Device {
    /// Finds a device by its exact name: the user's own file, else the built-in one.
    ///
    /// # Errors
    /// For an unknown name, with the known names and the closest of them; for the user's file of
    /// that name when it does not read.
    pub fn find(name: &str) -> Result<Self, LatencyError> {
        Self::find_in(user_directory().as_deref(), name)
    }

    /// The same with the user's files in a directory of choice.
    ///
    /// # Errors
    /// As [`Device::find`].
    pub fn find_in(directory: Option<&Path>, name: &str) -> Result<Self, LatencyError> {
        if let Some(device) = user::find(directory, name)? {
            return Ok(device);
        }
        match DEVICES.iter().find(|(known, _)| *known == name) {
            Some((known, text)) => Self::parse(known, text),
            None => {
                let mut known: Vec<String> = DEVICES.iter().map(|(known, _)| (*known).to_owned()).collect();
                known.extend(user::names(directory)?);
                known.dedup();
                let closest = closest(name, known.iter().map(String::as_str)).map(str::to_owned);
                Err(LatencyError::UnknownDevice { name: name.to_owned(), closest, known: known.join(", ") })
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

    /// Every device: built-in ones in the order of [`DEVICES`], each replaced by the user's file of
    /// that name, then the user's others by name.
    ///
    /// # Errors
    /// When a device file does not read.
    pub fn all() -> Result<Vec<Self>, LatencyError> {
        Self::all_in(user_directory().as_deref())
    }

    /// The same with the user's files in a directory of choice.
    ///
    /// # Errors
    /// As [`Device::all`].
    pub fn all_in(directory: Option<&Path>) -> Result<Vec<Self>, LatencyError> {
        let built_in = |name: &String| DEVICES.iter().any(|(known, _)| known == name);
        let own = user::names(directory)?.into_iter().filter(|name| !built_in(name));
        let names = DEVICES.iter().map(|(name, _)| (*name).to_owned()).chain(own);
        names.map(|name| Self::find_in(directory, &name)).collect()
    }

    /// Reads the text of a built-in device file.
    ///
    /// # Errors
    /// Names the file, the line where there is one, and what is wrong with it.
    pub fn parse(name: &str, text: &str) -> Result<Self, LatencyError> {
        file::parse(name, text, DeviceSource::BuiltIn)
    }

    /// Addresses that the file names, for the transport of its kind.
    pub fn addresses(&self) -> &[String] {
        match self.reach.kind {
            ReachKind::Local => &[],
            ReachKind::Ssh => &self.reach.hosts,
            ReachKind::Adb => &self.reach.serials,
        }
    }

    /// A sentence for the user where the file is not the one they may expect.
    pub fn note(&self) -> Option<String> {
        match &self.source {
            DeviceSource::User { path, replaces_built_in: true } => Some(format!(
                "note: {} is described by your own {}, not by the built-in device of that name",
                self.name,
                path.display()
            )),
            _ => None,
        }
    }
}
