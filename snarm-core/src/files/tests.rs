use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use safetensors::tensor::{Dtype, TensorView};

use super::read::Opened;
use super::sealed::ENTRY;
use super::write::remove_strays;
use super::*;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

fn fifo(folder: &Path) -> PathBuf {
    let path = folder.join("fifo");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

#[test]
fn a_new_file_has_the_mode_of_any_other_and_an_old_one_keeps_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
    let (new, plain) = (dir.path().join("new"), dir.path().join("plain"));
    replace(&new, b"new").unwrap();
    File::create(&plain).unwrap();
    assert_eq!(mode(&new), mode(&plain));
    for kept in [0o600, 0o640, 0o664] {
        fs::set_permissions(&new, fs::Permissions::from_mode(kept)).unwrap();
        replace(&new, b"newer").unwrap();
        assert_eq!((mode(&new), fs::read(&new).unwrap()), (kept, b"newer".to_vec()));
    }
    assert_eq!(names(dir.path()), ["new", "plain"]);
}

#[test]
fn links_are_followed_also_to_what_is_not_there_yet() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::create_dir(dir.join("inner")).unwrap();
    symlink("inner/second", dir.join("first")).unwrap();
    symlink("file", dir.join("inner/second")).unwrap();
    for content in [b"old", b"new"] {
        replace(&dir.join("first"), content).unwrap();
        assert_eq!(fs::read(dir.join("inner/file")).unwrap(), content);
        assert!(fs::symlink_metadata(dir.join("first")).unwrap().is_symlink());
    }
    symlink("round", dir.join("round")).unwrap();
    assert!(replace(&dir.join("round"), b"").unwrap_err().to_string().contains("links in a circle"));
    assert_eq!(
        (names(dir), names(&dir.join("inner"))),
        (
            ["first", "inner", "round"].map(str::to_owned).to_vec(),
            ["file", "second"].map(str::to_owned).to_vec()
        )
    );
}

#[test]
fn devices_and_fifos_are_written_into_and_stay_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let null = dir.path().join("null");
    symlink("/dev/null", &null).unwrap();
    for path in [Path::new("/dev/null"), &null] {
        check_writable(path).unwrap();
        replace(path, b"nothing").unwrap();
    }
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    assert!(fs::symlink_metadata(&null).unwrap().is_symlink());
    assert!(replace(Path::new("/dev/full"), b"much").is_err());

    let fifo = fifo(dir.path());
    let reader = {
        let fifo = fifo.clone();
        let read = move || {
            let mut text = String::new();
            File::open(fifo).unwrap().read_to_string(&mut text).unwrap();
            text
        };
        std::thread::Builder::new().name("reader".to_owned()).spawn(read).unwrap()
    };
    replace(&fifo, b"through").unwrap();
    assert_eq!(reader.join().unwrap(), "through");
    assert!(fs::metadata(&fifo).unwrap().file_type().is_fifo());
    // What a program has open, as /dev/stdout names it, goes on behind what it holds.
    let open = dir.path().join("open");
    let mut file = File::create(&open).unwrap();
    file.write_all(b"before ").unwrap();
    let name = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
    replace(Path::new(&name), b"after").unwrap();
    assert_eq!(fs::read(&open).unwrap(), b"before after");
    assert_eq!(names(dir.path()), ["fifo", "null", "open"]);
}

#[test]
fn what_cannot_be_written_is_said_before_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("folder");
    fs::create_dir(&folder).unwrap();
    fs::write(dir.path().join("file"), b"old").unwrap();
    for path in [folder.clone(), dir.path().join("none/file"), dir.path().join("file/file"), PathBuf::new()] {
        assert!(check_writable(&path).is_err() && replace(&path, b"new").is_err(), "{}", path.display());
    }
    check_writable(&dir.path().join("file")).unwrap();
    drop(Replacement::of(&dir.path().join("file")).unwrap());
    assert_eq!(fs::read(dir.path().join("file")).unwrap(), b"old");
    assert_eq!(names(dir.path()), ["file", "folder"]);
}

