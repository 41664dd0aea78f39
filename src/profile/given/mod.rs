//! Given networks: exactly the operators that they need are measured and stored in the table of the
//! setting.
//!
//! Where the runtime times its nodes they are measured inside the network itself, between its own neighbours;
//! those of which it names no node, and all of them elsewhere, each by itself. Operators that were measured
//! before on this machine by the same runtime are taken as they are. Not here: timing one operator by itself
//! (`operators`), the networks as a whole (`verify`).

mod inside;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use zen_agent::Scope;

use self::inside::inside_given;
use super::bench::{Bench, Filled, Run, SessionLimits};
use super::check::network_subject;
use super::drift::{DriftOptions, Watch};
use super::operators::{form_id, one_by_one, operator_method};
use super::session::{Event, INSIDE, Outcome, check_batch, unfinished};
use super::{ProfileError, Runner, RunnerAbout, Subject, Target, setting_of};
use crate::latency::{Fingerprint, Fuser, NewRun, OperatorKey, Purpose, RunId, Setting, Store, TableChoice};
use crate::net::{Graph, LowerOptions, Network};
use crate::onnx::{NetworkParts, OnnxError};

/// How operators are measured inside given networks, for the record of a run.
const INSIDE_METHOD: &str = "each inside the network by its own nodes; median over freshly loaded instances of each \
                             instance's median";

/// A network that a user gave.
#[derive(Clone, Debug)]
pub enum GivenNetwork {
    Structure {
        network: Network,
        graph: Graph,
        lower: LowerOptions,
    },
    /// An ONNX file.
    File {
        /// Its path, for messages.
        file: String,
        graph: Graph,
        /// What runtimes are given: ONNX bytes for a fixed number of images.
        model: Vec<u8>,
        /// Which of its nodes belongs to which fused operator.
        parts: NetworkParts,
    },
}

impl GivenNetwork {
    pub fn graph(&self) -> &Graph {
        match self {
            GivenNetwork::Structure { graph, .. } | GivenNetwork::File { graph, .. } => graph,
        }
    }

    /// The structure, or the file's path.
    pub fn name(&self) -> String {
        match self {
            GivenNetwork::Structure { network, .. } => network.to_string(),
            GivenNetwork::File { file, .. } => file.clone(),
        }
    }

    /// What runners are given to time it.
    ///
    /// # Errors
    /// When the model of a structure cannot be built.
    pub(super) fn subject(&self, batch_size: u32, seed: u64) -> Result<Subject, OnnxError> {
        match self {
            GivenNetwork::Structure { network, graph, .. } => network_subject(network, graph, batch_size, seed),
            GivenNetwork::File { file, model, .. } => {
                Ok(Subject { name: file.clone(), model: model.clone(), scope: Scope::Whole, without: Vec::new() })
            }
        }
    }

    fn parts(&self) -> NetworkParts {
        match self {
            GivenNetwork::Structure { graph, .. } => NetworkParts::new(graph),
            GivenNetwork::File { parts, .. } => parts.clone(),
        }
    }
}

/// What to measure and how well.
#[derive(Clone, Debug)]
pub struct GivenOptions {
    /// Images in one call.
    pub batch_size: u32,
    /// Measure operators again that were measured before.
    pub fresh: bool,
    /// The session ends about then, with what it has.
    pub time_limit: Option<Duration>,
    /// Of the weights.
    pub seed: u64,
    pub operator_target: Target,
    pub network_target: Target,
    /// How the steadiness of the machine is watched; none for not at all.
    pub drift: Option<DriftOptions>,
}

