//! One device's table as a beginning for another's: every class of operators by the factor that a few
//! whole networks on the other device ask for.
//!
//! Not here: measuring those networks (`profile::adapt`), fitting the factors (`fit`).

use super::key::KeyClass;
use super::store::Row;
use super::store::TableError;
use super::{Composition, Evidence, LatencyError, LatencyModel, Predictor, Prior, Processor, Roofline, Table};

/// A class that was drawn to nothing still costs this share: a search must not get operators for free.
const LEAST_FACTOR: f64 = 1e-3;

/// Rows and model of a table with the weights of `composition` worked into them: rows are `fitted`
/// from then on, and what is left of the composition is the host and the spread.
pub fn scaled_table(rows: &[Row], model: &LatencyModel, composition: &Composition) -> (Vec<Row>, LatencyModel) {
    let factors = [composition.conv, composition.depthwise, composition.traffic].map(|factor| factor.max(LEAST_FACTOR));
    let scaled = |row: &Row| {
        let factor = match row.key.kind.class() {
            KeyClass::Conv => factors[0],
            KeyClass::Depthwise => factors[1],
            KeyClass::Traffic => factors[2],
        };
        let evidence = row.evidence.min(Evidence::Fitted);
        Row { ms: row.ms * factor, stderr_ms: row.stderr_ms.map(|ms| ms * factor), evidence, ..row.clone() }
    };
    let composition = Composition { conv: 1.0, depthwise: 1.0, traffic: 1.0, ..composition.clone() };
    if let Some(fitted) = &model.fitted {
        // The fit makes an operator's time of its row, which stays as it is.
        let model = LatencyModel { composition, fitted: Some(fitted.scaled(factors)), ..model.clone() };
        return (rows.to_vec(), model);
    }
    let model = LatencyModel { prior: model.prior.scaled(factors), composition, ..model.clone() };
    (rows.iter().map(scaled).collect(), model)
}

impl Table {
    /// The table of a machine on which everything takes `factor` times as long; nothing in it is measured then, and its
    /// error is the given one. Intervals reach at least `spread` either way, in logarithms.
    ///
    /// # Errors
    /// When it has no model and none can be fitted to its rows.
    pub fn scaled(&self, factor: f64, error: TableError, spread: f64) -> Result<Self, LatencyError> {
        let model = Predictor::from_table(self)?.model().clone();
        let Composition { call_ms, seen_low_ms, seen_high_ms, .. } = model.composition;
        let Composition { host_ms, kernel_ms, warm_ms, cold_weight_ms_per_giga, cold_map_ms_per_giga, .. } =
            model.composition;
        let composition = Composition {
            call_ms: call_ms * factor,
            seen_low_ms: seen_low_ms * factor,
            seen_high_ms: seen_high_ms * factor,
            host_ms: host_ms * factor,
            kernel_ms: kernel_ms * factor,
            warm_ms: warm_ms * factor,
            cold_weight_ms_per_giga: cold_weight_ms_per_giga * factor,
            cold_map_ms_per_giga: cold_map_ms_per_giga * factor,
            ..model.composition
        };
        let spread_floor = match composition.spread_factor {
            factor if factor > 0.0 => composition.spread_floor.max(spread / factor),
            _ => composition.spread_floor,
        };
        let composition = Composition { spread_floor, ..composition };
        // Where a fit makes an operator's time of its row, the fit is scaled and the row is not.
        let (prior, fitted, of_row) = match &model.fitted {
            Some(fitted) => (model.prior.clone(), Some(fitted.scaled([factor; 3])), 1.0),
            None => (model.prior.scaled([factor; 3]), None, factor),
        };
        let scaled = |row: &Row| Row {
            ms: row.ms * of_row,
            stderr_ms: row.stderr_ms.map(|ms| ms * of_row),
            evidence: row.evidence.min(Evidence::Fitted),
            ..row.clone()
        };
        Ok(Self {
            rows: self.rows.iter().map(scaled).collect(),
            model: Some(LatencyModel { prior, composition, fitted, ..model }),
            evidence: self.evidence.min(Evidence::Fitted),
            error: Some(error),
            ..self.clone()
        })
    }
}

