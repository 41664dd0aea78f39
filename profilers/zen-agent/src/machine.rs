//! The machine this runs on, as far as it names itself.

use serde::{Deserialize, Serialize};

use crate::Processor;

/// What a measurement's machine is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's own name, or its architecture where it has none.
    pub cpu: String,
    /// Cores this process may use.
    pub cores: u32,
    /// As Rust names it: `x86_64`, `aarch64`.
    pub architecture: String,
    /// As Rust names it: `linux`, `android`, `macos`.
    pub system: String,
    /// What kind of processor it is; none where the system does not tell, and from agents that did not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processor: Option<Processor>,
}

impl Machine {
    /// This machine.
    pub fn here() -> Self {
        let architecture = std::env::consts::ARCH.to_owned();
        Self {
            cpu: cpu_name().unwrap_or_else(|| format!("unnamed {architecture}")),
            cores: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32),
            architecture,
            system: std::env::consts::OS.to_owned(),
            processor: Processor::here(),
        }
    }

    /// The machine in words, as tables name where they were measured.
    pub fn words(&self) -> String {
        format!("{}, {} cores, {}", self.cpu, self.cores, self.system)
    }

    /// Name of the device this machine's tables belong to: `cpu-` and the processor's name in
    /// lower case, with a dash for everything but letters and digits.
    pub fn device_name(&self) -> String {
        let mut name = "cpu".to_owned();
        // Decorations that differ between firmware versions of one processor.
        let plain = self.cpu.to_lowercase().replace("(r)", "").replace("(tm)", "");
        let plain = plain.split(" @ ").next().unwrap_or_default();
        for word in plain.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !matches!(*word, "" | "cpu")) {
            name.push('-');
            name.push_str(word);
        }
        name.truncate(64);
        name
    }
}

fn cpu_name() -> Option<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let tree = || std::fs::read_to_string("/sys/firmware/devicetree/base/model").ok();
    name_in_cpuinfo(&info).or_else(tree).map(|name| name.trim_matches(['\0', ' ', '\n']).to_owned())
}

/// x86 writes `model name`, ARM kernels for phones `Hardware`.
fn name_in_cpuinfo(info: &str) -> Option<String> {
    ["model name", "Hardware"].into_iter().find_map(|field| {
        let values = info.lines().filter_map(|line| line.split_once(':'));
        let mut named = values.filter(|(name, _)| name.trim() == field).map(|(_, value)| value.trim().to_owned());
        named.find(|value| !value.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_devices() {
        for (cpu, name) in [
            ("AMD EPYC", "cpu-amd-epyc"),
            ("Intel(R) Xeon(R) CPU E5-2686 v4 @ 2.30GHz", "cpu-intel-xeon-e5-2686-v4"),
            ("Qualcomm Technologies, Inc MSM8998", "cpu-qualcomm-technologies-inc-msm8998"),
        ] {
            assert_eq!(Machine { cpu: cpu.to_owned(), ..Machine::here() }.device_name(), name);
        }
    }

    #[test]
    fn reads_both_forms_of_cpuinfo() {
        assert_eq!(name_in_cpuinfo("processor\t: 0\nmodel name\t: AMD EPYC\n").as_deref(), Some("AMD EPYC"));
        assert_eq!(name_in_cpuinfo("processor : 0\n\nHardware\t: MSM8998\n").as_deref(), Some("MSM8998"));
        assert_eq!(name_in_cpuinfo("processor : 0\n"), None);
    }
}
