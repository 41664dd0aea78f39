//! Why a setting was chosen where a device has several: one line for people, and a value.

use std::fmt;

use serde::Serialize;

use super::SettingQuery;
use crate::latency::{Device, LatencyError, Setting, Stated, Store};

/// Other settings that are named in the line.
const NAMED: usize = 4;

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The user measured it.
    Measured,
    /// The device's file says so.
    Default,
    /// The device has no table for its default setting, or the query excludes that.
    Closest,
}

/// The choice of one among the settings that fit what was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct SettingChoice {
    /// As users name it.
    pub device: String,
    pub setting: Setting,
    /// In a few words.
    pub reason: String,
    /// The user measured the setting: which of its tables is used depends on the network, and is said with it.
    #[serde(skip)]
    measured: bool,
    /// Whole networks behind the error of its table; none of a setting that the user measured.
    pub networks: Option<u32>,
    /// Mean absolute relative error on them, as a share.
    pub mape: Option<f64>,
    /// The other settings that fit, the next best first.
    pub others: Vec<Setting>,
}

impl SettingChoice {
    /// None where nothing was chosen: no other setting fits.
    pub(super) fn of(
        store: &Store,
        query: &SettingQuery,
        setting: &Setting,
        device: Option<&Device>,
        others: Vec<Setting>,
        reason: Reason,
    ) -> Result<Option<Self>, LatencyError> {
        if others.is_empty() {
            return Ok(None);
        }
        let measured = reason == Reason::Measured;
        let stated = if measured { None } else { store.stated(setting, &query.table)? };
        let count = others.len() + 1;
        let why = device.and_then(|device| device.why.as_ref());
        let reason = match (reason, why) {
            (Reason::Measured, _) => format!("measured by you, one of {count} settings"),
            (Reason::Closest, _) => format!("of {count} settings the closest to the device's default"),
            (Reason::Default, Some(why)) => format!("{why}, the default of {count} settings"),
            (Reason::Default, None) => {
                let mut is_best = stated.as_ref().is_some_and(|stated| stated.mape.is_some());
                for other in &others {
                    let other = store.stated(other, &query.table)?;
                    is_best &= !other.is_some_and(|other| stated.as_ref().is_some_and(|this| is_better(&other, this)));
                }
                format!("the {} of {count} settings", if is_best { "best supported" } else { "default" })
            }
        };
        Ok(Some(Self {
            device: device.map_or_else(|| setting.device.clone(), |device| device.name.clone()),
            setting: setting.clone(),
            reason,
            measured,
            networks: stated.as_ref().and_then(|stated| stated.networks),
            mape: stated.and_then(|stated| stated.mape),
            others,
        }))
    }
}

/// Whether a table has a smaller error on no fewer networks, or no larger one on more.
fn is_better(a: &Stated, b: &Stated) -> bool {
    match (a.mape, b.mape) {
        (Some(x), Some(y)) => (x <= y && a.networks > b.networks) || (x < y && a.networks >= b.networks),
        (Some(_), None) => true,
        (None, _) => false,
    }
}

/// `t4: tensorrt fp16 batch 1 (the best supported of 11 settings: 40 networks, 8.3%; others: ...)`.
impl fmt::Display for SettingChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = match (self.networks, self.mape) {
            (Some(1), Some(mape)) => format!("1 network, {:.1}%", mape * 100.0),
            (Some(networks), Some(mape)) => format!("{networks} networks, {:.1}%", mape * 100.0),
            (None, Some(mape)) => format!("{:.1}%", mape * 100.0),
            (_, None) => "never checked on whole networks".to_owned(),
        };
        let error = if self.measured { String::new() } else { format!(": {error}") };
        let mut others: Vec<String> = self.others.iter().take(NAMED).map(Setting::short).collect();
        if self.others.len() > NAMED {
            others.push(format!("{} more, see zen-profile devices {}", self.others.len() - NAMED, self.device));
        }
        write!(f, "{}: {} ({}{error}; others: {})", self.device, words(&self.setting), self.reason, others.join(", "))
    }
}

/// `tensorrt fp16 batch 1`, its device aside.
fn words(setting: &Setting) -> String {
    let threads = match setting.threads {
        0 => String::new(),
        1 => ", 1 thread".to_owned(),
        threads => format!(", {threads} threads"),
    };
    format!("{} {} batch {}{threads}", setting.runtime, setting.precision, setting.batch_size)
}
