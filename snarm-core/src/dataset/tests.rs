//! Layouts made of files with nothing in them, and pictures made here.

use super::*;
use crate::geometry::Rect;

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
    assert!(message.contains("expected a folder train/good"), "{message}");
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
    assert!(message.starts_with("image: expected a PNG or JPEG image, found "), "{message}");
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
fn masks_follow_the_geometry_of_the_map() {
    let mut mask = Mask::empty(8, 4);
    mask.data[8 + 6] = true; // row 1, column 6
    let count = |side, rect: Rect| {
        let on: Vec<_> = mask.on_map(side, rect).collect();
        let outside = on.iter().filter(|v| v.is_none()).count();
        (on.iter().position(|&v| v == Some(true)), outside)
    };
    // Squeezed: a map pixel is 2 x 1 mask pixels and takes the one right of its centre.
    let mut odd = Mask::empty(8, 4);
    odd.data[8 + 7] = true;
    assert_eq!(odd.on_map(4, Rect::WHOLE).position(|v| v == Some(true)), Some(7));
    assert_eq!(count(8, Rect::WHOLE), (Some(2 * 8 + 6), 0));
    // Letterbox: two of the eight map rows lie above and two below the image.
    assert_eq!(count(8, Rect { x: 0.0, y: -0.5, w: 1.0, h: 2.0 }), (Some(3 * 8 + 6), 32));
}
