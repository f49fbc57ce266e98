//! Pictures as they lie in folders: of any format and depth, turned by their notes, behind links, under names that are no
//! text, too large; and what is told of those that are left out.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageBuffer, ImageEncoder, Luma, RgbImage};
use serde_json::Value;

use crate::run::{no_gstreamer, run, snarm, stderr, stdout, target};

/// Six good parts and a folder with two defective ones, as PNG files.
fn product(dir: &Path) {
    run(dir, "simulate --out set --as frames --good-frames 6 --frames 4 --width 96 --height 72", 0);
}

fn pictures(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.is_file()).collect();
    found.sort();
    found
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("results");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn open(path: &Path) -> RgbImage {
    image::open(path).expect("a picture").into_rgb8()
}

#[test]
fn every_format_is_learned_and_judged_and_the_rest_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    product(dir);
    for (i, path) in pictures(&dir.join("set/train/good")).into_iter().enumerate() {
        let ending = ["bmp", "TIF", "webp", "ppm", "png", "tiff"][i % 6];
        let format = image::ImageFormat::from_extension(ending.to_lowercase()).expect("a format");
        open(&path).save_with_format(path.with_extension(ending), format).expect("saved");
        if ending != "png" {
            std::fs::remove_file(path).expect("removed");
        }
    }
    let good = dir.join("set/train/good");
    for name in ["a.gif", "b.GIF", "notes.txt"] {
        std::fs::write(good.join(name), b"").expect("a file");
    }
    let learned = run(dir, "bank set/train/good -o a.bank --capacity 200 --reduction random", 0);
    assert!(stdout(&learned).contains("from 6 frames"), "{}", stdout(&learned));
    let told = stderr(&learned);
    for part in ["left out: 3 files that are no images", "2 .gif", "1 .txt", "notes.txt"] {
        assert!(told.contains(part), "{part} in {told}");
    }
    // A folder of defects that is nothing but BMP files and masks of any ending.
    let mut n = 0;
    for kind in std::fs::read_dir(dir.join("set/test")).expect("types").map(|kind| kind.expect("an entry")) {
        for path in pictures(&kind.path()) {
            open(&path).save(path.with_extension("bmp")).expect("saved");
            std::fs::remove_file(&path).expect("removed");
            let mask = dir.join("set/ground_truth").join(kind.file_name());
            let mask = mask.join(format!("{}_mask.png", path.file_stem().expect("a name").display()));
            if mask.is_file() {
                std::fs::rename(&mask, mask.with_extension("PNG")).expect("renamed");
                n += 1;
            }
        }
    }
    assert!(n > 0, "the product has defects");
    let output = run(dir, "eval --data set --capacity 200 --reduction random --json out.json", 0);
    assert!(stderr(&output).contains("notes.txt"), "{}", stderr(&output));
    let text = std::fs::read_to_string(dir.join("out.json")).expect("figures");
    let figures: Value = serde_json::from_str(&text).expect("JSON");
    let counts = &figures["categories"]["set"]["counts"];
    assert_eq!((&counts["train"], &counts["test_defective"]), (&6.into(), &n.into()), "{counts}");
    assert!(counts["anomalous_pixels"].as_u64().is_some_and(|pixels| pixels > 0), "{counts}");
}

#[test]
fn links_lead_to_no_picture_twice() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    product(dir);
    let good = dir.join("set/train/good");
    for (link, to) in [("latest", "."), ("newest", ".."), ("0_first.png", "0000.png")] {
        symlink(to, good.join(link)).expect("a link");
    }
    let options = "-o a.bank --capacity 200 --reduction random";
    for inputs in
        ["set/train/good", "set/train/good/*", "set/train/good/**/*.png", "set/train/good set/train"]
    {
        let learned = run(dir, &format!("bank {inputs} {options}"), 0);
        assert!(stdout(&learned).contains("from 6 frames"), "{inputs}: {}", stdout(&learned));
        assert!(stderr(&learned).contains("met before by another name or link"), "{}", stderr(&learned));
    }
    run(dir, "eval --data set --capacity 200 --reduction random --json out.json", 0);
    let text = std::fs::read_to_string(dir.join("out.json")).expect("figures");
    assert!(text.contains("\"train\": 6"), "{text}");
}

