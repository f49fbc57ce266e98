//! `snarm convert`: published files to ours and back, exact, and nothing of a pickle is run.

use std::path::{Path, PathBuf};

use snarm_core::bank::Bank;
use snarm_core::models::snarm::decoder::{OPTIONAL, Shape, SnarmDecoder, seeded_tensor, tensors};
use snarm_core::pickle::{Array, Pickle, state_dict};

use crate::run::{run, stderr, stdout};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/pickles").join(name)
}

fn entries(path: &Path, names: &[&str]) -> Vec<Option<Array>> {
    let pickle = Pickle::open(path).expect("a pickle");
    names.iter().map(|name| pickle.array(name).expect("an entry")).collect()
}

/// All tensors of a checkpoint, by name, in order.
fn state(path: &Path) -> Vec<(String, Array)> {
    let pickle = Pickle::open(path).expect("a checkpoint");
    let array = |name: &str| (name.to_owned(), pickle.array(name).expect("a tensor").expect("a tensor"));
    pickle.names().map(array).collect()
}

#[test]
fn checkpoints_of_both_formats_come_back_as_they_were() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = dir.path();
    for name in ["decoder.pth", "decoder-legacy.pth"] {
        let line = format!("convert {} --out d.safetensors", fixture(name).display());
        let said = stdout(&run(at, &line, 0));
        assert!(
            said.contains("a decoder of 4 channels and 1 branches, for any encoder with descriptors 6 wide"),
            "{said}"
        );
        let decoder = SnarmDecoder::open(&at.join("d.safetensors")).expect("a decoder");
        assert_eq!(*decoder.shape(), Shape { width: 6, channels: 4, branches: 1 });
        let said = stdout(&run(at, "convert d.safetensors --out back.pth", 0));
        assert!(said.contains("a PyTorch checkpoint of 62 tensors"), "{said}");
        assert_eq!(state(&fixture(name)), state(&at.join("back.pth")), "{name}");
        // And ours again, to the byte.
        let ours = std::fs::read(at.join("d.safetensors")).expect("a file");
        run(at, "convert back.pth --out d.safetensors", 0);
        assert_eq!(ours, std::fs::read(at.join("d.safetensors")).expect("a file"));
    }
}

#[test]
fn a_published_checkpoint_has_its_242_keys_or_is_refused_with_their_names() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = dir.path();
    let shape = Shape::published(512);
    let mut all: Vec<(String, Array)> = tensors(&shape)
        .into_iter()
        .map(|(name, shape)| {
            let array = if name.ends_with(OPTIONAL) {
                Array::of_i64(&shape, &[40_000])
            } else {
                Array::of_f32(&shape, &seeded_tensor(&name, &shape))
            };
            (name, array)
        })
        .collect();
    assert_eq!(all.len(), 242);
    std::fs::write(at.join("iter-40000.pth"), state_dict(&all).expect("a checkpoint")).expect("a file");
    let line = "convert iter-40000.pth --out d.safetensors --encoder seeded:small --licence MIT";
    let said = stdout(&run(at, line, 0));
    assert!(said.contains("a decoder of 128 channels and 4 branches, tied to its encoder"), "{said}");
    let decoder = SnarmDecoder::open(&at.join("d.safetensors")).expect("a decoder");
    assert_eq!(decoder.digest(), SnarmDecoder::seeded(&shape).expect("a decoder").digest());
    let about = decoder.about().expect("a header");
    assert_eq!((about.side, about.grid, about.licence.as_str()), (392, 49, "MIT"));
    assert_eq!(about.provenance.data, "converted from iter-40000.pth");
    run(at, "convert d.safetensors --out back.pth", 0);
    assert_eq!(state(&at.join("iter-40000.pth")), state(&at.join("back.pth")));

    let last = all.len() - 1;
    let bias = std::mem::replace(&mut all[last].1, Array::of_f32(&[1], &[f32::NAN]));
    std::fs::write(at.join("astray.pth"), state_dict(&all).expect("a checkpoint")).expect("a file");
    let said = stderr(&run(at, "convert astray.pth --out x.safetensors", 1));
    assert!(said.contains("head_list.15.1.bias of shape [1], found NaN in it"), "{said}");
    all[last].1 = bias;

    all.retain(|(name, _)| name != "mamba_list.2.1.mixer.A_log");
    all.push(("extra.weight".to_owned(), Array::of_f32(&[1], &[0.0])));
    std::fs::write(at.join("wrong.pth"), state_dict(&all).expect("a checkpoint")).expect("a file");
    let said = stderr(&run(at, "convert wrong.pth --out x.safetensors", 1));
    assert!(said.contains("the 242 tensors of a decoder of 4 branches and no others"), "{said}");
    assert!(said.contains("none named mamba_list.2.1.mixer.A_log, but also extra.weight"), "{said}");
    assert!(!at.join("x.safetensors").exists());
}

