//! The fitted tables: published regimes, and the T4 from the V100's int8 tables.

use zen_nas::latency::{
    Evidence, KeyKind, LatencyError, LatencyModel, NewRun, Predictor, Prior, PublishedNetwork as Checked, Row, Setting,
    Table, TableError, TableSource,
};

use super::tensorrt::predictor;
use super::{DATE, formula, rounded, rounded_model, with_spread};
use crate::fit::networks::Networks;
use crate::fit::seen;
use crate::published::{EXCLUDED, PIXEL2_SPLIT, PublishedNetwork, REGIMES, Regime};

/// MLPerf inference offline, T4, TensorRT int8, ResNet-50 v1.5: milliseconds per image and card, fastest and slowest
/// of the submissions with one or two cards (v0.7).
const MLPERF_RESNET50_OFFLINE_MS: (f64, f64) = (0.162, 0.178);
/// MobileNet-v1 offline (v0.5).
const MLPERF_MOBILENET_OFFLINE_MS: f64 = 0.056;
/// A table that is a formula: the published regimes of V100 and Pixel 2.
pub fn published(regime: &Regime, networks: &[PublishedNetwork]) -> Result<Table, LatencyError> {
    let weights = regime.fit(networks);
    let (coefficients, notes) = match (regime.name, weights.as_slice()) {
        ("v100", [conv, depthwise, eager]) => (
            vec![
                ("pointwise_ms_per_gmac", *conv),
                ("spatial_ms_per_gmac", *conv),
                ("depthwise_ms_per_gmac", *depthwise),
                ("eager_ms_per_giga", *eager),
            ],
            "The published times are per image at batch 64; a smaller batch is launch bound and ranks otherwise."
                .to_owned(),
        ),
        ("pixel2", [conv, activation]) => (
            vec![
                ("pointwise_ms_per_gmac", *conv),
                ("spatial_ms_per_gmac", *conv),
                ("activation_ms_per_giga", *activation),
            ],
            format!(
                "The runtime was not published. Splitting by kind of convolution has a smaller leave-one-out error \
                 ({:.1}%) but makes 1x1 convolutions nearly free, which a search would exploit, so it is not used.",
                100.0 * PIXEL2_SPLIT.error(networks).map_or(f64::NAN, |error| error.mape)
            ),
        ),
        _ => {
            let reason = format!("{} coefficients for a published regime", weights.len());
            return Err(LatencyError::Fit { what: regime.name.to_owned(), reason });
        }
    };
    Ok(Table {
        setting: regime.setting(),
        date: DATE.to_owned(),
        source: TableSource::BuiltIn { name: String::new() },
        about: NewRun {
            origin: "fitted on latencies published with Zen-NAS (idstcv/ZenNAS)".into(),
            licence: "Apache-2.0".into(),
            runtime_version: "not published".into(),
            host: regime.about.into(),
            method:
                "non-negative least squares of relative error on whole networks, linear in multiply-adds and elements"
                    .into(),
            notes,
            ..NewRun::default()
        },
        evidence: Evidence::Fitted,
        error: regime.error(networks),
        model: Some(with_spread(
            &seen(
                &LatencyModel::additive(Prior::Formula(formula(&coefficients)?)),
                left_out(regime, networks).iter().map(|network| network.published_ms),
            ),
            &regime.left_out(networks),
        )),
        rows: Vec::new(),
        networks: Vec::new(),
        published: left_out(regime, networks),
    })
}

/// Each fitted network, predicted by the fit to the others, in milliseconds of a call.
fn left_out(regime: &Regime, networks: &[PublishedNetwork]) -> Vec<Checked> {
    let batch = f64::from(regime.setting().batch_size);
    let fitted = networks.iter().filter(|network| network.name != EXCLUDED);
    let checked = |(network, (_, predicted_ms, published_ms)): (&PublishedNetwork, (f64, f64, f64))| Checked {
        network: network.name.clone(),
        input: network.resolution.to_string(),
        source: "Zen-NAS".to_owned(),
        predicted_ms: batch * predicted_ms,
        published_ms: batch * published_ms,
    };
    fitted.zip(regime.left_out(networks)).map(checked).collect()
}

