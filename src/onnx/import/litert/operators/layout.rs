//! Operators that move, repeat or drop numbers, or reduce whole dimensions.

use super::Call;
use crate::litert::schema::BuiltinOperator as Code;
use crate::onnx::import::litert::attribute::{int, ints, text};
use crate::onnx::import::litert::{turned, turned_axis};
use crate::onnx::import::messages::Node;

impl Call<'_, '_, '_> {
    pub(super) fn pad(&mut self, code: Code) -> Result<(), String> {
        let rank = self.rank(0)?;
        let pairs = self.integers(1)?;
        if pairs.len() != 2 * rank {
            return Err(format!("it pads {} sides of {rank} dimensions", pairs.len()));
        }
        let side = |last: usize| turned(&(0..rank).map(|place| pairs[2 * place + last]).collect::<Vec<i64>>());
        let pads = [side(0), side(1)].concat();
        let inputs = vec![self.value(0)?, self.to.numbers(&pads)];
        let mode = if code == Code::MIRROR_PAD { vec![text("mode", "reflect")] } else { Vec::new() };
        self.node("Pad", inputs, mode)
    }

    pub(super) fn resize(&mut self, mode: &'static str) -> Result<(), String> {
        let sizes: Vec<i64> = turned(self.output_dims()?).iter().map(|size| *size as i64).collect();
        let inputs = vec![self.value(0)?, String::new(), String::new(), self.to.numbers(&sizes)];
        self.node("Resize", inputs, vec![text("mode", mode)])
    }

    pub(super) fn transpose(&mut self) -> Result<(), String> {
        let order = self.integers(1)?;
        let rank = self.rank(0)?;
        let places: Vec<usize> = order.iter().map(|axis| turned_axis(*axis, rank)).collect::<Result<_, _>>()?;
        if places.len() != rank {
            return Err(format!("it orders {} of {rank} dimensions", places.len()));
        }
        let order = turned(&places).iter().map(|place| *place as i64).collect();
        let input = self.value(0)?;
        self.node("Transpose", vec![input], vec![ints("perm", order)])
    }

    /// Where a slice begins does not change what it costs.
    pub(super) fn slice(&mut self) -> Result<(), String> {
        let ends: Vec<i64> = turned(self.output_dims()?).iter().map(|size| *size as i64).collect();
        let inputs = vec![self.value(0)?, self.to.numbers(&vec![0; ends.len()]), self.to.numbers(&ends)];
        self.node("Slice", inputs, Vec::new())
    }

    pub(super) fn split(&mut self, place: usize, axis: i64) -> Result<(), String> {
        let axis = turned_axis(axis, self.rank(place)?)?;
        let mut sizes = Vec::new();
        let mut output = Vec::new();
        for id in &self.outputs {
            let tensor = self.to.tensor(*id)?;
            sizes.push(tensor.sizes().get(axis).map_or(0, |size| *size as i64));
            output.push(tensor.name.clone());
        }
        let input = vec![self.value(place)?, self.to.numbers(&sizes)];
        let (op_type, attribute) = ("Split".to_owned(), vec![int("axis", axis as i64)]);
        self.to.push(Node { input, output, op_type, attribute, ..Node::default() });
        Ok(())
    }

    pub(super) fn reduce(&mut self, operation: &str) -> Result<(), String> {
        let keeps = self.operator.builtin_options_as_reducer_options().is_some_and(|options| options.keep_dims());
        let dims = self.dims(0)?.to_vec();
        let axes = self.integers(1)?;
        let axes: Vec<usize> = axes.iter().map(|axis| turned_axis(*axis, dims.len())).collect::<Result<_, _>>()?;
        let sizes = turned(&dims).into_iter().enumerate();
        let sizes: Vec<u64> = match keeps {
            true => sizes.map(|(place, size)| if axes.contains(&place) { 1 } else { size }).collect(),
            false => sizes.filter(|(place, _)| !axes.contains(place)).map(|(_, size)| size).collect(),
        };
        let (input, reduced) = (self.value(0)?, self.to.between());
        let axes = self.to.numbers(&axes.iter().map(|axis| *axis as i64).collect::<Vec<_>>());
        self.to.node(operation, vec![input, axes], reduced.clone(), vec![int("keepdims", keeps.into())]);
        self.finish(reduced, &sizes)
    }
}
