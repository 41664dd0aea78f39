//! From what a user names (a device, perhaps a runtime, precision or batch) to one setting that
//! has a table.
//!
//! Not here: which of a setting's tables is used (`store`), why this setting and not another (`why`).

mod why;

use std::collections::BTreeSet;
use std::str::FromStr;

use self::why::Reason;
use super::device::{same_device_name, suggestions};
use super::setting::part_of_runtime;
use super::{
    Device, LatencyError, Precision, ReachKind, Setting, Store, TableChoice, TableSource, runtime_name, user_directory,
};
use crate::names::closest;

pub use why::SettingChoice;

/// What a user says about the setting; everything but the device may be left open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingQuery {
    pub device: String,
    /// However it is written: `LiteRT` is `tflite`.
    pub runtime: Option<String>,
    pub precision: Option<Precision>,
    pub batch_size: Option<u32>,
    pub threads: Option<u32>,
    /// Batch to prefer when none is named, e.g. 64 for milliseconds per image.
    pub preferred_batch_size: Option<u32>,
    /// Which table where a setting has several.
    pub table: TableChoice,
}

/// Written as a setting from which everything behind the device may be left out: `t4`, `t4/tensorrt`,
/// `t4/tensorrt/fp16/b1`.
impl FromStr for SettingQuery {
    type Err = LatencyError;

    fn from_str(text: &str) -> Result<Self, LatencyError> {
        let bad = |reason: String| LatencyError::BadSetting { text: text.to_owned(), reason };
        let mut parts = text.split('/').map(str::trim);
        let mut next =
            || parts.next().map(|part| if part.is_empty() { Err(bad("a part is empty".to_owned())) } else { Ok(part) });
        let number = |part: &str, letter: char| {
            let count = part.strip_prefix(letter).and_then(|digits| digits.parse::<u32>().ok());
            count
                .filter(|count| *count > 0)
                .ok_or_else(|| bad(format!("`{part}` is not `{letter}` and a positive number")))
        };
        let device = next().transpose()?.unwrap_or_default().to_owned();
        let runtime = next().transpose()?.map(str::to_owned);
        let precision = next().transpose()?.map(|part| part.parse().map_err(bad)).transpose()?;
        let batch_size = next().transpose()?.map(|part| number(part, 'b')).transpose()?;
        let threads = next().transpose()?.map(|part| number(part, 't')).transpose()?;
        match next().transpose()? {
            Some(rest) => Err(bad(format!("`{rest}` is left over"))),
            None => Ok(Self { device, runtime, precision, batch_size, threads, ..Self::default() }),
        }
    }
}

impl SettingQuery {
    /// For one setting and nothing else.
    pub fn exactly(setting: &Setting, table: TableChoice) -> Self {
        Self {
            device: setting.device.clone(),
            runtime: Some(setting.runtime.clone()),
            precision: Some(setting.precision),
            batch_size: Some(setting.batch_size),
            threads: Some(setting.threads),
            preferred_batch_size: None,
            table,
        }
    }

    /// Whether a setting has everything that is said, its device aside.
    pub fn matches(&self, setting: &Setting) -> bool {
        let runtime = self.runtime.as_ref().is_none_or(|runtime| runtime_name(runtime) == setting.runtime);
        runtime
            && self.precision.is_none_or(|precision| precision == setting.precision)
            && self.batch_size.is_none_or(|batch_size| batch_size == setting.batch_size)
            && self.threads.is_none_or(|threads| threads == setting.threads)
    }
}

/// The setting that a query means, and what the user should know about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    pub setting: Setting,
    /// Why this one, where several fit the query.
    pub choice: Option<SettingChoice>,
    /// What the names in the query were taken for, a sentence each.
    pub notes: Vec<String>,
}

/// The setting with a table that fits the query best; what is left open follows the device file.
///
/// # Errors
/// For an unknown device (with the names that are close to it), a device without any table, and a query that
/// no table fits (lists the device's).
pub fn resolve(store: &Store, query: &SettingQuery) -> Result<Setting, LatencyError> {
    found(store, query).map(|found| found.setting)
}

/// The same with what to tell the user about it.
///
/// # Errors
/// As [`resolve`], and when a table of the device does not read.
pub fn resolve_noting(store: &Store, query: &SettingQuery) -> Result<Resolved, LatencyError> {
    let Found { setting, device, others, reason, notes } = found(store, query)?;
    let choice = SettingChoice::of(store, query, &setting, device.as_ref(), others, reason)?;
    Ok(Resolved { setting, choice, notes })
}

/// What a query means, before it is told.
struct Found {
    setting: Setting,
    device: Option<Device>,
    /// Other settings that fit the query, the next best first.
    others: Vec<Setting>,
    reason: Reason,
    notes: Vec<String>,
}

/// A device as it was named.
pub(super) struct Named {
    /// None for a device that has tables and no file.
    pub(super) device: Option<Device>,
    /// Its name in the settings of its tables.
    pub(super) name: String,
    note: Option<String>,
}

