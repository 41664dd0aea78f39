//! The built-in tables: text inside the program, unpacked and read when it is needed.
//!
//! A table is a file in `latency_tables/`, named after its setting; the build script lists them. They never
//! enter a database. Not here: the text form (`table`), which of a setting's tables is used (`store`).

use std::io::{BufRead as _, BufReader, Read as _};

use flate2::read::ZlibDecoder;

use super::{Evidence, LatencyError, Setting, Stated, Table, TableSource};
use crate::hash::fnv1a;

/// Names (settings with `_` for `/`) with the packed text of each.
static PACKED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/built_in_tables.rs"));

/// Settings of the built-in tables, in the order of their names.
///
/// # Errors
/// When the name of a table is no setting.
pub fn built_in_settings() -> Result<Vec<Setting>, LatencyError> {
    PACKED.iter().map(|(name, _)| name.replace('_', "/").parse()).collect()
}

/// The built-in table of a setting, if there is one.
///
/// # Errors
/// When its text does not read.
pub fn built_in_table(setting: &Setting) -> Result<Option<Table>, LatencyError> {
    let name = setting.id().replace('/', "_");
    let Some((name, text)) = built_in_text(&name)? else { return Ok(None) };
    let mut table = Table::parse(name, &text)?;
    table.source = TableSource::BuiltIn { name: name.to_owned() };
    Ok(Some(table))
}

/// What the built-in table of a setting states about itself, if there is one: its first lines are read and no more.
///
/// # Errors
/// When they do not read.
pub fn built_in_stated(setting: &Setting) -> Result<Option<Stated>, LatencyError> {
    let id = setting.id().replace('/', "_");
    let Some((name, packed)) = PACKED.iter().find(|(known, _)| *known == id) else { return Ok(None) };
    let bad = |line: usize, reason: String| LatencyError::Table { name: (*name).to_owned(), line: line + 1, reason };
    let source = TableSource::BuiltIn { name: (*name).to_owned() };
    let mut stated = Stated { source, evidence: Evidence::Fitted, date: String::new(), mape: None, networks: None };
    for (number, line) in BufReader::new(ZlibDecoder::new(*packed)).lines().enumerate() {
        let line = line.map_err(|error| bad(number, error.to_string()))?;
        let Some((field, value)) = line.strip_prefix('#').and_then(|line| line.split_once(':')) else { break };
        let value = value.trim();
        let as_number = || value.parse::<f64>().map_err(|error| bad(number, format!("`{value}`: {error}")));
        match field.trim() {
            "evidence" => stated.evidence = value.parse().map_err(|reason| bad(number, reason))?,
            "date" => value.clone_into(&mut stated.date),
            "error_mape" => stated.mape = Some(as_number()?),
            "error_networks" => stated.networks = Some(as_number()? as u32),
            _ => {}
        }
    }
    Ok(Some(stated))
}

/// Hash of a built-in table; empty where there is none.
pub(super) fn built_in_content(name: &str) -> String {
    let packed = PACKED.iter().find(|(known, _)| *known == name);
    packed.map_or_else(String::new, |(_, packed)| format!("{:016x}", fnv1a(packed.iter().copied())))
}

/// Name and text of a built-in table.
fn built_in_text(name: &str) -> Result<Option<(&'static str, String)>, LatencyError> {
    let Some((name, packed)) = PACKED.iter().find(|(known, _)| *known == name) else { return Ok(None) };
    let mut text = String::new();
    ZlibDecoder::new(*packed).read_to_string(&mut text).map_err(|error| LatencyError::Table {
        name: (*name).to_owned(),
        line: 0,
        reason: error.to_string(),
    })?;
    Ok(Some((name, text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_table_reads_and_is_of_the_setting_that_names_it() {
        let settings = built_in_settings().unwrap();
        assert!(settings.len() >= 20);
        for setting in settings {
            let table = built_in_table(&setting).unwrap().unwrap();
            assert_eq!(table.setting, setting);
            assert!(table.model.is_some() || !table.rows.is_empty(), "{setting}");
            assert_eq!(built_in_stated(&setting).unwrap(), Some(Stated::of(&table)), "{setting}");
        }
        assert_eq!(built_in_table(&Setting::new("none", "x", crate::latency::Precision::Fp32, 1)).unwrap(), None);
    }
}
