//! Which of many measured operators to ship: few, spread over the shapes that networks have.

use std::collections::BTreeMap;

use super::super::correction::{GroupKey, group_of, place};
use super::super::store::Row;
use super::super::{KeyKind, OperatorKey};

/// A row whose ratio to the prior differs by more than this from the rows around it (natural
/// logarithm, about 30%) is autotuning noise and not shipped.
const NOISE: f64 = 0.26;
/// Rows around it that decide.
const AROUND: usize = 8;

/// Rows to ship of a group.
fn quota((kind, kernel, stride, residual_add): GroupKey) -> usize {
    match (kind, kernel, stride, residual_add) {
        (KeyKind::Conv, 1, 1, false) => 120,
        (KeyKind::Conv, _, 1, false) => 60,
        (KeyKind::Conv, _, _, false) => 35,
        (KeyKind::Conv, 1, 1, true) => 90,
        (KeyKind::Conv, _, 1, true) => 40,
        // Depthwise 1x1 is in no network.
        (KeyKind::Depthwise, 1, ..) => 0,
        (KeyKind::Depthwise, _, 1, _) => 30,
        (KeyKind::Depthwise, ..) => 20,
        // A sum never joins a strided convolution: its shortcut is as small as its output.
        _ => 0,
    }
}

/// Chooses rows by farthest-point sampling in the space the correction measures distances in,
/// favouring what is close to an operator of `targets`. Returns indices, sorted.
pub fn select(rows: &[Row], targets: &[OperatorKey], prior_ms: impl Fn(&OperatorKey) -> f64) -> Vec<usize> {
    let mut groups: BTreeMap<_, Vec<Candidate>> = BTreeMap::new();
    for (index, row) in rows.iter().enumerate() {
        let log_ratio = (row.ms / prior_ms(&row.key)).ln();
        groups.entry(group_of(&row.key)).or_default().push(Candidate {
            index,
            place: place(&row.key),
            log_ratio,
            far: f64::INFINITY,
        });
    }
    let mut chosen = Vec::new();
    for (group, mut candidates) in groups {
        let wanted: Vec<_> = targets.iter().filter(|key| group_of(key) == group).map(place).collect();
        // Distance to what networks use: an octave away counts half.
        let nearness: Vec<f64> = candidates
            .iter()
            .map(|candidate| {
                let nearest =
                    wanted.iter().map(|place| distance(place, &candidate.place)).fold(f64::INFINITY, f64::min);
                1.0 / (1.0 + nearest.min(16.0))
            })
            .collect();
        let quota = quota(group);
        let mut taken = 0;
        while taken < quota {
            let best = (0..candidates.len())
                .filter(|i| candidates[*i].far > 0.0)
                .max_by(|a, b| score(&candidates, &nearness, *a).total_cmp(&score(&candidates, &nearness, *b)));
            let Some(best) = best else { break };
            let noisy = is_noise(&candidates, best);
            let place = candidates[best].place;
            candidates[best].far = 0.0;
            if noisy {
                continue;
            }
            chosen.push(candidates[best].index);
            taken += 1;
            for candidate in &mut candidates {
                candidate.far = candidate.far.min(distance(&place, &candidate.place));
            }
        }
    }
    chosen.sort_unstable();
    chosen
}

struct Candidate {
    index: usize,
    place: [f64; 3],
    log_ratio: f64,
    /// Distance to the nearest chosen row; 0 once decided.
    far: f64,
}

fn score(candidates: &[Candidate], nearness: &[f64], index: usize) -> f64 {
    // The first choice has no chosen row to be far from.
    candidates[index].far.min(64.0) * nearness[index]
}

fn is_noise(candidates: &[Candidate], index: usize) -> bool {
    let here = &candidates[index];
    let others = candidates.iter().filter(|candidate| candidate.index != here.index);
    deviation(here.log_ratio, others.map(|other| (distance(&here.place, &other.place), other.log_ratio))) > NOISE
}

/// How far a row's logarithmic ratio to the prior is from the median of the nearest of `others`
/// (distance, logarithmic ratio).
fn deviation(log_ratio: f64, others: impl Iterator<Item = (f64, f64)>) -> f64 {
    let mut others: Vec<(f64, f64)> = others.collect();
    others.sort_by(|a, b| a.0.total_cmp(&b.0));
    others.truncate(AROUND);
    let mut ratios: Vec<f64> = others.iter().map(|(_, ratio)| *ratio).collect();
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).map_or(0.0, |median| (log_ratio - median).abs())
}

fn distance(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
}
