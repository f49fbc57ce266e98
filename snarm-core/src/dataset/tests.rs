//! Layouts made of files with nothing in them, pictures made here, and sets of them with faults.

mod found;
mod read;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use snarm_kernels::Grid;

use super::*;
use crate::view::Rect;

fn folder(files: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in files {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"").unwrap();
    }
    dir
}

#[test]
fn mvtec_layout_joins_images_and_masks() {
    let dir = folder(&[
        "train/good/b.png",
        "train/good/a.JPG",
        "train/good/notes.txt",
        "test/good/0.png",
        "test/crack/1.png",
        "test/crack/2.png",
        "ground_truth/crack/1_mask.png",
    ]);
    let set = Dataset::open(dir.path()).unwrap();
    let names: Vec<_> = set.train.iter().map(|p| p.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["a.JPG", "b.png"]);
    let test: Vec<_> = set.test.iter().map(|s| (s.kind.as_str(), s.anomalous, s.mask.is_some())).collect();
    assert_eq!(test, [("crack", true, true), ("crack", true, false), ("good", false, false)]);
}

#[test]
fn plain_folders_keep_three_of_ten_normal_images_for_testing() {
    let names: Vec<String> = (0..20).map(|i| format!("normal/{i:02}.png")).collect();
    let mut files: Vec<&str> = names.iter().map(String::as_str).collect();
    files.extend(["chip/0.png", "dirt/0.png"]);
    let set = Dataset::open(folder(&files).path()).unwrap();
    assert_eq!(set.train.len(), 14);
    assert_eq!(set.test.iter().filter(|s| !s.anomalous).count(), 6);
    let kinds: Vec<_> = set.test.iter().filter(|s| s.anomalous).map(|s| s.kind.as_str()).collect();
    assert_eq!(kinds, ["chip", "dirt"]);
}

#[test]
fn a_folder_that_is_no_data_set_says_what_was_expected_and_found() {
    let dir = folder(&["pictures/0.png"]);
    let message = Dataset::open(dir.path()).unwrap_err().to_string();
    assert!(
        message.contains("expected a folder train/good, Data/Images/Normal, normal or good"),
        "{message}"
    );
    assert!(message.contains("found pictures"), "{message}");
    let missing = Dataset::open(&dir.path().join("none")).unwrap_err().to_string();
    assert!(missing.starts_with("data set not found"), "{missing}");
    let empty = folder(&["train/good/a.png", "test/good/readme.txt"]);
    let message = Dataset::open(empty.path()).unwrap_err().to_string();
    assert!(message.contains("found 1 and 0"), "{message}");
}

#[test]
fn a_file_that_is_no_image_is_named() {
    let dir = folder(&["broken.png"]);
    let path = dir.path().join("broken.png");
    std::fs::write(&path, b"\x89PNG\r\n\x1a\nand no more").unwrap();
    let message = Picture::open(&path).unwrap_err().to_string();
    assert!(
        message.starts_with("image: expected a PNG, JPEG, BMP, TIFF, WebP or PNM picture, found "),
        "{message}"
    );
    assert!(message.ends_with("broken.png"), "{message}");
    assert!(Mask::open(&dir.path().join("none.png")).unwrap_err().to_string().starts_with("mask not found"));
}

#[test]
fn pictures_come_back_as_they_were_written() {
    let dir = tempfile::tempdir().unwrap();
    let picture = Picture { data: (0..3 * 5 * 4).collect(), width: 5, height: 4 };
    let path = dir.path().join("a.png");
    picture.save_png(&path).unwrap();
    assert_eq!(Picture::open(&path).unwrap(), picture);
    let mask = Mask { data: (0..20).map(|i| i % 3 == 0).collect(), width: 5, height: 4 };
    let path = dir.path().join("mask.png");
    mask.save_png(&path).unwrap();
    assert_eq!(Mask::open(&path).unwrap(), mask);
}

#[test]
fn a_picture_takes_the_place_of_another_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let [path, kept] = ["a.png", "kept.png"].map(|name| dir.path().join(name));
    let picture = |grey| Picture { data: vec![grey; 60], width: 5, height: 4 };
    picture(7).save_png(&path).unwrap();
    std::fs::hard_link(&path, &kept).unwrap();
    picture(8).save_png(&path).unwrap();
    assert_eq!((Picture::open(&path).unwrap(), Picture::open(&kept).unwrap()), (picture(8), picture(7)));
    assert_eq!(dir.path().read_dir().unwrap().count(), 2, "nothing is left beside them");
}

