//! Global average pooling to 1 x 1 pixels.

use super::ModelBuilder;

impl ModelBuilder {
    pub fn global_average_pool(&mut self, name: &str, map: &str) {
        self.node("GlobalAveragePool", name, &[map], name, vec![]);
    }
}
