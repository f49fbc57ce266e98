//! What is found in folders: names of good in every layout, masks by any name, each file once, and nothing lost in silence.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;

use super::*;
use crate::dataset::walk::Walk;

/// Kinds of the test images with their verdict and whether they have a mask.
fn kinds(set: &Dataset) -> Vec<(&str, bool, bool)> {
    set.test.iter().map(|s| (s.kind.as_str(), s.anomalous, s.mask.is_some())).collect()
}

fn names(paths: &[PathBuf], root: &Path) -> Vec<String> {
    paths.iter().map(|path| path.strip_prefix(root).unwrap().display().to_string()).collect()
}

#[test]
fn good_is_found_by_its_usual_names_in_every_layout() {
    for good in [
        "good",
        "Good",
        "GOOD",
        "ok",
        "OK",
        "Okay",
        "normal",
        "NORMAL",
        "Nominal",
        "pass",
        "io",
        "I.O.",
        "defect-free",
        "Defect Free",
        "no_defect",
        "non-defective",
    ] {
        for (train, test) in [("train", "test"), ("Train", "TEST"), ("training", "Testing")] {
            let mvtec = folder(&[
                &format!("{train}/{good}/0.png"),
                &format!("{test}/{good}/1.png"),
                &format!("{test}/NG/2.png"),
                "Ground_Truth/ng/2.png",
            ]);
            let set = Dataset::open(mvtec.path()).unwrap();
            assert_eq!((set.train.len(), kinds(&set)), (1, vec![("NG", true, true), ("good", false, false)]));
            assert!(set.bad.is_empty() && set.left_out.is_empty(), "{:?} {}", set.bad, set.left_out);
            let mvtec_3d = folder(&[
                &format!("{train}/{good}/rgb/0.png"),
                &format!("{test}/{good}/rgb/1.png"),
                &format!("{test}/hole/RGB/2.png"),
                &format!("{test}/hole/gt/2.png"),
            ]);
            assert_eq!(Layout::of(mvtec_3d.path()).unwrap(), Layout::Mvtec3d);
            let set = Dataset::open(mvtec_3d.path()).unwrap();
            assert_eq!(
                (set.train.len(), kinds(&set)),
                (1, vec![("good", false, false), ("hole", true, true)])
            );
        }
        let visa: Vec<String> = (0..20).map(|i| format!("Data/Images/{good}/{i:02}.JPG")).collect();
        let mut files: Vec<&str> = visa.iter().map(String::as_str).collect();
        files.extend(["Data/Images/NG/0.JPG", "Data/Masks/NG/0.BMP"]);
        let set = Dataset::open(folder(&files).path()).unwrap();
        assert_eq!((set.train.len(), set.test.len()), (18, 3));
        assert_eq!(kinds(&set)[0], ("anomaly", true, true));
        let plain: Vec<String> = (0..10).map(|i| format!("{good}/{i}.png")).collect();
        let mut files: Vec<&str> = plain.iter().map(String::as_str).collect();
        files.extend(["NG/0.png", "ground_truth/ng/0_mask.png"]);
        let set = Dataset::open(folder(&files).path()).unwrap();
        assert_eq!((set.train.len(), kinds(&set)[3..].to_vec()), (7, vec![("NG", true, true)]), "{good}");
        assert!(kinds(&set)[..3].iter().all(|(kind, anomalous, _)| *kind == "good" && !anomalous));
    }
}

#[test]
fn several_names_of_good_are_all_good() {
    let dir =
        folder(&["train/ok/0.png", "train/normal/1.png", "test/OK/2.png", "test/good/3.png", "test/x/4.png"]);
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!(set.train.len(), 2);
    assert_eq!(set.test.iter().filter(|s| !s.anomalous).count(), 2);
}

#[test]
fn images_that_lie_in_the_folder_for_training_are_good() {
    let dir = folder(&["train/0.png", "train/1.png", "test/good/2.png", "test/crack/3.png"]);
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!((set.train.len(), set.test.len()), (2, 2));
}

