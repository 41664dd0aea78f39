//! The problem as the solver sees it: stages with their sides and the operators of each kind of block, as slots.

use super::SolveError;
use super::atom::Atom;
use super::slot::{Part, Slot, Var, slots};
use crate::net::block::BlockKind;
use crate::net::{LowerOptions, SuperBlock};
use crate::score::AdditiveScore;
use crate::space::{Skeleton, Stage};

/// Operators of a block by the channels they depend on.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer {
    /// On input and middle.
    pub inward: Vec<Slot>,
    /// On input and output.
    pub across: Vec<Slot>,
    /// On middle and output.
    pub outward: Vec<Slot>,
}

/// A kind of block at one place.
#[derive(Clone, Debug)]
pub(super) struct KindAt {
    pub kind: BlockKind,
    pub first: Layer,
    /// Each further layer: what depends on middle and output alone.
    pub further: Vec<Slot>,
}

/// Blocks that read maps of one side with one stride, in one stage.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub stage: usize,
    pub stride: u32,
    pub side: u32,
    pub kinds: Vec<KindAt>,
}

/// Stem, stages and tail with their sides.
#[derive(Debug)]
pub(super) struct Frame {
    pub skeleton: Skeleton,
    pub options: LowerOptions,
    /// Of each stage: the spot of its first block, and that of all others.
    pub spots: Vec<(usize, usize)>,
    pub all: Vec<Spot>,
    pub tail_side: u32,
    pub tail: Vec<Slot>,
}

impl Frame {
    /// # Errors
    /// When a block cannot be written as slots, or the image is too small.
    pub fn new(skeleton: Skeleton, options: LowerOptions) -> Result<Self, SolveError> {
        let mut side = options.resolution.div_ceil(skeleton.stem.stride);
        let mut all: Vec<Spot> = Vec::new();
        let mut spots = Vec::new();
        for (i, stage) in skeleton.stages.iter().enumerate() {
            let out_side = side.div_ceil(stage.stride);
            let first = Spot::new(i, stage, stage.stride, side, &options)?;
            all.push(first);
            let next = if stage.stride == 1 {
                all.len() - 1
            } else {
                all.push(Spot::new(i, stage, 1, out_side, &options)?);
                all.len() - 1
            };
            spots.push((if stage.stride == 1 { next } else { next - 1 }, next));
            side = out_side;
        }
        let tail = slots(&skeleton.tail, Part::WithHead, &options, side)?;
        if tail.iter().any(|slot| slot.vars().contains(&Var::Middle)) {
            return Err(SolveError::Block { name: skeleton.tail.kind.name(), reason: "it ends a network".to_owned() });
        }
        Ok(Self { skeleton, options, spots, all, tail_side: side, tail })
    }

    /// The most that the score's end can be worth, by layers of all stages (index; none where there is no such network).
    pub fn ends(&self, score: &dyn AdditiveScore, most_layers: usize) -> Vec<Option<f64>> {
        let mut before = vec![None; most_layers + 1];
        before[0] = Some(score.carry_start());
        let best = |spot: &Spot, carry: Option<f64>| {
            let through = |kind: &KindAt| {
                let slots = kind.first.inward.iter().chain(&kind.first.across).chain(&kind.first.outward);
                carried(score, carry?, slots)
            };
            spot.kinds.iter().filter_map(through).fold(None, larger)
        };
        for (first, next) in &self.spots {
            let mut after = vec![None; most_layers + 1];
            for layers in 0..most_layers {
                after[layers + 1] =
                    larger_option(best(&self.all[*first], before[layers]), best(&self.all[*next], after[layers]));
            }
            before = after;
        }
        let tail = |carry: Option<f64>| carried(score, carry?, self.tail.iter()).map(|carry| score.end(carry));
        before.into_iter().map(tail).collect()
    }
}

/// The scalar behind operators of the graph; their order among kinds of slots does not matter for the largest one, as
/// layers of one kind have the same sides but for a stride.
fn carried<'s>(score: &dyn AdditiveScore, carry: f64, slots: impl Iterator<Item = &'s Slot>) -> Option<f64> {
    Some(slots.fold(carry, |carry, slot| match slot.template() {
        Atom::Operator(operator) => score.carry(carry, operator),
        Atom::Fused(_) => carry,
    }))
}

fn larger(a: Option<f64>, b: f64) -> Option<f64> {
    Some(a.map_or(b, |a| a.max(b)))
}

fn larger_option(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (a, b) => a.or(b),
    }
}

impl Spot {
    fn new(stage: usize, frame: &Stage, stride: u32, side: u32, options: &LowerOptions) -> Result<Self, SolveError> {
        let kinds = frame.kinds.iter().map(|kind| KindAt::new(*kind, stride, side, options));
        Ok(Self { stage, stride, side, kinds: kinds.collect::<Result<_, _>>()? })
    }
}

impl KindAt {
    fn new(kind: BlockKind, stride: u32, side: u32, options: &LowerOptions) -> Result<Self, SolveError> {
        let bottleneck = kind.family().bottleneck.then_some(8);
        let block = SuperBlock { kind, in_channels: 8, out_channels: 8, stride, bottleneck, sub_layers: 1 };
        let mut first = Layer::default();
        for slot in slots(&block, Part::First, options, side)? {
            let vars = slot.vars();
            match (vars.contains(&Var::In), vars.contains(&Var::Out)) {
                (true, true) => first.across.push(slot),
                (true, false) => first.inward.push(slot),
                (false, _) => first.outward.push(slot),
            }
        }
        let further = slots(&block, Part::Further, options, side)?;
        if further.iter().any(|slot| slot.vars().contains(&Var::In)) {
            let reason = "its second layer depends on what its first one reads".to_owned();
            return Err(SolveError::Block { name: kind.name(), reason });
        }
        Ok(Self { kind, first, further })
    }
}
