use std::path::Path;

use snarm_kernels::Grid;

use super::*;
use crate::dataset::{Picture, Reading};
use crate::encoder::{
    ConvSizes, Encoder, Level, PositionInterpolation, PyramidSizes, VitSizes, Workspace, seeded,
};
use crate::training::testing::{kernels, on_cuda, on_every_device};

on_every_device!(
    the_student_in_a_file_is_the_student_in_training,
    gradients_reach_every_variable_and_are_right,
    a_student_takes_the_course_of_the_kernels,
);

fn small() -> [Student; 3] {
    let conv = ConvSizes { patch: 4, kernel: 3, dims: [8, 12], blocks: [1, 2] };
    let vit = VitSizes { patch: 8, dim: 64, depth: 2, registers: 2 };
    let (dims, blocks, attending) = ([8, 12, 64, 20], [1, 1, 2, 1], [0, 0, 1, 0]);
    let pyramid = PyramidSizes { kernel: 3, dims, blocks, attending, fused: 16 };
    [Network::Conv(conv), Network::Pyramid(pyramid), Network::Vit(vit)].map(|network| Student {
        network,
        side: 32,
        width: 6,
    })
}

fn patches(student: &Student, image: &[f32]) -> Vec<f32> {
    let mut patches = vec![0.0; image.len()];
    snarm_kernels::patches::patches(image, Grid::square(student.side), student.patch(), &mut patches)
        .unwrap();
    patches
}

/// Variables that are nowhere zero, so that no path is closed.
fn variables(student: &Student, device: &Device) -> Variables {
    let variables = student.variables(1).unwrap().to_device(device).unwrap();
    for (name, var) in variables.iter() {
        let noise = seeded::values(name, var.elem_count(), 0.0, 0.1);
        let values: Vec<f32> =
            variables.values(name).unwrap().iter().zip(noise).map(|(v, n)| v + n).collect();
        variables.set(name, &values).unwrap();
    }
    variables
}

fn the_student_in_a_file_is_the_student_in_training(device: &Device) {
    for student in small() {
        let variables = variables(&student, device);
        let image = seeded::values("image", 3 * 32 * 32, 0.0, 1.0);
        let trained = student.forward(&variables, patches(&student, &image), 1).unwrap();
        let expected: Vec<f32> = trained.flatten_all().unwrap().to_vec1().unwrap();

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("student.safetensors");
        let tensors: Vec<_> = student
            .tensors()
            .into_iter()
            .map(|(n, s)| (n.clone(), s, variables.values(&n).unwrap()))
            .collect();
        let (grid, width) = (student.grid(), student.width);
        let geometry =
            Geometry::new(Grid::square(32), Level { grid: Grid::square(grid), width }, ([0.5; 3], [0.5; 3]));
        let header = Header::new(student.network.clone(), &geometry, "a test".into());
        file::save(&path, &header, &tensors).unwrap();
        let encoder = Encoder::load(path.to_str().unwrap(), PositionInterpolation::Legacy).unwrap();
        // A number of it that is another one.
        let (damaged, mut bytes) = (folder.path().join("damaged.safetensors"), std::fs::read(&path).unwrap());
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&damaged, bytes).unwrap();
        let refused = Encoder::load(damaged.to_str().unwrap(), PositionInterpolation::Legacy).err().unwrap();
        assert!(refused.to_string().contains("the file is damaged"), "{refused}");
        let (mut workspace, mut found) = (Workspace::default(), Vec::new());
        for _ in 0..2 {
            encoder.encode(&image, &mut workspace, &mut found).unwrap();
            assert_eq!(found.len(), expected.len());
            for (a, b) in expected.iter().zip(&found) {
                assert!((a - b).abs() < 0.02, "{a} {b}: more than the rounding to f16");
            }
        }
        assert_eq!((encoder.grid_side(), encoder.provenance()), (4, "a test"));
    }
}

/// Every variable's gradient, along a random direction of all of them, is the slope of the loss.
fn gradients_reach_every_variable_and_are_right(device: &Device) {
    for student in small() {
        let variables = variables(&student, device);
        let images = [seeded::values("a", 3 * 32 * 32, 0.0, 1.0), seeded::values("b", 3 * 32 * 32, 0.0, 1.0)];
        let both: Vec<f32> = images.iter().flat_map(|image| patches(&student, image)).collect();
        let loss = |variables: &Variables| {
            let y = student.forward(variables, both.clone(), 2).unwrap();
            (y - 0.3).unwrap().sqr().unwrap().mean_all().unwrap()
        };
        let grads = loss(&variables).backward().unwrap();
        for (name, var) in variables.iter() {
            let grad = grads.get(var.as_tensor()).unwrap_or_else(|| panic!("{name} has no gradient"));
            let grad: Vec<f32> = grad.flatten_all().unwrap().to_vec1().unwrap();
            let old = variables.values(name).unwrap();
            let way = seeded::values(&format!("way {name}"), old.len(), 0.0, 1.0);
            let expected: f64 = grad.iter().zip(&way).map(|(g, w)| f64::from(g * w)).sum();
            let at = |t: f32| {
                let moved: Vec<f32> = old.iter().zip(&way).map(|(v, w)| v + t * w).collect();
                variables.set(name, &moved).unwrap();
                f64::from(loss(&variables).to_scalar::<f32>().unwrap())
            };
            let t = 2e-3;
            let found = (at(t) - at(-t)) / f64::from(2.0 * t);
            variables.set(name, &old).unwrap();
            let scale = expected.abs().max(0.02);
            assert!((expected - found).abs() < 0.05 * scale, "{name}: {expected} {found}");
        }
    }
}

