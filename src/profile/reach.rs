//! From a device's name to a runner that times models on it, over a transport; this machine has one, too.

mod here;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::AtomicBool;

pub use self::here::{HERE, open_here};
use self::here::{is_here, program_here, python_here};
use super::farm::Farm;
use super::station::{Opened, Station, Surroundings, Tell, clear_folder, fit_phone};
use super::transport::{self, AskPassphrase, OpenOptions, TransportError, TransportKind};
use super::{ProfileError, RUNNERS, Runner, RunnerAbout, RunnerEntry, RunnerError, RunnerOptions};
use crate::latency::{Device, DeviceSource, Precision, ReachKind, Store, Tools, is_address, runtime_name};
use crate::names::closest;

/// What measures where no runner here is the device's own runtime and its file names no other.
const FALLBACK: &str = "tract";

/// What a user says about the way to a device and about what runs there; the device's file says
/// the rest.
#[derive(Default)]
pub struct ReachOptions<'a> {
    pub runtime: Option<String>,
    pub precision: Option<Precision>,
    /// Threads of one inference.
    pub threads: Option<u32>,
    /// `[user@]host[:port]`, or [`HERE`]; several are equal machines that share the work.
    pub hosts: Vec<String>,
    /// Serial numbers of phones, likewise.
    pub serials: Vec<String>,
    pub tools: Tools,
    /// The ssh configuration file to use instead of the user's.
    pub ssh_config: Option<PathBuf>,
    /// Asks for the passphrase of a key file; none gives up on that key.
    pub passphrase: Option<AskPassphrase<'a>>,
    /// Hears why a phone is waited for, and of connections that were lost, as long as the runner lives.
    pub tell: Option<Tell>,
    /// Set from elsewhere (Ctrl-C) to end what is under way on another machine.
    pub stop: Option<&'static AtomicBool>,
}

/// A device that can be measured.
pub struct Reached {
    pub runner: Box<dyn Runner>,
    /// What the user should know about the choices that were made, a sentence each.
    pub notes: Vec<String>,
}

/// A runner for a device; what is left open follows its file.
///
/// # Errors
/// For an unknown device or runtime (lists the known ones), for a runtime that cannot be used
/// there, and for a device that cannot be reached: says what to connect, and which tables exist
/// meanwhile.
pub fn open_runner(store: &Store, name: &str, options: &mut ReachOptions<'_>) -> Result<Reached, ProfileError> {
    let device = Device::find(name).or_else(|error| {
        // This machine may be called by the name of its tables, too.
        let cpu = Device::find("cpu")?;
        Some(cpu).filter(|cpu| cpu.table_name() == name).ok_or(error)
    })?;
    let mut notes: Vec<String> = device.note().into_iter().collect();
    let given = addresses(&device, options)?;
    if given.is_empty() {
        let problem = match device.reach.kind {
            ReachKind::Ssh => "no host is named (--host [user@]host[:port], or hosts in a device file of your own)",
            _ => "no phone is named (--serial, or serials in a device file of your own)",
        };
        return Err(not_reachable(store, &device, problem)?);
    }
    let kind = if is_here(&given) { ReachKind::Local } else { device.reach.kind };
    let kind = match transport::find(kind.name()) {
        Ok(kind) => kind,
        Err(error) => return Err(not_reachable(store, &device, &error.to_string())?),
    };
    let entry = RunnerEntry::find(&measured_runtime(&device, options, &mut notes))?;
    let runner = open_members(store, &device, kind, entry, &given, options, &mut notes)?;
    Ok(Reached { runner, notes })
}

fn no_runtime(entry: &RunnerEntry, error: &RunnerError) -> ProfileError {
    match error {
        RunnerError::Interrupted => ProfileError::Interrupted,
        error => ProfileError::NoRuntime { runtime: entry.name.to_owned(), reason: error.to_string() },
    }
}

/// The addresses that were given, else those of the device's file.
fn addresses(device: &Device, options: &ReachOptions<'_>) -> Result<Vec<String>, ProfileError> {
    let kind = device.reach.kind;
    for (option, given, of) in
        [("--host", &options.hosts, ReachKind::Ssh), ("--serial", &options.serials, ReachKind::Adb)]
    {
        if !given.is_empty() && kind != of {
            let device = device.name.clone();
            return Err(ProfileError::WrongWay { device, option, kind: kind.name() });
        }
        if let Some(bad) = given.iter().find(|address| !is_address(address)) {
            return Err(ProfileError::BadAddress { option, address: bad.escape_debug().to_string() });
        }
    }
    let given = if kind == ReachKind::Ssh { &options.hosts } else { &options.serials };
    if kind == ReachKind::Local {
        return Ok(vec![HERE.to_owned()]);
    }
    let mut all = if given.is_empty() { device.addresses().to_vec() } else { given.clone() };
    if all.is_empty() && kind == ReachKind::Adb {
        // The only phone that is connected needs no name.
        all.push(std::env::var("ANDROID_SERIAL").ok().filter(|serial| is_address(serial)).unwrap_or_default());
    }
    Ok(all)
}

