//! Prices of the budgets: those at which the best network with prices is the least valuable.
//!
//! For any prices the best value is an upper bound; it is convex in them, so every evaluation gives a plane below it. The
//! next prices are those where the highest of the planes is lowest (Kelley, 1960).

/// An evaluation: the bound at some prices, and how it changes with each.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    pub at: Vec<f64>,
    pub value: f64,
    pub slopes: Vec<f64>,
}

impl Cut {
    fn below(&self, prices: &[f64]) -> f64 {
        let moved = self.at.iter().zip(prices).zip(&self.slopes).map(|((at, price), slope)| (price - at) * slope);
        self.value + moved.sum::<f64>()
    }
}

/// Budgets whose prices are looked for together; with more, those that are met anyway stay free.
const MOST_ACTIVE: usize = 4;

/// The evaluations so far.
pub(super) struct Prices {
    cuts: Vec<Cut>,
    /// Prices with the least bound.
    best: Vec<f64>,
    bound: Option<f64>,
    /// Budgets that a network has exceeded: the others cost nothing.
    active: Vec<usize>,
    largest: f64,
}

impl Prices {
    pub fn new(scales: Vec<f64>) -> Self {
        Self { cuts: Vec::new(), best: vec![0.0; scales.len()], bound: None, active: Vec::new(), largest: 0.0 }
    }

    /// The least bound.
    pub fn bound(&self) -> Option<f64> {
        self.bound
    }

    /// The prices of the least bound.
    pub fn best(&self) -> &[f64] {
        &self.best
    }

    /// The evaluations so far were of a part of the networks: planes below them stay below, their bounds do not hold.
    pub fn forget_bound(&mut self) {
        self.bound = None;
    }

    /// Takes an evaluation; `rounding` is what the bound may be too low by.
    pub fn add(&mut self, cut: Cut, rounding: f64) {
        for (budget, slope) in cut.slopes.iter().enumerate() {
            if *slope < 0.0 && !self.active.contains(&budget) && self.active.len() < MOST_ACTIVE {
                self.active.push(budget);
            }
        }
        self.largest = self.largest.max(4.0 * cut.value.abs());
        let bound = cut.value + rounding;
        if self.bound.is_none_or(|best| bound < best) {
            self.bound = Some(bound);
            self.best = cut.at.clone();
        }
        self.cuts.push(cut);
    }

    /// The prices to look at next; none once no prices can improve the bound by more than that share of it.
    pub fn next(&self, close: f64) -> Option<Vec<f64>> {
        if self.cuts.is_empty() {
            return Some(self.best.clone());
        }
        let mut prices = vec![0.0; self.best.len()];
        let least = self.lowest(&mut prices, 0);
        match self.bound {
            Some(bound) if bound - least <= close * bound.abs() => None,
            _ => Some(prices),
        }
    }

    fn model(&self, prices: &[f64]) -> f64 {
        self.cuts.iter().map(|cut| cut.below(prices)).fold(f64::NEG_INFINITY, f64::max)
    }

    /// Minimises over the active prices from `depth` on by golden sections, one inside the other: the model is convex.
    fn lowest(&self, prices: &mut Vec<f64>, depth: usize) -> f64 {
        const GOLDEN: f64 = 0.618_033_988_749_894_8;
        let Some(budget) = self.active.get(depth).copied() else { return self.model(prices) };
        let steps = if self.active.len() <= 2 { 60 } else { 26 };
        let (mut low, mut high) = (0.0, self.largest);
        let at = |this: &Self, price: f64, prices: &mut Vec<f64>| {
            prices[budget] = price;
            this.lowest(prices, depth + 1)
        };
        let (mut a, mut b) = (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
        let (mut at_a, mut at_b) = (at(self, a, prices), at(self, b, prices));
        for _ in 0..steps {
            if at_a <= at_b {
                (high, b, at_b) = (b, a, at_a);
                a = high - GOLDEN * (high - low);
                at_a = at(self, a, prices);
            } else {
                (low, a, at_a) = (a, b, at_b);
                b = low + GOLDEN * (high - low);
                at_b = at(self, b, prices);
            }
        }
        at(self, (low + high) / 2.0, prices)
    }
}
