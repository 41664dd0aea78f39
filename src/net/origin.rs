//! Where an operator's weights are in the published implementation's state dict.

/// Which module of the published PyTorch implementation an operator corresponds to; gives the
/// state-dict names of its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    pub(crate) block: u16,
    /// Index of the residual unit inside the super-block, if the operator is inside one.
    pub(crate) unit: Option<u16>,
    /// Index inside the unit, or inside the super-block when there is no unit.
    pub(crate) index: u16,
    pub(crate) part: Part,
}

/// The place of an operator inside its module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    /// The module itself.
    Module,
    /// Element of the projection shortcut (0 convolution, 1 batch norm).
    Projection(u8),
    /// Element of a squeeze-and-excitation module (1, 4 convolutions; 2, 5 batch norms).
    SqueezeExcite(u8),
    /// The classifier.
    Classifier,
}

impl Origin {
    /// Prefix of the state-dict names of the operator's tensors, e.g.
    /// `module_list.1.module_list.0.proj.0`; append `.weight`, `.bias`, ...
    pub fn state_dict_prefix(&self) -> String {
        let Origin { block, unit, index, .. } = *self;
        let module = match unit {
            Some(unit) => format!("module_list.{block}.module_list.{unit}"),
            None => format!("module_list.{block}"),
        };
        match self.part {
            Part::Module => format!("{module}.module_list.{index}.netblock"),
            Part::Projection(i) => format!("{module}.proj.{i}"),
            Part::SqueezeExcite(i) => format!("{module}.module_list.{index}.netblock.{i}"),
            Part::Classifier => "fc_linear.netblock".to_owned(),
        }
    }
}
