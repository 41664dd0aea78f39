//! What the third party's operator times lack at batch 1, and what is known of them as whole networks.
//!
//! A time there holds what launching and timing one operator alone costs, which a network does not pay again for each.
//! At batch 1 that constant is most of a network: it is taken off, and what a call and a kernel cost in the regime of
//! the same device whose whole networks were published is put in.

use zen_nas::latency::{
    ErrorFigures, Fitted as FittedModel, Formula, LatencyError, Precision, PredictScratch, Predictor, Prior, Setting,
    Table, TableShare,
};

use super::rounded_model;
use crate::fit::Fitted;
use crate::fit::networks::Networks;

/// The regime of the V100 whose constants stand in for those of a precision.
fn regime(precision: Precision) -> Setting {
    match precision {
        Precision::Fp32 => Setting::new("v100", "paddle-tensorrt", Precision::Fp32, 1),
        Precision::Fp16 | Precision::Int8 => Setting::new("v100", "onnxruntime-tensorrt", Precision::Fp16, 1),
    }
}

/// Coefficients of a regime that replace what the table has no rows for.
const TAKEN: [&str; 11] = [
    "conv_ms",
    "pixel_conv_ms",
    "depthwise_ms",
    "light_ms",
    "activation_ms",
    "group_ms_per_kilo",
    "grouped_ms_per_gmac",
    "matmul_ms_per_gmac",
    "matmul_ms_per_mega",
    "dense_ms_per_gmac",
    "dense_ms_per_mega",
];

/// A sentence about whole networks of the same device, precision and batch in another regime, if there are any.
fn beside_another_regime(table: &Table, fitted: &[Fitted], networks: &Networks) -> Result<String, LatencyError> {
    let regime = Setting { runtime: "onnxruntime-tensorrt".to_owned(), ..table.setting.clone() };
    let Some(of_regime) = fitted.iter().find(|fitted| fitted.setting == regime) else { return Ok(String::new()) };
    let (predictor, mut scratch) = (Predictor::from_table(table)?, PredictScratch::default());
    let figures = of_regime.networks.iter().map(|network| &network.figure);
    let pairs: Vec<(f64, f64)> = figures
        .map(|figure| {
            let keys = networks.get(&figure.id).unwrap_or_default();
            (predictor.predict_keys_ms(keys, &mut scratch), figure.ms)
        })
        .collect();
    Ok(ErrorFigures::of(&pairs).map_or_else(String::new, |error| {
        format!(
            " {} GPUNets published for {regime}, another regime, support it: sums are {:.1}% off them ({:+.1}% on \
             average).",
            error.networks,
            100.0 * error.mape,
            100.0 * error.bias
        )
    }))
}

/// Completes a table of operators: at batch 1 with other constants, at other batches with words.
///
/// # Errors
/// When the regime was not fitted.
pub fn complete(table: &mut Table, fitted: &[Fitted], networks: &Networks) -> Result<(), LatencyError> {
    if table.setting.batch_size != 1 {
        table.about.notes.push_str(" Each operator's time includes the cost of launching it alone.");
        table.about.notes.push_str(&beside_another_regime(table, fitted, networks)?);
        return Ok(());
    }
    let failed = |reason: &str| LatencyError::Fit { what: table.setting.id(), reason: reason.to_owned() };
    let regime = regime(table.setting.precision);
    let of_regime = fitted.iter().find(|fitted| fitted.setting == regime);
    let of_regime = &of_regime.ok_or_else(|| failed("the regime of its constants was not fitted"))?.model;
    let Some(model) = &mut table.model else { return Err(failed("it has no model")) };
    let Prior::Roofline(roofline) = &model.prior else { return Err(failed("it has no roofline")) };
    let coefficients: Vec<(&str, f64)> = match (&of_regime.fitted, &of_regime.prior) {
        (Some(fitted), _) => fitted.formula.coefficients().collect(),
        (None, Prior::Formula(formula)) => formula.coefficients().collect(),
        _ => return Err(failed("the regime of its constants has no formula")),
    };
    let mut taken: Vec<(&str, f64)> = coefficients.iter().filter(|(name, _)| TAKEN.contains(name)).copied().collect();
    // Dense layers follow the reading of their weights; by the roofline they take several times as long.
    let weights = coefficients.iter().find(|(name, _)| *name == "weight_ms_per_mega");
    taken.extend(weights.map(|(_, ms)| ("dense_weight_ms_per_mega", *ms)));
    let formula = Formula::new(taken).map_err(|reason| failed(&reason))?;
    // What an operator with no work takes, by the fit to all of them.
    let launch_ms = roofline.launch_ms;
    let share = TableShare {
        conv: 1.0,
        depthwise: 1.0,
        other_compute: 0.0,
        light: 1.0,
        launch_ms,
        light_launch_ms: roofline.traffic_launch_ms,
    };
    let call_ms = of_regime.composition.call_ms;
    model.fitted = Some(FittedModel { formula, share });
    model.composition.call_ms = call_ms;
    *model = rounded_model(model);
    table.about.notes.push_str(&format!(
        " {launch_ms:.4} ms, the time of an operator with no work, is subtracted from each; the cost of a call ({call_ms:.3} \
         ms), of each kernel, and of dense layers, grouped convolutions and matrix products is that fitted for {regime}."
    ));
    Ok(())
}
