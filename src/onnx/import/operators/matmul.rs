//! Products of matrices and fully connected layers.

use super::super::call::{Call, Draft};
use super::Family;
use crate::net::{ForeignKind, OperatorKind};

pub(super) const READERS: Family = &[("Gemm", gemm), ("MatMul", matmul)];

fn gemm(call: &mut Call) -> Result<(), String> {
    let flag = |name: &str| -> Result<bool, String> { Ok(call.node.int(name)?.unwrap_or(0) != 0) };
    let (flip_first, flip_second) = (flag("transA")?, flag("transB")?);
    let (first, second) = (call.input(0)?, call.input(1)?);
    let (&[mut rows, mut inner], &[mut height, mut columns]) = (&first.dims[..], &second.dims[..]) else {
        return Err(format!(
            "its inputs have sizes {:?} and {:?}, but it multiplies matrices",
            first.dims, second.dims
        ));
    };
    if flip_first {
        (rows, inner) = (inner, rows);
    }
    if flip_second {
        (height, columns) = (columns, height);
    }
    if inner != height {
        return Err(format!("it multiplies {rows} x {inner} by {height} x {columns} values, which do not fit"));
    }
    let bias = call.node.input(2).is_some();
    product(call, Product { batches: 1, rows, inner, columns, bias, dims: vec![rows, columns] })
}

/// The product of the last two dimensions; a third input is a bias.
fn matmul(call: &mut Call) -> Result<(), String> {
    let (first, second) = (call.input(0)?, call.input(1)?);
    let fits = || format!("it multiplies sizes {:?} by {:?}, which do not fit", first.dims, second.dims);
    if first.rank() == 0 || second.rank() == 0 {
        return Err(fits());
    }
    // A vector is a matrix of one row, or of one column.
    let mut left = first.dims.clone();
    let mut right = second.dims.clone();
    if left.len() == 1 {
        left.insert(0, 1);
    }
    if right.len() == 1 {
        right.push(1);
    }
    let (rows, inner) = (left[left.len() - 2], left[left.len() - 1]);
    let (height, columns) = (right[right.len() - 2], right[right.len() - 1]);
    if inner != height {
        return Err(fits());
    }
    let (left, right) = (&left[..left.len() - 2], &right[..right.len() - 2]);
    let rank = left.len().max(right.len());
    let mut dims = Vec::with_capacity(rank + 2);
    for place in (0..rank).rev() {
        let at = |dims: &[u64]| if place < dims.len() { dims[dims.len() - 1 - place] } else { 1 };
        let (a, b) = (at(left), at(right));
        if a != b && a != 1 && b != 1 {
            return Err(fits());
        }
        dims.push(a.max(b));
    }
    let batches = dims.iter().try_fold(1_u64, |product, dim| product.checked_mul(*dim)).ok_or_else(fits)?;
    if first.rank() > 1 {
        dims.push(rows);
    }
    if second.rank() > 1 {
        dims.push(columns);
    }
    let bias = call.node.input(2).is_some();
    product(call, Product { batches, rows, inner, columns, bias, dims })
}

/// `batches` products of `rows` x `inner` by `inner` x `columns`.
struct Product {
    batches: u64,
    rows: u64,
    inner: u64,
    columns: u64,
    bias: bool,
    /// Sizes of the output.
    dims: Vec<u64>,
}

fn product(call: &mut Call, product: Product) -> Result<(), String> {
    let Product { batches, rows, inner, columns, bias, dims } = product;
    let elements = super::super::tensor::checked(&dims)?;
    call.check_weights(0..2)?;
    let is_weights = call.input(0)?.map.is_some() && call.input(1)?.map.is_none() && call.input(1)?.rank() == 2;
    if call.maps().next().is_none() {
        return call.set_known(0, dims, None);
    }
    let owned = call.claim(0, true) + call.claim_with_bias(1, 2);
    let weights = inner.saturating_mul(columns);
    let is_own = is_weights && owned == weights + if bias { columns } else { 0 };
    let last = dims.len().saturating_sub(1);
    let input = call.input(0)?;
    if is_own
        && input.rank() > 1
        && input.channel_axis + 1 == input.rank()
        && u64::from(input.shape()?.channels) == inner
    {
        if input.shape()?.pixels() == 1 && bias {
            return call.operator(OperatorKind::Linear, [0, 0], dims, last);
        }
        if input.shape()?.pixels() > 1 {
            // Every pixel is a row: a convolution of one pixel.
            let kind = OperatorKind::Conv { kernel: 1, stride: 1, groups: 1, bias };
            return call.operator(kind, [0, 0], dims, last);
        }
    }
    let size = |value: u64| u32::try_from(value).map_err(|_| format!("it has {value} rows or columns, too many"));
    // With weights all rows are of one product.
    let (batches, rows) = if is_weights { (1, batches * rows) } else { (batches, rows) };
    let kind = ForeignKind::MatMul {
        batches: size(batches)?,
        rows: size(rows)?,
        inner: size(inner)?,
        columns: size(columns)?,
    };
    let draft = Draft { kind, flops: elements.saturating_mul(inner), approximation: None };
    call.foreign_output(0, draft, dims, last, owned)
}
