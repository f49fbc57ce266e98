//! EfficientNet-Lite (Liu 2020; Tan and Le, arXiv 1905.11946, without squeeze-and-excitation and with ReLU6), the networks
//! that TensorFlow trained: a dense stem and seven stages of inverted residuals.
//!
//! Descriptors are taken as for patch search: the ends of stages 3, 5 and 7 (strides 8, 16 and 32), each averaged over 3 x 3
//! cells, of one length, brought to the grid of descriptors, side by side. For networks that reconstruct levels of features
//! the ends of stages 2, 3 and 5 (strides 4, 8 and 16) are given, each cell with a mean square of 1. Batch norms are folded
//! into the convolutions before them; windows lie as TensorFlow's padding "SAME" has them.

mod names;
mod sizes;

use snarm_kernels::Grid;
use snarm_kernels::columns::{Place, columns};
use snarm_kernels::depthwise::{self, Kernel, Then as After, depthwise};
use snarm_kernels::device::{self, Buffer, BufferView, BufferViewMut};
use snarm_kernels::linear::Then;
use snarm_kernels::mean3x3::mean3x3;
use snarm_kernels::unfold::{Window, unfold};
use snarm_kernels::unit_rows::unit_rows;
use snarm_kernels::upsample::{Corners, Upsample};

pub(super) use self::names::Named;
use self::sizes::{BlockSizes, LEVELS, STEPS};
pub(super) use self::sizes::{Given, Sizes};
use super::geometry::{Geometry, Level};
use crate::error::Result;
use crate::layers::{Linear, Source, folded, for_products, show};

/// Epsilon of the batch norms.
const EPS: f32 = 1e-3;

/// Windows of the stem.
const STEM: Window = Window { side: 3, step: 2 };

/// project(depthwise(expand(x))), plus x where both are of one shape. The first two end in a ReLU6.
struct Block {
    /// Nothing where the block does not widen its input.
    expand: Option<Linear>,
    depthwise: Kernel,
    project: Linear,
    step: usize,
    is_residual: bool,
}

/// The network, ready to run.
pub(super) struct EfficientNet {
    sizes: Sizes,
    stem: Linear,
    stages: Vec<Vec<Block>>,
}

/// Activations of one image.
#[derive(Default)]
pub(super) struct Activations {
    windows: Buffer,
    x: Buffer,
    wide: Buffer,
    filtered: Buffer,
    next: Buffer,
    /// What a device multiplies.
    rows: Buffer,
    depthwise: depthwise::Workspace,
    mean: Buffer,
    level: Buffer,
    upsample: Vec<Upsample>,
}

impl EfficientNet {
    /// Reads the tensors of a network of these sizes, by timm's names.
    pub(super) fn read(sizes: &Sizes, source: &Source<'_>) -> Result<Self> {
        let mut inputs = sizes.stem;
        let mut stages = Vec::new();
        for (s, blocks) in sizes.stages.iter().enumerate() {
            let mut stage = Vec::new();
            for (b, block) in blocks.iter().enumerate() {
                let step = if b == 0 { STEPS[s] } else { 1 };
                stage.push(Block::read(&source.at("blocks").at(s).at(b), block, inputs, step)?);
                inputs = block.outputs;
            }
            stages.push(stage);
        }
        let (weight, bias) = folded(&source.at("conv_stem"), &source.at("bn1"), sizes.stem, &[3, 3, 3], EPS)?;
        Ok(Self { sizes: sizes.clone(), stem: Linear::of(source, &weight, bias), stages })
    }

    /// A copy at another place.
    pub(super) fn at(&self, place: &device::Place) -> Result<Self> {
        let stage = |blocks: &Vec<Block>| blocks.iter().map(|block| block.at(place)).collect::<Result<_>>();
        let stages = self.stages.iter().map(stage).collect::<Result<_>>()?;
        Ok(Self { sizes: self.sizes.clone(), stem: self.stem.at(place)?, stages })
    }

    /// Sizes of the network.
    pub(super) fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    /// Numbers in the large buffers of a run: windows and cells of the stem, and what the widest block holds between its
    /// input and its output, before and after the filter.
    pub(super) fn activations(&self, size: Grid) -> usize {
        let cells = stepped(size, STEM.step).cells();
        let widest = self.sizes.stages.iter().flatten().map(|block| block.hidden);
        // The first blocks have the most cells, a quarter as many from the second stage on.
        let wide = widest.clone().take(2).max().unwrap_or(0).max(widest.max().unwrap_or(0) / 4);
        cells * (3 * STEM.side * STEM.side + 2 * self.stem.width() + 2 * wide)
    }

