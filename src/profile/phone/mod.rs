//! Whether a phone is fit to be measured, and what it was like when it was.
//!
//! A warm or sleeping phone is slower than itself an hour ago. So its state is read before and
//! after measuring, the reasons to wait are told, and all of it is recorded with the run. What a
//! phone does not tell is recorded as unknown. Not here: how it is reached (`transport`).

mod parse;

use std::fmt;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::transport::{Limits, Transport, TransportError};

pub use parse::{Battery, Core};

/// Charge below which a phone saves power, in percent.
const LOW_BATTERY_PERCENT: u8 = 20;
/// Battery temperature above which phones throttle, in degrees Celsius.
const HOT_BATTERY_C: f64 = 40.0;
/// Pause between two looks at a phone that is not fit yet.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// What one question may take; dumps are long, their lines short.
const LIMITS: Limits<'static> = Limits {
    inactivity: Duration::from_secs(15),
    total: Duration::from_secs(30),
    line_bytes: 4096,
    stderr_bytes: 1024,
    stop: None,
};
/// Most text kept of one answer, in bytes.
const MAX_ANSWER_BYTES: usize = 256 << 10;
/// Writes `cpu0 scaling_governor schedutil` for every core and file, without a value where it is denied.
const FREQUENCIES: &str = "cd /sys/devices/system/cpu || exit 0; for c in cpu[0-9]*; do \
    for f in scaling_governor scaling_cur_freq scaling_max_freq cpuinfo_max_freq; do \
    printf '%s %s ' \"$c\" \"$f\"; cat \"$c/cpufreq/$f\" 2>/dev/null || echo; done; done";

/// A phone's state at one moment; what it does not tell is absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Phone {
    pub model: Option<String>,
    /// The first binary interface it runs: `arm64-v8a`.
    pub abi: Option<String>,
    /// Fingerprint of the installed system.
    pub build: Option<String>,
    /// 0 for none, 1 light, up to 6 shutting down; Android 10 and newer tell it.
    pub thermal_status: Option<u8>,
    pub battery: Battery,
    /// `Awake`, `Asleep`, `Dozing`, `Dreaming`.
    pub wakefulness: Option<String>,
    pub cores: Vec<Core>,
}

/// What is to be done with a phone.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Measure,
    /// It may become fit by waiting or by what the reasons say.
    Wait(Vec<Reason>),
    /// It never will.
    Unfit(Reason),
}

/// Why a phone is not fit.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    Hot { thermal_status: u8 },
    HotBattery { temperature_c: f64 },
    LowBattery { level_percent: u8 },
    NotAwake { wakefulness: String },
    Throttled { core: u32, limit_khz: u32, maximum_khz: u32 },
    Powersave { core: u32 },
    Abi { abi: String },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hot { thermal_status } => {
                write!(f, "it is too hot (thermal status {thermal_status}): let it cool, out of its case")
            }
            Self::HotBattery { temperature_c } => write!(f, "its battery has {temperature_c:.1} °C: let it cool"),
            Self::LowBattery { level_percent } => {
                write!(f, "its battery is at {level_percent}% and it may save power: charge it first")
            }
            Self::NotAwake { wakefulness } => write!(
                f,
                "it is not awake ({wakefulness}): switch its screen on, and `Stay awake` in its Developer options"
            ),
            Self::Throttled { core, limit_khz, maximum_khz } => write!(
                f,
                "core {core} is held at {limit_khz} of {maximum_khz} kHz: let it cool, switch off its battery saver"
            ),
            Self::Powersave { core } => {
                write!(f, "core {core} has the governor powersave: switch off its battery saver")
            }
            Self::Abi { abi } => write!(f, "it runs {abi}, and the agent is built for arm64-v8a"),
        }
    }
}

impl Phone {
    /// Asks the phone. What it refuses to tell, or does not know, is absent.
    ///
    /// # Errors
    /// A lost connection.
    pub fn inspect(transport: &mut dyn Transport) -> Result<Self, TransportError> {
        let mut ask = |argv: &[&str]| answer(transport, argv);
        Ok(Self {
            model: parse::property(&ask(&["getprop", "ro.product.model"])?),
            abi: parse::property(&ask(&["getprop", "ro.product.cpu.abi"])?),
            build: parse::property(&ask(&["getprop", "ro.build.fingerprint"])?),
            thermal_status: parse::thermal_status(&ask(&["dumpsys", "thermalservice"])?),
            battery: parse::battery(&ask(&["dumpsys", "battery"])?),
            wakefulness: parse::wakefulness(&ask(&["dumpsys", "power"])?),
            cores: parse::cores(&ask(&["sh", "-c", FREQUENCIES])?),
        })
    }

