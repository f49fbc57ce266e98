//! `snarm distill`: a small encoder learns to see as a large one does.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use snarm_core::encoder::{ConvSizes, Encoder, Network, PositionInterpolation, VitSizes};
use snarm_core::paths::{self, text};
use snarm_core::registry;
use snarm_core::training::Files;
use snarm_core::training::distill::{Pictures, Settings, Teacher, distill};

use super::outputs::{self, Holds, Inputs};
use super::{DeviceOptions, ReadingOptions, make_parent, path_text};
use crate::exit::Outcome;
use crate::output;
use crate::progress::Progress;

/// Trains a small encoder to give the descriptors of a large one, on pictures of any kind, given and drawn.
///
/// The student's descriptors are the teacher's along the axes of most variance, so that distances are kept. It reads
/// the same square of pixels and gives one descriptor for each of the teacher's patches. Beside OUT come a log
/// (OUT with .csv: step, loss, loss on pictures set apart, learning rate, norm of the gradient, seconds) and a
/// checkpoint (.checkpoint) that --resume goes on with, as if the run had not been stopped. A loss of 1 is that of a
/// constant.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Encoder to learn from: a built-in name or a weights file
    #[arg(long, value_parser = path_text())]
    teacher: String,
    /// Folders of pictures, with the folders below them
    #[arg(long, num_args = 1..)]
    images: Vec<PathBuf>,
    /// Share of the pictures that are textures and products drawn from nothing; all are without --images
    #[arg(long, default_value_t = 0.25)]
    drawn: f64,
    /// Kind of the student
    #[arg(long, value_enum, default_value_t = Kind::Conv)]
    student: Kind,
    /// Channels: of the two stages of conv, or of vit [default: 96,192 or 192]
    #[arg(long, value_delimiter = ',')]
    dims: Vec<usize>,
    /// Blocks: of the two stages of conv, or of vit [default: 2,6 or 6]
    #[arg(long, value_delimiter = ',')]
    blocks: Vec<usize>,
    /// Width of a descriptor
    #[arg(long, default_value_t = 128)]
    width: usize,
    /// Steps of the run
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    steps: u64,
    /// Views in a step
    #[arg(long, default_value_t = 4)]
    batch: usize,
    /// Views that are drawn at a time; memory is 0.8 MB for each
    #[arg(long, default_value_t = 256)]
    round: usize,
    /// Times that each view is shown
    #[arg(long, default_value_t = 3)]
    visits: usize,
    /// Highest learning rate
    #[arg(long, default_value_t = 2e-3)]
    rate: f64,
    /// Steps between two checkpoints
    #[arg(long, default_value_t = 500)]
    checkpoint: u64,
    /// Seed of every random choice
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Go on from the checkpoint of a run with the same settings and pictures; the number of steps may be another
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    device: DeviceOptions,
    #[command(flatten)]
    reading: ReadingOptions,
    /// File for the student
    #[arg(long)]
    out: PathBuf,
}

/// Kind of the student.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A convolutional network of two stages
    Conv,
    /// A vision transformer with registers
    Vit,
}

/// Views that the validation loss is the mean over.
const VALIDATION: usize = 48;

/// Side of the squares of taps of a convolutional student.
const KERNEL: usize = 7;

/// Register tokens of a transformer.
const REGISTERS: usize = 4;

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let teacher = paths::named(&args.teacher);
    outputs::check("--out", &args.out, Holds::Encoder, &Inputs::of([teacher.as_path()]))?;
    let device = args.device.open()?;
    let encoder = Encoder::load(&registry::find_encoder(&args.teacher), PositionInterpolation::Legacy)?;
    let several = encoder.inputs().count() > 1;
    ensure!(!several, "--teacher: expected one encoder to learn from, found several: {}", encoder.name());
    let teacher = Teacher::new(encoder);
    let geometry = teacher.encoder().geometry();
    let network = args.network(geometry.size.rows / geometry.grid().rows.max(1))?;
    let settings = Settings {
        network,
        width: args.width,
        steps: args.steps,
        batch: args.batch,
        round: args.round,
        visits: args.visits,
        rate: args.rate,
        validation: VALIDATION,
        checkpoint: args.checkpoint,
        seed: args.seed,
    };
    settings.check(&teacher)?;
    let pictures = Pictures::find(&args.images, args.drawn, args.reading.reading())?;
    let files = Files::of(&args.out, args.resume)?;
    outputs::check("--out", &files.log(), Holds::Course, &Inputs::default())?;
    make_parent(&args.out)?;
    let bar = Progress::new("distill");
    bar.expect(Some(args.steps as usize));
    let outcome = distill(&settings, teacher, &pictures, &files, &device, &mut |at| {
        bar.label(format!("loss {:.4}, {:.2} steps/s", at.loss, at.rate));
        bar.at(at.step as usize, at.steps as usize);
    })?;
    drop(bar);
    let size =
        std::fs::metadata(&args.out).with_context(|| format!("cannot read {}", text(&args.out)))?.len();
    let (training, apart) = pictures.len();
    output::line(format!("{}: {} parameters, {size} bytes", text(&args.out), outcome.parameters))?;
    output::line(format!(
        "pictures: {training} to learn from, {apart} set apart, {:.0} % drawn",
        100.0 * pictures.drawn()
    ))?;
    output::line(format!(
        "variance of the teacher: {:.3} in {} axes, {:.3} of that explained on the pictures set apart",
        outcome.kept,
        args.width,
        1.0 - outcome.validation
    ))?;
    Ok(Outcome::Done)
}

impl Args {
    /// The student for a teacher with a descriptor every `stride` pixels.
    fn network(&self, stride: usize) -> Result<Network> {
        let dims = if self.dims.is_empty() { self.student.dims() } else { &self.dims };
        let blocks = if self.blocks.is_empty() { self.student.blocks() } else { &self.blocks };
        Ok(match (self.student, dims, blocks) {
            (Kind::Conv, &[c0, c1], &[b0, b1]) => {
                ensure!(stride.is_multiple_of(2), "conv: expected an even teacher's stride, found {stride}");
                Network::Conv(ConvSizes {
                    patch: stride / 2,
                    kernel: KERNEL,
                    dims: [c0, c1],
                    blocks: [b0, b1],
                })
            }
            (Kind::Vit, &[dim], &[depth]) => {
                Network::Vit(VitSizes { patch: stride, dim, depth, registers: REGISTERS })
            }
            (kind, dims, blocks) => anyhow::bail!(
                "expected {} numbers of dims and of blocks, found {dims:?} and {blocks:?}",
                kind.dims().len()
            ),
        })
    }
}

impl Kind {
    fn dims(self) -> &'static [usize] {
        match self {
            Kind::Conv => &[96, 192],
            Kind::Vit => &[192],
        }
    }

    fn blocks(self) -> &'static [usize] {
        match self {
            Kind::Conv => &[2, 6],
            Kind::Vit => &[6],
        }
    }
}
