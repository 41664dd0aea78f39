//! Sum of two maps of equal shape.

use super::ModelBuilder;

impl ModelBuilder {
    pub fn add(&mut self, name: &str, first: &str, second: &str) {
        self.node("Add", name, &[first, second], name, vec![]);
    }
}
