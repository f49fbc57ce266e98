//! Entry points for hostile bytes: each takes what a file of a kind may hold, writes it to a file where the parser takes a
//! path, and uses what it read as a user's file would be used. Whatever the bytes are, none may panic, take long or take
//! memory out of proportion; what they are refused for does not matter.
//!
//! `tests/fuzz.rs` runs them over seeds and a bounded number of mutations in every run of the tests; the coverage-guided
//! targets in `tests/fuzz` (`make fuzz`) call the same functions. Seeds are the files of `tests/data/fuzz`: what once
//! failed is kept there.

pub mod mutate;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use snarm_core::Grid;
use snarm_core::bank::Bank;
use snarm_core::convert::{Options, convert};
use snarm_core::dataset::{Dataset, Mask, Picture};
use snarm_core::encoder::{
    Encoder, Features, Geometry, IMAGENET, Level, PositionInterpolation, SEEDED_TINY, Workspace,
};
use snarm_core::models::Decoder;
use snarm_core::pickle::Pickle;
use snarm_core::results;
use snarm_core::view::{Crop, IgnoreMask, Rect};
use snarm_core::y4m::Y4m;

/// A kind of bytes.
pub struct Entry {
    /// Its name, which is that of its coverage-guided target, too.
    pub name: &'static str,
    /// Folders of seeds, below `tests/data`.
    pub seeds: &'static [&'static str],
    /// Reads such bytes.
    pub read: fn(&[u8]),
}

/// All kinds.
pub const ENTRIES: [Entry; 9] = [
    Entry { name: "bank", seeds: &["fuzz/bank"], read: bank },
    Entry { name: "decoder", seeds: &["fuzz/decoder"], read: decoder },
    Entry { name: "encoder", seeds: &["fuzz/encoder"], read: encoder },
    Entry { name: "pickle", seeds: &["fuzz/pickle", "pickles"], read: pickle },
    Entry { name: "mask", seeds: &["fuzz/picture"], read: mask },
    Entry { name: "picture", seeds: &["fuzz/picture"], read: picture },
    Entry { name: "y4m", seeds: &["fuzz/y4m"], read: y4m },
    Entry { name: "visa", seeds: &["fuzz/visa"], read: visa },
    Entry { name: "results", seeds: &["fuzz/results"], read: results },
];

/// Side of the largest input of an encoder that is run, and of the score maps that masks are brought to.
const SIDE: usize = 32;

thread_local! {
    /// The folder for the files of one thread, removed at its end.
    static FOLDER: Option<tempfile::TempDir> = tempfile::tempdir().ok();
}

/// Writes a file of that name, below the thread's folder, and hands its path on.
fn with_file(name: &str, bytes: &[u8], read: impl FnOnce(&Path)) {
    FOLDER.with(|folder| {
        let Some(folder) = folder else { panic!("no folder for temporary files") };
        let path = folder.path().join(name);
        let written = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        written
            .and_then(|()| std::fs::write(&path, bytes))
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        read(&path);
    });
}

/// The smallest encoder, for what is compared with its encoder.
fn tiny() -> Option<Arc<Encoder>> {
    static TINY: OnceLock<Option<Arc<Encoder>>> = OnceLock::new();
    let load = || Encoder::load(SEEDED_TINY, PositionInterpolation::Legacy).ok().map(Arc::new);
    TINY.get_or_init(load).clone()
}

/// Makes what the first bytes of a kind would have to wait for: the time of an execution is that of the bytes.
pub fn prepare() {
    let _ = tiny();
}

/// Converts a file to its counterpart, and that back.
fn convert_twice(path: &Path) {
    let options = Options { encoder: tiny(), crop: Crop::Full, licence: String::new() };
    let [there, back] = ["there", "back"].map(|name| path.with_file_name(name));
    if convert(path, &there, &options).is_ok() {
        let _ = convert(&there, &back, &options);
    }
}

/// A bank file.
pub fn bank(bytes: &[u8]) {
    with_file("bank", bytes, |path| {
        let Ok(bank) = Bank::open(path) else { return };
        for calibration in bank.calibrations() {
            let thresholds = [calibration.threshold_at_sigma(3.0), calibration.threshold_at_fpr(1e-4)];
            let scores = [0.0, 1.0, 1e300].map(|raw| calibration.score(raw));
            assert!(
                thresholds.iter().chain(&scores).all(|score| (0.0..=1.0).contains(score)),
                "{calibration:?}"
            );
        }
        if let Some(mask) = bank.view().ignore {
            let _ = mask.on_map(Grid::square(SIDE), bank.view().roi.unwrap_or(Rect::WHOLE)).count();
        }
        let copy = path.with_file_name("copy");
        match bank.save(&copy).and_then(|()| Bank::open(&copy)) {
            Ok(again) => assert_eq!(again.digest(), bank.digest(), "a bank that was saved is another"),
            Err(e) => panic!("a bank that was read cannot be written and read: {e}"),
        }
        convert_twice(path);
    });
}

