//! Which of many measured operators to ship: few, and close to what networks spend their time on.
//!
//! The answer is an order, not a set: a longer table begins with the rows of a shorter one, so that
//! the number of rows can be chosen afterwards.

use std::collections::BTreeMap;

use super::correction::{Correction, GroupKey, group_of, place_of};
use super::{KeyKind, OperatorKey, Row};

/// Candidates around a target whose errors it counts by.
const AROUND: usize = 8;
/// Weight of the candidates' own shapes beside that of the targets, so that shapes no target has are
/// not forgotten.
const EVERYWHERE: f64 = 0.25;
/// Octaves that a target without any chosen row counts as being away from one.
const FARTHEST: f64 = 16.0;
/// After so many choices, and whenever they have doubled, targets count by how badly the rows chosen
/// so far predict the candidates around them, plus this (natural logarithm). The first time, the rows
/// at the limits of each group are chosen too: shapes between them are not extrapolated to.
const FIRST_LOOK: usize = 100;
const LEAST_ERROR: f64 = 0.03;

/// The first `limit` rows to ship, as indices. `targets` are the operators of many networks, each as
/// often as it occurs.
///
/// A target has a weight (its time by the prior) and a distance to the nearest row chosen so far, in
/// the space that the correction measures distances in; the next row is the one that takes most off
/// the sum of their products.
pub fn order(
    rows: &[Row],
    targets: &[OperatorKey],
    prior_ms: impl Fn(&OperatorKey) -> f64,
    limit: usize,
) -> Vec<usize> {
    let mut groups = groups(rows, targets, &prior_ms);
    let mut chosen: Vec<usize> = Vec::new();
    let mut next_look = FIRST_LOOK;
    while chosen.len() < limit {
        if chosen.len() >= next_look {
            if next_look == FIRST_LOOK {
                chosen.extend(groups.values_mut().flat_map(Group::take_extremes));
            }
            next_look *= 2;
            let so_far: Vec<Row> = chosen.iter().map(|index| rows[*index].clone()).collect();
            let correction = Correction::new(&so_far, &prior_ms);
            groups.values_mut().for_each(|group| group.weigh_by_error(rows, &correction));
        }
        let best = groups.values_mut().max_by(|a, b| a.best_gain.total_cmp(&b.best_gain));
        let Some(group) = best.filter(|group| group.best_gain > 0.0) else { break };
        chosen.push(group.take_best());
    }
    chosen.truncate(limit);
    chosen
}

/// Candidates and targets by what rows must share to correct each other.
fn groups(rows: &[Row], targets: &[OperatorKey], prior_ms: impl Fn(&OperatorKey) -> f64) -> BTreeMap<GroupKey, Group> {
    let mut groups: BTreeMap<GroupKey, Group> = BTreeMap::new();
    for (index, row) in rows.iter().enumerate().filter(|(_, row)| is_used(group_of(&row.key))) {
        let log_ratio = (row.ms / prior_ms(&row.key)).ln();
        let candidate = Candidate { index, place: place_of(&row.key), log_ratio, gain: f64::INFINITY };
        groups.entry(group_of(&row.key)).or_default().candidates.push(candidate);
    }
    // In the order of the keys, so that sums are the same every time.
    let mut occurrences: BTreeMap<OperatorKey, f64> = BTreeMap::new();
    for key in targets {
        *occurrences.entry(OperatorKey { activation: None, ..*key }).or_default() += 1.0;
    }
    for (key, count) in occurrences {
        if let Some(group) = groups.get_mut(&group_of(&key)) {
            group.targets.push(Target::new(place_of(&key), count * prior_ms(&key)));
        }
    }
    let total: f64 = groups.values().flat_map(|group| &group.targets).map(|target| target.time).sum();
    let count: usize = groups.values().map(|group| group.candidates.len()).sum();
    for group in groups.values_mut() {
        let time = EVERYWHERE * total.max(1.0) / count as f64;
        group.targets.extend(group.candidates.iter().map(|candidate| Target::new(candidate.place, time)));
        group.find_best();
    }
    groups
}

/// Whether networks have operators like this: depthwise 1x1 is in none, and a sum never joins a
/// strided convolution, since its shortcut is as small as its output.
fn is_used((kind, kernel, stride, residual_add, _): GroupKey) -> bool {
    match kind {
        KeyKind::Conv => stride == 1 || !residual_add,
        KeyKind::Depthwise => kernel > 1 && !residual_add,
        _ => false,
    }
}

#[derive(Default)]
struct Group {
    candidates: Vec<Candidate>,
    targets: Vec<Target>,
    /// Places of what was chosen.
    chosen: Vec<[f64; 3]>,
    /// What the best candidate takes off, 0 without one, and its index.
    best_gain: f64,
    best: usize,
}

struct Candidate {
    /// Among all rows.
    index: usize,
    place: [f64; 3],
    log_ratio: f64,
    /// What choosing it takes off, or took off when that was last worked out: it never grows while
    /// weights stay.
    gain: f64,
}

struct Target {
    place: [f64; 3],
    time: f64,
    weight: f64,
    /// Distance to the nearest chosen row.
    far: f64,
}

impl Target {
    fn new(place: [f64; 3], time: f64) -> Self {
        Self { place, time, weight: time, far: FARTHEST }
    }
}

impl Group {
    /// Takes the best candidate; its row.
    fn take_best(&mut self) -> usize {
        self.take(self.best)
    }