/// The last of what is written is lost in silence where nobody asks.
#[test]
fn a_picture_for_which_there_is_no_room_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.png");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let picture = Picture { data: vec![7; 60], width: 5, height: 4 };
    let saved = [picture.save_png(&path), Mask::empty(5, 4).save_png(&path)];
    for (saved, what) in saved.into_iter().zip(["image", "mask"]) {
        let message = saved.unwrap_err().to_string();
        assert!(
            message.starts_with(&format!("cannot write {what}: ")) && message.contains("a.png"),
            "{message}"
        );
    }
}

#[test]
fn masks_follow_the_geometry_of_the_map() {
    let mut mask = Mask::empty(8, 4);
    mask.data[8 + 6] = true; // row 1, column 6
    let count = |side, rect: Rect| {
        let on: Vec<_> = mask.on_map(Grid::square(side), rect).collect();
        let outside = on.iter().filter(|v| v.is_none()).count();
        (on.iter().position(|&v| v == Some(true)), outside)
    };
    // Squeezed: a map pixel is 2 x 1 mask pixels and takes the one right of its centre.
    let mut odd = Mask::empty(8, 4);
    odd.data[8 + 7] = true;
    assert_eq!(odd.on_map(Grid::square(4), Rect::WHOLE).position(|v| v == Some(true)), Some(7));
    assert_eq!(count(8, Rect::WHOLE), (Some(2 * 8 + 6), 0));
    // Letterbox: two of the eight map rows lie above and two below the image.
    assert_eq!(count(8, Rect { x: 0.0, y: -0.5, w: 1.0, h: 2.0 }), (Some(3 * 8 + 6), 32));
}

