//! The fit: positive coefficients of settings that share a shape, from times of whole networks.
//!
//! A network's time is a sum of amounts times coefficients. What is fitted are the coefficients' logarithms: each
//! setting's lie around the shape of its family, with deviations of their own and scales that several share
//! (together a covariance); the shape lies around a prior centre. Errors are those of logarithms of times, squares
//! near 0 and linear beyond (pseudo-Huber), so that a few odd networks do not decide. Not here: what the amounts
//! are (`settings`), which rows are used (`rows`).

use super::matrix::Symmetric;

/// A network's time on one setting.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// Amount of each coefficient.
    pub amounts: Vec<f64>,
    pub ms: f64,
    /// Networks that are the same but for trifles have the same.
    pub group: usize,
}

/// What is to be fitted for one setting, or for several that differ in nothing but the batch.
#[derive(Clone, Debug)]
pub struct Member {
    pub observations: Vec<Observation>,
    /// Logarithms that its coefficients lie around where the family has no shape of its own.
    pub centre: Vec<f64>,
    /// Inverse of the covariance of its logarithms around the shape.
    pub precision: Symmetric,
}

/// Settings that share a shape.
#[derive(Clone, Debug)]
pub struct Family {
    pub members: Vec<Member>,
    /// Inverse of the covariance of the shape around the centre of its members; none where it is that centre.
    pub shape_precision: Option<Symmetric>,
    /// Standard deviation of the logarithm of a time.
    pub noise: f64,
    /// Standard deviations from which on errors count linearly.
    pub robust: f64,
    /// Standard deviation of what the logarithms of one network's times on all members have in common: where its
    /// operators are not what the features say, that is so everywhere.
    pub common: f64,
}

/// Logarithms of the coefficients.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// Of each member.
    pub logarithms: Vec<Vec<f64>>,
}

impl Fit {
    /// Milliseconds of a network on a member's setting.
    pub fn ms(&self, member: usize, amounts: &[f64]) -> f64 {
        amounts.iter().zip(&self.logarithms[member]).map(|(amount, logarithm)| amount * logarithm.exp()).sum()
    }
}

/// Rounds of members and shape in turn, and the change of the shape that ends them.
const ROUNDS: usize = 150;
const SETTLED: f64 = 1e-5;
/// Steps of a member in a round; a step that gains less ends them.
const STEPS: usize = 60;
const GAIN: f64 = 1e-12;
/// Largest change of a logarithm in one step.
const LARGEST_STEP: f64 = 1.5;

impl Family {
    /// Fits every member and the shape, to all networks but those of the group `left_out`. Every fit begins at the
    /// prior: one that began at a fit to all networks would remember those that it must not see. None where a matrix
    /// is singular, which positive deviations exclude.
    pub fn fit(&self, left_out: Option<usize>) -> Option<Fit> {
        let mut shape = self.shape_precision.as_ref().map(|_| self.members[0].centre.clone());
        let mut logarithms: Vec<Vec<f64>> = self.members.iter().map(|member| member.start(left_out)).collect();
        let groups = self.members.iter().flat_map(|member| &member.observations).map(|one| one.group + 1).max();
        let mut common = vec![0.0; groups.unwrap_or(0)];
        for _ in 0..ROUNDS {
            for (member, logarithms) in self.members.iter().zip(&mut logarithms) {
                let centre = shape.as_ref().unwrap_or(&member.centre);
                self.fit_member(member, centre, left_out, &common, logarithms)?;
            }
            if self.common > 0.0 {
                common = self.common(left_out, &logarithms, common.len());
            }
            let (Some(before), Some(precision)) = (&shape, &self.shape_precision) else { break };
            let now = self.shape(precision, &logarithms)?;
            let change = now.iter().zip(before).map(|(now, before)| (now - before).abs()).fold(0.0, f64::max);
            shape = Some(now);
            if change < SETTLED {
                break;
            }
        }
        Some(Fit { logarithms })
    }

    /// Enters what a fit to all but a group of networks predicts for that group, by member and observation.
    pub fn predict_group(&self, group: usize, others: &Fit, predicted: &mut [Vec<f64>]) {
        for (index, member) in self.members.iter().enumerate() {
            for (observation, ms) in member.observations.iter().zip(&mut predicted[index]) {
                if observation.group == group {
                    *ms = others.ms(index, &observation.amounts);
                }
            }
        }
    }

