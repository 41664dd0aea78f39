//! Results compared with values computed elsewhere.

mod onnx;
