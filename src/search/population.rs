//! The population: the best distinct networks so far.

use rustc_hash::FxHashSet;

use crate::net::Network;

/// A network with its score.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    pub network: Network,
    pub score: f64,
}

/// At most `capacity` distinct networks; when it overflows, the lowest score leaves.
#[derive(Debug)]
pub struct Population {
    capacity: usize,
    members: Vec<Member>,
    known: FxHashSet<Network>,
    /// Index of the lowest score, the newest of equals.
    worst: usize,
}

impl Population {
    pub fn new(capacity: usize) -> Self {
        Self { capacity, members: Vec::with_capacity(capacity + 1), known: FxHashSet::default(), worst: 0 }
    }

    /// Members in the order that parents are drawn from.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    pub fn contains(&self, network: &Network) -> bool {
        self.known.contains(network)
    }

    /// The score a newcomer has to exceed; `None` while there is room.
    pub fn threshold(&self) -> Option<f64> {
        (self.members.len() >= self.capacity).then(|| self.members[self.worst].score)
    }

    /// Adds a member if it is new and good enough; says whether it stayed.
    pub fn insert(&mut self, member: Member) -> bool {
        if self.threshold().is_some_and(|threshold| member.score <= threshold) || self.contains(&member.network) {
            return false;
        }
        self.known.insert(member.network.clone());
        if self.members.len() < self.capacity {
            self.members.push(member);
        } else {
            let gone = std::mem::replace(&mut self.members[self.worst], member);
            self.known.remove(&gone.network);
        }
        self.worst = self.index_of_worst();
        true
    }

    fn index_of_worst(&self) -> usize {
        let mut worst = 0;
        for (i, member) in self.members.iter().enumerate() {
            if member.score <= self.members[worst].score {
                worst = i;
            }
        }
        worst
    }

    /// The highest score, the oldest of equals.
    pub fn best(&self) -> Option<&Member> {
        let mut members = self.members.iter();
        let first = members.next()?;
        Some(members.fold(first, |best, member| if member.score > best.score { member } else { best }))
    }

    /// Members from the best down; equals in order of their structure.
    pub fn ranked(&self) -> Vec<&Member> {
        let mut ranked: Vec<_> = self.members.iter().collect();
        ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.network.blocks().cmp(b.network.blocks())));
        ranked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(channels: u32, score: f64) -> Member {
        let network = Network::parse(&format!("SuperConvK3BNRELU(3,{channels},1,1)")).unwrap();
        Member { network, score }
    }

    #[test]
    fn keeps_the_best_distinct() {
        let mut population = Population::new(3);
        for (channels, score, stays) in [
            (1, 5.0, true),
            (2, 3.0, true),
            (2, 9.0, false),
            (3, 4.0, true),
            (4, 3.0, false),
            (5, 3.5, true),
            (6, 4.5, true),
        ] {
            assert_eq!(population.insert(member(channels, score)), stays, "{channels}");
        }
        let scores: Vec<_> = population.ranked().iter().map(|m| m.score).collect();
        assert_eq!(scores, [5.0, 4.5, 4.0]);
        assert_eq!(population.threshold(), Some(4.0));
        assert_eq!(population.best().unwrap().score, 5.0);
        assert!(!population.contains(&member(2, 0.0).network));
        // What left may come back.
        assert!(population.insert(member(2, 6.0)));
    }
}