    /// What the errors of each group of networks have in common.
    fn common(&self, left_out: Option<usize>, logarithms: &[Vec<f64>], groups: usize) -> Vec<f64> {
        let mut sums = vec![(0.0, 0.0); groups];
        for (member, logarithms) in self.members.iter().zip(logarithms) {
            let coefficients = exponentials(logarithms);
            for observation in member.seen(left_out) {
                let (sum, count) = &mut sums[observation.group];
                *sum += (observation.ms / observation.predicted(&coefficients)).ln();
                *count += 1.0;
            }
        }
        let ratio = (self.noise / self.common).powi(2);
        sums.into_iter().map(|(sum, count)| sum / (count + ratio)).collect()
    }

    /// The mean of the members and the prior centre, weighted by their precisions.
    fn shape(&self, shape_precision: &Symmetric, logarithms: &[Vec<f64>]) -> Option<Vec<f64>> {
        let mut precision = shape_precision.clone();
        let mut right = shape_precision.times(&self.members[0].centre);
        for (member, logarithms) in self.members.iter().zip(logarithms) {
            precision.add(1.0, &member.precision);
            right.iter_mut().zip(member.precision.times(logarithms)).for_each(|(sum, term)| *sum += term);
        }
        precision.solve(&right)
    }

    /// Levenberg's and Marquardt's steps from where `logarithms` stand.
    fn fit_member(
        &self,
        member: &Member,
        centre: &[f64],
        left_out: Option<usize>,
        common: &[f64],
        logarithms: &mut Vec<f64>,
    ) -> Option<()> {
        let mut damping = 1e-3;
        let mut cost = self.cost(member, centre, left_out, common, logarithms);
        for _ in 0..STEPS {
            let (curvature, slope) = self.curvature(member, centre, left_out, common, logarithms);
            let mut gain = None;
            for _ in 0..10 {
                let mut damped = curvature.clone();
                (0..slope.len()).for_each(|place| damped.add_diagonal(place, damping * curvature.diagonal(place)));
                let step = damped.solve(&slope)?;
                let next: Vec<f64> = logarithms
                    .iter()
                    .zip(&step)
                    .map(|(logarithm, step)| logarithm - step.clamp(-LARGEST_STEP, LARGEST_STEP))
                    .collect();
                let next_cost = self.cost(member, centre, left_out, common, &next);
                if next_cost <= cost {
                    gain = Some(cost - next_cost);
                    (*logarithms, cost) = (next, next_cost);
                    break;
                }
                damping *= 4.0;
            }
            damping = (damping / 4.0).max(1e-9);
            if gain.is_none_or(|gain| gain < GAIN * cost) {
                break;
            }
        }
        Some(())
    }

    fn cost(
        &self,
        member: &Member,
        centre: &[f64],
        left_out: Option<usize>,
        common: &[f64],
        logarithms: &[f64],
    ) -> f64 {
        let coefficients = exponentials(logarithms);
        let misfit: f64 = member
            .seen(left_out)
            .map(|observation| {
                let error = (observation.predicted(&coefficients) / observation.ms).ln();
                let deviations = (error + common[observation.group]) / self.noise;
                2.0 * self.robust.powi(2) * ((1.0 + (deviations / self.robust).powi(2)).sqrt() - 1.0)
            })
            .sum();
        let off: Vec<f64> = logarithms.iter().zip(centre).map(|(logarithm, centre)| logarithm - centre).collect();
        misfit + member.precision.times(&off).iter().zip(&off).map(|(a, b)| a * b).sum::<f64>()
    }

    /// Half the second and first derivatives of the cost (the former as if times were linear).
    fn curvature(
        &self,
        member: &Member,
        centre: &[f64],
        left_out: Option<usize>,
        common: &[f64],
        logarithms: &[f64],
    ) -> (Symmetric, Vec<f64>) {
        let coefficients = exponentials(logarithms);
        let off: Vec<f64> = logarithms.iter().zip(centre).map(|(logarithm, centre)| logarithm - centre).collect();
        let (mut curvature, mut slope) = (member.precision.clone(), member.precision.times(&off));
        for observation in member.seen(left_out) {
            let predicted = observation.predicted(&coefficients);
            let deviations = ((predicted / observation.ms).ln() + common[observation.group]) / self.noise;
            let weight = (1.0 + (deviations / self.robust).powi(2)).sqrt().recip();
            let shares: Vec<f64> = observation
                .amounts
                .iter()
                .zip(&coefficients)
                .map(|(amount, coefficient)| amount * coefficient / predicted / self.noise)
                .collect();
            curvature.add_outer(weight, &shares);
            slope.iter_mut().zip(&shares).for_each(|(slope, share)| *slope += weight * deviations * share);
        }
        (curvature, slope)
    }
}

