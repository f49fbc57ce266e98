//! Training of the families that reconstruct what the encoder sees.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use snarm_core::encoder::Encoder;
use snarm_core::models::reconstruction::{Kind, Shape};
use snarm_core::paths::text;
use snarm_core::registry;
use snarm_core::training::reconstruction::Trainer;

use super::{Args, Job, jobs};
use crate::commands::make_parent;
use crate::exit::Outcome;
use crate::output;
use crate::progress::Progress;

/// The encoder where none is named.
const ENCODER: &str = "resnet34";

/// Trains a decoder for each job.
pub(super) fn run(args: &Args, (kind, shape): (&'static Kind, Shape)) -> Result<Outcome> {
    ensure!(args.device.open()?.is_cpu(), "--device: expected cpu for --family {}", kind.family);
    ensure!(
        !args.test && args.test_data.is_empty(),
        "--test: expected `snarm eval --model` after the training"
    );
    ensure!(args.grid.is_none(), "--grid: expected none for --family {}", kind.family);
    args.options.reconstruction().check()?;
    let encoder = registry::encoder(Some(args.encoder.as_deref().unwrap_or(ENCODER)))?;
    let levels: Vec<usize> = encoder.geometry().levels().iter().map(|level| level.width).collect();
    let shape = match levels[..] {
        [fine, middle, coarse] => Shape { levels: [fine, middle, coarse], fused: 2 * coarse, ..shape },
        _ => shape,
    };
    for job in jobs(args, &encoder)? {
        train(args, &encoder, (kind, shape.clone()), job)?;
    }
    Ok(Outcome::Done)
}

fn train(args: &Args, encoder: &Arc<Encoder>, (kind, shape): (&'static Kind, Shape), job: Job) -> Result<()> {
    make_parent(job.files.out())?;
    let progress = Progress::new("train");
    let settings = args.options.reconstruction();
    let mut trainer = Trainer::new(kind, shape, settings, Arc::clone(encoder), job.categories)?;
    if job.files.resume() {
        trainer.resume(&job.files).context("--resume")?;
    }
    trainer.run(&job.files, u64::MAX, &mut |at| {
        progress.label(format!("loss {:.5}, {:.2} steps/s", at.loss, at.rate));
        progress.at(at.step as usize, at.steps as usize);
        if at.step.is_multiple_of(50) {
            tracing::info!(step = at.step, loss = at.loss, rate = at.rate, left = ?at.left, "training");
        }
    })?;
    trainer.write(job.files.out(), &job.claims)?;
    drop(progress);
    output::line(format!("{}: {} steps", text(job.files.out()), trainer.step()))?;
    Ok(())
}
