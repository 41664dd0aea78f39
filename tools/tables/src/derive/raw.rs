//! Reading the third-party files that the shipped tables are derived from.

use std::path::Path;

use zen_nas::latency::{KeyKind, LatencyError, OperatorKey, Precision};
use zen_nas::net::Activation;

use crate::sheet::{Sheet, number};

/// One operator time of the LightNAS tables.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RawRow {
    pub precision: Precision,
    pub batch_size: u32,
    pub key: OperatorKey,
    pub ms: f64,
}

/// The usable rows of the LightNAS operator tables (V100, TensorRT): failures and rows flagged as
/// inconsistent are not evidence.
pub fn lightnas(raw: &Path) -> Result<Vec<RawRow>, LatencyError> {
    let mut rows = Vec::new();
    Sheet::open(raw.join("lightnas_v100").join("v100_trt_conv.csv.gz"))?.each(|field| {
        if !field("flag")?.is_empty() {
            return Ok(());
        }
        let kind = match field("type")?.as_str() {
            "Regular" => KeyKind::Conv,
            "Depthwise" => KeyKind::Depthwise,
            other => return Err(format!("unknown operator type `{other}`")),
        };
        let side: u32 = number(&field("h")?)?;
        let in_channels: u32 = number(&field("cin")?)?;
        let key = OperatorKey {
            kind,
            kernel: number(&field("k")?)?,
            stride: number(&field("s")?)?,
            groups: if kind == KeyKind::Depthwise { in_channels } else { 1 },
            in_channels,
            out_channels: number(&field("cout")?)?,
            in_height: side,
            in_width: side,
            activation: None,
            residual_add: field("fused")? == "1",
        };
        let ms: f64 = number(&field("ms")?)?;
        if ms.is_nan() || ms <= 0.0 {
            return Ok(());
        }
        rows.push(RawRow { precision: field("prec")?.parse()?, batch_size: number(&field("batch")?)?, key, ms });
        Ok(())
    })?;
    Ok(rows)
}

/// Fused operators of a published network that our structure strings do not express, by name.
pub fn operator_list(raw: &Path, network: &str) -> Result<Vec<OperatorKey>, LatencyError> {
    let mut keys: Vec<OperatorKey> = Vec::new();
    let path = raw.join("published").join("zen_oplists.csv");
    Sheet::open(path.clone())?.each(|field| {
        if field("model")? != network {
            return Ok(());
        }
        let kind = field("kind")?;
        let count = |name: &str| -> Result<u32, String> {
            let text = field(name)?;
            if text.is_empty() { Ok(1) } else { number(&text) }
        };
        let (in_channels, out_channels, side) = (count("cin")?, count("cout")?, count("in_res")?);
        let plain = OperatorKey::conv(count("k")?, count("stride")?, in_channels, out_channels, side);
        let at = |side: u32, key: OperatorKey| OperatorKey { in_height: side, in_width: side, ..key };
        match kind.as_str() {
            // The list names no activations. As its publisher counts them, every convolution without
            // a fused sum has one: too many for projections, too few elements for the swish of others.
            "conv" => {
                let residual_add = field("elmt_fused")? == "1";
                let activation = (!residual_add).then_some(Activation::Relu);
                keys.push(OperatorKey { activation, residual_add, ..plain });
            }
            "dw" => keys.push(OperatorKey {
                kind: KeyKind::Depthwise,
                groups: in_channels,
                activation: Some(Activation::Relu),
                ..plain
            }),
            "se" => {
                let reduced = (in_channels / 4).max(1);
                keys.push(OperatorKey { kind: KeyKind::GlobalPool, ..plain });
                keys.push(at(1, OperatorKey { out_channels: reduced, activation: Some(Activation::Relu), ..plain }));
                keys.push(at(1, OperatorKey { in_channels: reduced, activation: Some(Activation::Sigmoid), ..plain }));
                keys.push(OperatorKey { kind: KeyKind::Gate, ..plain });
            }
            "gap" => keys.push(OperatorKey { kind: KeyKind::GlobalPool, ..plain }),
            "fc" => keys.push(at(1, OperatorKey { kind: KeyKind::Dense, ..plain })),
            // Fused into the convolution before.
            "addn" => {}
            other => return Err(format!("unknown operator `{other}`")),
        }
        Ok(())
    })?;
    if keys.is_empty() {
        return Err(LatencyError::RawData { path, reason: format!("no operators of `{network}`") });
    }
    Ok(keys)
}

/// Published milliseconds per image of one network: V100, T4, Pixel 2.
pub fn published_ms(raw: &Path, network: &str) -> Result<[f64; 3], LatencyError> {
    let path = raw.join("published").join("zen_table.csv");
    let mut found = None;
    Sheet::open(path.clone())?.each(|field| {
        if field("model")? == network {
            found = Some([
                number(&field("v100_fp16_b64_ms")?)?,
                number(&field("t4_trt_int8_b64_ms")?)?,
                number(&field("pixel2_b1_ms")?)?,
            ]);
        }
        Ok(())
    })?;
    found.ok_or_else(|| LatencyError::RawData { path, reason: format!("no row for `{network}`") })
}
