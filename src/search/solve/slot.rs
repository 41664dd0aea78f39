//! The operators of one layer as functions of its channels, found by lowering it with telling numbers.
//!
//! A layer is lowered with channel numbers that cannot be mistaken for each other; the channels of each of its
//! operators then say whose multiple they are. So a block family is solved without being described a second time.
//! Layers whose operators look at more than two of their three channel numbers, or at other functions of them, are
//! refused by name.

use super::SolveError;
use super::atom::Atom;
use crate::latency::{Fuser, OperatorKey};
use crate::net::block::round8;
use crate::net::{Branch, LoneOperator, LowerOptions, Network, OperatorKind, Shape, SuperBlock, reduced_channels};

/// A channel number of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Var {
    In,
    Middle,
    Out,
}

/// Channel numbers of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values {
    pub input: u32,
    pub middle: u32,
    pub output: u32,
}

impl Values {
    pub fn set(&mut self, var: Var, channels: u32) {
        match var {
            Var::In => self.input = channels,
            Var::Middle => self.middle = channels,
            Var::Out => self.output = channels,
        }
    }

    fn of(self, var: Var) -> u32 {
        match var {
            Var::In => self.input,
            Var::Middle => self.middle,
            Var::Out => self.output,
        }
    }
}

/// A number of channels of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Expression {
    Fixed(u32),
    /// A block's number, expanded and rounded to a multiple of 8 where `expansion` says so, then reduced as
    /// squeeze-and-excitation does.
    Of {
        var: Var,
        expansion: Option<u32>,
        reduced: bool,
    },
}

impl Expression {
    fn at(self, values: Values) -> u32 {
        match self {
            Self::Fixed(channels) => channels,
            Self::Of { var, expansion, reduced } => {
                let channels = values.of(var);
                let channels = expansion.map_or(channels, |times| round8(f64::from(channels) * f64::from(times)));
                if reduced { reduced_channels(channels) } else { channels }
            }
        }
    }

    pub(super) fn var(self) -> Option<Var> {
        match self {
            Self::Fixed(_) => None,
            Self::Of { var, .. } => Some(var),
        }
    }

    /// The expression that has both values for both sets of numbers.
    fn find(found: [u32; 2], values: [Values; 2]) -> Option<Self> {
        if found[0] == found[1] {
            return Some(Self::Fixed(found[0]));
        }
        let expansions = std::iter::once(None).chain((1..=8).map(Some));
        let all = [Var::In, Var::Middle, Var::Out].into_iter().flat_map(|var| {
            let expansions = expansions.clone();
            expansions.flat_map(move |expansion| [false, true].map(|reduced| Self::Of { var, expansion, reduced }))
        });
        let mut all = all;
        all.find(|expression| (0..2).all(|i| expression.at(values[i]) == found[i]))
    }
}

/// An operator of a layer, for any channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Slot {
    atom: Atom,
    pub input: Expression,
    pub output: Expression,
    /// It is there only where these differ.
    pub unless_equal: Option<(Var, Var)>,
}

impl Slot {
    /// The operator for these channels; none where it is not there.
    pub fn at(&self, values: Values) -> Option<Atom> {
        match self.unless_equal {
            Some((a, b)) if values.of(a) == values.of(b) => None,
            _ => Some(self.place(values)),
        }
    }

    fn place(&self, values: Values) -> Atom {
        with_channels(&self.atom, self.input.at(values), self.output.at(values))
    }

    /// The operator with the telling numbers that found it.
    pub fn template(&self) -> &Atom {
        &self.atom
    }

    /// The numbers it depends on, in order.
    pub fn vars(&self) -> Vec<Var> {
        let condition = self.unless_equal.into_iter().flat_map(|(a, b)| [a, b]);
        let mut vars: Vec<Var> = self.input.var().into_iter().chain(self.output.var()).chain(condition).collect();
        vars.sort_unstable();
        vars.dedup();
        vars
    }
}

/// Which operators of a super-block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Those of its first layer.
    First,
    /// Those of each further layer, which reads what it writes.
    Further,
    /// Those of its only layer, and the head.
    WithHead,
}

