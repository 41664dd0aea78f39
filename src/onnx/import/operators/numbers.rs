//! Sizes as numbers, and numbers made of nothing.

use super::super::call::Call;
use super::super::constant::{Constant, MAX_VALUES, Values};
use super::super::tensor::Tensor;
use super::Family;

pub(super) const READERS: Family =
    &[("ConstantOfShape", constant_of_shape), ("Range", range), ("Shape", shape), ("Size", size)];

fn shape(call: &mut Call) -> Result<(), String> {
    let dims: Vec<i64> = call.input(0)?.dims.iter().map(|dim| *dim as i64).collect();
    let rank = dims.len() as i64;
    let place = |name: &str, default: i64| -> Result<usize, String> {
        let place = call.node.int(name)?.unwrap_or(default);
        Ok((if place < 0 { place.saturating_add(rank) } else { place }).clamp(0, rank) as usize)
    };
    let (start, end) = (place("start", 0)?, place("end", rank)?);
    call.set(0, Tensor::integers(dims.get(start..end).unwrap_or(&[]).to_vec()));
    Ok(())
}

fn size(call: &mut Call) -> Result<(), String> {
    let elements = call.input(0)?.elements() as i64;
    call.set(0, Tensor { dims: vec![], ..Tensor::integers(vec![elements]) });
    Ok(())
}

fn constant_of_shape(call: &mut Call) -> Result<(), String> {
    let sizes = call.integers(0)?.ok_or("it has no sizes")?;
    let (dims, elements) = super::super::constant::checked_dims(&sizes)?;
    let value = match call.node.attributes.iter().find(|attribute| attribute.name == "value") {
        Some(attribute) => {
            let tensor = attribute.t.as_ref().ok_or("its attribute `value` holds no tensor")?;
            Constant::read(tensor, true)?.values.as_deref().cloned()
        }
        None => Some(Values::Floats(vec![0.0])),
    };
    let values = value.filter(|value| elements <= MAX_VALUES as u64 && value.len() == 1).map(|value| match value {
        Values::Integers(values) => Values::Integers(vec![values[0]; elements as usize]),
        Values::Floats(values) => Values::Floats(vec![values[0]; elements as usize]),
    });
    call.set_known(0, dims, values)
}

fn range(call: &mut Call) -> Result<(), String> {
    let mut ends = [0.0; 3];
    for (place, end) in ends.iter_mut().enumerate() {
        let values = call.input(place)?.values.as_deref().map(Values::floats);
        *end = *values.as_ref().and_then(|values| values.first()).ok_or("its ends are not known from the file")?;
    }
    let [start, limit, step] = ends;
    let count = ((limit - start) / step).ceil().max(0.0);
    if !count.is_finite() || count > f64::from(u32::MAX) {
        return Err(format!("it goes from {start} to {limit} in steps of {step}"));
    }
    let is_whole = call.input(0)?.values.as_deref().is_some_and(|values| values.integers().is_some());
    let values = (count <= MAX_VALUES as f64).then(|| {
        let numbers = (0..count as u64).map(|place| start + place as f64 * step);
        if is_whole {
            Values::Integers(numbers.map(|number| number as i64).collect())
        } else {
            Values::Floats(numbers.collect())
        }
    });
    call.set_known(0, vec![count as u64], values)
}
