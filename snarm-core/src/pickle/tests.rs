//! Files in `tests/data/pickles` were written by Python (`make.py` beside them).

use std::path::PathBuf;

use super::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/pickles").join(name)
}

/// The values that `make.py` fills arrays with.
fn ramp(len: usize, start: usize) -> Vec<f32> {
    (0..len).map(|i| ((i + start) % 251) as f32 / 8.0 - 15.0).collect()
}

fn array(pickle: &Pickle, name: &str) -> Array {
    pickle.array(name).unwrap().unwrap()
}

fn refusal(name: &str) -> String {
    let refused = Pickle::open(&fixture(name)).and_then(|pickle| pickle.array("sample_features"));
    refused.err().map(|e| e.to_string()).unwrap_or_default()
}

#[test]
fn banks_of_all_protocols_hold_the_same() {
    for protocol in [2, 4, 5] {
        let pickle = Pickle::open(&fixture(&format!("bank-{protocol}.pkl"))).unwrap();
        let names: Vec<&str> = pickle.names().collect();
        let expected = [
            "sample_features",
            "sample_pca_features",
            "sample_indices",
            "sample_image_indices",
            "pca",
            "images",
        ];
        assert_eq!(names, expected, "protocol {protocol}");
        let features = array(&pickle, "sample_features");
        assert_eq!((&features.shape[..], features.f32s().unwrap()), (&[6, 512][..], ramp(6 * 512, 0)));
        assert_eq!(features, array(&pickle, "sample_pca_features"));
        assert_eq!(array(&pickle, "sample_indices").i64s().unwrap(), [7, 3, 784, 1573, 783, 5]);
        assert_eq!(array(&pickle, "sample_image_indices").i64s().unwrap(), [0, 0, 1, 2, 0, 0]);
        assert_eq!(array(&pickle, "images").shape, [6, 3, 8, 8]);
        assert_eq!(pickle.array("nothing").unwrap(), None);
        let class = pickle.array("pca").err().unwrap().to_string();
        assert!(class.contains("pca: a tensor or an array, found an object"), "{class}");
    }
}

#[test]
fn archives_and_older_files_of_torch_hold_the_same() {
    let [zip, older] =
        ["decoder.pth", "decoder-legacy.pth"].map(|name| Pickle::open(&fixture(name)).unwrap());
    let names: Vec<&str> = zip.names().collect();
    assert!(names.len() == 62 && names.iter().copied().eq(older.names()), "{names:?}");
    for (number, name) in names.into_iter().enumerate() {
        let found = array(&zip, name);
        assert_eq!(found, array(&older, name), "{name}");
        if name.ends_with("num_batches_tracked") {
            assert_eq!(
                (found.kind, &found.shape[..], found.i64s().unwrap()),
                (Kind::I64, &[][..], vec![700 + number as i64])
            );
        } else {
            assert_eq!(found.f32s().unwrap(), ramp(found.len(), number), "{name}");
        }
    }
}

#[test]
fn views_are_gathered() {
    let pickle = Pickle::open(&fixture("views.pkl")).unwrap();
    let all = ramp(12, 0);
    let found = |name: &str| {
        let array = array(&pickle, name);
        (array.shape.clone(), array.f32s().unwrap())
    };
    let pick = |places: &[usize]| places.iter().map(|i| all[*i]).collect::<Vec<f32>>();
    assert_eq!(found("whole"), (vec![3, 4], all.clone()));
    assert_eq!(found("again"), found("whole"));
    assert_eq!(found("transposed"), (vec![4, 3], pick(&[0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11])));
    assert_eq!(found("slice"), (vec![2, 2], pick(&[5, 6, 9, 10])));
    assert_eq!(found("parameter"), (vec![12], all.clone()));
    assert_eq!((pickle.wrapper("d.weight"), pickle.wrapper("d.bias")), (Some("within"), None));
    assert_eq!(found("attributes"), (vec![2, 4], all[4..].to_vec()));
    assert_eq!(found("empty"), (vec![0, 4], vec![]));
    assert_eq!(found("columns"), (vec![2, 3], ramp(6, 0)));
    assert_eq!(found("halves"), (vec![5], ramp(5, 0)));
    assert_eq!(found("scalar"), (vec![], vec![2.5]));
    let flags = array(&pickle, "flags");
    assert_eq!((flags.kind, &flags.data[..]), (Kind::Bool, &[1, 0][..]));
}

#[test]
fn code_is_refused_by_name() {
    for (name, code) in [
        ("evil-system.pkl", "posix.system"),
        ("evil-system.pth", "posix.system"),
        ("evil-eval.pkl", "builtins.eval"),
        ("evil-popen.pkl", "subprocess.Popen"),
    ] {
        let message = refusal(name);
        let expected = format!(
            "expected nothing but tensors and arrays, of which no code is run, found the name {code}"
        );
        assert!(message.contains(&expected), "{name}: {message}");
    }
    assert!(!fixture("pwned").exists() && !Path::new("pwned").exists());
}

/// PyTorch keeps the imaginary part of a conjugate as numbers that are to be negated.
#[test]
fn elements_that_stand_for_others_are_refused() {
    let said = refusal("negated.pkl");
    assert!(said.contains("elements are stored as they are, found one marked with the text 'neg'"), "{said}");
}

