//! tract on one thread: in this process where the machine is this one, else by the zen-agent there.

use std::sync::atomic::AtomicBool;

use zen_agent::{AgentError, CLOCK_WORDS, Limits, Machine, Model, PartsBlock, RUNTIME, RUNTIME_VERSION};

use super::{Parts, Runner, RunnerAbout, RunnerEntry, RunnerError, Subject, agent};

pub(super) const ENTRY: RunnerEntry = RunnerEntry {
    name: RUNTIME,
    about: "tract on the processor, one thread; built in, and on another machine by the zen-agent (--agent)",
    open: |transport, options| match transport.is_here() && options.agent.is_none() {
        true => {
            agent::check(options)?;
            Ok(Box::new(Tract { machine: Machine::here(), device: options.device.clone(), stop: options.stop }))
        }
        false => agent::open(transport, options),
    },
};

struct Tract {
    machine: Machine,
    device: String,
    stop: Option<&'static AtomicBool>,
}

impl Tract {
    /// Loads a model and times it.
    fn time<T>(&self, model: &[u8], time: impl FnOnce(Model) -> Result<T, AgentError>) -> Result<T, RunnerError> {
        let timed = Model::load(model).and_then(|model| time(model.with_stop(self.stop)));
        timed.map_err(|error| RunnerError::of_model(error.to_string(), self.stop))
    }
}

impl Runner for Tract {
    fn about(&self) -> RunnerAbout {
        RunnerAbout::of_thread(&self.machine, &self.device, RUNTIME, RUNTIME_VERSION, CLOCK_WORDS.to_owned())
    }

    fn times_parts(&self) -> bool {
        true
    }

    fn parts(
        &mut self,
        subject: &Subject,
        owners: &dyn Fn(&str) -> Option<usize>,
        count: usize,
        limits: &Limits,
    ) -> Result<Parts, RunnerError> {
        let PartsBlock { parts_ms, unowned_ms, whole_ms } =
            self.time(&subject.model, |model| model.parts(owners, count, limits))?;
        Ok(Parts { parts_ms, unowned_ms, whole_ms })
    }

    fn block(&mut self, subject: &Subject, limits: &Limits) -> Result<Vec<f64>, RunnerError> {
        self.time(&subject.model, |model| model.block(&subject.scope, limits)).map(|block| block.cpu_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::super::RunnerOptions;
    use super::*;
    use crate::latency::{KeyKind, OperatorKey, Precision};
    use crate::net::Activation;
    use crate::onnx::{OPERATOR_NODE_PREFIX, operator_model, sandwich_model};
    use crate::profile::transport::local::Local;
    use zen_agent::Scope;

    fn open(stop: Option<&'static AtomicBool>) -> Box<dyn Runner> {
        let options = RunnerOptions { stop, ..RunnerOptions::new("here", Precision::Fp32) };
        (ENTRY.open)(Box::new(Local::open().unwrap()), &options).unwrap()
    }

    #[test]
    fn operators_and_their_failures() {
        let key = OperatorKey {
            kind: KeyKind::Conv,
            kernel: 3,
            stride: 1,
            groups: 1,
            in_channels: 16,
            out_channels: 16,
            in_height: 8,
            in_width: 8,
            activation: Some(Activation::Relu),
            residual_add: true,
        };
        let limits = Limits { min_samples: 3, max_samples: 3, ..Limits::default() };
        let mut runner = open(None);
        let mut time = |model: Vec<u8>, prefix: &str| {
            let scope = Scope::Nodes(prefix.to_owned());
            runner.block(&Subject { name: key.to_string(), model, scope, without: Vec::new() }, &limits)
        };
        for model in [sandwich_model(&key, 1, 0).unwrap(), operator_model(&key, 2, 0).unwrap()] {
            let samples = time(model, OPERATOR_NODE_PREFIX).unwrap();
            assert!(samples.len() == 3 && samples.iter().all(|ms| *ms > 0.0), "{samples:?}");
        }
        let error = time(sandwich_model(&key, 1, 0).unwrap(), "absent_").unwrap_err().to_string();
        assert!(error.contains("`absent_`"), "{error}");
        assert!(time(vec![1, 2, 3], "").unwrap_err().to_string().contains("not an ONNX model"));
    }

    #[test]
    fn a_block_under_way_is_stopped() {
        let stop: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(true)));
        let mut runner = open(Some(stop));
        let model = crate::onnx::activation_chain_model(3).unwrap();
        // Without an end of their own.
        let limits = Limits { max_samples: 100_000, block_ms: 3.6e6, ..Limits::default() };
        for scope in [Scope::Whole, Scope::Nodes(String::new())] {
            let subject = Subject { name: "x".to_owned(), model: model.clone(), scope, without: Vec::new() };
            assert_eq!(runner.block(&subject, &limits), Err(RunnerError::Interrupted));
            assert!(matches!(runner.parts(&subject, &|_| Some(0), 1, &limits), Err(RunnerError::Interrupted)));
        }
    }
}
