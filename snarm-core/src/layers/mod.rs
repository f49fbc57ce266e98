//! Layers that networks of several kinds are made of, read by name from a [`Source`].

mod block;
mod convolution;
mod source;

use snarm_kernels::columns::{self, columns};
use snarm_kernels::device::{Buffer, BufferView, BufferViewMut, Place};
use snarm_kernels::layer_norm::layer_norm;
use snarm_kernels::linear::{Panels, Then, Weight, linear};
use snarm_kernels::mlp;

pub(crate) use self::block::{Block, EPS, EXPANSION, HEAD, Scratch};
pub(crate) use self::convolution::{After, Convolution, Unrolled};
pub(crate) use self::source::{Made, Source, Tensors, recorded};
use crate::error::{Error, Result};

/// A linear layer with a bias.
pub(crate) struct Linear {
    weight: Weight,
    bias: Buffer,
}

/// A layer norm.
pub(crate) struct Norm {
    weight: Buffer,
    bias: Buffer,
}

impl Linear {
    /// Of a weight (out, inner), which was read from `source`, and a bias (out).
    pub(crate) fn of(source: &Source<'_>, weight: &[f32], bias: Vec<f32>) -> Self {
        let (out, k) = (bias.len(), weight.len() / bias.len().max(1));
        let panels = Panels::from_transposed(weight, out, k).in_precision(source.precision());
        Self { weight: Weight::Host(panels), bias: bias.into() }
    }

    /// Reads `weight` (out, inner), where `inner` may be several sizes, as those of a patch are, and `bias` (out).
    pub(crate) fn read(source: &Source<'_>, out: usize, inner: &[usize]) -> Result<Self> {
        Self::read_scaled(source, out, inner, None)
    }

    /// As [`Self::read`], each output multiplied by a factor: what follows a layer and only scales is folded into it.
    pub(crate) fn read_scaled(
        source: &Source<'_>,
        out: usize,
        inner: &[usize],
        scale: Option<Vec<f32>>,
    ) -> Result<Self> {
        let k = inner.iter().product();
        let mut weight = source.get("weight", &[&[out], inner].concat())?;
        let mut bias = source.get("bias", &[out])?;
        if let Some(scale) = scale {
            for ((row, bias), scale) in weight.chunks_exact_mut(k).zip(&mut bias).zip(scale) {
                row.iter_mut().for_each(|w| *w *= scale);
                *bias *= scale;
            }
        }
        Ok(Self::of(source, &weight, bias))
    }

    /// Width of a row that it gives.
    pub(crate) fn width(&self) -> usize {
        self.bias.len()
    }

    /// A copy of the layer at another place.
    pub(crate) fn at(&self, place: &Place) -> Result<Self> {
        Ok(Self { weight: self.weight.at(place)?, bias: copied(&self.bias, place)? })
    }

    /// Rows x (n, inner) to rows y (n, out).
    pub(crate) fn run<'a>(
        &'a self,
        x: impl Into<BufferView<'a>>,
        then: Then,
        y: impl Into<BufferViewMut<'a>>,
    ) -> Result<()> {
        Ok(linear(x, &self.weight, &self.bias, then, y)?)
    }
}

impl Norm {
    /// Reads `weight` and `bias`, both (dim).
    pub(crate) fn read(source: &Source<'_>, dim: usize) -> Result<Self> {
        let (weight, bias) = (source.get("weight", &[dim])?, source.get("bias", &[dim])?);
        Ok(Self { weight: weight.into(), bias: bias.into() })
    }

    /// A copy of the layer at another place.
    pub(crate) fn at(&self, place: &Place) -> Result<Self> {
        Ok(Self { weight: copied(&self.weight, place)?, bias: copied(&self.bias, place)? })
    }

    /// Rows x (n, dim) to rows y of the same size.
    pub(crate) fn run<'a>(
        &'a self,
        x: impl Into<BufferView<'a>>,
        eps: f32,
        y: impl Into<BufferViewMut<'a>>,
    ) -> Result<()> {
        Ok(layer_norm(x, &self.weight, &self.bias, eps, y)?)
    }
}

