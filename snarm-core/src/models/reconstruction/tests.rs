use std::path::Path;

use safetensors::serialize;
use safetensors::tensor::{Dtype, TensorView};

use super::*;
use crate::encoder::{Geometry, IMAGENET, Level, seeded};
use crate::models::family::Provenance;
use crate::models::scan_order::{Curve, scan_order};
use crate::models::{Decoder as Any, mambaad, pyramid_mamba};

type Entry = (String, Dtype, Vec<usize>, Vec<u8>);

fn narrow(directions: usize, curve: Curve) -> Shape {
    let stages = [vec![1], vec![1, 2], vec![1], vec![1]];
    Shape { levels: [4, 6, 8], fused: 10, planes: 3, bottlenecks: 2, stages, states: 4, directions, curve }
}

fn geometry() -> Geometry {
    let level = |n: usize, width: usize| Level { grid: snarm_kernels::Grid::square(n), width };
    Geometry::new(snarm_kernels::Grid::square(256), level(64, 4), IMAGENET)
        .and(level(32, 6))
        .and(level(16, 8))
}

fn value(name: &str, shape: &[usize]) -> Vec<f32> {
    let (offset, scale) = match name {
        name if name.ends_with("running_var") => (1.0, 0.2),
        name => seeded::common_rule(name, shape),
    };
    seeded::values(name, shape.iter().product(), offset, scale)
}

/// A published checkpoint of a family.
fn checkpoint(kind: &'static Kind, shape: &Shape) -> Vec<Entry> {
    let float = |name: String, shape: Vec<usize>| {
        let bytes = bytemuck::cast_slice(&value(&name, &shape)).to_vec();
        (name, Dtype::F32, shape, bytes)
    };
    let mut all: Vec<Entry> = vec![float("net_t.conv1.weight".to_owned(), vec![4, 3, 7, 7])];
    all.extend(tensors(kind, shape).unwrap().into_iter().map(|(name, shape)| float(name, shape)));
    for (s, modules) in shape.stages.iter().enumerate() {
        for (i, b) in modules.iter().enumerate().flat_map(|(i, n)| (0..*n).map(move |b| (i, b))) {
            let at = format!("net_s.layers_up.{s}.blocks.{i}.smm_blocks.{b}.self_attention.scans.index_flat");
            for (level, ending) in
                ["", "1", "2"].into_iter().enumerate().take(if kind.quarters { 3 } else { 1 })
            {
                let order = scan_order(shape.curve, 8 << s >> level, 0);
                let mut inverse = vec![0_i64; order.len()];
                order.iter().enumerate().for_each(|(place, cell)| inverse[*cell as usize] = place as i64);
                let order: Vec<i64> = order.into_iter().map(i64::from).collect();
                for (name, table) in
                    [(format!("{at}{ending}"), order), (format!("{at}_inv{ending}"), inverse)]
                {
                    all.push((name, Dtype::I64, vec![1, table.len()], bytemuck::cast_slice(&table).to_vec()));
                }
            }
        }
    }
    all
}