/// The operators of a block of this kind and stride whose input has `side` pixels on each side.
///
/// # Errors
/// When the layer cannot be written as slots.
pub(super) fn slots(
    block: &SuperBlock,
    part: Part,
    options: &LowerOptions,
    side: u32,
) -> Result<Vec<Slot>, SolveError> {
    /// Primes far from each other, so that neither they nor their multiples are equal, rounded or not.
    const TELLING: [Values; 2] =
        [Values { input: 1009, middle: 1201, output: 1409 }, Values { input: 1021, middle: 1213, output: 1423 }];
    let name = block.kind.name();
    let options = LowerOptions { resolution: side, ..*options };
    let lists = [atoms(block, part, TELLING[0], &options)?, atoms(block, part, TELLING[1], &options)?];
    let unclear = |what: &str| SolveError::Block { name, reason: what.to_owned() };
    if lists[0].len() != lists[1].len() {
        return Err(unclear("its operators depend on its channels"));
    }
    let mut slots = Vec::with_capacity(lists[0].len());
    for (first, second) in lists[0].iter().zip(&lists[1]) {
        let [(in_a, out_a), (in_b, out_b)] = [channels(first), channels(second)];
        let input = Expression::find([in_a, in_b], TELLING);
        let output = Expression::find([out_a, out_b], TELLING);
        let (Some(input), Some(output)) = (input, output) else {
            return Err(unclear("an operator's channels are another function of its arguments"));
        };
        let slot = Slot { atom: *first, input, output, unless_equal: None };
        if slot.place(TELLING[0]) != *first || slot.place(TELLING[1]) != *second {
            return Err(unclear("its operators depend on its channels"));
        }
        slots.push(slot);
    }
    // What is left out where two of the numbers are equal.
    let Values { input, middle, output } = TELLING[0];
    for (pair, values) in [
        ((Var::In, Var::Middle), Values { input: middle, middle, output }),
        ((Var::Middle, Var::Out), Values { input, middle: output, output }),
        ((Var::In, Var::Out), Values { input: output, middle, output }),
    ] {
        let mut there = atoms(block, part, values, &options)?;
        for slot in &mut slots {
            match there.iter().position(|atom| *atom == slot.place(values)) {
                Some(place) => {
                    there.swap_remove(place);
                }
                None if slot.unless_equal.is_none() => slot.unless_equal = Some(pair),
                None => return Err(unclear("an operator is left out for several reasons")),
            }
        }
        if !there.is_empty() {
            return Err(unclear("an operator appears where channels are equal"));
        }
    }
    match slots.iter().find(|slot| slot.vars().len() > 2) {
        Some(_) => Err(unclear("an operator depends on three channel numbers")),
        None => Ok(slots),
    }
}

/// The operators of a block with these channels, as the graph and as runtimes have them.
pub(super) fn atoms(
    block: &SuperBlock,
    part: Part,
    values: Values,
    options: &LowerOptions,
) -> Result<Vec<Atom>, SolveError> {
    let one = SuperBlock {
        in_channels: values.input,
        out_channels: values.output,
        bottleneck: block.bottleneck.map(|_| values.middle),
        sub_layers: 1,
        ..*block
    };
    let single = of_network(one, options, part == Part::WithHead)?;
    if part != Part::Further {
        return Ok(single);
    }
    let double = of_network(SuperBlock { sub_layers: 2, ..one }, options, false)?;
    // Operators of the graph come first in both, then those of runtimes.
    let split = |atoms: Vec<Atom>| -> (Vec<Atom>, Vec<Atom>) {
        atoms.into_iter().partition(|atom| matches!(atom, Atom::Operator(_)))
    };
    let (single, double) = (split(single), split(double));
    Ok(double.0[single.0.len()..].iter().chain(&double.1[single.1.len()..]).copied().collect())
}

pub(super) fn of_network(block: SuperBlock, options: &LowerOptions, with_head: bool) -> Result<Vec<Atom>, SolveError> {
    let graph = Network::from_chained(vec![block]).lower(options)?;
    let wanted = |branch: Branch| with_head || branch != Branch::Head;
    let operators = graph.operators().iter().filter(|operator| wanted(operator.branch));
    let operators = operators.filter(|operator| operator.kind != OperatorKind::Input);
    let mut found: Vec<Atom> = operators.map(|operator| Atom::Operator(graph.lone(operator))).collect();
    let mut fuser = Fuser::default();
    let keys = fuser.fuse(&graph).to_vec();
    let of_head: Vec<usize> = (fuser.owners().zip(graph.operators()))
        .filter(|(_, operator)| !wanted(operator.branch))
        .filter_map(|(owner, _)| owner)
        .collect();
    found.extend(keys.iter().enumerate().filter(|(i, _)| !of_head.contains(i)).map(|(_, key)| Atom::Fused(*key)));
    Ok(found)
}

fn channels(atom: &Atom) -> (u32, u32) {
    match atom {
        Atom::Operator(operator) => (operator.input.channels, operator.output.channels),
        Atom::Fused(key) => (key.in_channels, key.out_channels),
    }
}

/// The same operator with other channels; one that had a group for each has them again.
fn with_channels(atom: &Atom, in_channels: u32, out_channels: u32) -> Atom {
    let grouped = |groups: u32, before: u32| if groups > 1 && groups == before { in_channels } else { groups };
    match *atom {
        Atom::Operator(LoneOperator { kind, branch, input, output }) => {
            let kind = match kind {
                OperatorKind::Conv { kernel, stride, groups, bias } => {
                    OperatorKind::Conv { kernel, stride, groups: grouped(groups, input.channels), bias }
                }
                other => other,
            };
            let (input, output) =
                (Shape { channels: in_channels, ..input }, Shape { channels: out_channels, ..output });
            Atom::Operator(LoneOperator { kind, branch, input, output })
        }
        Atom::Fused(key) => {
            let groups = grouped(key.groups, key.in_channels);
            Atom::Fused(OperatorKey { in_channels, out_channels, groups, ..key })
        }
    }
}
