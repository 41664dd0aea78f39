//! Tables: the operators, networks and model of one setting, as a value with a text form.
//!
//! In the text, comment lines `# name: value` say what the table is and how it was obtained, then come CSV rows
//! with one operator each, then, where there are any, the whole networks that it was checked on and those that
//! others published. The same form is in `latency_tables/` and exported from the store. A file of a user's own
//! may leave out most header lines. Not here: storing tables (`store`), predicting from them (`predict`).

mod header;
mod import;
mod networks;
mod plausible;
mod published;
mod rows;

use std::collections::BTreeMap;

use self::header::Header;
use self::rows::Columns;
use super::built_in::built_in_content;
use super::store::{NewRun, PublishedNetwork, Row, TableError, TableSource, UNIT};
use super::{CheckedNetwork, Evidence, LatencyError, LatencyModel, Setting};
use crate::hash::fnv1a;

pub use import::{Imported, import_table_file};
pub use rows::table_file_help;

/// Limit on the size of a table's text, in bytes.
const MAX_BYTES: usize = 64 << 20;

/// The table of one setting.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    pub setting: Setting,
    pub source: TableSource,
    /// When it was measured or derived.
    pub date: String,
    pub about: NewRun,
    /// Evidence of the table as a whole: of its rows, or of its formula when it has none.
    pub evidence: Evidence,
    pub error: Option<TableError>,
    pub model: Option<LatencyModel>,
    pub rows: Vec<Row>,
    /// Whole networks that were predicted and measured.
    pub networks: Vec<CheckedNetwork>,
    /// Whole networks that others timed, each predicted by a fit that has not seen it.
    pub published: Vec<PublishedNetwork>,
}

impl Table {
    /// Reads the text form; `name` is for errors.
    ///
    /// # Errors
    /// Names the line and what is wrong with it.
    pub fn parse(name: &str, text: &str) -> Result<Self, LatencyError> {
        Ok(Self::parse_noting(name, text)?.0)
    }

    /// The same, with the header lines that were not there and what was taken instead, and the lines of the rows.
    fn parse_noting(name: &str, text: &str) -> Result<(Self, Vec<String>, Vec<usize>), LatencyError> {
        let bad = |line: usize, reason: String| LatencyError::Table { name: name.to_owned(), line: line + 1, reason };
        if text.len() > MAX_BYTES {
            return Err(bad(0, format!("more than {MAX_BYTES} bytes")));
        }
        let mut header = BTreeMap::new();
        let mut lines = text.lines().enumerate().peekable();
        while let Some((number, line)) = lines.next_if(|(_, line)| line.starts_with('#')) {
            let (field, value) = line[1..]
                .split_once(':')
                .ok_or_else(|| bad(number, "a header line must be `# name: value`".to_owned()))?;
            if header.insert(field.trim(), (number, value.trim())).is_some() {
                return Err(bad(number, format!("`{}` is given twice", field.trim())));
            }
        }
        let (number, line) = lines.next().unwrap_or((0, ""));
        let columns = Columns::parse(line).map_err(|reason| bad(number, reason))?;
        let mut header = Header { fields: header, name, missing: Vec::new() };
        let evidence = header.evidence(columns.has_evidence())?;
        let (mut rows, mut row_lines) = (Vec::new(), Vec::new());
        let is_section = |line: &str| line == networks::COLUMNS || line == published::COLUMNS;
        while let Some((number, line)) = lines.next_if(|(_, line)| !is_section(line)) {
            if !line.trim().is_empty() {
                let row = columns.row(line, evidence.unwrap_or(Evidence::Fitted));
                rows.push(row.map_err(|reason| bad(number, reason))?);
                row_lines.push(number + 1);
            }
        }
        // What is left are sections of networks, each with its columns and lines.
        let (mut checked, mut others) = (Vec::new(), Vec::new());
        let mut section = "";
        for (number, line) in lines {
            let failed = |reason| bad(number, reason);
            match line {
                _ if is_section(line) => section = line,
                _ if section == networks::COLUMNS => checked.push(networks::parse(line).map_err(failed)?),
                _ => others.push(published::parse(line).map_err(failed)?),
            }
        }
        let (table, missing) = header.table(rows, checked, others, evidence)?;
        Ok((table, missing, row_lines))
    }

    /// Hash that tells the table from others of its setting, whatever was measured beside it since.
    pub fn content(&self) -> String {
        match &self.source {
            TableSource::BuiltIn { name } => built_in_content(name),
            TableSource::Imported { content, .. } => content.clone(),
            TableSource::Local { .. } => format!("{:016x}", fnv1a(self.to_text().bytes())),
        }
    }

