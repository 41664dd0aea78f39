//! Devices: named targets with their default setting and how they are reached.
//!
//! Adding a built-in one: write `profilers/devices/x.toml`. A user's own are
//! files in the configuration directory (`user`). Not here: reading a file (`file`), connecting to
//! a device (the profile room), the tables of a device (`store`).

mod file;
mod names;
#[cfg(test)]
mod tests;
mod user;

use std::path::{Path, PathBuf};

use serde::Deserialize;

use self::names::same_name;
use super::{LatencyError, Precision, Setting};

pub(crate) use file::is_address;
pub(crate) use names::same_name as same_device_name;
pub(super) use names::suggestions;
pub use user::{CONFIGURATION_VARIABLE, user_directory};

/// Built-in device files by name.
pub static DEVICES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/device_files.rs"));

/// A named target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub name: String,
    /// One line for lists.
    pub about: String,
    /// Other names that it is found by.
    pub aliases: Vec<String>,
    /// Used where the user names nothing else.
    pub default_setting: Setting,
    /// Why it is the default, in a few words, where figures do not say so.
    pub why: Option<String>,
    /// What measures it where its default runtime is not what to measure with.
    pub measure: Option<Measure>,
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

/// What a device is measured with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measure {
    pub runtime: String,
    pub precision: Precision,
    pub threads: u32,
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
    /// Finds a device by its name, however it is written (case, `_`, `-` and blanks do not matter), or by one of its
    /// aliases. The user's own files come before the built-in ones, names before aliases.
    ///
    /// # Errors
    /// For an unknown name, with the names that are close to it; for the user's file of that name when it does not read.
    pub fn find(name: &str) -> Result<Self, LatencyError> {
        Self::find_in(user_directory().as_deref(), name)
    }

    /// The same with the user's files in a directory of choice.
    ///
    /// # Errors
    /// As [`Device::find`].
    pub fn find_in(directory: Option<&Path>, name: &str) -> Result<Self, LatencyError> {
        if let Some(device) = Self::find_by_name(directory, name)? {
            return Ok(device);
        }
        // A file that does not read is in nobody's way until it is named.
        let own = user::names(directory)?;
        let own: Vec<Self> = own.iter().filter_map(|own| user::find(directory, own).ok().flatten()).collect();
        let built_in = DEVICES.iter().map(|(known, text)| Self::parse(known, text)).collect::<Result<Vec<_>, _>>()?;
        let all = || own.iter().chain(&built_in);
        if let Some(device) = all().find(|device| device.aliases.iter().any(|alias| same_name(alias, name))) {
            return Ok(device.clone());
        }
        let known = all().flat_map(|device| {
            let aliases = device.aliases.iter().map(|alias| (alias.as_str(), device.name.as_str()));
            std::iter::once((device.name.as_str(), device.name.as_str())).chain(aliases)
        });
        Err(LatencyError::UnknownDevice { name: name.to_owned(), suggestions: suggestions(name, known) })
    }

    /// Finds a device by its name alone, not by an alias; none where there is none.
    pub(super) fn find_by_name(directory: Option<&Path>, name: &str) -> Result<Option<Self>, LatencyError> {
        if let Some(device) = user::find(directory, name)? {
            return Ok(Some(device));
        }
        let exact = DEVICES.iter().find(|(known, _)| *known == name);
        if let (None, Some(own)) = (exact, user::names(directory)?.iter().find(|own| same_name(own, name))) {
            return user::find(directory, own);
        }
        let built_in = exact.or_else(|| DEVICES.iter().find(|(known, _)| same_name(known, name)));
        built_in.map(|(known, text)| Self::parse(known, text)).transpose()
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
