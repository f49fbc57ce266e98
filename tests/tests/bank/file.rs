//! A bank and its file: what is saved is what is opened, and no failure touches what was there.

use std::path::Path;

use snarm_core::bank::Bank;
use snarm_core::encoder::SEEDED_TINY;
use snarm_core::view::Crop;
use snarm_tests::skip::skip;

use crate::common::{D, check_error, encoder, saved};

fn assert_equal(a: &Bank, b: &Bank) {
    assert_eq!((a.digest(), a.vectors(), a.width()), (b.digest(), b.vectors(), b.width()));
    assert_eq!((a.header(), a.calibration(), a.images()), (b.header(), b.calibration(), b.images()));
    assert_eq!((a.rows().data, a.rows().norms), (b.rows().data, b.rows().norms));
}

/// Names of all files in a folder, sorted.
fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        dir.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_bank_that_is_saved_and_opened_is_the_same_bank() {
    let (dir, path, bank) = saved();
    assert_equal(&bank, &Bank::open(&path).unwrap());
    assert_eq!(files(dir.path()), ["part.bank"], "no temporary file stays");
    assert_eq!((bank.vectors(), bank.width(), bank.frames()), (60, D, 3));
    assert_eq!((bank.header().side, bank.header().grid, bank.crop()), (392, 28, Crop::Auto));
    assert_eq!((bank.encoder_name(), &*bank.header().encoder_digest), (SEEDED_TINY, encoder().digest()));
}

#[test]
fn a_failed_save_leaves_the_old_bank_as_it_was() {
    let (dir, path, bank) = saved();
    let old = std::fs::read(&path).unwrap();
    let check = |path: &Path| {
        check_error(bank.save(path), &["cannot write bank: ", &path.display().to_string()]);
    };
    check(&dir.path().join("missing/part.bank"));
    check(&path.join("part.bank"));
    std::fs::create_dir_all(dir.path().join("folder.bank/inside")).unwrap();
    check(&dir.path().join("folder.bank"));
    check(std::path::Path::new("/dev/full"));
    assert!(std::fs::read(&path).unwrap() == old, "byte for byte");
    assert_eq!(files(dir.path()), ["folder.bank", "part.bank"], "no temporary file stays");

    bank.save(&path).unwrap();
    assert!(std::fs::read(&path).unwrap() == old, "the same bank is the same bytes");
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_keeps_its_bank() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, path, bank) = saved();
    let old = std::fs::read(&path).unwrap();
    let permit = |mode| {
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    permit(0o555);
    if std::fs::write(dir.path().join("probe"), b"").is_ok() {
        skip("user", "this user may write everywhere");
    } else {
        check_error(bank.save(&path), &["cannot write bank: ", "part.bank"]);
        assert!(std::fs::read(&path).unwrap() == old);
    }
    permit(0o755);
}

/// One flipped bit made a distance infinite, and every frame normal.
#[test]
fn a_bank_with_a_flipped_bit_is_refused_by_its_digest() {
    let (_dir, path, bank) = saved();
    let whole = std::fs::read(&path).unwrap();
    let features = whole.len() - size_of_val(bank.rows().data);
    for at in [features / 2, features + 3, features + 4 * 1000 + 3, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << 6;
        std::fs::write(&path, damaged).unwrap();
        check_error(Bank::open(&path), &["part.bank"]);
    }
    let mut damaged = whole.clone();
    damaged[features + 4 * 1000] ^= 1;
    std::fs::write(&path, damaged).unwrap();
    check_error(Bank::open(&path), &["bank: expected content of SHA-256 ", "the file is damaged"]);
}

#[test]
fn a_bank_is_continued_by_one_at_a_time() {
    let (_dir, path, bank) = saved();
    let (opened, mut held) = Bank::open_to_append(&path).unwrap();
    assert_equal(&bank, &opened);
    for _ in 0..2 {
        check_error(
            Bank::open_to_append(&path),
            &["cannot write bank: somebody else is writing it", "part.bank"],
        );
        held.save(&bank).unwrap();
    }
    assert_equal(&bank, &Bank::open(&path).unwrap());
    drop(held);
    let (_, mut held) = Bank::open_to_append(&path).unwrap();
    bank.save(&path).unwrap();
    check_error(held.save(&bank), &["cannot write bank: another program has written it meanwhile"]);
}
