//! The trained decoder of SNARM: from hybrid residuals to a map of probabilities.
//!
//! A navigator says which tokens to trust. The self-navigated Mamba module reads the residuals in four branches
//! (`branch`), each in four orders; its blocks mix neighbours everywhere and run a state-space model on the hard tokens
//! alone. The multi-view decoder (`dilated`) reads each of the sixteen readings by a dilated convolution, and the map is
//! the mean of the sixteen probabilities. Names and shapes of the weights are those of the published checkpoints
//! (`weights`); sizes are read from them (`shape`), since small encoders have smaller heads. Our own files also say what
//! the decoder was trained for (`file`).
//!
//! The host goes branch by branch, so that activations stay in its caches; a device goes layer by layer, all branches at once
//! (`stacked`).

mod branch;
mod dilated;
mod file;
mod mixer;
mod seeded;
mod shape;
mod stacked;
mod times;
mod weights;
mod workspace;

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

use sha2::{Digest, Sha256};
use snarm_kernels::device::Place;
use snarm_kernels::mean_sigmoid::mean_sigmoid;
use snarm_kernels::row_dot::row_dot;
use snarm_kernels::sigmoid::sigmoid;
use snarm_kernels::{Grid, Precision};

use self::branch::Branch;
pub use self::branch::{Residuals, Stage};
pub use self::file::{About, Provenance, save, save_bare};
pub use self::mixer::{Mixer, Workspace as MixerWorkspace};
pub use self::seeded::tensor as seeded_tensor;
pub(crate) use self::shape::EPS;
use self::shape::WHAT;
pub use self::shape::{DEPTH, DILATIONS, ORDERS, STATES, Shape, TAPS};
pub use self::stacked::Stacked;
pub use self::times::Times;
pub(crate) use self::weights::{FIRST, check_names};
pub use self::weights::{Fetch, OPTIONAL, tensors};
pub use self::workspace::Workspace;
use crate::bank::Calibration;
use crate::encoder::Encoder;
use crate::error::{Error, Result};
use crate::files::{Weights, hex};
use crate::layers::{Made, Source};

/// What the scores of a decoder are filed under, before its digest.
const SCORER: &str = "head:";

/// Name of the family in files, where they name one.
pub const FAMILY: &str = "snarm";

/// The gain of a decoder that reads relative residuals of that width.
pub(crate) fn relative_gain(width: usize, level: Option<f32>) -> f32 {
    level.map_or(1.0, |level| (width as f32).sqrt() / level)
}

/// A trained decoder, ready to run. Immutable: streams share it.
pub struct SnarmDecoder {
    shape: Shape,
    scorer: String,
    content: String,
    about: Option<About>,
    navigator: (Vec<f32>, f32),
    branches: Vec<Branch>,
}

/// Sees what each stage of each branch makes: the number of the branch, the stage, the values.
pub type Observe<'a> = dyn FnMut(usize, Stage, &[f32]) + 'a;

impl SnarmDecoder {
    /// Reads a decoder: a file of our own, which says what it was trained for, or a published checkpoint, as safetensors
    /// or `.pth`, which does not.
    ///
    /// # Errors
    /// When the file is missing, its tensors are not exactly the named ones, or it contradicts itself.
    pub fn open(path: &Path) -> Result<Self> {
        Self::from_weights(&Weights::open(path)?, Precision::F32)
    }

