//! The options that say what runs the models, and how the device is reached.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use zen_nas::cli::{self, OutputArgs, Passphrases, count};
use zen_nas::latency::{Precision, Store, Tools};
use zen_nas::profile::{ProfileError, ReachOptions, Reached, Runner, open_runner};

/// What runs the models, and how the device is reached.
#[derive(Clone, clap::Args)]
pub struct RuntimeArgs {
    /// Runtime to measure with, e.g. tract or onnxruntime [default: the device's, or tract where that one cannot be
    /// measured]
    #[arg(long, value_name = "NAME")]
    pub runtime: Option<String>,
    #[command(flatten)]
    pub remote: RemoteArgs,
}

/// How the device is reached, and what is there.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "The machine that measures")]
pub struct RemoteArgs {
    /// Machine to reach over SSH, as a host or a name of the ssh configuration; several equal ones share
    /// the work; `local` is this machine [default: those of the device's file]
    #[arg(long, value_name = "[USER@]HOST[:PORT]")]
    pub host: Vec<String>,
    /// Phone to reach with adb; several equal ones share the work [default: those of the device's
    /// file, or the only one connected]
    #[arg(long, value_name = "SERIAL", conflicts_with = "host")]
    pub serial: Vec<String>,
    /// Configuration file of ssh [default: the user's]
    #[arg(long, value_name = "FILE")]
    pub ssh_config: Option<PathBuf>,
    /// Precision to run the models in: fp32, fp16 or int8 [default: the device's]
    #[arg(long, value_name = "NAME")]
    pub precision: Option<Precision>,
    /// Threads of one inference [default: the device's, else 1]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub runtime_threads: Option<u32>,
    /// zen-agent, built for the device
    #[arg(long, value_name = "FILE")]
    pub agent: Option<PathBuf>,
    /// Processors to stay on, as taskset takes them, e.g. f0
    #[arg(long, value_name = "MASK")]
    pub cores: Option<String>,
    /// Execution provider of onnxruntime: cpu, cuda or tensorrt
    #[arg(long, value_name = "NAME")]
    pub provider: Option<String>,
    /// Python interpreter that has onnxruntime [default: on this machine the active virtual environment's, else python3]
    #[arg(long, value_name = "PROGRAM")]
    pub python: Option<String>,
    /// TensorRT's program [default: trtexec]
    #[arg(long, value_name = "PROGRAM")]
    pub trtexec: Option<String>,
}

impl RuntimeArgs {
    /// The runner for a device; says on stderr what was chosen for the user.
    pub fn open(&self, store: &Store, device: &str, output: &OutputArgs) -> Result<Box<dyn Runner>, ProfileError> {
        let remote = &self.remote;
        let mut passphrases = Passphrases::default();
        let mut ask = |key: &Path| passphrases.ask(key);
        let output = *output;
        let mut options = ReachOptions {
            runtime: self.runtime.clone(),
            precision: remote.precision,
            threads: remote.runtime_threads,
            hosts: remote.host.clone(),
            serials: remote.serial.clone(),
            tools: Tools {
                agent: remote.agent.clone(),
                cores: remote.cores.clone(),
                provider: remote.provider.clone(),
                python: remote.python.clone(),
                trtexec: remote.trtexec.clone(),
            },
            ssh_config: remote.ssh_config.clone(),
            passphrase: Some(&mut ask),
            tell: Some(Rc::new(move |line| output.note(line))),
            stop: Some(cli::interrupt_flag()),
        };
        let Reached { runner, notes } = open_runner(store, device, &mut options)?;
        notes.iter().for_each(|note| output.note(note));
        Ok(runner)
    }
}
