//! Feature networks: what a frame's patches look like, as vectors.
//!
//! A vision transformer runs up to the last block that is needed. The mean of an earlier and of a later group of
//! blocks is taken, class and register tokens are dropped, channels are pooled to the width of a descriptor, and the
//! grid of patches is brought to the grid of descriptors. (Pooling and resampling are both linear, so pooling, which
//! makes the data smaller, goes first.) Networks without registers have their descriptors brought to one length.
//!
//! Networks that `snarm distill` makes were trained to give descriptors themselves: a last norm and a linear layer take the
//! place of means, pooling and length. They are transformers or convolutional; the file says which.
//!
//! Networks of the EfficientNet-Lite family give what three of their stages see, side by side, or, where they are asked to, as
//! three levels of features, one after the other; a ResNet gives it so always.
//!
//! An encoder is one network or several, of which each sees every frame in an input of its own: networks of different kinds
//! see different things. Their descriptors lie side by side, as groups of channels that a bank weighs against each other.

mod called;
mod conv;
mod efficientnet;
mod ending;
pub mod file;
mod geometry;
mod names;
mod network;
mod position;
mod published;
mod pyramid;
mod resnet;
// A door for tests.
#[doc(hidden)]
pub mod seeded;
mod sizes;
mod transformer;
mod vit;

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use snarm_kernels::Grid;
use snarm_kernels::Precision;
use snarm_kernels::channel_pool::ChannelPool;
use snarm_kernels::columns::{self, columns};
use snarm_kernels::device::{Buffer, BufferView, BufferViewMut, Place};

pub use self::called::{SEEDED_LITE, SEEDED_TINY, TINY, TINY_1};
pub(crate) use self::called::{TINY_1_DIGEST, Wanted, is_known, name_today, parts, split_wanted};
use self::conv::Conv;
use self::efficientnet::{EfficientNet, Given};
use self::ending::Ending;
pub use self::geometry::{Features, Geometry, IMAGENET, Level};
use self::names::Named;
use self::network::{Activations, Body, FeatureNetwork};
pub use self::published::{PUBLISHED, Published, cache_folder};
pub(crate) use self::published::{cache_of, set_cache_folder};
use self::pyramid::Pyramid;
use self::resnet::ResNet;
#[cfg(test)]
pub(crate) use self::resnet::tests::write_narrow as write_narrow_resnet;
// A door for tests.
#[doc(hidden)]
pub use self::resnet::tensors as resnet_tensors;
pub use self::sizes::{ConvSizes, Network, PyramidSizes, VitSizes};
pub use self::transformer::{Layers, PositionInterpolation, Transformer};
use self::vit::Vit;
use crate::error::{Error, Result};
use crate::files::{Tensor, Weights, hex};
use crate::layers::{Source, Tensors};
use crate::memory;
use crate::paths;

/// Side of the grid of descriptors of the networks that ship, where a name asks for no other: `snarm-tiny`'s own, and a finer
/// one than that of `snarm-tiny-1`, as images are told apart better so (docs/accuracy.md).
const TINY_GRID: usize = 40;

/// Channels of the stem of the EfficientNet-Lite with weights from a formula.
const SEEDED_LITE_STEM: usize = 8;

/// Channels and blocks of its stages.
const SEEDED_LITE_STAGES: [(usize, usize); 7] =
    [(8, 1), (12, 2), (16, 2), (24, 3), (32, 2), (40, 2), (48, 1)];

/// A feature network, or several side by side, ready to run. Immutable: streams share it.
pub struct Encoder {
    name: String,
    digest: String,
    provenance: String,
    /// The input of the first network, and descriptors of all.
    geometry: Geometry,
    /// Side of the square grid with as many descriptors.
    side: usize,
    /// All on one grid.
    networks: Vec<FeatureNetwork>,
    precision: Precision,
}

/// How a network is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// How its table of positions is brought to another grid.
    pub positions: PositionInterpolation,
    /// What elements of its matrix products are rounded to.
    pub precision: Precision,
}

/// With products in f32.
impl From<PositionInterpolation> for Reading {
    fn from(positions: PositionInterpolation) -> Self {
        Self { positions, precision: Precision::F32 }
    }
}

/// What messages call a feature network.
const WHAT: &str = "encoder";

/// What the smallest encoder takes, with what it is made from; files of weights are checked by their size beside that.
const LEAST_BYTES: usize = 16 << 20;

