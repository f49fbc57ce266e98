//! `snarm train`: good images in, a trained decoder out.

mod data;
mod options;
mod reconstruct;
mod test;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::builder::PossibleValuesParser;
use snarm_core::dataset::Dataset;
use snarm_core::encoder::Encoder;
use snarm_core::files::Weights;
use snarm_core::models;
use snarm_core::paths::text;
use snarm_core::registry;
use snarm_core::synthetic::Synthesizer;
use snarm_core::training::decoder::{Category, Claims, Event, Settings, Trainer};
use snarm_core::training::{Device, Files};

use self::data::Shots;
use self::options::{Options, Setting};
use self::test::{Bank, Test};
use super::outputs::{self, Holds, Inputs};
use super::{DeviceOptions, SetOptions, make_parent, path_text};
use crate::exit::Outcome;
use crate::output;
use crate::progress::Progress;

/// Trains the decoder of SNARM on good images with synthetic defects, or, with --family, one that reconstructs what the
/// encoder sees of good images (MambaAD, Pyramid-Mamba), without any defects.
///
/// Settings: `multi` trains one decoder on all categories, with one bank for all; OUT is its file. `universal` trains one
/// on all categories, each with a bank of its own, for products that it has not seen; it may learn from --products and
/// --pictures alone, without --data. `single` trains one for each category, `few` one for each from SHOTS good images in 22
/// views, `cross` one for each category from all others; OUT is a folder that gets CATEGORY.safetensors, as `snarm eval
/// --model OUT` reads it.
///
/// Beside each decoder come the course of the training (.csv) and a checkpoint (.checkpoint), from which `--resume` goes
/// on as if the training had not been interrupted. Every fifth good image, eight at most, is held out: by these the best
/// step is chosen and the decoder's own threshold is set.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder that holds categories; may be given several times
    #[arg(long, required_unless_present_any = ["products", "pictures"])]
    data: Vec<PathBuf>,
    /// Family of the decoder
    #[arg(long, default_value = models::trainable()[0], value_parser = PossibleValuesParser::new(models::trainable()))]
    family: String,
    /// What is trained on what
    #[arg(long, value_enum, default_value_t = Setting::Multi)]
    setting: Setting,
    /// Categories to make decoders for, separated by commas [default: all]; `multi` and `universal` train on these alone
    #[arg(long, value_delimiter = ',')]
    categories: Vec<PathBuf>,
    /// Decoder to write; of `single`, `few` and `cross` a folder
    #[arg(long, short)]
    out: PathBuf,
    /// Encoder: a built-in name or a weights file, or several joined by + [default: $SNARM_ENCODER, or snarm-tiny; of
    /// families that reconstruct resnet34]. These need levels of features, which an EfficientNet-Lite gives as NAME@levels,
    /// or as NAME@levels32 on grids half as fine
    #[arg(long, value_parser = path_text())]
    encoder: Option<String>,
    /// Side of the grid of descriptors [default: the encoder's own]; banks must then be made with ENCODER@GRID
    #[arg(long)]
    grid: Option<usize>,
    /// Go on from the checkpoint beside OUT
    #[arg(long)]
    resume: bool,
    /// Decoder whose weights are the first ones, in place of drawn ones: of the same channels and branches, learned with an
    /// encoder whose descriptors mean the same
    #[arg(long, value_name = "DECODER")]
    start: Option<PathBuf>,
    /// Judge the test images of the categories in the end, and write the figures beside the decoder (.json)
    #[arg(long)]
    test: bool,
    /// Folder of categories that are not learned from and whose test images are scored in the end, each against a bank of
    /// its own; may be given several times
    #[arg(long)]
    test_data: Vec<PathBuf>,
    #[command(flatten)]
    set: SetOptions,
    /// Terms under which the decoder may be used, for its header
    #[arg(long, default_value = "unspecified")]
    licence: String,
    #[command(flatten)]
    device: DeviceOptions,
    #[command(flatten)]
    options: Options,
}

