//! A farm: several equal machines as one runner.
//!
//! Whole subjects go to one member after another, so every member's times are in every table. The
//! reference network goes to all of them: how fast each is beside the others is told. A runner answers one block at a time
//! (it need not be `Send`, transports hold connections that are not), so a farm spreads heat and
//! survives a lost machine, but takes as long as one machine. Not here: opening the members (`reach`).

use zen_agent::Limits;

use serde::Serialize;

use super::drift::REFERENCE;
use super::station::{difference, machine};
use super::{OperatorForm, Parts, ProfileError, Runner, RunnerAbout, RunnerError, Subject};
use crate::stats::median;

/// How a member of a farm did.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct MemberReport {
    pub address: String,
    /// Operators and networks that it measured.
    pub subjects: usize,
    /// Its time of the reference network over the median member's; none where it measured none.
    pub scale: Option<f64>,
    /// Why it is gone.
    pub lost: Option<String>,
}

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
    subjects: usize,
    /// Of the reference network, a block each.
    reference_ms: Vec<f64>,
    /// Why it is gone.
    lost: Option<String>,
}

impl Member {
    /// Its answer; none from now on where it is lost.
    fn ask<T>(
        &mut self,
        ask: impl FnOnce(&mut dyn Runner) -> Result<T, RunnerError>,
    ) -> Option<Result<T, RunnerError>> {
        match ask(self.runner.as_mut()) {
            Err(RunnerError::Lost(reason) | RunnerError::Disconnected(reason)) => {
                self.lost = Some(reason);
                None
            }
            answer => Some(answer),
        }
    }
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
        let members = members.into_iter().map(|(address, runner)| Member {
            address,
            runner,
            subjects: 0,
            reference_ms: Vec::new(),
            lost: None,
        });
        Ok(Self { members: members.collect(), about, next: 0, current: None })
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
        let Some(member) = found else { return Err(self.all_lost()) };
        self.next = (member + 1) % count;
        self.members[member].subjects += 1;
        self.current = Some((subject.name.clone(), member));
        Ok(member)
    }

    fn all_lost(&self) -> RunnerError {
        let all: Vec<String> = self
            .members
            .iter()
            .map(|member| format!("{}: {}", member.address, member.lost.as_deref().unwrap_or_default()))
            .collect();
        RunnerError::Lost(format!("every machine of the farm is lost ({})", all.join("; ")))
    }

    /// A block of the reference network on every member, all samples together.
    fn reference(&mut self, subject: &Subject, limits: &Limits) -> Result<Vec<f64>, RunnerError> {
        let mut all = Vec::new();
        for member in self.members.iter_mut().filter(|member| member.lost.is_none()) {
            let Some(samples) = member.ask(|runner| runner.block(subject, limits)) else { continue };
            let samples = samples?;
            member.reference_ms.extend(median(&samples));
            all.extend(samples);
        }
        if all.is_empty() { Err(self.all_lost()) } else { Ok(all) }
    }

    /// Asks members until one answers; what a lost one had begun is begun again by another.
    fn ask<T>(
        &mut self,
        subject: &Subject,
        mut ask: impl FnMut(&mut dyn Runner) -> Result<T, RunnerError>,
    ) -> Result<T, RunnerError> {
        loop {
            let member = self.member(subject)?;
            if let Some(answer) = self.members[member].ask(&mut ask) {
                return answer;
            }
        }
    }
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
        if subject.name == REFERENCE {
            return self.reference(subject, limits);
        }
        self.ask(subject, |runner| runner.block(subject, limits))
    }

    fn await_fit(&mut self) -> Result<Vec<String>, RunnerError> {
        let mut reasons = Vec::new();
        for member in self.members.iter_mut().filter(|member| member.lost.is_none()) {
            if let Some(found) = member.ask(|runner| runner.await_fit()) {
                reasons.extend(found?.into_iter().map(|reason| format!("{}: {reason}", member.address)));
            }
        }
        Ok(reasons)
    }

    fn members(&self) -> Vec<MemberReport> {
        let own: Vec<Option<f64>> = self.members.iter().map(|member| median(&member.reference_ms)).collect();
        let usual_ms = median(&own.iter().flatten().copied().collect::<Vec<_>>());
        let reports = self.members.iter().zip(own).map(|(member, own_ms)| MemberReport {
            address: member.address.clone(),
            subjects: member.subjects,
            scale: own_ms.zip(usual_ms).map(|(own_ms, usual_ms)| own_ms / usual_ms),
            lost: member.lost.clone(),
        });
        reports.collect()
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
