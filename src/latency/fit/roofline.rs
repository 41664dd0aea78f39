//! The roofline prior of a setting, by pattern search on the logarithms of its coefficients.

use super::super::key::KeyClass;
use super::super::store::Row;
use super::super::{KeyKind, LatencyError, OperatorKey, Precision, Prior, Roofline, Setting};
use super::pattern::{Field, mean_log_error, minimise, thinned};

/// Rows the fit looks at.
const MAX_ROWS: usize = 3000;

/// The coefficients that are fitted.
const FREE: [Field<Roofline>; 15] = [
    |roofline| &mut roofline.launch_ms,
    |roofline| &mut roofline.conv1_tmac_s,
    |roofline| &mut roofline.conv3_tmac_s,
    |roofline| &mut roofline.conv5_tmac_s,
    |roofline| &mut roofline.conv7_tmac_s,
    |roofline| &mut roofline.short_reduction,
    |roofline| &mut roofline.image_factor,
    |roofline| &mut roofline.stride_factor,
    |roofline| &mut roofline.bandwidth_gb_s,
    |roofline| &mut roofline.depthwise3_tmac_s,
    |roofline| &mut roofline.depthwise5_tmac_s,
    |roofline| &mut roofline.depthwise7_tmac_s,
    |roofline| &mut roofline.depthwise_bandwidth_gb_s,
    |roofline| &mut roofline.traffic_launch_ms,
    |roofline| &mut roofline.traffic_bandwidth_gb_s,
];

/// What a setting's runtime decides about the roofline before anything is measured.
fn roofline_for(setting: &Setting) -> Roofline {
    let tensorrt = setting.runtime == "tensorrt";
    // Tensor cores take channels in multiples; elsewhere padding is the vector length at most.
    let channel_multiple = match setting.precision {
        Precision::Fp16 if tensorrt => 8.0,
        Precision::Int8 if tensorrt => 4.0,
        _ => 1.0,
    };
    let free_activation = if tensorrt { 1.0 } else { 0.0 };
    Roofline { channel_multiple, free_activation, ..Roofline::default() }
}

/// Fits the roofline prior to the rows of a setting: least mean |log(row / prior)|, smoothed near 0.
///
/// # Errors
/// When there is no convolution among the rows.
pub fn fit_roofline(rows: &[Row], setting: &Setting) -> Result<Roofline, LatencyError> {
    let rows = thinned(rows, MAX_ROWS);
    let start = start(&rows, setting)?;
    let loss = |roofline: &Roofline| mean_log_error(&Prior::Roofline(roofline.clone()), &rows, setting);
    Ok(minimise(&start, &FREE, loss))
}

/// A starting point in the right order of magnitude, read off the fastest rows.
fn start(rows: &[&Row], setting: &Setting) -> Result<Roofline, LatencyError> {
    let batch = setting.batch_size as f64;
    let of = |chosen: &dyn Fn(&OperatorKey) -> bool, value: &dyn Fn(&Row) -> f64, quantile: f64| {
        let mut values: Vec<f64> = rows.iter().filter(|row| chosen(&row.key)).map(|row| value(row)).collect();
        values.sort_by(f64::total_cmp);
        values.get(((values.len().max(1) - 1) as f64 * quantile) as usize).copied()
    };
    let conv = |key: &OperatorKey| key.kind == KeyKind::Conv;
    let depthwise = |key: &OperatorKey| key.kind == KeyKind::Depthwise;
    let traffic = |key: &OperatorKey| key.kind.class() == KeyClass::Traffic;
    let rate = |row: &Row| batch * row.key.flops() as f64 / row.ms / 1e9;
    let bandwidth = |row: &Row| {
        let elements = (row.key.in_elements() + row.key.out_elements()) as f64;
        batch * setting.precision.bytes() * elements / row.ms / 1e6
    };
    let Some(conv_rate) = of(&conv, &rate, 0.9) else {
        let reason = "no convolution was measured".to_owned();
        return Err(LatencyError::Fit { what: format!("the prior of {setting}"), reason });
    };
    let conv_bandwidth = of(&conv, &bandwidth, 0.95).unwrap_or(100.0);
    let launch_ms = 0.8 * of(&conv, &|row| row.ms, 0.0).unwrap_or(0.01);
    let conv_rate_of = |kernel: u32| of(&|key| conv(key) && key.kernel == kernel, &rate, 0.9).unwrap_or(conv_rate);
    let depthwise_rate = of(&depthwise, &rate, 0.9).unwrap_or(conv_rate / 10.0);
    Ok(Roofline {
        launch_ms,
        conv1_tmac_s: conv_rate_of(1),
        conv3_tmac_s: conv_rate_of(3),
        conv5_tmac_s: conv_rate_of(5),
        conv7_tmac_s: conv_rate_of(7),
        bandwidth_gb_s: conv_bandwidth,
        depthwise3_tmac_s: depthwise_rate,
        depthwise5_tmac_s: depthwise_rate,
        depthwise7_tmac_s: depthwise_rate,
        depthwise_bandwidth_gb_s: of(&depthwise, &bandwidth, 0.95).unwrap_or(conv_bandwidth),
        traffic_launch_ms: of(&traffic, &|row| row.ms, 0.0).map_or(launch_ms, |ms| 0.8 * ms),
        traffic_bandwidth_gb_s: of(&traffic, &bandwidth, 0.95).unwrap_or(conv_bandwidth),
        ..roofline_for(setting)
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::Evidence;
    use super::*;

    /// Rows made by a known roofline are explained by the fitted one.
    #[test]
    fn recovers_a_roofline() {
        let setting = Setting::new("x", "tract", Precision::Fp32, 1);
        let truth = Roofline { launch_ms: 0.02, conv3_tmac_s: 0.5, bandwidth_gb_s: 20.0, ..Roofline::default() };
        let mut rows = Vec::new();
        for (kind, kernel) in [(KeyKind::Conv, 1), (KeyKind::Conv, 3), (KeyKind::Depthwise, 3), (KeyKind::Depthwise, 7)]
        {
            for channels in [8, 32, 128, 512] {
                for side in [4, 16, 64] {
                    let key = match kind {
                        KeyKind::Depthwise => OperatorKey::depthwise(kernel, 1, channels, side),
                        _ => OperatorKey::conv(kernel, 1, channels, channels, side),
                    };
                    let ms = Prior::Roofline(truth.clone()).ms(&key, Precision::Fp32, 1);
                    rows.push(Row::new(key, ms, Evidence::Measured));
                }
            }
        }
        let fitted = Prior::Roofline(fit_roofline(&rows, &setting).unwrap());
        let worst =
            rows.iter().map(|row| (fitted.ms(&row.key, Precision::Fp32, 1) / row.ms).ln().abs()).fold(0.0, f64::max);
        assert!(worst < 0.05, "{worst}");
        assert!(fit_roofline(&[], &setting).unwrap_err().to_string().contains("no convolution"));
    }
}
