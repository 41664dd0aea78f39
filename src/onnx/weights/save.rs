//! Tensors to a safetensors file, one after another.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Weights, required_tensors};
use crate::files;
use crate::net::Graph;
use crate::onnx::OnnxError;

/// A file of weights that was written.
#[derive(Clone, Debug, serde::Serialize, schemars::JsonSchema)]
pub struct SavedWeights {
    pub path: PathBuf,
    /// Size of the file.
    pub bytes: u64,
    pub tensors: usize,
    /// Where the weights are from, as in a model's metadata.
    pub weights: String,
}

impl Weights {
    /// Writes the tensors of `graph` to a safetensors file: 32-bit floats under their state-dict
    /// names, in execution order, with the statistics of the batch norms. These are the values that
    /// [`export`](crate::onnx::export) folds for the same weights. `metadata` is written beside
    /// where the weights are from. The file appears whole or not at all; one tensor is held at a
    /// time.
    ///
    /// # Errors
    /// When the weights do not fit the graph (all of them named), or the file cannot be written.
    pub fn save(&self, graph: &Graph, metadata: &[(&str, &str)], path: &Path) -> Result<SavedWeights, OnnxError> {
        self.check(graph)?;
        let write = |source| OnnxError::Write { path: path.to_owned(), source };
        let specs = required_tensors(graph);

        let text: serde_json::Map<String, Value> = [("format", "pt"), ("weights", self.description().as_str())]
            .iter()
            .chain(metadata)
            .map(|(key, value)| (key.to_string(), json!(value)))
            .collect();
        let mut entries = vec![format!("\"__metadata__\":{}", Value::Object(text))];
        let mut end = 0;
        for spec in &specs {
            let start = end;
            end += 4 * spec.elements();
            let entry = json!({ "dtype": "F32", "shape": spec.shape, "data_offsets": [start, end] });
            entries.push(format!("{}:{entry}", json!(spec.name)));
        }
        let mut header = format!("{{{}}}", entries.join(","));
        // The values begin at a multiple of eight bytes, as the format's readers like to map them.
        header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));

        let mut file = files::temporary_beside(path).map_err(write)?;
        let mut writer = BufWriter::new(file.as_file_mut());
        writer.write_all(&(header.len() as u64).to_le_bytes()).map_err(write)?;
        writer.write_all(header.as_bytes()).map_err(write)?;
        for spec in &specs {
            for value in self.get(spec)?.iter() {
                writer.write_all(&value.to_le_bytes()).map_err(write)?;
            }
        }
        writer.flush().map_err(write)?;
        drop(writer);
        file.as_file().sync_all().map_err(write)?;
        file.persist(path).map_err(|error| write(error.error))?;
        let bytes = 8 + header.len() as u64 + end;
        Ok(SavedWeights { path: path.to_owned(), bytes, tensors: specs.len(), weights: self.description() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{LowerOptions, Network};

    #[test]
    fn saved_weights_are_the_weights() {
        let text = "SuperConvK3BNRELU(3,8,1,1)SuperResIDWE2K3(8,16,2,8,1)SuperResK3K3(16,16,1,8,1)";
        let options = LowerOptions { squeeze_excite: true, ..LowerOptions::new(8, 10) };
        let graph = Network::parse(text).unwrap().lower(&options).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("init.safetensors");
        let seeded = Weights::seeded(5);
        let saved = seeded.save(&graph, &[("structure", text)], &path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(saved.bytes, bytes.len() as u64);

        let read = Weights::load(&path).unwrap();
        read.check(&graph).unwrap();
        let specs = required_tensors(&graph);
        assert_eq!(saved.tensors, specs.len());
        for spec in &specs {
            assert_eq!(read.get(spec).unwrap(), seeded.get(spec).unwrap(), "{}", spec.name);
        }

        // The format's own library reads the same.
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        let metadata = header.metadata().as_ref().unwrap();
        assert_eq!(metadata["structure"], text);
        assert_eq!(metadata["weights"], "untrained, He-normal, seed 5");
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(tensors.len(), specs.len());
        let norm = tensors.tensor("module_list.0.module_list.1.netblock.running_var").unwrap();
        assert_eq!(norm.data(), 1f32.to_le_bytes().repeat(8));

        assert!(seeded.save(&graph, &[], &folder.path().join("missing/init.safetensors")).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
