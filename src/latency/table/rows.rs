//! The rows of a table's text: one fused operator a line.

use std::fmt::Write as _;

use super::super::OperatorKey;
use super::super::store::{Row, activation_from_name, activation_name};

/// Columns of the rows.
pub(super) const COLUMNS: &str = "kind,kernel,stride,groups,in_channels,out_channels,in_height,in_width,activation,residual_add,ms,stderr_ms,evidence";

/// Appends the columns and every row.
pub(super) fn write(rows: &[Row], text: &mut String) {
    text.push_str(COLUMNS);
    text.push('\n');
    for Row { key, ms, stderr_ms, evidence } in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{},{},{},{},{},{},{},{},{},{},{ms},{stderr_ms},{evidence}",
            key.kind,
            key.kernel,
            key.stride,
            key.groups,
            key.in_channels,
            key.out_channels,
            key.in_height,
            key.in_width,
            activation_name(key.activation),
            u8::from(key.residual_add),
        );
    }
}

/// Reads one line.
pub(super) fn parse(line: &str) -> Result<Row, String> {
    let fields: Vec<&str> = line.split(',').collect();
    let Ok(
        [
            kind,
            kernel,
            stride,
            groups,
            inputs,
            outputs,
            height,
            width,
            activation,
            residual_add,
            ms,
            stderr_ms,
            evidence,
        ],
    ) = <[&str; 13]>::try_from(fields)
    else {
        return Err("expected 13 fields".to_owned());
    };
    let key = OperatorKey {
        kind: kind.parse()?,
        kernel: count(kernel)?,
        stride: count(stride)?,
        groups: count(groups)?,
        in_channels: count(inputs)?,
        out_channels: count(outputs)?,
        in_height: count(height)?,
        in_width: count(width)?,
        activation: activation_from_name(activation)?,
        residual_add: flag("residual_add", residual_add)?,
    };
    if key.groups > key.in_channels {
        return Err(format!("{} groups for {} channels", key.groups, key.in_channels));
    }
    Ok(Row { key, ms: positive_time(ms)?, stderr_ms: time(stderr_ms)?, evidence: evidence.parse()? })
}

/// A whole number from 1.
pub(super) fn count(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(format!("`{text}` is not a positive number")),
    }
}

/// 0 or 1.
pub(super) fn flag(name: &str, text: &str) -> Result<bool, String> {
    match text {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err(format!("{name} is `{text}`, but must be 0 or 1")),
    }
}

/// Milliseconds, possibly none.
pub(super) fn time(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(time) if time.is_finite() && time >= 0.0 => Ok(time),
        _ => Err(format!("`{text}` is not a time in milliseconds")),
    }
}

/// Milliseconds above 0.
pub(super) fn positive_time(text: &str) -> Result<f64, String> {
    match time(text)? {
        0.0 => Err("a time of 0 ms".to_owned()),
        ms => Ok(ms),
    }
}
