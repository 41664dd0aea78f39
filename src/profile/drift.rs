//! Drift: whether the machine stays the same while it is measured.
//!
//! One small network, the reference, is measured at the start, every minute or so, and at the end.
//! What was stored since the last good reading is taken back and measured again when the reference
//! jumps, or when the machine is found unfit (too hot); the readings stay with the run. Not here: the statistics of one time (`estimate`).

use std::time::{Duration, Instant};

use serde::Serialize;

use super::bench::Bench;
use super::check::network_subject;
use super::{ProfileError, RunnerError, Subject};
use crate::latency::Mark;
use crate::net::{LowerOptions, Network};
use crate::stats::median;

/// The reference: every kind of layer, small enough to cost little.
pub const REFERENCE: &str = "SuperConvK3BNRELU(3,16,2,1)SuperResK3K3(16,32,2,16,1)SuperResK1K5K1(32,64,2,32,1)";
/// Height and width of the reference's image, and its classes.
const REFERENCE_SIZE: (u32, u32) = (64, 10);
/// Farther than this from the running median, as a share, is a jump.
const JUMP: f64 = 0.05;
/// Readings that the running median is taken over.
const WINDOW: usize = 9;
/// Readings after a jump before the machine is taken as it is.
const SETTLING_READINGS: usize = 5;
/// Times a reading is repeated during which the machine became unfit.
const UNFIT_READINGS: usize = 3;
/// Share of the time limit that may be measured twice.
const MAX_REPEATED_SHARE: f64 = 0.2;
/// Most times that something is measured again where there is no time limit.
const MAX_REPEATS: usize = 20;

/// How drift is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriftOptions {
    /// Time between readings of the reference.
    pub every: Duration,
    /// Time to wait for the machine to settle after a jump, before each further reading.
    pub settling: Duration,
}

impl Default for DriftOptions {
    fn default() -> Self {
        Self { every: Duration::from_secs(60), settling: Duration::from_secs(3) }
    }
}

/// How much the machine moved during a session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct DriftReport {
    /// Readings of the reference network.
    pub readings: usize,
    /// Their median, milliseconds of one call.
    pub reference_ms: f64,
    /// Largest distance of a reading from it, as a share.
    pub moved: f64,
    /// The last reading over the first, less 1.
    pub trend: f64,
    /// Readings far from those before, confirmed by a second one.
    pub jumps: usize,
    /// Operators' times that were taken back because of a jump and measured again.
    pub repeated: usize,
    /// Jumps after which what had been measured was kept: repeating it would have cost too much.
    pub kept: usize,
    /// Looks at which the machine was not fit to be measured, a phone that was too hot for example; each
    /// counts as a jump.
    pub unfit: usize,
}

/// What a look at the reference says about what was measured since the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// It was not time to look.
    NotDue,
    /// The machine is as it was.
    Steady,
    /// The machine has moved: what was measured since is not stored any more.
    TakenBack,
}

impl Look {
    /// Where the reference cannot be read.
    fn or_not_due(self) -> Self {
        if self == Self::TakenBack { self } else { Self::NotDue }
    }
}

/// The readings of a session.
#[derive(Default)]
pub(super) struct Watch {
    /// None for not at all.
    options: Option<DriftOptions>,
    subject: Option<Subject>,
    /// All readings, in milliseconds, and those that a new one is compared with.
    readings_ms: Vec<f64>,
    window_ms: Vec<f64>,
    /// The last good reading, and where the run stood.
    last: Option<(Instant, Option<Mark>)>,
    /// Time whose measurements were taken back.
    lost: Duration,
    jumps: usize,
    taken_back: usize,
    repeated: usize,
    kept: usize,
    unfit: usize,
    /// The runtime cannot run the reference.
    off: bool,
}

impl Watch {
    pub fn new(options: Option<DriftOptions>) -> Self {
        Self { options, ..Self::default() }
    }

    /// None without a reading.
    pub fn report(&self) -> Option<DriftReport> {
        let reference_ms = median(&self.readings_ms)?;
        let (first, last) = (self.readings_ms.first()?, self.readings_ms.last()?);
        let moved = self.readings_ms.iter().map(|ms| (ms / reference_ms - 1.0).abs()).fold(0.0, f64::max);
        Some(DriftReport {
            readings: self.readings_ms.len(),
            reference_ms,
            moved,
            trend: last / first - 1.0,
            jumps: self.jumps,
            repeated: self.repeated,
            kept: self.kept,
            unfit: self.unfit,
        })
    }

    fn is_far(&self, ms: f64) -> bool {
        median(&self.window_ms).is_some_and(|usual| (ms / usual - 1.0).abs() > JUMP)
    }

    fn accept(&mut self, ms: f64) {
        self.window_ms.push(ms);
        if self.window_ms.len() > WINDOW {
            self.window_ms.remove(0);
        }
    }
}