#[test]
fn a_training_folder_without_good_parts_is_named_with_what_it_holds() {
    let dir = folder(&["train/crack/0.png", "test/good/2.png"]);
    let message = Dataset::open(dir.path()).unwrap_err().to_string();
    assert!(
        message.contains("expected a folder train/good") && message.contains("in train crack"),
        "{message}"
    );
}

#[test]
fn hidden_and_empty_folders_and_those_of_archives_are_no_categories_and_no_types() {
    let dir = folder(&[
        "part/train/good/0.png",
        "part/test/good/1.png",
        "part/test/__MACOSX/2.png",
        "part/test/.cache/2.png",
        "part/test/crack/3.png",
        "part/test/crack/._3.png",
        "__MACOSX/part/train/good/._0.png",
        ".git/config.png",
    ]);
    for empty in ["nothing/in/here", "part/test/empty", "part/train/.hidden"] {
        std::fs::create_dir_all(dir.path().join(empty)).unwrap();
    }
    assert_eq!(categories(dir.path()).unwrap(), [dir.path().join("part")]);
    let set = Dataset::open(&dir.path().join("part")).unwrap();
    assert_eq!(kinds(&set), [("crack", true, false), ("good", false, false)]);
    // Pictures in them are named, where they are no halves of others.
    let hidden = names(&set.left_out.hidden, &dir.path().join("part"));
    assert_eq!(hidden, ["test/.cache/2.png", "test/__MACOSX/2.png"]);
    assert_eq!(set.left_out, LeftOut { hidden: set.left_out.hidden.clone(), ..LeftOut::default() });
}

#[test]
fn pictures_in_hidden_folders_are_named_wherever_they_lie() {
    let dir = folder(&[
        "train/good/0.png",
        "train/good/.old/1.png",
        "train/good/deep/__MACOSX/deep/2.png",
        "train/good/.old/notes.txt",
        "train/.trash/3.png",
        "test/good/4.png",
        "test/good/.thumbs/4.png",
        "test/.thumbs/4.png",
        ".thumbs/4.png",
    ]);
    let expected = [
        ".thumbs/4.png",
        "test/.thumbs/4.png",
        "test/good/.thumbs/4.png",
        "train/.trash/3.png",
        "train/good/.old/1.png",
        "train/good/deep/__MACOSX/deep/2.png",
    ];
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!(names(&set.left_out.hidden, dir.path()), expected);
    assert_eq!((set.train.len(), set.test.len()), (1, 1));
    let (found, left_out) = images(&dir.path().join("train")).unwrap();
    assert_eq!(
        (found.len(), &names(&left_out.hidden, dir.path())[..]),
        (1, &expected.map(str::to_owned)[3..])
    );
    assert!(left_out.to_string().starts_with("3 hidden image(s): "), "{left_out}");
}

#[test]
fn patterns_leave_out_what_folders_do() {
    let dir = folder(&["a/1.png", "a/.2.png", "a/b/3.png", "c.mkv"]);
    fifo(&dir.path().join("a/pipe.png"));
    for (link, to) in [("a/gone.png", "nothing.png"), ("a/gone", "nothing"), ("a/b/up", "..")] {
        symlink(to, dir.path().join(link)).unwrap();
    }
    let mut walk = Walk::new();
    let found = walk.pattern(&dir.path().join("**/*")).unwrap();
    assert_eq!(names(&found, dir.path()), ["a/1.png", "a/b/3.png", "a/gone.png", "c.mkv"]);
    let of = |paths: &[PathBuf], name: &str| names(paths, dir.path()).iter().any(|found| found == name);
    assert_eq!(names(&walk.left_out.hidden, dir.path()), ["a/.2.png"]);
    assert!(
        of(&walk.left_out.others, "a/pipe.png") && of(&walk.left_out.others, "a/gone"),
        "{}",
        walk.left_out
    );
    assert!(of(&walk.left_out.again, "a/b/up"), "{}", walk.left_out);
}

