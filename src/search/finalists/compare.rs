//! Which means of random draws are told apart.
//!
//! The spread of one draw is taken to be the same for all networks, since a few draws of one network do not tell it and
//! the best networks of one search are alike. Not here: who draws how often (`race`).

use super::Lead;
use crate::score::Evaluation;

/// Networks in the order of the search, as far as they are scored.
pub(super) struct Comparison {
    found: Vec<Option<Evaluation>>,
    /// Of one draw; none while nobody has two.
    pub variance: Option<f64>,
}

impl Comparison {
    pub fn of(found: Vec<Option<Evaluation>>) -> Self {
        let (mut squares, mut degrees) = (0.0, 0.0);
        for Evaluation { standard_error, draws, .. } in found.iter().flatten() {
            let (n, error) = (f64::from(*draws), standard_error.unwrap_or_default());
            squares += error * error * n * (n - 1.0);
            degrees += n - 1.0;
        }
        Self { found, variance: (degrees > 0.0).then(|| squares / degrees) }
    }

    /// The first by the search that has a score, unless others are told apart ahead of it: then the highest of these.
    pub fn winner(&self) -> Option<usize> {
        let score = |i: &usize| self.found[*i].map_or(f64::NEG_INFINITY, |evaluation| evaluation.score);
        let first = self.found.iter().position(Option::is_some)?;
        let ahead = (0..self.found.len()).filter(|i| self.is_ahead(*i, first));
        // The first of equals.
        Some(ahead.rev().max_by(|a, b| score(a).total_cmp(&score(b))).unwrap_or(first))
    }

    /// Whether `a` is told apart ahead of `b`.
    fn is_ahead(&self, a: usize, b: usize) -> bool {
        self.difference(a, b).is_some_and(|(difference, error)| is_told_apart(difference, error))
    }

    /// Whether both are scored and neither is told apart ahead of the other.
    pub fn is_open(&self, a: usize, b: usize) -> bool {
        self.found[a].is_some() && self.found[b].is_some() && !self.is_ahead(a, b) && !self.is_ahead(b, a)
    }

    /// The mean of `a` less that of `b`, and its standard error.
    fn difference(&self, a: usize, b: usize) -> Option<(f64, f64)> {
        let (variance, a, b) = (self.variance?, self.found[a]?, self.found[b]?);
        let error = (variance / f64::from(a.draws) + variance / f64::from(b.draws)).sqrt();
        Some((a.score - b.score, error))
    }

    /// The winner, those not told apart from it, those behind it, and those without a score.
    pub fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.found.len()).collect();
        if let Some(winner) = self.winner() {
            // Stable: equals stay in the order of the search.
            order.sort_by_key(|i| match self.found[*i] {
                _ if *i == winner => 0,
                Some(_) if self.is_open(winner, *i) => 1,
                Some(_) => 2,
                None => 3,
            });
        }
        order
    }

    /// How far the winner is ahead of the one that comes closest to it.
    pub fn lead(&self, winner: usize) -> Option<Lead> {
        let others = (0..self.found.len()).filter(|i| *i != winner);
        let margin = |(difference, error): &(f64, f64)| difference - Lead::TOLD_APART * error;
        let differences = others.clone().filter_map(|other| self.difference(winner, other));
        let (difference, standard_error) = differences.min_by(|a, b| margin(a).total_cmp(&margin(b)))?;
        let alike = 1 + others.filter(|other| self.is_open(winner, *other)).count();
        Some(Lead { difference, standard_error, told_apart: is_told_apart(difference, standard_error), alike })
    }
}

fn is_told_apart(difference: f64, standard_error: f64) -> bool {
    difference > 0.0 && difference >= Lead::TOLD_APART * standard_error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(scores: &[Option<f64>]) -> Comparison {
        // A spread of 1 for one draw: the difference of two means of 8 has a standard error of 0.5.
        let evaluation = |score| Evaluation { score, standard_error: Some(0.125f64.sqrt()), draws: 8 };
        Comparison::of(scores.iter().map(|score| score.map(evaluation)).collect())
    }

    #[test]
    fn the_first_is_replaced_by_who_is_told_apart_ahead_of_it() {
        let winner = |scores: &[Option<f64>]| comparison(scores).winner();
        assert!((comparison(&[Some(1.0)]).variance.unwrap() - 1.0).abs() < 1e-12);
        assert_eq!(winner(&[Some(5.0), Some(5.9), Some(3.0)]), Some(0));
        assert_eq!(winner(&[Some(5.0), Some(6.1), Some(3.0)]), Some(1));
        assert_eq!(winner(&[Some(5.0), Some(6.1), Some(6.2), Some(6.2)]), Some(2), "the first of the highest");
        assert_eq!(winner(&[None, Some(5.0), Some(5.5)]), Some(1));
        assert_eq!((winner(&[None]), winner(&[])), (None, None));
    }

    #[test]
    fn the_order_is_of_the_search_but_for_what_is_told_apart() {
        let scores = [Some(5.0), Some(1.0), None, Some(5.5), Some(2.0), Some(4.5)];
        assert_eq!(comparison(&scores).order(), [0, 3, 5, 1, 4, 2]);
        let lead = comparison(&scores).lead(0).unwrap();
        assert_eq!((lead.difference, lead.told_apart, lead.alike), (-0.5, false, 3));
        assert!((lead.standard_error - 0.5).abs() < 1e-12);
        assert_eq!(comparison(&[Some(5.0), Some(1.0), Some(8.0)]).order(), [2, 0, 1]);
        let lead = comparison(&[Some(8.0), Some(5.0), Some(1.0)]).lead(0).unwrap();
        assert_eq!((lead.difference, lead.told_apart, lead.alike), (3.0, true, 1));
        assert_eq!(comparison(&[Some(8.0), None]).lead(0), None);
    }

    #[test]
    fn single_draws_tell_nothing_apart_and_equals_are_no_lead() {
        let once = |score| Some(Evaluation { score, standard_error: None, draws: 1 });
        let comparison = Comparison::of(vec![once(1.0), once(9.0)]);
        assert_eq!((comparison.winner(), comparison.lead(0)), (Some(0), None));
        let same = Some(Evaluation { score: 1.0, standard_error: Some(0.0), draws: 8 });
        let comparison = Comparison::of(vec![same, same]);
        assert_eq!((comparison.winner(), comparison.lead(0).map(|lead| lead.told_apart)), (Some(0), Some(false)));
    }
}
