//! Map times one value per channel: the product broadcasts over height and width.

use super::ModelBuilder;

impl ModelBuilder {
    pub fn gate(&mut self, name: &str, map: &str, gate: &str) {
        self.node("Mul", name, &[map, gate], name, vec![]);
    }
}
