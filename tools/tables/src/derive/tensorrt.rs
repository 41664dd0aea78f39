//! The V100 TensorRT tables: some of the third party's rows, and what the others say about
//! predictions from them.
//!
//! The protocol: a quarter of the usable rows is set aside by a hash of the shape before anything is
//! fitted or chosen; none of them is dropped for its value. Not here: which rows (`select`), how
//! many (`curve`).

use zen_nas::hash::fnv1a;
use zen_nas::latency::select::order;
use zen_nas::latency::{
    Composition, Evidence, KeyKind, LatencyError, LatencyModel, NewRun, OperatorKey, Precision, Predictor, Prior, Row,
    Setting, Table, TableError, TableSource, error_of_pairs, fit_roofline, group_of, place_of,
};

use super::curve::Curve;
use super::raw::RawRow;
use super::{DATE, rounded, rounded_model};

/// What the table of one precision and batch is made from.
pub struct Source {
    pub setting: Setting,
    /// Rows to choose from.
    pub candidates: Vec<Row>,
    /// Rows set aside.
    held_out: Vec<Row>,
    model: LatencyModel,
    /// Indices of candidates in the order they are shipped in.
    order: Vec<usize>,
    /// The convolutions of each network of the check, as indices of rows set aside.
    check: Vec<Vec<usize>>,
}

impl Source {
    /// Takes the usable rows of one precision and batch apart, fits the prior and orders at most
    /// `limit` rows. `targets` are operators that say which shapes matter; `check` are fused operators
    /// of whole networks.
    pub fn new(
        raw: &[RawRow],
        (precision, batch_size): (Precision, u32),
        targets: &[OperatorKey],
        check: &[Vec<OperatorKey>],
        limit: usize,
    ) -> Result<Self, LatencyError> {
        let setting = Setting::new("v100", "tensorrt", precision, batch_size);
        let rows = raw
            .iter()
            .filter(|row| row.precision == precision && row.batch_size == batch_size)
            .map(|row| Row::new(row.key, rounded(row.ms), Evidence::Measured));
        let (held_out, candidates): (Vec<Row>, Vec<Row>) = rows.partition(|row| is_held_out(&row.key));
        let model = rounded_model(&LatencyModel::additive(Prior::Roofline(fit_roofline(&candidates, &setting)?)));
        let order = order(&candidates, targets, |key| model.prior.ms(key, precision, batch_size), limit);
        let check = check.iter().map(|keys| snapped(keys, &held_out)).collect();
        Ok(Self { setting, candidates, held_out, model, order, check })
    }

    /// The first `count` rows, in order of their keys.
    pub fn rows(&self, count: usize) -> Vec<Row> {
        let mut rows: Vec<Row> = self.order.iter().take(count).map(|index| self.candidates[*index].clone()).collect();
        rows.sort_by_key(|row| row.key);
        rows
    }

    /// Every usable row, also those set aside.
    pub fn usable(&self) -> Vec<Row> {
        self.candidates.iter().chain(&self.held_out).cloned().collect()
    }

    /// Predicts from rows with the setting's prior.
    pub fn predictor(&self, rows: &[Row]) -> Predictor {
        Predictor::from_parts(&self.setting, rows, self.model.clone(), None)
    }

    /// Error of predicted sums of convolution times, each convolution of a network replaced by the
    /// nearest row that was set aside.
    pub fn error_of_sums(&self, predictor: &Predictor) -> Option<TableError> {
        let pairs: Vec<_> =
            self.sums(predictor).into_iter().map(|(_, predicted, measured)| (predicted, measured)).collect();
        let method = format!(
            "sums of convolution times of {} networks at 224 pixels, each convolution replaced by the nearest shape \
             held out; whole networks were never measured, so what composing adds is not in it",
            pairs.len()
        );
        error_of_pairs(&pairs, &method)
    }

    /// Spread of its operators, predicted and measured sum of each network of the check.
    fn sums(&self, predictor: &Predictor) -> Vec<(f64, f64, f64)> {
        let composition = Composition::default();
        let of_network = |network: &Vec<usize>| {
            let rows = || network.iter().map(|index| &self.held_out[*index]);
            let times = predictor.class_times_of(&rows().map(|row| row.key).collect::<Vec<_>>());
            (times.operator_spread(&composition), times.predict(&composition), rows().map(|row| row.ms).sum())
        };
        self.check.iter().map(of_network).collect()
    }