#[test]
fn whole_numbers_are_read_from_halves() {
    let halves = |values: &[f32]| {
        let data = values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect();
        Array { kind: Kind::F16, shape: vec![values.len()], data }
    };
    assert_eq!(halves(&[2046.0, -3.0]).i64s(), Some(vec![2046, -3]));
    assert_eq!(halves(&[0.5]).i64s(), None);
    assert_eq!(halves(&[f32::INFINITY]).i64s(), None);
}

/// `torch.save` leaves checksums out where it is told to; any that are there must be right.
#[test]
fn archives_without_checksums_are_read_and_wrong_ones_refused() {
    let [zeros, wrong] = [0_u32, 7].map(|checksum| {
        let mut bytes = state_dict(&[("a".to_owned(), Array::of_f32(&[3], &ramp(3, 3)))]).unwrap();
        for at in 0..bytes.len() - 4 {
            let place = match &bytes[at..at + 4] {
                b"PK\x03\x04" => 14,
                b"PK\x01\x02" => 16,
                _ => continue,
            };
            let place = at + place..at + place + 4;
            bytes[place].copy_from_slice(&checksum.to_le_bytes());
        }
        bytes
    });
    let values = |bytes: &[u8]| {
        let (values, entries) = Pickle::read(bytes)?;
        values.array(entries[0].1).map(|array| array.f32s().unwrap())
    };
    assert_eq!(values(&zeros).unwrap(), ramp(3, 3));
    assert_eq!(values(&wrong).unwrap_err().found, "Invalid checksum");
}

#[test]
fn views_beyond_their_storage_and_foreign_numbers_are_refused() {
    assert!(
        refusal("beyond.pkl").contains("a view within 4 elements, found [4] from 1"),
        "{}",
        refusal("beyond.pkl")
    );
    assert!(refusal("big-endian.pkl").contains("byte order '>'"), "{}", refusal("big-endian.pkl"));
    let four = [0_u8; 16];
    let view = |offset, shape: &[usize], strides: &[usize]| {
        Array::strided(Kind::F32, &four, offset, shape, strides).is_ok()
    };
    assert!(view(3, &[1], &[1]) && view(0, &[2, 2], &[1, 2]) && view(9, &[0], &[1]));
    assert!(!view(0, &[5], &[0]), "a view larger than its storage");
    assert!(!view(usize::MAX, &[2], &[1]) && !view(0, &[2, usize::MAX], &[usize::MAX, 2]));
}

/// No file may bring the reader down: each of these is cut or changed at every place.
#[test]
fn damaged_files_are_errors_and_nothing_worse() {
    for name in ["views.pkl", "evil-system.pth", "evil-popen.pkl"] {
        let whole = std::fs::read(fixture(name)).unwrap();
        for at in 0..whole.len() {
            assert!(Pickle::read(&whole[..at]).is_err(), "{name} cut at {at}");
            for value in [0, 0xff, b'.', b'(', b'R', b'h', whole[at] ^ 1] {
                let mut changed = whole.clone();
                changed[at] = value;
                if let Ok((values, entries)) = Pickle::read(&changed) {
                    // What is still a dictionary gives arrays or says why not.
                    entries.iter().for_each(|(_, id)| drop(values.array(*id)));
                }
            }
        }
    }
}

#[test]
fn what_is_written_is_read_back() {
    let arrays = [
        ("a".to_owned(), Array::of_f32(&[2, 3], &ramp(6, 3))),
        ("b".to_owned(), Array::of_i64(&[], &[-7])),
        ("c".to_owned(), Array::of_f32(&[0], &[])),
    ];
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut dump = Dump::new();
    dump.tensor("a", &arrays[0].1);
    dump.array("b", &arrays[1].1);
    dump.instance("pca", ("residual.pca_torch", "PCA_torch"), "n_components", -1);
    dump.tensor("c", &arrays[2].1);
    for bytes in [state_dict(&arrays).unwrap(), dump.finish()] {
        std::fs::write(file.path(), bytes).unwrap();
        let pickle = Pickle::open(file.path()).unwrap();
        for (name, expected) in &arrays {
            assert_eq!(array(&pickle, name), *expected, "{name}");
        }
    }
    // candle reads the same archive.
    std::fs::write(file.path(), state_dict(&arrays[..2]).unwrap()).unwrap();
    let theirs = candle_core::pickle::read_all(file.path()).unwrap();
    let (_, a) = theirs.iter().find(|(name, _)| name == "a").unwrap();
    assert_eq!((a.dims(), a.flatten_all().unwrap().to_vec1::<f32>().unwrap()), (&[2, 3][..], ramp(6, 3)));
}

#[test]
fn the_header_of_safetensors_is_no_pickle_whatever_its_length() {
    let pickle = std::fs::read(fixture("bank-4.pkl")).unwrap();
    assert!(Pickle::recognise(&pickle) && Pickle::recognise(&std::fs::read(fixture("decoder.pth")).unwrap()));
    assert!(!Pickle::recognise(b"\x80\x04\0\0\0\0\0\0{\"a\":1}") && !Pickle::recognise(b"\x80"));
}
