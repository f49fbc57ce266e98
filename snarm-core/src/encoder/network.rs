//! One feature network and how it comes to descriptors.

use std::sync::Arc;

use snarm_kernels::Grid;
use snarm_kernels::add_scaled::add_scaled;
use snarm_kernels::channel_pool::ChannelPool;
use snarm_kernels::columns::{self, columns};
use snarm_kernels::device::{Buffer, BufferView, BufferViewMut, Place};
use snarm_kernels::unit_rows::unit_rows;
use snarm_kernels::upsample::{Corners, Upsample};

use super::conv::{self, Conv};
use super::efficientnet::{self, EfficientNet, Given};
use super::ending::Ending;
use super::geometry::{Geometry, Level, of_aspect};
use super::pyramid::{self, Pyramid};
use super::resnet::{self, ResNet};
use super::sizes::PyramidSizes;
use super::transformer::{Layers, Transformer};
use super::vit::{self, Vit};
use crate::error::Result;
use crate::layers::{copied, show};

/// A network for inputs of one size, and the descriptors that are taken from it. Networks of several sizes share their weights.
pub(super) struct FeatureNetwork {
    pub(super) geometry: Geometry,
    /// Side of the square input that it was trained on, in pixels.
    side: usize,
    body: Body,
    /// What the network adds at each cell of the input, by its place; empty where it adds nothing.
    places: Buffer,
}

/// What makes descriptors of an image of any size.
#[derive(Clone)]
pub(super) enum Body {
    /// A transformer, and the pooling of the means of its blocks.
    Pooled(Arc<Vit>, Arc<ChannelPool>),
    /// A transformer whose last block is brought to descriptors by an ending of its own.
    Ended(Arc<Vit>, Arc<Ending>),
    /// A convolutional network in two stages.
    Conv(Arc<Conv>),
    /// A convolutional pyramid.
    Pyramid(Arc<Pyramid>),
    /// An EfficientNet-Lite, and what is given of it.
    EfficientNet(Arc<EfficientNet>, Given),
    /// A ResNet.
    ResNet(Arc<ResNet>),
}

impl Body {
    /// Pixels that the sides of an input are multiples of.
    fn unit(&self) -> usize {
        match self {
            Self::Pooled(vit, _) | Self::Ended(vit, _) => vit.sizes().patch,
            Self::Conv(conv) => conv.sizes().stride(),
            Self::Pyramid(_) => PyramidSizes::COARSEST,
            Self::EfficientNet(_, given) => given.unit(),
            Self::ResNet(_) => resnet::Sizes::UNIT,
        }
    }

    /// What it adds at each cell of an input of `size`.
    fn places(&self, size: Grid) -> Buffer {
        match self {
            Self::Pooled(vit, _) | Self::Ended(vit, _) => vit.start(size).into(),
            Self::Conv(conv) => conv.positions(size).into(),
            Self::Pyramid(_) | Self::EfficientNet(..) | Self::ResNet(_) => Buffer::default(),
        }
    }
}

/// What one stream needs to run a network: allocated at the first frame and kept.
#[derive(Default)]
pub(super) struct Activations {
    vit: vit::Activations,
    conv: conv::Activations,
    pyramid: pyramid::Activations,
    efficientnet: efficientnet::Activations,
    resnet: resnet::Activations,
    first: Buffer,
    second: Buffer,
    ended: Buffer,
    patches: Buffer,
    upsample: Option<Upsample>,
}

impl Activations {
    /// For a network at a place.
    pub(super) fn at(place: &Place) -> Result<Self> {
        let floats = || Buffer::new(place, 0);
        Ok(Self {
            vit: vit::Activations::at(place)?,
            conv: conv::Activations::at(place)?,
            pyramid: pyramid::Activations::at(place)?,
            efficientnet: efficientnet::Activations::at(place)?,
            resnet: resnet::Activations::at(place)?,
            first: floats()?,
            second: floats()?,
            ended: Buffer::of_products(place, 0)?,
            patches: floats()?,
            upsample: None,
        })
    }
}