impl Member {
    fn seen(&self, left_out: Option<usize>) -> impl Iterator<Item = &Observation> {
        self.observations.iter().filter(move |observation| Some(observation.group) != left_out)
    }

    /// The centre, brought to the level of the observations.
    fn start(&self, left_out: Option<usize>) -> Vec<f64> {
        let coefficients = exponentials(&self.centre);
        let mut off: Vec<f64> = self
            .seen(left_out)
            .map(|observation| (observation.ms / observation.predicted(&coefficients)).ln())
            .collect();
        off.sort_by(f64::total_cmp);
        let level = off.get(off.len() / 2).copied().unwrap_or(0.0);
        self.centre.iter().map(|logarithm| logarithm + level).collect()
    }
}

impl Observation {
    fn predicted(&self, coefficients: &[f64]) -> f64 {
        self.amounts.iter().zip(coefficients).map(|(amount, coefficient)| amount * coefficient).sum()
    }
}

fn exponentials(logarithms: &[f64]) -> Vec<f64> {
    logarithms.iter().map(|logarithm| logarithm.exp()).collect()
}

/// The inverse of a covariance: a deviation of each coefficient's own, and scales, each shared by some.
pub fn precision(own: &[f64], scales: &[(Vec<f64>, f64)]) -> Option<Symmetric> {
    let mut covariance = Symmetric::zero(own.len());
    own.iter().enumerate().for_each(|(place, own)| covariance.add_diagonal(place, own * own));
    scales.iter().for_each(|(members, deviation)| covariance.add_outer(deviation * deviation, members));
    covariance.inverse()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three settings with one shape, each with its scale; the third has times of three networks alone.
    fn family(odd: f64) -> Family {
        let amounts = [[1.0, 2.0], [1.0, 9.0], [1.0, 30.0], [1.0, 70.0], [1.0, 200.0]];
        let member = |scale: f64, networks: usize| Member {
            observations: amounts[..networks]
                .iter()
                .enumerate()
                .map(|(group, amounts)| Observation {
                    amounts: amounts.to_vec(),
                    ms: scale * (3.0 * amounts[0] + 0.5 * amounts[1]) * if group == 0 { odd } else { 1.0 },
                    group,
                })
                .collect(),
            centre: vec![0.0, 0.0],
            precision: precision(&[0.2, 0.2], &[(vec![1.0, 1.0], 3.0)]).unwrap(),
        };
        Family {
            members: vec![member(1.0, 5), member(10.0, 5), member(0.1, 3)],
            shape_precision: precision(&[1.0, 1.0], &[(vec![1.0, 1.0], 30.0)]),
            noise: 0.05,
            robust: 2.0,
            common: 0.0,
        }
    }

    /// What each network is predicted as without itself.
    fn left_out(family: &Family) -> Vec<Vec<f64>> {
        let mut predicted: Vec<Vec<f64>> =
            family.members.iter().map(|member| vec![0.0; member.observations.len()]).collect();
        for group in 0..5 {
            family.predict_group(group, &family.fit(Some(group)).unwrap(), &mut predicted);
        }
        predicted
    }

    #[test]
    fn a_known_shape_is_found() {
        let family = family(1.0);
        let fit = family.fit(None).unwrap();
        // The third setting's last networks were never seen there.
        assert!((fit.ms(2, &[1.0, 200.0]) / 10.3 - 1.0).abs() < 0.03, "{fit:?}");
        assert!((fit.ms(1, &[1.0, 30.0]) / 180.0 - 1.0).abs() < 0.01);
        for (predicted, member) in left_out(&family).iter().zip(&family.members) {
            for (predicted, observation) in predicted.iter().zip(&member.observations) {
                assert!((predicted / observation.ms - 1.0).abs() < 0.1, "{predicted} {observation:?}");
            }
        }
    }

    #[test]
    fn an_odd_network_decides_nothing_and_is_predicted_without_itself() {
        let family = family(4.0);
        let fit = family.fit(None).unwrap();
        assert!((fit.ms(0, &[1.0, 70.0]) / 38.0 - 1.0).abs() < 0.05, "{fit:?}");
        let left_out = left_out(&family)[0][0];
        assert!((left_out / 4.0 - 1.0).abs() < 0.3, "{left_out}: 16 were given, 4 fits the others");
    }
}
