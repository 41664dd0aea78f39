//! Which kind of file is written: by `--format`, else by the ending of its name.

use std::path::Path;

use clap::ValueEnum;

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A model for runtimes
    Onnx,
    /// A .tflite file, for apps on phones and boards
    Litert,
    /// A Python file with a torch.nn.Module, to be trained
    Pytorch,
}

/// Endings of files that are not written, and what makes them; `docs/guide/convert.md` has the commands.
const OTHERS: [(&[&str], &str); 9] = [
    (&["mlpackage", "mlmodel", "mlmodelc"], "coremltools makes Core ML files from the PyTorch module (-o network.py)"),
    (&["param", "bin"], "pnnx makes ncnn files from the ONNX file (-o network.onnx)"),
    (&["engine", "plan", "trt"], "trtexec makes TensorRT engines from the ONNX file (-o network.onnx)"),
    (&["pt", "pth", "pt2", "ptl"], "PyTorch saves its own files from the module (-o network.py)"),
    (&["mnn"], "mnnconvert makes MNN files from the ONNX file (-o network.onnx)"),
    (&["xml"], "OpenVINO reads the ONNX file itself (-o network.onnx)"),
    (&["ort"], "onnxruntime makes .ort files from the ONNX file (-o network.onnx)"),
    (&["safetensors"], "--init-weights writes the weights of a seed"),
    (&["pb", "h5", "keras"], "nothing here makes TensorFlow files; LiteRT takes a .tflite file (-o network.tflite)"),
];

impl Format {
    /// The kind of file of `path`; a name without an ending is ONNX.
    ///
    /// # Errors
    /// When the ending is that of a file that is not written: what makes it.
    pub fn of(path: &Path) -> Result<Self, String> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        match ending.as_deref() {
            None | Some("onnx") => Ok(Self::Onnx),
            Some("tflite") => Ok(Self::Litert),
            Some("py") => Ok(Self::Pytorch),
            Some(ending) => {
                let known = OTHERS.iter().find(|(endings, _)| endings.contains(&ending));
                let shown: String = ending.chars().map(|c| if c.is_control() { '?' } else { c }).take(40).collect();
                Err(match known {
                    Some((_, way)) => format!(".{shown} files are not written: {way}"),
                    None => format!(
                        "the ending .{shown} is not known: .onnx, .tflite and .py are written (--format names one for \
                         any other ending)"
                    ),
                })
            }
        }
    }
}