#[test]
fn parts_are_judged_as_they_stand_not_as_they_are_stored() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    product(dir);
    run(dir, "bank set/train/good -o a.bank --capacity 400 --reduction random", 0);
    let upright = open(&dir.join("set/test/good/0000.png"));
    std::fs::create_dir(dir.join("turned")).expect("a folder");
    upright.save(dir.join("turned/1.png")).expect("saved");
    // Orientation 6: the camera lay on its side, a quarter turn clockwise brings the picture upright.
    let lying = image::imageops::rotate270(&upright);
    let mut bytes = Vec::new();
    let mut encoder = PngEncoder::new(&mut bytes);
    let notes = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
    encoder.set_exif_metadata(notes).expect("notes");
    let (width, height) = lying.dimensions();
    encoder.write_image(lying.as_raw(), width, height, ExtendedColorType::Rgb8).expect("a picture");
    std::fs::write(dir.join("turned/6.png"), bytes).expect("a file");
    run(dir, "detect turned --bank a.bank --out out", 0);
    let results = lines(&dir.join("out/results.jsonl"));
    assert_eq!(results[0]["score"], results[1]["score"]);
    assert_eq!(results[0]["resolution"], results[1]["resolution"]);
}

#[test]
fn samples_of_16_bits_are_read_in_the_bits_that_they_hold() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    product(dir);
    // The same grey pictures of 8 bits, of 12 and of 10.
    for (bits, gain) in [(8, 1), (12, 16), (10, 4)] {
        for part in ["train/good", "test/good"] {
            let out = dir.join(format!("set{bits}")).join(part);
            std::fs::create_dir_all(&out).expect("a folder");
            for (i, path) in pictures(&dir.join("set").join(part)).iter().enumerate() {
                let grey = image::open(path).expect("a picture").into_luma8();
                let at = out.join(path.file_name().expect("a name"));
                let (w, h) = grey.dimensions();
                let level = |x, y| u16::from(if i == 0 && x == 0 { 255 } else { grey.get_pixel(x, y)[0] });
                if bits == 8 {
                    ImageBuffer::from_fn(w, h, |x, y| Luma([level(x, y) as u8])).save(at).expect("saved");
                } else {
                    let deep = |x, y| {
                        let most: u32 = 255 * gain + gain - 1;
                        Luma([(u32::from(level(x, y)) * most / 255) as u16])
                    };
                    ImageBuffer::<Luma<u16>, Vec<u16>>::from_fn(w, h, deep).save(at).expect("saved");
                }
            }
        }
    }
    let score = |bits: u16, options: &str| {
        let learn =
            format!("bank set{bits}/train/good -o {bits}.bank --capacity 400 --reduction random {options}");
        let told = stderr(&run(dir, &learn, 0));
        run(dir, &format!("detect set{bits}/test --bank {bits}.bank --out out --pictures none"), 0);
        (lines(&dir.join("out/results.jsonl"))[0]["score-raw"].as_f64().expect("a score"), told)
    };
    let (expected, told) = score(8, "");
    assert!(!told.contains("bits"), "{told}");
    for bits in [12, 10] {
        let (found, told) = score(bits, "");
        assert!((found / expected - 1.0).abs() < 0.05, "{bits} bits: {found}, 8 bits: {expected}");
        assert!(told.contains(&format!("read as {bits} bits, with white at {}", (1 << bits) - 1)), "{told}");
        let (_, told) = score(bits, &format!("--bits {bits}"));
        assert!(!told.contains("read as"), "{told}");
    }
    // One bright pixel decides for all others, and is told.
    std::fs::create_dir(dir.join("hot")).expect("a folder");
    for path in pictures(&dir.join("set10/train/good")) {
        let mut picture = image::open(&path).expect("a picture").into_luma16();
        picture.put_pixel(0, 0, Luma([u16::MAX]));
        picture.save(dir.join("hot").join(path.file_name().expect("a name"))).expect("a picture");
    }
    let hot = |options: &str| {
        let learn = format!("bank hot -o hot.bank --capacity 400 --reduction random {options}");
        stderr(&run(dir, &learn, 0))
    };
    let told = hot("");
    assert!(told.contains("nearly all samples are below a quarter of white, which is at 65535"), "{told}");
    assert!(told.contains("hot pixels, may have made it 16 bits (--bits names another number)"), "{told}");
    assert!(!hot("--bits 16").contains("nearly all"), "a number that was asked for is what it is");

    // The bank knows: a dark picture alone is no picture of fewer bits, and a bright one does not pass unseen.
    std::fs::create_dir(dir.join("dark")).expect("a folder");
    ImageBuffer::<Luma<u16>, Vec<u16>>::from_pixel(96, 72, Luma([200]))
        .save(dir.join("dark/a.png"))
        .expect("saved");
    let dark = |bank: &str, options: &str| {
        let told = stderr(&run(dir, &format!("detect dark --bank {bank}.bank --out out {options}"), 0));
        (lines(&dir.join("out/results.jsonl"))[0]["score-raw"].as_f64().expect("a score"), told)
    };
    let (by_bank, told) = dark("12", "");
    assert!(by_bank == dark("12", "--bits 12").0 && !told.contains("bits"), "{told}");
    assert_ne!(by_bank, dark("12", "--bits 8").0);
    assert!(dark("8", "").1.contains("read as 8 bits"));
    ImageBuffer::<Luma<u16>, Vec<u16>>::from_pixel(96, 72, Luma([5000]))
        .save(dir.join("dark/a.png"))
        .expect("saved");
    let (_, told) = dark("12", "");
    assert!(
        told.contains("above white (4095) are cut off, the greatest is 5000") && told.contains("a.png"),
        "{told}"
    );
    let eval = run(dir, "eval --data set12 --capacity 200 --reduction random --json out.json", 0);
    assert!(stderr(&eval).contains("read as 12 bits"), "{}", stderr(&eval));
}

