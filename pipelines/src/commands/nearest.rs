//! `snarm nearest`: what a frame is compared with, as pictures.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;
use snarm_core::bank::{Bank, Origin};
use snarm_core::dataset::Picture;
use snarm_core::detect::{Detection, Detector, Known, Patch};
use snarm_core::registry;
use snarm_core::view::Rect;

use super::outputs::{Inputs, check_folder};
use super::{FramesOn, LightOptions, ModelOption, ReadingOptions, make_parent, path_text, write_text};
use crate::exit::Outcome;
use crate::inputs::NEAREST as NAMES;
use crate::output;

/// Endings that pictures of learned frames may have where their origin says none.
const ENDINGS: [&str; 3] = ["jpg", "png", "bmp"];

/// A cut-out shows so many patches to each side of the one that is meant.
const AROUND: f64 = 5.0;

/// Least side of a cut-out in pixels; smaller ones are enlarged by whole numbers.
const LEAST_SIDE: usize = 192;

/// Width of the line around a patch, in pixels.
const LINE: usize = 2;

/// The colour of that line.
const COLOUR: [u8; 3] = [255, 0, 200];

/// Shows the good patches of a bank that the most striking places of a picture are nearest to, and the frame each came from.
///
/// OUT receives nearest.json, which names the places, their nearest patches, the distances and where the frames come from, and
/// a cut-out of each place as a picture. A learned frame is cut out, too, where it lies in a folder that --learned names:
/// under the name of its file, or, of a frame of a stream, as TIME.jpg with its time in nanoseconds.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Picture to look at
    picture: PathBuf,
    /// Bank to compare with
    #[arg(long, short)]
    bank: PathBuf,
    /// Folder to write to
    #[arg(long, short)]
    out: PathBuf,
    /// Folders with pictures of learned frames
    #[arg(long, value_name = "DIR")]
    learned: Vec<PathBuf>,
    /// Places to look at, the highest score first
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=32))]
    places: u32,
    /// Nearest patches of each place, each of another frame
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=32))]
    most: u32,
    /// Encoder of the bank, where it lies elsewhere than the bank says
    #[arg(long, value_parser = path_text())]
    encoder: Option<String>,
    #[command(flatten)]
    model: ModelOption,
    #[command(flatten)]
    frames: FramesOn,
    #[command(flatten)]
    light: LightOptions,
    #[command(flatten)]
    reading: ReadingOptions,
}

/// What is written.
#[derive(Debug, Serialize)]
struct Told {
    /// Digest of the bank.
    bank: String,
    places: Vec<Place>,
}

/// A place of the picture.
#[derive(Debug, Serialize)]
struct Place {
    /// Pixel score, 0..1.
    score: f64,
    /// The patch, in fractions of the picture.
    patch: Rect,
    /// The cut-out.
    picture: String,
    nearest: Vec<Near>,
}

/// A patch that the bank knows.
#[derive(Debug, Serialize)]
struct Near {
    /// Distance of the descriptors.
    distance: f64,
    /// Number of the learned frame in the bank.
    image: u32,
    /// Where it comes from, in words; empty where the bank does not know.
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<Origin>,
    /// Where the patch lies in it, and the cut-out, where it is at hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<Rect>,
    #[serde(skip_serializing_if = "Option::is_none")]
    picture: Option<String>,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    check_out(args)?;
    let bank = registry::bank(&args.bank)?;
    let encoder = registry::encoder_of(&bank, args.encoder.as_deref())?;
    let decoder = args.model.decoder(&encoder)?;
    let mut detector = Detector::with_decoder(encoder, bank, decoder)?.on(args.frames.device)?;
    args.light.set(&mut detector);
    let mut reading = args.reading.reading();
    reading.bits = reading.bits.or(detector.bank().header().picture_bits);
    make_parent(&args.out.join(NAMES))?;
    let limits = detector.bank_limits();
    let picture = Picture::read(&args.picture, &reading)?;
    let found = detector.detect(&picture.frame()?, &limits)?.clone();
    let mut places = Vec::new();
    let mut asked: Vec<(usize, usize, Known)> = Vec::new();
    for (x, y, score) in peaks(&found, &mut detector, args.places as usize)? {
        let patch = detector.patch_at(x, y)?;
        let file = format!("{}.png", places.len());
        cut_out(&picture, patch.rect).save_png(&args.out.join(&file))?;
        let known = detector.nearest(&patch, args.most as usize)?;
        asked.extend(known.iter().enumerate().map(|(at, known)| (places.len(), at, *known)));
        let nearest = known.iter().map(|known| near(detector.bank(), known)).collect();
        places.push(Place { score, patch: patch.rect, picture: file, nearest });
    }
    // Each learned frame is read and encoded once, whatever its patches are near to.
    let mut by_image: HashMap<u32, Vec<(usize, usize, Known)>> = HashMap::new();
    for each in asked {
        by_image.entry(each.2.image).or_default().push(each);
    }
    for (image, asked) in by_image {
        let Some(path) = detector.bank().origin(image).and_then(|origin| at_hand(origin, &args.learned))
        else {
            continue;
        };
        let learned = match Picture::read(&path, &reading) {
            Ok(learned) => learned,
            Err(error) => {
                tracing::warn!("a learned frame cannot be shown: {error}");
                continue;
            }
        };
        detector.detect(&learned.frame()?, &limits)?;
        for (place, at, known) in asked {
            let Patch { rect, .. } = detector.patch_like(&known)?;
            let file = format!("{place}-{at}.png");
            cut_out(&learned, rect).save_png(&args.out.join(&file))?;
            if let Some(near) = places.get_mut(place).and_then(|place| place.nearest.get_mut(at)) {
                (near.patch, near.picture) = (Some(rect), Some(file));
            }
        }
    }
    let told = Told { bank: detector.bank().digest().to_owned(), places };
    write_text(&args.out.join(NAMES), &(serde_json::to_string_pretty(&told)? + "\n"))?;
    tell(&told)?;
    Ok(Outcome::Done)
}

