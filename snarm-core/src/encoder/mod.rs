//! Feature networks: what a frame's patches look like, as vectors.
//!
//! A vision transformer runs up to the last block that is needed. The mean of an earlier and of a later group of
//! blocks is taken, class and register tokens are dropped, channels are pooled to the width of a descriptor, and the
//! grid of patches is brought to the grid of descriptors. (Pooling and resampling are both linear, so pooling, which
//! makes the data smaller, goes first.) Networks without registers have their descriptors brought to one length.
//!
//! Networks that `snarm distill` makes were trained to give descriptors themselves: a last norm and a linear layer take the
//! place of means, pooling and length. They are transformers or convolutional ([`conv`]); the file says which.

mod config;
pub mod conv;
pub mod file;
mod head;
mod names;
mod position;
mod published;
pub mod seeded;
mod vit;

use std::cell::RefCell;
use std::path::Path;

use sha2::{Digest, Sha256};
use snarm_kernels::channel_pool::ChannelPool;
use snarm_kernels::upsample::{Corners, Upsample};

pub use self::config::{Config, IMAGENET, Layers, PositionInterpolation};
use self::conv::Conv;
use self::head::Head;
use self::names::Named;
pub use self::published::{PUBLISHED, Published, cache_folder};
pub(crate) use self::vit::gather_patches;
use self::vit::{Fetch, Vit};
use crate::error::{Error, Result};
use crate::weights::{Weights, hex};

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
    config: Config,
    network: Network,
}

/// What makes descriptors of an image.
enum Network {
    /// A transformer, and the pooling of the means of its blocks.
    Pooled(Vit, ChannelPool),
    /// A transformer whose last block is brought to descriptors by its own head.
    Headed(Vit, Head),
    /// A convolutional network.
    Conv(Box<Conv>),
}

/// What one stream needs to run an encoder: allocated at the first frame and kept.
#[derive(Default)]
pub struct Workspace {
    vit: vit::Activations,
    conv: conv::Activations,
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
            "seeded:small" => Self::seeded(name, Config::new(384, 12, 1536, 14, 4, 37), positions),
            "seeded:base" => Self::seeded(name, Config::new(768, 12, 3072, 14, 4, 37), positions),
            "seeded:large" => Self::seeded(name, Config::new(1024, 24, 4096, 14, 4, 37), positions),
            name => match Published::named(name) {
                // By its name it is found on another machine too.
                Some(network) => {
                    Ok(Self { name: name.to_owned(), ..Self::open(&network.fetched()?, positions)? })
                }
                None => Self::open(Path::new(name), positions),
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
                encoder.config.grid = TINY_GRID;
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
        let mut config = Config::new(192, 4, 768, 14, 4, 28);
        config.layers = Layers { first: 0..2, second: 2..4 };
        config.grid = config.patches();
        Self::seeded(SEEDED_TINY, config, positions)
    }

    fn seeded(name: &str, mut config: Config, positions: PositionInterpolation) -> Result<Self> {
        config.positions = positions;
        let hash = RefCell::new(Sha256::new());
        let fetch = |name: &str, shape: &[usize]| {
            let tensor = seeded::vit_tensor(name, shape);
            hash.borrow_mut().update(bytemuck::cast_slice::<f32, u8>(&tensor));
            Ok(Some(tensor))
        };
        let provenance = "weights from a formula, for timings and tests".to_owned();
        let encoder = Self::build(name.to_owned(), String::new(), provenance, config, &fetch)?;
        let digest = hex(&hash.borrow().clone().finalize());
        Ok(Self { digest, ..encoder })
    }

    fn open(path: &Path, positions: PositionInterpolation) -> Result<Self> {
        let weights = Weights::open(path)?;
        if let Some(header) = file::header(&weights)? {
            return Self::distilled(path.display().to_string(), &weights, &header, positions);
        }
        let named = Named::new(&weights)?;
        let config = Config { positions, ..read_config(&named)? };
        let fetch = |name: &str, shape: &[usize]| match named.find(name)? {
            None => Ok(None),
            Some(_) if name == "pos_embed" => positions_with_class(&named, shape).map(Some),
            Some(_) => named.shaped(name, shape).map(Some),
        };
        let provenance = format!("{} tensors from {}", weights.names().len(), path.display());
        Self::build(path.display().to_string(), weights.digest().to_owned(), provenance, config, &fetch)
    }

    /// A network in a file of our own.
    fn distilled(
        name: String,
        weights: &Weights,
        header: &file::Header,
        positions: PositionInterpolation,
    ) -> Result<Self> {
        header.check()?;
        let fetch = |name: &str, shape: &[usize]| file::tensor(weights, name, shape);
        let (config, network) = match &header.network {
            file::Network::Conv(sizes) => (
                header.config(sizes.dims[1], sizes.depth()),
                Network::Conv(Box::new(Conv::new(sizes, header, &fetch)?)),
            ),
            file::Network::Vit(sizes) => {
                let config = Config { positions, ..sizes.config(header) };
                let head = Head::new(config.dim, header.width, config.eps, &fetch)?;
                let vit = Vit::new(&config, &fetch)?;
                (config, Network::Headed(vit, head))
            }
        };
        let (digest, provenance) = (weights.digest().to_owned(), header.provenance.clone());
        tracing::info!(encoder = %name, %digest, width = header.width, "encoder loaded");
        Ok(Self { name, digest, provenance, config, network })
    }

