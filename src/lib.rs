//! Hardware-aware neural architecture search.
//!
//! The rooms, in the direction the data flows:
//!
//! * [`net`]: structure strings, super-blocks, and the operator graph they lower to.
//! * [`latency`]: from a graph to milliseconds with their evidence.

pub mod latency;
pub mod net;
