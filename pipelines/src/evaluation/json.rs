//! An evaluation as a JSON file: the same input gives the same bytes, unless times are asked for.

use serde_json::{Map, Value, json};
use snarm_core::metrics::{Ranking, Samples, auroc};

use super::{Category, Evaluation, ImageResult, Times, Verdicts};

/// Number of the layout of the file.
const FORMAT: u32 = 2;

/// The whole file.
pub(crate) fn evaluation(all: &Evaluation, times: bool) -> Value {
    let categories: Map<_, _> = all.categories.iter().map(|c| (c.name.clone(), category(c, times))).collect();
    let options: Map<_, _> =
        all.options.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let (name, digest, side) = &all.encoder;
    json!({
        "format": FORMAT,
        "made_by": concat!("snarm ", env!("CARGO_PKG_VERSION")),
        "data": all.data,
        "setting": all.setting,
        "options": options,
        "encoder": { "name": name, "digest": digest, "side": side },
        "categories": categories,
        "mean": all.mean().pairs().collect::<Map<_, _>>(),
        "verdicts": verdicts(all.verdicts()),
    })
}

fn category(category: &Category, with_times: bool) -> Value {
    let bank = &category.bank;
    let [image_threshold, pixel_threshold] = category.best_thresholds;
    let pixels = category.pixels;
    let good = category.images.iter().filter(|image| !image.anomalous).count();
    let mut object: Map<_, _> = category.figures.pairs().collect();
    let more = json!({
        "image_f1max_threshold": image_threshold,
        "pixel_f1max_threshold": pixel_threshold,
        "bank": {
            "digest": bank.digest,
            "vectors": bank.vectors,
            "frames": bank.frames,
            "copies": bank.copies,
            "scorer": bank.scorer,
            "decoder": bank.decoder,
            "threshold": bank.threshold,
            "pixel_threshold": bank.pixel_threshold,
        },
        "counts": {
            "train": bank.frames,
            "test_good": good,
            "test_defective": category.images.len() - good,
            "maps": pixels.maps,
            "normal_pixels": pixels.normal,
            "anomalous_pixels": pixels.anomalous,
            "regions": pixels.regions,
        },
        "verdicts": verdicts(Verdicts::of(&category.images)),
        "kinds": kinds(category),
        "images": category.images.iter().map(image).collect::<Vec<_>>(),
    });
    object.extend(more.as_object().cloned().unwrap_or_default());
    if with_times {
        object.insert("times".to_owned(), times(&category.times));
    }
    Value::Object(object)
}

/// Mean milliseconds a test image, and seconds to learn.
fn times(times: &Times) -> Value {
    let stages: Map<_, _> = times.milliseconds().map(|(name, ms)| (name.to_owned(), json!(ms))).collect();
    json!({ "learn_seconds": times.learn.as_secs_f64(), "stages_ms": stages })
}

fn verdicts(verdicts: Verdicts) -> Value {
    json!({
        "hits": verdicts.hits,
        "misses": verdicts.misses,
        "false_alarms": verdicts.false_alarms,
        "passes": verdicts.passes,
        "uncertain": verdicts.uncertain,
        "unknown": verdicts.unknown,
        "precision": verdicts.precision(),
        "recall": verdicts.recall(),
        "f1": verdicts.f1(),
        "false_alarm_rate": verdicts.false_alarm_rate(),
    })
}

fn kinds(category: &Category) -> Value {
    let good: Vec<&ImageResult> = category.images.iter().filter(|image| !image.anomalous).collect();
    let kinds = category.kinds().into_iter().map(|(kind, images)| {
        let found = images.iter().filter(|image| image.called()).count();
        let area = kind_auroc(&good, &images);
        (kind.to_owned(), json!({ "images": images.len(), "called_anomalous": found, "image_auroc": area }))
    });
    Value::Object(kinds.collect())
}

/// How well the images of one kind of defect are told from good ones.
pub(crate) fn kind_auroc(good: &[&ImageResult], kind: &[&ImageResult]) -> Option<f64> {
    let mut samples = Samples::new();
    let both = good.iter().chain(kind.iter().filter(|image| image.anomalous));
    samples.extend(both.map(|image| (image.raw_score as f32, image.anomalous)));
    samples.rank().ok().as_ref().and_then(|ranking: &Ranking| auroc(ranking))
}

fn image(image: &ImageResult) -> Value {
    json!({
        "path": image.path,
        "kind": image.kind,
        "anomalous": image.anomalous,
        "pixels_counted": image.pixels,
        "score": image.score,
        "raw_score": image.raw_score,
        "score_max": image.score_max,
        "called_anomalous": image.called(),
        "verdict": image.verdict,
        "reason": image.reason,
    })
}