#[test]
fn what_a_checkpoint_cannot_say_is_said_instead() {
    let dir = tempfile::tempdir().expect("a folder");
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../snarm-core/assets/snarm-tiny-decoder.safetensors");
    let said = stdout(&run(dir.path(), &format!("convert {shipped} --out d.pth"), 0));
    assert!(
        said.contains("242 tensors, without the note that the decoder reads relative residuals"),
        "{said}"
    );
}

#[test]
fn pickled_banks_come_back_as_they_were() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = dir.path();
    let names =
        ["sample_features", "sample_pca_features", "sample_indices", "sample_image_indices", "images"];
    for protocol in [2, 4, 5] {
        let published = fixture(&format!("bank-{protocol}.pkl"));
        let line =
            format!("convert {} --out part.bank --encoder seeded:tiny --crop full", published.display());
        let said = stdout(&run(at, &line, 0));
        assert!(said.contains("a bank of 6 vectors from 3 images"), "{said}");
        let bank = Bank::open(&at.join("part.bank")).expect("a bank");
        assert_eq!((bank.vectors(), bank.width(), bank.images()), (6, 512, &[0, 0, 1, 2, 0, 0][..]));
        assert_eq!(bank.calibration().frames, 0);
        let said = stdout(&run(at, "convert part.bank --out back.pkl", 0));
        // All but how the frames were brought to the network's square is in both.
        assert!(
            said.ends_with("a pickled bank of 6 vectors, without what such a file cannot say: crop full\n"),
            "{said}"
        );
        assert_eq!(entries(&published, &names), entries(&at.join("back.pkl"), &names), "protocol {protocol}");
    }
    let line = format!("convert {} --out no.bank", fixture("bank-4.pkl").display());
    let said = stderr(&run(at, &line, 1));
    assert!(said.contains("the encoder of the published bank (--encoder)"), "{said}");
    // Of another grid than 28 x 28 the same tokens would lie in other images.
    let said = stderr(&run(at, &format!("{line} --encoder seeded:small"), 1));
    assert!(said.contains("expected 2401 tokens an image"), "{said}");
}

#[test]
fn a_converted_bank_inspects_and_is_calibrated_by_learning_more() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = dir.path();
    run(at, "simulate --out flange --as frames --good-frames 6 --frames 4 --width 192 --height 128", 0);
    run(at, "bank flange/train/good --out own.bank --capacity 300", 0);
    run(at, "convert own.bank --out own.pkl", 0);
    std::fs::write(at.join("upper.pgm"), b"P5\n1 2\n255\n\xff\x00").expect("a mask");
    let part = "--roi 0.25,0,0.5,1 --ignore-mask upper.pgm --tiles 2x1";
    run(at, &format!("bank flange/train/good --out part.bank --capacity 300 {part}"), 0);
    let said = stdout(&run(at, "convert part.bank --out part.pkl", 0));
    let lost = "without what such a file cannot say: roi 0.25,0,0.5,1, an ignore mask of 1x2, tiles 2x1";
    assert!(said.contains(lost) && said.contains("thresholds from the scores of good frames"), "{said}");
    run(at, "convert own.pkl --out again.bank --encoder snarm-tiny --crop full", 0);
    let [own, again] =
        ["own", "again"].map(|name| Bank::open(&at.join(format!("{name}.bank"))).expect("a bank"));
    assert_eq!((own.rows().data, own.images()), (again.rows().data, again.images()));
    run(at, "detect flange/test --bank again.bank --out out --pictures none", 0);
    run(at, "bank flange/train/good --out again.bank --capacity 400 --append", 0);
    assert!(Bank::open(&at.join("again.bank")).expect("a bank").calibration().frames > 0);
}

#[test]
fn code_in_a_pickle_is_refused_by_name_and_not_run() {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, code) in [("evil-system.pkl", "posix.system"), ("evil-system.pth", "posix.system")] {
        let line = format!("convert {} --out x --encoder seeded:tiny", fixture(name).display());
        let said = stderr(&run(dir.path(), &line, 1));
        assert!(said.contains(&format!("found the name {code}")), "{said}");
    }
    let left: Vec<_> = std::fs::read_dir(dir.path()).expect("a folder").collect();
    assert!(left.is_empty(), "{left:?}");
}
