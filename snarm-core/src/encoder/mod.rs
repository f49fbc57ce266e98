//! Feature networks: what a frame's patches look like, as vectors.
//!
//! A vision transformer runs up to the last block that is needed. The mean of an earlier and of a later group of
//! blocks is taken, class and register tokens are dropped, channels are pooled to the width of a descriptor, and the
//! grid of patches is brought to the grid of descriptors. (Pooling and resampling are both linear, so pooling, which
//! makes the data smaller, goes first.) Networks without registers have their descriptors brought to one length.
//!
//! Networks that `snarm distill` makes were trained to give descriptors themselves: a last norm and a linear layer take the
//! place of means, pooling and length. They are transformers or convolutional ([`conv`]); the file says which.

mod conv;
mod ending;
pub mod file;
mod geometry;
mod names;
mod position;
mod published;
mod pyramid;
pub mod seeded;
mod sizes;
mod transformer;
mod vit;

use std::cell::RefCell;
use std::path::Path;

use sha2::{Digest, Sha256};
use snarm_kernels::add_scaled::add_scaled;
use snarm_kernels::channel_pool::ChannelPool;
use snarm_kernels::unit_rows::unit_rows;
use snarm_kernels::upsample::{Corners, Upsample};

use self::conv::Conv;
use self::ending::Ending;
pub use self::geometry::{Geometry, IMAGENET};
use self::names::Named;
pub use self::published::{PUBLISHED, Published, cache_folder};
use self::pyramid::Pyramid;
pub use self::sizes::{ConvSizes, Network, PyramidSizes, VitSizes};
pub use self::transformer::{Layers, PositionInterpolation, Transformer};
use self::vit::Vit;
use crate::error::{Error, Result};
use crate::files::{Tensor, Weights, hex};
use crate::layers::{Source, Tensors};
use crate::paths;

/// Name of the network that ships with the crate.
pub const TINY: &str = "snarm-tiny";

/// Side of its grid of descriptors, where a name asks for no other. 48 is no better and takes a quarter longer.
const TINY_GRID: usize = 40;

/// Name of the smallest network with weights from a formula, for tests.
pub const SEEDED_TINY: &str = "seeded:tiny";

/// A feature network, ready to run. Immutable: streams share it.
pub struct Encoder {
    name: String,
    digest: String,
    provenance: String,
    geometry: Geometry,
    body: Body,
}

/// What makes descriptors of an image.
enum Body {
    /// A transformer, and the pooling of the means of its blocks.
    Pooled(Vit, ChannelPool),
    /// A transformer whose last block is brought to descriptors by an ending of its own.
    Ended(Vit, Ending),
    /// A convolutional network in two stages.
    Conv(Box<Conv>),
    /// A convolutional pyramid.
    Pyramid(Box<Pyramid>),
}

/// What messages call a feature network.
const WHAT: &str = "encoder";

/// What one stream needs to run an encoder: allocated at the first frame and kept.
#[derive(Default)]
pub struct Workspace {
    vit: vit::Activations,
    conv: conv::Activations,
    pyramid: pyramid::Activations,
    first: Vec<f32>,
    second: Vec<f32>,
    patches: Vec<f32>,
    upsample: Option<Upsample>,
}

impl Encoder {
    /// Loads a network by name (`snarm-tiny`; those of [`PUBLISHED`], once they are fetched; `seeded:tiny`,
    /// `seeded:small`, `seeded:base` and `seeded:large` for tests and timings) or from a weights file. A name may end in
    /// `@` and the side of the grid of descriptors, where it shall be another than the network's own:
    /// `vit.safetensors@24`.
    ///
    /// # Errors
    /// When the file is missing or holds no network that is known, or the grid is none that it can have.
    pub fn load(name: &str, positions: PositionInterpolation) -> Result<Self> {
        if let (base, Some(grid)) = split_grid(name) {
            return Self::load(base, positions)?.with_grid(grid);
        }
        match name {
            TINY => Self::embedded(positions),
            SEEDED_TINY => Self::seeded_tiny(positions),
            "seeded:small" => Self::seeded(name, Transformer::new(384, 12, 1536, 14, 4, 37), positions),
            "seeded:base" => Self::seeded(name, Transformer::new(768, 12, 3072, 14, 4, 37), positions),
            "seeded:large" => Self::seeded(name, Transformer::new(1024, 24, 4096, 14, 4, 37), positions),
            name => match Published::named(name) {
                // By its name it is found on another machine too.
                Some(network) => {
                    Ok(Self { name: name.to_owned(), ..Self::open(&network.fetched()?, positions)? })
                }
                None => Self::open(&paths::named(name), positions),
            },
        }
    }

    /// The network that ships with the crate, distilled from a larger one (docs/models/snarm-tiny.md), on a finer grid than
    /// its own: images are told apart better so (docs/accuracy.md).
    fn embedded(positions: PositionInterpolation) -> Result<Self> {
        let weights = Weights::embedded(TINY, include_bytes!("../../assets/snarm-tiny.safetensors"))?;
        match file::header(&weights)? {
            Some(header) => {
                let mut encoder = Self::distilled(TINY.to_owned(), &weights, &header, positions)?;
                encoder.geometry.grid = TINY_GRID;
                Ok(encoder)
            }
            None => {
                Err(Error::wrong_file("encoder", weights.path(), "an encoder of our own", "another file"))
            }
        }
    }