fn write(path: &Path, entries: &[Entry]) {
    let views = entries.iter().map(|(name, dtype, shape, bytes)| {
        (name.as_str(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    std::fs::write(path, serialize(views, None).unwrap()).unwrap();
}

/// A decoder in a file of these entries.
fn open(entries: &[Entry]) -> Result<Any> {
    let file = tempfile::NamedTempFile::new().unwrap();
    write(file.path(), entries);
    Any::open(file.path())
}

fn refused(entries: &[Entry], words: &str) {
    let error = open(entries).err().unwrap().to_string();
    assert!(error.contains(words), "{error}");
}

/// What a decoder makes of some features.
fn map(decoder: &Any) -> Vec<f32> {
    let geometry = geometry();
    let values = seeded::values("features", geometry.output_len(), 0.0, 1.0);
    let features = crate::encoder::Features::new(&geometry, &values).unwrap();
    let mut model = decoder.model(&geometry).unwrap();
    model.score(&features, None, None, &[], &mut Default::default()).unwrap().to_vec()
}

#[test]
fn families_curves_and_directions_are_told_by_the_tables_under_any_prefix() {
    for (kind, directions, curve) in [
        (&mambaad::KIND, 8, Curve::Hilbert),
        (&mambaad::KIND, 4, Curve::Zigzag),
        (&mambaad::KIND, 2, Curve::Sweep),
        (&pyramid_mamba::KIND, 4, Curve::Sweep),
    ] {
        let shape = narrow(directions, curve);
        let mut entries = checkpoint(kind, &shape);
        let decoder = open(&entries).unwrap();
        assert_eq!(decoder.family(), kind.family);
        let file = tempfile::NamedTempFile::new().unwrap();
        entries.iter_mut().for_each(|entry| entry.0 = format!("module.{}", entry.0));
        write(file.path(), &entries);
        let found = Reconstruction::open(kind, file.path()).unwrap();
        assert_eq!((found.shape(), &found.scorer), (&shape, &decoder.scorer().to_owned()));
        let map = map(&decoder);
        assert!(map.len() == 256 * 256 && map.iter().all(|v| v.is_finite()) && map[0] != map[1]);
    }
}

#[test]
fn the_other_spelling_of_published_checkpoints_is_the_same_decoder() {
    let entries = checkpoint(&mambaad::KIND, &narrow(8, Curve::Hilbert));
    let decoder = open(&entries).unwrap();
    let mut other = entries;
    for entry in &mut other {
        entry.0 = entry.0.replace("conv1b7.", "conv1b3.").replace("conv1a7.", "conv1a3.");
    }
    // What nothing reads.
    other.push((
        "net_s.layers_up.0.blocks.0.conv33.0.weight".to_owned(),
        Dtype::F32,
        vec![10, 1, 3, 3],
        vec![0; 360],
    ));
    let found = open(&other).unwrap();
    assert_eq!(found.scorer(), decoder.scorer());
    assert!(map(&found) == map(&decoder));
}

#[test]
fn tables_of_another_order_are_refused() {
    let whole = checkpoint(&mambaad::KIND, &narrow(8, Curve::Hilbert));
    let table = |entries: &mut Vec<Entry>, ending: &str| {
        entries.iter().position(|(name, ..)| name.contains("layers_up.3") && name.ends_with(ending)).unwrap()
    };
    let mut entries = whole.clone();
    let (at, inverse) = (table(&mut entries, "index_flat"), table(&mut entries, "index_flat_inv"));
    // The first two places of this curve are the first two cells; both tables are changed alike.
    entries[at].3[..16].rotate_left(8);
    entries[inverse].3[..16].rotate_left(8);
    refused(&entries, "along one of the curves [Hilbert, Sweep");
    let mut entries = whole.clone();
    entries[inverse].3[..16].rotate_left(8);
    refused(&entries, "index_flat_inv that undoes");
    let mut entries = whole.clone();
    entries[at].3[..8].copy_from_slice(&4096_i64.to_le_bytes());
    refused(&entries, "of 4096 places, for an input of 256 pixels, found place 4096");
    let mut entries = whole;
    entries.remove(at);
    refused(&entries, "index_flat of 4096 places, for an input of 256 pixels, found none of that name");
}

#[test]
fn what_is_missing_or_too_much_is_named() {
    let whole = checkpoint(&mambaad::KIND, &narrow(4, Curve::Sweep));
    let without = |part: &str| -> Vec<Entry> {
        whole.iter().filter(|(name, ..)| !name.contains(part)).cloned().collect()
    };
    refused(
        &without("blocks.0.finalconv11.bias"),
        "expected a tensor net_s.layers_up.0.blocks.0.finalconv11.bias",
    );
    refused(&without("net_t."), "a checkpoint with the network whose features it reconstructs");
    refused(&without("layers_up.3.blocks"), "at least 1 module a stage");
    let three = checkpoint(&pyramid_mamba::KIND, &narrow(4, Curve::Sweep));
    let mut wide = three.clone();
    let scan = wide.iter().position(|(name, ..)| {
        name.ends_with("layers_up.0.blocks.0.smm_blocks.0.self_attention.x_proj_weight")
    });
    let at = scan.unwrap();
    wide[at].2[0] = 8;
    wide[at].3 = [&wide[at].3[..], &wide[at].3[..]].concat();
    refused(&wide, "pyramid-mamba with [4] directions, found 8");
}

#[test]
fn a_file_of_ours_is_the_decoder_that_was_saved() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("own.safetensors");
    let shape = narrow(8, Curve::Hilbert);
    let about = About {
        encoder: "resnet34".to_owned(),
        encoder_digest: "0123".to_owned(),
        shape: shape.clone(),
        provenance: Provenance {
            categories: vec!["bottle".to_owned()],
            steps: 7,
            seed: 1,
            data: "a test".to_owned(),
        },
        licence: "none".to_owned(),
        calibration: None,
    };
    save(&path, &mambaad::KIND, &about, &|name, shape| Ok(value(name, shape)), Vec::new()).unwrap();
    let found = Reconstruction::open(&mambaad::KIND, &path).unwrap();
    assert_eq!((found.shape(), found.about()), (&shape, Some(&about)));
    let decoder = Any::open(&path).unwrap();
    assert_eq!(decoder.encoder(), Some("resnet34"));
    assert_eq!(decoder.scorer(), open(&checkpoint(&mambaad::KIND, &shape)).unwrap().scorer());
    let error = Reconstruction::open(&pyramid_mamba::KIND, &path).err().unwrap().to_string();
    assert!(error.contains("a decoder of the family pyramid-mamba") && error.contains("mambaad"), "{error}");
    let tiny = crate::encoder::Encoder::load(crate::encoder::SEEDED_TINY, crate::encoder::Reading::default())
        .unwrap();
    let error = decoder.check_encoder(&tiny).unwrap_err().to_string();
    assert!(error.contains("expected the weights 0123 (resnet34), levels [4, 6, 8] wide"), "{error}");
    let error = decoder.model(tiny.geometry()).err().unwrap().to_string();
    assert!(error.contains("three levels of features of a square input"), "{error}");
    let contradicts = About { shape: narrow(8, Curve::Sweep), ..about };
    save(&path, &mambaad::KIND, &contradicts, &|name, shape| Ok(value(name, shape)), Vec::new()).unwrap();
    // The curve of a file of ours is what its header says.
    assert_ne!(map(&Any::open(&path).unwrap()), map(&decoder));
}
