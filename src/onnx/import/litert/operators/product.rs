//! Products of matrices.

use super::Call;
use crate::litert::schema::ActivationFunctionType as Fused;
use crate::onnx::import::litert::attribute::int;
use crate::onnx::import::litert::turned;

impl Call<'_, '_, '_> {
    pub(super) fn fully_connected(&mut self) -> Result<(), String> {
        let options = self.operator.builtin_options_as_fully_connected_options();
        let (keeps, fused) =
            options.map_or((false, Fused::NONE), |o| (o.keep_num_dims(), o.fused_activation_function()));
        let [outputs, columns] = *self.dims(1)? else {
            return Err("its weights are no matrix".to_owned());
        };
        let dims = self.dims(0)?.to_vec();
        let elements: u64 = dims.iter().product();
        if columns == 0 || !elements.is_multiple_of(columns) {
            return Err(format!("its weights take {columns} values, its input has sizes {dims:?}"));
        }
        let (id, input) = (self.id(1)?, self.value(0)?);
        let is_constant = self.to.tensor(id)?.data.is_some();
        match dims.len() {
            // On every pixel of a map.
            4 if keeps && is_constant => {
                let weights = self.to.weight(id, vec![outputs, columns, 1, 1])?;
                let inputs = self.with_bias(vec![input, weights], 2)?;
                self.fused("Conv", inputs, Vec::new(), fused)
            }
            // On every vector of a sequence.
            3 if is_constant => {
                let weights = self.to.weight(id, vec![columns, outputs])?;
                let product = self.to.between();
                self.to.node("MatMul", vec![input, weights], product.clone(), Vec::new());
                let mut value = product;
                if self.inputs.get(2).copied().flatten().is_some() {
                    let sum = self.to.between();
                    let inputs = self.with_bias(vec![value], 2)?;
                    self.to.node("Add", inputs, sum.clone(), Vec::new());
                    value = sum;
                }
                let sizes = [dims[0], dims[1], outputs];
                let wanted = turned(self.output_dims()?);
                if sizes[..] != wanted[..] {
                    value = self.to.resized(value, &wanted);
                }
                self.fused("Identity", vec![value], Vec::new(), fused)
            }
            _ => {
                let rows = elements / columns;
                let flat = if dims.len() == 2 { input } else { self.to.resized(input, &[rows, columns]) };
                let weights = self.value(1)?;
                let inputs = self.with_bias(vec![flat, weights], 2)?;
                let wanted = turned(self.output_dims()?);
                let attributes = vec![int("transB", 1)];
                if wanted == [rows, outputs] {
                    return self.fused("Gemm", inputs, attributes, fused);
                }
                let product = self.to.between();
                self.to.node("Gemm", inputs, product.clone(), attributes);
                let value = self.to.resized(product, &wanted);
                self.fused("Identity", vec![value], Vec::new(), fused)
            }
        }
    }

    pub(super) fn batch_matmul(&mut self) -> Result<(), String> {
        let options = self.operator.builtin_options_as_batch_mat_mul_options();
        let flips = options.map_or([false; 2], |o| [o.adj_x(), o.adj_y()]);
        let mut inputs = Vec::new();
        for (place, flip) in flips.into_iter().enumerate() {
            let mut dims = self.dims(place)?.to_vec();
            let is_turned = dims.len() == 4;
            if let [.., rows, columns] = &mut dims[..]
                && flip
            {
                std::mem::swap(rows, columns);
            }
            let id = self.id(place)?;
            inputs.push(match self.to.tensor(id)?.data {
                Some(_) => self.to.weight(id, dims)?,
                None if flip || is_turned => {
                    let value = self.to.value(id)?;
                    self.to.resized(value, &dims)
                }
                None => self.to.value(id)?,
            });
        }
        let (product, sizes) = (self.to.between(), self.output_dims()?.to_vec());
        self.to.node("MatMul", inputs, product.clone(), Vec::new());
        self.finish(product, &sizes)
    }
}