#[test]
fn pictures_that_take_too_much_memory_are_refused_unless_more_is_allowed() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    product(dir);
    let good = dir.join("set/train/good");
    std::fs::write(good.join("bomb.pgm"), b"P5\n20000 20000\n255\n").expect("a file");
    RgbImage::new(900, 900).save(good.join("large.png")).expect("saved");
    let learn = "bank set/train/good -o a.bank --capacity 200 --reduction random";
    let refused = stderr(&run(dir, learn, 1));
    for part in ["at most 512 MiB", "--picture-memory", "20000x20000 pixels that take 1526 MiB", "bomb.pgm"] {
        assert!(refused.contains(part), "{part} in {refused}");
    }
    std::fs::remove_file(good.join("bomb.pgm")).expect("removed");
    let refused = stderr(&run(dir, &format!("{learn} --picture-memory 2"), 1));
    assert!(refused.contains("at most 2 MiB") && refused.contains("large.png"), "{refused}");
    let learned = run(dir, &format!("{learn} --picture-memory 3"), 0);
    assert!(stdout(&learned).contains("from 7 frames"), "{}", stdout(&learned));
}

/// The arguments as bytes, which `run` does not take.
fn with_bytes(dir: &Path, arguments: &[&[u8]]) -> (i32, String, String) {
    let arguments = arguments.iter().map(|bytes| OsString::from_vec(bytes.to_vec()));
    let output = snarm().args(arguments).current_dir(dir).output().expect("snarm starts");
    (output.status.code().unwrap_or(-1), stdout(&output), stderr(&output))
}