    /// A transformer 192 wide, 4 blocks, patches of 14 pixels, 4 registers, one descriptor a patch: it sees colour,
    /// texture and shape as random projections of patches, and knows nothing of the world.
    fn seeded_tiny(positions: PositionInterpolation) -> Result<Self> {
        let mut sizes = Transformer::new(192, 4, 768, 14, 4, 28);
        sizes.layers = Layers { first: 0..2, second: 2..4 };
        let mut encoder = Self::seeded(SEEDED_TINY, sizes, positions)?;
        encoder.geometry.grid = encoder.patches();
        Ok(encoder)
    }

    fn seeded(name: &str, sizes: Transformer, positions: PositionInterpolation) -> Result<Self> {
        let (sizes, geometry) = (Transformer { positions, ..sizes.clone() }, sizes.geometry(false));
        let formula = Formula::default();
        let provenance = "weights from a formula, for timings and tests".to_owned();
        let mut encoder = Self::pooled(name, &sizes, geometry, provenance, &Source::new(WHAT, &formula))?;
        encoder.digest = hex(&formula.hash.into_inner().finalize());
        Ok(encoder)
    }

    fn open(path: &Path, positions: PositionInterpolation) -> Result<Self> {
        let weights = Weights::open(path)?;
        let name = paths::text(path);
        if let Some(header) = file::header(&weights)? {
            return Self::distilled(name, &weights, &header, positions);
        }
        let named = Named::new(&weights)?;
        let (sizes, supervised) = read_sizes(&named)?;
        let (sizes, geometry) = (Transformer { positions, ..sizes.clone() }, sizes.geometry(supervised));
        let provenance = format!("{} tensors from {name}", weights.names().len());
        let mut encoder = Self::pooled(&name, &sizes, geometry, provenance, &Source::new(WHAT, &named))?;
        encoder.digest = weights.digest().to_owned();
        Ok(encoder)
    }

    /// A network in a file of our own.
    fn distilled(
        name: String,
        weights: &Weights,
        header: &file::Header,
        positions: PositionInterpolation,
    ) -> Result<Self> {
        header.check()?;
        let (source, geometry) = (Source::new(WHAT, weights), header.geometry());
        let body = match &header.network {
            Network::Conv(sizes) => Body::Conv(Box::new(Conv::read(sizes, &geometry, &source)?)),
            Network::Pyramid(sizes) => Body::Pyramid(Box::new(Pyramid::read(sizes, &geometry, &source)?)),
            Network::Vit(sizes) => {
                let sizes = Transformer { positions, ..sizes.transformer(&geometry) };
                let ending = Ending::read(&source, sizes.dim, geometry.width, sizes.eps)?;
                Body::Ended(Vit::read(&sizes, &source)?, ending)
            }
        };
        let (digest, provenance) = (weights.digest().to_owned(), header.provenance.clone());
        tracing::info!(encoder = %name, %digest, width = header.width, "encoder loaded");
        Ok(Self { name, digest, provenance, geometry, body })
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
        let body = Body::Pooled(Vit::read(sizes, source)?, ChannelPool::new(sizes.dim, geometry.width));
        tracing::info!(encoder = %name, dim = sizes.dim, blocks = sizes.blocks_used(), "encoder loaded");
        Ok(Self { name: name.to_owned(), digest: String::new(), provenance, geometry, body })
    }

    /// The same network with one descriptor a patch, where it would otherwise have them resampled to a finer grid.
    pub(crate) fn at_patches(mut self) -> Self {
        self.geometry.grid = self.patches();
        self
    }

    /// The same network with descriptors resampled to a grid of `grid` x `grid`.
    ///
    /// # Errors
    /// When the grid has fewer than 2 descriptors a side, or more than a descriptor for each 2 pixels.
    pub fn with_grid(self, grid: usize) -> Result<Self> {
        let geometry = self.geometry.with_grid(grid)?;
        let name = format!("{}@{grid}", split_grid(&self.name).0);
        Ok(Self { name, geometry, ..self })
    }

    /// What tells it from other networks in memory: its weights and its grid.
    pub(crate) fn identity(&self) -> String {
        format!("{}@{}", self.digest, self.geometry.grid)
    }

    /// What it reads and gives.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Sizes and constants of a vision transformer; nothing of a network of another kind.
    pub fn transformer(&self) -> Option<&Transformer> {
        match &self.body {
            Body::Pooled(vit, _) | Body::Ended(vit, _) => Some(vit.sizes()),
            Body::Conv(_) | Body::Pyramid(_) => None,
        }
    }

    /// The two groups of blocks whose means its descriptors are made of; the first is empty where the last block gives them.
    pub fn layers(&self) -> Layers {
        match &self.body {
            Body::Pooled(vit, _) | Body::Ended(vit, _) => vit.sizes().layers.clone(),
            Body::Conv(conv) => Layers::last(conv.sizes().depth()),
            Body::Pyramid(pyramid) => Layers::last(pyramid.sizes().depth()),
        }
    }

