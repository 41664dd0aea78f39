//! Hardware-aware neural architecture search.
//!
//! The rooms, in the direction the data flows:
//!
//! * [`net`]: structure strings, super-blocks, and the operator graph they lower to.
//! * [`latency`]: from a graph to milliseconds with their evidence.
//! * [`onnx`]: graphs and operators as ONNX models, with weights, checked in tract.

pub mod latency;
pub mod net;
pub mod onnx;
