//! The final round: the best networks of a population are scored once more, precisely, and the winner
//! is the best of them by that.
//!
//! A race: a few draws for everyone, then more for those that may still win, until their means are
//! known well enough. What is drawn depends on seed and networks alone. Not here: which proxy is
//! the precise one (proxies say so themselves), where results are written.

use serde::Serialize;

use super::{Member, SearchConfig, SearchError};
use crate::net::{Graph, Network};
use crate::score::{self, Evaluation, Evaluator, Proxy, Randomness, Sampling, Scored, Trials, Until};

/// Values from which the spread of one draw is known well enough to leave somebody behind, beyond one
/// for each network.
const DEGREES_OF_FREEDOM: usize = 12;

/// Who is this many standard errors of the difference behind cannot win any more.
const HOPELESS: f64 = 3.0;

/// Keeps the draws of the final round apart from those that children were chosen by: a score that was
/// the best of many by luck would keep its luck.
const FRESH: u64 = 0x5eed_f1a1;

/// How the best networks are scored once more.
#[derive(Clone, Copy)]
pub struct FinalRound {
    pub proxy: &'static dyn Proxy,
    /// Networks in it, at most.
    pub finalists: usize,
    /// Seed, images of a draw, and when a mean is known well enough.
    pub sampling: Sampling,
}

/// A network of the final round.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finalist {
    #[serde(serialize_with = "as_text")]
    pub structure: Network,
    /// By the proxy of the search.
    pub score: f64,
    /// By the precise one; none where it has no score for this network. `zen-score --seed SEED --draws
    /// DRAWS --score-batch-size BATCH_SIZE` repeats it.
    #[serde(rename = "final")]
    pub final_score: Option<Scored>,
}

/// How far the winner is ahead.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Lead {
    /// Of the first mean over the second.
    pub difference: f64,
    /// Of the difference.
    pub standard_error: f64,
    /// Whether the difference is at least [`Lead::TOLD_APART`] standard errors.
    pub told_apart: bool,
}

impl Lead {
    /// Standard errors from which a difference is not taken for noise.
    pub const TOLD_APART: f64 = 2.0;
}

/// Where a final round stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FinalProgress {
    /// Draws made.
    pub draws: u32,
    /// Draws that the race will need as far as is known; grows and shrinks.
    pub expected: u32,
    /// The first so far.
    pub best: Evaluation,
}

impl FinalRound {
    /// The final round of a search; none where nothing is more precise than the search's proxy or it
    /// is not built in.
    pub fn of(
        config: &SearchConfig,
        finalists: usize,
        until: Option<Until>,
        batch_size: Option<usize>,
    ) -> Option<Self> {
        let proxy = config.proxy.precise().and_then(|name| score::find(name).ok())?;
        let draws = config.proxy.randomness() != Randomness::None;
        // A fixed number of draws that the search made already.
        let nothing_new = match proxy.randomness() {
            Randomness::Drawn { until: own @ Until::Draws(_), .. } => draws && config.sampling.until == Some(own),
            _ => false,
        };
        let seed = if draws { config.seed ^ FRESH } else { config.seed };
        let compute = config.sampling.compute;
        let sampling = Sampling { seed, batch_size, until, threads: config.threads, compute };
        (finalists > 0 && !nothing_new).then_some(Self { proxy, finalists, sampling })
    }

    /// Scores the first of `ranked` and returns them from the best down; none if `stop` said so.
    ///
    /// # Errors
    /// When a network cannot be lowered, which would be a defect of the search.
    pub fn run(
        &self,
        ranked: &[&Member],
        config: &SearchConfig,
        stop: &dyn Fn() -> bool,
        observe: &mut dyn FnMut(FinalProgress),
    ) -> Result<Option<Vec<Finalist>>, SearchError> {
        let mut evaluator = Evaluator::new(self.sampling);
        let lanes = ranked.iter().take(self.finalists).map(|member| {
            let graph = member.network.lower(&config.lower)?;
            Ok(Lane { member, graph, trials: evaluator.begin(self.proxy), failed: false })
        });
        let lanes = lanes.collect::<Result<Vec<_>, SearchError>>()?;
        let mut race = Race { proxy: self.proxy, lanes, stop, observe };
        if !race.run(&mut evaluator) {
            return Ok(None);
        }
        let finalist = |lane: &Lane| Finalist {
            structure: lane.member.network.clone(),
            score: lane.member.score,
            final_score: if lane.failed { None } else { evaluator.scored(self.proxy, &lane.trials) },
        };
        let mut finalists: Vec<_> = race.lanes.iter().map(finalist).collect();
        // Stable: equals stay in the order of the search.
        finalists.sort_by(|a, b| mean(b).total_cmp(&mean(a)));
        Ok(Some(finalists))
    }
}

fn mean(finalist: &Finalist) -> f64 {
    finalist.final_score.map_or(f64::NEG_INFINITY, |found| found.evaluation.score)
}

/// How far the first is ahead of the second; none for fewer than two scores with a standard error.
pub fn lead(finalists: &[Finalist]) -> Option<Lead> {
    let [first, second, ..] = finalists else { return None };
    let (first, second) = (first.final_score?.evaluation, second.final_score?.evaluation);
    let difference = first.score - second.score;
    let standard_error = first.standard_error?.hypot(second.standard_error?);
    Some(Lead { difference, standard_error, told_apart: difference >= Lead::TOLD_APART * standard_error })
}