    /// Takes the tensors of an open file, and what it says of them, for products in that precision.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn from_weights(file: &Weights, precision: Precision) -> Result<Self> {
        let about = file::about(file)?;
        let shape = weights::check(file)?;
        let source = Source::new(WHAT, file);
        let decoder = Self::read(&shape, &|name, shape| source.get(name, shape), precision)?;
        if let Some(about) = &about {
            file::check(about, &decoder, file.path())?;
        }
        tracing::info!(decoder = %file.path().display(), scorer = decoder.scorer, ?shape, "decoder loaded");
        Ok(Self { about, content: file.digest().to_owned(), ..decoder })
    }

    /// A decoder whose weights come from a formula: for tests and timings.
    ///
    /// # Errors
    /// When the sizes are none that a decoder can have.
    pub fn seeded(shape: &Shape) -> Result<Self> {
        Self::new(shape, &|name, shape| Ok(seeded::tensor(name, shape)))
    }

    /// Takes all tensors but the optional ones from `fetch`, each once, in the order of [`tensors`].
    ///
    /// # Errors
    /// When the sizes are none that a decoder can have, or `fetch` fails.
    pub fn new(shape: &Shape, fetch: &Fetch<'_>) -> Result<Self> {
        Self::read(shape, fetch, Precision::F32)
    }

    fn read(shape: &Shape, fetch: &Fetch<'_>, precision: Precision) -> Result<Self> {
        shape.check()?;
        let mut hash = Sha256::new();
        let mut all = HashMap::new();
        for (name, shape) in tensors(shape).into_iter().filter(|(name, _)| !name.ends_with(OPTIONAL)) {
            let tensor = fetch(&name, &shape)?;
            hash.update(&name);
            hash.update(bytemuck::cast_slice::<f32, u8>(&tensor));
            all.insert(name, tensor);
        }
        let left = RefCell::new(all);
        let take = |name: &str, _: &[usize]| Ok(left.borrow_mut().remove(name).unwrap_or_default());
        let made = Made(&take);
        let source = Source::new(WHAT, &made).in_precision(precision);
        let navigator = source.at("simple_predictor");
        let weight = navigator.get("weight", &[1, shape.width, 1, 1])?;
        let bias = navigator.single("bias")?;
        let branches = (0..shape.branches).map(|b| Branch::read(b, shape, &source)).collect::<Result<_>>()?;
        debug_assert!(left.borrow().is_empty(), "tensors that nothing reads");
        let digest = hex(&hash.finalize());
        let scorer = format!("{SCORER}{digest}");
        Ok(Self { shape: *shape, scorer, content: digest, about: None, navigator: (weight, bias), branches })
    }

    /// The same decoder, saying that of itself.
    #[must_use]
    pub fn with_about(self, about: About) -> Self {
        Self { about: Some(about), ..self }
    }

    /// Sizes of the decoder.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// What residuals are multiplied by before the decoder reads them, where good frames usually have a residual score of
    /// `level`. A published decoder reads them as they are: 1. One that was trained on relative residuals sees products of
    /// which good pieces differ much as it sees those of which they differ little: what is usual has a mean square of 1.
    pub fn gain(&self, level: Option<f32>) -> f32 {
        if self.is_relative() { relative_gain(self.shape.width, level) } else { 1.0 }
    }

    /// Whether the decoder reads relative residuals. What it says is then weighted by the residual score in the same units,
    /// see `weigh`.
    pub fn is_relative(&self) -> bool {
        self.about.as_ref().is_some_and(|about| about.relative)
    }

    /// SHA-256 of its weights, in hexadecimal: the same for a published checkpoint and what was converted from it.
    pub fn digest(&self) -> &str {
        &self.scorer[SCORER.len()..]
    }

    /// SHA-256 of the file that it was read from, in hexadecimal: its weights and what it says of itself.
    pub fn content(&self) -> &str {
        &self.content
    }

    /// What calibrations made with this decoder are filed under: `head:` and the digest.
    pub fn scorer(&self) -> &str {
        &self.scorer
    }

    /// What the file says of it; nothing where it is a published checkpoint.
    pub fn about(&self) -> Option<&About> {
        self.about.as_ref()
    }

    /// The calibration that came with it, for banks that were not calibrated with this decoder.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.about.as_ref()?.calibration.as_ref()
    }

    /// Checks that an encoder is the one that the decoder was trained for. Of the encoder of a published checkpoint only the
    /// width of the descriptors is known. The grid may be another than in training: one that learned on a coarse grid
    /// finds more on a finer one (docs/accuracy.md).
    ///
    /// # Errors
    /// When the width of its descriptors, its weights or its geometry are others, with both.
    pub fn check_encoder(&self, encoder: &Encoder) -> Result<()> {
        let geometry = encoder.geometry();
        let wrong = |what, expected: String, found: String| Err(Error::Mismatch { what, expected, found });
        if self.shape.width != geometry.width() {
            let expected = format!("an encoder with descriptors {} wide", self.shape.width);
            return wrong("decoder", expected, format!("{} ({})", geometry.width(), encoder.name()));
        }
        let Some(about) = &self.about else { return Ok(()) };
        if about.encoder_digest != encoder.digest() {
            let expected = format!("the weights {} ({})", about.encoder_digest, about.encoder);
            return wrong(
                "encoder of the decoder",
                expected,
                format!("{} ({})", encoder.digest(), encoder.name()),
            );
        }
        if about.side != encoder.input_side() {
            let expected = format!("side {}", about.side);
            return wrong("geometry of the decoder", expected, encoder.input_side().to_string());
        }
        Ok(())
    }

    /// The decoder at a place, in few large steps, for a grid of tokens and a map of `size` pixels.
    ///
    /// # Errors
    /// When the grid is too small to have trusted and hard tokens, or the place lacks the memory.
    pub fn stacked(&self, place: &Place, grid: Grid, size: Grid) -> Result<Stacked> {
        workspace::check(grid)?;
        Stacked::new(place, &self.shape, &self.navigator, &self.branches, grid, size)
    }

    /// The navigator: Q = sigmoid(w . G(r) + b) of each token, which [`super::Navigation`] adds to the waypoint values.
    ///
    /// # Errors
    /// When the residuals have another width.
    pub fn navigate(&self, inter: &[f32], q: &mut Vec<f32>) -> Result<()> {
        q.resize(inter.len() / self.shape.width, 0.0);
        row_dot(inter, &self.navigator.0, self.navigator.1, &mut *q)?;
        Ok(sigmoid(q)?)
    }

    /// Probabilities (rows, columns) of one frame, map and grid being those of the workspace.
    ///
    /// # Errors
    /// When the residuals do not fit the decoder or the grid, or a hard token lies outside the grid.
    pub fn run<'a>(&self, residuals: &Residuals<'_>, workspace: &'a mut Workspace) -> Result<&'a [f32]> {
        self.run_observed(residuals, workspace, &mut |_, _, _| {})
    }

    /// As [`Self::run`]; `observe` sees the stages of each branch.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_observed<'a>(
        &self,
        residuals: &Residuals<'_>,
        workspace: &'a mut Workspace,
        observe: &mut Observe<'_>,
    ) -> Result<&'a [f32]> {
        self.check(residuals, workspace)?;
        workspace.times = Times::default();
        workspace.places.mark_hard(residuals.hard);
        for (b, branch) in self.branches.iter().enumerate() {
            branch.run(residuals, workspace, &mut |stage, values| observe(b, stage, values))?;
            let mut start = Instant::now();
            branch.write_logits(b, workspace)?;
            times::lap(&mut start, &mut workspace.times.dilate);
        }
        let mut start = Instant::now();
        workspace.upsample.run(&workspace.logits, &mut workspace.upsampled)?;
        mean_sigmoid(&workspace.upsampled, &mut workspace.map)?;
        times::lap(&mut start, &mut workspace.times.average);
        Ok(&workspace.map)
    }

    fn check(&self, residuals: &Residuals<'_>, workspace: &Workspace) -> Result<()> {
        let Shape { width, channels, .. } = self.shape;
        let (ours, theirs) = ((channels, self.shape.views()), (workspace.channels, workspace.views));
        if ours != theirs {
            let expected = format!("a workspace for {} channels and {} views", ours.0, ours.1);
            return Err(Error::Values {
                what: WHAT,
                expected,
                found: format!("{} and {}", theirs.0, theirs.1),
            });
        }
        let tokens = workspace.tokens();
        let expected_len = tokens * width;
        if residuals.inter.len() != expected_len || residuals.intra.len() != expected_len {
            let expected = format!("residuals of {tokens} tokens, {width} wide");
            let found = format!("{} and {} values", residuals.inter.len(), residuals.intra.len());
            return Err(Error::Values { what: WHAT, expected, found });
        }
        match residuals.hard.iter().find(|token| **token as usize >= tokens) {
            None => Ok(()),
            Some(token) => {
                let expected = format!("hard tokens among {tokens}");
                Err(Error::Values { what: WHAT, expected, found: token.to_string() })
            }
        }
    }
}

#[cfg(test)]
mod tests;
