//! Options that choose a latency table beside the command's subject.

use clap::Args;

use super::number::count;
use crate::latency::{Precision, SettingQuery, TableChoice};

/// What names a device, so that its options make sense: --device, and budgets that name one.
pub(super) const ON_DEVICE: &str = "on_device";
/// What has a precision: the same, and budgets on weights.
pub(super) const HAS_PRECISION: &str = "has_precision";

/// Which device's latency table, whatever its precision.
#[derive(Args, Clone, Debug, Default)]
pub struct DeviceArgs {
    /// Device whose latency table is used, in any spelling: `zen-profile devices` lists them
    #[arg(long, value_name = "NAME", groups = [ON_DEVICE, HAS_PRECISION])]
    pub device: Option<String>,
    /// Runtime of the table, e.g. tensorrt, tflite (also litert), ncnn [default: the device's]
    #[arg(long, value_name = "NAME", requires = ON_DEVICE)]
    pub runtime: Option<String>,
    /// Images in one inference call [default: the device's, usually 1]
    #[arg(long, value_name = "N", value_parser = count, requires = ON_DEVICE, allow_negative_numbers = true)]
    pub batch_size: Option<u32>,
    /// Threads of the runtime, for tables of processors
    #[arg(long, value_name = "N", value_parser = count, requires = ON_DEVICE, allow_negative_numbers = true)]
    pub runtime_threads: Option<u32>,
    /// Which table where there are several: local (measured by you), built-in or imported [default: the best one]
    #[arg(long = "table", value_name = "KIND", requires = ON_DEVICE)]
    pub choice: Option<TableChoice>,
}

impl DeviceArgs {
    /// What is asked for, if a device is named.
    pub fn query(&self, precision: Option<Precision>) -> Option<SettingQuery> {
        Some(SettingQuery {
            device: self.device.clone()?,
            runtime: self.runtime.clone(),
            precision,
            batch_size: self.batch_size,
            threads: self.runtime_threads,
            preferred_batch_size: None,
            table: self.choice.clone().unwrap_or_default(),
        })
    }
}

/// Which latency table.
#[derive(Args, Clone, Debug, Default)]
pub struct SettingArgs {
    #[command(flatten)]
    pub table: DeviceArgs,
    /// Precision of the table: fp32, fp16 or int8 [default: the device's]
    #[arg(long, value_name = "NAME", requires = HAS_PRECISION)]
    pub precision: Option<Precision>,
}

impl SettingArgs {
    /// What is asked for, if a device is named.
    pub fn query(&self) -> Option<SettingQuery> {
        self.table.query(self.precision)
    }

    /// What is asked for of a setting that is written in part. Options say the rest, unless they belong to --device.
    pub fn query_on(&self, named: &SettingQuery) -> SettingQuery {
        let options = if self.table.device.is_some() { &DeviceArgs::default() } else { &self.table };
        let precision = if self.table.device.is_some() { None } else { self.precision };
        SettingQuery {
            runtime: named.runtime.clone().or_else(|| options.runtime.clone()),
            precision: named.precision.or(precision),
            batch_size: named.batch_size.or(options.batch_size),
            threads: named.threads.or(options.runtime_threads),
            table: self.table.choice.clone().unwrap_or_default(),
            ..named.clone()
        }
    }

    /// What is asked for of each device that is named, separated by commas; none where none is.
    pub fn queries(&self) -> Vec<SettingQuery> {
        let Some(query) = self.query() else { return Vec::new() };
        let devices = query.device.split(',').map(|device| device.trim().to_owned());
        devices.map(|device| SettingQuery { device, ..query.clone() }).collect()
    }
}
