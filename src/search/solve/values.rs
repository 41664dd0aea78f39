//! What the operators of each block add to the score and to each budget, for all pairs of channels.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::atom::Atom;
use super::frame::{Frame, KindAt};
use super::slot::{Slot, Values, Var};
use crate::net::SuperBlock;
use crate::score::AdditiveScore;
use crate::search::budget::{AdditiveBudget, Place, Sum};

/// Channel numbers that are chosen among.
#[derive(Clone, Debug)]
pub(super) struct Choices {
    /// Of stem and stages.
    pub widths: Vec<u32>,
    pub bottlenecks: Vec<u32>,
    pub tails: Vec<u32>,
}

/// What each channel number of a block may be.
#[derive(Clone, Copy)]
struct Axes<'c> {
    input: &'c [u32],
    middle: &'c [u32],
    output: &'c [u32],
}

impl<'c> Axes<'c> {
    fn of(&self, var: Var) -> &'c [u32] {
        match var {
            Var::In => self.input,
            Var::Middle => self.middle,
            Var::Out => self.output,
        }
    }
}

/// The score, and the quantities under a budget.
pub(super) struct Measures<'m> {
    pub score: &'m dyn AdditiveScore,
    pub budgets: &'m [AdditiveBudget],
}

impl Measures<'_> {
    /// Score and budgets.
    pub fn len(&self) -> usize {
        1 + self.budgets.len()
    }

    fn value(&self, measure: usize, atom: &Atom, place: Place) -> f64 {
        match (measure, atom) {
            (0, Atom::Operator(operator)) => {
                let last = place == Place::Tail && operator.trunk_conv().is_some();
                let value = self.score.value(operator, place == Place::Stem);
                value + if last { self.score.last(operator) } else { 0.0 }
            }
            (0, Atom::Fused(_)) => 0.0,
            (_, atom) => match (&self.budgets[measure - 1].sum, atom) {
                (Sum::Operators(of), Atom::Operator(operator)) => of(operator, place),
                (Sum::Fused(of), Atom::Fused(key)) => of(key),
                _ => 0.0,
            },
        }
    }
}

/// One matrix for each measure.
pub(super) type Matrices = Vec<Arc<Vec<f32>>>;

/// What a kind of block adds at one place: the first layer of a block in three parts, each further layer in one.
#[derive(Debug)]
pub(super) struct KindValues {
    /// `[input][middle]`
    pub inward: Matrices,
    /// `[input][output]`
    pub across: Matrices,
    /// `[middle][output]`
    pub outward: Matrices,
    /// `[middle][output]`
    pub further: Matrices,
}

/// Everything that is added up.
#[derive(Debug)]
pub(super) struct AllValues {
    /// `[measure][output]`
    pub stem: Vec<Vec<f64>>,
    /// By spot and kind.
    pub spots: Vec<Vec<KindValues>>,
    /// `[input][tail]`
    pub tail: Matrices,
}

/// Rows, columns and operators of a matrix.
type Key = (usize, Place, Vec<Slot>, (Var, Var));

impl AllValues {
    pub fn new(frame: &Frame, choices: &Choices, measures: &Measures<'_>, threads: usize) -> Self {
        let Choices { widths, bottlenecks, tails } = choices;
        let mut filler = Filler::new(Axes { input: widths, middle: bottlenecks, output: widths }, measures, threads);
        let spots = frame.all.iter().map(|spot| spot.kinds.iter().map(|kind| filler.kind(kind)).collect()).collect();
        let mut filler = Filler::new(Axes { input: widths, middle: &[], output: tails }, measures, threads);
        let tail = filler.matrices(Place::Tail, &frame.tail, (Var::In, Var::Out));
        Self { stem: stem(frame, widths, measures), spots, tail }
    }
}

fn stem(frame: &Frame, widths: &[u32], measures: &Measures<'_>) -> Vec<Vec<f64>> {
    let of_width = |width: &u32| -> Vec<f64> {
        let block = SuperBlock { out_channels: *width, ..frame.skeleton.stem };
        // The frame was made from this block, so it lowers.
        let atoms = super::slot::of_network(block, &frame.options, false).unwrap_or_default();
        let sum = |measure| atoms.iter().map(|atom| measures.value(measure, atom, Place::Stem)).sum();
        (0..measures.len()).map(sum).collect()
    };
    let all: Vec<Vec<f64>> = widths.iter().map(of_width).collect();
    (0..measures.len()).map(|measure| all.iter().map(|values| values[measure]).collect()).collect()
}

