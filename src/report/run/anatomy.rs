//! The winner stage by stage, with where the milliseconds of its predictions go and how each is known.
//!
//! A stage is what has maps of one side. Its times are the operators' of the prediction in `best.json`: no table is
//! needed. Not here: how it is drawn (`drawn`).

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::data::Data;
use crate::latency::Fuser;
use crate::net::{Branch, Graph, Network};

/// Every list of times has one for each setting, in the order of the predictions.
#[derive(Debug, Default, Serialize)]
pub(super) struct Anatomy {
    pub stages: Vec<Stage>,
    /// Global pooling and classifier.
    pub head: Vec<Time>,
    /// By kind of operator, the slowest first.
    pub kinds: Vec<Vec<Kind>>,
    /// What the predicted latency has beyond its operators: the call itself.
    pub call_ms: Vec<f64>,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Stage {
    /// Height and width of its maps in pixels.
    pub side: u32,
    pub blocks: Vec<Block>,
    pub times: Vec<Time>,
}

#[derive(Debug, Serialize)]
pub(super) struct Block {
    pub name: String,
    pub in_channels: u32,
    pub out_channels: u32,
    pub bottleneck: Option<u32>,
    pub layers: u32,
    pub stride: u32,
    pub times: Vec<Time>,
}

#[derive(Debug, Serialize)]
pub(super) struct Kind {
    /// E.g. `conv 3x3`.
    pub kind: String,
    pub operators: u32,
    #[serde(flatten)]
    pub time: Time,
}

/// Milliseconds of some operators.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Time {
    pub ms: f64,
    /// Of the time of all operators.
    pub share: f64,
    /// Shares of `ms`, which add up to 1.
    pub measured: f64,
    pub interpolated: f64,
    pub fitted: f64,
    /// Outside the shapes that the table covers.
    pub extrapolated: f64,
}

impl Time {
    fn add(&mut self, operator: &OperatorTime) {
        self.ms += operator.ms;
        let part = match operator.evidence {
            _ if operator.extrapolated => &mut self.extrapolated,
            "measured" => &mut self.measured,
            "interpolated" => &mut self.interpolated,
            _ => &mut self.fitted,
        };
        *part += operator.ms;
    }

    /// Turns milliseconds into shares; `all_ms` is the time of all operators.
    fn divide_by(&mut self, all_ms: f64) {
        self.share = self.ms / all_ms.max(f64::MIN_POSITIVE);
        for part in [&mut self.measured, &mut self.interpolated, &mut self.fitted, &mut self.extrapolated] {
            *part /= self.ms.max(f64::MIN_POSITIVE);
        }
    }
}

/// A fused operator as `best.json` has it.
struct OperatorTime<'v> {
    key: &'v str,
    ms: f64,
    evidence: &'v str,
    extrapolated: bool,
}

impl<'v> OperatorTime<'v> {
    fn read(value: &'v Value) -> Option<Self> {
        Some(Self {
            key: value["key"].as_str()?,
            ms: value["ms"].as_f64().filter(|ms| *ms >= 0.0)?,
            evidence: value["evidence"].as_str().unwrap_or_default(),
            extrapolated: value["extrapolated"] == true,
        })
    }

    /// Kind, and the window where it has one.
    fn kind(&self) -> String {
        let mut words = self.key.split(' ');
        let kind = words.next().unwrap_or_default();
        match words.next().filter(|word| word.contains('x') && !word.contains("->")) {
            Some(window) => format!("{kind} {window}"),
            None => kind.to_owned(),
        }
    }
}

