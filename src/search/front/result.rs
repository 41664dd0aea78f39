//! A front with everything known about its points, and its files: the same bytes for the same search.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::super::budget::{BudgetUse, Latency};
use super::super::finalists::as_text;
use super::super::run::{Outcome, write_results};
use super::super::run_dir::FRONT;
use super::super::{Counts, Evolution, Finalist, Member, Population, RunDirectory, StopReason, Winner};
use super::super::{RunSpec, SearchConfig, SearchError};
use super::hypervolume::hypervolume;
use super::nsga::{crowding, dominates};
use super::{Along, Found, SCORE};
use crate::latency::Predictor;
use crate::net::{Graph, Network};

/// The networks of which none is beaten by another in all axes.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Front {
    pub axes: Vec<FrontAxis>,
    /// Best score first.
    pub points: Vec<FrontPoint>,
    /// What the points dominate: costs as shares of their largest limit, scores above 0.
    pub hypervolume: f64,
    /// Limits that no network was found for.
    pub left_out: Vec<Vec<f64>>,
    /// What the bounds hold for, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub superset: Option<String>,
    /// Why NSGA-II evolved the front; it was solved if absent.
    pub not_solved: Option<String>,
}

/// What one of a point's values is.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct FrontAxis {
    pub name: String,
    pub unit: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setting: Option<String>,
    /// Where values are what a latency stays below with that probability, not the predictions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// The largest limit; none for the score.
    pub most: Option<f64>,
}

/// A network of a front.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct FrontPoint {
    /// From 1, best score first.
    pub rank: u32,
    #[serde(serialize_with = "as_text")]
    #[schemars(with = "String")]
    pub structure: Network,
    pub score: f64,
    /// In the order of the axes.
    pub values: Vec<f64>,
    /// As predicted, for the axes with a confidence.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub predicted_ms: Vec<f64>,
    /// No network that costs at most as much has a higher score, if that is proven.
    pub bound: Option<f64>,
    /// How far the bound is above the score.
    pub gap_percent: Option<f64>,
    pub layers: u32,
    pub parameters: u64,
    pub flops: u64,
}

impl Front {
    pub(super) fn new(config: &SearchConfig, along: &[Along], found: Vec<Found>) -> Result<Self, SearchError> {
        let axes = along.iter().map(|axis| FrontAxis::of(config, *axis)).collect();
        let mut points = Vec::with_capacity(found.len());
        for Found { network, score, bound } in found {
            let uses = config.budget_uses(&network)?;
            points.push(FrontPoint::new(config, along, network, score, bound, &uses)?);
        }
        let mut front = Self { axes, points, hypervolume: 0.0, left_out: Vec::new(), superset: None, not_solved: None };
        front.keep_undominated();
        Ok(front)
    }

    /// All axes to be small.
    fn aims(&self) -> Vec<Vec<f64>> {
        let aim = |(value, axis): (&f64, &FrontAxis)| axis.most.map_or(-value, |most| value / most);
        self.points.iter().map(|point| point.values.iter().zip(&self.axes).map(aim).collect()).collect()
    }

