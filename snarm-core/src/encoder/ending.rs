//! The end of a network that was trained to give descriptors: a layer norm and a linear layer.

use snarm_kernels::device::{Buffer, BufferView, BufferViewMut, Place};
use snarm_kernels::linear::Then;

use crate::error::Result;
use crate::layers::{Linear, Norm, Source};

/// Norm and projection to the width of a descriptor.
pub(super) struct Ending {
    norm: Norm,
    linear: Linear,
    eps: f32,
}

impl Ending {
    /// Reads `head.norm` and `head`.
    pub(super) fn read(source: &Source<'_>, dim: usize, width: usize, eps: f32) -> Result<Self> {
        let head = source.at("head");
        Ok(Self {
            norm: Norm::read(&head.at("norm"), dim)?,
            linear: Linear::read(&head, width, &[dim])?,
            eps,
        })
    }

    /// A copy at another place.
    pub(super) fn at(&self, place: &Place) -> Result<Self> {
        Ok(Self { norm: self.norm.at(place)?, linear: self.linear.at(place)?, eps: self.eps })
    }

    /// Tokens (n, dim) to descriptors (n, width).
    pub(super) fn run<'a>(
        &'a self,
        tokens: impl Into<BufferView<'a>>,
        normed: &'a mut Buffer,
        descriptors: impl Into<BufferViewMut<'a>>,
    ) -> Result<()> {
        let tokens = tokens.into();
        normed.resize(tokens.len())?;
        self.norm.run(tokens, self.eps, &mut *normed)?;
        self.linear.run(&*normed, Then::Store, descriptors)
    }
}