/// A network in the race.
struct Lane<'m> {
    member: &'m Member,
    graph: Graph,
    trials: Trials,
    /// The proxy has no score for it.
    failed: bool,
}

impl Lane<'_> {
    fn evaluation(&self) -> Option<Evaluation> {
        if self.failed { None } else { self.trials.evaluation() }
    }

    fn draws(&self) -> u32 {
        self.trials.evaluation().map_or(0, |evaluation| evaluation.draws)
    }
}

struct Race<'r, 'm> {
    proxy: &'static dyn Proxy,
    lanes: Vec<Lane<'m>>,
    stop: &'r dyn Fn() -> bool,
    observe: &'r mut dyn FnMut(FinalProgress),
}

impl Race<'_, '_> {
    /// Whether it came to its end.
    fn run(&mut self, evaluator: &mut Evaluator) -> bool {
        let Some(rule) = self.lanes.first().map(|lane| lane.trials.until()) else { return true };
        let target = match rule {
            Until::Draws(draws) => return self.round(evaluator, &vec![Until::Draws(draws); self.lanes.len()]),
            Until::StandardError(target) => target,
        };
        let mut aims = vec![Until::Draws(first_draws(self.lanes.len())); self.lanes.len()];
        while !aims.is_empty() {
            if !self.round(evaluator, &aims) {
                return false;
            }
            aims = self.next_aims(target);
        }
        // The winner's error has to be believable by itself; more draws may make another one first.
        while let Some(leader) = self.leader() {
            let before = self.lanes[leader].draws();
            if !self.extend(evaluator, leader, rule, before) {
                return false;
            }
            if self.lanes[leader].draws() == before {
                break;
            }
        }
        true
    }

    /// Brings every lane to its aim.
    fn round(&mut self, evaluator: &mut Evaluator, aims: &[Until]) -> bool {
        let draws = |until: &Until| if let Until::Draws(draws) = until { *draws } else { 0 };
        let expected = self.lanes.iter().zip(aims).map(|(lane, aim)| draws(aim).max(lane.draws())).sum();
        (0..self.lanes.len()).all(|i| self.extend(evaluator, i, aims[i], expected))
    }

    /// One lane until `until` is met; whether nothing stopped it.
    fn extend(&mut self, evaluator: &mut Evaluator, lane: usize, until: Until, expected: u32) -> bool {
        self.lanes[lane].trials.set_until(until);
        while !self.lanes[lane].failed {
            if (self.stop)() {
                return false;
            }
            let Lane { graph, trials, failed, .. } = &mut self.lanes[lane];
            match evaluator.advance(self.proxy, graph, trials, &mut |_| ()) {
                Ok(Some(_)) => break,
                Ok(None) => self.tell(expected),
                Err(_) => *failed = true,
            }
        }
        self.tell(expected);
        true
    }

    fn tell(&mut self, expected: u32) {
        let draws = self.lanes.iter().map(Lane::draws).sum();
        if let Some(best) = self.leader().and_then(|leader| self.lanes[leader].evaluation()) {
            (self.observe)(FinalProgress { draws, expected: expected.max(draws), best });
        }
    }

    /// The highest mean, the first of equals.
    fn leader(&self) -> Option<usize> {
        let mut leader: Option<(usize, f64)> = None;
        for (i, lane) in self.lanes.iter().enumerate() {
            let Some(Evaluation { score, .. }) = lane.evaluation() else { continue };
            if leader.is_none_or(|(_, best)| score > best) {
                leader = Some((i, score));
            }
        }
        leader.map(|(i, _)| i)
    }

    /// Draws that those who may still win should have next; nothing once all of them are known well
    /// enough. The spread of one draw is taken to be the same for all, since a few draws of one
    /// network do not tell it and the best networks of one search are alike.
    fn next_aims(&self, target: f64) -> Vec<Until> {
        let found: Vec<Option<Evaluation>> = self.lanes.iter().map(Lane::evaluation).collect();
        let Some(leader) = self.leader().and_then(|leader| found[leader]) else { return Vec::new() };
        let (mut squares, mut degrees) = (0.0, 0.0);
        for Evaluation { standard_error, draws, .. } in found.iter().flatten() {
            let (n, error) = (*draws as f64, standard_error.unwrap_or_default());
            squares += error * error * n * (n - 1.0);
            degrees += n - 1.0;
        }
        let variance = squares / f64::max(degrees, 1.0);
        let enough = (variance / (target * target)).ceil().min(Sampling::MOST_DRAWS as f64) as u32;
        let aim = |evaluation: &Option<Evaluation>| {
            let Some(Evaluation { score, draws, .. }) = *evaluation else { return (0, 0) };
            let error = (variance / draws as f64 + variance / leader.draws as f64).sqrt();
            let hopeless = leader.score - score > HOPELESS * error;
            (draws, if hopeless { draws } else { enough.min(2 * draws).max(draws) })
        };
        let aims: Vec<_> = found.iter().map(aim).collect();
        match aims.iter().all(|(draws, next)| draws == next) {
            true => Vec::new(),
            false => aims.into_iter().map(|(_, next)| Until::Draws(next)).collect(),
        }
    }
}

/// Draws of everybody before anybody is left behind.
fn first_draws(lanes: usize) -> u32 {
    (1 + DEGREES_OF_FREEDOM.div_ceil(lanes.max(1)) as u32).clamp(2, Sampling::LEAST_DRAWS)
}

pub(super) fn as_text<S: serde::Serializer>(network: &Network, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(network)
}

#[cfg(test)]
mod tests;