    fn keep_undominated(&mut self) {
        let aims = self.aims();
        let is_kept = |i: &usize| !aims.iter().any(|other| dominates(other, &aims[*i]));
        let kept: Vec<usize> = (0..aims.len()).filter(is_kept).collect();
        self.points = kept.into_iter().map(|i| self.points[i].clone()).collect();
        self.points
            .sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.structure.blocks().cmp(b.structure.blocks())));
        // Of networks that are equal in all axes the first.
        self.points.dedup_by(|a, b| a.values == b.values);
        self.points.iter_mut().zip(1..).for_each(|(point, rank)| point.rank = rank);
        let reference: Vec<f64> = self.axes.iter().map(|axis| if axis.most.is_some() { 1.0 } else { 0.0 }).collect();
        self.hypervolume = hypervolume(&self.aims(), &reference);
    }

    /// Keeps so many points, leaving out those with the least room first.
    pub(super) fn thin(&mut self, most: usize) {
        while self.points.len() > most.max(1) {
            let aims = self.aims();
            let room = crowding(&aims.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let least = (0..room.len()).min_by(|a, b| room[*a].total_cmp(&room[*b]));
            self.points.remove(least.unwrap_or_default());
        }
        self.keep_undominated();
    }

    /// The point farthest from the line, or the plane, between the ends of the front, with all axes from 0 to 1.
    pub fn knee(&self) -> Option<&FrontPoint> {
        let aims = self.aims();
        let ends: Vec<(f64, f64)> = (0..self.axes.len())
            .map(|axis| {
                let values = aims.iter().map(|aims| aims[axis]);
                (values.clone().fold(f64::INFINITY, f64::min), values.fold(f64::NEG_INFINITY, f64::max))
            })
            .collect();
        let height = |aims: &Vec<f64>| {
            let shares =
                aims.iter().zip(&ends).map(|(aim, (low, high))| (aim - low) / (high - low).max(f64::MIN_POSITIVE));
            shares.sum::<f64>()
        };
        let farthest = (0..aims.len()).min_by(|a, b| height(&aims[*a]).total_cmp(&height(&aims[*b])));
        farthest.map(|i| &self.points[i])
    }

    /// Columns of the points' predictions.
    pub fn predicted_labels(&self) -> impl Iterator<Item = String> {
        let axes = self.axes.iter().filter(|axis| axis.confidence.is_some());
        axes.map(|axis| format!("predicted_ms@{}", axis.setting.as_deref().unwrap_or_default()))
    }

    /// `front.csv`.
    ///
    /// # Errors
    /// When a cell cannot be written, which would be a defect.
    pub fn csv(&self) -> Result<String, csv::Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let mut header = vec!["rank".to_owned()];
        header.extend(self.axes.iter().map(FrontAxis::label));
        header.extend(self.predicted_labels());
        header.extend(["bound", "gap_percent", "layers", "parameters", "flops", "structure"].map(str::to_owned));
        writer.write_record(&header)?;
        for point in &self.points {
            let known = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
            let mut cells = vec![point.rank.to_string()];
            cells.extend(point.values.iter().chain(&point.predicted_ms).map(f64::to_string));
            cells.extend([known(point.bound), known(point.gap_percent)]);
            cells.extend([u64::from(point.layers), point.parameters, point.flops].map(|count| count.to_string()));
            cells.push(point.structure.to_string());
            writer.write_record(&cells)?;
        }
        let bytes = writer.into_inner().map_err(|error| error.into_error())?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Writes the front and the files of its winner, `picked`.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(
        &self,
        directory: &RunDirectory,
        config: &SearchConfig,
        spec: &RunSpec,
        predictors: &[Arc<Predictor>],
        picked: &FrontPoint,
        reason: StopReason,
    ) -> Result<(Winner, Graph), SearchError> {
        let header = spec.header();
        let lines: String = self.points.iter().map(|point| format!("{}\n", point.structure)).collect();
        directory.write_json("front.json", self)?;
        let encode = |error| SearchError::encode(directory.path().join("front.csv"), error);
        directory.write_text("front.csv", &self.csv().map_err(encode)?)?;
        directory.write_text(FRONT, &format!("{}{lines}", header.line()))?;
        let mut population = Population::new(self.points.len().max(1));
        for point in &self.points {
            population.insert(Member { network: point.structure.clone(), score: point.score });
        }
        let evolution = Evolution::at(config, config.rules.fit(&config.initial), population, 0, Counts::new(config));
        let picked = Finalist { structure: picked.structure.clone(), score: picked.score, final_score: None };
        let outcome =
            Outcome { reason, finalists: vec![picked], search_time: Duration::ZERO, final_time: Duration::ZERO };
        let (mut winner, graph) = Winner::of(&evolution, config, spec, predictors, (None, Vec::new()), outcome)?;
        winner.finalists.clear();
        write_results(directory, &evolution, &winner, &header)?;
        Ok((winner, graph))
    }
}

impl FrontAxis {
    fn of(config: &SearchConfig, along: Along) -> Self {
        let Along::Budget { budget, .. } = along else {
            let (name, unit) = (SCORE.to_owned(), config.proxy.name().to_owned());
            return Self { name, unit, setting: None, confidence: None, most: None };
        };
        let budget = &config.budgets[budget];
        let kind = budget.quantity.kind();
        Self {
            name: kind.name.to_owned(),
            unit: kind.unit.to_owned(),
            setting: budget.quantity.setting().map(|setting| setting.id()),
            confidence: budget.quantity.as_latency().and_then(Latency::confidence),
            most: Some(budget.limit),
        }
    }

    /// For a column: `latency_ms@t4/tensorrt/fp16/b1`.
    pub fn label(&self) -> String {
        self.setting.as_ref().map_or_else(|| self.name.clone(), |setting| format!("{}@{setting}", self.name))
    }
}

impl FrontPoint {
    fn new(
        config: &SearchConfig,
        along: &[Along],
        structure: Network,
        score: f64,
        bound: Option<f64>,
        uses: &[BudgetUse],
    ) -> Result<Self, SearchError> {
        let cost = structure.lower(&config.lower)?.cost();
        let of_axes = || along.iter().filter_map(|axis| Some(&uses[axis.budget()?]));
        Ok(Self {
            rank: 0,
            values: along.iter().map(|axis| axis.budget().map_or(score, |budget| uses[budget].value)).collect(),
            predicted_ms: of_axes().filter_map(|budget| budget.predicted_ms).collect(),
            bound,
            gap_percent: bound.map(|bound| (bound / score - 1.0) * 100.0),
            layers: structure.layers(),
            parameters: cost.parameters,
            flops: cost.flops,
            structure,
            score,
        })
    }
}