/// What one stream needs to run an encoder: allocated at the first frame and kept.
#[derive(Default)]
pub struct Workspace {
    networks: Vec<Activations>,
    /// Descriptors of one of several networks.
    own: Buffer,
}

impl Workspace {
    /// For an encoder at a place.
    ///
    /// # Errors
    /// When the device lacks the memory.
    pub fn at(place: &Place, encoder: &Encoder) -> Result<Self> {
        let networks = encoder.networks.iter().map(|_| Activations::at(place)).collect::<Result<_>>()?;
        Ok(Self { networks, own: Buffer::new(place, 0)? })
    }
}

impl Encoder {
    /// Loads a network by name (`snarm-tiny`; those of [`PUBLISHED`], once they are fetched; `seeded:tiny`, `seeded:lite`,
    /// `seeded:small`, `seeded:base` and `seeded:large` for tests and timings) or from a weights file, or several that see
    /// every frame together: `vit-tiny+efficientnet-lite2`. A name may end in `@` and the side of the grid of descriptors,
    /// where it shall be another than the network's own, or than the finest of several: `vit.safetensors@24`; in `@levels`,
    /// where the levels of features of an EfficientNet-Lite shall be given each for itself: `efficientnet-lite2@levels`, or
    /// `efficientnet-lite2@levels32` for a finest level of 32 x 32 cells in place of 64 x 64.
    ///
    /// # Errors
    /// When the file is missing or holds no network that is known, or it cannot have that grid or has no
    /// such levels.
    pub fn load(name: &str, how: impl Into<Reading>) -> Result<Self> {
        let how = how.into();
        memory::check("an encoder", LEAST_BYTES)?;
        match split_wanted(name) {
            (base, Some(Wanted::Grid(grid))) => return Self::load(base, how)?.with_grid(grid),
            (base, Some(Wanted::Levels(side))) => return Self::load(base, how)?.with_levels(side),
            (_, None) => {}
        }
        if let several @ [_, _, ..] = &parts(name, &is_known)[..] {
            return Self::side_by_side(name, several, how);
        }
        match name {
            TINY => Self::embedded(TINY, include_bytes!("../../assets/snarm-tiny.safetensors"), how),
            TINY_1 => Self::embedded(TINY_1, include_bytes!("../../assets/snarm-tiny-1.safetensors"), how),
            SEEDED_LITE => Self::seeded_lite(how),
            SEEDED_TINY => Self::seeded_tiny(how),
            "seeded:small" => Self::seeded(name, Transformer::new(384, 12, 1536, 14, 4, 37), how),
            "seeded:base" => Self::seeded(name, Transformer::new(768, 12, 3072, 14, 4, 37), how),
            "seeded:large" => Self::seeded(name, Transformer::new(1024, 24, 4096, 14, 4, 37), how),
            name => match Published::named(name) {
                // By its name it is found on another machine too.
                Some(network) => Ok(Self { name: name.to_owned(), ..Self::open(&network.fetched()?, how)? }),
                None => Self::open(&paths::named(name), how),
            },
        }
    }

    /// A network that ships with the crate, distilled from larger ones (docs/models/snarm-tiny.md).
    fn embedded(name: &str, bytes: &'static [u8], how: Reading) -> Result<Self> {
        let weights = Weights::embedded(name, bytes)?;
        match file::header(&weights)? {
            Some(header) => {
                let mut encoder = Self::distilled(name.to_owned(), &weights, &header, how)?;
                encoder.set_grid(TINY_GRID);
                Ok(encoder)
            }
            None => {
                Err(Error::wrong_file("encoder", weights.path(), "an encoder of our own", "another file"))
            }
        }
    }

    /// A transformer 192 wide, 4 blocks, patches of 14 pixels, 4 registers, one descriptor a patch: it sees colour,
    /// texture and shape as random projections of patches, and knows nothing of the world.
    fn seeded_tiny(how: Reading) -> Result<Self> {
        let mut sizes = Transformer::new(192, 4, 768, 14, 4, 28);
        sizes.layers = Layers { first: 0..2, second: 2..4 };
        let encoder = Self::seeded(SEEDED_TINY, sizes, how)?;
        Ok(encoder.at_patches())
    }