/// One training.
struct Job {
    /// What is trained on.
    categories: Vec<Category>,
    /// Categories to test with.
    tests: Vec<Test>,
    files: Files,
    claims: Claims,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    if let Some(family) = models::reconstructing(&args.family) {
        if args.start.is_some() {
            bail!("--start: expected --family {}, found {}", models::trainable()[0], args.family);
        }
        return reconstruct::run(args, family);
    }
    let device = args.device.open()?;
    let settings = args.options.settings();
    settings.check()?;
    let encoder = encoder(args)?;
    for job in jobs(args, &encoder)? {
        train(args, &encoder, &settings, &device, job)?;
    }
    Ok(Outcome::Done)
}

fn encoder(args: &Args) -> Result<Arc<Encoder>> {
    let encoder = registry::encoder(args.encoder.as_deref())?;
    match args.grid {
        None => Ok(encoder),
        Some(grid) if encoder.name().contains('@') => {
            bail!("--grid {grid}: expected an encoder without a grid of its own, found {}", encoder.name())
        }
        Some(grid) => Ok(registry::encoder(Some(&format!("{}@{grid}", encoder.name())))?),
    }
}

/// The trainings that the setting asks for.
fn jobs(args: &Args, encoder: &Encoder) -> Result<Vec<Job>> {
    let side = encoder.input_side();
    args.options.check(args.setting)?;
    if args.data.is_empty() && !(args.setting == Setting::Universal && args.options.draws()) {
        bail!("{}: expected --data with categories of good images", args.setting.name());
    }
    if args.data.is_empty() && args.test {
        bail!("--test: expected --data with test images");
    }
    let shots = args.options.shots(args.setting);
    let all = data::categories(&args.data, &args.set, args.options.real_defects(), &shots)?;
    let options = &args.options;
    let mut drawn = data::drawn(options.products, options.product_images, side, options.seed);
    if !options.pictures.is_empty() {
        let (classes, images) = (options.picture_classes, options.product_images);
        drawn.extend(data::photographed(
            &options.pictures,
            classes,
            images,
            side,
            options.seed,
            args.set.reading.reading(),
        )?);
    }
    let names: Vec<&str> = all.iter().map(|(category, _)| category.name.as_str()).collect();
    let asked: Vec<String> = args.categories.iter().map(text).collect();
    if let Some(unknown) = asked.iter().find(|name| !names.contains(&name.as_str())) {
        bail!("--categories: expected one of {}, found {unknown}", names.join(", "));
    }
    let wanted = |name: &str| asked.is_empty() || asked.iter().any(|w| w == name);
    let unseen = data::categories(&args.test_data, &args.set, false, &Shots::All)?;
    if let Some((known, _)) = unseen.iter().find(|(category, _)| names.contains(&category.name.as_str())) {
        bail!(
            "--test-data: expected categories that are not learned from, found {} in --data, too",
            known.name
        );
    }
    let unseen: Vec<Test> =
        unseen.into_iter().map(|(category, set)| Test::new(category.name, set, Bank::Own)).collect();
    let job = |out: PathBuf, learned: Vec<Category>, own: Vec<Test>| {
        let roots: Vec<String> = args.data.iter().filter_map(|root| Some(text(root.file_name()?))).collect();
        let roots = if roots.is_empty() { "no data sets".to_owned() } else { roots.join(", ") };
        let data = format!("{roots} ({})", args.setting.name());
        let categories = learned.into_iter().chain(drawn.clone()).collect();
        let tests = own.into_iter().filter(|_| args.test).chain(unseen.iter().cloned()).collect();
        let (files, licence) = (Files::of(&out, args.resume)?, args.licence.clone());
        check_files(args, &files)?;
        Ok(Job { categories, tests, files, claims: Claims { data, licence } })
    };
    let chosen = all.iter().filter(|(category, _)| wanted(&category.name));
    let test_of =
        |category: &Category, set: &Dataset, bank| Test::new(category.name.clone(), set.clone(), bank);
    if matches!(args.setting, Setting::Multi | Setting::Universal) {
        let learned: Vec<Category> = chosen.clone().map(|(category, _)| category.clone()).collect();
        let bank = |number| if args.setting == Setting::Multi { Bank::Learned(number) } else { Bank::Own };
        let tests = chosen
            .enumerate()
            .map(|(number, (category, set))| test_of(category, set, bank(number)))
            .collect();
        return Ok(vec![job(args.out.clone(), learned, tests)?]);
    }
    let made: Vec<Job> = chosen
        .map(|(category, set)| {
            let learned: Vec<Category> = match args.setting {
                Setting::Cross => {
                    let others = all.iter().filter(|(other, _)| other.name != category.name);
                    others.map(|(other, _)| other.clone()).collect()
                }
                _ => vec![category.clone()],
            };
            let out = args.out.join(format!("{}.safetensors", category.name));
            job(out, learned, vec![test_of(category, set, Bank::Own)])
        })
        .collect::<Result<_>>()?;
    match made.iter().find(|job| job.categories.is_empty()) {
        Some(_) => bail!("cross: expected at least two categories, found only {}", names.join(", ")),
        None => Ok(made),
    }
}

