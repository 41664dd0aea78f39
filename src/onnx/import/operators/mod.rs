//! How each ONNX operator is read: one file per family, each with a slice of operations and
//! readers.
//!
//! A reader works out sizes from the inputs' and says what is computed ([`Call`]); operators that
//! only move numbers around also compute those, for the arithmetic on shapes that exporters write.

mod activation;
mod arithmetic;
mod conv;
mod layout;
mod matmul;
mod normal;
mod numbers;
mod pool;
mod reduce;
mod resize;
mod slice;

use super::call::Call;
use super::reader::Readers;

/// Reads one node; the reason if it cannot.
pub(super) type ReadNode = fn(&mut Call) -> Result<(), String>;

/// Operations and their readers.
type Family = &'static [(&'static str, ReadNode)];

/// Every family of operators.
const FAMILIES: [Family; 11] = [
    activation::READERS,
    arithmetic::READERS,
    conv::READERS,
    layout::READERS,
    matmul::READERS,
    normal::READERS,
    numbers::READERS,
    pool::READERS,
    reduce::READERS,
    resize::READERS,
    slice::READERS,
];

/// The reader of each operation.
pub(super) fn readers() -> Readers {
    FAMILIES.iter().flat_map(|family| family.iter().copied()).collect()
}