    fn seeded(name: &str, sizes: Transformer, how: Reading) -> Result<Self> {
        let Reading { positions, precision } = how;
        let (sizes, geometry) = (Transformer { positions, ..sizes.clone() }, sizes.geometry(false));
        let formula = Formula { tensor: seeded::vit_tensor, hash: RefCell::default() };
        let provenance = "weights from a formula, for timings and tests".to_owned();
        let source = Source::new(WHAT, &formula).in_precision(precision);
        let mut encoder = Self::pooled(name, &sizes, geometry, provenance, &source)?;
        encoder.digest = hex(&formula.hash.into_inner().finalize());
        Ok(encoder)
    }

    /// A narrow EfficientNet-Lite, which knows nothing of the world either.
    fn seeded_lite(how: Reading) -> Result<Self> {
        let formula = Formula { tensor: seeded::efficientnet_tensor, hash: RefCell::default() };
        let sizes = efficientnet::Sizes::new(SEEDED_LITE_STEM, SEEDED_LITE_STAGES);
        let provenance = "weights from a formula, for timings and tests".to_owned();
        let source = Source::new(WHAT, &formula).in_precision(how.precision);
        let mut encoder = Self::efficientnet(SEEDED_LITE, &sizes, provenance, &source)?;
        encoder.digest = hex(&formula.hash.into_inner().finalize());
        Ok(encoder)
    }

    fn of(
        name: String,
        digest: String,
        provenance: String,
        network: FeatureNetwork,
        precision: Precision,
    ) -> Self {
        Self {
            name,
            digest,
            provenance,
            precision,
            side: network.geometry.grid().rows,
            geometry: network.geometry.clone(),
            networks: vec![network],
        }
    }

    /// Several encoders as one, on the finest of their grids.
    fn side_by_side(name: &str, parts: &[&str], how: Reading) -> Result<Self> {
        if let Some(part) = parts.iter().find(|part| part.is_empty() || split_wanted(part).1.is_some()) {
            let expected = "encoders joined by +, a grid (@) for all of them at the end alone".to_owned();
            let found = format!("'{part}' in {name}");
            return Err(Error::Mismatch { what: WHAT, expected, found });
        }
        let several = parts.iter().map(|part| Self::load(part, how)).collect::<Result<Vec<_>>>()?;
        let joined = |of: fn(&Self) -> &str, by: &str| several.iter().map(of).collect::<Vec<_>>().join(by);
        let (name, digests) = (joined(Self::name, "+"), joined(Self::digest, "+"));
        let (digest, provenance) = (hex(&Sha256::digest(digests)), joined(Self::provenance, "; "));
        let networks: Vec<FeatureNetwork> = several.into_iter().flat_map(|one| one.networks).collect();
        let grid = networks.iter().map(|network| network.geometry.grid().rows).max().unwrap_or_default();
        let width = networks.iter().map(|network| network.geometry.width()).sum();
        let Geometry { size, mean, std, .. } = networks[0].geometry;
        let geometry = Geometry::new(size, Level { grid: Grid::square(grid), width }, (mean, std));
        let mut encoder =
            Self { name, digest, provenance, geometry, side: grid, networks, precision: how.precision };
        encoder.check_grid(grid)?;
        encoder.set_grid(grid);
        Ok(encoder)
    }

    fn open(path: &Path, how: Reading) -> Result<Self> {
        let Reading { positions, precision } = how;
        let weights = Weights::open(path)?;
        let name = paths::text(path);
        if let Some(header) = file::header(&weights)? {
            return Self::distilled(name, &weights, &header, how);
        }
        let provenance = format!("{} tensors from {name}", weights.names().len());
        if let Some(named) = efficientnet::Named::find(&weights)? {
            let (sizes, source) =
                (efficientnet::Sizes::of(&named)?, Source::new(WHAT, &named).in_precision(precision));
            let mut encoder = Self::efficientnet(&name, &sizes, provenance, &source)?;
            encoder.digest = weights.digest().to_owned();
            return Ok(encoder);
        }
        if let Some(named) = resnet::Named::find(&weights) {
            return Self::resnet(&name, &weights, &named, provenance, precision);
        }
        let named = Named::new(&weights)?;
        let (sizes, supervised) = read_sizes(&named)?;
        let (sizes, geometry) = (Transformer { positions, ..sizes.clone() }, sizes.geometry(supervised));
        let source = Source::new(WHAT, &named).in_precision(precision);
        let mut encoder = Self::pooled(&name, &sizes, geometry, provenance, &source)?;
        encoder.digest = weights.digest().to_owned();
        Ok(encoder)
    }