impl Bench<'_> {
    /// Looks at the reference if it is time, or `now`. With `take_back`, what was stored since the
    /// last good reading is removed if the machine has moved.
    pub(super) fn look(&mut self, now: bool, take_back: bool) -> Result<Look, ProfileError> {
        let Some(options) = self.watch.options.clone().filter(|_| !self.watch.off) else { return Ok(Look::NotDue) };
        if !now && self.watch.last.is_some_and(|(at, _)| at.elapsed() < options.every) {
            return Ok(Look::NotDue);
        }
        let mut look = Look::Steady;
        if self.was_unfit()? {
            // Nobody knows since when.
            self.watch.jumps += 1;
            if take_back && self.take_back()? {
                look = Look::TakenBack;
            }
        }
        let Some(mut ms) = self.read_reference(false)? else { return Ok(look.or_not_due()) };
        for _ in 0..UNFIT_READINGS {
            // It may have become unfit while it was read.
            if !self.was_unfit()? {
                break;
            }
            let Some(again_ms) = self.read_reference(false)? else { return Ok(look.or_not_due()) };
            ms = again_ms;
        }
        if look == Look::Steady && self.watch.is_far(ms) {
            // A single outlier decides nothing.
            let Some(again_ms) = self.read_reference(true)? else { return Ok(look.or_not_due()) };
            ms = again_ms;
            if self.watch.is_far(ms) {
                self.watch.jumps += 1;
                if take_back && self.take_back()? {
                    look = Look::TakenBack;
                }
                ms = self.settle(ms, options.settling)?;
                if self.watch.is_far(ms) {
                    // The machine is another one from here on; the readings say so.
                    self.watch.window_ms.clear();
                }
            }
        }
        self.watch.accept(ms);
        let mark = if take_back { Some(self.table.store.mark(self.run.id)?) } else { None };
        self.watch.last = Some((Instant::now(), mark));
        Ok(look)
    }

    /// Waits until the machine is fit to be measured; says whether it was not.
    fn was_unfit(&mut self) -> Result<bool, ProfileError> {
        let reasons = self.runner.await_fit().map_err(ProfileError::of_runner)?;
        self.watch.unfit += usize::from(!reasons.is_empty());
        Ok(!reasons.is_empty())
    }

    /// Measures the reference and stores the reading; none where it cannot be timed. `suspect` says
    /// that the reading before was far from the usual.
    fn read_reference(&mut self, suspect: bool) -> Result<Option<f64>, ProfileError> {
        if self.watch.subject.is_none() {
            let network = Network::parse(REFERENCE).ok();
            let (resolution, classes) = REFERENCE_SIZE;
            let lowered = network.and_then(|network| {
                let graph = network.lower(&LowerOptions::new(resolution, classes)).ok()?;
                network_subject(&network, &graph, self.table.setting.batch_size, 0).ok()
            });
            self.watch.subject = lowered;
        }
        let Some(subject) = self.watch.subject.clone() else {
            self.watch.off = true;
            return Ok(None);
        };
        let ms = match self.measure(&subject, &self.limits.network.clone()) {
            Ok(estimate) => estimate.median_ms,
            Err(RunnerError::Model(_)) => {
                self.watch.off = true;
                return Ok(None);
            }
            Err(error) => return Err(ProfileError::of_runner(error)),
        };
        let jump = suspect && self.watch.is_far(ms);
        self.table.store.insert_drift(self.run.id, ms, jump, &self.runner.about().conditions)?;
        self.watch.readings_ms.push(ms);
        Ok(Some(ms))
    }

    /// Removes what was stored since the last good reading, unless too much was repeated already.
    fn take_back(&mut self) -> Result<bool, ProfileError> {
        let Some((at, Some(mark))) = self.watch.last else { return Ok(false) };
        let lost = self.watch.lost + at.elapsed();
        let allowed = match self.limits.time {
            Some(limit) => lost <= limit.mul_f64(MAX_REPEATED_SHARE),
            None => self.watch.taken_back < MAX_REPEATS,
        };
        if !allowed {
            self.watch.kept += 1;
            return Ok(false);
        }
        self.watch.lost = lost;
        self.watch.taken_back += 1;
        self.watch.repeated += self.table.store.take_back(self.run.id, mark)?;
        Ok(true)
    }

    /// Reads until two readings in a row agree, a few times at most; returns the last.
    fn settle(&mut self, mut ms: f64, pause: Duration) -> Result<f64, ProfileError> {
        for _ in 0..SETTLING_READINGS {
            if (self.limits.interrupted)() {
                break;
            }
            std::thread::sleep(pause);
            let Some(next_ms) = self.read_reference(false)? else { break };
            let agree = (next_ms / ms - 1.0).abs() <= JUMP;
            ms = next_ms;
            if agree {
                break;
            }
        }
        Ok(ms)
    }
}