/// A data set of tiny images: `files` are paths with sides, masks mark their first pixel unless their name says `black`.
fn tiny(files: &[(&str, usize)]) -> tempfile::TempDir {
    let dir = folder(&files.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for (name, side) in files {
        let path = dir.path().join(name);
        if name.contains("ground_truth") || name.contains("/gt/") || name.contains("Masks") {
            let mut mask = Mask::empty(*side, *side);
            mask.data[0] = !name.contains("black");
            mask.save_png(&path).unwrap();
        } else {
            Picture { data: vec![90; 3 * side * side], width: *side, height: *side }.save_png(&path).unwrap();
        }
    }
    dir
}

#[test]
fn mvtec_3d_reads_colour_images_and_nothing_else() {
    let dir = folder(&[
        "train/good/rgb/000.png",
        "train/good/xyz/000.tiff",
        "validation/good/rgb/000.png",
        "test/good/rgb/000.png",
        "test/good/gt/000.png",
        "test/hole/rgb/000.png",
        "test/hole/gt/000.png",
        "test/hole/xyz/000.tiff",
    ]);
    assert_eq!(Layout::of(dir.path()).unwrap(), Layout::Mvtec3d);
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!((set.train.len(), set.validation.len(), set.good_masks.len()), (1, 1, 1));
    let test: Vec<_> = set.test.iter().map(|s| (s.kind.as_str(), s.anomalous, s.mask.clone())).collect();
    let mask = dir.path().join("test/hole/gt/000.png");
    assert_eq!(test, [("good", false, None), ("hole", true, Some(mask))]);
    assert!(set.bad.is_empty());
}

const VISA: [&str; 6] = [
    "candle/Data/Images/Normal/0.JPG",
    "candle/Data/Images/Normal/1.JPG",
    "candle/Data/Images/Normal/2.JPG",
    "candle/Data/Images/Anomaly/0.JPG",
    "candle/Data/Images/Anomaly/1.JPG",
    "candle/Data/Masks/Anomaly/0.png",
];

fn visa_with(table: &str) -> tempfile::TempDir {
    let dir = folder(&VISA);
    std::fs::create_dir(dir.path().join("split_csv")).unwrap();
    std::fs::write(dir.path().join("split_csv/1cls.csv"), table).unwrap();
    dir
}

#[test]
fn visa_follows_the_official_split() {
    let dir = visa_with(
        "object,split,label,image,mask\r\n\
         candle,train,normal,candle/Data/Images/Normal/2.JPG,\r\n\
         candle,train,normal,candle/Data/Images/Normal/0.JPG,\r\n\
         pcb1,train,normal,pcb1/Data/Images/Normal/0.JPG,\r\n\
         candle,test,normal,candle/Data/Images/Normal/1.JPG,\r\n\
         candle,test,anomaly,candle/Data/Images/Anomaly/0.JPG,candle/Data/Masks/Anomaly/0.png\r\n",
    );
    assert_eq!(categories(dir.path()).unwrap(), [dir.path().join("candle")]);
    let set = Dataset::open(&dir.path().join("candle")).unwrap();
    let name = |p: &PathBuf| p.file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(set.train.iter().map(name).collect::<Vec<_>>(), ["0.JPG", "2.JPG"]);
    let test: Vec<_> = set.test.iter().map(|s| (name(&s.path), s.anomalous, s.mask.is_some())).collect();
    assert_eq!(test, [("0.JPG".to_owned(), true, true), ("1.JPG".to_owned(), false, false)]);
    assert!(set.test.iter().all(|s| s.path.is_file() && s.mask.iter().all(|m| m.is_file())));
}

#[test]
fn a_split_that_cannot_be_read_names_its_line() {
    const HEAD: &str = "object,split,label,image,mask\n";
    for (rows, expected) in [
        ("a,b\n", "expected the columns object,split,label,image,mask, found 'a,b' in line 1"),
        ("+candle,train\n", "expected 5 fields, found 'candle,train' in line 2"),
        ("+candle,train,odd,x.JPG,\n", "expected the label normal or anomaly, found 'odd' in line 2"),
        ("+candle,both,normal,x.JPG,\n", "expected the split train or test, found 'both' in line 2"),
        ("+\ncandle,train,anomaly,x.JPG,\n", "expected normal images for training, found"),
        ("+pcb1,train,normal,x.JPG,\n", "expected rows of the object candle, found none"),
    ] {
        let dir = visa_with(&rows.replace('+', HEAD));
        let message = Dataset::open(&dir.path().join("candle")).unwrap_err().to_string();
        assert!(message.contains(expected) && message.ends_with("1cls.csv"), "{message}");
    }
}

#[test]
fn visa_without_a_split_keeps_every_tenth_normal_image_for_testing() {
    let names: Vec<String> = (0..20).map(|i| format!("Data/Images/Normal/{i:02}.JPG")).collect();
    let mut files: Vec<&str> = names.iter().map(String::as_str).collect();
    files.extend(["Data/Images/Anomaly/0.JPG", "Data/Masks/Anomaly/0.png"]);
    let dir = folder(&files);
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!((set.train.len(), set.test.len()), (18, 3));
    assert_eq!(set.test.iter().filter(|s| s.mask.is_some()).count(), 1);
}

#[test]
fn a_layout_that_is_asked_for_must_be_there() {
    let dir = folder(&["train/good/a.png", "test/good/b.png", "good/c.png", "crack/d.png"]);
    assert_eq!(Dataset::open(dir.path()).unwrap().train.len(), 1);
    let folders = Dataset::open_as(dir.path(), Some(Layout::Folders)).unwrap();
    assert!(folders.test.iter().any(|s| s.kind == "crack"));
    let message = Dataset::open_as(dir.path(), Some(Layout::Visa)).unwrap_err().to_string();
    assert!(message.contains("expected a folder Data/Images/Normal (layout visa), found"), "{message}");
    assert!(Layout::ALL.iter().all(|layout| layout.name().parse::<Layout>().unwrap() == *layout));
    let message = "coco".parse::<Layout>().unwrap_err().to_string();
    assert_eq!(message, "layout: expected mvtec, mvtec-3d, visa, folders, found coco");
}

/// One of each fault, beside files without any.
fn faulty() -> tempfile::TempDir {
    let dir = tiny(&[
        ("train/good/fine.png", 8),
        ("train/good/torn.png", 8),
        ("test/good/clean.png", 8),
        ("test/good/marked.png", 8),
        ("test/good/black.png", 8),
        ("test/crack/fine.png", 8),
        ("test/crack/small.png", 8),
        ("test/crack/lone.png", 8),
        ("test/crack/black.png", 8),
        ("test/crack/text.png", 8),
        ("test/bare/0.png", 8),
        ("ground_truth/good/marked_mask.png", 8),
        ("ground_truth/good/black_mask.png", 8),
        ("ground_truth/crack/fine_mask.png", 8),
        ("ground_truth/crack/small_mask.png", 5),
        ("ground_truth/crack/black_mask.png", 8),
        ("ground_truth/crack/text_mask.png", 8),
        ("ground_truth/crack/orphan_mask.png", 8),
        ("ground_truth/gone/0_mask.png", 8),
    ]);
    let torn = dir.path().join("train/good/torn.png");
    let bytes = std::fs::read(&torn).unwrap();
    std::fs::write(&torn, &bytes[..bytes.len() - 20]).unwrap();
    std::fs::write(dir.path().join("ground_truth/crack/text_mask.png"), "not a picture").unwrap();
    dir
}

#[test]
fn every_bad_file_is_named_with_its_reason() {
    let dir = faulty();
    let error = Dataset::open(dir.path()).unwrap().checked(OnBadFile::Fail).unwrap_err();
    let message = error.to_string();
    assert!(
        message.starts_with("data set: expected readable images and masks that fit them, found 8 bad files:")
    );
    let Error::BadFiles(bad) = error else { panic!("{message}") };
    let found: Vec<(String, &str)> = bad
        .iter()
        .map(|f| (f.path.strip_prefix(dir.path()).unwrap().display().to_string(), f.reason.as_str()))
        .collect();
    for ((path, reason), (expected_path, part)) in found.iter().zip([
        ("ground_truth/crack/black_mask.png", "marks nothing"),
        ("ground_truth/crack/orphan_mask.png", "expected an image of type crack"),
        ("ground_truth/crack/small_mask.png", "expected a mask of the size of its image, 8x8, found 5x5"),
        ("ground_truth/crack/text_mask.png", "expected a PNG, JPEG"),
        ("ground_truth/gone", "expected a folder of images test/gone"),
        ("ground_truth/good/marked_mask.png", "expected no mark on a good image, found 1 marked pixels"),
        ("test/crack/lone.png", "expected its mask"),
        ("train/good/torn.png", "expected a PNG, JPEG"),
    ]) {
        assert!(path == expected_path && reason.contains(part), "{path}: {reason}");
    }
    assert!(bad.iter().all(|f| message.contains(&f.to_string())), "{message}");
}

#[test]
fn bad_files_are_left_out_where_they_may_be() {
    let dir = faulty();
    let (set, bad) = Dataset::open(dir.path()).unwrap().checked("skip".parse().unwrap()).unwrap();
    assert_eq!(bad.len(), 8);
    let names = |paths: Vec<&PathBuf>| -> Vec<String> {
        paths.iter().map(|p| p.strip_prefix(dir.path()).unwrap().display().to_string()).collect()
    };
    assert_eq!(names(set.train.iter().collect()), ["train/good/fine.png"]);
    let left = names(set.test.iter().map(|s| &s.path).collect());
    assert_eq!(
        left,
        ["test/bare/0.png", "test/crack/fine.png", "test/good/black.png", "test/good/clean.png"]
    );
    let (again, none) = set.clone().checked(OnBadFile::Fail).unwrap();
    assert!(again == set && none.is_empty());
}

#[test]
fn a_set_of_nothing_but_bad_files_is_refused_either_way() {
    let dir = folder(&["train/good/a.png", "test/good/b.png"]);
    let message = Dataset::open(dir.path()).unwrap().checked(OnBadFile::Skip).unwrap_err().to_string();
    assert_eq!(message, "data set: expected readable images to learn from and to test with, found 0 and 0");
}

#[test]
fn a_jpeg_that_ends_too_soon_is_no_picture() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jpg");
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    image::RgbImage::from_fn(64, 48, |_, _| image::Rgb(rng.random())).save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let opened = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Picture::open(&path)
    };
    for part in [whole.len() - 1, whole.len() * 9 / 10, whole.len() / 2] {
        let message = opened(&whole[..part]).unwrap_err().to_string();
        let expected = format!("WebP or PNM picture, found {part} bytes of a JPEG image without its end");
        assert!(message.contains(&expected), "{message}");
    }
    // What cameras leave behind the end does not matter.
    let padded = [&whole[..], &[0; 64]].concat();
    assert_eq!(opened(&padded).unwrap(), opened(&whole).unwrap());
}
