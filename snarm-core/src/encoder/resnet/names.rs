//! The tensors of a ResNet by torchvision's names, which timm has too, and its sizes.

use std::path::Path;

use super::{STAGES, Sizes};
use crate::error::{Error, Result};
use crate::files::{Tensor, Weights};
use crate::layers::Tensors;

const WHAT: &str = "encoder";

/// A tensor that all networks of the family have.
const FIRST: &str = "layer1.0.conv1.weight";

/// What an error says was expected.
const EXPECTED: &str = "a ResNet of basic blocks (18 or 34 layers)";

/// The most blocks of a stage.
const MOST_BLOCKS: usize = 64;

/// Tensors by torchvision's names, whatever prefix a checkpoint puts before them.
pub(crate) struct Named<'a> {
    weights: &'a Weights,
    prefix: String,
}

impl<'a> Named<'a> {
    /// The tensors of a file with such a network; nothing for a file of other networks.
    pub(crate) fn find(weights: &'a Weights) -> Option<Self> {
        let names = weights.names();
        let prefix = names.iter().find_map(|name| {
            name.strip_suffix(FIRST).filter(|prefix| prefix.is_empty() || prefix.ends_with('.'))
        })?;
        Some(Self { weights, prefix: prefix.to_owned() })
    }

    /// Sizes of the network.
    pub(crate) fn sizes(&self) -> Result<Sizes> {
        let channels = |name: &str| -> Result<usize> {
            Ok(self.tensor(name, &[])?.and_then(|tensor| tensor.shape.first().copied()).unwrap_or(0))
        };
        let names = self.weights.names();
        let has = |name: &str| names.binary_search(&format!("{}{name}", self.prefix)).is_ok();
        if has("layer1.0.conv3.weight") {
            return Err(self.wrong("bottlenecks of three convolutions"));
        }
        let mut stages = [(0, 0); STAGES];
        for (s, (width, blocks)) in stages.iter_mut().enumerate() {
            let name = |b: usize| format!("layer{}.{b}.conv1.weight", s + 1);
            *width = channels(&name(0))?;
            *blocks = (0..MOST_BLOCKS).take_while(|b| has(&name(*b))).count();
        }
        let sizes = Sizes { stem: channels("conv1.weight")?, stages };
        if sizes.stem == 0 || stages.iter().any(|(width, blocks)| width * blocks == 0) {
            return Err(self.wrong(&format!("a stem of {} and stages of {stages:?}", sizes.stem)));
        }
        Ok(sizes)
    }

    fn wrong(&self, found: &str) -> Error {
        Error::wrong_file(WHAT, self.weights.path(), EXPECTED, found)
    }
}

impl Tensors for Named<'_> {
    fn tensor(&self, name: &str, _: &[usize]) -> Result<Option<Tensor>> {
        self.weights.get(&format!("{}{name}", self.prefix))
    }

    fn path(&self) -> Option<&Path> {
        Some(self.weights.path())
    }
}