impl Prior {
    /// The prior with its times multiplied: convolutions and dense layers, depthwise, everything else.
    pub fn scaled(&self, [conv, depthwise, traffic]: [f64; 3]) -> Self {
        match self {
            Prior::Roofline(prior) => Prior::Roofline(Roofline {
                scale_conv: prior.scale_conv * conv,
                scale_depthwise: prior.scale_depthwise * depthwise,
                traffic_launch_ms: prior.traffic_launch_ms * traffic,
                traffic_bandwidth_gb_s: prior.traffic_bandwidth_gb_s / traffic,
                gate_ms_per_giga: prior.gate_ms_per_giga * traffic,
                ..prior.clone()
            }),
            // What both kinds of convolution share goes with the regular ones, which cost most.
            Prior::Processor(prior) => Prior::Processor(Processor {
                launch_ms: prior.launch_ms * conv,
                conv1_gmac_s: prior.conv1_gmac_s / conv,
                conv3_gmac_s: prior.conv3_gmac_s / conv,
                conv5_gmac_s: prior.conv5_gmac_s / conv,
                conv7_gmac_s: prior.conv7_gmac_s / conv,
                gather_ms_per_giga: prior.gather_ms_per_giga * conv,
                strided_gather_ms_per_giga: prior.strided_gather_ms_per_giga * conv,
                pick_ms_per_giga: prior.pick_ms_per_giga * conv,
                map_ms_per_giga: prior.map_ms_per_giga * conv,
                weight_ms_per_giga: prior.weight_ms_per_giga * conv,
                cold_ms_per_giga: prior.cold_ms_per_giga * conv,
                inner_gmac_s: prior.inner_gmac_s / depthwise,
                border_gmac_s: prior.border_gmac_s / depthwise,
                strided_inner_gmac_s: prior.strided_inner_gmac_s / depthwise,
                strided_border_gmac_s: prior.strided_border_gmac_s / depthwise,
                depthwise_ms_per_giga: prior.depthwise_ms_per_giga * depthwise,
                depthwise_channel_ms_per_giga: prior.depthwise_channel_ms_per_giga * depthwise,
                traffic_launch_ms: prior.traffic_launch_ms * traffic,
                traffic_ms_per_giga: prior.traffic_ms_per_giga * traffic,
                ..prior.clone()
            }),
            Prior::Formula(formula) => Prior::Formula(formula.scaled_by_class([conv, depthwise, traffic])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Formula, OperatorKey, Precision};
    use super::*;
    use crate::latency::KeyKind;

    #[test]
    fn priors_scale_by_class() {
        let keys = [
            (OperatorKey::conv(3, 1, 64, 64, 28), 2.0),
            (OperatorKey::conv(1, 2, 64, 24, 28), 2.0),
            (OperatorKey { kind: KeyKind::Gate, ..OperatorKey::conv(1, 1, 64, 64, 28) }, 3.0),
            (OperatorKey { kind: KeyKind::Add, ..OperatorKey::conv(1, 1, 64, 64, 28) }, 3.0),
        ];
        let gated = Roofline { gate_ms_per_giga: 5.0, ..Roofline::default() };
        for prior in [
            Prior::Roofline(Roofline::default()),
            Prior::Roofline(gated),
            Prior::Processor(Processor::default()),
            Prior::Formula(Formula::new([("spatial_ms_per_gmac", 1.0), ("pointwise_ms_per_gmac", 2.0)]).unwrap()),
        ] {
            let scaled = prior.scaled([2.0, 5.0, 3.0]);
            for (key, factor) in &keys {
                let (before, after) = (prior.ms(key, Precision::Fp32, 4), scaled.ms(key, Precision::Fp32, 4));
                assert!((after - factor * before).abs() <= 1e-12 * after, "{key}: {before} {after}");
            }
        }
        let depthwise = OperatorKey::depthwise(5, 1, 64, 28);
        let prior = Prior::Roofline(Roofline::default());
        let ratio =
            prior.scaled([2.0, 5.0, 3.0]).ms(&depthwise, Precision::Fp32, 4) / prior.ms(&depthwise, Precision::Fp32, 4);
        assert!((ratio - 5.0).abs() < 1e-12);
    }

    #[test]
    fn a_scaled_table_predicts_every_network_by_the_factor_and_says_so() {
        let network = crate::net::Network::parse(
            "SuperConvK3BNRELU(3,16,2,1)SuperResIDWE4K5(16,24,2,16,2)SuperResK3K3(24,64,2,32,1)SuperConvK1BNRELU(64,512,1,1)",
        )
        .unwrap();
        let graph = network.lower(&crate::net::LowerOptions::new(160, 100)).unwrap();
        for setting in crate::latency::built_in_settings().unwrap() {
            let table = crate::latency::built_in_table(&setting).unwrap().unwrap();
            let error = TableError { mape: 0.04, method: "by hand".to_owned(), ..TableError::default() };
            let scaled = table.scaled(1.7, error, 0.2).unwrap();
            let [before, after] = [&table, &scaled].map(|table| Predictor::from_table(table).unwrap().predict(&graph));
            assert!((after.ms - 1.7 * before.ms).abs() < 1e-9 * after.ms, "{setting}: {} {}", before.ms, after.ms);
            assert_eq!((after.evidence.measured_time, scaled.error.unwrap().mape), (0.0, 0.04));
            if let Some(interval) = after.interval {
                assert!(interval.high_ms >= after.ms * 0.2_f64.exp() * (1.0 - 1e-9), "{setting}");
            }
        }
    }

    #[test]
    fn scaled_rows_are_fitted() {
        let row = |key, evidence| Row { stderr_ms: Some(0.1), ..Row::new(key, 2.0, evidence) };
        let rows = [
            row(OperatorKey::conv(3, 1, 8, 8, 8), Evidence::Measured),
            row(OperatorKey::depthwise(3, 1, 8, 8), Evidence::Interpolated),
        ];
        let model = LatencyModel::additive(Prior::Roofline(Roofline::default()));
        let composition = Composition { conv: 1.5, depthwise: 0.0, host_ms: 0.7, ..Composition::default() };
        let (rows, model) = scaled_table(&rows, &model, &composition);
        assert_eq!((rows[0].ms, rows[0].evidence), (3.0, Evidence::Fitted));
        assert_eq!((rows[1].ms, rows[1].evidence), (0.002, Evidence::Interpolated));
        assert_eq!((model.composition.conv, model.composition.host_ms), (1.0, 0.7));
    }
}