/// Rows, columns and one operator.
type SlotKey = (usize, Place, Slot, (Var, Var));

/// Fills matrices, each distinct one once.
struct Filler<'f> {
    axes: Axes<'f>,
    measures: &'f Measures<'f>,
    threads: usize,
    sums: FxHashMap<Key, Arc<Vec<f32>>>,
    slots: FxHashMap<SlotKey, Arc<Vec<f32>>>,
}

impl<'f> Filler<'f> {
    fn new(axes: Axes<'f>, measures: &'f Measures<'f>, threads: usize) -> Self {
        Self { axes, measures, threads, sums: FxHashMap::default(), slots: FxHashMap::default() }
    }

    fn kind(&mut self, kind: &KindAt) -> KindValues {
        KindValues {
            inward: self.matrices(Place::Stage, &kind.first.inward, (Var::In, Var::Middle)),
            across: self.matrices(Place::Stage, &kind.first.across, (Var::In, Var::Out)),
            outward: self.matrices(Place::Stage, &kind.first.outward, (Var::Middle, Var::Out)),
            further: self.matrices(Place::Stage, &kind.further, (Var::Middle, Var::Out)),
        }
    }

    fn matrices(&mut self, place: Place, slots: &[Slot], vars: (Var, Var)) -> Matrices {
        (0..self.measures.len()).map(|measure| self.sum(measure, place, slots, vars)).collect()
    }

    fn sum(&mut self, measure: usize, place: Place, slots: &[Slot], vars: (Var, Var)) -> Arc<Vec<f32>> {
        // Most operators add nothing to most measures.
        let slots: Vec<Slot> = slots.iter().filter(|slot| self.counts(measure, slot)).copied().collect();
        let key = (measure, place, slots, vars);
        if let Some(found) = self.sums.get(&key) {
            return found.clone();
        }
        let matrices: Vec<Arc<Vec<f32>>> = key.2.iter().map(|slot| self.slot(measure, place, slot, vars)).collect();
        let sum = match &matrices[..] {
            [one] => one.clone(),
            many => {
                let mut sum = vec![0.0f32; self.axes.of(vars.0).len() * self.axes.of(vars.1).len()];
                many.iter().for_each(|matrix| sum.iter_mut().zip(matrix.iter()).for_each(|(a, b)| *a += b));
                Arc::new(sum)
            }
        };
        self.sums.insert(key, sum.clone());
        sum
    }

    /// Whether the measure looks at operators of this form.
    fn counts(&self, measure: usize, slot: &Slot) -> bool {
        let wants_fused = measure > 0 && matches!(self.measures.budgets[measure - 1].sum, Sum::Fused(_));
        matches!(slot.template(), Atom::Fused(_)) == wants_fused
    }

    fn slot(&mut self, measure: usize, place: Place, slot: &Slot, vars: (Var, Var)) -> Arc<Vec<f32>> {
        let key = (measure, place, *slot, vars);
        if let Some(found) = self.slots.get(&key) {
            return found.clone();
        }
        let (rows, columns) = (self.axes.of(vars.0), self.axes.of(vars.1));
        let value = |row: u32, column: u32| {
            let mut values = Values { input: 0, middle: 0, output: 0 };
            values.set(vars.0, row);
            values.set(vars.1, column);
            slot.at(values).map_or(0.0, |atom| self.measures.value(measure, &atom, place) as f32)
        };
        let depends = slot.vars();
        let mut matrix = vec![0.0f32; rows.len() * columns.len()];
        match (depends.contains(&vars.0), depends.contains(&vars.1)) {
            (true, true) => {
                let share = rows.len().div_ceil(self.threads.max(1)).max(1);
                std::thread::scope(|scope| {
                    for (part, rows) in matrix.chunks_mut(share * columns.len()).zip(rows.chunks(share)) {
                        scope.spawn(move || {
                            for (line, row) in part.chunks_mut(columns.len()).zip(rows) {
                                line.iter_mut().zip(columns).for_each(|(cell, column)| *cell = value(*row, *column));
                            }
                        });
                    }
                });
            }
            (true, false) => {
                let lines = matrix.chunks_mut(columns.len().max(1)).zip(rows);
                lines.for_each(|(line, row)| line.fill(value(*row, columns[0])));
            }
            _ => {
                let line: Vec<f32> = columns.iter().map(|column| value(rows[0], *column)).collect();
                matrix.chunks_mut(columns.len().max(1)).for_each(|part| part.copy_from_slice(&line));
            }
        }
        let matrix = Arc::new(matrix);
        self.slots.insert(key, matrix.clone());
        matrix
    }
}