/// Losses of some steps of a student.
fn course(student: &Student, device: &Device) -> Vec<f32> {
    let variables = variables(student, device);
    let images = seeded::values("images", 2 * 3 * 32 * 32, 0.0, 1.0);
    let both: Vec<f32> = images.chunks(3 * 32 * 32).flat_map(|image| patches(student, image)).collect();
    let mut optimiser = AdamW::new(AdamWSettings::default());
    let steps = (0..6).map(|_| {
        let loss = (student.forward(&variables, both.clone(), 2).unwrap() - 0.3).unwrap().sqr().unwrap();
        let loss = loss.mean_all().unwrap();
        optimiser.step(&variables, &loss.backward().unwrap(), 3e-3).unwrap();
        loss.to_scalar::<f32>().unwrap()
    });
    steps.collect()
}

fn a_student_takes_the_course_of_the_kernels(device: &Device) {
    for student in small() {
        let (expected, found) = (kernels(|| course(&student, &Device::Cpu)), course(&student, device));
        println!("losses expected {expected:?}, found {found:?}");
        for (e, f) in expected.iter().zip(&found) {
            assert!((e - f).abs() < 1e-4 * e, "expected {expected:?}, found {found:?}");
        }
        assert!(expected[5] < 0.9 * expected[0], "nothing was learned: {expected:?}");
    }
}

/// A teacher of 32 x 32 pixels and 4 x 4 patches, in a file.
fn teacher(folder: &Path) -> Teacher {
    let [.., student] = &small();
    let variables = variables(student, &Device::Cpu);
    let path = folder.join("teacher.safetensors");
    let tensors: Vec<_> =
        student.tensors().into_iter().map(|(n, s)| (n.clone(), s, variables.values(&n).unwrap())).collect();
    let geometry =
        Geometry::new(Grid::square(32), Level { grid: Grid::square(4), width: 6 }, ([0.5; 3], [0.5; 3]));
    let header = Header::new(student.network.clone(), &geometry, "a test".into());
    file::save(&path, &header, &tensors).unwrap();
    Teacher::new(Encoder::load(path.to_str().unwrap(), PositionInterpolation::Legacy).unwrap())
}

fn run(folder: &Path, name: &str, steps: u64, stop: Option<u64>, resume: bool) -> Result<Outcome> {
    run_on(folder, name, steps, stop, resume, &Device::Cpu)
}

fn run_on(
    folder: &Path,
    name: &str,
    steps: u64,
    stop: Option<u64>,
    resume: bool,
    device: &Device,
) -> Result<Outcome> {
    let [Student { network, .. }, ..] = small();
    let settings = Settings {
        network,
        width: 4,
        steps,
        batch: 2,
        round: 4,
        visits: 2,
        rate: 3e-3,
        validation: 3,
        checkpoint: 3,
        seed: 5,
    };
    let pictures = Pictures::find(&[folder.join("pictures")], 0.25, Reading::default())?;
    let files = Files::of(&folder.join(name), resume)?;
    distill(&settings, teacher(folder), &pictures, &files, device, &mut |progress| {
        // What a killed run leaves: rows and a checkpoint of the past.
        assert!(stop.is_none_or(|stop| progress.step <= stop), "stopped");
    })
}

fn pictures(folder: &Path) {
    std::fs::create_dir(folder.join("pictures")).unwrap();
    for i in 0..4 {
        let noise = seeded::values(&format!("picture {i}"), 12 * 12, 128.0, 120.0);
        let data = (0..96 * 96 * 3).map(|at| noise[at / 3 / 96 / 8 * 12 + at / 3 % 96 / 8] as u8).collect();
        let picture = Picture { data, width: 96, height: 96 };
        picture.save_png(&folder.join(format!("pictures/{i}.png"))).unwrap();
    }
}

