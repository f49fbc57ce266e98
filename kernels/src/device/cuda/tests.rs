use std::path::Path;
use std::process::{Command, Output};

use super::*;
use crate::device::{Buffer, Place};
use crate::error::Error;
use crate::fake_cuda::{self, Mode};
use crate::testing::{device, driver, noise, read as read_back};

/// Runs one of the tests below, which are ignored otherwise, in a process with another driver, or another setting of it.
fn child(test: &str, drivers: &Path, settings: &[(&str, &str)]) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--ignored", "--nocapture", &format!("device::cuda::tests::{test}")]);
    command.env(fake_cuda::FAKE_CUDA, "real").env("LD_LIBRARY_PATH", drivers).envs(settings.iter().copied());
    command.output().unwrap()
}

/// What [`says_what_is_wrong`] said.
fn complaint(drivers: &Path, settings: &[(&str, &str)]) -> String {
    let output = child("says_what_is_wrong", drivers, settings);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let line = text.lines().find_map(|line| line.split_once("found: ")).unwrap_or_else(|| panic!("{text}"));
    line.1.to_owned()
}

#[test]
#[ignore = "in a process of its own, which a test starts"]
fn says_what_is_wrong() {
    match Queue::new(0) {
        Ok(queue) => println!("found: {queue:?}"),
        Err(error) => println!("found: {error}"),
    }
}

/// A layer that is used until it fails: at the first step, or in the middle.
#[test]
#[ignore = "in a process of its own, which a test starts"]
fn works_until_it_fails() {
    let run = || -> crate::Result<()> {
        let place = Place::Cuda(Queue::new(0)?);
        let (x, w) = (Buffer::of(&place, &noise(64, 1))?, Buffer::of(&place, &noise(8, 2))?);
        for step in 0..4 {
            let mut y = Buffer::<f32>::new(&place, 64)?;
            crate::layer_norm::layer_norm(&x, &w, &w, 1e-6, &mut y)?;
            y.read(&mut [0.0; 64])?;
            println!("step {step} done");
        }
        Ok(())
    };
    match run() {
        Ok(()) => println!("found: no failure"),
        Err(error) => println!("found: {error}"),
    }
}

#[test]
fn cuda_devices_are_found_and_work() {
    if device().is_none() {
        return;
    }
    let devices = probe().unwrap();
    assert!(!devices.is_empty());
    for device in devices {
        println!("{device:?}");
        assert!(device.memory > 0 && device.capability.0 > 0 && device.processors > 0);
        check(device.ordinal).unwrap();
    }
}

#[test]
fn cuda_that_is_missing_or_too_old_is_named() {
    let Some(drivers) = fake_cuda::folder(Mode::Plain) else { return };
    let nowhere = tempfile_dir("nowhere");
    if !Path::new("/usr/lib/x86_64-linux-gnu/libcuda.so.1").exists() {
        assert_eq!(complaint(&nowhere, &[]), "CUDA: expected NVIDIA's driver (libcuda.so.1), found none");
    }
    let found = |settings: &[(&str, &str)]| complaint(&drivers, settings);
    assert!(found(&[]).contains("Fake GPU"));
    assert_eq!(
        found(&[("FAKE_CUDA_VERSION", "11040")]),
        "CUDA: expected a driver for CUDA 11.8 or later, found one for 11.4"
    );
    assert_eq!(found(&[("FAKE_CUDA_DEVICES", "0")]), "CUDA: expected a device 0, found none");
    assert_eq!(
        found(&[("FAKE_CUDA_CAPABILITY", "75")]),
        "CUDA: expected a device of compute capability 8.0 or later, found Fake GPU of 7.5"
    );
    let stripped = tempfile_dir("stripped");
    let source = fake_cuda::sources().join("without-streams.c");
    let mut compiler = Command::new("gcc");
    compiler.args(["-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o"]).arg(stripped.join("libcuda.so.1"));
    assert!(compiler.arg(source).status().unwrap().success());
    std::fs::copy(stripped.join("libcuda.so.1"), stripped.join("libcuda.so")).unwrap();
    assert_eq!(
        complaint(&stripped, &[]),
        "CUDA: expected a driver that has cuCtxGetCurrent, found one without"
    );
}