    fn build(
        name: String,
        digest: String,
        provenance: String,
        config: Config,
        fetch: &Fetch<'_>,
    ) -> Result<Self> {
        config.check()?;
        let vit = Vit::new(&config, fetch)?;
        let pool = ChannelPool::new(config.dim, config.width);
        tracing::info!(encoder = %name, %digest, dim = config.dim, blocks = config.blocks_used(), "encoder loaded");
        Ok(Self { name, digest, provenance, config, network: Network::Pooled(vit, pool) })
    }

    /// The same network with one descriptor a patch, where it would otherwise have them resampled to a finer grid.
    pub(crate) fn at_patches(mut self) -> Self {
        self.config.grid = self.config.patches();
        self
    }

    /// The same network with descriptors resampled to a grid of `grid` x `grid`.
    ///
    /// # Errors
    /// When the grid has fewer than 2 descriptors a side, or more than a descriptor for each 2 pixels.
    pub fn with_grid(mut self, grid: usize) -> Result<Self> {
        if !(2..=self.config.side / 2).contains(&grid) {
            let expected = format!("a grid of 2 to {} descriptors a side", self.config.side / 2);
            return Err(Error::Mismatch { what: "encoder", expected, found: grid.to_string() });
        }
        self.config.grid = grid;
        self.name = format!("{}@{grid}", split_grid(&self.name).0);
        Ok(self)
    }

    /// What tells it from other networks in memory: its weights and its grid.
    pub(crate) fn identity(&self) -> String {
        format!("{}@{}", self.digest, self.config.grid)
    }

    /// Sizes and constants.
    pub fn config(&self) -> &Config {
        &self.config
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
        let config = &self.config;
        if image.len() != 3 * config.side * config.side {
            let expected = format!("3 x {0} x {0} values", config.side);
            return Err(Error::Mismatch { what: "encoder input", expected, found: image.len().to_string() });
        }
        let (n, grid, width) = (config.patches(), config.grid, config.width);
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
        if config.unit_descriptors {
            descriptors.chunks_exact_mut(width).for_each(to_unit_mean_square);
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
        let config = &self.config;
        let Workspace { vit: activations, conv: maps, first, second, .. } = workspace;
        let skipped = config.extra_tokens() * config.dim;
        match &self.network {
            Network::Conv(conv) => conv.run(image, maps, descriptors),
            Network::Headed(vit, head) => vit.forward(config, image, activations, &mut |number, tokens| {
                observe(number, tokens);
                if number == config.blocks_used() {
                    head.run(&tokens[skipped..], first, descriptors)?;
                }
                Ok(())
            }),
            Network::Pooled(vit, pool) => {
                let n = config.patches();
                for sum in [&mut *first, &mut *second] {
                    sum.clear();
                    sum.resize(n * n * config.dim, 0.0);
                }
                let groups = [&config.layers.first, &config.layers.second];
                vit.forward(config, image, activations, &mut |number, tokens| {
                    observe(number, tokens);
                    for (group, sum) in groups.into_iter().zip([&mut *first, &mut *second]) {
                        if number > 0 && group.contains(&(number - 1)) {
                            let share = 1.0 / group.len() as f32;
                            sum.iter_mut()
                                .zip(&tokens[skipped..])
                                .for_each(|(sum, value)| *sum += value * share);
                        }
                    }
                    Ok(())
                })?;
                Ok(pool.run(first, second, descriptors)?)
            }
        }
    }
}

/// A name without its grid, and the grid it asks for.
pub(crate) fn split_grid(name: &str) -> (&str, Option<usize>) {
    match name.rsplit_once('@').map(|(base, grid)| (base, grid.parse())) {
        Some((base, Ok(grid))) => (base, Some(grid)),
        _ => (name, None),
    }
}

/// Scales a row to a mean square of 1; a row of zeros stays as it is.
fn to_unit_mean_square(row: &mut [f32]) {
    let square: f64 = row.iter().map(|v| f64::from(*v).powi(2)).sum();
    if square > 0.0 {
        let scale = (row.len() as f64 / square).sqrt() as f32;
        row.iter_mut().for_each(|v| *v *= scale);
    }
}

/// Sizes of the network in a file.
fn read_config(named: &Named<'_>) -> Result<Config> {
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
    let config = Config::new(dim, depth, hidden, height, registers, table);
    // Supervised ViTs of timm have neither the patches nor the layer scale of the DINO family.
    let dino = height == 14 || named.find("blocks.0.ls1.gamma")?.is_some();
    Ok(if dino { config } else { config.with_half_normalisation() })
}

/// The table of positions, with a row of zeros for the class token where a file has none (timm's register models,
/// which add it to the class token beforehand).
fn positions_with_class(named: &Named<'_>, shape: &[usize]) -> Result<Vec<f32>> {
    let tensor = named.get("pos_embed")?;
    if tensor.shape == [1, shape[1] - 1, shape[2]] {
        return Ok(std::iter::repeat_n(0.0, shape[2]).chain(tensor.data).collect());
    }
    named.shaped("pos_embed", shape)
}
