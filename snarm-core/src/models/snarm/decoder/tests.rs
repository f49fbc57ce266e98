use std::cell::RefCell;
use std::collections::HashMap;

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use snarm_kernels::Grid;

use snarm_kernels::split::{HIGH, LOW};

use super::*;

/// Writes tensors of zeros under these names to a file and opens it as a decoder.
fn open(tensors: &[(String, Vec<usize>)]) -> Result<SnarmDecoder> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let zeros = vec![0_u8; 4 * 128 * 128 * 9];
    let views: HashMap<&str, TensorView<'_>> = tensors
        .iter()
        .map(|(name, shape)| {
            let len = 4 * shape.iter().product::<usize>();
            (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), &zeros[..len]).unwrap())
        })
        .collect();
    std::fs::write(file.path(), safetensors::serialize(views, None).unwrap()).unwrap();
    SnarmDecoder::open(file.path())
}

fn refusal(tensors: &[(String, Vec<usize>)]) -> String {
    open(tensors).err().map(|e| e.to_string()).unwrap_or_default()
}

#[test]
fn the_decoder_takes_each_of_its_242_tensors_once() {
    let taken = RefCell::new(Vec::new());
    let fetch = |name: &str, shape: &[usize]| {
        taken.borrow_mut().push((name.to_owned(), shape.to_vec()));
        Ok(vec![1.0; shape.iter().product()])
    };
    let published = Shape::published(512);
    SnarmDecoder::new(&published, &fetch).unwrap();
    let taken = taken.into_inner();
    let mut expected = tensors(&published);
    assert_eq!(expected.len(), 242);
    let parameters: usize = expected
        .iter()
        .filter(|(name, _)| !name.ends_with(OPTIONAL) && !name.contains("running_"))
        .map(|(_, shape)| shape.iter().product::<usize>())
        .sum();
    assert_eq!(parameters, 4_931_601);
    expected.retain(|(name, _)| !name.ends_with(OPTIONAL));
    assert_eq!(taken, expected);
}

#[test]
fn sizes_are_read_from_the_tensors() {
    for (channels, branches, rank) in [(128, 4, 8), (64, 3, 4), (20, 1, 2), (1, 2, 1)] {
        let shape = Shape { width: 6, channels, branches };
        assert_eq!(shape.rank(), rank);
        assert_eq!(*open(&tensors(&shape)).unwrap().shape(), shape);
    }
}

#[test]
fn a_file_must_hold_all_tensors_and_no_others() {
    let mut all = tensors(&Shape::published(64));
    assert_eq!(open(&all).unwrap().shape().width, 64);
    all.retain(|(name, _)| !name.ends_with(OPTIONAL));
    assert!(open(&all).is_ok(), "counters may be missing");

    let mut foreign = all.clone();
    foreign.push(("head_list.16.1.bias".to_owned(), vec![1]));
    let message = refusal(&foreign);
    assert!(message.contains("of 4 branches and no others, found also head_list.16.1.bias"), "{message}");

    let mut missing = all.clone();
    missing.retain(|(name, _)| name != "mamba_list.3.1.mixer.D");
    let message = refusal(&missing);
    assert!(message.contains("found none named mamba_list.3.1.mixer.D"), "{message}");
    missing.retain(|(name, _)| !name.starts_with("conv_list.3") && !name.starts_with("norm_list.1"));
    missing.push(("extra".to_owned(), vec![1]));
    let message = refusal(&missing);
    let expected = "none named conv_list.3.weight, conv_list.3.bias, mamba_list.3.1.mixer.D, norm_list.1.weight and 1 \
                    more, but also extra";
    assert!(message.contains(expected), "{message}");

    let wrong: Vec<_> = all
        .iter()
        .map(|(name, shape)| {
            (name.clone(), if name == "norm_list.2.bias" { vec![64] } else { shape.clone() })
        })
        .collect();
    let message = refusal(&wrong);
    assert!(message.contains("norm_list.2.bias of shape [128], found [64]"), "{message}");

    let behind: Vec<_> = all.iter().map(|(name, shape)| (format!("module.{name}"), shape.clone())).collect();
    let message = refusal(&behind);
    assert!(message.contains("all names behind the prefix module., which must be removed"), "{message}");
}