#[test]
fn what_killed_runs_left_is_removed_and_what_runs_are_writing_stays() {
    let dir = tempfile::tempdir().unwrap();
    let writing = Replacement::of(&dir.path().join("file")).unwrap();
    let [unfinished] = &names(dir.path())[..] else { panic!("one unfinished file") };
    assert!(unfinished.starts_with(".snarm-") && unfinished.ends_with(".tmp"), "{unfinished}");
    for name in [".snarm-abcdefghijkl.tmp", ".snarm-abc.tmp", "snarm-abc.tmp", ".other-abc.tmp"] {
        fs::write(dir.path().join(name), b"half").unwrap();
    }
    symlink("snarm-abc.tmp", dir.path().join(".snarm-link.tmp")).unwrap();
    remove_strays(dir.path(), fs::metadata(dir.path()).unwrap().uid());
    let mut expected = [".other-abc.tmp", ".snarm-link.tmp", unfinished, "snarm-abc.tmp"];
    expected.sort_unstable();
    assert_eq!(names(dir.path()), expected);
    writing.finish().unwrap();
    assert!(!names(dir.path()).contains(unfinished));
}

#[test]
fn a_killed_run_leaves_what_the_next_one_removes() {
    let dir = tempfile::tempdir().unwrap();
    // The first writing of this process in that folder.
    fs::write(dir.path().join(".snarm-AbCdEfGhIjKl.tmp"), b"half").unwrap();
    replace(&dir.path().join("file"), b"whole").unwrap();
    assert_eq!(names(dir.path()), ["file"]);
}

#[test]
fn a_name_beside_a_file_cannot_be_guessed_and_links_at_names_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (path, other) = (dir.path().join("file"), dir.path().join("other"));
    fs::write(&other, b"another's").unwrap();
    // 12 letters and digits each: what is drawn twice alike in 20 is drawn from few.
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let writing = Replacement::of(&path).unwrap();
        let unfinished = names(dir.path()).into_iter().find(|name| name.starts_with(".snarm-")).unwrap();
        let drawn = unfinished.strip_prefix(".snarm-").and_then(|name| name.strip_suffix(".tmp")).unwrap();
        assert!(drawn.len() == 12 && drawn.chars().all(|c| c.is_ascii_alphanumeric()), "{unfinished}");
        let file = fs::symlink_metadata(dir.path().join(&unfinished)).unwrap();
        assert!(file.is_file() && file.nlink() == 1, "{unfinished}");
        assert!(seen.insert(unfinished), "the same name twice");
        drop(writing);
    }
    // Names that somebody guessed, with and without what the file is called.
    for guess in [".snarm-.tmp", ".snarm-file.tmp", "file.tmp", "file.part", ".file.tmp", "file~"] {
        symlink("other", dir.path().join(guess)).unwrap();
    }
    // A name of before, which is not drawn again.
    symlink("other", dir.path().join(seen.first().unwrap())).unwrap();
    replace(&path, b"whole").unwrap();
    put(&path, b"whole again").unwrap();
    assert_eq!(
        (fs::read(&path).unwrap(), fs::read(&other).unwrap()),
        (b"whole again".into(), b"another's".into())
    );
    assert!(!fs::symlink_metadata(&path).unwrap().is_symlink());
}

#[test]
fn no_file_but_a_regular_one_is_read_and_none_waits_for_a_writer() {
    let dir = tempfile::tempdir().unwrap();
    let path = fifo(dir.path());
    for (path, what) in [(&*path, "a FIFO"), (Path::new("/dev/zero"), "a device"), (dir.path(), "a folder")] {
        let message = read("thing", path).unwrap_err().to_string();
        assert_eq!(message, format!("thing: expected a file, found {what}: {}", path.display()));
    }
    let message = read("thing", &dir.path().join("none")).unwrap_err().to_string();
    assert!(message.starts_with("thing not found"), "{message}");
}

#[test]
fn what_was_read_stays_whatever_becomes_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, vec![7; 100_000]).unwrap();
    let bytes = read("thing", &path).unwrap();
    File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    assert!(bytes.iter().all(|byte| *byte == 7) && bytes.len() == 100_000);
    // Cut while it is open.
    fs::write(&path, vec![7; 100_000]).unwrap();
    let opened = Opened::of("thing", &path).unwrap();
    File::options().write(true).open(&path).unwrap().set_len(10).unwrap();
    let message = opened.whole().unwrap_err().to_string();
    assert!(message.contains("it changed while it was read"), "{message}");
}

