//! The kernels of its parts, one after the other, with what lies between as bf16.

use super::{Layers, Workspace};
use crate::device::{BufferView, BufferViewMut};
use crate::error::Result;
use crate::layer_norm::layer_norm;
use crate::linear::{Then, linear};

pub(super) fn mlp<'a>(
    x: BufferView<'a>,
    layers: Layers<'a>,
    workspace: &mut Workspace,
    y: BufferViewMut<'a>,
) -> Result<()> {
    let Layers { norm: [weight, bias], eps, up, up_bias, down, down_bias } = layers;
    let Workspace { normed, hidden, .. } = workspace;
    normed.resize(x.len())?;
    layer_norm(x, weight, bias, eps, &mut *normed)?;
    hidden.resize(x.len() / weight.len().max(1) * up_bias.len())?;
    linear(&*normed, up, up_bias, Then::Gelu, &mut *hidden)?;
    linear(&*hidden, down, down_bias, Then::Add, y)
}
