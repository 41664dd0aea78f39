//! Shipped tables: embedded texts, loaded into the store when it lacks them.

use super::super::{LatencyError, Table};
use super::{Store, write};
use crate::hash::fnv1a;

/// Shipped tables by file name. Adding one: write `latency_tables/x.csv`, list it here and run
/// `zen-profile published --update latency_tables/README.md`.
pub static SHIPPED: &[(&str, &str)] = &[
    (
        "cpu-amd-epyc_onnxruntime_fp32_b1_t1",
        include_str!("../../../latency_tables/cpu-amd-epyc_onnxruntime_fp32_b1_t1.csv"),
    ),
    ("cpu-amd-epyc_tract_fp32_b1_t1", include_str!("../../../latency_tables/cpu-amd-epyc_tract_fp32_b1_t1.csv")),
    ("pixel2_published_fp32_b1", include_str!("../../../latency_tables/pixel2_published_fp32_b1.csv")),
    ("pixel2_tflite_fp32_b1_t1", include_str!("../../../latency_tables/pixel2_tflite_fp32_b1_t1.csv")),
    ("pixel2_tflite_int8_b1_t1", include_str!("../../../latency_tables/pixel2_tflite_int8_b1_t1.csv")),
    ("t4_tensorrt_int8_b1", include_str!("../../../latency_tables/t4_tensorrt_int8_b1.csv")),
    ("t4_tensorrt_int8_b64", include_str!("../../../latency_tables/t4_tensorrt_int8_b64.csv")),
    ("v100_published_fp16_b64", include_str!("../../../latency_tables/v100_published_fp16_b64.csv")),
    ("v100_tensorrt_fp16_b1", include_str!("../../../latency_tables/v100_tensorrt_fp16_b1.csv")),
    ("v100_tensorrt_fp16_b128", include_str!("../../../latency_tables/v100_tensorrt_fp16_b128.csv")),
    ("v100_tensorrt_fp16_b32", include_str!("../../../latency_tables/v100_tensorrt_fp16_b32.csv")),
    ("v100_tensorrt_fp16_b64", include_str!("../../../latency_tables/v100_tensorrt_fp16_b64.csv")),
    ("v100_tensorrt_fp32_b1", include_str!("../../../latency_tables/v100_tensorrt_fp32_b1.csv")),
    ("v100_tensorrt_fp32_b128", include_str!("../../../latency_tables/v100_tensorrt_fp32_b128.csv")),
    ("v100_tensorrt_fp32_b32", include_str!("../../../latency_tables/v100_tensorrt_fp32_b32.csv")),
    ("v100_tensorrt_fp32_b64", include_str!("../../../latency_tables/v100_tensorrt_fp32_b64.csv")),
    ("v100_tensorrt_int8_b1", include_str!("../../../latency_tables/v100_tensorrt_int8_b1.csv")),
    ("v100_tensorrt_int8_b128", include_str!("../../../latency_tables/v100_tensorrt_int8_b128.csv")),
    ("v100_tensorrt_int8_b32", include_str!("../../../latency_tables/v100_tensorrt_int8_b32.csv")),
    ("v100_tensorrt_int8_b64", include_str!("../../../latency_tables/v100_tensorrt_int8_b64.csv")),
];

impl Store {
    /// Loads every shipped table whose text differs from what is loaded; rows of its earlier text
    /// are replaced, everything else stays. Returns how many tables were loaded.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn import_shipped(&mut self) -> Result<usize, LatencyError> {
        let mut loaded = 0;
        for (name, text) in SHIPPED {
            loaded += usize::from(self.import_table(name, text)?);
        }
        Ok(loaded)
    }

    /// Loads one table under a name unless this very text is loaded already; says whether it was.
    ///
    /// # Errors
    /// When the text does not read or the database cannot be written.
    pub fn import_table(&mut self, name: &str, text: &str) -> Result<bool, LatencyError> {
        let hash = content_hash(text);
        if self.shipped_hash(name)?.as_deref() == Some(&hash) {
            return Ok(false);
        }
        let table = Table::parse(name, text)?;
        let mut import = || {
            let transaction = self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            transaction.execute("DELETE FROM run WHERE shipped = ?1", [name])?;
            let run = write::begin_run(&transaction, &table.setting, &table.about, Some(&table.date), Some(name))?;
            let mut rows = write::RowWriter::new(&transaction)?;
            for row in &table.rows {
                rows.insert(run, row)?;
            }
            drop(rows);
            for check in &table.networks {
                super::checks::insert_check(&transaction, run, check)?;
            }
            if let Some(model) = &table.model {
                write::insert_model(&transaction, run, model)?;
            }
            write::finish_run(&transaction, run, table.error.as_ref())?;
            transaction.execute(
                "INSERT INTO shipped (name, hash) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET hash = excluded.hash",
                [name, &hash],
            )?;
            transaction.commit()
        };
        import().map_err(|source| self.failed("loading a shipped table", source))?;
        Ok(true)
    }
}

/// Tells versions of a text apart; not a defence against forgery.
fn content_hash(text: &str) -> String {
    format!("{:016x}", fnv1a(text.bytes()))
}