    /// The text form, which [`Table::parse`] reads back.
    pub fn to_text(&self) -> String {
        let mut header: Vec<(&str, String)> = vec![
            ("setting", self.setting.id()),
            ("unit", UNIT.to_owned()),
            ("evidence", self.evidence.to_string()),
            ("rows", self.rows.len().to_string()),
        ];
        if self.networks.iter().any(|network| !network.given) {
            header.push(("networks", self.networks.iter().filter(|network| !network.given).count().to_string()));
        }
        if !self.published.is_empty() {
            header.push(("published", self.published.len().to_string()));
        }
        header.extend([
            ("date", self.date.clone()),
            ("origin", self.about.origin.clone()),
            ("licence", self.about.licence.clone()),
            ("runtime_version", self.about.runtime_version.clone()),
            ("host", self.about.host.clone()),
        ]);
        header.extend(self.about.processor.as_ref().map(|processor| ("processor", processor.to_string())));
        header.extend([("method", self.about.method.clone()), ("notes", self.about.notes.clone())]);
        if !self.about.warning.is_empty() {
            header.push(("warning", self.about.warning.clone()));
        }
        if let Some(error) = &self.error {
            header.push(("error_mape", error.mape.to_string()));
            for (name, value) in [
                ("error_median", error.median),
                ("error_bias", error.bias),
                ("error_within5", error.within5),
                ("error_within10", error.within10),
                ("error_within20", error.within20),
                ("error_kendall_tau", error.kendall_tau),
                ("error_networks", error.networks.map(f64::from)),
            ] {
                header.extend(value.map(|value| (name, value.to_string())));
            }
            header.push(("error_method", error.method.clone()));
        }
        let coefficients = self.model.as_ref().map(LatencyModel::to_coefficients).unwrap_or_default();
        let header = header.into_iter().map(|(name, value)| (name.to_owned(), value));
        let coefficients = coefficients.into_iter().map(|(name, value)| (name, value.to_string()));
        let mut text = String::new();
        for (name, value) in header.chain(coefficients) {
            let one_line = value.split_whitespace().collect::<Vec<_>>().join(" ");
            text.push_str(format!("# {name}: {one_line}").trim_end());
            text.push('\n');
        }
        rows::write(&self.rows, &mut text);
        // Networks that a user gave to be verified stay at home.
        networks::write(self.networks.iter().filter(|network| !network.given), &mut text);
        published::write(&self.published, &mut text);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::store::Store;
    use super::super::{NetworkCheck, TableChoice, built_in_table};
    use super::*;

    /// Name and text of a built-in table.
    fn built_in() -> (&'static str, String) {
        let setting = Setting::new("v100", "tensorrt", crate::latency::Precision::Fp16, 1);
        ("v100_tensorrt_fp16_b1", built_in_table(&setting).unwrap().unwrap().to_text())
    }

    #[test]
    fn bad_texts_name_the_line() {
        let (name, good) = built_in();
        assert!(Table::parse(name, &good).is_ok());
        let rows = good.lines().filter(|line| !line.starts_with('#')).count() - 1;
        for (from, to, expected) in [
            ("# unit: ms per inference call", "# unit: s", "unit is `s`"),
            (&format!("# rows: {rows}"), "# rows: 7", "header says 7 rows"),
            ("# evidence: measured", "# evidence: guessed", "guessed"),
            ("# licence: Apache-2.0", "# license: Apache-2.0", "unknown header field `license`"),
            ("# setting: ", "# settings: ", "lacks `setting`"),
            ("# setting: v100/", "# setting: v100", "at least 4 parts"),
            ("# roofline.launch_ms", "# roofline.lunch_ms", "roofline.launch_ms"),
            ("# roofline.launch_ms: ", "# roofline.launch_ms: x", "not a number"),
            ("kind,kernel", "kind,kernal", "unknown column `kernal`"),
            ("kind,kernel,", "kind,", "no column `kernel`"),
            ("kind,kernel", "kind,kind", "twice"),
            ("\nconv,1,", "\nconv,0,", "`0` is not a positive number"),
            ("\nconv,1,1", "\nconvolution,1,1", "unknown operator kind"),
            (",,measured\n", ",measured\n", "expected 13 fields, there are 12"),
            (",,measured\n", ",NaN,measured\n", "not a time"),
        ] {
            assert!(good.contains(from), "{from}");
            let error = Table::parse(name, &good.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains(name) && error.contains("line"), "{error}");
        }
    }

    #[test]
    fn a_short_file_reads_and_says_what_it_lacks() {
        let text = "# setting: my-gpu/tensorrt/fp16/b1\n# evidence: measured\n\
                    ms,kind,kernel,stride,in_channels,out_channels,in_height,in_width\n\
                    0.5,conv,3,2,3,32,224,224\n0.25, depthwise,3,1,32,32,112,112\n\n";
        let (table, missing, lines) = Table::parse_noting("mine.csv", text).unwrap();
        assert_eq!(lines, [4, 5]);
        assert_eq!(missing[0], "unit (ms per inference call)");
        assert!(missing.contains(&"origin (not stated)".to_owned()) && missing.len() == 7, "{missing:?}");
        assert_eq!(table.rows.len(), 2);
        assert_eq!(table.rows[0].key, crate::latency::OperatorKey::conv(3, 2, 3, 32, 224));
        assert_eq!(table.rows[1].key, crate::latency::OperatorKey::depthwise(3, 1, 32, 112));
        assert!(table.rows.iter().all(|row| row.evidence == Evidence::Measured && row.stderr_ms.is_none()));
        // Its full form reads back as the same table and lacks nothing.
        let (again, missing, _) = Table::parse_noting("mine.csv", &table.to_text()).unwrap();
        assert_eq!((again, missing), (table, Vec::new()));
        for (from, to, expected) in [
            ("# evidence: measured\n", "", "line 1: the header lacks `evidence`"),
            ("0.5,conv", "0,conv", "line 4: a time of 0 ms"),
            ("0.25, depthwise", "0.25,dephtwise", "line 5: unknown operator kind `dephtwise`"),
            (",112,112\n", ",112\n", "line 5: expected 8 fields, there are 7"),
            ("fp16/b1", "fp8/b1", "line 1: setting `my-gpu/tensorrt/fp8/b1`"),
        ] {
            let error = Table::parse("mine.csv", &text.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains("mine.csv") && error.contains(expected), "{error}");
        }
        let empty: String = text.lines().take(3).map(|line| format!("{line}\n")).collect();
        assert!(Table::parse("mine.csv", &empty).unwrap_err().to_string().contains("no rows"));
    }

    fn check(structure: &str, calibration: bool, repeat_ms: Option<f64>) -> CheckedNetwork {
        let check = NetworkCheck {
            structure: structure.to_owned(),
            resolution: 96,
            classes: 10,
            squeeze_excite: !calibration,
            calibration,
            predicted_ms: 1.234_567_89,
            measured_ms: 123_456.789,
            stderr_ms: Some(0.012_345_678_9),
            repeat_ms,
        };
        CheckedNetwork { check, came_with_table: true, given: false }
    }

    #[test]
    fn networks_travel_with_their_table_to_six_digits() {
        const TWO: [&str; 2] = ["SuperConvK3BNRELU(3,8,2,1)", "SuperConvK3BNRELU(3,16,2,1)SuperResK3K3(16,16,1,8,1)"];
        let (name, good) = built_in();
        let mut table = Table::parse(name, &good).unwrap();
        table.networks = vec![check(TWO[0], true, None), check(TWO[1], false, Some(0.000_123_456_789))];
        let text = table.to_text();
        assert!(text.ends_with(&format!(
            "{}\n\
             calibration,96,10,0,1.23457,123457,0.0123457,,{}\n\
             held_out,96,10,1,1.23457,123457,0.0123457,0.000123457,{}\n",
            networks::COLUMNS,
            TWO[0],
            TWO[1]
        )));
        let read = Table::parse(name, &text).unwrap();
        assert_eq!(read.to_text(), text);
        assert_eq!((read.networks.len(), read.networks[1].check.repeat_ms), (2, Some(0.000_123_457)));

        // Through a database and out again, unchanged.
        let mut store = Store::in_memory_empty().unwrap();
        assert!(store.import_table("file", &text).unwrap());
        assert!(!store.import_table("file", &text).unwrap());
        let back = store.require_table(&table.setting, &TableChoice::Best).unwrap();
        assert_eq!(back.to_text(), text);

        let line = format!("line {}", text.lines().count());
        for (from, to, expected) in [
            ("# networks: 2", "# networks: 3", "header says 3 networks, there are 2"),
            ("# networks: 2\n", "", "header says no networks, there are 2"),
            ("\nheld_out,", "\nheld_in,", &line),
            (",0.000123457,", ",0,", &line),
            ("(16,16,1,8,1)", "(16,16,1,8", &line),
            ("held_out,96,", "held_out,0,", &line),
            (networks::COLUMNS, "role,resolution", "expected 13 fields"),
        ] {
            let error = Table::parse(name, &text.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
