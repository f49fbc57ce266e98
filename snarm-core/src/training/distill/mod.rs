//! Distillation: a small encoder is trained to give the descriptors of a large one, on images of any kind.
//!
//! Images come in rounds. A round draws views of the given pictures and of drawn ones, asks the teacher once for the descriptors of each,
//! and shows each view to the student several times, under another light each time; memory is that of one round. The
//! student's descriptors are the teacher's along the axes of most variance ([`teacher::Projection`]), and its loss is the
//! mean squared distance to them, so that distances between its descriptors become those between the teacher's.

mod student;
mod teacher;
mod views;

#[cfg(test)]
mod tests;

use candle_core::Tensor;
use rand::Rng;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::Serialize;

pub use self::student::Student;
pub use self::teacher::{Projection, Teacher};
pub use self::views::{Part, Pictures};
use super::optim::check_rate;
use super::random::generator;
use super::{
    AdamW, AdamWSettings, Checkpoint, Device, Files, Identity, Log, Meter, Progress, Schedule, Variables,
    digest,
};
use crate::encoder::file::{self, Header};
use crate::encoder::{Geometry, Level, Network};
use crate::error::{Error, Result};
use snarm_kernels::Grid;

/// Purposes of random numbers.
const VIEW: u64 = 1;
const VALIDATE: u64 = 2;
const AXES: u64 = 3;
const ORDER: u64 = 4;
const LIGHT: u64 = 5;

/// Views that the axes of the descriptors are found from, and every how many of their descriptors.
const AXES_VIEWS: usize = 128;
const AXES_STRIDE: usize = 5;

/// Most views in a round, which take 50 GB, and most times that each is shown.
const MOST_ROUND: usize = 1 << 16;
const MOST_VISITS: usize = 1 << 16;

/// Columns of the log.
const COLUMNS: [&str; 6] = ["step", "loss", "validation", "rate", "gradient", "seconds"];

/// What a run must not change when it goes on.
#[derive(Serialize)]
struct Lasting<'a> {
    settings: &'a Settings,
    teacher: &'a str,
    /// Digest of their names and lengths.
    pictures: String,
}

/// What a run is made of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Settings {
    /// Kind and sizes of the student.
    pub network: Network,
    /// Width of its descriptors.
    pub width: usize,
    /// Steps of the run.
    pub steps: u64,
    /// Views in a step.
    pub batch: usize,
    /// Views in a round.
    pub round: usize,
    /// Times that each view of a round is shown.
    pub visits: usize,
    /// Highest learning rate.
    pub rate: f64,
    /// Views that the validation loss is the mean over.
    pub validation: usize,
    /// Steps between two checkpoints.
    pub checkpoint: u64,
    /// Seed of every random choice.
    pub seed: u64,
}

/// What came out of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// Part of the variance of the teacher's descriptors that the axes hold.
    pub kept: f64,
    /// Mean squared error on pictures set apart, as a part of that of their mean.
    pub validation: f64,
    /// Trained parameters.
    pub parameters: usize,
}

impl Settings {
    /// Checks what the types do not.
    ///
    /// # Errors
    /// With the first setting that makes no run with that teacher.
    pub fn check(&self, teacher: &Teacher) -> Result<()> {
        let geometry = teacher.encoder().geometry();
        check(self, &self.student(geometry), geometry)
    }

    fn student(&self, teacher: &Geometry) -> Student {
        Student { network: self.network.clone(), side: teacher.size.rows, width: self.width }
    }
}

/// Trains a student on a device, or goes on with one. The number of steps may be another when it goes on: what is left
/// of the run then follows the schedule of that number, shorter or longer. So may the device: views are drawn, the
/// teacher runs and the optimiser keeps its moments on the CPU in any case.
///
/// # Errors
/// When a file cannot be read or written, the settings make no network, or a checkpoint is that of another run.
pub fn distill(
    settings: &Settings,
    teacher: Teacher,
    pictures: &Pictures,
    files: &Files,
    device: &Device,
    progress: &mut (dyn FnMut(&Progress) + Send),
) -> Result<Outcome> {
    snarm_kernels::threads::install(|| {
        let mut run = Run::new(settings, teacher, pictures, files, device)?;
        run.train(progress)?;
        run.finish()
    })?
}