    /// A network in a file of our own.
    fn distilled(
        name: String,
        weights: &Weights,
        header: &file::Header,
        Reading { positions, precision }: Reading,
    ) -> Result<Self> {
        header.check()?;
        let (source, geometry) = (Source::new(WHAT, weights).in_precision(precision), header.geometry());
        let body = match &header.network {
            Network::Conv(sizes) => Body::Conv(Arc::new(Conv::read(sizes, &geometry, &source)?)),
            Network::Pyramid(sizes) => Body::Pyramid(Arc::new(Pyramid::read(sizes, &geometry, &source)?)),
            Network::Vit(sizes) => {
                let sizes = Transformer { positions, ..sizes.transformer(&geometry) };
                let ending = Ending::read(&source, sizes.dim, geometry.width(), sizes.eps)?;
                Body::Ended(Arc::new(Vit::read(&sizes, &source)?), Arc::new(ending))
            }
        };
        let (digest, provenance) = (weights.digest().to_owned(), header.provenance.clone());
        tracing::info!(encoder = %name, %digest, width = header.width, "encoder loaded");
        Ok(Self::of(name, digest, provenance, FeatureNetwork::new(geometry, body), precision))
    }

    /// A transformer whose descriptors are made as published. Its digest is not known yet.
    fn pooled(
        name: &str,
        sizes: &Transformer,
        geometry: Geometry,
        provenance: String,
        source: &Source<'_>,
    ) -> Result<Self> {
        sizes.check()?;
        let pool = ChannelPool::new(sizes.dim, geometry.width());
        let body = Body::Pooled(Arc::new(Vit::read(sizes, source)?), Arc::new(pool));
        tracing::info!(encoder = %name, dim = sizes.dim, blocks = sizes.blocks_used(), "encoder loaded");
        let network = FeatureNetwork::new(geometry, body);
        Ok(Self::of(name.to_owned(), String::new(), provenance, network, source.precision()))
    }

    /// An EfficientNet-Lite. Its digest is not known yet.
    fn efficientnet(
        name: &str,
        sizes: &efficientnet::Sizes,
        provenance: String,
        source: &Source<'_>,
    ) -> Result<Self> {
        let (geometry, body) = (sizes.geometry(), EfficientNet::read(sizes, source)?);
        let body = Body::EfficientNet(Arc::new(body), Given::Descriptors);
        tracing::info!(encoder = %name, blocks = sizes.depth(), width = geometry.width(), "encoder loaded");
        let network = FeatureNetwork::new(geometry, body);
        Ok(Self::of(name.to_owned(), String::new(), provenance, network, source.precision()))
    }

    /// A ResNet, which may lie in a file beside other things.
    fn resnet(
        name: &str,
        weights: &Weights,
        named: &resnet::Named<'_>,
        provenance: String,
        precision: Precision,
    ) -> Result<Self> {
        let sizes = named.sizes()?;
        let source = Source::new(WHAT, named).in_precision(precision);
        let (geometry, body) = (sizes.geometry(), ResNet::read(&sizes, &source)?);
        tracing::info!(encoder = %name, blocks = sizes.depth(), "encoder loaded");
        let network = FeatureNetwork::new(geometry, Body::ResNet(Arc::new(body)));
        Ok(Self::of(name.to_owned(), weights.digest().to_owned(), provenance, network, precision))
    }

    /// The same network with one descriptor a patch, where it would otherwise have them resampled to a finer grid.
    pub(crate) fn at_patches(mut self) -> Self {
        let grid = self.patches();
        self.set_grid(grid);
        self
    }

    /// The same network for frames of the aspect width / height: an input of that shape with as many pixels, and a grid of
    /// that shape with as many descriptors. It shares the weights.
    #[must_use]
    pub fn of_aspect(&self, aspect: f64) -> Self {
        // Where a network gives a descriptor a cell of its own, it goes on so.
        let own = self.networks.len() == 1 && self.side == self.networks[0].square_patches();
        let grid = (!own).then(|| geometry::of_aspect(self.side, aspect));
        let networks: Vec<_> = self.networks.iter().map(|network| network.of_aspect(aspect, grid)).collect();
        let first = &networks[0].geometry;
        let geometry = self.geometry.of_size(first.size, first.grid());
        let Self { name, digest, provenance, side, precision, .. } = self;
        let [name, digest, provenance] = [name, digest, provenance].map(String::clone);
        Self { name, digest, provenance, geometry, side: *side, networks, precision: *precision }
    }