#[test]
fn what_is_left_out_is_counted_and_named() {
    let dir = folder(&[
        "train/good/0.png",
        "train/good/1.gif",
        "train/good/2.GIF",
        "train/good/notes.txt",
        "train/good/.3.png",
        "train/crack/4.png",
        "test/good/5.png",
        "test/crack/6.heic",
        "test/7.png",
    ]);
    symlink("5.png", dir.path().join("test/good/again.png")).unwrap();
    let set = Dataset::open(dir.path()).unwrap();
    assert_eq!((set.train.len(), set.test.len()), (1, 1));
    let root = dir.path();
    let others = ["train/good/1.gif", "train/good/2.GIF", "train/good/notes.txt", "test/crack/6.heic"];
    let mut found = names(&set.left_out.others, root);
    found.sort();
    let mut expected = others.to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(names(&set.left_out.hidden, root), ["train/good/.3.png"]);
    assert_eq!(names(&set.left_out.again, root), ["test/good/again.png"]);
    assert_eq!(names(&set.left_out.unused, root), ["train/crack/4.png", "test/7.png"]);
    let text = set.left_out.to_string();
    for part in
        ["4 files that are no images (2 .gif, 1 .heic, 1 .txt)", "1 hidden image", "4.png", "again.png"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    // A set of nothing but such files says so.
    let dir = folder(&["train/good/0.png", "test/good/1.heic"]);
    let message = Dataset::open(dir.path()).unwrap_err().to_string();
    assert!(
        message.contains("found 1 and 0 (left out: 1 file that is no image") && message.contains("1.heic")
    );
}

#[test]
fn masks_are_found_by_any_ending_in_any_case_and_where_their_images_are() {
    let dir = folder(&[
        "train/good/0.png",
        "test/good/0.png",
        "test/crack/a.bmp",
        "test/crack/B.PNG",
        "test/crack/left/a.jpg",
        "test/crack/left/deep/c.tif",
        "test/crack/flat/d.png",
        "test/crack/1.2.png",
        "ground_truth/crack/a_mask.PNG",
        "ground_truth/crack/b_Mask.BMP",
        "ground_truth/crack/left/a_mask.png",
        "ground_truth/crack/left/deep/c.tiff",
        "ground_truth/crack/d_mask.png",
        "ground_truth/crack/1.2_mask.png",
    ]);
    let set = Dataset::open(dir.path()).unwrap();
    assert!(set.bad.is_empty(), "{:?}", set.bad);
    let pairs: Vec<(String, String)> = set
        .test
        .iter()
        .filter_map(|s| Some((names(std::slice::from_ref(&s.path), dir.path())[0].clone(), s.mask.clone()?)))
        .map(|(image, mask)| (image, names(&[mask], dir.path())[0].clone()))
        .collect();
    let expected = [
        ("1.2.png", "1.2_mask.png"),
        ("B.PNG", "b_Mask.BMP"),
        ("a.bmp", "a_mask.PNG"),
        ("flat/d.png", "d_mask.png"),
        ("left/a.jpg", "left/a_mask.png"),
        ("left/deep/c.tif", "left/deep/c.tiff"),
    ];
    let expected = expected.map(|(i, m)| (format!("test/crack/{i}"), format!("ground_truth/crack/{m}")));
    assert_eq!(pairs, expected);
}

#[test]
fn masks_of_the_only_kind_of_defect_may_lie_in_the_folder_of_masks_itself() {
    for files in [
        ["train/good/0.png", "test/good/1.png", "test/bad/2.png", "ground_truth/2_mask.png"],
        ["normal/0.png", "normal/1.png", "bad/2.png", "Masks/2.bmp"],
    ] {
        let dir = folder(&files);
        let set = if files[0].starts_with("train") {
            Dataset::open(dir.path()).unwrap()
        } else {
            layout::open_folders(dir.path()).unwrap()
        };
        let defects: Vec<_> = set.test.iter().filter(|s| s.anomalous).collect();
        assert!(defects.len() == 1 && defects[0].mask.is_some() && set.bad.is_empty(), "{:?}", set.bad);
    }
    // Of several kinds nobody knows which one they belong to.
    let dir = folder(&["train/good/0.png", "test/a/1.png", "test/b/2.png", "ground_truth/2_mask.png"]);
    let set = Dataset::open(dir.path()).unwrap();
    assert!(set.test.iter().all(|s| s.mask.is_none()));
    assert_eq!(names(&set.left_out.unused, dir.path()), ["ground_truth/2_mask.png"]);
}

#[test]
fn masks_may_be_links_to_one_file_and_images_may_not() {
    let dir =
        folder(&["train/good/0.png", "test/good/1.png", "test/crack/2.png", "test/crack/3.png", "black.png"]);
    let root = dir.path();
    std::fs::create_dir_all(root.join("ground_truth/crack")).unwrap();
    for name in ["2_mask.png", "3_mask.png"] {
        symlink(root.join("black.png"), root.join("ground_truth/crack").join(name)).unwrap();
    }
    let set = Dataset::open(root).unwrap();
    assert!(set.bad.is_empty() && set.test.iter().filter(|s| s.mask.is_some()).count() == 2, "{:?}", set.bad);
}

#[test]
fn each_file_of_a_set_counts_once_and_links_in_circles_end() {
    let dir = folder(&[
        "train/good/0.png",
        "train/good/1.png",
        "test/good/2.png",
        "test/crack/3.png",
        "ground_truth/crack/3.png",
    ]);
    let root = dir.path();
    for (link, to) in [
        ("train/good/latest", "."),
        ("train/good/up", ".."),
        ("test/a_latest", "crack"),
        ("test/crack/round", "../.."),
        ("test/good/known.png", "../../train/good/0.png"),
        ("test/good/aaa.png", "2.png"),
        ("ground_truth/crack/round", "."),
    ] {
        symlink(to, root.join(link)).unwrap();
    }
    let set = Dataset::open(root).unwrap();
    assert_eq!(names(&set.train, root), ["train/good/0.png", "train/good/1.png"]);
    let test: Vec<PathBuf> = set.test.iter().map(|s| s.path.clone()).collect();
    assert_eq!(names(&test, root), ["test/crack/3.png", "test/good/2.png"]);
    let again = names(&set.left_out.again, root);
    for link in ["train/good/latest", "test/a_latest/3.png", "test/good/known.png", "test/good/aaa.png"] {
        assert!(again.iter().any(|name| name == link), "{link} in {again:?}");
    }
}

fn fifo(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo is part of every system");
}

/// An ordinary open waits for a writer.
#[test]
fn a_fifo_that_is_named_is_refused_and_not_waited_for() {
    let dir = folder(&VISA);
    std::fs::create_dir(dir.path().join("split_csv")).unwrap();
    let table = "object,split,label,image,mask\ncandle,train,normal,candle/Data/Images/Normal/0.JPG,\n\
                 candle,train,normal,candle/Data/Images/Normal/pipe.JPG,\n\
                 candle,test,normal,candle/Data/Images/Normal/1.JPG,\n";
    std::fs::write(dir.path().join("split_csv/1cls.csv"), table).unwrap();
    let pipe = dir.path().join("candle/Data/Images/Normal/pipe.JPG");
    fifo(&pipe);
    for message in [
        Picture::open(&pipe).unwrap_err().to_string(),
        Mask::open(&pipe).unwrap_err().to_string(),
        crate::view::IgnoreMask::open(&pipe).unwrap_err().to_string(),
        crate::results::read_lines::<u32>(&pipe).unwrap_err().to_string(),
    ] {
        assert!(message.contains("expected a file, found a FIFO: "), "{message}");
    }
    assert_eq!(depth_of(std::slice::from_ref(&pipe), &Reading::default()).unwrap(), Depth::default());
    let (bad, _) = Dataset::open(&dir.path().join("candle")).unwrap().inspect().unwrap();
    let of_pipe = bad.iter().find(|file| file.path.file_name() == pipe.file_name());
    assert_eq!(of_pipe.map(|file| &*file.reason), Some("expected a file, found a FIFO"));
}

#[test]
fn what_is_no_file_is_not_opened() {
    let dir = folder(&["a.png"]);
    let pipe = dir.path().join("b.png");
    fifo(&pipe);
    let (found, left_out) = images(dir.path()).unwrap();
    assert_eq!((found, left_out.others), (vec![dir.path().join("a.png")], vec![pipe]));
}

#[test]
fn links_to_nothing_are_files_that_cannot_be_read() {
    let dir = folder(&["a.png"]);
    symlink("gone.png", dir.path().join("b.png")).unwrap();
    assert_eq!(images(dir.path()).unwrap().0.len(), 2);
    assert!(Picture::open(&dir.path().join("b.png")).unwrap_err().to_string().starts_with("image not found"));
}

#[test]
fn names_need_no_text() {
    let odd = |name: &[u8]| OsString::from_vec(name.to_vec());
    let dir = tempfile::tempdir().unwrap();
    let product = dir.path().join(odd(b"pr\xfcfling"));
    for (at, name) in [
        ("train/good", &b"a\xff.png"[..]),
        ("test/good", b"b\xfe.png"),
        ("test/ri\u{df}", b"c\xfd.png"),
        ("ground_truth/ri\u{df}", b"c\xfd_mask.png"),
    ] {
        let folder = product.join(at);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(odd(name)), b"").unwrap();
    }
    let kind = product.join("test").join(odd(b"kr\xe4tzer"));
    std::fs::create_dir_all(&kind).unwrap();
    std::fs::write(kind.join("d.png"), b"").unwrap();
    assert_eq!(categories(dir.path()).unwrap(), [product.as_path()]);
    let set = Dataset::open(&product).unwrap();
    assert_eq!(set.train.len(), 1);
    assert_eq!(kinds(&set), [("good", false, false), ("kr\\xe4tzer", true, false), ("riß", true, true)]);
    // VisA's table names its product in the same bytes.
    let visa = dir.path().join("visa");
    std::fs::create_dir_all(visa.join("split_csv")).unwrap();
    let images = visa.join(odd(b"n\xfcsse")).join("Data/Images/Normal");
    std::fs::create_dir_all(&images).unwrap();
    let table = b"object,split,label,image,mask\nn\xfcsse,train,normal,n\xfcsse/Data/Images/Normal/0.JPG,\n\
                  n\xfcsse,test,normal,n\xfcsse/Data/Images/Normal/1.JPG,\n";
    std::fs::write(visa.join("split_csv/1cls.csv"), table).unwrap();
    let set = Dataset::open(&visa.join(odd(b"n\xfcsse"))).unwrap();
    assert_eq!(set.train, [images.canonicalize().unwrap().join("0.JPG")]);
}

