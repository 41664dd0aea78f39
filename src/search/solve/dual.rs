//! Prices of the budgets: those at which the best network with prices is the least valuable.
//!
//! For any prices the best value is an upper bound; it is convex in them, and every network gives a plane below it: its
//! score, and for each budget the price of what it leaves of it. The next prices are those where the highest of the planes
//! is lowest (Kelley, 1960). Neither networks nor prices belong to one limit, so what was found for one set of limits
//! holds for all others.

/// What an evaluation chose among.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Some of the channels: planes hold, bounds do not.
    Coarse,
    /// All of them.
    Full,
}

/// An evaluation: the best network at some prices.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    pub level: Level,
    /// Of a unit of each budget's sum.
    pub prices: Vec<f64>,
    /// Score of the best network less what its sums cost.
    pub value: f64,
    /// The same for networks of each number of layers; none where there is no network.
    pub by_layers: Vec<Option<f64>>,
    /// Of the best network.
    pub sums: Vec<f64>,
    /// What the value may be too low by.
    pub rounding: f64,
}

impl Cut {
    fn score(&self) -> f64 {
        self.value + self.prices.iter().zip(&self.sums).map(|(price, sum)| price * sum).sum::<f64>()
    }

    fn bound(&self, limits: &[f64]) -> f64 {
        self.value + self.paid(limits)
    }

    /// What is added to a value for a bound.
    fn paid(&self, limits: &[f64]) -> f64 {
        self.rounding + self.prices.iter().zip(limits).map(|(price, limit)| price * limit).sum::<f64>()
    }
}

/// A network's score and what it leaves of each budget, as a share.
struct Plane {
    level: Level,
    score: f64,
    left: Vec<f64>,
}

impl Plane {
    fn at(&self, prices: &[f64]) -> f64 {
        self.score + self.left.iter().zip(prices).map(|(left, price)| left * price).sum::<f64>()
    }
}

/// Budgets whose prices are looked for together; with more, those that are met anyway stay free.
const MOST_ACTIVE: usize = 4;

/// The evaluations so far, and the limits that prices are looked for under.
pub(super) struct Prices {
    limits: Vec<f64>,
    cuts: Vec<Cut>,
    planes: Vec<Plane>,
    /// Budgets that a network has exceeded: the others cost nothing.
    active: Vec<usize>,
    largest: f64,
}

impl Prices {
    pub fn new(limits: Vec<f64>) -> Self {
        Self { limits, cuts: Vec::new(), planes: Vec::new(), active: Vec::new(), largest: 0.0 }
    }

    /// Looks for prices under other limits from now on.
    pub fn set_limits(&mut self, limits: Vec<f64>) {
        self.limits = limits;
        self.planes.clear();
        self.active.clear();
        self.largest = 0.0;
        for cut in 0..self.cuts.len() {
            self.draw(cut);
        }
    }

    /// The least bound of the evaluations of that level.
    pub fn bound(&self, level: Level) -> Option<f64> {
        self.best(level).map(|cut| cut.bound(&self.limits))
    }

    /// The bound of that level where each number of layers has the prices that are best for it: at most the other one.
    /// Networks of a few layers leave much of a budget, so that no prices are good for all numbers.
    pub fn bound_by_layers(&self, level: Level) -> Option<f64> {
        let cuts: Vec<(f64, &Cut)> =
            (self.cuts.iter().filter(|cut| cut.level == level)).map(|cut| (cut.paid(&self.limits), cut)).collect();
        let numbers = cuts.iter().map(|(_, cut)| cut.by_layers.len()).max().unwrap_or(0);
        let of = |layers: usize| {
            let values = cuts.iter().filter_map(|(paid, cut)| Some(paid + (*cut.by_layers.get(layers)?)?));
            values.reduce(f64::min)
        };
        (0..numbers).filter_map(of).reduce(f64::max)
    }

    /// The prices of the least bound: of a unit of each budget.
    fn best(&self, level: Level) -> Option<&Cut> {
        let cuts = self.cuts.iter().filter(|cut| cut.level == level);
        cuts.min_by(|a, b| a.bound(&self.limits).total_cmp(&b.bound(&self.limits)))
    }

    /// The prices of the least bound: of the whole of each budget, in scores.
    pub fn of_budgets(&self, level: Level) -> Option<Vec<f64>> {
        let best = self.best(level)?;
        Some(best.prices.iter().zip(&self.limits).map(|(price, limit)| price * scale(*limit)).collect())
    }

    /// Takes an evaluation.
    pub fn add(&mut self, cut: Cut) {
        self.cuts.push(cut);
        self.draw(self.cuts.len() - 1);
    }

    /// The plane of an evaluation under the limits.
    fn draw(&mut self, cut: usize) {
        let cut = &self.cuts[cut];
        let left = cut.sums.iter().zip(&self.limits).map(|(sum, limit)| (limit - sum) / scale(*limit));
        let left: Vec<f64> = left.collect();
        for (budget, left) in left.iter().enumerate() {
            if *left < 0.0 && !self.active.contains(&budget) && self.active.len() < MOST_ACTIVE {
                self.active.push(budget);
            }
        }
        self.largest = self.largest.max(4.0 * cut.bound(&self.limits).abs());
        self.planes.push(Plane { level: cut.level, score: cut.score(), left });
    }

    /// The prices of a unit to look at next; none once no prices can improve the bound by more than that share of it.
    pub fn next(&self, level: Level, close: f64) -> Option<Vec<f64>> {
        let mut prices = vec![0.0; self.limits.len()];
        if !self.planes.is_empty() {
            let least = self.lowest(level, &mut prices, 0);
            if self.bound(level).is_some_and(|bound| bound - least <= close * bound.abs()) {
                return None;
            }
        }
        Some(prices.iter().zip(&self.limits).map(|(price, limit)| price / scale(*limit)).collect())
    }

    /// Networks of some channels are networks of all.
    fn model(&self, level: Level, prices: &[f64]) -> f64 {
        let planes = self.planes.iter().filter(|plane| plane.level <= level);
        planes.map(|plane| plane.at(prices)).fold(f64::NEG_INFINITY, f64::max)
    }

    /// Minimises over the active prices from `depth` on by golden sections, one inside the other: the model is convex.
    fn lowest(&self, level: Level, prices: &mut Vec<f64>, depth: usize) -> f64 {
        const GOLDEN: f64 = 0.618_033_988_749_894_8;
        let Some(budget) = self.active.get(depth).copied() else { return self.model(level, prices) };
        let steps = if self.active.len() <= 2 { 60 } else { 26 };
        let (mut low, mut high) = (0.0, self.largest);
        let at = |price: f64, prices: &mut Vec<f64>| {
            prices[budget] = price;
            self.lowest(level, prices, depth + 1)
        };
        let (mut a, mut b) = (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
        let (mut at_a, mut at_b) = (at(a, prices), at(b, prices));
        for _ in 0..steps {
            if at_a <= at_b {
                (high, b, at_b) = (b, a, at_a);
                a = high - GOLDEN * (high - low);
                at_a = at(a, prices);
            } else {
                (low, a, at_a) = (a, b, at_b);
                b = low + GOLDEN * (high - low);
                at_b = at(b, prices);
            }
        }
        at((low + high) / 2.0, prices)
    }
}

/// What a budget's sums are divided by: then prices are those of the whole budget.
fn scale(limit: f64) -> f64 {
    if limit == 0.0 { 1e6 } else { limit.abs() }
}