impl FeatureNetwork {
    /// A copy at another place.
    ///
    /// # Errors
    /// When the device lacks the memory.
    pub(super) fn at(&self, place: &Place) -> Result<Self> {
        let body = match &self.body {
            Body::Pooled(vit, pool) => Body::Pooled(Arc::new(vit.at(place)?), Arc::new(pool.at(place)?)),
            Body::Ended(vit, ending) => Body::Ended(Arc::new(vit.at(place)?), Arc::new(ending.at(place)?)),
            Body::Conv(conv) => Body::Conv(Arc::new(conv.at(place)?)),
            Body::Pyramid(pyramid) => Body::Pyramid(Arc::new(pyramid.at(place)?)),
            Body::EfficientNet(network, given) => Body::EfficientNet(Arc::new(network.at(place)?), *given),
            Body::ResNet(network) => Body::ResNet(Arc::new(network.at(place)?)),
        };
        let places = copied(&self.places, place)?;
        Ok(Self { geometry: self.geometry.clone(), side: self.side, body, places })
    }

    /// A network for the square input that it was trained on.
    pub(super) fn new(geometry: Geometry, body: Body) -> Self {
        let places = body.places(geometry.size);
        Self { side: geometry.size.rows, geometry, body, places }
    }

    /// The same network with its levels of features, each for itself, in place of descriptors, the finest on a grid of `side` x
    /// `side`; nothing of a network that does not have them, or gives them anyhow. It shares the weights.
    pub(super) fn with_levels(&self, side: usize) -> Result<Option<Self>> {
        let Body::EfficientNet(network, Given::Descriptors) = &self.body else { return Ok(None) };
        let geometry = network.sizes().levels(side)?;
        Ok(Some(Self::new(geometry, Body::EfficientNet(Arc::clone(network), Given::Levels))))
    }

    /// The same network for inputs of the aspect width / height, with as many pixels as its square and descriptors on a grid
    /// of `grid`, or one a cell of its own where none is asked for. It shares the weights.
    pub(super) fn of_aspect(&self, aspect: f64, grid: Option<Grid>) -> Self {
        let unit = self.body.unit();
        let units = of_aspect(self.side / unit, aspect);
        let size = Grid { rows: units.rows * unit, columns: units.columns * unit };
        let stride = self.stride();
        let own = Grid { rows: size.rows / stride, columns: size.columns / stride };
        Self {
            geometry: self.geometry.of_size(size, grid.unwrap_or(own)),
            side: self.side,
            body: self.body.clone(),
            places: self.body.places(size),
        }
    }

    /// Sizes and constants of a vision transformer; nothing of a network of another kind.
    pub(super) fn transformer(&self) -> Option<&Transformer> {
        match &self.body {
            Body::Pooled(vit, _) | Body::Ended(vit, _) => Some(vit.sizes()),
            Body::Conv(_) | Body::Pyramid(_) | Body::EfficientNet(..) | Body::ResNet(_) => None,
        }
    }

    /// The two groups of blocks whose means its descriptors are made of; the first is empty where the last block gives them.
    pub(super) fn layers(&self) -> Layers {
        match &self.body {
            Body::Pooled(vit, _) | Body::Ended(vit, _) => vit.sizes().layers.clone(),
            Body::Conv(conv) => Layers::last(conv.sizes().depth()),
            Body::Pyramid(pyramid) => Layers::last(pyramid.sizes().depth()),
            Body::EfficientNet(network, _) => Layers::last(network.sizes().depth()),
            Body::ResNet(network) => Layers::last(network.sizes().depth()),
        }
    }

    /// The grid of its own cells or patches, before descriptors are resampled.
    pub(super) fn patches(&self) -> Grid {
        let (Grid { rows, columns }, stride) = (self.geometry.size, self.stride());
        Grid { rows: rows / stride, columns: columns / stride }
    }

    /// Pixels from one of its own cells or patches to the next.
    fn stride(&self) -> usize {
        match &self.body {
            Body::Pooled(vit, _) | Body::Ended(vit, _) => vit.sizes().patch,
            Body::Conv(conv) => conv.sizes().stride(),
            Body::Pyramid(_) => PyramidSizes::STRIDE,
            Body::EfficientNet(_, given) => given.stride(),
            Body::ResNet(_) => resnet::Sizes::STRIDE,
        }
    }

