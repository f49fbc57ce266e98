//! One feature network and how it comes to descriptors.

use snarm_kernels::add_scaled::add_scaled;
use snarm_kernels::channel_pool::ChannelPool;
use snarm_kernels::device::{Buffer, BufferView, BufferViewMut, Place};
use snarm_kernels::unit_rows::unit_rows;
use snarm_kernels::upsample::{Corners, Upsample};

use super::conv::{self, Conv};
use super::efficientnet::{self, EfficientNet};
use super::ending::Ending;
use super::geometry::{Geometry, Level};
use super::pyramid::{self, Pyramid};
use super::sizes::PyramidSizes;
use super::transformer::{Layers, Transformer};
use super::vit::{self, Vit};
use crate::error::{Error, Result};

/// A network and the descriptors that are taken from it.
pub(super) struct FeatureNetwork {
    pub(super) geometry: Geometry,
    body: Body,
}

/// What messages call it.
const WHAT: &str = "encoder";

fn not_on_a_device(found: &str) -> Error {
    let expected =
        "a convolutional network in two stages, the only kind that runs on a device yet".to_owned();
    Error::Mismatch { what: WHAT, expected, found: found.to_owned() }
}

/// What makes descriptors of an image.
pub(super) enum Body {
    /// A transformer, and the pooling of the means of its blocks.
    Pooled(Vit, ChannelPool),
    /// A transformer whose last block is brought to descriptors by an ending of its own.
    Ended(Vit, Ending),
    /// A convolutional network in two stages.
    Conv(Box<Conv>),
    /// A convolutional pyramid.
    Pyramid(Box<Pyramid>),
    /// An EfficientNet-Lite.
    EfficientNet(Box<EfficientNet>),
}

/// What one stream needs to run a network: allocated at the first frame and kept.
#[derive(Default)]
pub(super) struct Activations {
    vit: vit::Activations,
    conv: conv::Activations,
    pyramid: pyramid::Activations,
    efficientnet: efficientnet::Activations,
    first: Vec<f32>,
    second: Vec<f32>,
    ended: Buffer,
    patches: Buffer,
    upsample: Option<Upsample>,
}

impl Activations {
    /// For a network at a place.
    pub(super) fn at(place: &Place) -> Result<Self> {
        let (conv, patches) = (conv::Activations::at(place)?, Buffer::new(place, 0)?);
        Ok(Self { conv, patches, ..Self::default() })
    }
}

impl FeatureNetwork {
    /// A copy at another place.
    ///
    /// # Errors
    /// When it is of a kind that does not run there, or the device lacks the memory.
    pub(super) fn at(&self, place: &Place) -> Result<Self> {
        let body = match &self.body {
            Body::Conv(conv) => Body::Conv(Box::new(conv.at(place)?)),
            Body::Pooled(..) | Body::Ended(..) => return Err(not_on_a_device("a transformer")),
            Body::Pyramid(_) => return Err(not_on_a_device("a pyramid")),
            Body::EfficientNet(_) => return Err(not_on_a_device("an EfficientNet-Lite")),
        };
        Ok(Self { geometry: self.geometry.clone(), body })
    }

    pub(super) fn new(geometry: Geometry, body: Body) -> Self {
        Self { geometry, body }
    }

    /// Sizes and constants of a vision transformer; nothing of a network of another kind.
    pub(super) fn transformer(&self) -> Option<&Transformer> {
        match &self.body {
            Body::Pooled(vit, _) | Body::Ended(vit, _) => Some(vit.sizes()),
            Body::Conv(_) | Body::Pyramid(_) | Body::EfficientNet(_) => None,
        }
    }

    /// The two groups of blocks whose means its descriptors are made of; the first is empty where the last block gives them.
    pub(super) fn layers(&self) -> Layers {
        match &self.body {
            Body::Pooled(vit, _) | Body::Ended(vit, _) => vit.sizes().layers.clone(),
            Body::Conv(conv) => Layers::last(conv.sizes().depth()),
            Body::Pyramid(pyramid) => Layers::last(pyramid.sizes().depth()),
            Body::EfficientNet(network) => Layers::last(network.sizes().depth()),
        }
    }