    /// The table of as many rows as the curve says.
    pub fn table(&self, curve: &Curve) -> Table {
        let rows = self.rows(curve.chosen);
        let choice = curve.choice();
        let predictor = self.predictor(&rows);
        let sums = self.error_of_sums(&predictor).map_or(String::new(), |error| {
            format!(
                " Sums of operators held out: {:.1}% off over {} networks, which is no error of networks.",
                100.0 * error.mape,
                error.networks.unwrap_or(0)
            )
        });
        let mut errors: Vec<f64> = self
            .held_out
            .iter()
            .filter(|row| is_relevant(&row.key))
            .map(|row| (predictor.operator_ms(&row.key) / row.ms - 1.0).abs())
            .collect();
        errors.sort_by(f64::total_cmp);
        let median = errors.get(errors.len() / 2).copied().unwrap_or(f64::NAN);
        let within10 = errors.iter().filter(|error| **error <= 0.1).count() as f64 / errors.len().max(1) as f64;
        Table {
            setting: self.setting.clone(),
            date: DATE.to_owned(),
            source: TableSource::BuiltIn { name: String::new() },
            about: NewRun {
                origin: "LightNAS operator tables (alibaba/lightweight-neural-architecture-search, commit 8ccaf889)"
                    .into(),
                licence: "Apache-2.0".into(),
                runtime_version: "TensorRT, version not stated (2020 to 2022)".into(),
                host: "NVIDIA V100 SXM2".into(),
                method: format!(
                    "{} of the third party's {} usable rows, spread over the shapes of networks, {choice}; times are of \
                     the whole batch",
                    rows.len(),
                    self.candidates.len() + self.held_out.len()
                ),
                notes: format!(
                    "TensorRT itself: times of single operators, each launched and timed alone. Single operators that \
                     were held out: median error {:.1}%, {:.0}% within 10%.{sums} Activations are taken as free, \
                     pools and gates as traffic at the bandwidth of convolutions.",
                    100.0 * median,
                    100.0 * within10
                ),
                ..NewRun::default()
            },
            evidence: Evidence::Measured,
            // Whole networks were never timed.
            error: None,
            model: Some(self.model.clone()),
            rows,
            networks: Vec::new(),
            published: Vec::new(),
        }
    }
}

/// A predictor from a table alone.
pub fn predictor(table: &Table) -> Result<Predictor, LatencyError> {
    let model = table
        .model
        .clone()
        .ok_or_else(|| LatencyError::Fit { what: table.setting.id(), reason: "the table has no model".to_owned() })?;
    Ok(Predictor::from_parts(&table.setting, &table.rows, model, table.error.clone()))
}

/// Shapes that networks have: what is left out is above all very wide maps of many channels.
fn is_relevant(key: &OperatorKey) -> bool {
    !(key.kind == KeyKind::Depthwise && key.kernel == 1)
        && key.in_channels.max(key.out_channels) <= 4096
        && key.in_elements().max(key.out_elements()) <= 4_000_000
}

/// A quarter of the rows, whatever their order: by a hash of the shape.
fn is_held_out(key: &OperatorKey) -> bool {
    let numbers = [key.kernel, key.stride, key.in_channels, key.out_channels, key.in_height, key.residual_add.into()];
    let hash = fnv1a(numbers.iter().flat_map(|number| number.to_le_bytes()));
    (hash >> 32) % 4 == 0
}

/// For each convolution of a network, the relevant row of `rows` nearest to it in its group.
fn snapped(keys: &[OperatorKey], rows: &[Row]) -> Vec<usize> {
    let convolutions =
        keys.iter().filter(|key| matches!(key.kind, KeyKind::Conv | KeyKind::Depthwise) && key.in_height > 1);
    let nearest = |key: &OperatorKey| {
        let here = place_of(key);
        rows.iter()
            .enumerate()
            .filter(|(_, row)| is_relevant(&row.key) && group_of(&row.key) == group_of(key))
            .map(|(index, row)| {
                let there = place_of(&row.key);
                (here.iter().zip(there).map(|(a, b)| (a - b) * (a - b)).sum::<f64>(), index)
            })
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, index)| index)
    };
    convolutions.filter_map(nearest).collect()
}