#[test]
fn paths_are_any_bytes_in_arguments_files_and_results() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    product(dir);
    let at = |name: &[u8]| dir.join(OsString::from_vec(name.to_vec()));
    std::fs::rename(dir.join("set"), at(b"s\xe4tze")).expect("renamed");
    std::fs::rename(at(b"s\xe4tze/test/good/0000.png"), at(b"s\xe4tze/test/good/a\xff\\x41.png"))
        .expect("renamed");
    let learn = [
        &b"bank"[..],
        b"s\xe4tze/train/good",
        b"-o",
        b"b\xe4nke/\xfc.bank",
        b"--capacity",
        b"200",
        b"--reduction",
        b"random",
    ];
    let (code, out, err) = with_bytes(dir, &learn);
    assert!(code == 0 && out.starts_with("b\\xe4nke/\\xfc.bank: "), "{code} {out} {err}");
    let detect = [&b"detect"[..], b"s\xe4tze/test/good", b"--bank", b"b\xe4nke/\xfc.bank", b"-o", b"\xf6ut"];
    let (code, out, err) = with_bytes(dir, &detect);
    assert!(code == 0 && out.starts_with("\\xf6ut: "), "{code} {out} {err}");
    let results = lines(&at(b"\xf6ut/results.jsonl"));
    let line = results.iter().find(|line| line["source"].as_str().is_some_and(|s| s.contains("a\\xff")));
    let line = line.expect("the line of the picture");
    assert_eq!(line["source"], "s\\xe4tze/test/good/a\\xff\\\\x41.png");
    // As any program can: the escapes undone, the paths are those of the files.
    let path = |name: &str| snarm_core::paths::path(line[name].as_str().expect("a path"));
    assert!(dir.join(path("source")).is_file());
    assert_eq!(path("annotated").as_os_str().as_bytes(), b"annotated/a\xff\\x41.png");
    assert!(at(b"\xf6ut").join(path("annotated")).is_file() && at(b"\xf6ut").join(path("map")).is_file());
    let pattern =
        [&b"detect"[..], b"s\xe4tze/test/good/a\xff*", b"--bank", b"b\xe4nke/\xfc.bank", b"-o", b"out"];
    let (code, _, err) = with_bytes(dir, &pattern);
    assert_eq!((code, lines(&dir.join("out/results.jsonl")).len()), (0, 1), "{err}");
    let eval = [
        &b"eval"[..],
        b"--data",
        b"s\xe4tze",
        b"--json",
        b"\xfc.json",
        b"--report",
        b"\xfc.html",
        b"--capacity",
        b"200",
    ];
    let (code, out, err) = with_bytes(dir, &eval);
    assert!(code == 0 && out.contains("s\\xe4tze"), "{code} {out} {err}");
    let text = std::fs::read_to_string(at(b"\xfc.json")).expect("figures");
    let figures: Value = serde_json::from_str(&text).expect("JSON");
    let images = figures["categories"]["s\\xe4tze"]["images"].as_array().expect("images").clone();
    assert!(
        images.iter().any(|image| image["path"] == "s\\xe4tze/test/good/a\\xff\\\\x41.png"),
        "{images:?}"
    );
    let (code, _, err) = with_bytes(dir, &[b"bank", b"n\xf6thing.png", b"-o", b"a.bank"]);
    assert!(code == 1 && err.contains("n\\xf6thing.png"), "{code} {err}");
}

#[test]
fn clips_and_networks_may_be_called_anything() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let at = |name: &[u8]| dir.join(OsString::from_vec(name.to_vec()));
    product(dir);
    let distill: &[&[u8]] = &[
        b"distill",
        b"--teacher",
        b"seeded:tiny",
        b"--steps",
        b"1",
        b"--batch",
        b"1",
        b"--round",
        b"1",
        b"--visits",
        b"1",
        b"--student",
        b"vit",
        b"--dims",
        b"64",
        b"--blocks",
        b"2",
        b"--width",
        b"8",
        b"--out",
        b"klein\xff.safetensors",
    ];
    let (code, _, err) = with_bytes(dir, distill);
    assert!(code == 0 && at(b"klein\xff.safetensors").is_file(), "{code} {err}");
    let (code, out, err) = with_bytes(dir, &[b"doctor", b"klein\xff.safetensors"]);
    let words = ["klein\\xff.safetensors", "encoder (", " descriptors of 8", "distilled in 1 steps"];
    assert!(code == 0 && words.iter().all(|word| out.contains(word)), "{code} {out} {err}");
    let options: &[&[u8]] = &[b"--capacity", b"100", b"--reduction", b"random", b"-o", b"a.bank"];
    let learn: &[&[u8]] = &[b"bank", b"set/train/good", b"--encoder", b"klein\xff.safetensors"];
    let (code, _, err) = with_bytes(dir, &[learn, options].concat());
    assert_eq!(code, 0, "{err}");
    // The bank names its encoder by the text of its path.
    run(dir, "detect set/test/good --bank a.bank --out out --pictures none", 0);
    let doctor: &[&[u8]] = &[b"doctor", b"a.bank", b"--encoder", b"klein\xff.safetensors"];
    let (code, out, err) = with_bytes(dir, doctor);
    assert!(code == 0 && out.contains("klein\\xff.safetensors"), "{code} {out} {err}");
    if no_gstreamer() {
        return;
    }
    run(dir, "simulate --out line --good-frames 8 --frames 2 --width 96 --height 72", 0);
    std::fs::rename(dir.join("line/good.mkv"), at(b"line/gut\xff.mkv")).expect("renamed");
    let (code, out, err) = with_bytes(dir, &[&[&b"bank"[..], b"line/gut\xff.mkv"], options].concat());
    assert!(code == 0 && out.contains("from 8 frames"), "{code} {out} {err}");
    // Recipes and pipelines hand such paths to elements of GStreamer and of ours.
    let launch: &[&[u8]] = &[b"launch", b"learn", b"bank=neu\xff.bank", b"capacity=100"];
    let source: &[u8] = b"source=videotestsrc num-buffers=8 pattern=ball ! video/x-raw,width=96,height=72";
    let (code, _, err) = with_bytes(dir, &[launch, &[source]].concat());
    assert!(code == 0 && at(b"neu\xff.bank").is_file(), "{code} {err}");
    let (code, out, err) = with_bytes(dir, &[&[&b"doctor"[..]], &launch[1..], &[source]].concat());
    assert!(code == 0, "{code} {out} {err}");
    let own = b"launch videotestsrc num-buffers=1 ! pngenc ! filesink location=bild\xfe.png";
    let (code, _, err) = with_bytes(dir, &own.split(|byte| *byte == b' ').collect::<Vec<_>>());
    assert!(code == 0 && at(b"bild\xfe.png").is_file(), "{code} {err}");
    // What cannot be: elements, names, and the tool of GStreamer.
    for (words, expected) in [
        (
            &[&b"launch"[..], b"inspect", b"source=\xff", b"bank=a.bank"][..],
            "source: expected elements in UTF-8, found \\xff",
        ),
        (&[b"launch", b"inspekt\xff"], "found 'inspekt\\xff'"),
        (&[b"launch", b"inspect", b"bank\xff=a.bank"], "found 'bank\\xff'"),
        (
            &[b"launch", b"inspect", b"source=a", b"bank=\xff.bank", b"--print"],
            "gst-launch-1.0 takes alone, found bank-location=\\xff.bank",
        ),
        (&[b"launch", b"fakesrc\xff", b"!", b"fakesink"], "found \"fakesrc\\xFF\""),
    ] {
        let (code, _, err) = with_bytes(dir, words);
        assert!(code == 1 && err.contains(expected), "{code} {err}");
    }
}