/// Refuses a folder where a cut-out would replace another picture.
fn check_out(args: &Args) -> Result<()> {
    let inputs = Inputs::of([args.picture.as_path(), args.bank.as_path()]);
    let of_place = |place: u32| {
        let near = (0..args.most).map(move |at| format!("{place}-{at}.png"));
        std::iter::once(format!("{place}.png")).chain(near)
    };
    let files = (0..args.places).flat_map(of_place).map(|name| args.out.join(name));
    check_folder("--out", &args.out, NAMES, files, &inputs)
}

fn near(bank: &Bank, known: &Known) -> Near {
    let origin = bank.origin(known.image).cloned();
    let name = origin.as_ref().map(ToString::to_string).unwrap_or_default();
    Near { distance: known.distance, image: known.image, name, origin, patch: None, picture: None }
}

/// Says on the terminal what was found.
fn tell(told: &Told) -> Result<()> {
    for (number, place) in told.places.iter().enumerate() {
        let Rect { x, y, w, h } = place.patch;
        output::line(format!(
            "place {number} at {:.3}, {:.3}: score {:.3}",
            x + w / 2.0,
            y + h / 2.0,
            place.score
        ))?;
        for near in &place.nearest {
            let name = if near.name.is_empty() { "a frame that the bank cannot name" } else { &near.name };
            output::line(format!("  distance {:.3}: image {}, {name}", near.distance, near.image))?;
        }
        if place.nearest.is_empty() {
            output::line("  the bank holds no descriptors")?;
        }
    }
    Ok(())
}

/// The middles of the highest pixels of the map, each with its score, no two of them in neighbouring patches.
fn peaks(found: &Detection, detector: &mut Detector, most: usize) -> Result<Vec<(f64, f64, f64)>> {
    let (size, rect) = (found.map_size, found.map_rect);
    let mut order: Vec<usize> = (0..found.map.len()).collect();
    order.sort_by(|a, b| found.map[*b].total_cmp(&found.map[*a]));
    let one = detector.patch_at(0.5, 0.5)?.rect;
    let mut peaks: Vec<(f64, f64, f64)> = Vec::new();
    for at in order {
        let x = rect.x + rect.w * ((at % size.columns) as f64 + 0.5) / size.columns as f64;
        let y = rect.y + rect.h * ((at / size.columns) as f64 + 0.5) / size.rows as f64;
        let is_beside = |(other_x, other_y, _): &(f64, f64, f64)| {
            (other_x - x).abs() < AROUND * one.w && (other_y - y).abs() < AROUND * one.h
        };
        // Bars of a letterbox show nothing of the picture.
        let is_shown = (0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y);
        if is_shown && !peaks.iter().any(is_beside) {
            let score = f64::from(found.map[at]);
            // What scores as good frames do is no place to ask for, but for the first.
            if !peaks.is_empty() && score < found.score_max / 2.0 {
                break;
            }
            peaks.push((x, y, score));
        }
        if peaks.len() == most {
            break;
        }
    }
    Ok(peaks)
}