/// The device of a name: a file of that name, then tables under that name, then a file with that alias.
pub(super) fn named(all: &[Setting], name: &str) -> Result<Named, LatencyError> {
    if name.contains(',') {
        return Err(LatencyError::SeveralDevices { names: name.to_owned() });
    }
    if let Some(device) = Device::find_by_name(user_directory().as_deref(), name)? {
        return Ok(Named { name: device.table_name(), device: Some(device), note: None });
    }
    if let Some(setting) = all.iter().find(|setting| same_device_name(&setting.device, name)) {
        return Ok(Named { device: None, name: setting.device.clone(), note: None });
    }
    match Device::find(name) {
        Ok(device) => {
            let note = Some(format!("note: {name} is {} here: {}", device.name, device.about));
            Ok(Named { name: device.table_name(), device: Some(device), note })
        }
        Err(LatencyError::UnknownDevice { name, suggestions: mut names }) => {
            let tables = all.iter().map(|setting| (setting.device.as_str(), setting.device.as_str()));
            for found in suggestions(&name, tables) {
                if !names.contains(&found) {
                    names.push(found);
                }
            }
            Err(LatencyError::UnknownDevice { name, suggestions: names })
        }
        Err(error) => Err(error),
    }
}

fn found(store: &Store, query: &SettingQuery) -> Result<Found, LatencyError> {
    let all = store.settings()?;
    let Named { device, name, note } = named(&all, &query.device)?;
    let mut notes: Vec<String> = note.into_iter().collect();
    let local = device.as_ref().is_some_and(|device| device.reach.kind == ReachKind::Local);
    let known: Vec<&Setting> = all.iter().filter(|setting| same_device_name(&setting.device, &name)).collect();
    if known.is_empty() {
        return Err(LatencyError::NoTable {
            kind: String::new(),
            setting: device.as_ref().map_or_else(|| name.clone(), |device| device.default_setting.id()),
            available: format!("nothing has been measured on {} yet: run `{}` first", query.device, measuring(query)),
        });
    }
    let runtime = query.runtime.as_deref().map(runtime_name);
    let (of_runtime, note) = with_runtime(&known, runtime.as_deref());
    notes.extend(note);
    // Settings with a finished local table, and those with a table of the kind that is asked for.
    let mut local_tables = BTreeSet::new();
    let mut asked_for = BTreeSet::new();
    for setting in &of_runtime {
        for table in store.tables(setting)? {
            let is_local = matches!(table.source, TableSource::Local { .. });
            let is_asked_for = match query.table {
                TableChoice::Best => true,
                TableChoice::Local | TableChoice::Host(_) => is_local,
                TableChoice::Imported => matches!(table.source, TableSource::Imported { .. }),
                TableChoice::BuiltIn => matches!(table.source, TableSource::BuiltIn { .. }),
            };
            if is_local && table.finished {
                local_tables.insert((*setting).clone());
            }
            if is_asked_for {
                asked_for.insert((*setting).clone());
            }
        }
    }
    let rest = SettingQuery { runtime: None, ..query.clone() };
    let mut fitting: Vec<Setting> = of_runtime
        .into_iter()
        .filter(|setting| rest.matches(setting) && asked_for.contains(*setting))
        .cloned()
        .collect();
    // Tables of other processors have the names of these, and the defaults of this one.
    let processor = || name.starts_with("cpu-").then(|| Device::find("cpu").ok()).flatten();
    let default = device.clone().or_else(processor).map(|device| device.default_setting);
    let checked = checked(store, query, &fitting, default.as_ref().filter(|default| default.device == name))?;
    fitting.sort_by_cached_key(|setting| Distance::of(setting, query, default.as_ref(), (&local_tables, &checked)));
    if fitting.is_empty() {
        return Err(none_fits(query, &known, local));
    }
    let setting = fitting.remove(0);
    let is_default = default.as_ref().is_some_and(|default| Setting { device: name, ..default.clone() } == setting);
    if !local_tables.contains(&setting) {
        notes.extend(default.as_ref().and_then(|default| unasked(query, &setting, default)));
    }
    let reason = if local_tables.contains(&setting) {
        Reason::Measured
    } else if is_default {
        Reason::Default
    } else {
        Reason::Closest
    };
    Ok(Found { setting, device, others: fitting, reason, notes })
}

/// Settings of a runtime; where there is none of that name, those of the same runtime on a part of the device, and
/// a note on that.
fn with_runtime<'s>(known: &[&'s Setting], runtime: Option<&str>) -> (Vec<&'s Setting>, Option<String>) {
    let Some(runtime) = runtime else { return (known.to_vec(), None) };
    let exact: Vec<_> = known.iter().filter(|setting| setting.runtime == runtime).copied().collect();
    if !exact.is_empty() {
        return (exact, None);
    }
    let part = |setting: &Setting| part_of_runtime(runtime, &setting.runtime);
    let on_a_part: Vec<_> = known.iter().filter(|setting| part(setting).is_some()).copied().collect();
    let note = on_a_part.first().and_then(|setting| {
        let Setting { device, runtime: found, .. } = setting;
        let part = part(setting)?;
        Some(format!(
            "note: {device} has no table of {runtime} on its processor; {found} is used, {runtime} on the {part}"
        ))
    });
    (on_a_part, note)
}

