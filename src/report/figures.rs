//! The figures of a report, from its networks.

use super::{ComparedNetwork, Comparison, Coverage, Group, Report, breakdown};
use crate::latency::{ErrorFigures, EvidenceShares, Interval, Predictor};

impl Report {
    /// Works out every figure from the compared networks.
    pub(super) fn work_out(&mut self, predictor: &Predictor, worst: usize) {
        self.networks = self.compared.len() as u32;
        self.figures = figures(self.compared.iter());
        self.coverage = coverage(&self.compared);
        let repeated = self.compared.iter().filter_map(|network| Some((network.repeat_ms?, network.measured_ms)));
        self.noise_floor = ErrorFigures::of(&repeated.collect::<Vec<_>>());
        self.evidence = mean_evidence(&self.compared);
        // Published networks differ in everything: each would be a group of its own.
        if self.comparison != Comparison::LeaveOneOut {
            self.groups = groups(&self.compared);
        }
        let mut ranked: Vec<_> = self.compared.iter().collect();
        ranked.sort_by(|a, b| b.off.abs().total_cmp(&a.off.abs()));
        ranked.truncate(worst);
        self.worst = breakdown::worst_cases(predictor, &ranked);
    }
}

fn figures<'n>(networks: impl Iterator<Item = &'n ComparedNetwork>) -> Option<ErrorFigures> {
    let pairs: Vec<_> = networks.map(|network| (network.predicted_ms, network.measured_ms)).collect();
    ErrorFigures::of(&pairs)
}

fn coverage(networks: &[ComparedNetwork]) -> Option<Coverage> {
    let stated: Vec<_> = networks.iter().filter_map(|network| Some((network, network.interval?))).collect();
    let count = stated.len() as f64;
    let inside = stated
        .iter()
        .filter(|(network, interval)| (interval.low_ms..=interval.high_ms).contains(&network.measured_ms))
        .count();
    let width = |(network, interval): &(&ComparedNetwork, Interval)| {
        (interval.high_ms - interval.low_ms) / network.predicted_ms
    };
    (!stated.is_empty()).then(|| Coverage {
        stated: stated.iter().map(|(_, interval)| interval.coverage).sum::<f64>() / count,
        found: inside as f64 / count,
        networks: stated.len() as u32,
        width: stated.iter().map(width).sum::<f64>() / count,
    })
}

fn mean_evidence(networks: &[ComparedNetwork]) -> Option<EvidenceShares> {
    let mean = |share: fn(&EvidenceShares) -> f64| {
        networks.iter().map(|network| share(&network.evidence)).sum::<f64>() / networks.len() as f64
    };
    (!networks.is_empty()).then(|| EvidenceShares {
        measured_time: mean(|shares| shares.measured_time),
        fitted_time: mean(|shares| shares.fitted_time),
        interpolated_time: mean(|shares| shares.interpolated_time),
        extrapolated_time: mean(|shares| shares.extrapolated_time),
        measured_count: mean(|shares| shares.measured_count),
        fitted_count: mean(|shares| shares.fitted_count),
        interpolated_count: mean(|shares| shares.interpolated_count),
        extrapolated_count: mean(|shares| shares.extrapolated_count),
    })
}

/// Groups in order of their names; none where all networks are of one kind.
fn groups(networks: &[ComparedNetwork]) -> Vec<Group> {
    let kind = |network: &ComparedNetwork| (network.space, network.resolution, network.squeeze_excite);
    let kinds: std::collections::BTreeSet<_> = networks.iter().map(kind).collect();
    if kinds.len() < 2 {
        return Vec::new();
    }
    let group = |of: (&'static str, u32, bool)| {
        let (space, resolution, squeeze_excite) = of;
        let figures = figures(networks.iter().filter(|network| kind(network) == of))?;
        Some(Group { space, resolution, squeeze_excite, figures })
    };
    kinds.into_iter().filter_map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(space: &'static str, measured_ms: f64, interval: Option<(f64, f64)>) -> ComparedNetwork {
        ComparedNetwork {
            name: None,
            structure: Some("SuperConvK3BNRELU(3,8,2,1)".to_owned()),
            resolution: 96,
            classes: 10,
            squeeze_excite: false,
            space,
            predicted_ms: 10.0,
            interval: interval.map(|(low_ms, high_ms)| Interval { low_ms, high_ms, coverage: 0.9 }),
            measured_ms,
            stderr_ms: None,
            repeat_ms: None,
            off: 10.0 / measured_ms - 1.0,
            evidence: EvidenceShares { measured_time: 0.25, interpolated_time: 0.75, ..EvidenceShares::default() },
        }
    }

    #[test]
    fn coverage_counts_networks_inside_their_interval() {
        let wide = Some((8.0, 12.0));
        let networks = [
            network("xxbl", 8.0, wide),
            network("xxbl", 12.5, wide),
            network("xxbl", 9.0, Some((9.5, 10.5))),
            network("xxbl", 10.0, wide),
            network("xxbl", 99.0, None),
        ];
        let coverage = coverage(&networks).unwrap();
        assert_eq!((coverage.stated, coverage.found, coverage.networks), (0.9, 0.5, 4));
        assert!((coverage.width - (3.0 * 0.4 + 0.1) / 4.0).abs() < 1e-12);
        assert_eq!(super::coverage(&networks[4..]), None);
    }

    #[test]
    fn groups_and_evidence_by_hand() {
        let networks = [network("xxbl", 8.0, None), network("idw", 20.0, None), network("idw", 10.0, None)];
        let groups = groups(&networks);
        assert_eq!(
            groups.iter().map(|group| (group.space, group.figures.networks)).collect::<Vec<_>>(),
            [("idw", 2), ("xxbl", 1)]
        );
        assert_eq!((groups[0].figures.mape, groups[0].figures.bias), (0.25, -0.25));
        assert_eq!((groups[1].figures.mape, groups[1].figures.within10), (0.25, 0.0));
        assert!(super::groups(&networks[1..]).is_empty());
        assert_eq!(mean_evidence(&networks).unwrap().to_string(), "25% measured, 75% interpolated");
        assert_eq!(mean_evidence(&[]), None);
    }
}