/// The runtime that was asked for, else what the device's file says to measure with, else its default one; where
/// there is no runner for that, another, with a note.
fn measured_runtime(device: &Device, options: &ReachOptions<'_>, notes: &mut Vec<String>) -> String {
    let known: Vec<&str> = RUNNERS.iter().map(|entry| entry.name).collect();
    if let Some(runtime) = &options.runtime {
        return runtime_name(runtime);
    }
    let usual = &device.default_setting.runtime;
    let named = device.measure.as_ref().map(|measure| &measure.runtime);
    // In a file of the user's own, a name that is close to a runner's is a typing error and no other runtime.
    let is_own = matches!(device.source, DeviceSource::User { .. });
    let is_typo = is_own && closest(usual, known.iter().copied()).is_some();
    let runtime = match named {
        Some(named) => named.as_str(),
        None if known.contains(&usual.as_str()) || is_typo => return usual.clone(),
        None => FALLBACK,
    };
    if runtime != usual {
        notes.push(format!(
            "note: {usual}, the default runtime of {}, is not measured from here; measuring with {runtime}, which makes \
             a table of its own (--runtime names another)",
            device.name
        ));
    }
    runtime.to_owned()
}

fn runner_options(device: &Device, runtime: &str, is_here: bool, options: &ReachOptions<'_>) -> RunnerOptions {
    let usual = &device.default_setting;
    // What the file says about precision and threads is said about its own runtimes.
    let usual = (usual.runtime == runtime).then_some((usual.precision, usual.threads));
    let named = device.measure.as_ref().filter(|measure| measure.runtime == runtime);
    let named = named.map(|measure| (measure.precision, measure.threads)).or(usual);
    let precision = options.precision.or(named.map(|(precision, _)| precision)).unwrap_or(Precision::Fp32);
    let plain = RunnerOptions::new(&device.table_name(), precision);
    let (asked, file) = (&options.tools, &device.tools);
    let python = asked.python.clone().or_else(|| file.python.clone());
    let trtexec = asked.trtexec.clone().or_else(|| file.trtexec.clone()).unwrap_or(plain.trtexec.clone());
    RunnerOptions {
        threads: options.threads.or(named.map(|(_, threads)| threads)).unwrap_or(plain.threads),
        cores: asked.cores.clone().or_else(|| file.cores.clone()),
        gpu: device.reach.gpu.clone(),
        provider: asked.provider.clone().or_else(|| file.provider.clone()),
        agent: asked.agent.clone().or_else(|| file.agent.clone()),
        python: if is_here { python_here(python) } else { python.unwrap_or(plain.python.clone()) },
        trtexec: if is_here { program_here(trtexec) } else { trtexec },
        is_processor: device.reach.kind == ReachKind::Local,
        stop: options.stop,
        ..plain
    }
}