/// Runs a decoder that reconstructs the narrowest levels of features.
fn reconstruct(decoder: &Decoder) {
    let level = |side: usize| Level { grid: Grid::square(side), width: 1 };
    let geometry = Geometry::new(Grid::square(64), level(16), IMAGENET).and(level(8)).and(level(4));
    let values = vec![0.25; geometry.output_len()];
    let (Ok(mut model), Ok(features)) = (decoder.model(&geometry), Features::new(&geometry, &values)) else {
        return;
    };
    let _ = model.score(&features, None, None, &[], &mut Default::default());
}

/// A decoder: a file of our own or a published one.
pub fn decoder(bytes: &[u8]) {
    with_file("decoder", bytes, |path| {
        let Ok(decoder) = Decoder::open(path) else { return };
        let _ = (decoder.provenance(), decoder.calibration(), decoder.scorer(), decoder.summary());
        reconstruct(&decoder);
        convert_twice(path);
    });
}

/// An encoder: a file of our own or a published one.
pub fn encoder(bytes: &[u8]) {
    with_file("encoder", bytes, |path| {
        let Some(name) = path.to_str() else { return };
        let Ok(encoder) = Encoder::load(name, PositionInterpolation::Legacy) else { return };
        let side = encoder.input_side();
        if side <= SIDE {
            let image = vec![0.25; 3 * side * side];
            let _ = encoder.encode(&image, &mut Workspace::default(), &mut Vec::new());
        }
    });
}

/// A pickle: what `torch.save` or `pickle.dump` wrote.
pub fn pickle(bytes: &[u8]) {
    with_file("pickle", bytes, |path| {
        let Ok(pickle) = Pickle::open(path) else { return };
        let names: Vec<&str> = pickle.names().collect();
        // A file may name one large array many times: what is read of it grows with that, as it does for a user.
        for name in names.iter().take(100) {
            if let Ok(Some(array)) = pickle.array(name) {
                let _ = (array.len(), array.f32s(), array.i64s());
            }
        }
        let _ = pickle.wrapper("weight");
        convert_twice(path);
    });
}

/// A mask of what is ignored, and one of what is defective.
pub fn mask(bytes: &[u8]) {
    with_file("mask.png", bytes, |path| {
        if let Ok(mask) = IgnoreMask::open(path) {
            let _ = mask.on_map(Grid::square(SIDE), Rect::WHOLE).filter(|ignored| *ignored).count();
        }
        if let Ok(mask) = Mask::open(path) {
            let _ = mask.on_map(Grid::square(SIDE), Rect::WHOLE).flatten().count();
        }
    });
}

/// A picture.
pub fn picture(bytes: &[u8]) {
    with_file("picture", bytes, |path| {
        let Ok(picture) = Picture::open(path) else { return };
        assert!(picture.frame().is_ok(), "{} x {} and no frame", picture.width, picture.height);
    });
}

/// Decoded video.
pub fn y4m(bytes: &[u8]) {
    let Ok(Some(mut video)) = Y4m::open(bytes, Path::new("clip")) else { return };
    let _ = video.length();
    while let Ok(Some(shown)) = video.next_frame() {
        assert!(shown.frame.width() > 0 && shown.frame.height() > 0);
    }
}

/// The table of splits of VisA, and the names in it.
pub fn visa(bytes: &[u8]) {
    with_file("visa/split_csv/1cls.csv", bytes, |path| {
        let Some(root) = path.parent().and_then(Path::parent) else { return };
        let product = root.join("candle");
        if std::fs::create_dir_all(product.join("Data/Images/Normal")).is_err() {
            return;
        }
        let Ok(set) = Dataset::open(&product) else { return };
        let samples = set.test.iter().flat_map(|sample| [Some(&sample.path), sample.mask.as_ref()]);
        let paths: Vec<&PathBuf> = set.train.iter().chain(samples.flatten()).collect();
        assert!(!paths.is_empty());
    });
}

/// Lines of results.
pub fn results(bytes: &[u8]) {
    with_file("results.jsonl", bytes, |path| {
        if let Ok(lines) = results::read(path) {
            assert!(!lines.is_empty() && lines.iter().all(|line| line.score.is_finite()));
        }
    });
}