/// A folder below the one of what is built.
fn tempfile_dir(name: &str) -> std::path::PathBuf {
    let folder = fake_cuda::built().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn cuda_that_fails_later_is_an_error_and_no_panic() {
    let Some(drivers) = fake_cuda::folder(Mode::Plain) else { return };
    let run = |settings: &[(&str, &str)]| {
        let output = child("works_until_it_fails", &drivers, settings);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        (
            text.matches("done").count(),
            text.split("found: ").nth(1).unwrap().lines().next().unwrap().to_owned(),
        )
    };
    assert_eq!(run(&[]), (4, "no failure".to_owned()));
    let out_of_memory = "cuMemAlloc failed with CUDA_ERROR_OUT_OF_MEMORY";
    let (steps, said) = run(&[("FAKE_CUDA_ALLOCATIONS", "0")]);
    assert!(
        steps == 0 && said.contains("expected 256 bytes of Fake GPU") && said.contains(out_of_memory),
        "{said}"
    );
    let (steps, said) = run(&[("FAKE_CUDA_ALLOCATIONS", "4")]);
    assert!(steps == 2 && said.contains(out_of_memory), "{steps} {said}");
    let (steps, said) = run(&[("FAKE_CUDA_LAUNCHES", "3")]);
    assert!(steps == 3 && said.contains("CUDA_ERROR_LAUNCH_FAILED"), "{steps} {said}");
}

#[test]
fn cuda_buffers_keep_what_is_written_and_their_memory() {
    let Some(place) = device() else { return };
    let values = noise(1000, 7);
    let mut buffer = Buffer::of(&place, &values).unwrap();
    assert_eq!((buffer.place(), buffer.len(), read_back(&buffer)), (place.clone(), 1000, values.clone()));
    let before = crate::testing::count("allocations");
    buffer.resize(10).unwrap();
    buffer.resize(1000).unwrap();
    // Other tests of this process allocate, too: what is kept is seen by the address.
    let address = |buffer: &Buffer| match buffer.view() {
        crate::device::BufferView::Cuda(slice) => format!("{:?}", slice.arg()),
        crate::device::BufferView::Host(_) => panic!("on the host"),
    };
    let at = address(&buffer);
    buffer.resize(500).unwrap();
    assert_eq!(address(&buffer), at);
    assert!(before <= crate::testing::count("allocations"));
    buffer.write(&values[..500]).unwrap();
    assert_eq!(read_back(&buffer), values[..500]);
    let part = buffer.view().part(3..10).unwrap();
    assert_eq!(part.len(), 7);
    assert!(
        buffer.view().part(3..501).is_none()
            && buffer.view().part(std::ops::Range { start: 9, end: 3 }).is_none()
    );

    let mut halves = Buffer::of_products(&place, 1000).unwrap();
    halves.write(&values).unwrap();
    for (half, value) in read_back(&halves).iter().zip(&values) {
        assert!((half - value).abs() <= value.abs() / 256.0, "{half} {value}");
    }
    assert!(buffer.write(&values).unwrap_err().to_string().contains("expected 500 values, found 1000"));
}

#[test]
fn cuda_kernels_are_launched_with_what_they_take() {
    let Some(Place::Cuda(queue)) = device() else { return };
    const LAYER_NORM: Kernel = kernel!("../../layer_norm/layer_norm.ptx", "layer_norm");
    const NOTHING: Kernel = kernel!("../../layer_norm/layer_norm.ptx", "nothing");
    let refused = |kernel: &Kernel, shared: usize, arguments: &[Arg]| match queue.launch(
        kernel,
        [1, 1, 1],
        32,
        shared,
        arguments,
    ) {
        Err(Error::Cuda(text)) => text,
        other => panic!("{other:?}"),
    };
    let text = refused(&LAYER_NORM, 0, &[Arg::Int(1)]);
    assert_eq!(text, "kernel layer_norm: expected arguments of [8, 8, 8, 8, 4, 4, 4, 4] bytes, found [4]");
    assert!(refused(&NOTHING, 0, &[]).contains("kernel nothing: expected it in its module"));
    let text = refused(&LAYER_NORM, 1 << 20, &[]);
    assert!(text.contains("expected a device with 1048576 bytes of shared memory a block, found"), "{text}");
    assert_eq!(Queue::new(99).unwrap_err().to_string().split(',').next(), Some("CUDA: expected a device 99"));
    assert!(driver().is_none() || queue.device().name == "Fake GPU");
}

#[test]
fn cuda_work_is_recorded_and_launched_as_a_whole() {
    let Some(place) = device() else { return };
    let Place::Cuda(queue) = &place else { return };
    let (x, w) = (noise(64, 1), noise(8, 2));
    let (mut there, weights) = (Buffer::of(&place, &x).unwrap(), Buffer::of(&place, &w).unwrap());
    let (mut y, mut mirror) = (Buffer::new(&place, 64).unwrap(), Mirror::new(queue, 66).unwrap());
    let run = |x: &Buffer, y: &mut Buffer, mirror: &mut Mirror| -> crate::Result<()> {
        crate::layer_norm::layer_norm(x, &weights, &weights, 1e-6, &mut *y)?;
        mirror.copy(2, y.view().there("test")?)
    };
    let read = |mirror: &Mirror| {
        let mut values = vec![0.0; 66];
        mirror.read(0, &mut values).unwrap();
        values
    };
    run(&there, &mut y, &mut mirror).unwrap();
    let expected = read(&mirror);
    assert!(expected[..2] == [0.0; 2] && expected[2..].iter().all(|v| v.is_finite() && *v != 0.0));

    there.write(&noise(64, 3)).unwrap();
    let graph = Graph::record(queue, || run(&there, &mut y, &mut mirror)).unwrap();
    assert_eq!(read(&mirror), expected, "nothing runs while it is recorded");
    there.write(&x).unwrap();
    for _ in 0..2 {
        graph.launch().unwrap();
        assert_eq!(read(&mirror), expected);
    }
    // What another thread launches meanwhile runs, and is not recorded with it.
    let again = Graph::record(queue, || {
        std::thread::scope(|scope| scope.spawn(|| there.write(&noise(64, 4))).join().unwrap())?;
        run(&there, &mut y, &mut mirror)
    });
    again.unwrap().launch().unwrap();
    assert!(read(&mirror) != expected && read_back(&there) == noise(64, 4));

    // What cannot be recorded.
    let refused = |work: &mut dyn FnMut() -> crate::Result<()>| match Graph::record(queue, work) {
        Err(Error::Cuda(text)) => text,
        other => panic!("{other:?}"),
    };
    let waits = "expected work that can be recorded, found some that waits";
    assert_eq!(refused(&mut || queue.wait()), waits);
    assert!(refused(&mut || Buffer::<f32>::new(&place, 8).map(drop)).ends_with("takes memory"));
    assert!(refused(&mut || Mirror::new(queue, 8).map(drop)).ends_with("takes memory"));
    assert!(refused(&mut || y.read(&mut [0.0; 64])).ends_with("copies to the host"));
    assert!(refused(&mut || y.write(&[0.0; 64])).ends_with("copies from the host"));
    assert!(
        mirror.copy(3, y.view().there("test").unwrap()).is_err() && mirror.read(3, &mut [0.0; 64]).is_err()
    );

    assert!(graph.is_current());
    let more = Buffer::<f32>::new(&place, 8).unwrap();
    assert!(!graph.is_current() && graph.launch().unwrap_err().to_string().contains("where it was"));
    drop(more);
    assert!(!graph.is_current());
}