    /// Side of the square grid with as many descriptors as it gives.
    pub fn grid_side(&self) -> usize {
        self.side
    }

    /// Side of the square input that it was trained on, in pixels; the first network's, where there are several.
    pub fn input_side(&self) -> usize {
        self.networks[0].side()
    }

    /// The same network with descriptors resampled to a grid of `grid` x `grid`.
    ///
    /// # Errors
    /// When the grid has fewer than 2 descriptors a side, or more than a descriptor for each 2 pixels.
    pub fn with_grid(mut self, grid: usize) -> Result<Self> {
        self.check_grid(grid)?;
        self.name = format!("{}@{grid}", split_wanted(&self.name).0);
        self.set_grid(grid);
        Ok(self)
    }

    /// The same network with its levels of features, each for itself, in place of descriptors, the finest on a grid of `side` x
    /// `side`.
    ///
    /// # Errors
    /// When it is none that can do so, an EfficientNet-Lite alone, or cannot have that grid.
    fn with_levels(mut self, side: usize) -> Result<Self> {
        let wanted = Wanted::Levels(side);
        let wrong = |found: String| {
            let expected = format!("an EfficientNet-Lite before @{wanted}");
            Error::Mismatch { what: WHAT, expected, found: format!("{found} ({})", self.name) }
        };
        let [network] = &self.networks[..] else {
            return Err(wrong(format!("{} networks", self.networks.len())));
        };
        let network = network.with_levels(side)?.ok_or_else(|| wrong("another network".to_owned()))?;
        self.name = format!("{}@{wanted}", split_wanted(&self.name).0);
        (self.side, self.geometry) = (side, network.geometry.clone());
        self.networks = vec![network];
        Ok(self)
    }

    fn check_grid(&self, grid: usize) -> Result<()> {
        self.networks.iter().try_for_each(|network| network.geometry.check_grid(grid))
    }

    fn set_grid(&mut self, side: usize) {
        let grid = Grid::square(side);
        self.side = side;
        self.geometry.set_grid(grid);
        self.networks.iter_mut().for_each(|network| network.geometry.set_grid(grid));
    }

    /// What tells it from other networks in memory: its weights, its grid, and its levels.
    pub(crate) fn identity(&self) -> String {
        format!("{}@{}x{}", self.digest, self.side, self.geometry.levels().len())
    }

    /// What elements of its matrix products are rounded to on the processor. (A device has a precision of its own.)
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// What it reads and gives.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Sizes and constants of a vision transformer; nothing of a network of another kind, or of several.
    pub fn transformer(&self) -> Option<&Transformer> {
        match &self.networks[..] {
            [network] => network.transformer(),
            _ => None,
        }
    }

    /// What each network reads, and what it gives.
    pub fn inputs(&self) -> impl Iterator<Item = &Geometry> {
        self.networks.iter().map(|network| &network.geometry)
    }

    /// Widths of the groups of channels of a descriptor, whose distances are of different kinds and sizes: a bank weighs
    /// them against each other. One for each network.
    pub fn groups(&self) -> Vec<usize> {
        self.inputs().map(|geometry| geometry.width()).collect()
    }

    /// The two groups of blocks whose means its descriptors are made of, those of the first network where there are several;
    /// the first group is empty where the last block gives them.
    pub fn layers(&self) -> Layers {
        self.networks[0].layers()
    }

    /// Side of the grid of its own cells or patches, before descriptors are resampled; the finest of several.
    fn patches(&self) -> usize {
        self.networks.iter().map(FeatureNetwork::square_patches).max().unwrap_or_default()
    }

    /// SHA-256 of the weights file, or of the weights themselves where a formula makes them, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Name or path it was loaded by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One line on where the weights come from and what they are good for.
    pub fn provenance(&self) -> &str {
        &self.provenance
    }

    /// Bytes that a stream needs to run it, by the large buffers of its [`Workspace`].
    pub(crate) fn workspace_bytes(&self) -> usize {
        let inside: usize = self.networks.iter().map(FeatureNetwork::activations).sum();
        size_of::<f32>() * (inside + self.geometry.output_len())
    }

    /// Descriptors (rows * columns, width) of a normalised image (3, rows, columns); where there are several networks, of the images
    /// of all [`Self::inputs`] one after the other.
    ///
    /// # Errors
    /// When the image has another size.
    pub fn encode(&self, image: &[f32], workspace: &mut Workspace, descriptors: &mut Vec<f32>) -> Result<()> {
        self.encode_observed(image, workspace, descriptors, &mut |_, _| {})
    }