/// Opens every machine; those that cannot be reached are left out with a note while others can.
fn open_members(
    store: &Store,
    device: &Device,
    kind: &'static TransportKind,
    entry: &'static RunnerEntry,
    addresses: &[String],
    options: &mut ReachOptions<'_>,
    notes: &mut Vec<String>,
) -> Result<Box<dyn Runner>, ProfileError> {
    let remote = runner_options(device, entry.name, is_here(addresses), options);
    let tell = options.tell.clone().unwrap_or_else(|| Rc::new(|_| ()));
    let surroundings = Surroundings::new(tell, options.stop);
    let mut members: Vec<(String, Box<dyn Runner>)> = Vec::with_capacity(addresses.len());
    let mut failure: Option<ProfileError> = None;
    for address in addresses {
        let way = Way {
            kind,
            entry,
            address: address.clone(),
            phone: device.reach.kind == ReachKind::Adb,
            remote: remote.clone(),
            ssh_config: options.ssh_config.clone(),
            surroundings: surroundings.clone(),
        };
        match way.station(&mut options.passphrase) {
            Ok(station) => members.push((address.clone(), Box::new(station))),
            Err(error @ ProfileError::NotReachable { .. }) => {
                if let (ProfileError::NotReachable { problem, .. }, true) = (&error, addresses.len() > 1) {
                    notes.push(format!("note: {address} is left out: {problem}"));
                }
                failure.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    let runner = match (members.len(), failure) {
        (0, Some(ProfileError::NotReachable { problem, .. })) => return Err(not_reachable(store, device, &problem)?),
        (1, _) => members.pop().map(|(_, runner)| runner),
        _ => Some(Box::new(Farm::new(members)?) as Box<dyn Runner>),
    };
    let Some(runner) = runner else { return Err(not_reachable(store, device, "no machine is named")?) };
    notes.extend(another_gpu(&runner.about(), &remote));
    Ok(runner)
}

/// A warning where another GPU answers than the device's.
fn another_gpu(about: &RunnerAbout, remote: &RunnerOptions) -> Option<String> {
    let device = &remote.device;
    let expected = remote.gpu.as_ref().filter(|_| about.device != *device)?;
    Some(format!(
        "WARNING: the machine has another GPU than {device}, whose name holds {expected}: {}. What is measured is filed \
         under {}, and --device {device} does not use it",
        about.host, about.device
    ))
}

/// How one machine is opened, again and again.
struct Way {
    kind: &'static TransportKind,
    entry: &'static RunnerEntry,
    address: String,
    phone: bool,
    remote: RunnerOptions,
    ssh_config: Option<PathBuf>,
    surroundings: Surroundings,
}

/// Passphrases that the user gave, by key file.
type Given = HashMap<PathBuf, Option<String>>;

impl Way {
    /// The machine, opened. Passphrases are asked for this once, and remembered.
    fn station(self, passphrase: &mut Option<AskPassphrase<'_>>) -> Result<Station, ProfileError> {
        let mut given = Given::new();
        let mut ask = |key: &Path| {
            let typed = passphrase.as_mut().and_then(|ask| ask(key));
            given.insert(key.to_owned(), typed.clone());
            typed
        };
        let mut folder = None;
        let mut first = Some(self.open(&mut folder, &mut ask));
        let (address, surroundings) = (self.address.clone(), self.surroundings.clone());
        let open = move || {
            let again = || self.open(&mut folder, &mut |key| given.get(key).cloned().flatten());
            first.take().unwrap_or_else(again)
        };
        Station::open(&address, Box::new(open), surroundings)
    }

    /// Opens the machine; `folder` is the private one of the connection before, if any.
    fn open(&self, folder: &mut Option<String>, ask: AskPassphrase<'_>) -> Result<Opened, ProfileError> {
        let Self { kind, entry, address, remote, surroundings, .. } = self;
        let open = OpenOptions {
            ssh_config: self.ssh_config.clone(),
            passphrase: Some(ask),
            stop: surroundings.stop,
            ..OpenOptions::default()
        };
        let mut transport = (kind.open)(address, open).map_err(|error| match error {
            TransportError::Interrupted { .. } => ProfileError::Interrupted,
            // The rest of the message is for the caller to know.
            error => ProfileError::NotReachable {
                device: remote.device.clone(),
                problem: error.to_string(),
                connect: address.clone(),
                meanwhile: String::new(),
            },
        })?;
        if let Some(left) = folder.replace(transport.directory().to_owned()) {
            clear_folder(&mut *transport, &left).map_err(|error| ProfileError::of_transport(&error))?;
        }
        let mut remote = remote.clone();
        let mut phone = None;
        if self.phone {
            let (fit, _) = fit_phone(&mut *transport, surroundings)?;
            remote.cores = remote.cores.or_else(|| fit.core_mask());
            phone = Some(fit);
        }
        let runner = (entry.open)(transport, &remote).map_err(|error| no_runtime(entry, &error))?;
        Ok((runner, phone))
    }
}

fn not_reachable(store: &Store, device: &Device, problem: &str) -> Result<ProfileError, ProfileError> {
    let mut tables = Vec::new();
    for setting in store.settings()?.into_iter().filter(|setting| setting.device == device.table_name()) {
        tables.push(setting.id());
    }
    let meanwhile = match tables.as_slice() {
        [] => "; there is no table for it yet".to_owned(),
        tables => {
            format!("; meanwhile these tables of it exist: {} (`zen-profile show {}`)", tables.join(", "), device.name)
        }
    };
    Ok(ProfileError::NotReachable {
        device: device.name.clone(),
        problem: problem.to_owned(),
        connect: device.reach.connect.clone(),
        meanwhile,
    })
}

#[cfg(test)]
mod tests;