/// A view and what the student is to give for it.
struct Lesson {
    rgb: Vec<u8>,
    target: Vec<f32>,
}

struct Run<'a> {
    settings: &'a Settings,
    teacher: Teacher,
    pictures: &'a Pictures,
    files: &'a Files,
    student: Student,
    projection: Projection,
    variables: Variables,
    buffers: Variables,
    optimiser: AdamW,
    identity: Identity,
    step: u64,
    log: Log,
    validation: Vec<Lesson>,
    /// Mean squared error on them of the best constant.
    constant: f64,
}

impl<'a> Run<'a> {
    fn new(
        settings: &'a Settings,
        teacher: Teacher,
        pictures: &'a Pictures,
        files: &'a Files,
        device: &Device,
    ) -> Result<Self> {
        settings.check(&teacher)?;
        let geometry = teacher.encoder().geometry();
        let (student, inner) = (settings.student(geometry), geometry.width());
        let variables = student.variables(settings.seed)?.to_device(device)?;
        let mut buffers = Variables::default();
        buffers.insert("axes", vec![0.0; settings.width * inner], &[settings.width, inner])?;
        buffers.insert("offset", vec![0.0; settings.width], &[settings.width])?;
        buffers.insert("kept", vec![0.0], &[1])?;
        let mut optimiser = AdamW::new(AdamWSettings { decay_vectors: false, ..AdamWSettings::default() });
        // A run may go on with another number of steps, whose schedule it then follows, and be saved at other ones.
        let fixed = Settings { steps: 0, checkpoint: 1, ..settings.clone() };
        let (teacher_digest, pictures_digest) = (teacher.encoder().digest(), digest(&pictures.describe()));
        let identity =
            Identity::new(&Lasting { settings: &fixed, teacher: teacher_digest, pictures: pictures_digest })?;
        let mut step = 0;
        if files.resume() {
            let kept =
                Checkpoint::restore(&files.checkpoint(), &identity, &variables, &buffers, &mut optimiser)?;
            step = kept.step;
        }
        let log = Log::open(&files.log(), &COLUMNS, step)?;
        let projection = Projection { axes: Vec::new(), offset: Vec::new(), kept: 0.0 };
        let mut run = Self {
            settings,
            teacher,
            pictures,
            files,
            student,
            projection,
            variables,
            buffers,
            optimiser,
            identity,
            step,
            log,
            validation: Vec::new(),
            constant: 1.0,
        };
        if !files.resume() {
            run.find_axes(inner)?;
        }
        let value = |name: &str| run.buffers.values(name);
        let kept = value("kept")?.first().copied().map_or(0.0, f64::from);
        run.projection = Projection { axes: value("axes")?, offset: value("offset")?, kept };
        run.validation = run.lessons(Part::Validation, VALIDATE, 0, settings.validation)?;
        run.constant = spread(&run.validation, settings.width);
        Ok(run)
    }

    fn find_axes(&mut self, inner: usize) -> Result<()> {
        let mut rows = Vec::new();
        for rgb in self.views(Part::Training, AXES, 0, AXES_VIEWS)? {
            let descriptors = self.teacher.descriptors(&rgb)?;
            rows.extend(descriptors.chunks_exact(inner).step_by(AXES_STRIDE).flatten());
        }
        let found = Projection::new(&rows, inner, self.settings.width)?;
        tracing::info!(kept = found.kept, "axes of the descriptors found");
        self.buffers.set("axes", &found.axes)?;
        self.buffers.set("offset", &found.offset)?;
        self.buffers.set("kept", &[found.kept as f32])
    }

