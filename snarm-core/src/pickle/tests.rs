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
        values.array(entries.all[0].1).map(|array| array.f32s().unwrap())
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
                    entries.all.iter().for_each(|(_, id)| drop(values.array(*id)));
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

/// A pickle of protocol 2 that begins with these parts, has `again` after them `times` times, and ends as a dictionary.
fn repeated(parts: &[&[u8]], again: &[u8], times: usize) -> Vec<u8> {
    [b"\x80\x02", &parts.concat()[..], &again.repeat(times), b"}."].concat()
}

fn name(module: &str, name: &str) -> Vec<u8> {
    format!("c{module}\n{name}\n").into_bytes()
}

fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

/// Programs that make much of few bytes: each asks for gigabytes or minutes, and is refused after a few times its size.
#[test]
fn programs_that_ask_for_more_than_their_size_are_refused() {
    const LONG: usize = 1_000_000;
    let bytes = [b"B", &(LONG as u32).to_le_bytes()[..], &vec![0; LONG]].concat();
    let size = [b"J", &(LONG as u32).to_le_bytes()[..]].concat();
    let (dtype, frombuffer) = (name("numpy", "dtype"), name("numpy.core.numeric", "_frombuffer"));
    let u1 = [&dtype[..], &text("u1"), b"K\x00K\x01\x87R"].concat();
    let storage = [
        b"(",
        &text("storage")[..],
        &name("torch", "FloatStorage"),
        &text("0"),
        &text("cpu"),
        b"K\x01tQq\x000",
    ]
    .concat();
    let rebuild = [&name("torch._utils", "_rebuild_tensor_v2")[..], b"q\x030"].concat();
    let key = text(&"k".repeat(LONG));
    let array = [
        &name("numpy.core.multiarray", "_reconstruct")[..],
        &name("numpy", "ndarray"),
        b"K\x00\x85C\x01b\x87R",
    ]
    .concat();
    let ones = b"h\x01".repeat(LONG);
    let nulls = b"N".repeat(LONG);
    for (what, bytes) in [
        (
            "arrays of the same bytes",
            repeated(
                &[
                    &frombuffer,
                    b"q\x000",
                    &u1,
                    b"q\x010",
                    &bytes,
                    b"q\x020",
                    &size,
                    b"\x85q\x030",
                    &text("C"),
                    b"q\x040",
                ],
                b"h\x00(h\x02h\x01h\x03h\x04tR0",
                2000,
            ),
        ),
        (
            "a state that is set again and again",
            repeated(
                &[&bytes, b"q\x020", &u1, b"q\x010", &size, b"\x85q\x030", &array],
                b"(K\x01h\x03h\x01\x89h\x02tb",
                20_000,
            ),
        ),
        (
            "a tensor of a million sizes",
            repeated(
                &[&storage, b"K\x01q\x010(", &ones, b"tq\x020", &rebuild],
                b"h\x03(h\x00K\x00h\x02h\x02tR0",
                300,
            ),
        ),
        (
            "a million arguments, many times",
            repeated(&[&storage, &rebuild, b"(h\x00K\x00))", &nulls, b"tq\x020"], b"h\x03h\x02R0", 3000),
        ),
        (
            "text to bytes, many times",
            repeated(
                &[
                    &text(&"a".repeat(LONG)),
                    b"q\x000",
                    &text("latin1"),
                    b"q\x010",
                    &name("_codecs", "encode"),
                    b"q\x020",
                ],
                b"h\x02h\x00h\x01\x86R0",
                2000,
            ),
        ),
        (
            "a long key, many times",
            repeated(
                &[
                    &key,
                    b"q\x050(",
                    &text("storage"),
                    &name("torch", "FloatStorage"),
                    b"h\x05",
                    &text("cpu"),
                    b"K\x01tq\x060",
                ],
                b"h\x06Q0",
                200_000,
            ),
        ),
        ("long texts that are kept once each", repeated(&[], &[&key[..], b"0"].concat(), 20)),
        (
            "a long name, many times",
            [b"\x80\x02", &key[..], b"q\x050}(", &b"h\x05N".repeat(100_000), b"u."].concat(),
        ),
        ("nothing, many times", repeated(&[], b"N", 50_000_000 / 16)),
    ] {
        let started = std::time::Instant::now();
        let refusal = Pickle::read(&bytes).err();
        let allowed = what == "long texts that are kept once each";
        assert_eq!(refusal.is_none(), allowed, "{what}: {refusal:?}");
        if let Some(Refusal { expected, found }) = refusal {
            let said = format!("expected {expected}, found {found}");
            let words = ["in proportion to the file", "at most 64 sizes"];
            assert!(words.iter().any(|word| said.contains(word)) && said.len() < 300, "{what}: {said}");
        }
        assert!(started.elapsed().as_secs() < 60, "{what} took {:?}", started.elapsed());
    }
}

/// An archive whose directory has many entries for the same bytes asks for many times its size.
#[test]
fn archives_that_unpack_to_more_than_their_size_are_refused() {
    use std::io::Write;
    const LONG: usize = 4 << 20;
    const STORAGES: usize = 40;
    let mut program = b"\x80\x02}(".to_vec();
    for key in 0..STORAGES {
        let key = text(&key.to_string());
        let size = [b"J", &(LONG as u32).to_le_bytes()[..]].concat();
        let id =
            [b"(", &text("storage")[..], &name("torch", "ByteStorage"), &key, &text("cpu"), &size, b"tQ"];
        program.extend([&key[..], &id.concat()].concat());
    }
    program.extend(b"u.");
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut member = |name: &str, bytes: &[u8]| {
        archive.start_file(name, stored).unwrap();
        archive.write_all(bytes).unwrap();
    };
    member("a/data.pkl", &program);
    (0..STORAGES).for_each(|key| member(&format!("a/data/{key}"), &vec![7; if key == 0 { LONG } else { 0 }]));
    let mut bytes = archive.finish().unwrap().into_inner();
    // Checksum, sizes and place of the first storage, for all.
    let entries: Vec<usize> = (0..bytes.len() - 52)
        .filter(|at| bytes[*at..].starts_with(b"PK\x01\x02") && bytes[at + 46..].starts_with(b"a/data/"))
        .collect();
    assert_eq!(entries.len(), STORAGES);
    for (from, to) in [(16, 28), (42, 46)] {
        let first = bytes[entries[0] + from..entries[0] + to].to_vec();
        entries.iter().for_each(|at| bytes[at + from..at + to].copy_from_slice(&first));
    }
    assert!(bytes.len() < 2 * LONG, "{}", bytes.len());
    let refusal = Pickle::read(&bytes).unwrap_err();
    let said = format!("{refusal:?}");
    assert!(said.contains("at most ") || said.contains("ever more memory"), "{said}");
}