#[test]
fn small_grids_and_odd_ends_run() {
    let shape = Shape { width: 6, channels: 20, branches: 3 };
    let decoder = SnarmDecoder::seeded(&shape).unwrap();
    for (rows, columns, size, hard) in [
        (2, 2, Grid::square(5), vec![3]),
        (3, 3, Grid::square(3), vec![0, 8]),
        (4, 4, Grid::square(9), vec![]),
        (5, 5, Grid::square(1), (0..25).collect()),
        (2, 7, Grid { rows: 5, columns: 11 }, vec![1, 13]),
        (6, 3, Grid { rows: 12, columns: 6 }, (3..18).collect()),
    ] {
        let grid = Grid { rows, columns };
        let residuals = crate::encoder::seeded::values("residuals", grid.cells() * 6, 0.5, 0.5);
        let mut workspace = Workspace::new(&shape, grid, size).unwrap();
        let residuals = Residuals { inter: &residuals, intra: &residuals, hard: &hard };
        let first = decoder.run(&residuals, &mut workspace).unwrap().to_vec();
        assert!(first.len() == size.cells() && first.iter().all(|p| (0.0..=1.0).contains(p)), "grid {grid}");
        let again = decoder.run(&residuals, &mut workspace).unwrap();
        assert_eq!(first, again, "a used workspace must not shine through");
    }
}

/// Convolutions see a map as it lies in an order: what lies side by side there must lie side by side in the picture.
#[test]
fn neighbours_in_an_order_are_neighbours_in_the_picture() {
    let shape = Shape { width: 6, channels: 8, branches: 1 };
    for (rows, columns) in [(4, 4), (3, 7), (6, 2)] {
        let grid = Grid { rows, columns };
        let workspace = Workspace::new(&shape, grid, Grid::square(8)).unwrap();
        for order in 0..ORDERS {
            let lies = workspace.shape(order);
            let tokens = &workspace.places.orders()[order * grid.cells()..][..grid.cells()];
            let apart = |a: usize, b: usize| {
                let [a, b] = [a, b].map(|at| tokens[at] as usize);
                (a / columns).abs_diff(b / columns) + (a % columns).abs_diff(b % columns)
            };
            for at in 0..grid.cells() {
                assert!(
                    at % lies.columns + 1 == lies.columns || apart(at, at + 1) == 1,
                    "{grid} {order} {at}"
                );
                assert!(
                    at / lies.columns + 1 == lies.rows || apart(at, at + lies.columns) == 1,
                    "{grid} {order}"
                );
            }
        }
    }
}

/// The same decoder in large steps, on the host: what a device runs, but for its rounding.
#[test]
fn branches_together_are_branches_one_by_one() {
    for (width, channels, branches, grid, size, hard) in [
        (6, 20, 3, Grid::square(5), Grid::square(9), (3..19).collect::<Vec<u32>>()),
        (8, 16, 4, Grid { rows: 4, columns: 7 }, Grid { rows: 12, columns: 21 }, vec![0, 1, 5, 17, 27]),
        (2, 3, 1, Grid { rows: 6, columns: 3 }, Grid { rows: 6, columns: 3 }, (0..18).collect()),
        (6, 8, 2, Grid::square(4), Grid::square(4), vec![]),
    ] {
        let decoder = SnarmDecoder::seeded(&Shape { width, channels, branches }).unwrap();
        let of = |name| crate::encoder::seeded::values(name, grid.cells() * width, 0.5, 0.5);
        let (inter, intra) = (of("inter"), of("intra"));
        let mut workspace = Workspace::new(decoder.shape(), grid, size).unwrap();
        let residuals = Residuals { inter: &inter, intra: &intra, hard: &hard };
        let expected = decoder.run(&residuals, &mut workspace).unwrap();
        let mut stacked = decoder.stacked(&Place::Host, grid, size).unwrap();
        let parts = |hard: &[u32]| -> Vec<u32> {
            (0..grid.cells() as u32).map(|token| if hard.contains(&token) { HIGH } else { LOW }).collect()
        };
        // Others before: a used workspace must not shine through.
        for (inter, hard) in [(&intra, &[1][..]), (&inter, &hard)] {
            let map = stacked.run(inter.into(), (&intra).into(), (&parts(hard)).into(), hard.len()).unwrap();
            assert_eq!(map.len(), expected.len());
        }
        let found =
            stacked.run((&inter).into(), (&intra).into(), (&parts(&hard)).into(), hard.len()).unwrap();
        let found = found.view().host("test").unwrap();
        let apart = expected.iter().zip(found).map(|(e, f)| (e - f).abs()).fold(0.0, f32::max);
        assert!(apart < 1e-5, "{grid}: {apart}");
        let mut expected = Vec::new();
        decoder.navigate(&inter, &mut expected).unwrap();
        let q = stacked.navigate((&inter).into()).unwrap().view().host("test").unwrap();
        assert!(q.iter().zip(&expected).all(|(q, e)| (q - e).abs() < 1e-6));
        let none = parts(&[]);
        let others = stacked.run((&inter).into(), (&intra).into(), (&none[1..]).into(), 0);
        assert!(others.is_err(), "parts of fewer tokens");
        assert!(stacked.run((&inter).into(), (&intra).into(), (&none).into(), 1).is_err());
        assert!(stacked.run((&inter[1..]).into(), (&intra).into(), (&none).into(), 0).is_err());
    }
    let decoder = SnarmDecoder::seeded(&Shape { width: 2, channels: 3, branches: 1 }).unwrap();
    let line = Grid { rows: 8, columns: 1 };
    assert!(decoder.stacked(&Place::Host, line, Grid::square(8)).is_err());
}

