//! Networks that others timed, rebuilt, as fused operators.
//!
//! Some are among the raw files, others in `networks/`, which says how they were made. Not here: their times (`rows`).

use std::collections::BTreeMap;
use std::path::Path;

use zen_nas::latency::{LatencyError, OperatorKey};

use crate::sheet::Sheet;

/// Operators of networks that are not among the raw files.
static REBUILT: &[u8] = include_bytes!("../../networks/operators.csv.gz");

/// Fused operators by network and input, `resnet50@224`.
#[derive(Debug, Default)]
pub struct Networks(BTreeMap<String, Vec<OperatorKey>>);

impl Networks {
    /// Reads those among the raw files and those of this program.
    ///
    /// # Errors
    /// When a file is missing or an operator does not read.
    pub fn read(raw: &Path) -> Result<Self, LatencyError> {
        let mut networks = Self::default();
        networks.add(Sheet::open(raw.join("whole").join("operators.csv.gz"))?)?;
        networks.add(Sheet::embedded("operators.csv.gz", REBUILT)?)?;
        Ok(networks)
    }

    /// Those of this program alone.
    ///
    /// # Errors
    /// When an operator does not read.
    #[cfg(test)]
    pub fn embedded() -> Result<Self, LatencyError> {
        let mut networks = Self::default();
        networks.add(Sheet::embedded("operators.csv.gz", REBUILT)?)?;
        Ok(networks)
    }

    fn add(&mut self, sheet: Sheet) -> Result<(), LatencyError> {
        sheet.each(|field| {
            let operators = self.0.entry(format!("{}@{}", field("network")?, field("input")?)).or_default();
            operators.push(field("operator")?.parse()?);
            Ok(())
        })
    }

    pub fn get(&self, id: &str) -> Option<&[OperatorKey]> {
        self.0.get(id).map(Vec::as_slice)
    }

    /// Every network by its id.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[OperatorKey])> {
        self.0.iter().map(|(id, keys)| (id.as_str(), keys.as_slice()))
    }
}

/// Name of a network in the files of operators, by its name among published figures and its input.
pub fn id_of(arch: &str, input: &str) -> String {
    let name = match arch.split_once(':') {
        Some((family, name)) => format!("{family}-{}", name.replace(' ', "").replace('+', "plus")),
        None => arch.to_owned(),
    };
    format!("{name}@{input}")
}

/// What a network shares with its near-copies: other inputs, other publishers, the variants of ResNets that differ
/// in their first layers and shortcuts alone.
pub fn group_of(id: &str) -> String {
    let name = id.split('@').next().unwrap_or(id).to_lowercase();
    let name = ["mmyolo-", "ultralytics-"].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(&name);
    let name = name.strip_suffix("_bn").unwrap_or(name).replace(['_', '-'], "");
    for family in ["seresnext", "seresnet", "res2net", "resnext", "resnet"] {
        let Some(rest) = name.strip_prefix(family) else { continue };
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (depth, variant) = rest.split_at(digits);
        return format!("{family}{depth}{}", variant.strip_prefix('d').unwrap_or(variant));
    }
    name
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn every_rebuilt_operator_reads_back() {
        let mut text = String::new();
        flate2::read::GzDecoder::new(REBUILT).read_to_string(&mut text).unwrap();
        let mut lines = csv::Reader::from_reader(text.as_bytes());
        let mut count = 0;
        for record in lines.records() {
            let record = record.unwrap();
            let operator = record.get(3).unwrap();
            assert_eq!(operator.parse::<OperatorKey>().unwrap().to_string(), operator);
            count += 1;
        }
        assert_eq!(count, 7_078);
    }

    #[test]
    fn near_copies_have_one_group() {
        for (one, other) in [
            ("resnet50d@224", "resnet50@320"),
            ("resnext101d_32x4d@224", "resnext101_32x4d@224"),
            ("se_resnet50d@224", "seresnet50@224"),
            ("mmyolo-YOLOv8-s@640", "ultralytics-yolov8s@640"),
            ("vgg16_bn@224", "vgg16@224"),
        ] {
            assert_eq!(group_of(one), group_of(other));
        }
        assert_ne!(group_of("resnext101_32x8d@224"), group_of("resnext101_32x4d@224"));
        assert_ne!(group_of("densenet121@224"), group_of("densenet169@224"));
        assert_eq!(id_of("mmyolo:PPYOLOE+ -s", "640"), "mmyolo-PPYOLOEplus-s@640");
    }
}
