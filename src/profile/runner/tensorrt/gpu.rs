//! What `nvidia-smi` says of the GPU; every field may be missing.

use super::super::target::quoted;

/// What is asked for; the reasons were renamed, so both names are tried.
pub(super) const QUERIES: [&str; 2] = [
    "name,driver_version,clocks.sm,clocks.max.sm,power.draw,power.limit,temperature.gpu,clocks_throttle_reasons.active",
    "name,driver_version,clocks.sm,clocks.max.sm,power.draw,power.limit,temperature.gpu,clocks_event_reasons.active",
];

/// Reasons for lower clocks than the GPU could have: bits and words. Being idle, clocks set by its
/// owner and keeping step with other GPUs are no trouble.
const TROUBLES: [(u64, &str); 5] = [
    (0x04, "power limit"),
    (0x08, "hardware slowdown"),
    (0x20, "software thermal slowdown"),
    (0x40, "hardware thermal slowdown"),
    (0x80, "power brake"),
];

/// One line of the answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct GpuState {
    pub name: Option<String>,
    pub driver: Option<String>,
    pub clock_mhz: Option<f64>,
    pub max_clock_mhz: Option<f64>,
    pub power_w: Option<f64>,
    pub power_limit_w: Option<f64>,
    pub temperature_c: Option<f64>,
    /// A set of bits.
    pub reasons: Option<u64>,
}

impl GpuState {
    /// Reads a line; none where it is no answer to [`QUERIES`].
    pub fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let [name, driver, clock, max_clock, power, power_limit, temperature, reasons] = fields.try_into().ok()?;
        let text = |field: &str| (!field.is_empty() && !field.starts_with('[')).then(|| quoted(field));
        let number = |field: &str| field.parse::<f64>().ok().filter(|value| value.is_finite());
        Some(Self {
            name: text(name),
            driver: text(driver),
            clock_mhz: number(clock),
            max_clock_mhz: number(max_clock),
            power_w: number(power),
            power_limit_w: number(power_limit),
            temperature_c: number(temperature),
            reasons: reasons.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok()),
        })
    }

    /// Why the clocks are lower than they could be; empty where they are not or nobody knows.
    pub fn troubles(&self) -> Vec<&'static str> {
        let reasons = self.reasons.unwrap_or(0);
        TROUBLES.iter().filter(|(bit, _)| reasons & bit != 0).map(|(_, words)| *words).collect()
    }

    /// For people, `unknown` for what is missing.
    pub fn describe(&self) -> String {
        let value = |value: Option<f64>| value.map_or("unknown".to_owned(), |value| value.to_string());
        let reasons = match self.reasons {
            None => "unknown".to_owned(),
            Some(bits) => match self.troubles().as_slice() {
                [] => format!("none (0x{bits:x})"),
                troubles => format!("{} (0x{bits:x})", troubles.join(", ")),
            },
        };
        format!(
            "clocks {} of {} MHz, power {} of {} W, temperature {} C, throttle reasons {reasons}",
            value(self.clock_mhz),
            value(self.max_clock_mhz),
            value(self.power_w),
            value(self.power_limit_w),
            value(self.temperature_c)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_everything_and_with_nothing() {
        let full = GpuState::parse("Tesla T4, 535.104.05, 1590, 1590, 69.98, 70.00, 71, 0x0000000000000004").unwrap();
        assert_eq!((full.name.as_deref(), full.driver.as_deref()), (Some("Tesla T4"), Some("535.104.05")));
        assert_eq!(full.troubles(), ["power limit"]);
        let words =
            "clocks 1590 of 1590 MHz, power 69.98 of 70 W, temperature 71 C, throttle reasons power limit (0x4)";
        assert_eq!(full.describe(), words);
        let bare = GpuState::parse("[N/A], [N/A], [N/A], [N/A], [Not Supported], , [N/A], [N/A]").unwrap();
        assert_eq!(bare, GpuState::default());
        assert!(bare.troubles().is_empty() && bare.describe().ends_with("throttle reasons unknown"));
        // Idle, clocks set by the owner, sync boost.
        let line = "A, 1, 1, 1, 1, 1, 1, 0x13";
        assert!(GpuState::parse(line).unwrap().troubles().is_empty());
        for junk in ["", "No devices were found", "a, b", "1, 2, 3, 4, 5, 6, 7, 8, 9"] {
            assert_eq!(GpuState::parse(junk), None);
        }
    }
}