#[test]
fn what_does_not_fit_is_refused() {
    let shape = Shape { width: 2, channels: 8, branches: 1 };
    for shape in [Shape { width: 5, ..shape }, Shape { channels: 0, ..shape }, Shape { branches: 5, ..shape }]
    {
        assert!(SnarmDecoder::seeded(&shape).is_err(), "{shape:?}");
    }
    assert!(Workspace::new(&shape, Grid { rows: 8, columns: 1 }, Grid::square(8)).is_err());
    let decoder = SnarmDecoder::seeded(&shape).unwrap();
    let mut other =
        Workspace::new(&Shape { branches: 2, ..shape }, Grid::square(2), Grid::square(4)).unwrap();
    assert!(decoder.run(&Residuals { inter: &[0.0; 8], intra: &[0.0; 8], hard: &[1] }, &mut other).is_err());
    let mut workspace = Workspace::new(&shape, Grid::square(2), Grid::square(4)).unwrap();
    let mut run = |inter: &[f32], hard: &[u32]| {
        decoder.run(&Residuals { inter, intra: &[0.0; 8], hard }, &mut workspace).err().map(|e| e.to_string())
    };
    assert_eq!(run(&[0.0; 8], &[1]), None);
    let refused = run(&[0.0; 8], &[4]).unwrap();
    assert_eq!(refused, "SNARM decoder: expected hard tokens among 4, found 4");
    assert!(run(&[0.0; 6], &[1]).is_some());
}

/// What a small decoder says of itself.
fn about(decoder: &SnarmDecoder) -> About {
    let calibration = Calibration::new(decoder.scorer(), true, &[0.1, 0.2], &[0.1, 0.3]).unwrap();
    About {
        encoder: "seeded:small".to_owned(),
        encoder_digest: "00".to_owned(),
        side: 392,
        grid: 49,
        shape: *decoder.shape(),
        relative: false,
        provenance: Provenance {
            categories: vec!["a".into(), "b".into()],
            steps: 7,
            seed: 1,
            data: "x".into(),
        },
        licence: "MIT".to_owned(),
        calibration: Some(calibration),
    }
}

#[test]
fn a_decoder_file_is_read_back_as_it_was_written() {
    let shape = Shape { width: 6, channels: 20, branches: 2 };
    let decoder = SnarmDecoder::seeded(&shape).unwrap();
    let about = about(&decoder);
    let file = tempfile::NamedTempFile::new().unwrap();
    let fetch = |name: &str, shape: &[usize]| Ok(seeded_tensor(name, shape));
    save(file.path(), &about, &fetch, None).unwrap();
    let read = SnarmDecoder::open(file.path()).unwrap();
    assert_eq!((read.about(), read.digest()), (Some(&about), decoder.digest()));
    let first = std::fs::read(file.path()).unwrap();
    save(file.path(), &about, &fetch, None).unwrap();
    assert_eq!(first, std::fs::read(file.path()).unwrap(), "the same decoder is the same bytes");
    save(file.path(), &about, &fetch, Some(&[5; 8])).unwrap();
    assert_eq!(
        SnarmDecoder::open(file.path()).unwrap().digest(),
        decoder.digest(),
        "counters change no score"
    );
    assert_ne!(first, std::fs::read(file.path()).unwrap());
}

/// Numbers that are damaged are numbers all the same: the digest alone knows.
#[test]
fn a_decoder_file_with_a_bit_turned_is_refused() {
    let decoder = SnarmDecoder::seeded(&Shape { width: 6, channels: 20, branches: 2 }).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let fetch = |name: &str, shape: &[usize]| Ok(seeded_tensor(name, shape));
    save(file.path(), &about(&decoder), &fetch, None).unwrap();
    let whole = std::fs::read(file.path()).unwrap();
    let header = 8 + u64::from_le_bytes(*whole.first_chunk().unwrap()) as usize;
    // The lowest bit of a number, at the beginning, inside and at the end of the tensors.
    for at in [header, header + (whole.len() - header) / 8 * 4, whole.len() - 4] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        std::fs::write(file.path(), damaged).unwrap();
        let refused = SnarmDecoder::open(file.path()).err().map(|error| error.to_string());
        assert!(refused.is_some_and(|text| text.contains("the file is damaged")), "byte {at}");
    }
}