/// The picture of a learned frame in one of the folders.
fn at_hand(origin: &Origin, folders: &[PathBuf]) -> Option<PathBuf> {
    let names: Vec<String> = match (Path::new(&origin.source).file_name(), origin.time) {
        (Some(name), None) => vec![name.to_string_lossy().into_owned()],
        (None, Some(time)) => ENDINGS.map(|ending| format!("{time}.{ending}")).into(),
        _ => Vec::new(),
    };
    let paths = folders.iter().flat_map(|folder| names.iter().map(|name| folder.join(name)));
    paths.into_iter().find(|path| path.is_file())
}

/// A patch with what lies around it, large enough to be seen, and a line around the patch.
fn cut_out(picture: &Picture, patch: Rect) -> Picture {
    let span = |start: f64, length: f64, pixels: usize| {
        let at = |place: f64| (place * pixels as f64).round().clamp(0.0, pixels as f64) as usize;
        let (first, last) = (at(start - AROUND * length), at(start + (1.0 + AROUND) * length));
        let first = first.min(pixels.saturating_sub(1));
        (first, last.max(first + 1) - first, at(start), at(start + length))
    };
    let (left, width, patch_left, patch_right) = span(patch.x, patch.w, picture.width);
    let (top, height, patch_top, patch_bottom) = span(patch.y, patch.h, picture.height);
    let times = LEAST_SIDE.div_ceil(width.min(height)).clamp(1, LEAST_SIDE);
    let edge = |patch: usize, start: usize| patch.saturating_sub(start) * times;
    let (inner_left, inner_right) = (edge(patch_left, left), edge(patch_right, left));
    let (inner_top, inner_bottom) = (edge(patch_top, top), edge(patch_bottom, top));
    let is_line = |x: usize, y: usize| {
        let within =
            |at: usize, low: usize, high: usize| (low.saturating_sub(LINE)..high + LINE).contains(&at);
        let inside = (inner_left..inner_right).contains(&x) && (inner_top..inner_bottom).contains(&y);
        !inside && within(x, inner_left, inner_right) && within(y, inner_top, inner_bottom)
    };
    let mut data = Vec::with_capacity(3 * width * height * times * times);
    for y in 0..height * times {
        for x in 0..width * times {
            let at = 3 * ((top + y / times) * picture.width + left + x / times);
            let pixel = picture.data.get(at..at + 3).unwrap_or(&[0; 3]);
            data.extend_from_slice(if is_line(x, y) { &COLOUR } else { pixel });
        }
    }
    Picture { data, width: width * times, height: height * times }
}

#[cfg(test)]
mod tests {
    use snarm_core::paths::text;

    use super::*;

    #[test]
    fn cut_outs_are_large_enough_and_stay_inside_the_picture() {
        let picture =
            Picture { data: (0..30 * 20).flat_map(|i| [i as u8, 0, 0]).collect(), width: 30, height: 20 };
        let patch = Rect { x: 0.0, y: 0.5, w: 0.1, h: 0.1 };
        let made = cut_out(&picture, patch);
        // 18 columns, from the edge on, and all 20 rows, 11 times as large.
        assert_eq!((made.width, made.height, made.data.len()), (18 * 11, 20 * 11, 3 * 18 * 11 * 20 * 11));
        let pixel = |x: usize, y: usize| &made.data[3 * (y * made.width + x)..][..3];
        assert_eq!((pixel(10, 10 * 11 - 1), pixel(33, 115)), (&COLOUR[..], &COLOUR[..]));
        assert_eq!(pixel(5, 10 * 11 + 5), [(10 * 30) as u8, 0, 0]);
        // Whatever a patch is, something is cut out.
        for patch in [Rect { x: 0.99, y: 0.99, w: 1e-6, h: 1e-6 }, Rect { x: -0.5, y: 0.0, w: 2.0, h: 1.0 }] {
            assert!(cut_out(&picture, patch).width >= LEAST_SIDE);
        }
    }

    #[test]
    fn frames_are_found_by_the_name_of_their_file_or_by_their_time_and_never_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["1.png", "280.jpg"] {
            std::fs::write(dir.path().join(name), b"x").unwrap();
        }
        let folders = [dir.path().join("none"), dir.path().to_owned()];
        let found = |origin: &Origin| at_hand(origin, &folders).map(|path| text(path.file_name().unwrap()));
        assert_eq!(found(&Origin::file("good/1.png".into())).as_deref(), Some("1.png"));
        assert_eq!(found(&Origin::file("../../1.png".into())).as_deref(), Some("1.png"));
        assert_eq!(found(&Origin { time: Some(280), ..Origin::default() }).as_deref(), Some("280.jpg"));
        for source in ["2.png", "..", "/", ""] {
            assert_eq!(found(&Origin::file(source.into())), None, "{source:?}");
        }
        // A frame of a clip is no file.
        assert_eq!(found(&Origin { time: Some(280), ..Origin::file("1.png".into()) }), None);
    }
}