    /// Asks again and again until the phone is fit, `limit` has passed or `stop` says so, and
    /// returns its last state with the verdict on it. `on_wait` hears the reasons of each look.
    ///
    /// # Errors
    /// A lost connection.
    pub fn wait_until_fit(
        transport: &mut dyn Transport,
        limit: Duration,
        stop: &dyn Fn() -> bool,
        on_wait: &mut dyn FnMut(&[Reason]),
    ) -> Result<(Self, Verdict), TransportError> {
        let start = Instant::now();
        loop {
            let phone = Self::inspect(transport)?;
            let verdict = phone.verdict();
            let Verdict::Wait(reasons) = &verdict else { return Ok((phone, verdict)) };
            on_wait(reasons);
            let look = Instant::now();
            while look.elapsed() < LOOK_AGAIN {
                if stop() || start.elapsed() >= limit {
                    return Ok((phone, verdict));
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    }

    /// Whether it can be measured now. What is unknown speaks neither for nor against it.
    pub fn verdict(&self) -> Verdict {
        if let Some(abi) = self.abi.as_ref().filter(|abi| *abi != "arm64-v8a") {
            return Verdict::Unfit(Reason::Abi { abi: abi.clone() });
        }
        let mut reasons = Vec::new();
        if let Some(thermal_status) = self.thermal_status.filter(|status| *status > 0) {
            reasons.push(Reason::Hot { thermal_status });
        }
        if let Some(temperature_c) = self.battery.temperature_c.filter(|degrees| *degrees > HOT_BATTERY_C) {
            reasons.push(Reason::HotBattery { temperature_c });
        }
        let level = self.battery.level_percent.filter(|level| *level < LOW_BATTERY_PERCENT);
        if let Some(level_percent) = level.filter(|_| self.battery.charging != Some(true)) {
            reasons.push(Reason::LowBattery { level_percent });
        }
        if let Some(wakefulness) = self.wakefulness.as_ref().filter(|state| *state != "Awake") {
            reasons.push(Reason::NotAwake { wakefulness: wakefulness.clone() });
        }
        for core in self.fast_cores() {
            if let (Some(limit_khz), Some(maximum_khz)) = (core.limit_khz, core.maximum_khz)
                && limit_khz < maximum_khz
            {
                reasons.push(Reason::Throttled { core: core.index, limit_khz, maximum_khz });
            }
            if core.governor.as_deref() == Some("powersave") {
                reasons.push(Reason::Powersave { core: core.index });
            }
        }
        if reasons.is_empty() { Verdict::Measure } else { Verdict::Wait(reasons) }
    }

    /// The cores with the highest maximum frequency; none where no frequency is known.
    pub fn fast_cores(&self) -> impl Iterator<Item = &Core> {
        let highest = self.cores.iter().filter_map(|core| core.maximum_khz).max();
        self.cores.iter().filter(move |core| highest.is_some() && core.maximum_khz == highest)
    }

    /// The fast cores as `taskset` takes them (`f0`); none where they are unknown or all alike.
    pub fn core_mask(&self) -> Option<String> {
        let fast: Vec<u32> = self.fast_cores().map(|core| core.index).collect();
        let mask = fast.iter().fold(0u64, |mask, index| mask | 1u64.checked_shl(*index).unwrap_or(0));
        (mask != 0 && fast.len() < self.cores.len()).then(|| format!("{mask:x}"))
    }

    /// Everything that decides how fast it is, in words, for the record of a run.
    pub fn conditions(&self) -> String {
        let unknown = || "unknown".to_owned();
        let khz = |value: Option<u32>| value.map_or_else(unknown, |khz| khz.to_string());
        let fast = match self.fast_cores().next() {
            Some(core) => format!(
                "fast cores {}: governor {}, {} kHz now, limit {}, maximum {}",
                self.core_mask().as_deref().unwrap_or("all"),
                core.governor.as_deref().unwrap_or("unknown"),
                khz(core.current_khz),
                khz(core.limit_khz),
                khz(core.maximum_khz)
            ),
            None => "fast cores unknown".to_owned(),
        };
        let battery = format!(
            "battery {}, {}, {}",
            self.battery.level_percent.map_or_else(unknown, |level| format!("{level}%")),
            self.battery.temperature_c.map_or_else(unknown, |degrees| format!("{degrees:.1} °C")),
            match self.battery.charging {
                Some(true) => "charging",
                Some(false) => "not charging",
                None => "charging unknown",
            }
        );
        format!(
            "thermal status {}; {fast}; {battery}; {}; {}, {}, build {}",
            self.thermal_status.map_or_else(unknown, |status| status.to_string()),
            self.wakefulness.as_deref().unwrap_or("wakefulness unknown"),
            self.model.as_deref().unwrap_or("model unknown"),
            self.abi.as_deref().unwrap_or("ABI unknown"),
            self.build.as_deref().unwrap_or("unknown")
        )
    }
}

/// What a command prints; nothing where it fails or takes too long.
fn answer(transport: &mut dyn Transport, argv: &[&str]) -> Result<String, TransportError> {
    let mut text = String::new();
    let outcome = transport.run(argv, &LIMITS, &mut |line| {
        if text.len() + line.text.len() < MAX_ANSWER_BYTES {
            text.push_str(line.text);
            text.push('\n');
        }
        ControlFlow::Continue(())
    });
    match outcome {
        Ok(outcome) if outcome.exit.is_success() => Ok(text),
        Err(error) if error.is_connection_lost() => Err(error),
        Ok(_) | Err(_) => Ok(String::new()),
    }
}

#[cfg(test)]
mod tests;