/// Settings whose table was checked on whole networks; none where that decides nothing, as the default fits.
fn checked(
    store: &Store,
    query: &SettingQuery,
    fitting: &[Setting],
    default: Option<&Setting>,
) -> Result<BTreeSet<Setting>, LatencyError> {
    let decides_nothing = query.preferred_batch_size.is_none() && default.is_some_and(|found| fitting.contains(found));
    if fitting.len() < 2 || decides_nothing {
        return Ok(BTreeSet::new());
    }
    let mut checked = BTreeSet::new();
    for setting in fitting {
        if store.stated(setting, &query.table)?.is_some_and(|stated| stated.mape.is_some()) {
            checked.insert(setting.clone());
        }
    }
    Ok(checked)
}

/// A sentence on a precision or batch that nobody asked for and that is not the device's usual one.
fn unasked(query: &SettingQuery, setting: &Setting, default: &Setting) -> Option<String> {
    let Setting { device, precision, batch_size, .. } = setting;
    let other_precision = query.precision.is_none() && *precision != default.precision;
    let wanted_batch = query.preferred_batch_size.unwrap_or(default.batch_size);
    let other_batch = query.batch_size.is_none() && *batch_size != wanted_batch;
    let what = match (other_precision, other_batch) {
        (true, true) => format!("{precision}, not {}, and batch {batch_size}, not {wanted_batch}", default.precision),
        (true, false) => format!("{precision}, not {}", default.precision),
        (false, true) => format!("batch {batch_size}, not {wanted_batch}"),
        (false, false) => return None,
    };
    Some(format!("note: what fits best on {device} is {}: it is {what}", setting.id()))
}

/// How far a setting is from what is wanted, what matters most first; ids break ties, so the choice is the same
/// everywhere.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Distance {
    other_images: bool,
    not_measured_here: bool,
    /// A regime that nobody can run is used where it is named, not otherwise.
    published: bool,
    /// A table that was never checked on whole networks stands behind those that were, unless it is the default.
    unchecked: bool,
    other_runtime: bool,
    other_batch_size: bool,
    other_precision: bool,
    other_threads: bool,
    batch_size: u32,
    id: String,
}

impl Distance {
    fn of(
        setting: &Setting,
        query: &SettingQuery,
        default: Option<&Setting>,
        (local_tables, checked): (&BTreeSet<Setting>, &BTreeSet<Setting>),
    ) -> Self {
        let other = |same: &dyn Fn(&Setting) -> bool| default.is_some_and(|default| !same(default));
        let batch_size = query.preferred_batch_size.or(default.map(|default| default.batch_size)).unwrap_or(1);
        Self {
            other_images: query.preferred_batch_size.is_some_and(|images| images != setting.batch_size),
            not_measured_here: !local_tables.contains(setting),
            published: setting.runtime == "published",
            unchecked: !checked.contains(setting),
            other_runtime: other(&|default| default.runtime == setting.runtime),
            other_batch_size: setting.batch_size != batch_size,
            other_precision: other(&|default| default.precision == setting.precision),
            other_threads: other(&|default| default.threads == setting.threads),
            batch_size: setting.batch_size,
            id: setting.id(),
        }
    }
}

/// No setting of a device fits: which there are, and what may have been meant.
fn none_fits(query: &SettingQuery, known: &[&Setting], local: bool) -> LatencyError {
    let ids: Vec<_> = known.iter().map(|setting| setting.id()).collect();
    let mut wanted = vec![query.device.clone()];
    wanted.extend(query.runtime.clone());
    wanted.extend(query.precision.map(|precision| precision.to_string()));
    wanted.extend(query.batch_size.map(|batch_size| format!("batch {batch_size}")));
    wanted.extend(query.threads.map(|threads| format!("{threads} threads")));
    let runtime = query.runtime.as_deref().map(runtime_name).unwrap_or_default();
    let meant = closest(&runtime, known.iter().map(|setting| setting.runtime.as_str()));
    let hint = match meant.filter(|meant| *meant != runtime) {
        Some(meant) => format!("; did you mean {meant}?"),
        // This machine can be measured with another runtime.
        None if local && query.runtime.is_some() => format!("; `{}` measures one", measuring(query)),
        None => String::new(),
    };
    let kind = TableChoice::NAMED.iter().find(|(_, choice)| *choice == query.table);
    LatencyError::NoTable {
        kind: kind.map_or_else(String::new, |(name, _)| format!("{name} ")),
        setting: wanted.join(", "),
        available: format!("tables of this device: {}{hint}", ids.join(", ")),
    }
}

/// The command that makes a table for a query.
fn measuring(query: &SettingQuery) -> String {
    let runtime = query.runtime.as_ref().map_or_else(String::new, |runtime| format!(" --runtime {runtime}"));
    format!("zen-profile --device {}{runtime}", query.device)
}

#[cfg(test)]
mod tests;
