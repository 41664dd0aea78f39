//! A farm: several equal machines as one runner.
//!
//! Whole subjects go to one member after another, so every member's times are in every table and a
//! member that is slower than it should be shows as spread. A runner answers one block at a time
//! (it need not be `Send`, transports hold connections that are not), so a farm spreads heat and
//! survives a lost machine, but takes as long as one machine. Not here: opening the members (`reach`).

use zen_agent::Limits;

use super::{OperatorForm, Parts, ProfileError, Runner, RunnerAbout, RunnerError, Subject};

/// Several runners of equal machines.
pub struct Farm {
    members: Vec<Member>,
    about: RunnerAbout,
    next: usize,
    /// The subject whose blocks are under way, and who has it.
    current: Option<(String, usize)>,
}

struct Member {
    address: String,
    runner: Box<dyn Runner>,
    /// Why it is gone.
    lost: Option<String>,
}

impl Farm {
    /// Joins runners with their addresses.
    ///
    /// # Errors
    /// When there is none, or two differ in what decides a time: says in what.
    pub fn new(members: Vec<(String, Box<dyn Runner>)>) -> Result<Self, ProfileError> {
        let Some((first, runner)) = members.first() else {
            return Err(ProfileError::Farm {
                a: "a farm".to_owned(),
                b: "nothing".to_owned(),
                what: "members".to_owned(),
            });
        };
        let mut about = runner.about();
        for (address, runner) in &members[1..] {
            if let Some(what) = difference(&about, &runner.about()) {
                return Err(ProfileError::Farm { a: first.clone(), b: address.clone(), what });
            }
        }
        about.host = format!("{}, a farm", machine(&about.host));
        let members = members.into_iter().map(|(address, runner)| Member { address, runner, lost: None }).collect();
        Ok(Self { members, about, next: 0, current: None })
    }

    /// The member for a subject: the one that has it already, else the next one that is there.
    fn member(&mut self, subject: &Subject) -> Result<usize, RunnerError> {
        if let Some((name, member)) = &self.current
            && *name == subject.name
            && self.members[*member].lost.is_none()
        {
            return Ok(*member);
        }
        let count = self.members.len();
        let found = (0..count).map(|i| (self.next + i) % count).find(|i| self.members[*i].lost.is_none());
        let Some(member) = found else {
            let all: Vec<String> = self
                .members
                .iter()
                .map(|member| format!("{}: {}", member.address, member.lost.as_deref().unwrap_or_default()))
                .collect();
            return Err(RunnerError::Lost(format!("every machine of the farm is lost ({})", all.join("; "))));
        };
        self.next = (member + 1) % count;
        self.current = Some((subject.name.clone(), member));
        Ok(member)
    }

    /// Asks members until one answers; what a lost one had begun is begun again by another.
    fn ask<T>(
        &mut self,
        subject: &Subject,
        mut ask: impl FnMut(&mut dyn Runner) -> Result<T, RunnerError>,
    ) -> Result<T, RunnerError> {
        loop {
            let member = self.member(subject)?;
            match ask(self.members[member].runner.as_mut()) {
                Err(RunnerError::Lost(reason)) => self.members[member].lost = Some(reason),
                answer => return answer,
            }
        }
    }
}

/// What two members differ in, if they cannot share a table.
fn difference(a: &RunnerAbout, b: &RunnerAbout) -> Option<String> {
    let parts = |about: &RunnerAbout| {
        [
            ("runtime", about.runtime.to_owned()),
            ("runtime version", about.runtime_version.clone()),
            ("device", about.device.clone()),
            ("processor", machine(&about.host).to_owned()),
            ("threads", about.threads.to_string()),
            ("precision", about.precision.to_string()),
            ("clock", about.clock.clone()),
            ("emulation", about.emulated.to_string()),
        ]
    };
    let pairs = parts(a).into_iter().zip(parts(b));
    pairs.into_iter().find(|(a, b)| a != b).map(|((what, a), (_, b))| format!("{what} ({a} and {b})"))
}

/// A machine without where it is reached, which runners add after `, at `.
fn machine(host: &str) -> &str {
    host.rsplit_once(", at ").map_or(host, |(machine, _)| machine)
}

impl Runner for Farm {
    /// As every member says; the conditions name those that were lost.
    fn about(&self) -> RunnerAbout {
        let conditions = self.members.iter().map(|member| match &member.lost {
            Some(reason) => format!("{}: lost ({reason})", member.address),
            None => format!("{}: {}", member.address, member.runner.about().conditions),
        });
        RunnerAbout { conditions: conditions.collect::<Vec<_>>().join("; "), ..self.about.clone() }
    }

    /// Members are equal, so the first speaks for all.
    fn operator_form(&self) -> OperatorForm {
        self.members.first().map_or(OperatorForm::Nodes, |member| member.runner.operator_form())
    }

    fn block(&mut self, subject: &Subject, limits: &Limits) -> Result<Vec<f64>, RunnerError> {
        self.ask(subject, |runner| runner.block(subject, limits))
    }

    fn times_parts(&self) -> bool {
        self.members.iter().all(|member| member.runner.times_parts())
    }

    fn parts(
        &mut self,
        subject: &Subject,
        owners: &dyn Fn(&str) -> Option<usize>,
        count: usize,
        limits: &Limits,
    ) -> Result<Parts, RunnerError> {
        self.ask(subject, |runner| runner.parts(subject, owners, count, limits))
    }
}
