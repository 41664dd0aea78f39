//! From a device's name to a runner that times models on it.

use super::{ProfileError, Runner, RunnerEntry, RunnerOptions};
use crate::latency::{Device, ReachKind, Store};

/// A runner for a device; `runtime` is the device file's where none is named.
///
/// # Errors
/// For an unknown device or runtime (lists the known ones), for a runtime that cannot be used
/// here, and for a device that cannot be reached: says what to connect, and which tables exist
/// meanwhile.
pub fn open_runner(
    store: &Store,
    name: &str,
    runtime: Option<&str>,
    options: &RunnerOptions,
) -> Result<Box<dyn Runner>, ProfileError> {
    let device = Device::find(name).or_else(|error| {
        // This machine may be called by the name of its tables, too.
        let local = Device::all()?.into_iter().find(|device| device.table_name() == name);
        local.filter(|device| device.reach.kind == ReachKind::Local).ok_or(error)
    })?;
    if device.reach.kind != ReachKind::Local {
        return Err(not_reachable(store, &device)?);
    }
    let entry = RunnerEntry::find(runtime.unwrap_or(&device.default_setting.runtime))?;
    (entry.open)(options).map_err(|reason| ProfileError::NoRuntime { runtime: entry.name, reason })
}

fn not_reachable(store: &Store, device: &Device) -> Result<ProfileError, ProfileError> {
    let mut tables = Vec::new();
    for setting in store.settings()?.into_iter().filter(|setting| setting.device == device.table_name()) {
        tables.push(setting.id());
    }
    let meanwhile = match tables.as_slice() {
        [] => "; there is no table for it yet".to_owned(),
        tables => {
            format!("; meanwhile these tables of it exist: {} (`zen-profile show {}`)", tables.join(", "), device.name)
        }
    };
    Ok(ProfileError::NotReachable { device: device.name.clone(), connect: device.reach.connect.clone(), meanwhile })
}