#[test]
fn a_set_without_defects_says_why_its_figures_are_none() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    product(dir);
    for kind in std::fs::read_dir(dir.join("set/test")).expect("types").map(|kind| kind.expect("an entry")) {
        if kind.file_name() != "good" {
            for path in pictures(&kind.path()) {
                std::fs::rename(&path, path.with_extension("heic")).expect("renamed");
            }
        }
    }
    std::fs::remove_dir_all(dir.join("set/ground_truth")).expect("removed");
    let told = stderr(&run(dir, "eval --data set --capacity 200 --reduction random", 0));
    assert!(told.contains("no defective images to test with") && told.contains(".heic"), "{told}");
}

/// The program that changes pictures for measurements: `tests/examples/changed.rs`.
#[test]
fn pictures_are_changed_as_measurements_name_it() {
    let program = target().join("examples/changed");
    let how = "cargo build -p snarm-tests --example changed";
    assert!(program.is_file(), "expected {}; build it first: {how}", program.display());
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    std::fs::create_dir_all(dir.join("from/good")).expect("a folder");
    RgbImage::from_pixel(4, 1, image::Rgb([100; 3])).save(dir.join("from/good/1.bmp")).expect("saved");
    let change = |to: &str, changes: &[&str]| {
        Command::new(&program).current_dir(dir).args(["from", to]).args(changes).output().expect("it starts")
    };
    let red = |to: &str, changes: &[&str]| -> Vec<u8> {
        let output = change(to, changes);
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(stdout(&output).starts_with("1 pictures of from changed"), "{}", stdout(&output));
        open(&dir.join(to).join("good/1.png")).pixels().map(|pixel| pixel[0]).collect()
    };
    assert_eq!(red("a", &["gain=0.5", "gain=0.5,1,1"]), [25; 4]);
    assert_eq!(red("b", &["gradient=0.2,0"]), [85, 95, 105, 115]);
    assert_eq!(red("c", &["gradient=0.2,0", "shift=1,0"]), [95, 85, 95, 105]);
    assert_eq!(red("d", &["turn=90", "gamma=1"]), [100; 4]);
    assert!(stderr(&change("a", &["turn=3"])).contains("expected a new file, found a/good/1.png"));
    for wrong in ["gain", "gain=", "gain=1,2", "turn=x", "blur=3", "gamma=NaN"] {
        let told = stderr(&change("e", &[wrong]));
        assert!(
            told.contains("expected gain=, gradient=") && told.contains(&format!("found {wrong}")),
            "{told}"
        );
    }
    assert!(stderr(&change("e", &[])).contains("expected at least one change, found none"));
}
