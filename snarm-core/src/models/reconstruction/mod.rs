//! What the families have in common that reconstruct the features of a network from a bottleneck (reverse distillation,
//! arXiv 2201.10703) by a decoder of state-space blocks (MambaAD, arXiv 2404.06564): where the reconstruction differs from
//! what the network saw, the frame is anomalous. They need no descriptors of a bank.
//!
//! `fusion` makes one map of the three levels of features; `decoder` reconstructs the levels from it in four stages of
//! modules (`module`), in which blocks scan the map in several directions (`scanning`) beside two branches of depth-wise
//! convolutions (`local`). `compare` makes the map of cosine distances. Names and shapes of the weights are those of the
//! published checkpoints (`names`); sizes are read from them (`shape`). Our own files also say what they were trained for
//! (`file`).

mod compare;
mod decoder;
mod expand;
mod family;
mod file;
mod fusion;
mod levels;
mod list;
mod local;
mod module;
mod names;
mod scanning;
mod shape;
mod sweeps;

use std::cell::{Cell, RefCell};
use std::path::Path;

use sha2::{Digest, Sha256};
use snarm_kernels::Precision;
use snarm_kernels::device::{BufferView, Place};

use self::decoder::Decoder;
pub use self::decoder::{Observe, Stage, Workspace};
pub(crate) use self::expand::places;
pub(crate) use self::file::Fetch;
pub use self::file::{About, Entry, save};
use self::fusion::Fusion;
pub use self::levels::Levels;
pub use self::list::tensors;
pub(crate) use self::names::Named as Published;
pub(super) use self::names::{has_quarters, is_in};
use self::shape::WHAT;
pub(crate) use self::shape::{EPS, STAGES};
pub use self::shape::{Kind, Shape};
pub(crate) use self::sweeps::orders;
use crate::error::{Error, Result};
use crate::files::{Tensor, Weights, hex};
use crate::layers::{Made, Source, Tensors, show};
use crate::paths;

/// What tells the tensors that batch norms gather from those that are learned.
const GATHERED: &str = ".running_";

/// The trained part of a family that reconstructs, ready to run. Immutable: streams share it.
pub struct Reconstruction {
    kind: &'static Kind,
    shape: Shape,
    scorer: String,
    content: String,
    /// Numbers in its tensors, without what batch norms gathered.
    parameters: usize,
    about: Option<About>,
    /// Where the encoder lies that the file holds beside the decoder.
    own_encoder: Option<String>,
    net: Net,
}

/// Its weights, at a place.
struct Net {
    fusion: Fusion,
    decoder: Decoder,
}

impl Net {
    /// A copy at another place.
    fn at(&self, place: &Place) -> Result<Self> {
        Ok(Self { fusion: self.fusion.at(place)?, decoder: self.decoder.at(place)? })
    }

    /// Leaves the fused map in the workspace.
    fn fuse(&self, levels: Levels<'_>, workspace: &mut Workspace) -> Result<()> {
        workspace.check(levels)?;
        let (grids, fusion, map) = workspace.for_fusion();
        self.fusion.run(levels, grids, fusion, map)
    }
}

impl Reconstruction {
    /// Takes the tensors of an open file, a published checkpoint or one of ours, and what it says of them, for products in that
    /// precision.
    ///
    /// # Errors
    /// When the tensors or tables are not those of the family, or the file contradicts itself.
    pub fn from_weights(kind: &'static Kind, file: &Weights, precision: Precision) -> Result<Self> {
        let named = names::Named::find(file)?;
        let about = file::about(kind, file)?;
        let shape = named.shape(kind, about.as_ref().map(|about| about.shape.curve))?;
        if let Some(about) = &about {
            file::check(about, &shape, file.path())?;
        }
        let made = Self::of(kind, &shape, &named, precision)?;
        let own_encoder = named.holds_encoder().then(|| paths::text(file.path()));
        if about.as_ref().is_none_or(About::encoder_is_inside) && own_encoder.is_none() {
            let expected = "a checkpoint with the network whose features it reconstructs (net_t.*)";
            return Err(Error::wrong_file(WHAT, file.path(), expected, "none"));
        }
        tracing::info!(decoder = %file.path().display(), scorer = made.scorer, ?shape, "decoder loaded");
        Ok(Self { about, own_encoder, content: file.digest().to_owned(), ..made })
    }

