//! Operators of networks that were not drawn from a structure: what an ONNX file may hold beside
//! the operators that the block families use.
//!
//! They cost, and they take time; scores and export do not know them. Reading them from a file is
//! `onnx::import`'s work.

use super::activation::Activation;
use super::graph::OperatorId;

/// Index of a [`Foreign`] operator in its graph's side table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ForeignId(pub(crate) u32);

/// What a foreign operator computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForeignKind {
    /// A convolution that is not square with an odd kernel and "same" padding; windows are height
    /// x width.
    Conv {
        kernel: [u32; 2],
        stride: [u32; 2],
        dilation: [u32; 2],
        groups: u32,
        transposed: bool,
    },
    MaxPool {
        kernel: [u32; 2],
        stride: [u32; 2],
    },
    AveragePool {
        kernel: [u32; 2],
        stride: [u32; 2],
    },
    /// Maps one behind the other along the channels (or another axis).
    Concat,
    /// Product of two maps of equal shape, or of a map with one row of its values.
    Multiply,
    /// Interpolation to another size.
    Resize,
    /// Values moved but not changed: transposition, padding, slices, channel shuffles.
    Rearrange,
    /// The same values in the same order under another shape: nothing is done.
    View,
    /// Normalisation over channels or groups of them.
    Norm,
    Softmax,
    /// Product of two matrices, or a fully connected layer without bias or on more than one row:
    /// `rows` x `inner` times `inner` x `columns`, for each of `batches`.
    MatMul {
        batches: u32,
        rows: u32,
        inner: u32,
        columns: u32,
    },
    /// An activation with another number of trained values than structures have.
    Activation(Activation),
    /// Any other function of the values, one by one or a mean of some of them.
    Elementwise,
    /// Nothing is known of it but the size of its maps.
    Unknown,
}

/// A foreign operator's own facts; shape and branch stand in its `Operator`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    pub kind: ForeignKind,
    /// Name of the operation where it came from, e.g. `MaxPool`.
    pub operation: String,
    /// Producers of its inputs, in order.
    pub(crate) inputs: Vec<OperatorId>,
    /// Trained values, e.g. of a layer's scale.
    pub parameters: u64,
    /// Multiply-adds for one image.
    pub flops: u64,
    /// How what is predicted for it differs from what it does, for people.
    pub approximation: Option<&'static str>,
}

impl ForeignKind {
    /// Whether its output may take the place of its input in memory.
    pub(super) fn is_in_place(&self) -> bool {
        matches!(
            self,
            ForeignKind::Multiply
                | ForeignKind::View
                | ForeignKind::Norm
                | ForeignKind::Softmax
                | ForeignKind::Activation(_)
                | ForeignKind::Elementwise
        )
    }
}
