//! Pooling over windows and over whole maps.

use super::super::call::{Call, Draft};
use super::super::window::Window;
use super::Family;
use crate::net::{ForeignKind, OperatorKind};

pub(super) const READERS: Family = &[
    ("AveragePool", average_pool),
    ("GlobalAveragePool", global_average_pool),
    ("GlobalLpPool", global_max_pool),
    ("GlobalMaxPool", global_max_pool),
    ("LpPool", average_pool),
    ("MaxPool", max_pool),
];

fn max_pool(call: &mut Call) -> Result<(), String> {
    windowed(call, |kernel, stride| ForeignKind::MaxPool { kernel, stride })
}

fn average_pool(call: &mut Call) -> Result<(), String> {
    windowed(call, |kernel, stride| ForeignKind::AveragePool { kernel, stride })
}

fn windowed(call: &mut Call, kind: fn([u32; 2], [u32; 2]) -> ForeignKind) -> Result<(), String> {
    call.channels_first(0)?;
    let map = call.input(0)?;
    if map.rank() < 3 {
        return Err(format!("its input has sizes {:?}, without height and width", map.dims));
    }
    let (spatial, head) = (map.spatial().to_vec(), map.dims[..2].to_vec());
    let mut window = Window::read(call.node, spatial.len(), None)?;
    let ceil = call.node.int("ceil_mode")?.unwrap_or(0) != 0;
    let output = window.slide(&spatial, ceil)?;
    let dims: Vec<u64> = head.into_iter().chain(output.iter().copied()).collect();
    let is_padded = window.before.iter().chain(&window.behind).any(|pad| *pad > 0);
    let (Some(kernel), Some(stride)) = (Window::pair(&window.kernel), Window::pair(&window.stride)) else {
        return call.foreign(ForeignKind::Unknown, dims, 1);
    };
    let kind = kind(kernel, stride);
    let is_mean = matches!(kind, ForeignKind::AveragePool { .. });
    if is_mean && window.kernel == spatial && !is_padded && call.input(0)?.map.is_some() {
        return call.operator(OperatorKind::GlobalAveragePool, [0, 0], dims, 1);
    }
    let approximation = if window.dilation.iter().any(|dilation| *dilation != 1) {
        Some("dilation; timed as if its window were dense")
    } else if kernel[0] != kernel[1] || stride[0] != stride[1] {
        Some("a window that is not square; timed as a square one of about as many values")
    } else {
        None
    };
    call.foreign(Draft { kind, flops: 0, approximation }, dims, 1)
}

fn global_average_pool(call: &mut Call) -> Result<(), String> {
    let dims = pooled(call)?;
    if call.input(0)?.map.is_none() {
        return call.set_known(0, dims, None);
    }
    call.operator(OperatorKind::GlobalAveragePool, [0, 0], dims, 1)
}

fn global_max_pool(call: &mut Call) -> Result<(), String> {
    let dims = pooled(call)?;
    let spatial = call.input(0)?.spatial().to_vec();
    let kind = match Window::pair(&spatial) {
        Some(kernel) => ForeignKind::MaxPool { kernel, stride: kernel },
        None => ForeignKind::Unknown,
    };
    let approximation = Some("over the whole map; timed as a window of its size");
    call.foreign(Draft { kind, flops: 0, approximation }, dims, 1)
}

/// Sizes with one pixel.
fn pooled(call: &mut Call) -> Result<Vec<u64>, String> {
    call.channels_first(0)?;
    let map = call.input(0)?;
    if map.rank() < 3 {
        return Err(format!("its input has sizes {:?}, without height and width", map.dims));
    }
    Ok(map.dims.iter().enumerate().map(|(axis, dim)| if axis < 2 { *dim } else { 1 }).collect())
}