    /// Side of the grid of its own cells or patches, before descriptors are resampled.
    pub(super) fn patches(&self) -> usize {
        match &self.body {
            Body::Pooled(vit, _) | Body::Ended(vit, _) => vit.sizes().patches(),
            Body::Conv(conv) => self.geometry.side / conv.sizes().stride().max(1),
            Body::Pyramid(_) => self.geometry.side / PyramidSizes::STRIDE,
            Body::EfficientNet(network) => self.geometry.side / network.sizes().stride(),
        }
    }

    /// Numbers in its input and in the large buffers of its [`Activations`].
    pub(super) fn activations(&self) -> usize {
        let inside = match &self.body {
            Body::Conv(conv) => conv.activations(),
            Body::Pyramid(pyramid) => pyramid.activations(),
            Body::EfficientNet(network) => network.activations(self.geometry.side),
            Body::Ended(vit, _) => vit.activations(),
            Body::Pooled(vit, _) => {
                let sizes = vit.sizes();
                vit.activations() + sizes.patches().pow(2) * (2 * sizes.dim + self.geometry.width())
            }
        };
        self.geometry.input_len() + inside
    }

    /// Descriptors (grid * grid, width) of a normalised image (3, side, side). `observe` sees all tokens (tokens, dim) before
    /// the first block, as number 0, and after each block, as numbers from 1; of an EfficientNet-Lite the cells
    /// (cells, channels) after its stem and its stages.
    pub(super) fn encode(
        &self,
        image: BufferView<'_>,
        activations: &mut Activations,
        mut descriptors: BufferViewMut<'_>,
        observe: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<()> {
        let Level { grid, width } = self.geometry.level();
        let n = self.patches();
        // An EfficientNet-Lite brings what it sees to the grid itself.
        if grid == n || matches!(self.body, Body::EfficientNet(_)) {
            self.of_patches(image, activations, descriptors.reborrow(), observe)?;
        } else {
            let mut patches = std::mem::take(&mut activations.patches);
            patches.resize(n * n * width)?;
            self.of_patches(image, activations, patches.view_mut(), observe)?;
            let new = || Upsample::new((n, n), (grid, grid), width, Corners::Edges);
            activations.upsample.get_or_insert_with(new).run(&patches, descriptors.reborrow())?;
            activations.patches = patches;
        }
        if self.transformer().is_some_and(|sizes| sizes.unit_descriptors) {
            unit_rows(descriptors.host(WHAT)?, width)?;
        }
        Ok(())
    }

    /// One descriptor a patch; of an EfficientNet-Lite one a cell of the grid.
    fn of_patches(
        &self,
        image: BufferView<'_>,
        activations: &mut Activations,
        descriptors: BufferViewMut<'_>,
        observe: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<()> {
        let Activations {
            vit: activations,
            conv: maps,
            pyramid: pyramidal,
            efficientnet,
            first,
            second,
            ended,
            ..
        } = activations;
        if let Body::Conv(conv) = &self.body {
            return conv.run(image, maps, descriptors);
        }
        let (image, descriptors) = (image.host(WHAT)?, descriptors.host(WHAT)?);
        match &self.body {
            Body::Conv(_) => Ok(()),
            Body::Pyramid(pyramid) => pyramid.run(image, pyramidal, descriptors),
            Body::EfficientNet(network) => {
                network.run(image, &self.geometry, efficientnet, descriptors, observe)
            }
            Body::Ended(vit, ending) => {
                let skipped = vit.sizes().extra_tokens() * vit.sizes().dim;
                vit.forward(image, activations, &mut |number, tokens| {
                    observe(number, tokens);
                    if number == vit.sizes().blocks_used() {
                        ending.run(&tokens[skipped..], ended, &mut *descriptors)?;
                    }
                    Ok(())
                })
            }
            Body::Pooled(vit, pool) => {
                let sizes = vit.sizes();
                let (n, skipped) = (sizes.patches(), sizes.extra_tokens() * sizes.dim);
                for sum in [&mut *first, &mut *second] {
                    sum.clear();
                    sum.resize(n * n * sizes.dim, 0.0);
                }
                let groups = [&sizes.layers.first, &sizes.layers.second];
                vit.forward(image, activations, &mut |number, tokens| {
                    observe(number, tokens);
                    for (group, mean) in groups.into_iter().zip([&mut *first, &mut *second]) {
                        if number > 0 && group.contains(&(number - 1)) {
                            add_scaled(&tokens[skipped..], 1.0 / group.len() as f32, mean)?;
                        }
                    }
                    Ok(())
                })?;
                Ok(pool.run(first, second, descriptors)?)
            }
        }
    }
}