    /// Takes a row at each limit of the candidates' box that no chosen row reaches yet, of several the one
    /// that is worth most.
    fn take_extremes(&mut self) -> Vec<usize> {
        let mut taken = Vec::new();
        for axis in 0..3 {
            for sign in [-1.0, 1.0] {
                let along = |place: &[f64; 3]| sign * place[axis];
                let reached = self.chosen.iter().map(along).fold(f64::NEG_INFINITY, f64::max);
                let limit =
                    self.candidates.iter().map(|candidate| along(&candidate.place)).fold(f64::NEG_INFINITY, f64::max);
                let best = (0..self.candidates.len())
                    .filter(|i| limit > reached && along(&self.candidates[*i].place) == limit)
                    .max_by(|a, b| self.gain(*a).total_cmp(&self.gain(*b)));
                taken.extend(best.map(|best| self.take(best)));
            }
        }
        taken
    }

    fn take(&mut self, at: usize) -> usize {
        let Candidate { index, place, .. } = self.candidates.swap_remove(at);
        self.chosen.push(place);
        for target in &mut self.targets {
            target.far = target.far.min(distance(&target.place, &place));
        }
        self.find_best();
        index
    }

    fn find_best(&mut self) {
        // Last gains are bounds: only candidates whose bound beats the best so far are worked out again.
        let mut by_bound: Vec<usize> = (0..self.candidates.len()).collect();
        let (gain, row) = (|i: &usize| self.candidates[*i].gain, |i: &usize| self.candidates[*i].index);
        by_bound.sort_by(|a, b| gain(b).total_cmp(&gain(a)).then(row(a).cmp(&row(b))));
        (self.best_gain, self.best) = (0.0, 0);
        for index in by_bound {
            if self.candidates[index].gain <= self.best_gain {
                break;
            }
            let gain = self.gain(index);
            self.candidates[index].gain = gain;
            if gain > self.best_gain {
                (self.best_gain, self.best) = (gain, index);
            }
        }
    }

    /// What a candidate takes off.
    fn gain(&self, candidate: usize) -> f64 {
        let here = self.candidates[candidate].place;
        let nearer = |target: &Target| (target.far - distance(&target.place, &here)).max(0.0);
        self.targets.iter().map(|target| target.weight * nearer(target)).sum()
    }

    /// Weighs each target by its time and by how badly the candidates around it are predicted.
    fn weigh_by_error(&mut self, rows: &[Row], correction: &Correction) {
        let error = |candidate: &Candidate| {
            let log_factor = correction.find(&rows[candidate.index].key).map_or(0.0, |found| found.factor.ln());
            (log_factor - candidate.log_ratio).abs().min(1.0)
        };
        let errors: Vec<f64> = self.candidates.iter().map(error).collect();
        for target in &mut self.targets {
            let places = self.candidates.iter().map(|candidate| distance(&target.place, &candidate.place));
            let around = nearest(places.zip(errors.iter().copied()));
            target.weight = target.time * (LEAST_ERROR + around.iter().sum::<f64>() / around.len().max(1) as f64);
        }
        self.candidates.iter_mut().for_each(|candidate| candidate.gain = f64::INFINITY);
        self.find_best();
    }
}

/// The values at the [`AROUND`] smallest distances.
fn nearest(values: impl Iterator<Item = (f64, f64)>) -> Vec<f64> {
    let mut values: Vec<(f64, f64)> = values.collect();
    if values.len() > AROUND {
        values.select_nth_unstable_by(AROUND, |a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        values.truncate(AROUND);
        values.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    }
    values.into_iter().map(|(_, value)| value).collect()
}

fn distance(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::super::Evidence;
    use super::*;

    fn rows(ms: impl Fn(&OperatorKey) -> f64) -> Vec<Row> {
        let mut rows = Vec::new();
        for channels in [8, 16, 32, 64, 128, 256, 512] {
            for side in [4, 8, 16, 32, 64, 128] {
                for kernel in [1, 3] {
                    let key = OperatorKey::conv(kernel, 1, channels, channels, side);
                    rows.push(Row::new(key, ms(&key), Evidence::Measured));
                }
            }
        }
        rows
    }

    #[test]
    fn longer_begins_with_shorter_and_targets_come_first() {
        let rows = rows(|_| 1.0);
        let target = OperatorKey::conv(3, 1, 64, 64, 16);
        let targets = vec![target; 50];
        let long = order(&rows, &targets, |_| 1.0, 60);
        assert_eq!(order(&rows, &targets, |_| 1.0, 20), long[..20]);
        assert_eq!(rows[long[0]].key, target);
        let mut distinct = long.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 60);
        assert!(long.iter().any(|index| rows[*index].key.kernel == 1), "other groups are not forgotten");
        assert_eq!(order(&rows, &targets, |_| 1.0, 1000).len(), rows.len());
    }

    /// Targets in one place do not keep the table from reaching the limits of what was measured.
    #[test]
    fn limits_are_reached() {
        let mut rows = Vec::new();
        for channels in (1..=40).map(|i| 8 * i) {
            for side in 4..=20 {
                let key = OperatorKey::conv(3, 1, channels, channels, side);
                rows.push(Row::new(key, 1.0, Evidence::Measured));
            }
        }
        let targets = vec![OperatorKey::conv(3, 1, 64, 64, 8); 1_000_000];
        let chosen: Vec<_> = order(&rows, &targets, |_| 1.0, 120).into_iter().map(|index| rows[index].key).collect();
        assert_eq!(chosen.len(), 120);
        for reached in [|key: &OperatorKey| key.in_channels == 320, |key: &OperatorKey| key.in_channels == 8] {
            assert!(chosen.iter().any(reached));
        }
        assert!(chosen.iter().any(|key| key.in_height == 20) && chosen.iter().any(|key| key.in_height == 4));
    }
}
