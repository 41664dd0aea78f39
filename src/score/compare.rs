//! How far figures of networks order them alike: Kendall's tau-b between proxies, costs and, where it
//! is known, accuracy.
//!
//! Only networks of one data set, image size and number of classes are compared with each other: an
//! accuracy says nothing about another data set, and most scores grow with the image. Not here:
//! where figures come from, how a comparison is printed.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{PROXIES, Proxy, Randomness};
use crate::stats::{kendall_by_chance, kendall_interval};

pub use crate::stats::{LEAST_FOR_INTERVAL, kendall_tau};

/// What is compared unless the user says otherwise: every proxy that draws nothing, since it costs
/// nothing, and what is more precise than the default one.
pub fn default_proxies() -> Vec<&'static dyn Proxy> {
    let precise = PROXIES[0].precise();
    let wanted = |proxy: &&dyn Proxy| proxy.randomness() == Randomness::None || Some(proxy.name()) == precise;
    PROXIES.iter().copied().filter(wanted).collect()
}

/// Networks that may be compared with each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
pub struct Group {
    /// Where several data sets have images of one size and equally many classes.
    pub dataset: Option<String>,
    pub resolution: u32,
    pub classes: u32,
}

/// What is known of one network.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    pub group: Group,
    /// One for each name given to [`compare`]; larger is better, none where it is not known.
    pub figures: Vec<Option<f64>>,
}

/// How far two figures order the networks of a group alike.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Agreement {
    pub a: String,
    pub b: String,
    /// Networks that have both.
    pub networks: u32,
    /// 1: the same order, 0: no relation, -1: reversed; pairs that tie in one figure count for neither.
    /// None where a figure is the same for all networks.
    pub kendall_tau: Option<f64>,
    /// Ends of the 95% interval over networks like these; none where it would not hold, see
    /// [`LEAST_FOR_INTERVAL`].
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// What two unrelated orders of so many networks reach, either way, in 5% of cases; none where
    /// even equal orders are more frequent than that (fewer than five networks).
    pub kendall_tau_by_chance: Option<f64>,
}

/// All pairs of figures within a group.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct GroupComparison {
    #[serde(flatten)]
    pub group: Group,
    pub networks: u32,
    /// In the order of the names: first with second, first with third, second with third, ...
    pub agreements: Vec<Agreement>,
}

/// Compares all pairs of figures within each group; groups in order.
pub fn compare(names: &[&str], networks: &[Compared]) -> Vec<GroupComparison> {
    let mut groups: BTreeMap<&Group, Vec<&Compared>> = BTreeMap::new();
    for network in networks {
        groups.entry(&network.group).or_default().push(network);
    }
    let pairs: Vec<_> = (0..names.len()).flat_map(|b| (0..b).map(move |a| (a, b))).collect();
    let of_group = |(group, members): (&Group, Vec<&Compared>)| {
        let agreements = pairs.iter().map(|(a, b)| {
            let figure = |network: &Compared, i: usize| network.figures.get(i).copied().flatten();
            let both: Vec<_> =
                members.iter().filter_map(|network| Some((figure(network, *a)?, figure(network, *b)?))).collect();
            agreement(names[*a], names[*b], &both)
        });
        GroupComparison { group: group.clone(), networks: members.len() as u32, agreements: agreements.collect() }
    };
    groups.into_iter().map(of_group).collect()
}

fn agreement(a: &str, b: &str, both: &[(f64, f64)]) -> Agreement {
    let interval = kendall_interval(both);
    Agreement {
        a: a.to_owned(),
        b: b.to_owned(),
        networks: both.len() as u32,
        kendall_tau: kendall_tau(both),
        low: interval.map(|[low, _]| low),
        high: interval.map(|[_, high]| high),
        kendall_tau_by_chance: kendall_by_chance(both.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(resolution: u32, classes: u32, figures: [Option<f64>; 3]) -> Compared {
        Compared { group: Group { dataset: None, resolution, classes }, figures: figures.to_vec() }
    }

    #[test]
    fn groups_do_not_mix() {
        // Within each group the second figure reverses the first; together they would agree.
        let networks = [
            network(224, 1000, [Some(100.0), Some(21.0), None]),
            network(32, 10, [Some(1.0), Some(3.0), Some(5.0)]),
            network(224, 1000, [Some(101.0), Some(20.0), None]),
            network(32, 10, [Some(2.0), Some(2.0), None]),
            network(32, 10, [Some(3.0), Some(1.0), Some(7.0)]),
            network(32, 100, [Some(9.0), Some(9.0), Some(9.0)]),
        ];
        let found = compare(&["accuracy", "params", "zen"], &networks);
        let sizes: Vec<_> = found.iter().map(|g| (g.group.resolution, g.group.classes, g.networks)).collect();
        assert_eq!(sizes, [(32, 10, 3), (32, 100, 1), (224, 1000, 2)]);
        let pairs: Vec<_> = found[0].agreements.iter().map(|x| (x.a.as_str(), x.b.as_str(), x.networks)).collect();
        assert_eq!(pairs, [("accuracy", "params", 3), ("accuracy", "zen", 2), ("params", "zen", 2)]);
        let taus = |group: usize| found[group].agreements.iter().map(|x| x.kendall_tau).collect::<Vec<_>>();
        assert_eq!(taus(0), [Some(-1.0), Some(1.0), Some(-1.0)]);
        assert_eq!(taus(1), [None; 3]);
        assert_eq!(taus(2), [Some(-1.0), None, None]);
        assert!(found[0].agreements.iter().all(|x| x.low.is_none() && x.kendall_tau_by_chance.is_none()));
        // A data set of its own is a group of its own.
        let mut other = network(32, 10, [Some(1.0), Some(1.0), Some(1.0)]);
        other.group.dataset = Some("svhn".to_owned());
        assert_eq!(compare(&["a"], &[networks[1].clone(), other]).len(), 2);
        assert!(compare(&["a"], &[]).is_empty());
    }
}