    /// Opens a file.
    ///
    /// # Errors
    /// As [`Self::from_weights`].
    pub fn open(kind: &'static Kind, path: &Path) -> Result<Self> {
        Self::from_weights(kind, &Weights::open(path)?, Precision::F32)
    }

    /// Takes all tensors of `fetch`, by the published names.
    ///
    /// # Errors
    /// When the sizes are none of the family, or `fetch` fails.
    pub(crate) fn new(kind: &'static Kind, shape: &Shape, fetch: &Fetch<'_>) -> Result<Self> {
        Self::of(kind, shape, &Made(fetch), Precision::F32)
    }

    /// The same decoder, saying that of itself.
    pub(crate) fn with_about(self, about: About) -> Self {
        Self { about: Some(about), ..self }
    }

    /// Takes all tensors of `tensors`, by the published names.
    fn of(kind: &'static Kind, shape: &Shape, tensors: &dyn Tensors, precision: Precision) -> Result<Self> {
        shape.check(kind)?;
        let hashed = Hashed { tensors, hash: RefCell::default(), parameters: Cell::new(0) };
        let source = Source::new(WHAT, &hashed).in_precision(precision);
        let fusion = Fusion::read(shape, &source.at(names::FUSION))?;
        let decoder = Decoder::read(shape, &source.at(names::DECODER))?;
        let parameters = hashed.parameters.get();
        let digest = hex(&hashed.hash.into_inner().finalize());
        let scorer = format!("{}:{digest}", kind.family);
        Ok(Self {
            kind,
            shape: shape.clone(),
            scorer,
            content: digest,
            parameters,
            about: None,
            own_encoder: None,
            net: Net { fusion, decoder },
        })
    }

    /// What tells its family from others that reconstruct.
    pub fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// Number of its parameters, the fusion's among them.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// Sizes.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// What its file says of it; nothing where that is a published checkpoint.
    pub fn about(&self) -> Option<&About> {
        self.about.as_ref()
    }

    /// Fuses the levels of features of one frame and reconstructs them; the reconstruction stays in the workspace.
    ///
    /// # Errors
    /// When the levels are not those of the workspace.
    pub fn run<'a>(&self, levels: [impl Into<BufferView<'a>>; 3], workspace: &mut Workspace) -> Result<()> {
        self.run_observed(levels, workspace, &mut |_, _| {})
    }

    /// As [`Self::run`]; `observe` sees the stages.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_observed<'a>(
        &self,
        levels: [impl Into<BufferView<'a>>; 3],
        workspace: &mut Workspace,
        observe: &mut Observe<'_>,
    ) -> Result<()> {
        self.net.fuse(levels.map(Into::into), workspace)?;
        show(workspace.map(), |map| observe(Stage::Fused, map));
        self.net.decoder.run(workspace, observe)
    }
}

/// Tensors that are read, the digest of all of them by name and value, and how many numbers are parameters.
struct Hashed<'a> {
    tensors: &'a dyn Tensors,
    hash: RefCell<Sha256>,
    parameters: Cell<usize>,
}

impl Tensors for Hashed<'_> {
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Option<Tensor>> {
        let found = self.tensors.tensor(name, shape)?;
        if let Some(tensor) = &found {
            let mut hash = self.hash.borrow_mut();
            hash.update(name);
            hash.update(bytemuck::cast_slice::<f32, u8>(&tensor.data));
            if !name.contains(GATHERED) {
                self.parameters.set(self.parameters.get() + tensor.data.len());
            }
        }
        Ok(found)
    }

    fn path(&self) -> Option<&Path> {
        self.tensors.path()
    }
}

#[cfg(test)]
mod tests;