    /// Side of the square input that it was trained on, in pixels.
    pub(super) fn side(&self) -> usize {
        self.side
    }

    /// Side of the grid of its own cells or patches of the square input.
    pub(super) fn square_patches(&self) -> usize {
        self.side / self.stride()
    }

    /// Numbers in its input and in the large buffers of its [`Activations`].
    pub(super) fn activations(&self) -> usize {
        let size = self.geometry.size;
        let inside = match &self.body {
            Body::Conv(conv) => conv.activations(size),
            Body::Pyramid(pyramid) => pyramid.activations(size),
            Body::EfficientNet(network, _) => network.activations(size),
            Body::ResNet(network) => network.activations(size),
            Body::Ended(vit, _) => vit.activations(size),
            Body::Pooled(vit, _) => {
                let sums = 2 * vit.sizes().dim + self.geometry.width();
                vit.activations(size) + self.patches().cells() * sums
            }
        };
        self.geometry.input_len() + inside
    }

    /// Descriptors (rows * columns, width) of a normalised image (3, rows, columns). `observe` sees all tokens (tokens, dim) before
    /// the first block, as number 0, and after each block, as numbers from 1; of an EfficientNet-Lite the cells
    /// (cells, channels) after its stem and its stages, as of a ResNet.
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
        if grid == n || matches!(self.body, Body::EfficientNet(..)) {
            self.of_patches(image, activations, descriptors.reborrow(), observe)?;
        } else {
            let mut patches = std::mem::take(&mut activations.patches);
            patches.resize(n.cells() * width)?;
            self.of_patches(image, activations, patches.view_mut(), observe)?;
            let new = || Upsample::new(n.into(), grid.into(), width, Corners::Edges);
            activations.upsample.get_or_insert_with(new).run(&patches, descriptors.reborrow())?;
            activations.patches = patches;
        }
        if self.transformer().is_some_and(|sizes| sizes.unit_descriptors) {
            unit_rows(descriptors, width)?;
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
            resnet,
            first,
            second,
            ended,
            ..
        } = activations;
        let size = self.geometry.size;
        let (places, mut descriptors) = (&self.places, descriptors);
        match &self.body {
            Body::Conv(conv) => conv.run(image, size, places, maps, descriptors),
            Body::Pyramid(pyramid) => pyramid.run(image, size, pyramidal, descriptors),
            Body::EfficientNet(network, given) => {
                network.run(image, (&self.geometry, *given), efficientnet, descriptors, observe)
            }
            Body::ResNet(network) => network.run(image, size, resnet, descriptors, observe),
            Body::Ended(vit, ending) => {
                let skipped = vit.sizes().extra_tokens() * vit.sizes().dim;
                vit.forward(image, size, places, activations, &mut |number, tokens| {
                    show(tokens, |tokens| observe(number, tokens));
                    if number == vit.sizes().blocks_used()
                        && let Some(patches) = tokens.part(skipped..tokens.len())
                    {
                        ending.run(patches, ended, descriptors.reborrow())?;
                    }
                    Ok(())
                })
            }
            Body::Pooled(vit, pool) => {
                let sizes = vit.sizes();
                let (n, skipped) = (sizes.patches(size).cells(), sizes.extra_tokens() * sizes.dim);
                for mean in [&mut *first, &mut *second] {
                    mean.resize(n * sizes.dim)?;
                }
                let place = columns::Place::all(sizes.dim);
                let groups = [&sizes.layers.first, &sizes.layers.second];
                vit.forward(image, size, places, activations, &mut |number, tokens| {
                    show(tokens, |tokens| observe(number, tokens));
                    let Some(block) = number.checked_sub(1) else { return Ok(()) };
                    let Some(patches) = tokens.part(skipped..tokens.len()) else { return Ok(()) };
                    for (group, mean) in groups.into_iter().zip([&mut *first, &mut *second]) {
                        let share = 1.0 / group.len() as f32;
                        if block == group.start {
                            columns(patches, sizes.dim, share, place, &mut *mean)?;
                        } else if group.contains(&block) {
                            add_scaled(patches, share, &mut *mean)?;
                        }
                    }
                    Ok(())
                })?;
                Ok(pool.run(&*first, &*second, descriptors)?)
            }
        }
    }
}