    /// A normalised image (3, rows, columns) to what is given of it: descriptors (cells of the grid, width), or the values of
    /// all levels, (cells, channels) one after the other. `observe` sees the cells (cells, channels) after the stem, as number
    /// 0, and after each stage that is needed, as numbers from 1.
    pub(super) fn run(
        &self,
        image: BufferView<'_>,
        (geometry, given): (&Geometry, Given),
        a: &mut Activations,
        mut values: BufferViewMut<'_>,
        observe: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<()> {
        let size = geometry.size;
        let mut cells = stepped(size, STEM.step);
        a.windows.resize(cells.cells() * 3 * STEM.side * STEM.side)?;
        unfold(image, size.rows, size.columns, STEM, &mut a.windows)?;
        a.x.resize(cells.cells() * self.stem.width())?;
        self.stem.run(&a.windows, Then::Relu6, &mut a.x)?;
        show(a.x.view(), |x| observe(0, x));
        let (stages, mut first) = (given.stages(), 0);
        for (s, stage) in self.stages.iter().enumerate().take(stages[LEVELS - 1] + 1) {
            for block in stage {
                block.run(&mut cells, a)?;
            }
            show(a.x.view(), |x| observe(s + 1, x));
            let Some(level) = stages.iter().position(|stage| *stage == s) else { continue };
            let c = self.sizes.channels(s);
            first += match given {
                Given::Descriptors => {
                    a.describe(cells, (level, c), geometry.level(), first, values.reborrow())?
                }
                Given::Levels => a.give(c, first, values.reborrow())?,
            };
        }
        Ok(())
    }
}

impl Activations {
    /// For a network at a place.
    pub(super) fn at(place: &device::Place) -> Result<Self> {
        let (floats, products) = (|| Buffer::new(place, 0), || Buffer::of_products(place, 0));
        let (x, wide, filtered, next) = (floats()?, floats()?, floats()?, floats()?);
        let (windows, rows, mean, level) = (products()?, products()?, floats()?, floats()?);
        Ok(Self { windows, x, wide, filtered, next, rows, mean, level, ..Self::default() })
    }

    /// Writes the channels of a level, from the channel `first` on, to descriptors (cells of the grid, width). Returns their
    /// number.
    fn describe(
        &mut self,
        cells: Grid,
        (level, c): (usize, usize),
        Level { grid, width }: Level,
        first: usize,
        descriptors: BufferViewMut<'_>,
    ) -> Result<usize> {
        self.mean.resize(self.x.len())?;
        mean3x3(&self.x, cells.rows, cells.columns, c, &mut self.mean)?;
        unit_rows(&mut self.mean, c)?;
        if self.upsample.len() == level {
            self.upsample.push(Upsample::new(cells.into(), grid.into(), c, Corners::Edges));
        }
        self.level.resize(grid.cells() * c)?;
        self.upsample[level].run(&self.mean, &mut self.level)?;
        // All levels have one length, and together a mean square of 1.
        let scale = (width as f32 / (LEVELS * c) as f32).sqrt();
        columns(&self.level, c, scale, Place { width, first }, descriptors)?;
        Ok(c)
    }

    /// Writes a level (cells, c) to `values` from the first on, each cell with a mean square of 1. Returns the number of its values.
    fn give(&self, c: usize, first: usize, values: BufferViewMut<'_>) -> Result<usize> {
        let own = self.x.len();
        if let Some(mut level) = values.part(first..first + own) {
            columns(&self.x, c, 1.0, Place::all(c), level.reborrow())?;
            unit_rows(level, c)?;
        }
        Ok(own)
    }
}

impl Block {
    fn read(source: &Source<'_>, sizes: &BlockSizes, inputs: usize, step: usize) -> Result<Self> {
        let BlockSizes { kernel, hidden, outputs, expands } = *sizes;
        let layer = |conv: &str, norm: &str, out: usize, inner: &[usize]| {
            folded(&source.at(conv), &source.at(norm), out, inner, EPS)
        };
        let linear = |conv: &str, norm: &str, out: usize, inner: usize| -> Result<Linear> {
            let (weight, bias) = layer(conv, norm, out, &[inner, 1, 1])?;
            Ok(Linear::of(source, &weight, bias))
        };
        // The names of the three layers, which the first two move up by where there is no expansion.
        let (norms, last) = if expands { (["bn2", "bn3"], "conv_pwl") } else { (["bn1", "bn2"], "conv_pw") };
        let (taps, bias) = layer("conv_dw", norms[0], hidden, &[1, kernel, kernel])?;
        Ok(Self {
            expand: if expands { Some(linear("conv_pw", "bn1", hidden, inputs)?) } else { None },
            depthwise: Kernel::new(&taps, bias)?.with_step(step)?.then(After::Relu6),
            project: linear(last, norms[1], outputs, hidden)?,
            step,
            is_residual: step == 1 && inputs == outputs,
        })
    }

