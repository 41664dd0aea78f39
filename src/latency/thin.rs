//! A table with fewer rows, for shipping: those that say most about what networks spend time on, and an
//! error that is worked out anew.
//!
//! Not here: the order in which rows are worth most (`select`).

use super::error_report::error_of_pairs;
use super::store::{NetworkCheck, Row};
use super::{
    CheckedNetwork, Fuser, KeyKind, LatencyError, LatencyModel, OperatorKey, Predictor, Table, fit_prior, select,
};
use crate::net::{Graph, LowerError, Network, StructureError};

/// Share of the rows that operators without weights and dense layers may take.
const OTHERS: f64 = 0.2;

/// A checked network that cannot be made again.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error(transparent)]
    Structure(#[from] StructureError),
    #[error(transparent)]
    Lower(#[from] LowerError),
}

impl Table {
    /// The table with at most `max_rows` rows and the networks that were held out. Rows are chosen by
    /// the operators of the networks that calibrated it; the held-out ones are predicted from what is
    /// left, and that is the error it states. A table that is small enough already stays as it is.
    ///
    /// # Errors
    /// When no prior can be fitted to its rows, or a network in it does not read.
    pub fn thinned(mut self, max_rows: usize) -> Result<Self, LatencyError> {
        if self.rows.len() <= max_rows {
            return Ok(self);
        }
        let model = match &self.model {
            Some(model) => model.clone(),
            None => LatencyModel::additive(fit_prior(&self.rows, &self.setting)?),
        };
        let (seen, held_out): (Vec<_>, Vec<_>) =
            self.networks.iter().cloned().partition(|network| network.check.calibration);
        let mut fuser = Fuser::default();
        let mut targets: Vec<OperatorKey> = Vec::new();
        for network in &seen {
            targets.extend_from_slice(fuser.fuse(&self.graph(&network.check)?));
        }
        let is_conv = |row: &Row| matches!(row.key.kind, KeyKind::Conv | KeyKind::Depthwise);
        let (convs, others): (Vec<Row>, Vec<Row>) = self.rows.iter().cloned().partition(is_conv);
        let others_kept = others.len().min((OTHERS * max_rows as f64) as usize);
        let every = others.len().div_ceil(others_kept.max(1)).max(1);
        let mut rows: Vec<Row> = others.into_iter().step_by(every).collect();
        let prior_ms = |key: &OperatorKey| model.prior.ms(key, self.setting.precision, self.setting.batch_size);
        let order = select::order(&convs, &targets, prior_ms, max_rows.saturating_sub(rows.len()));
        rows.extend(order.into_iter().map(|index| convs[index].clone()));
        rows.sort_by_key(|row| row.key);
        let predictor = Predictor::from_parts(&self.setting, &rows, model, None);
        let mut networks = Vec::with_capacity(held_out.len());
        for network in held_out {
            let predicted_ms = predictor.predict(&self.graph(&network.check)?).ms;
            networks.push(CheckedNetwork { check: NetworkCheck { predicted_ms, ..network.check }, ..network });
        }
        let pairs: Vec<_> =
            networks.iter().map(|network| (network.check.predicted_ms, network.check.measured_ms)).collect();
        let kept = format!("{} of {} operators that were measured", rows.len(), self.rows.len());
        let method = self.error.as_ref().map(|error| error.method.clone()).unwrap_or_default();
        self.error = error_of_pairs(&pairs, &format!("{method}; predicted from {kept}")).or(self.error);
        self.about.notes = format!("{kept}; {}", self.about.notes);
        Ok(Self { rows, networks, ..self })
    }

    fn graph(&self, network: &NetworkCheck) -> Result<Graph, LatencyError> {
        let structure = &network.structure;
        let read = || -> Result<Graph, Unreadable> { Ok(Network::parse(structure)?.lower(&network.lower_options())?) };
        read().map_err(|error| LatencyError::Fit {
            what: format!("a smaller table of {}", self.setting),
            reason: format!("the network {structure} in it does not read: {error}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{built_in_settings, built_in_table};
    use super::*;

    #[test]
    fn fewer_rows_predict_nearly_as_well_and_say_so() {
        let settings = built_in_settings().unwrap();
        let setting = settings.into_iter().find(|setting| setting.device.starts_with("cpu-")).unwrap();
        let mut table = built_in_table(&setting).unwrap().unwrap();
        let structure = |channels: u32| {
            format!(
                "SuperConvK3BNRELU(3,{channels},2,1)SuperResIDWE4K5({channels},40,2,24,2)SuperResK3K3(40,80,2,40,1)"
            )
        };
        let predictor = Predictor::from_parts(&table.setting, &table.rows, table.model.clone().unwrap(), None);
        table.networks.clear();
        for (index, channels) in [16, 24, 32, 40, 48, 56].into_iter().enumerate() {
            let mut network = NetworkCheck {
                structure: structure(channels),
                resolution: 224,
                classes: 1000,
                squeeze_excite: false,
                calibration: index % 2 == 0,
                predicted_ms: 1.0,
                measured_ms: 1.0,
                stderr_ms: None,
                repeat_ms: None,
            };
            network.measured_ms = predictor.predict(&table.graph(&network).unwrap()).ms;
            table.networks.push(CheckedNetwork { check: network, came_with_table: true, given: false });
        }
        let rows = table.rows.len();
        assert_eq!(table.clone().thinned(rows).unwrap(), table);
        let thinned = table.clone().thinned(rows / 2).unwrap();
        assert!(thinned.rows.len() <= rows / 2 && thinned.rows.len() >= rows / 2 - 30, "{}", thinned.rows.len());
        assert!(thinned.rows.iter().all(|row| table.rows.contains(row)));
        assert_eq!(thinned.networks.len(), 3);
        let error = thinned.error.unwrap();
        assert!(error.mape < 0.08 && error.networks == Some(3), "{error:?}");
        assert!(error.method.contains(&format!("of {rows} operators")), "{}", error.method);
        table.networks[0].check.structure.push('(');
        assert!(table.thinned(rows / 2).unwrap_err().to_string().contains("does not read"));
    }
}
