//! From what a user names (a device, perhaps a runtime, precision or batch) to one setting that
//! has a table.

use std::collections::BTreeSet;

use super::{Device, LatencyError, Precision, ReachKind, Setting, Store, TableChoice, TableSource};

/// What a user says about the setting; everything but the device may be left open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingQuery {
    pub device: String,
    pub runtime: Option<String>,
    pub precision: Option<Precision>,
    pub batch_size: Option<u32>,
    pub threads: Option<u32>,
    /// Batch to prefer when none is named, e.g. 64 for milliseconds per image.
    pub preferred_batch_size: Option<u32>,
    /// Which table where a setting has several.
    pub table: TableChoice,
}

impl SettingQuery {
    /// Whether a setting has everything that is said, its device aside.
    pub fn matches(&self, setting: &Setting) -> bool {
        let runtime = self.runtime.as_ref().is_none_or(|runtime| *runtime == setting.runtime);
        runtime
            && self.precision.is_none_or(|precision| precision == setting.precision)
            && self.batch_size.is_none_or(|batch_size| batch_size == setting.batch_size)
            && self.threads.is_none_or(|threads| threads == setting.threads)
    }
}

/// The setting with a table that fits the query best; what is left open follows the device file.
///
/// # Errors
/// For an unknown device (lists those with tables), a device without any table, and a query that
/// no table fits (lists the device's).
pub fn resolve(store: &Store, query: &SettingQuery) -> Result<Setting, LatencyError> {
    let all = store.settings()?;
    let device = Device::find(&query.device);
    let name = device.as_ref().map_or_else(|_| query.device.clone(), Device::table_name);
    let local = device.as_ref().is_ok_and(|device| device.reach.kind == ReachKind::Local);
    let mut of_device: Vec<_> = all.iter().filter(|setting| setting.device == name).collect();
    if of_device.is_empty() {
        let device = match device {
            Ok(device) => device,
            // Not in a device file and not measured: say which names would have worked.
            Err(LatencyError::UnknownDevice { name, closest, known }) => {
                let mut names: Vec<&str> = known.split(", ").collect();
                names.extend(all.iter().map(|setting| setting.device.as_str()));
                names.sort_unstable();
                names.dedup();
                return Err(LatencyError::UnknownDevice { name, closest, known: names.join(", ") });
            }
            Err(error) => return Err(error),
        };
        return Err(LatencyError::NoTable {
            kind: String::new(),
            setting: device.default_setting.id(),
            available: format!("nothing has been measured on {} yet: run `{}` first", query.device, measuring(query)),
        });
    }
    // Settings with a finished local table, and those with a table of the kind that is asked for.
    let mut local_tables = BTreeSet::new();
    let mut asked_for = BTreeSet::new();
    for setting in &of_device {
        for table in store.tables(setting)? {
            let is_local = matches!(table.source, TableSource::Local { .. });
            let is_asked_for = match query.table {
                TableChoice::Best => true,
                TableChoice::Local | TableChoice::Host(_) => is_local,
                TableChoice::Imported => matches!(table.source, TableSource::Imported { .. }),
                TableChoice::BuiltIn => matches!(table.source, TableSource::BuiltIn { .. }),
            };
            if is_local && table.finished {
                local_tables.insert(setting.id());
            }
            if is_asked_for {
                asked_for.insert(setting.id());
            }
        }
    }
    of_device.retain(|setting| query.matches(setting) && asked_for.contains(&setting.id()));
    // Tables of other processors have the names of these, and the defaults of this one.
    let processor = || name.starts_with("cpu-").then(|| Device::find("cpu").ok()).flatten();
    let default = device.ok().or_else(processor).map(|device| device.default_setting);
    let batch_size = query.preferred_batch_size.or(default.as_ref().map(|default| default.batch_size)).unwrap_or(1);
    // Closest to the defaults first; ids break ties, so the choice is the same everywhere.
    let distance = |setting: &Setting| {
        let off = |same: Option<bool>| u32::from(same == Some(false));
        let default = default.as_ref();
        let other_images = query.preferred_batch_size.is_some_and(|images| images != setting.batch_size);
        (
            u32::from(other_images) * 16
                + u32::from(!local_tables.contains(&setting.id())) * 8
                + off(default.map(|default| default.runtime == setting.runtime)) * 4
                + u32::from(setting.batch_size != batch_size) * 2
                + off(default.map(|default| default.precision == setting.precision)),
            setting.id(),
        )
    };
    match of_device.into_iter().min_by_key(|setting| distance(setting)) {
        Some(setting) => Ok(setting.clone()),
        None => {
            let known: Vec<_> = all.iter().filter(|setting| setting.device == name).map(Setting::id).collect();
            let mut wanted = vec![query.device.clone()];
            wanted.extend(query.runtime.clone());
            wanted.extend(query.precision.map(|precision| precision.to_string()));
            wanted.extend(query.batch_size.map(|batch_size| format!("batch {batch_size}")));
            wanted.extend(query.threads.map(|threads| format!("{threads} threads")));
            // This machine can be measured with another runtime.
            let hint = if local && query.runtime.is_some() {
                format!("; `{}` measures one", measuring(query))
            } else {
                String::new()
            };
            let kind =
                TableChoice::NAMED.iter().find(|(_, choice)| *choice == query.table).map_or("", |(name, _)| name);
            let kind = if kind.is_empty() { String::new() } else { format!("{kind} ") };
            Err(LatencyError::NoTable {
                kind,
                setting: wanted.join(", "),
                available: format!("tables of this device: {}{hint}", known.join(", ")),
            })
        }
    }
}

