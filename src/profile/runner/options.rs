//! What runners are opened with, the same for all of them.
//!
//! Not here: which there are (`mod`), how the machine is reached (`transport`).

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::latency::{Device, Precision};

/// Characters of a GPU's name in the name of a device.
const MAX_GPU_CHARACTERS: usize = 40;

/// See [`RunnerOptions::subject_limit`].
const SUBJECT_LIMIT: Duration = Duration::from_secs(180);

/// What a runner is told about its machine.
#[derive(Clone, Debug)]
pub struct RunnerOptions {
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
    /// The device is this machine's processor: what its GPU measures belongs to a device of the GPU's name.
    pub is_processor: bool,
    /// The zen-agent executable built for the target.
    pub agent: Option<PathBuf>,
    /// Python interpreter on the target.
    pub python: String,
    /// TensorRT's command-line program on the target.
    pub trtexec: String,
    /// Set from elsewhere (Ctrl-C) to end a block under way in this process; transports have their own.
    pub stop: Option<&'static AtomicBool>,
}

impl RunnerOptions {
    /// The device's name in settings, given the name of the GPU that does the work: what another GPU than the
    /// expected one measures is filed under a name of its own. A GPU that does not tell its name is believed.
    pub fn device_of(&self, gpu: Option<&str>) -> String {
        let named = gpu.map(words);
        let short = |named: &[String]| named.join("-").chars().take(MAX_GPU_CHARACTERS).collect::<String>();
        match (&self.gpu, named) {
            (_, Some(named)) if self.is_processor => match short(&named) {
                name if name.is_empty() => "unnamed-gpu".to_owned(),
                // A built-in device may have this name.
                name => Device::find(&name).map_or(name, |device| device.name),
            },
            (Some(expected), Some(named)) if !words(expected).iter().all(|word| named.contains(word)) => {
                let named = short(&named);
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
            is_processor: false,
            agent: None,
            python: "python3".to_owned(),
            trtexec: "trtexec".to_owned(),
            stop: None,
        }
    }
}

/// The words of a GPU's name, in lower case.
fn words(text: &str) -> Vec<String> {
    let parts = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    parts.map(str::to_ascii_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_gpu_has_a_name_of_its_own() {
        let options = RunnerOptions { gpu: Some("V100".to_owned()), ..RunnerOptions::new("v100", Precision::Fp16) };
        for (named, device) in [
            (Some("Tesla V100-SXM2-16GB"), "v100"),
            (Some("NVIDIA A10G"), "v100-on-nvidia-a10g"),
            (Some("V1000"), "v100-on-v1000"),
            (Some("\u{1f525}"), "v100-on-another-gpu"),
            (None, "v100"),
        ] {
            assert_eq!(options.device_of(named), device, "{named:?}");
        }
        let any = RunnerOptions { gpu: None, ..options };
        assert_eq!(any.device_of(Some("NVIDIA A10G")), "v100");
        // This machine's GPU is another device than its processor, a built-in one where the name is known.
        let here = RunnerOptions { is_processor: true, ..RunnerOptions::new("cpu-xeon", Precision::Fp32) };
        let names = [Some("NVIDIA A10G"), Some("Tesla T4"), Some("-"), None].map(|gpu| here.device_of(gpu));
        assert_eq!(names, ["nvidia-a10g", "t4", "unnamed-gpu", "cpu-xeon"]);
    }
}