    /// Side of the grid of its own cells or patches, before descriptors are resampled.
    fn patches(&self) -> usize {
        match &self.body {
            Body::Pooled(vit, _) | Body::Ended(vit, _) => vit.sizes().patches(),
            Body::Conv(conv) => self.geometry.side / conv.sizes().stride().max(1),
            Body::Pyramid(_) => self.geometry.side / PyramidSizes::STRIDE,
        }
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
        let geometry = &self.geometry;
        let inside = match &self.body {
            Body::Conv(conv) => conv.activations(),
            Body::Pyramid(pyramid) => pyramid.activations(),
            Body::Ended(vit, _) => vit.activations(),
            Body::Pooled(vit, _) => {
                let sizes = vit.sizes();
                vit.activations() + sizes.patches().pow(2) * (2 * sizes.dim + geometry.width)
            }
        };
        size_of::<f32>() * (geometry.input_len() + inside + geometry.tokens() * geometry.width)
    }

    /// Descriptors (grid * grid, width) of a normalised image (3, side, side).
    ///
    /// # Errors
    /// When the image has another size.
    pub fn encode(&self, image: &[f32], workspace: &mut Workspace, descriptors: &mut Vec<f32>) -> Result<()> {
        self.encode_observed(image, workspace, descriptors, &mut |_, _| {})
    }

    /// As [`Encoder::encode`]; `observe` sees all tokens (tokens, dim) before the first block, as number 0, and
    /// after each block, as numbers from 1.
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
        let Geometry { side, grid, width, .. } = self.geometry;
        if image.len() != self.geometry.input_len() {
            let expected = format!("3 x {side} x {side} values");
            return Err(Error::Mismatch { what: "encoder input", expected, found: image.len().to_string() });
        }
        let n = self.patches();
        descriptors.resize(grid * grid * width, 0.0);
        if grid == n {
            self.of_patches(image, workspace, descriptors, observe)?;
        } else {
            let mut patches = std::mem::take(&mut workspace.patches);
            patches.resize(n * n * width, 0.0);
            self.of_patches(image, workspace, &mut patches, observe)?;
            let new = || Upsample::new((n, n), (grid, grid), width, Corners::Edges);
            workspace.upsample.get_or_insert_with(new).run(&patches, descriptors)?;
            workspace.patches = patches;
        }
        if self.transformer().is_some_and(|sizes| sizes.unit_descriptors) {
            unit_rows(descriptors, width)?;
        }
        Ok(())
    }

    /// One descriptor a patch.
    fn of_patches(
        &self,
        image: &[f32],
        workspace: &mut Workspace,
        descriptors: &mut [f32],
        observe: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<()> {
        let Workspace { vit: activations, conv: maps, pyramid: pyramidal, first, second, .. } = workspace;
        match &self.body {
            Body::Conv(conv) => conv.run(image, maps, descriptors),
            Body::Pyramid(pyramid) => pyramid.run(image, pyramidal, descriptors),
            Body::Ended(vit, ending) => {
                let skipped = vit.sizes().extra_tokens() * vit.sizes().dim;
                vit.forward(image, activations, &mut |number, tokens| {
                    observe(number, tokens);
                    if number == vit.sizes().blocks_used() {
                        ending.run(&tokens[skipped..], first, descriptors)?;
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

/// Tensors of a transformer by a formula, and the digest of all that were made.
#[derive(Default)]
struct Formula {
    hash: RefCell<Sha256>,
}

impl Tensors for Formula {
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Option<Tensor>> {
        let data = seeded::vit_tensor(name, shape);
        self.hash.borrow_mut().update(bytemuck::cast_slice::<f32, u8>(&data));
        Ok(Some(Tensor { shape: shape.to_vec(), data }))
    }
}

/// A name without its grid, and the grid it asks for.
pub(crate) fn split_grid(name: &str) -> (&str, Option<usize>) {
    match name.rsplit_once('@').map(|(base, grid)| (base, grid.parse())) {
        Some((base, Ok(grid))) => (base, Some(grid)),
        _ => (name, None),
    }
}

/// Sizes of the network in a file, and whether it is one of timm's supervised ViTs, which have neither the patches nor the
/// layer scale of the DINO family.
fn read_sizes(named: &Named<'_>) -> Result<(Transformer, bool)> {
    let shape = |name: &str| -> Result<Vec<usize>> { Ok(named.get(name)?.shape) };
    let patch = shape("patch_embed.proj.weight")?;
    let [dim, 3, height, width] = patch[..] else {
        let expected = "a patch embedding of shape [d, 3, p, p]".to_owned();
        return Err(Error::Mismatch { what: "encoder", expected, found: format!("{patch:?}") });
    };
    if height != width || !(1..=64).contains(&height) {
        let expected = "square patches of 1 to 64 pixels".to_owned();
        return Err(Error::Mismatch { what: "encoder", expected, found: format!("{height} x {width}") });
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