/// Measures the operators of given networks that are not stored yet. `interrupted` is asked between
/// measurements; an interrupted session is continued by the next one for the same networks.
///
/// # Errors
/// When the batch size is out of range, the database cannot be used, or the device is lost. What was
/// measured until then is stored.
pub fn profile_given(
    store: &mut Store,
    runner: &mut dyn Runner,
    networks: &[GivenNetwork],
    options: &GivenOptions,
    interrupted: &dyn Fn() -> bool,
    on_event: &mut dyn FnMut(Event<'_>),
) -> Result<Outcome, ProfileError> {
    let GivenOptions { batch_size, seed, .. } = *options;
    check_batch(batch_size)?;
    let about = runner.about();
    let setting = setting_of(&about, batch_size);
    let inside = runner.times_parts();
    let by_itself = operator_method(runner.operator_form());
    let method = if inside { format!("{INSIDE_METHOD}; the others: {by_itself}") } else { by_itself.to_owned() };
    let form = if inside { INSIDE } else { form_id(runner.operator_form()) };
    let new_run = new_run(&about, (form, &method), networks, options);
    let begun = unfinished(store, &setting, &new_run)?;
    let known = Known::read(store, &setting, &new_run, begun.filter(|_| options.fresh), options.fresh)?;
    let keys = distinct(networks);
    let missing: Vec<OperatorKey> = keys.iter().filter(|key| !known.keys.contains(*key)).copied().collect();
    let stored = keys.len() - missing.len();
    on_event(Event::Given { setting: &setting, operators: keys.len(), stored });
    let run = match (begun, known.newest.filter(|_| missing.is_empty())) {
        (Some(run), _) | (None, Some(run)) => run,
        (None, None) => store.begin_run(&setting, &new_run)?,
    };
    if missing.is_empty() {
        // A session that measures nothing is no run of its own.
        if begun.is_some() {
            store.finish_run(run, None)?;
        }
        return Ok(Outcome { stored, ..Outcome::begun(setting, run) });
    }
    let setting_of_table = setting.clone();
    let table = Filled { store, setting, choice: TableChoice::Host(about.host) };
    let limits = SessionLimits::new(options.time_limit, &options.operator_target, &options.network_target, interrupted);
    Bench::new(runner, table, Run::begun(run, setting_of_table, on_event), Watch::new(options.drift.clone()), limits)
        .carry_out(|bench| {
            bench.run.outcome.stored = stored;
            bench.run.outcome.remaining = missing.len();
            bench.look(true, true)?;
            let mut left: BTreeSet<OperatorKey> = missing.iter().copied().collect();
            for network in networks.iter().filter(|_| inside) {
                if !inside_given(bench, network, &mut left, seed)? {
                    return Ok(None);
                }
            }
            let others = missing.iter().filter(|key| left.contains(key)).copied().collect();
            one_by_one(bench, others, Duration::ZERO, seed)?;
            Ok(None)
        })
}

/// The operators of networks, each once, in their order.
fn distinct(networks: &[GivenNetwork]) -> Vec<OperatorKey> {
    let mut fuser = Fuser::default();
    let mut seen = BTreeSet::new();
    let mut keys = Vec::new();
    for network in networks {
        keys.extend(fuser.fuse(network.graph()).iter().filter(|key| seen.insert(**key)));
    }
    keys
}

/// What was measured before.
struct Known {
    keys: BTreeSet<OperatorKey>,
    /// Newest run that measured any of it.
    newest: Option<RunId>,
}

impl Known {
    /// Operators that the user's runs measured on this machine with this version of the runtime, in
    /// whichever way; with `fresh`, only those of the run that is continued.
    fn read(
        store: &Store,
        setting: &Setting,
        new_run: &NewRun,
        continued: Option<RunId>,
        fresh: bool,
    ) -> Result<Self, ProfileError> {
        let mut known = Self { keys: BTreeSet::new(), newest: None };
        for run in store.runs(setting)? {
            if run.imported.is_some() || !run.about.same_runtime(new_run) || (fresh && continued != Some(run.id)) {
                continue;
            }
            let keys = store.measured_keys(run.id)?;
            if !keys.is_empty() {
                known.newest.get_or_insert(run.id);
            }
            known.keys.extend(keys);
        }
        Ok(known)
    }
}

fn new_run(
    about: &RunnerAbout,
    (form, method): (&str, &str),
    networks: &[GivenNetwork],
    options: &GivenOptions,
) -> NewRun {
    // Tables travel: folders of the user's machine are nobody's business.
    let name = |network: &GivenNetwork| match network {
        GivenNetwork::File { file, .. } => {
            Path::new(file).file_name().unwrap_or_default().to_string_lossy().into_owned()
        }
        GivenNetwork::Structure { .. } => network.name(),
    };
    let names: Vec<String> = networks.iter().map(name).collect();
    let (again, again_id) = if options.fresh { (", all measured again", " again") } else { ("", "") };
    let subject = format!("for:{}{again_id} seed:{}", names.join(","), options.seed);
    NewRun {
        purpose: Purpose::OneModel,
        fingerprint: Fingerprint::new(form, &subject),
        origin: "measured with zen-profile".to_owned(),
        licence: "MIT OR Apache-2.0".to_owned(),
        runtime_version: about.runtime_version.clone(),
        host: about.host.clone(),
        processor: about.processor.clone(),
        method: format!("operators of given networks, {method}; {}", about.clock),
        notes: format!("operators of {}{again}, seed {}", names.join(", "), options.seed),
        warning: String::new(),
    }
}

#[cfg(test)]
mod tests;
