//! From a device's name to a runner that times models on it.

use super::{ProfileError, RUNNERS, Runner};
use crate::latency::{Device, ReachKind, Store};

/// A runner for a device.
///
/// # Errors
/// For an unknown device (lists the known ones), and for one that cannot be reached: says what to
/// connect, and which tables exist meanwhile.
pub fn open_runner(store: &Store, name: &str) -> Result<Box<dyn Runner>, ProfileError> {
    let device = Device::find(name).or_else(|error| {
        // This machine may be called by the name of its tables, too.
        let local = Device::all()?.into_iter().find(|device| device.table_name() == name);
        local.filter(|device| device.reach.kind == ReachKind::Local).ok_or(error)
    })?;
    if device.reach.kind != ReachKind::Local {
        return Err(not_reachable(store, &device)?);
    }
    let wanted = &device.default_setting.runtime;
    let entry = RUNNERS.iter().find(|entry| entry.name == wanted);
    let entry = entry.ok_or_else(|| ProfileError::NotReachable {
        device: device.name.clone(),
        connect: format!("the runtime {wanted}"),
        meanwhile: String::new(),
    })?;
    Ok((entry.open)())
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