/// None where this version cannot read the winner's structure.
pub(super) fn of(data: &Data) -> Option<Anatomy> {
    let network = Network::parse(data.text("/best/structure")?).ok()?;
    let graph = network.lower(&data.lower_options()).ok()?;
    let mut anatomy = Anatomy { stages: stages(&network, &graph), ..Anatomy::default() };
    let owners = owners(&graph);
    for latency in data.latencies() {
        let operators = data.get(&format!("{latency}/operators")).and_then(Value::as_array)?;
        let operators: Option<Vec<_>> = operators.iter().map(OperatorTime::read).collect();
        // Another version may fuse otherwise: then nothing is said about where the time goes.
        let operators = operators.filter(|operators| operators.len() == owners.len())?;
        let predicted_ms = data.number(&format!("{latency}/ms"))?;
        anatomy.divide(&operators, &owners, predicted_ms);
    }
    Some(anatomy)
}

/// The blocks, put together where their maps have one side.
fn stages(network: &Network, graph: &Graph) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    for (i, block) in network.blocks().iter().enumerate() {
        let mut own =
            graph.operators().iter().filter(|op| op.branch == Branch::Trunk && usize::from(op.origin.block) == i);
        let side = own.next_back().map_or(0, |operator| operator.shape.height);
        if stages.last().is_none_or(|stage| stage.side != side) {
            stages.push(Stage { side, ..Stage::default() });
        }
        let drawn = Block {
            name: block.kind.name().to_owned(),
            in_channels: block.in_channels,
            out_channels: block.out_channels,
            bottleneck: block.bottleneck,
            layers: block.sub_layers,
            stride: block.stride,
            times: Vec::new(),
        };
        if let Some(stage) = stages.last_mut() {
            stage.blocks.push(drawn);
        }
    }
    stages
}

/// For each fused operator the block that it begins in; none in the head.
fn owners(graph: &Graph) -> Vec<Option<usize>> {
    let mut fuser = Fuser::default();
    let mut owners = vec![None; fuser.fuse(graph).len()];
    let mut seen = vec![false; owners.len()];
    for (operator, owner) in graph.operators().iter().zip(fuser.owners()) {
        let Some(owner) = owner else { continue };
        if !std::mem::replace(&mut seen[owner], true) && operator.branch != Branch::Head {
            owners[owner] = Some(usize::from(operator.origin.block));
        }
    }
    owners
}

impl Anatomy {
    /// Adds the times of one setting.
    fn divide(&mut self, operators: &[OperatorTime<'_>], owners: &[Option<usize>], predicted_ms: f64) {
        let blocks: usize = self.stages.iter().map(|stage| stage.blocks.len()).sum();
        let mut by_block = vec![Time::default(); blocks];
        let mut head = Time::default();
        let mut by_kind: BTreeMap<String, Kind> = BTreeMap::new();
        let mut all_ms = 0.0;
        for (operator, owner) in operators.iter().zip(owners) {
            all_ms += operator.ms;
            owner.and_then(|block| by_block.get_mut(block)).unwrap_or(&mut head).add(operator);
            let name = operator.kind();
            let kind = by_kind.entry(name.clone()).or_insert(Kind { kind: name, operators: 0, time: Time::default() });
            kind.operators += 1;
            kind.time.add(operator);
        }
        let mut times = by_block.into_iter();
        for stage in &mut self.stages {
            let mut whole = Time::default();
            for (block, mut time) in stage.blocks.iter_mut().zip(times.by_ref()) {
                for (sum, part) in [
                    (&mut whole.ms, time.ms),
                    (&mut whole.measured, time.measured),
                    (&mut whole.interpolated, time.interpolated),
                    (&mut whole.fitted, time.fitted),
                    (&mut whole.extrapolated, time.extrapolated),
                ] {
                    *sum += part;
                }
                time.divide_by(all_ms);
                block.times.push(time);
            }
            whole.divide_by(all_ms);
            stage.times.push(whole);
        }
        head.divide_by(all_ms);
        self.head.push(head);
        let mut kinds: Vec<_> = by_kind.into_values().collect();
        kinds.iter_mut().for_each(|kind| kind.time.divide_by(all_ms));
        kinds.sort_by(|a, b| b.time.ms.total_cmp(&a.time.ms));
        self.kinds.push(kinds);
        self.call_ms.push((predicted_ms - all_ms).max(0.0));
    }
}
