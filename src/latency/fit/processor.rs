//! The processor prior of a setting.

use super::super::store::Row;
use super::super::{KeyKind, LatencyError, Prior, Processor, Setting};
use super::pattern::{Field, mean_log_error, minimise, thinned};

/// Rows the fit looks at; a session fits several times while it measures.
const MAX_ROWS: usize = 1000;

/// The coefficients that are fitted.
const FREE: [Field<Processor>; 20] = [
    |processor| &mut processor.launch_ms,
    |processor| &mut processor.conv1_gmac_s,
    |processor| &mut processor.conv3_gmac_s,
    |processor| &mut processor.conv5_gmac_s,
    |processor| &mut processor.conv7_gmac_s,
    |processor| &mut processor.image_factor,
    |processor| &mut processor.gather_ms_per_giga,
    |processor| &mut processor.strided_gather_ms_per_giga,
    |processor| &mut processor.pick_ms_per_giga,
    |processor| &mut processor.map_ms_per_giga,
    |processor| &mut processor.weight_ms_per_giga,
    |processor| &mut processor.cold_ms_per_giga,
    |processor| &mut processor.inner_gmac_s,
    |processor| &mut processor.border_gmac_s,
    |processor| &mut processor.strided_inner_gmac_s,
    |processor| &mut processor.strided_border_gmac_s,
    |processor| &mut processor.depthwise_ms_per_giga,
    |processor| &mut processor.depthwise_channel_ms_per_giga,
    |processor| &mut processor.traffic_launch_ms,
    |processor| &mut processor.traffic_ms_per_giga,
];

/// Tile rows that are tried: no slope leads from one to the next.
const CHANNEL_MULTIPLES: [f64; 4] = [1.0, 8.0, 16.0, 32.0];
/// Cache sizes that are tried.
const CACHE_BYTES: [f64; 5] = [2e6, 6e6, 12e6, 16e6, 32e6];

/// Fits the processor prior to the rows of a setting.
///
/// # Errors
/// When there is no convolution among the rows.
pub fn fit_processor(rows: &[Row], setting: &Setting) -> Result<Processor, LatencyError> {
    let rows = thinned(rows, MAX_ROWS);
    let loss = |processor: &Processor| mean_log_error(&Prior::Processor(processor.clone()), &rows, setting);
    let mut best = start(&rows, setting)?;
    // First the tile, then the cache: each is found with everything else fitted.
    for (field, choices) in [
        ((|processor| &mut processor.channel_multiple) as Field<Processor>, &CHANNEL_MULTIPLES[..]),
        (|processor| &mut processor.cache_bytes, &CACHE_BYTES[..]),
    ] {
        let fitted = choices.iter().map(|choice| {
            let mut chosen = best.clone();
            *field(&mut chosen) = *choice;
            minimise(&chosen, &FREE, loss)
        });
        let fitted: Vec<Processor> = fitted.collect();
        best = fitted.into_iter().min_by(|a, b| loss(a).total_cmp(&loss(b))).unwrap_or(best);
    }
    Ok(best)
}

/// A starting point in the right order of magnitude: the rate of the fastest convolutions.
fn start(rows: &[&Row], setting: &Setting) -> Result<Processor, LatencyError> {
    let convs = rows.iter().filter(|row| row.key.kind == KeyKind::Conv);
    let mut rates: Vec<f64> =
        convs.map(|row| setting.batch_size as f64 * row.key.flops() as f64 / row.ms / 1e6).collect();
    rates.sort_by(f64::total_cmp);
    let Some(rate) = rates.get((rates.len().max(1) - 1) * 9 / 10).copied() else {
        let reason = "no convolution was measured".to_owned();
        return Err(LatencyError::Fit { what: format!("the prior of {setting}"), reason });
    };
    let launch_ms = 0.5 * rows.iter().map(|row| row.ms).fold(f64::INFINITY, f64::min);
    Ok(Processor {
        launch_ms,
        traffic_launch_ms: launch_ms,
        conv1_gmac_s: rate,
        conv3_gmac_s: rate,
        conv5_gmac_s: rate,
        conv7_gmac_s: rate,
        inner_gmac_s: rate / 10.0,
        border_gmac_s: rate / 30.0,
        strided_inner_gmac_s: rate / 20.0,
        strided_border_gmac_s: rate / 50.0,
        ..Processor::default()
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::{Evidence, OperatorKey, Precision};
    use super::*;

    /// Rows made by a known model are explained by the fitted one, tile and all.
    #[test]
    fn recovers_a_processor() {
        let setting = Setting::new("x", "tract", Precision::Fp32, 1).with_threads(1);
        let truth = Processor { conv3_gmac_s: 120.0, border_gmac_s: 1.0, ..Processor::default() };
        let prior = Prior::Processor(truth.clone());
        let mut rows = Vec::new();
        for (kind, kernel) in [(KeyKind::Conv, 1), (KeyKind::Conv, 3), (KeyKind::Depthwise, 3), (KeyKind::Depthwise, 7)]
        {
            for channels in [8, 24, 40, 128, 520] {
                for (side, stride) in [(4, 1), (16, 2), (17, 1), (64, 1), (64, 2)] {
                    let key = match kind {
                        KeyKind::Depthwise => OperatorKey::depthwise(kernel, stride, channels, side),
                        _ => OperatorKey::conv(kernel, stride, channels, channels, side),
                    };
                    let ms = prior.ms(&key, Precision::Fp32, 1);
                    rows.push(Row::new(key, ms, Evidence::Measured));
                }
            }
        }
        let fitted = fit_processor(&rows, &setting).unwrap();
        assert_eq!(fitted.channel_multiple, truth.channel_multiple);
        let fitted = Prior::Processor(fitted);
        let errors = rows.iter().map(|row| (fitted.ms(&row.key, Precision::Fp32, 1) / row.ms).ln().abs());
        let mean = errors.sum::<f64>() / rows.len() as f64;
        assert!(mean < 0.03, "{mean}");
        assert!(fit_processor(&[], &setting).unwrap_err().to_string().contains("no convolution"));
    }
}