    fn views(&self, part: Part, purpose: u64, round: u64, n: usize) -> Result<Vec<Vec<u8>>> {
        let (side, seed) = (self.student.side, self.settings.seed);
        let view = |i| self.pictures.view(part, side, seed, &[purpose, round, i]);
        (0..n as u64).into_par_iter().map(view).collect()
    }

    fn lessons(&mut self, part: Part, purpose: u64, round: u64, n: usize) -> Result<Vec<Lesson>> {
        let mut lessons = Vec::new();
        for rgb in self.views(part, purpose, round, n)? {
            let target = self.projection.run(&self.teacher.descriptors(&rgb)?)?;
            lessons.push(Lesson { rgb, target });
        }
        Ok(lessons)
    }

    fn train(&mut self, progress: &mut dyn FnMut(&Progress)) -> Result<()> {
        let settings = self.settings;
        let (base, steps) = (settings.rate, settings.steps);
        let schedule = Schedule { base, last: base * 0.01, warm_up: (steps / 20).min(200), steps };
        let visits = settings.round / settings.batch;
        let per_round = (visits * settings.visits) as u64;
        let (mut round, mut lessons) = (None, Vec::new());
        let mut meter = Meter::new(steps);
        while self.step < steps {
            let started = std::time::Instant::now();
            let step = self.step;
            if round != Some(step / per_round) {
                round = Some(step / per_round);
                lessons = self.lessons(Part::Training, VIEW, step / per_round, settings.round)?;
            }
            let at = (step % per_round) as usize;
            let mut order: Vec<usize> = (0..settings.round).collect();
            let epoch = [ORDER, step / per_round, (at / visits) as u64];
            order.shuffle(&mut generator(settings.seed, &epoch));
            let shown: Vec<&Lesson> = order[at % visits * settings.batch..][..settings.batch]
                .iter()
                .map(|i| &lessons[*i])
                .collect();
            let loss = self.loss(&shown, Some(step))?;
            let grads = loss.backward()?;
            let rate = schedule.rate(step);
            let norm = self.optimiser.step(&self.variables, &grads, rate)?;
            let loss = f64::from(loss.to_scalar::<f32>()?);
            self.step = step + 1;
            let kept = self.step.is_multiple_of(settings.checkpoint);
            let validation = if kept { self.validate()? } else { f64::NAN };
            self.log.row(step, &[loss, validation, rate, norm, started.elapsed().as_secs_f64()])?;
            if kept {
                self.save()?;
            }
            progress(&meter.step(step, loss));
        }
        Ok(())
    }

    /// Mean squared error of the student, the targets that the axes were found from having a mean square of 1. `light` is
    /// the step whose change of light the views are shown under.
    fn loss(&self, lessons: &[&Lesson], light: Option<u64>) -> Result<Tensor> {
        let (side, patch) = (self.student.side, self.student.patch());
        let (mut patches, mut targets, mut all) = (Vec::new(), Vec::new(), Vec::new());
        for (i, lesson) in lessons.iter().enumerate() {
            let mut input = self.teacher.normalise(&lesson.rgb);
            if let Some(step) = light {
                let mut rng = generator(self.settings.seed, &[LIGHT, step, i as u64]);
                let (gain, lift) = (rng.random_range(0.93..1.07_f32), rng.random_range(-0.06..0.06_f32));
                input.iter_mut().for_each(|v| *v = *v * gain + lift);
            }
            patches.resize(input.len(), 0.0);
            snarm_kernels::patches::patches(&input, Grid::square(side), patch, &mut patches)?;
            all.extend_from_slice(&patches);
            targets.extend_from_slice(&lesson.target);
        }
        let found = self.student.forward(&self.variables, all, lessons.len())?;
        let targets = Tensor::from_vec(targets, found.shape(), found.device())?;
        Ok((found - targets)?.sqr()?.mean_all()?)
    }

    fn validate(&self) -> Result<f64> {
        let mut sum = 0.0;
        for lesson in &self.validation {
            sum += f64::from(self.loss(&[lesson], None)?.to_scalar::<f32>()?);
        }
        Ok(sum / self.validation.len().max(1) as f64 / self.constant)
    }