    /// A copy at another place.
    fn at(&self, place: &device::Place) -> Result<Self> {
        let expand = self.expand.as_ref().map(|expand| expand.at(place)).transpose()?;
        let (depthwise, project) = (self.depthwise.clone().at(place)?, self.project.at(place)?);
        Ok(Self { expand, depthwise, project, ..*self })
    }

    /// Takes a map of `cells` from `a.x` and leaves its own there.
    fn run(&self, cells: &mut Grid, a: &mut Activations) -> Result<()> {
        let (size, hidden) = (*cells, self.depthwise.channels());
        let wide = match &self.expand {
            Some(expand) => {
                let c = a.x.len() / size.cells().max(1);
                a.wide.resize(size.cells() * hidden)?;
                let rows = for_products(a.x.view(), c, &mut a.rows)?;
                expand.run(rows, Then::Relu6, &mut a.wide)?;
                &a.wide
            }
            None => &a.x,
        };
        let after = stepped(size, self.step);
        a.filtered.resize(after.cells() * hidden)?;
        depthwise(wide, size.rows, size.columns, &self.depthwise, &mut a.depthwise, &mut a.filtered)?;
        let rows = for_products(a.filtered.view(), hidden, &mut a.rows)?;
        if self.is_residual {
            self.project.run(rows, Then::Add, &mut a.x)?;
        } else {
            a.next.resize(after.cells() * self.project.width())?;
            self.project.run(rows, Then::Store, &mut a.next)?;
            std::mem::swap(&mut a.x, &mut a.next);
        }
        *cells = after;
        Ok(())
    }
}

/// Windows of an image of `size`, `step` pixels from one to the next.
fn stepped(size: Grid, step: usize) -> Grid {
    Grid { rows: size.rows.div_ceil(step), columns: size.columns.div_ceil(step) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use safetensors::serialize;
    use safetensors::tensor::{Dtype, TensorView};

    use super::*;
    use crate::encoder::{Encoder, PositionInterpolation, SEEDED_LITE, Workspace, seeded};

    type Tensors = Vec<(String, Vec<usize>)>;

    /// timm's names and the shapes of a narrow network, without what is not read.
    fn timm(sizes: &Sizes) -> Tensors {
        let mut all = Tensors::new();
        let mut convolution = |conv: String, norm: String, shape: &[usize]| {
            all.push((format!("{conv}.weight"), shape.to_vec()));
            for part in ["weight", "bias", "running_mean", "running_var"] {
                all.push((format!("{norm}.{part}"), vec![shape[0]]));
            }
        };
        convolution("conv_stem".to_owned(), "bn1".to_owned(), &[sizes.stem, 3, 3, 3]);
        let mut inputs = sizes.stem;
        for (s, blocks) in sizes.stages.iter().enumerate() {
            for (b, block) in blocks.iter().enumerate() {
                let name = |layer: &str| format!("blocks.{s}.{b}.{layer}");
                let BlockSizes { kernel, hidden, outputs, expands } = *block;
                if expands {
                    convolution(name("conv_pw"), name("bn1"), &[hidden, inputs, 1, 1]);
                    convolution(name("conv_dw"), name("bn2"), &[hidden, 1, kernel, kernel]);
                    convolution(name("conv_pwl"), name("bn3"), &[outputs, hidden, 1, 1]);
                } else {
                    convolution(name("conv_dw"), name("bn1"), &[hidden, 1, kernel, kernel]);
                    convolution(name("conv_pw"), name("bn2"), &[outputs, hidden, 1, 1]);
                }
                inputs = outputs;
            }
        }
        all
    }

    fn write(path: &Path, tensors: &Tensors, rename: impl Fn(&str) -> String) {
        let data: Vec<Vec<f32>> =
            tensors.iter().map(|(name, shape)| seeded::efficientnet_tensor(name, shape)).collect();
        let view = |((name, shape), data): (&(String, Vec<usize>), &'_ Vec<f32>)| {
            let bytes: Vec<u8> = data.iter().flat_map(|v| v.to_le_bytes()).collect();
            (rename(name), shape.clone(), bytes)
        };
        let all: Vec<_> = tensors.iter().zip(&data).map(view).collect();
        let views: Vec<_> = all
            .iter()
            .map(|(name, shape, bytes)| {
                (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
            })
            .collect();
        std::fs::write(path, serialize(views, None).unwrap()).unwrap();
    }

    fn load(path: &Path) -> Result<Encoder> {
        Encoder::load(&path.display().to_string(), PositionInterpolation::Legacy)
    }

    fn narrow() -> Sizes {
        Sizes::new(8, [(8, 1), (12, 2), (16, 2), (24, 3), (32, 2), (40, 2), (48, 1)])
    }

    /// lukemelas' name of a timm name of that network.
    fn numbered(name: &str) -> String {
        let first = [0, 1, 3, 5, 8, 10, 12];
        let Some(rest) = name.strip_prefix("blocks.") else {
            return format!("_{}", name.replacen("bn1", "bn0", 1));
        };
        let parts: Vec<&str> = rest.splitn(4, '.').collect();
        let (stage, block): (usize, usize) = (parts[0].parse().unwrap(), parts[1].parse().unwrap());
        let layer = match (stage == 0, parts[2]) {
            (_, "conv_dw") => "depthwise_conv",
            (true, "conv_pw") | (false, "conv_pwl") => "project_conv",
            (false, "conv_pw") => "expand_conv",
            (true, "bn1") | (false, "bn2") => "bn1",
            (true, "bn2") | (false, "bn3") => "bn2",
            _ => "bn0",
        };
        format!("_blocks.{}._{layer}.{}", first[stage] + block, parts[3])
    }

    #[test]
    fn a_network_is_the_same_under_both_names_and_any_prefix() {
        let dir = tempfile::tempdir().unwrap();
        let (timm_file, other_file) = (dir.path().join("a.safetensors"), dir.path().join("b.safetensors"));
        let tensors = timm(&narrow());
        write(&timm_file, &tensors, str::to_owned);
        write(&other_file, &tensors, |name| format!("model.{}", numbered(name)));
        let seeded = Encoder::load(SEEDED_LITE, PositionInterpolation::Legacy).unwrap();
        let image = seeded::values("image", seeded.geometry().input_len(), 0.0, 1.0);
        let run = |encoder: &Encoder| {
            let mut descriptors = Vec::new();
            encoder.encode(&image, &mut Workspace::default(), &mut descriptors).unwrap();
            descriptors
        };
        let expected = run(&seeded);
        assert!(expected.iter().any(|v| *v != expected[0]));
        for file in [&timm_file, &other_file] {
            let encoder = load(file).unwrap();
            assert!(run(&encoder) == expected, "{}", file.display());
            assert_eq!(encoder.geometry(), seeded.geometry());
        }
    }

    #[test]
    fn networks_of_other_families_are_refused_and_what_is_missing_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.safetensors");
        let refused = |tensors: &Tensors, words: &[&str]| {
            write(&path, tensors, str::to_owned);
            let error = load(&path).err().unwrap().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        };
        let mut squeezes = timm(&narrow());
        squeezes.push(("blocks.1.0.se.conv_reduce.weight".to_owned(), vec![4, 48, 1, 1]));
        refused(&squeezes, &["expected an EfficientNet-Lite", "found squeeze-and-excitation"]);
        let mut sizes = narrow();
        sizes.stages[2].iter_mut().for_each(|block| block.kernel = 3);
        refused(&timm(&sizes), &["expected an EfficientNet-Lite", "taps [3, 3, 3, 3, 5, 5, 3] a side"]);
        let mut tensors = timm(&narrow());
        tensors.retain(|(name, _)| name != "blocks.3.1.bn2.running_var");
        refused(&tensors, &["expected a tensor blocks.3.1.bn2.running_var, found none of that name"]);
        let mut tensors = timm(&narrow());
        let wrong = tensors.iter_mut().find(|(name, _)| name == "blocks.4.1.conv_pwl.weight").unwrap();
        wrong.1[1] += 1;
        refused(&tensors, &["blocks.4.1.conv_pwl.weight of shape [32, 192, 1, 1], found [32, 193, 1, 1]"]);
    }
}