/// The T4 at batch 64: the V100's int8 table with a factor per class and a cost per gated element,
/// fitted on the published T4 column. The sums of `networks` are by all usable rows, those of
/// `of_shipped` by the rows of the table.
pub fn t4_batch64(
    v100: &Table,
    networks: &[PublishedNetwork],
    of_shipped: &[PublishedNetwork],
    rebuilt: &Networks,
) -> Result<Table, LatencyError> {
    let regime = &REGIMES[1];
    let weights = regime.fit(networks);
    let &[conv, depthwise, gate] = weights.as_slice() else {
        return Err(LatencyError::Fit { what: "t4".to_owned(), reason: "three coefficients expected".to_owned() });
    };
    let (mut table, predictor) = scaled(v100, regime.setting(), [conv, depthwise, conv], gate, regime.error(networks))?;
    table.published = left_out(regime, networks);
    let times_ms = table.published.iter().map(|network| network.published_ms);
    table.model = table.model.map(|model| with_spread(&seen(&model, times_ms), &regime.left_out(networks)));
    let image_ms = |id: &str| -> f64 {
        let keys = rebuilt.get(id).unwrap_or_default();
        keys.iter().map(|key| predictor.operator_ms(key)).sum::<f64>() / 64.0
    };
    let (resnet, mobilenet) = (image_ms("resnet50@224"), image_ms("mobilenet_v1_x1@224"));
    let of_shipped = regime.error_with(networks, of_shipped).map_or(f64::NAN, |error| error.mape);
    table.about.method = format!(
        "V100 int8 batch 64 rows times {conv:.3} (convolutions) and {depthwise:.3} (depthwise), gates {gate:.1} ms per 1e9 elements, \
         fitted on published T4 latencies with all rows of the V100"
    );
    table.about.notes = format!(
        "The error is of the fit; with the rows of this table it is {:.1}%. Check against MLPerf offline, not fitted: ResNet-50 {resnet:.3} ms per image against {} to {}; MobileNet-v1 {mobilenet:.3} \
         against {MLPERF_MOBILENET_OFFLINE_MS} ({:+.0}%): pessimistic for small depthwise networks.",
        100.0 * of_shipped,
        MLPERF_RESNET50_OFFLINE_MS.0,
        MLPERF_RESNET50_OFFLINE_MS.1,
        100.0 * (mobilenet / MLPERF_MOBILENET_OFFLINE_MS - 1.0)
    );
    Ok(table)
}

/// A V100 table as another device's: factors on convolutions, depthwise, and everything else.
fn scaled(
    v100: &Table,
    setting: Setting,
    [conv, depthwise, traffic]: [f64; 3],
    gate_ms_per_giga: f64,
    error: Option<TableError>,
) -> Result<(Table, Predictor), LatencyError> {
    let Some(LatencyModel { prior: Prior::Roofline(roofline), .. }) = &v100.model else {
        return Err(LatencyError::Fit { what: setting.id(), reason: "the V100 table has no roofline".to_owned() });
    };
    let mut roofline = roofline.clone();
    roofline.scale_conv = conv;
    roofline.scale_depthwise = depthwise;
    roofline.traffic_launch_ms *= traffic;
    roofline.traffic_bandwidth_gb_s /= traffic;
    roofline.gate_ms_per_giga = gate_ms_per_giga;
    let row = |row: &Row| {
        let factor = if row.key.kind == KeyKind::Depthwise { depthwise } else { conv };
        Row { ms: rounded(row.ms * factor), evidence: Evidence::Fitted, ..row.clone() }
    };
    let table = Table {
        source: TableSource::BuiltIn { name: String::new() },
        about: NewRun {
            origin: format!(
                "based on {} ({}); latencies published with Zen-NAS (idstcv/ZenNAS)",
                v100.setting, v100.about.origin
            ),
            host: "NVIDIA T4, not measured".into(),
            runtime_version: "TensorRT, version not stated".into(),
            ..v100.about.clone()
        },
        setting,
        date: DATE.to_owned(),
        evidence: Evidence::Fitted,
        error,
        model: Some(rounded_model(&LatencyModel::additive(Prior::Roofline(roofline)))),
        rows: v100.rows.iter().map(row).collect(),
        networks: Vec::new(),
        published: Vec::new(),
    };
    let predictor = predictor(&table)?;
    Ok((table, predictor))
}