#[test]
fn a_decoder_file_that_contradicts_itself_is_refused() {
    let shape = Shape { width: 6, channels: 20, branches: 2 };
    let decoder = SnarmDecoder::seeded(&shape).unwrap();
    let good = about(&decoder);
    let file = tempfile::NamedTempFile::new().unwrap();
    let refused = |about: &About, bias: f32| {
        let fetch = |name: &str, shape: &[usize]| {
            let mut tensor = seeded_tensor(name, shape);
            tensor[0] += if name == "simple_predictor.bias" { bias } else { 0.0 };
            Ok(tensor)
        };
        save(file.path(), about, &fetch, None).unwrap();
        SnarmDecoder::open(file.path()).err().map(|e| e.to_string()).unwrap_or_default()
    };
    assert_eq!(refused(&good, 0.0), "");
    let message = refused(&good, 1.0);
    assert!(message.contains(&format!("found one of {}", decoder.scorer())), "{message}");
    let message = refused(&About { grid: 1, ..good.clone() }, 0.0);
    assert!(message.contains("grid 1 and side 392"), "{message}");
}

#[test]
fn a_decoder_knows_its_encoder() {
    let encoder = Encoder::load("seeded:small", crate::encoder::PositionInterpolation::Legacy).unwrap();
    let decoder = |width| SnarmDecoder::seeded(&Shape { width, channels: 4, branches: 1 }).unwrap();
    assert!(
        decoder(512).check_encoder(&encoder).is_ok(),
        "a bare checkpoint serves any encoder of its width"
    );
    let refused = |decoder: SnarmDecoder| {
        decoder.check_encoder(&encoder).err().map(|e| e.to_string()).unwrap_or_default()
    };
    let message = refused(decoder(256));
    assert!(message.contains("expected an encoder with descriptors 256 wide, found 512"), "{message}");
    let good = About { encoder_digest: encoder.digest().to_owned(), ..about(&decoder(512)) };
    assert_eq!(refused(decoder(512).with_about(good.clone())), "");
    let message = refused(decoder(512).with_about(about(&decoder(512))));
    assert!(message.contains("expected the weights 00 (seeded:small), found"), "{message}");
    assert_eq!(
        refused(decoder(512).with_about(About { grid: 28, ..good.clone() })),
        "",
        "it reads other grids"
    );
    let message = refused(decoder(512).with_about(About { side: 448, ..good }));
    assert!(message.contains("expected side 448, found 392"), "{message}");
}

#[test]
fn the_decoder_that_ships_is_for_the_encoder_that_ships() {
    for name in ["snarm-tiny", "snarm-tiny@24", "snarm-tiny-1"] {
        let encoder = Encoder::load(name, crate::encoder::PositionInterpolation::Legacy).unwrap();
        let bytes = crate::models::shipped(encoder.digest()).expect("one ships");
        let decoder =
            SnarmDecoder::from_weights(&Weights::embedded("shipped decoder", bytes).unwrap(), Precision::F32)
                .unwrap();
        let about = decoder.about().unwrap();
        assert!(about.relative && about.calibration.is_some() && about.licence == "MIT OR Apache-2.0");
        assert!(about.provenance.data.starts_with("no data sets"), "{:?}", about.provenance.data);
        let decoder = crate::registry::decoder(None, &encoder).unwrap().expect("one ships");
        assert_eq!((decoder.family(), decoder.scorer()), (FAMILY, decoder.scorer()));
        let none = crate::registry::decoder(Some(crate::registry::NO_DECODER), &encoder).unwrap();
        assert!(none.is_none());
    }
    let other = Encoder::load("seeded:tiny", crate::encoder::PositionInterpolation::Legacy).unwrap();
    assert!(crate::registry::decoder(None, &other).unwrap().is_none());
}

#[test]
fn relative_residuals_are_in_units_of_what_is_usual() {
    let shape = Shape { width: 16, channels: 4, branches: 1 };
    let decoder = || SnarmDecoder::seeded(&shape).unwrap();
    assert_eq!(decoder().gain(Some(0.5)), 1.0, "published decoders read residuals as they are");
    let about = about(&decoder());
    let absolute = decoder().with_about(about.clone());
    assert_eq!(absolute.gain(Some(0.5)), 1.0);
    let relative = decoder().with_about(About { relative: true, ..about });
    assert_eq!((relative.gain(Some(0.5)), relative.gain(None)), (8.0, 1.0));
}
