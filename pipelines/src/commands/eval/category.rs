//! The test images of one category against a bank.

use std::path::Path;

use anyhow::{Result, bail};
use snarm_core::dataset::{Dataset, Mask, Picture, Reading, Sample};
use snarm_core::detect::{Detection, Detector, Limits, Verdict};
use snarm_core::metrics::{Binning, Curve, PixelScores, Samples, f1_max};
use snarm_core::paths::text;
use snarm_core::view::View;

use crate::commands::check_limits;
use crate::evaluation::figures::Figures;
use crate::evaluation::{BankFacts, Category, ImageResult, PixelCounts, Times, Unjudged};
use crate::progress::Progress;
use crate::report::{CaseMaker, Gallery};

/// How test images are evaluated.
pub(super) struct Evaluator<'a> {
    /// Folder that paths are told from.
    pub(super) root: &'a Path,
    pub(super) binning: Binning,
    /// AUPRO ends at this false-positive rate.
    pub(super) limit: f64,
    /// Image scores from here on, below the bank's threshold, are uncertain.
    pub(super) threshold_low: Option<f64>,
    /// Cases of each sort that are kept as pictures.
    pub(super) cases: usize,
}

impl Evaluator<'_> {
    /// Scores every test image.
    pub(super) fn run(
        &self,
        name: &str,
        set: &Dataset,
        detector: &mut Detector,
        progress: &Progress,
    ) -> Result<(Category, Gallery)> {
        let limits = Limits { threshold_low: self.threshold_low, ..detector.bank_limits() };
        check_limits(&limits)?;
        let view = detector.view().clone();
        let (test, reading) = (&set.test, &set.reading);
        let mut images = Vec::with_capacity(test.len());
        let (mut samples, mut pixels) = (Samples::new(), PixelScores::new());
        let (mut times, mut gallery, mut pictures) =
            (Times::default(), Gallery::new(self.cases), CaseMaker::new());
        let (mut maps, mut masks) = (0, 0);
        progress.label("test");
        progress.expect(Some(test.len()));
        for sample in test {
            progress.step();
            let picture = Picture::read(&sample.path, reading)?;
            let mask = mask_of(sample, &picture, reading)?;
            let found = detector.detect(&picture.frame()?, &limits)?;
            times.add(found);
            samples.push(found.raw_score as f32, sample.anomalous);
            if let Some(mask) = &mask {
                add_pixels(&mut pixels, found, mask, &view)?;
                maps += 1;
                masks += u64::from(sample.anomalous);
            }
            let image = self.image(sample, found, mask.is_some());
            if gallery.wants(&image) {
                gallery.add(pictures.case(&image, &picture, found, mask.as_ref(), &limits)?);
            }
            images.push(image);
        }
        let mut unjudged = Unjudged::default();
        let unknown = images.iter().filter(|image| image.verdict == Verdict::Unknown);
        unknown.for_each(|image| unjudged.add(image.reason));
        if unjudged.count() > 0 {
            tracing::warn!("category {name}: {unjudged} of {} test images", images.len());
        }
        // Without any mask there is nothing to find, and maps of good images say nothing.
        if masks == 0 {
            (pixels, maps) = (PixelScores::new(), 0);
            images.iter_mut().for_each(|image| image.pixels = false);
        }
        progress.label("figures");
        let ranking = samples.rank()?;
        let scores = pixels.figures(self.binning, self.limit)?;
        let calibration = detector.calibration();
        let category = Category {
            name: name.to_owned(),
            bank: BankFacts::of(detector),
            pixels: PixelCounts {
                maps,
                normal: pixels.negatives(),
                anomalous: pixels.positives(),
                regions: pixels.regions(),
            },
            figures: Figures::new(&ranking, &scores),
            best_thresholds: [
                f1_max(&ranking).map(|best| calibration.score(f64::from(best.threshold))),
                scores.f1_max.map(|best| f64::from(best.threshold)),
            ],
            image_curve: scaled(Curve::of(&ranking), |raw| calibration.score(raw)),
            pixel_curve: pixels.curve()?,
            images,
            times,
        };
        Ok((category, gallery))
    }

    fn image(&self, sample: &Sample, found: &Detection, pixels: bool) -> ImageResult {
        let path = sample.path.strip_prefix(self.root).unwrap_or(&sample.path);
        ImageResult {
            path: text(path),
            kind: sample.kind.clone(),
            anomalous: sample.anomalous,
            pixels,
            score: found.score,
            raw_score: found.raw_score,
            score_max: found.score_max,
            verdict: found.verdict,
            reason: found.quality.and_then(|quality| quality.reason),
        }
    }
}

/// The curve with its thresholds on the scale of the bank.
fn scaled(mut curve: Curve, score: impl Fn(f64) -> f64) -> Curve {
    for point in &mut curve.points {
        point.threshold = score(f64::from(point.threshold)) as f32;
    }
    curve
}

/// What is defective in an image: nothing in a good one, `None` in a defective one without a mask.
fn mask_of(sample: &Sample, picture: &Picture, reading: &Reading) -> Result<Option<Mask>> {
    let Some(path) = &sample.mask else {
        return Ok((!sample.anomalous).then(|| Mask::empty(picture.width, picture.height)));
    };
    let mask = Mask::read(path, reading)?;
    if (mask.width, mask.height) != (picture.width, picture.height) {
        bail!(
            "mask: expected the size of its image {}x{}, found {}x{}: {}",
            picture.width,
            picture.height,
            mask.width,
            mask.height,
            text(path)
        );
    }
    Ok(Some(mask))
}

/// Adds the pixels of one map; those that the view ignores do not count.
fn add_pixels(pixels: &mut PixelScores, found: &Detection, mask: &Mask, view: &View) -> Result<()> {
    let mut labels: Vec<_> = mask.on_map(found.map_size, found.map_rect).collect();
    if let Some(ignore) = &view.ignore {
        let ignored = ignore.on_map(found.map_size, found.map_rect);
        labels.iter_mut().zip(ignored).filter(|(_, ignored)| *ignored).for_each(|(label, _)| *label = None);
    }
    Ok(pixels.add(&found.map, &labels, found.map_size.columns)?)
}