/// Refuses to replace what is read, or what is no file of an earlier run.
fn check_files(args: &Args, files: &Files) -> Result<()> {
    let read = Inputs::of(args.start.as_deref());
    outputs::check("--out", files.out(), Holds::Decoder, &read)?;
    outputs::check("--out", &files.log(), Holds::Course, &read)?;
    if args.test || !args.test_data.is_empty() {
        outputs::check("--test", &files.figures(), Holds::Json, &read)?;
    }
    Ok(())
}

fn train(args: &Args, encoder: &Arc<Encoder>, settings: &Settings, device: &Device, job: Job) -> Result<()> {
    make_parent(job.files.out())?;
    let cache = args.options.disk_cache()?;
    let progress = Progress::new("learn");
    let live = Live::new(&progress);
    let synthesizer = match &args.options.textures {
        Some(folder) => {
            Synthesizer::with_textures(settings.defects.clone(), folder, args.set.reading.reading())?
        }
        None => Synthesizer::new(settings.defects.clone())?,
    };
    let one_bank = args.setting == Setting::Multi;
    let mut watch = |event: Event| live.show(event);
    let mut trainer = Trainer::new(
        settings.clone(),
        Arc::clone(encoder),
        job.categories,
        one_bank,
        synthesizer,
        &mut watch,
    )?
    .on(device)?;
    if let Some(cache) = cache {
        trainer.keep_on(cache);
    }
    if let Some(path) = &args.start {
        trainer.start(&Weights::open(path)?).context("--start")?;
    }
    if job.files.resume() {
        trainer.resume(&job.files).context("--resume")?;
    }
    trainer.run(&job.files, &mut watch)?;
    if args.options.is_whole() {
        trainer.write(job.files.out(), &job.claims)?;
    }
    progress.label("test");
    let figures = test::test(&mut trainer, settings, encoder, &job.tests, &progress)?;
    drop(progress);
    let written = if args.options.is_whole() {
        text(job.files.out())
    } else {
        format!("no decoder, since a part was left out; the course is in {}", text(job.files.log()))
    };
    let score = trainer.best_score().map_or_else(|| "-".to_owned(), |score| format!("{score:.3}"));
    output::line(format!("{written}: {} steps, pixel AP of held-out images {score}", trainer.step()))?;
    if !figures.is_empty() {
        test::report(&figures, &job.files.figures())?;
    }
    Ok(())
}

/// Shows a run on a terminal, and each look in the log of messages.
struct Live<'a> {
    progress: &'a Progress,
}

impl<'a> Live<'a> {
    fn new(progress: &'a Progress) -> Self {
        Self { progress }
    }

    fn show(&self, event: Event) {
        match event {
            Event::Learned(done, all) => self.progress.at(done, all),
            Event::Step(at) => {
                self.progress.label(format!("loss {:.5}, {:.2} steps/s", at.loss, at.rate));
                self.progress.at(at.step as usize, at.steps as usize);
                if at.step.is_multiple_of(50) {
                    tracing::info!(step = at.step, loss = at.loss, rate = at.rate, left = ?at.left, "training");
                }
            }
            Event::Look(step, score, best) => tracing::info!(step, pixel_ap = score, best, "held-out images"),
        }
    }
}