    fn save(&self) -> Result<()> {
        let (step, config) = (self.step, self.identity.clone());
        let kept = Checkpoint { step, config, notes: serde_json::Value::Null };
        kept.save(&self.files.checkpoint(), &self.variables, &self.buffers, &self.optimiser)
    }

    fn finish(&self) -> Result<Outcome> {
        let validation = self.validate()?;
        let geometry = self.teacher.encoder().geometry();
        let mut tensors = Vec::new();
        for (name, shape) in self.student.tensors() {
            let values = self.variables.values(&name)?;
            tensors.push((name, shape, values));
        }
        let parameters = tensors.iter().map(|(_, _, values)| values.len()).sum();
        let provenance = format!(
            "distilled in {} steps of {} views from {} pictures and {:.0} % drawn ones; explains {:.0} % of the \
             teacher's variance",
            self.step,
            self.settings.batch,
            self.pictures.len().0,
            100.0 * self.pictures.drawn(),
            100.0 * (1.0 - validation) * self.projection.kept
        );
        file::save(self.files.out(), &header(&self.student, geometry, provenance), &tensors)?;
        self.save()?;
        Ok(Outcome { kept: self.projection.kept, validation, parameters })
    }
}

/// Mean squared deviation of the targets of `lessons` from their mean.
fn spread(lessons: &[Lesson], width: usize) -> f64 {
    let rows = || lessons.iter().flat_map(|lesson| lesson.target.chunks_exact(width));
    let n = rows().count().max(1) as f64;
    let (mut mean, mut square) = (vec![0.0_f64; width], 0.0);
    for row in rows() {
        mean.iter_mut().zip(row).for_each(|(mean, v)| *mean += f64::from(*v) / n);
        square += row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / n;
    }
    let about = square - mean.iter().map(|mean| mean * mean).sum::<f64>();
    (about / width as f64).max(f64::MIN_POSITIVE)
}

/// What the file of a student says of itself; its input is normalised as the teacher's.
fn header(student: &Student, teacher: &Geometry, provenance: String) -> Header {
    let Student { side, width, .. } = *student;
    let level = Level { grid: Grid::square(student.grid()), width };
    let geometry = Geometry::new(Grid::square(side), level, (teacher.mean, teacher.std));
    Header::new(student.network.clone(), &geometry, provenance)
}

/// Refuses what makes no run.
fn check(settings: &Settings, student: &Student, teacher: &Geometry) -> Result<()> {
    let wrong = |name, expected: String, found: String| Err(Error::Setting { name, expected, found });
    if !(1..=teacher.width()).contains(&settings.width) {
        let expected = format!("1 to {}, the width of the teacher's descriptors", teacher.width());
        return wrong("width", expected, settings.width.to_string());
    }
    header(student, teacher, String::new()).check()?;
    let (side, grid) = (student.side, teacher.grid().rows);
    if student.grid() != grid || grid * (side / grid) != side {
        let expected = format!("one descriptor for each of the teacher's {grid} x {grid}");
        return wrong("student", expected, format!("{0} x {0}", student.grid()));
    }
    if settings.batch == 0 || settings.round < settings.batch || settings.visits == 0 {
        let expected = "at least one view a step, one step a round and one visit a view".to_owned();
        let found = format!("{} of {}, {} visits", settings.batch, settings.round, settings.visits);
        return wrong("batch", expected, found);
    }
    for (name, most, found) in
        [("round", MOST_ROUND, settings.round), ("visits", MOST_VISITS, settings.visits)]
    {
        if found > most {
            return wrong(name, format!("at most {most}"), found.to_string());
        }
    }
    if settings.steps == 0 {
        return wrong("steps", "at least 1".into(), "0".into());
    }
    check_rate("rate", settings.rate)?;
    if settings.checkpoint == 0 {
        return wrong("checkpoint", "at least 1 step".into(), "0".into());
    }
    Ok(())
}