/// The command that makes a table for a query.
fn measuring(query: &SettingQuery) -> String {
    let runtime = query.runtime.as_ref().map_or_else(String::new, |runtime| format!(" --runtime {runtime}"));
    format!("zen-profile --device {}{runtime}", query.device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_and_overrides() {
        let store = Store::in_memory().unwrap();
        let query = |device: &str| SettingQuery { device: device.to_owned(), ..SettingQuery::default() };
        let id = |query: &SettingQuery| resolve(&store, query).map(|setting| setting.id()).map_err(|e| e.to_string());
        assert_eq!(id(&query("t4")).unwrap(), "t4/tensorrt/int8/b1");
        assert_eq!(id(&query("cpu-amd-epyc")).unwrap(), "cpu-amd-epyc/tract/fp32/b1/t1");
        let other_runtime = SettingQuery { runtime: Some("onnxruntime".to_owned()), ..query("cpu-amd-epyc") };
        assert_eq!(id(&other_runtime).unwrap(), "cpu-amd-epyc/onnxruntime/fp32/b1/t1");
        let per_image = SettingQuery { preferred_batch_size: Some(64), ..query("t4") };
        assert_eq!(id(&per_image).unwrap(), "t4/tensorrt/int8/b64");
        let published = SettingQuery { runtime: Some("published".to_owned()), ..query("v100") };
        assert_eq!(id(&published).unwrap(), "v100/published/fp16/b64");
        let int8 = SettingQuery { precision: Some(Precision::Int8), ..query("v100") };
        assert_eq!(id(&int8).unwrap(), "v100/tensorrt/int8/b1");
        assert_eq!(id(&query("pixel2")).unwrap(), "pixel2/published/fp32/b1");
        let tflite = SettingQuery { runtime: Some("tflite".to_owned()), ..query("pixel2") };
        assert_eq!(id(&tflite).unwrap(), "pixel2/tflite/fp32/b1/t1");
        let int8 = SettingQuery { precision: Some(Precision::Int8), ..query("pixel2") };
        assert_eq!(id(&int8).unwrap(), "pixel2/tflite/int8/b1/t1");
        let batch = SettingQuery { batch_size: Some(7), ..query("v100") };
        assert!(id(&batch).unwrap_err().contains("v100/tensorrt/fp16/b64"));
        assert!(id(&query("t5")).unwrap_err().contains("pixel2"));
    }
}
