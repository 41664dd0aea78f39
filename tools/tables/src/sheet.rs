//! CSV files among the raw files, packed or not.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use flate2::read::GzDecoder;
use zen_nas::latency::LatencyError;

/// A CSV file whose fields are asked for by column name.
pub struct Sheet {
    path: PathBuf,
    header: csv::StringRecord,
    records: csv::Reader<Box<dyn Read>>,
}

impl Sheet {
    /// Opens a file, packed or not.
    pub fn open(path: PathBuf) -> Result<Self, LatencyError> {
        let file = File::open(&path).map_err(|source| LatencyError::Io {
            doing: "opening the raw file",
            path: path.clone(),
            source,
        })?;
        let packed = path.extension().is_some_and(|extension| extension == "gz");
        if packed { Self::of(path, Box::new(GzDecoder::new(file))) } else { Self::of(path, Box::new(file)) }
    }

    /// Reads packed text that is part of the program; `name` is for errors.
    pub fn embedded(name: &str, packed: &'static [u8]) -> Result<Self, LatencyError> {
        Self::of(PathBuf::from(name), Box::new(GzDecoder::new(packed)))
    }

    fn of(path: PathBuf, reader: Box<dyn Read>) -> Result<Self, LatencyError> {
        let mut records = csv::Reader::from_reader(reader);
        let header = records
            .headers()
            .map_err(|error| LatencyError::RawData { path: path.clone(), reason: error.to_string() })?
            .clone();
        Ok(Self { path, header, records })
    }

    /// Calls `each` with every record and a way to get a field by its column's name.
    pub fn each(
        mut self,
        mut each: impl FnMut(&dyn Fn(&str) -> Result<String, String>) -> Result<(), String>,
    ) -> Result<(), LatencyError> {
        let bad = |reason: String| LatencyError::RawData { path: self.path.clone(), reason };
        let mut record = csv::StringRecord::new();
        while self.records.read_record(&mut record).map_err(|error| bad(error.to_string()))? {
            let line = record.position().map_or(0, csv::Position::line);
            let field = |name: &str| {
                let column = self.header.iter().position(|column| column == name);
                let field = column.and_then(|column| record.get(column));
                field.map(str::to_owned).ok_or_else(|| format!("no column `{name}`"))
            };
            each(&field).map_err(|reason| bad(format!("line {line}: {reason}")))?;
        }
        Ok(())
    }
}

/// A number in a field.
pub fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number"))
}
