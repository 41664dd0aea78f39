//! Runners on other machines: what they are opened with, and which there are.
//!
//! A remote runner owns its [`Transport`](crate::profile::transport::Transport). Adding one: write
//! `x.rs`, list it in [`REMOTE_RUNNERS`]. Not here: how the machine is reached.

use std::path::PathBuf;
use std::time::Duration;

use super::{Runner, RunnerError, agent, onnxruntime_remote, tensorrt};
use crate::latency::Precision;
use crate::names::UnknownName;
use crate::profile::transport::Transport;

/// Characters of a GPU's name in the name of a device.
const MAX_GPU_CHARACTERS: usize = 40;

/// See [`RemoteOptions::subject_limit`].
const SUBJECT_LIMIT: Duration = Duration::from_secs(180);

/// What a remote runner is told about its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteOptions {
    /// Name of the device in settings.
    pub device: String,
    pub precision: Precision,
    /// Threads of one inference; 0 where the runtime decides.
    pub threads: u32,
    /// What the zen-agent may take for one block, loading included.
    pub subject_limit: Duration,
    /// Processors to stay on, as `taskset` takes them (a hexadecimal mask); all where absent.
    pub cores: Option<String>,
    /// Execution provider of onnxruntime: `cpu`, `cuda`, `tensorrt`.
    pub provider: Option<String>,
    /// What the name of the GPU there must hold for its times to be the device's.
    pub gpu: Option<String>,
    /// The zen-agent executable built for the target.
    pub agent: Option<PathBuf>,
    /// Python interpreter on the target.
    pub python: String,
    /// TensorRT's command-line program on the target.
    pub trtexec: String,
}

impl RemoteOptions {
    /// The device's name in settings, given the GPU's own: what another GPU than the expected one
    /// measures is filed under a name of its own. A GPU that does not tell its name is believed.
    pub fn device_of(&self, gpu: Option<&str>) -> String {
        let words = |text: &str| -> Vec<String> {
            let parts = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
            parts.map(str::to_ascii_lowercase).collect()
        };
        match (&self.gpu, gpu.map(words)) {
            (Some(expected), Some(named)) if !words(expected).iter().all(|word| named.contains(word)) => {
                let named: String = named.join("-").chars().take(MAX_GPU_CHARACTERS).collect();
                format!("{}-on-{}", self.device, if named.is_empty() { "another-gpu" } else { &named })
            }
            _ => self.device.clone(),
        }
    }

    /// Everything at its default.
    pub fn new(device: &str, precision: Precision) -> Self {
        Self {
            device: device.to_owned(),
            precision,
            threads: 1,
            subject_limit: SUBJECT_LIMIT,
            cores: None,
            provider: None,
            gpu: None,
            agent: None,
            python: "python3".to_owned(),
            trtexec: "trtexec".to_owned(),
        }
    }
}

/// Starts a runner on a machine.
pub type OpenRemote = fn(Box<dyn Transport>, &RemoteOptions) -> Result<Box<dyn Runner>, RunnerError>;

/// A runner for other machines that can be chosen.
pub struct RemoteEntry {
    /// Runtime in settings.
    pub name: &'static str,
    /// One line for people.
    pub about: &'static str,
    /// Starts it on the machine, or says why it cannot be used there and what to do about that.
    pub open: OpenRemote,
}

impl RemoteEntry {
    /// The remote runner of a runtime.
    ///
    /// # Errors
    /// For an unknown name, with the known ones.
    pub fn find(name: &str) -> Result<&'static Self, UnknownName> {
        let entry = REMOTE_RUNNERS.iter().find(|entry| entry.name == name);
        let known = REMOTE_RUNNERS.iter().map(|entry| entry.name);
        entry.ok_or_else(|| UnknownName::new("runtime for another machine", name, known))
    }
}

/// Every remote runner.
pub static REMOTE_RUNNERS: &[RemoteEntry] = &[agent::ENTRY, onnxruntime_remote::ENTRY, tensorrt::ENTRY];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_gpu_has_a_name_of_its_own() {
        let options = RemoteOptions { gpu: Some("V100".to_owned()), ..RemoteOptions::new("v100", Precision::Fp16) };
        for (named, device) in [
            (Some("Tesla V100-SXM2-16GB"), "v100"),
            (Some("NVIDIA A10G"), "v100-on-nvidia-a10g"),
            (Some("V1000"), "v100-on-v1000"),
            (Some("\u{1f525}"), "v100-on-another-gpu"),
            (None, "v100"),
        ] {
            assert_eq!(options.device_of(named), device, "{named:?}");
        }
        let any = RemoteOptions { gpu: None, ..options };
        assert_eq!(any.device_of(Some("NVIDIA A10G")), "v100");
    }
}