    /// A copy at another place, which [`Self::encode_scaled`] runs.
    ///
    /// # Errors
    /// When the device lacks the memory.
    pub fn at(&self, place: &Place) -> Result<Self> {
        Ok(Self {
            name: self.name.clone(),
            digest: self.digest.clone(),
            provenance: self.provenance.clone(),
            geometry: self.geometry.clone(),
            side: self.side,
            precision: self.precision,
            networks: self.networks.iter().map(|network| network.at(place)).collect::<Result<_>>()?,
        })
    }

    /// As [`Self::encode`], with images and descriptors at the place of the encoder and of the workspace. Descriptors are
    /// multiplied by `scales`, one a network; without any they stay as they are.
    ///
    /// # Errors
    /// When the images have other sizes, they live apart, or the device fails.
    pub fn encode_scaled<'a>(
        &self,
        images: impl Into<BufferView<'a>>,
        scales: &[f32],
        workspace: &mut Workspace,
        descriptors: impl Into<BufferViewMut<'a>>,
    ) -> Result<()> {
        self.run(images.into(), scales, workspace, descriptors.into(), &mut |_, _| {})
    }

    /// As [`Encoder::encode`]; `observe` sees all tokens (tokens, dim) before the first block, as number 0, and after each
    /// block, as numbers from 1; of an EfficientNet-Lite the cells (cells, channels) after its stem and its stages; of other
    /// networks nothing.
    ///
    /// # Errors
    /// When the image has another size.
    pub fn encode_observed(
        &self,
        image: &[f32],
        workspace: &mut Workspace,
        descriptors: &mut Vec<f32>,
        observe: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<()> {
        descriptors.resize(self.geometry.output_len(), 0.0);
        self.run(image.into(), &[], workspace, descriptors.into(), observe)
    }

    fn run(
        &self,
        images: BufferView<'_>,
        scales: &[f32],
        workspace: &mut Workspace,
        mut descriptors: BufferViewMut<'_>,
        observe: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<()> {
        let wrong = || {
            let of = |input: &Geometry| format!("3 x {}", input.size);
            let expected = self.inputs().map(of).collect::<Vec<_>>().join(" and ") + " values";
            Error::Values { what: "encoder input", expected, found: images.len().to_string() }
        };
        if images.len() != self.inputs().map(Geometry::input_len).sum::<usize>() {
            return Err(wrong());
        }
        let Workspace { networks: activations, own } = workspace;
        activations.resize_with(self.networks.len(), Activations::default);
        if let ([network], [activations]) = (&self.networks[..], &mut activations[..])
            && scales.iter().all(|scale| *scale == 1.0)
        {
            return network.encode(images, activations, descriptors, observe);
        }
        let Level { grid, width } = self.geometry.level();
        let (mut at, mut first) = (0, 0);
        for (number, (network, activations)) in self.networks.iter().zip(activations).enumerate() {
            let (len, c) = (network.geometry.input_len(), network.geometry.width());
            let image = images.part(at..at + len).ok_or_else(wrong)?;
            own.resize(grid.cells() * c)?;
            network.encode(image, activations, own.view_mut(), observe)?;
            let scale = scales.get(number).copied().unwrap_or(1.0);
            columns(&*own, c, scale, columns::Place { width, first }, descriptors.reborrow())?;
            (at, first) = (at + len, first + c);
        }
        Ok(())
    }
}

/// Tensors by a formula, and the digest of all that were made.
struct Formula {
    tensor: fn(&str, &[usize]) -> Vec<f32>,
    hash: RefCell<Sha256>,
}

impl Tensors for Formula {
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Option<Tensor>> {
        let data = (self.tensor)(name, shape);
        self.hash.borrow_mut().update(bytemuck::cast_slice::<f32, u8>(&data));
        Ok(Some(Tensor { shape: shape.to_vec(), data }))
    }
}

/// Sizes of the network in a file, and whether it is one of timm's supervised ViTs, which have neither the patches nor the
/// layer scale of the DINO family.
fn read_sizes(named: &Named<'_>) -> Result<(Transformer, bool)> {
    let shape = |name: &str| -> Result<Vec<usize>> { Ok(named.get(name)?.shape) };
    let patch = shape("patch_embed.proj.weight")?;
    let [dim, 3, height, width] = patch[..] else {
        let expected = "a patch embedding of shape [d, 3, p, p]".to_owned();
        return Err(Error::Sizes { what: "encoder", expected, found: format!("{patch:?}") });
    };
    if height != width || !(1..=64).contains(&height) {
        let expected = "square patches of 1 to 64 pixels".to_owned();
        return Err(Error::Sizes { what: "encoder", expected, found: format!("{height} x {width}") });
    }
    let mut depth = 0;
    while named.find(&format!("blocks.{depth}.norm1.weight"))?.is_some() {
        depth += 1;
    }
    // A tensor of another form is refused where it is read.
    let hidden = shape("blocks.0.mlp.fc1.weight")?.first().copied().unwrap_or(0);
    let registers =
        named.find("register_tokens")?.map_or(0, |tensor| tensor.shape.get(1).copied().unwrap_or(0));
    let positions = shape("pos_embed")?;
    let rows = positions.get(1).copied().unwrap_or(0);
    let table = rows.isqrt();
    let sizes = Transformer::new(dim, depth, hidden, height, registers, table);
    let dino = height == 14 || named.find("blocks.0.ls1.gamma")?.is_some();
    Ok((sizes, !dino))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(name: &str) -> Result<Encoder> {
        Encoder::load(name, PositionInterpolation::Legacy)
    }

    fn descriptors(encoder: &Encoder, images: &[f32]) -> Vec<f32> {
        let mut found = Vec::new();
        let run = || encoder.encode(images, &mut Workspace::default(), &mut found);
        snarm_kernels::threads::install(run).unwrap().unwrap();
        found
    }

    #[test]
    fn descriptors_of_a_pair_are_those_of_both_on_the_finest_grid() {
        let pair = load("seeded:tiny+seeded:lite").unwrap();
        let (tiny, lite) = (load(SEEDED_TINY).unwrap(), load(SEEDED_LITE).unwrap());
        assert_eq!((tiny.grid_side(), lite.grid_side(), pair.grid_side()), (28, 40, 40));
        assert_eq!((pair.groups(), pair.name()), (vec![512, 96], "seeded:tiny+seeded:lite"));
        assert!(pair.digest() != load("seeded:lite+seeded:tiny").unwrap().digest());
        let image = |geometry: &Geometry| seeded::values("image", geometry.input_len(), 0.0, 1.0);
        let (a, b) = (image(tiny.geometry()), image(lite.geometry()));
        let tiny = descriptors(&tiny.with_grid(40).unwrap(), &a);
        let lite = descriptors(&lite, &b);
        let found = descriptors(&pair, &[a, b].concat());
        for (cell, row) in found.chunks_exact(608).enumerate() {
            assert_eq!(row[..512], tiny[cell * 512..][..512], "{cell}");
            assert_eq!(row[512..], lite[cell * 96..][..96], "{cell}");
        }
        let error =
            pair.encode(&[0.0; 9], &mut Workspace::default(), &mut Vec::new()).unwrap_err().to_string();
        assert_eq!(error, "encoder input: expected 3 x 392 x 392 and 3 x 320 x 320 values, found 9");
    }

    #[test]
    fn a_network_of_another_aspect_has_as_many_cells_and_sees_the_same() {
        for (name, size, grid) in [
            (TINY, (224, 384), (28, 48)),
            (TINY_1, (288, 512), (30, 53)),
            (SEEDED_TINY, (294, 518), (21, 37)),
            (SEEDED_LITE, (224, 384), (28, 48)),
            ("seeded:tiny+seeded:lite@20", (294, 518), (14, 25)),
        ] {
            let (square, wide) = (load(name).unwrap(), load(name).unwrap().of_aspect(16.0 / 9.0));
            let geometry = wide.geometry();
            let sides = |grid: Grid| (grid.rows, grid.columns);
            assert_eq!((sides(geometry.size), sides(geometry.grid())), (size, grid), "{name}");
            assert_eq!((wide.identity(), wide.name()), (square.identity(), square.name()));
            // Back again it is the same to the bit.
            let again = wide.of_aspect(1.0);
            let image = |encoder: &Encoder| -> Vec<f32> {
                let of = |input: &Geometry| seeded::values("image", input.input_len(), 0.0, 1.0);
                encoder.inputs().flat_map(of).collect()
            };
            assert_eq!(square.geometry(), again.geometry(), "{name}");
            assert!(descriptors(&square, &image(&square)) == descriptors(&again, &image(&square)), "{name}");
            // An even picture is even whatever its shape: nearly so in the middle, where the border and the places of cells say little.
            let middle = |encoder: &Encoder| {
                let values: usize = encoder.inputs().map(Geometry::input_len).sum();
                let (found, grid) = (descriptors(encoder, &vec![0.3; values]), encoder.geometry().grid());
                let at = (grid.rows / 2 * grid.columns + grid.columns / 2) * encoder.geometry().width();
                found[at..at + encoder.geometry().width()].to_vec()
            };
            let (one, other) = (middle(&square), middle(&wide));
            let apart: f32 = one.iter().zip(&other).map(|(a, b)| (a - b).powi(2)).sum();
            let long: f32 = one.iter().map(|v| v * v).sum();
            assert!(apart < 0.15 * long, "{name}: {apart} of {long}");
        }
    }

    #[test]
    fn levels_are_the_ends_of_stages_each_cell_with_a_mean_square_of_1() {
        let lite = load("seeded:lite@levels").unwrap();
        let geometry = lite.geometry().clone();
        assert_eq!((lite.name(), lite.grid_side(), lite.input_side()), ("seeded:lite@levels", 64, 256));
        assert_eq!(lite.digest(), load("seeded:lite").unwrap().digest());
        assert_ne!(lite.identity(), load("seeded:lite@64").unwrap().identity());
        assert_eq!(lite.of_aspect(1.0).geometry(), &geometry);
        let small = load("seeded:lite@levels32").unwrap();
        assert_eq!((small.name(), small.input_side(), small.grid_side()), ("seeded:lite@levels32", 128, 32));
        let image = seeded::values("image", geometry.input_len(), 0.0, 1.0);
        let (mut stages, mut values) = (Vec::new(), Vec::new());
        let mut observe = |number: usize, map: &[f32]| stages.push((number, map.to_vec()));
        lite.encode_observed(&image, &mut Workspace::default(), &mut values, &mut observe).unwrap();
        // Stages behind the last level are not run.
        assert_eq!(stages.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
        let features = Features::new(&geometry, &values).unwrap();
        for (number, stage) in [2, 3, 5].into_iter().enumerate() {
            let (level, found) = features.level(number).unwrap();
            let (found, seen) = (found.host("test").unwrap(), &stages[stage].1);
            assert_eq!((found.len(), level.grid.rows), (seen.len(), 64 >> number));
            for (found, seen) in found.chunks_exact(level.width).zip(seen.chunks_exact(level.width)) {
                let square = |row: &[f32]| row.iter().map(|v| v * v).sum::<f32>() / level.width as f32;
                let scale = square(seen).sqrt();
                assert!((square(found) - 1.0).abs() < 1e-4, "{}", square(found));
                assert!(found.iter().zip(seen).all(|(f, s)| (f * scale - s).abs() < 1e-4 * scale.max(1.0)));
            }
        }
        for (name, words) in [
            (
                "seeded:tiny@levels",
                "expected an EfficientNet-Lite before @levels, found another network (seeded:tiny)",
            ),
            ("seeded:tiny+seeded:lite@levels", "found 2 networks (seeded:tiny+seeded:lite)"),
            ("seeded:lite@levels@levels", "found another network (seeded:lite@levels)"),
            ("seeded:lite@levels12", "a finest level of 8 to 128 cells a side, a multiple of 8, found 12"),
            ("seeded:lite@levels136", "a multiple of 8, found 136"),
        ] {
            let error = load(name).err().unwrap().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_grid_at_the_end_is_that_of_all() {
        let pair = load("seeded:tiny+seeded:lite@20").unwrap();
        assert_eq!((pair.grid_side(), pair.name()), (20, "seeded:tiny+seeded:lite@20"));
        let error = load("seeded:tiny@20+seeded:lite").err().unwrap().to_string();
        assert!(
            error.contains("a grid (@) for all of them at the end alone, found 'seeded:tiny@20'"),
            "{error}"
        );
        let error = load("seeded:tiny+seeded:lite@170").err().unwrap().to_string();
        assert!(error.contains("a grid of 2 to 160"), "{error}");
        let error = load("seeded:tiny+").err().unwrap().to_string();
        assert!(error.contains("encoders joined by +") && error.contains("found '' in"), "{error}");
        let error = load("seeded:tiny+/nowhere/b").err().unwrap().to_string();
        assert_eq!(error, "weights not found: /nowhere/b");
    }
}