#[test]
fn a_file_is_held_by_one_and_passes_to_the_new_content() {
    let dir = tempfile::tempdir().unwrap();
    let (path, link) = (dir.path().join("file"), dir.path().join("link"));
    assert_eq!(Hold::of(&path).unwrap_err().kind(), std::io::ErrorKind::NotFound);
    fs::write(&path, b"1").unwrap();
    symlink("file", &link).unwrap();
    let mut first = Hold::of(&link).unwrap();
    for content in [b"2", b"3"] {
        assert_eq!(Hold::of(&path).unwrap_err().kind(), std::io::ErrorKind::ResourceBusy);
        first.replace(content).unwrap();
        assert_eq!(fs::read(&path).unwrap(), content);
    }
    drop(first);
    let mut second = Hold::of(&path).unwrap();
    replace(&path, b"another's").unwrap();
    let message = second.replace(b"4").unwrap_err().to_string();
    assert!(message.contains("another program has written it meanwhile"), "{message}");
    assert_eq!(fs::read(&path).unwrap(), b"another's");
    fs::remove_file(&path).unwrap();
    second.replace(b"5").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"5");
}

#[test]
fn a_file_that_is_not_there_yet_belongs_to_whoever_writes_it_first() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let [mut first, mut second] = [(); 2].map(|()| Hold::of_place(&path).unwrap().unwrap());
    first.replace(b"1").unwrap();
    let message = second.replace(b"2").unwrap_err().to_string();
    assert!(message.contains("another program has written it meanwhile"), "{message}");
    assert_eq!(fs::read(&path).unwrap(), b"1");
    assert_eq!(Hold::of_place(&path).unwrap_err().kind(), std::io::ErrorKind::ResourceBusy);
    first.replace(b"3").unwrap();
    drop(first);
    Hold::of_place(&path).unwrap().unwrap().replace(b"4").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"4");
    assert!(Hold::of_place(std::path::Path::new("/dev/null")).unwrap().is_none());
}

#[test]
fn a_sealed_file_with_any_bit_turned_is_refused() {
    let values: Vec<u8> = (0..24).collect();
    let view = |shape: &[usize], data| TensorView::new(Dtype::U8, shape.to_vec(), data).unwrap();
    let about = serde_json::json!({ "format": "thing", "version": VERSION, "list": [1, 0.1, null] });
    let tensors = vec![("b", view(&[2, 6], &values[..12])), ("a", view(&[12], &values[12..]))];
    let whole = seal(&about, tensors).unwrap();
    let open = |bytes: &[u8]| -> Option<(String, bool)> {
        let file = Sealed::of("thing", Path::new("thing"), bytes).ok()?;
        let about: serde_json::Value = serde_json::from_str(&file.about).ok()?;
        file.is_version(&about["version"]).then_some((file.about, file.sealed))
    };
    assert_eq!(open(&whole), Some((about.to_string(), true)));
    for bit in 0..8 * whole.len() {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(open(&damaged), None, "bit {bit} of {}", 8 * whole.len());
    }
    // A file of before has neither.
    let older = serde_json::json!({ "format": "thing", "version": 1 }).to_string();
    let entries = [(ENTRY.to_owned(), older.clone())].into();
    let older_file = safetensors::serialize([("a", view(&[12], &values[12..]))], Some(entries)).unwrap();
    assert_eq!(open(&older_file), Some((older, false)));
}

#[test]
fn what_would_be_replaced_is_found_behind_links_and_is_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("a"), b"1").unwrap();
    symlink("a", at("link")).unwrap();
    symlink("none", at("astray")).unwrap();
    symlink("/dev/null", at("nothing")).unwrap();
    assert_eq!(replaced(&at("a")).unwrap(), Some(at("a")));
    assert_eq!(replaced(&at("link")).unwrap(), Some(at("a")));
    for name in ["none", "astray", "nothing", "/dev/null", "/dev/stdout"] {
        assert_eq!(replaced(&at(name)).unwrap(), None, "{name}");
    }
    assert!(replaced(folder.path()).is_err());
}