#[test]
fn paths_of_a_table_stay_in_its_folder() {
    const HEAD: &str = "object,split,label,image,mask\n";
    for row in [
        "candle,train,normal,../secret.JPG,",
        "candle,train,normal,candle/../../secret.JPG,",
        "candle,train,normal,/etc/secret.JPG,",
        "candle,test,anomaly,candle/Data/Images/Anomaly/0.JPG,../mask.png",
        "candle,test,anomaly,candle/Data/Images/Anomaly/0.JPG,/etc/mask.png",
    ] {
        let dir = visa_with(&format!("{HEAD}{row}\n"));
        let message = Dataset::open(&dir.path().join("candle")).unwrap_err().to_string();
        assert!(
            message.contains("expected a path below the folder of the data set, found '")
                && message.contains("in line 2"),
            "{message}"
        );
    }
}

#[test]
fn a_walk_goes_on_where_it_was_and_meets_nothing_twice() {
    let dir = folder(&["a/1.png", "a/b/2.png", "c/3.png"]);
    let root = dir.path();
    symlink("../a/1.png", root.join("c/0.png")).unwrap();
    let mut walk = Walk::new();
    assert_eq!(names(&walk.folder(&root.join("a/b")).unwrap(), root), ["a/b/2.png"]);
    assert_eq!(names(&walk.folder(&root.join("a")).unwrap(), root), ["a/1.png"]);
    assert_eq!(names(&walk.folder(&root.join("c")).unwrap(), root), ["c/3.png"]);
    assert_eq!(names(&walk.left_out.again, root), ["a/b/2.png", "c/0.png"]);
}