#[test]
fn a_killed_run_goes_on_as_if_it_had_not_been() {
    let folder = tempfile::tempdir().unwrap();
    pictures(folder.path());
    run(folder.path(), "whole.safetensors", 12, None, false).unwrap();
    let killed = std::panic::catch_unwind(|| run(folder.path(), "killed.safetensors", 12, Some(7), false));
    assert!(killed.is_err());
    run(folder.path(), "killed.safetensors", 12, None, true).unwrap();
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert!(read("whole.safetensors") == read("killed.safetensors"));
    // The logs are the same but for the seconds: a row a step, the loss on what is set apart at every third.
    let log = |name: &str| -> Vec<String> {
        let text = String::from_utf8(read(name)).unwrap();
        text.lines().map(|line| line.rsplit_once(',').unwrap().0.to_owned()).collect()
    };
    let rows = log("whole.csv");
    assert_eq!((rows.len(), &rows), (13, &log("killed.csv")));
    for (step, row) in rows[1..].iter().enumerate() {
        let validated = !row.split(',').nth(2).unwrap().is_empty();
        assert!(row.starts_with(&format!("{step},")) && validated == (step % 3 == 2), "{row}");
    }

    let longer = run(folder.path(), "killed.safetensors", 15, None, true).unwrap();
    assert!(longer.validation.is_finite() && read("whole.safetensors") != read("killed.safetensors"));
    std::fs::remove_file(folder.path().join("pictures/3.png")).unwrap();
    let other = run(folder.path(), "killed.safetensors", 15, None, true).unwrap_err().to_string();
    assert!(other.contains("checkpoint: expected") && other.contains("configuration"), "{other}");
}

#[test]
fn a_student_learns_what_its_teacher_sees() {
    let folder = tempfile::tempdir().unwrap();
    pictures(folder.path());
    let outcome = run(folder.path(), "long.safetensors", 300, None, false).unwrap();
    assert!(outcome.validation < 0.7, "{outcome:?}: 1 is what a constant reaches");
}

/// A run begins on a GPU and goes on here, from the same checkpoint.
#[test]
fn a_student_learns_with_cuda() {
    on_cuda(|device| {
        let folder = tempfile::tempdir().unwrap();
        pictures(folder.path());
        let outcome = run_on(folder.path(), "long.safetensors", 300, None, false, device).unwrap();
        assert!(outcome.validation < 0.7, "{outcome:?}: 1 is what a constant reaches");
        let here = run(folder.path(), "long.safetensors", 300, None, true).unwrap();
        assert!((here.validation - outcome.validation).abs() < 1e-4, "{here:?} {outcome:?}");
    });
}

#[test]
fn students_that_make_no_network_are_refused_before_anything_is_computed() {
    let folder = tempfile::tempdir().unwrap();
    pictures(folder.path());
    let found = Pictures::find(&[folder.path().join("pictures")], 0.0, Reading::default()).unwrap();
    let conv = |patch, kernel, dims| Network::Conv(ConvSizes { patch, kernel, dims, blocks: [1, 1] });
    let vit = |dim, depth| Network::Vit(VitSizes { patch: 8, dim, depth, registers: 2 });
    let pyramid = |kernel, dims, attending| {
        Network::Pyramid(PyramidSizes { kernel, dims, blocks: [1; 4], attending, fused: 8 })
    };
    let taps = "squares of taps with an odd side, at least 1 channel a stage";
    let attending = "as many attending blocks as a stage has, of a multiple of 64 channels";
    for (network, expected, size) in [
        (conv(8, 3, [8, 8]), "one descriptor for each of the teacher's 4 x 4", "2 x 2"),
        (conv(4, 4, [8, 8]), taps, "side 4, channels [8, 8]"),
        (conv(4, 3, [8, 0]), taps, "side 3, channels [8, 0]"),
        (pyramid(4, [8; 4], [0; 4]), taps, "side 4, channels [8, 8, 8, 8] and 8"),
        (pyramid(3, [8; 4], [0, 0, 1, 0]), attending, "1 of 1 with 8"),
        (pyramid(3, [64; 4], [0, 0, 2, 0]), attending, "2 of 1 with 64"),
        (vit(32, 2), "a token width that is a multiple of 64", "32"),
        (vit(100, 2), "a token width that is a multiple of 64", "100"),
        (vit(64, 1), "at least 2 blocks", "1"),
    ] {
        let settings = Settings {
            network,
            width: 4,
            steps: 1,
            batch: 1,
            round: 1,
            visits: 1,
            rate: 1e-3,
            validation: 1,
            checkpoint: 1,
            seed: 0,
        };
        let files = Files::of(&folder.path().join("x.safetensors"), false).unwrap();
        let refused = distill(&settings, teacher(folder.path()), &found, &files, &Device::Cpu, &mut |_| {})
            .unwrap_err()
            .to_string();
        assert!(refused.ends_with(&format!(": expected {expected}, found {size}")), "{refused}");
        assert!(!files.log().exists() && !files.out().exists());
    }
}