/// Adds what a norm and two layers, with a GELU between them, make of rows x (n, dim) to rows y of the same size.
pub(crate) fn add_mlp<'a>(
    x: impl Into<BufferView<'a>>,
    norm: &'a Norm,
    eps: f32,
    [up, down]: [&'a Linear; 2],
    workspace: &mut mlp::Workspace,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let layers = mlp::Layers {
        norm: [norm.weight.view(), norm.bias.view()],
        eps,
        up: (&up.weight).into(),
        up_bias: up.bias.view(),
        down: (&down.weight).into(),
        down_bias: down.bias.view(),
    };
    Ok(mlp::mlp(x, layers, workspace, y)?)
}

/// Rows of `c` elements as products read them: a device keeps them as bf16, in `room` where they are not yet; the host takes them
/// as they are.
pub(crate) fn for_products<'a>(x: BufferView<'a>, c: usize, room: &'a mut Buffer) -> Result<BufferView<'a>> {
    if matches!(x, BufferView::Host(_)) || x.is_half() {
        return Ok(x);
    }
    room.resize(x.len())?;
    columns(x, c, 1.0, columns::Place::all(c), &mut *room)?;
    Ok(room.view())
}

/// Shows values to whoever observes a run, where the host has them.
pub(crate) fn show(values: BufferView<'_>, see: impl FnOnce(&[f32])) {
    if let BufferView::Host(values) = values {
        see(values);
    }
}

/// A copy of a buffer at another place.
pub(crate) fn copied(buffer: &Buffer, place: &Place) -> Result<Buffer> {
    Ok(Buffer::of(place, buffer.on_host(&mut Vec::new())?)?)
}

/// Reads the `weight` (out, inner) of a convolution without bias and the batch norm behind it, and returns weight and bias
/// of the two as one convolution.
pub(crate) fn folded(
    convolution: &Source<'_>,
    norm: &Source<'_>,
    out: usize,
    inner: &[usize],
    eps: f32,
) -> Result<(Vec<f32>, Vec<f32>)> {
    folded_with(convolution, norm, out, inner, None, eps)
}

/// As [`folded`], of a convolution with the bias `own` (out).
pub(crate) fn folded_with(
    convolution: &Source<'_>,
    norm: &Source<'_>,
    out: usize,
    inner: &[usize],
    own: Option<&[f32]>,
    eps: f32,
) -> Result<(Vec<f32>, Vec<f32>)> {
    let mut weight = convolution.get("weight", &[&[out], inner].concat())?;
    let part = |name: &str| norm.get(name, &[out]);
    let (gain, offset, mean, variance) =
        (part("weight")?, part("bias")?, part("running_mean")?, part("running_var")?);
    let mut bias = Vec::with_capacity(out);
    let rows = weight.chunks_exact_mut(inner.iter().product::<usize>().max(1));
    for (i, row) in rows.enumerate().take(out) {
        let spread = f64::from(variance[i]) + f64::from(eps);
        if spread.is_nan() || spread <= 0.0 {
            let expected = "a batch norm with variances of at least 0".to_owned();
            return Err(Error::Sizes { what: "encoder", expected, found: variance[i].to_string() });
        }
        let scale = f64::from(gain[i]) / spread.sqrt();
        row.iter_mut().for_each(|w| *w = (f64::from(*w) * scale) as f32);
        let shift = f64::from(own.map_or(0.0, |own| own[i])) - f64::from(mean[i]);
        bias.push((f64::from(offset[i]) + shift * scale) as f32);
    }
    Ok((weight, bias))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_norm_is_folded_into_the_convolution_before_it() {
        let make = |variance: f32| {
            move |name: &str, shape: &[usize]| {
                Ok::<_, Error>(match name {
                    "c.weight" => vec![1.0, 2.0, 3.0, 4.0],
                    "n.weight" => vec![2.0, 0.5],
                    "n.bias" => vec![0.1, 0.2],
                    "n.running_mean" => vec![1.0, -1.0],
                    "n.running_var" => vec![variance, 0.25],
                    _ => vec![0.0; shape.len()],
                })
            }
        };
        let fold = |variance: f32| {
            let make = make(variance);
            let made = Made(&make);
            let source = Source::new("encoder", &made);
            folded(&source.at("c"), &source.at("n"), 2, &[2, 1, 1], 0.0)
        };
        let (weight, bias) = fold(4.0).unwrap();
        assert_eq!((weight, bias), (vec![1.0, 2.0, 3.0, 4.0], vec![0.1 - 1.0, 0.2 + 1.0]));
        let error = fold(-1.0).unwrap_err().to_string();
        assert!(error.contains("expected a batch norm with variances of at least 0, found -1"), "{error}");
    }
}
