use std::cell::RefCell;
use std::collections::HashMap;

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::*;

/// Writes tensors of zeros under these names to a file and opens it as a head.
fn open(tensors: &[(String, Vec<usize>)]) -> Result<Head> {
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
    Head::open(file.path())
}

fn refusal(tensors: &[(String, Vec<usize>)]) -> String {
    open(tensors).err().map(|e| e.to_string()).unwrap_or_default()
}

#[test]
fn the_head_takes_each_of_its_242_tensors_once() {
    let taken = RefCell::new(Vec::new());
    let fetch = |name: &str, shape: &[usize]| {
        taken.borrow_mut().push((name.to_owned(), shape.to_vec()));
        Ok(vec![1.0; shape.iter().product()])
    };
    Head::new(512, &fetch).unwrap();
    let mut taken = taken.into_inner();
    taken.sort_unstable();
    let mut expected = tensors(512);
    assert_eq!(expected.len(), 242);
    let parameters: usize = expected
        .iter()
        .filter(|(name, _)| !name.ends_with(OPTIONAL) && !name.contains("running_"))
        .map(|(_, shape)| shape.iter().product::<usize>())
        .sum();
    assert_eq!(parameters, 4_931_601);
    expected.retain(|(name, _)| !name.ends_with(OPTIONAL));
    expected.sort_unstable();
    assert_eq!(taken, expected);
}

#[test]
fn a_file_must_hold_all_tensors_and_no_others() {
    let mut all = tensors(64);
    assert_eq!(open(&all).unwrap().width(), 64);
    all.retain(|(name, _)| !name.ends_with(OPTIONAL));
    assert!(open(&all).is_ok(), "counters may be missing");

    let mut foreign = all.clone();
    foreign.push(("head_list.16.1.bias".to_owned(), vec![1]));
    let message = refusal(&foreign);
    assert!(message.contains("and no others, found a tensor head_list.16.1.bias"), "{message}");

    let mut missing = all.clone();
    missing.retain(|(name, _)| name != "mamba_list.3.1.mixer.D");
    let message = refusal(&missing);
    assert!(
        message.contains("expected a tensor mamba_list.3.1.mixer.D of shape [256], found none"),
        "{message}"
    );

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
    let head = Head::seeded(6).unwrap();
    for (grid, side, hard) in [(2, 5, vec![3]), (3, 3, vec![0, 8]), (4, 9, vec![]), (5, 1, (0..25).collect())]
    {
        let residuals = crate::encoder::seeded::values("residuals", grid * grid * 6, 0.5, 0.5);
        let mut workspace = Workspace::new(grid, side).unwrap();
        let residuals = Residuals { inter: &residuals, intra: &residuals, hard: &hard };
        let first = head.run(&residuals, &mut workspace).unwrap().to_vec();
        assert!(first.len() == side * side && first.iter().all(|p| (0.0..=1.0).contains(p)), "grid {grid}");
        let again = head.run(&residuals, &mut workspace).unwrap();
        assert_eq!(first, again, "a used workspace must not shine through");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    assert!(Head::seeded(5).is_err() && Workspace::new(1, 8).is_err());
    let head = Head::seeded(2).unwrap();
    let mut workspace = Workspace::new(2, 4).unwrap();
    let mut run = |inter: &[f32], hard: &[u32]| {
        head.run(&Residuals { inter, intra: &[0.0; 8], hard }, &mut workspace).err().map(|e| e.to_string())
    };
    assert_eq!(run(&[0.0; 8], &[1]), None);
    let refused = run(&[0.0; 8], &[4]).unwrap();
    assert_eq!(refused, "SNARM head: expected hard tokens among 4, found 4");
    assert!(run(&[0.0; 6], &[1]).is_some());
}
