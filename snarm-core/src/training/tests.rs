use candle_core::Tensor;
use safetensors::SafeTensors;
use serde_json::json;

use super::*;
use crate::error::Result;

/// Two variables, of which a step moves one or both.
fn start() -> Variables {
    let mut variables = Variables::default();
    variables.insert("a", vec![0.5, -1.0, 2.0, 0.25], &[2, 2]).unwrap();
    variables.insert("b", vec![1.0, -0.5], &[2]).unwrap();
    variables
}

/// Some loss that depends on the step; on `b` in every other one.
fn loss(variables: &Variables, step: u64) -> Result<Tensor> {
    let a = variables.get("a")?;
    let target = (step as f64 * 0.7).sin();
    let first = (a.sqr()? - target)?.sqr()?.sum_all()?;
    if step.is_multiple_of(2) {
        return Ok((first + a.matmul(&variables.get("b")?.reshape((2, 1))?)?.sqr()?.sum_all()?)?);
    }
    Ok(first)
}

fn run(variables: &Variables, optimiser: &mut AdamW, steps: std::ops::Range<u64>) -> Vec<f32> {
    let schedule = Schedule { base: 0.05, last: 0.01, warm_up: 3, steps: 12 };
    steps
        .map(|step| {
            let loss = loss(variables, step).unwrap();
            optimiser.step(variables, &loss.backward().unwrap(), schedule.rate(step)).unwrap();
            loss.to_scalar::<f32>().unwrap()
        })
        .collect()
}

#[test]
fn a_run_goes_on_from_a_checkpoint_as_if_it_had_not_been_interrupted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.checkpoint");
    let (whole, mut optimiser) = (start(), AdamW::new(AdamWSettings::default()));
    let expected = run(&whole, &mut optimiser, 0..12);
    for cut in [1, 5, 6, 11] {
        let (variables, mut optimiser) = (start(), AdamW::new(AdamWSettings::default()));
        let mut found = run(&variables, &mut optimiser, 0..cut);
        let notes = json!({ "best": 0.1 });
        let checkpoint = Checkpoint { step: cut, config: identity("x"), notes };
        checkpoint.save(&path, &variables, &Variables::default(), &optimiser).unwrap();

        let (variables, mut optimiser) = (start(), AdamW::new(AdamWSettings::default()));
        let read =
            Checkpoint::restore(&path, &identity("x"), &variables, &Variables::default(), &mut optimiser);
        assert_eq!(read.unwrap(), checkpoint);
        found.extend(run(&variables, &mut optimiser, cut..12));
        assert_eq!(expected, found, "cut before step {cut}");
        assert_eq!(whole.values("a").unwrap(), variables.values("a").unwrap());
        assert_eq!(whole.values("b").unwrap(), variables.values("b").unwrap());
    }
}

#[test]
fn a_variable_without_a_gradient_keeps_still() {
    let (variables, mut optimiser) = (start(), AdamW::new(AdamWSettings::default()));
    run(&variables, &mut optimiser, 0..1);
    let (b, a) = (variables.values("b").unwrap(), variables.values("a").unwrap());
    let moments = optimiser.moments["b"].clone();
    run(&variables, &mut optimiser, 1..2);
    assert_eq!(b, variables.values("b").unwrap());
    assert_eq!(moments, optimiser.moments["b"]);
    assert_ne!(a, variables.values("a").unwrap());
    assert_eq!((optimiser.steps_of("a"), optimiser.steps_of("b"), optimiser.steps_of("c")), (2, 1, 0));
}

#[test]
fn gradients_are_clipped_by_their_norm_together() {
    // The first step of Adam goes by the rate whatever the gradient is; the moments tell.
    let variables = start();
    let grads = loss(&variables, 0).unwrap().backward().unwrap();
    let norm_of = |clip: f64| {
        let mut optimiser = AdamW::new(AdamWSettings { clip, ..AdamWSettings::default() });
        let norm = optimiser.step(&start_like(&variables), &grads, 0.0).unwrap();
        let square = |m: &optim::Moments| m.first.iter().map(|v| f64::from(*v * 10.0).powi(2)).sum::<f64>();
        (norm, optimiser.moments.values().map(square).sum::<f64>().sqrt())
    };
    let (norm, kept) = norm_of(1e9);
    assert!(norm > 1.0 && (kept / norm - 1.0).abs() < 1e-5, "{norm} {kept}");
    let (same, clipped) = norm_of(1.0);
    assert!(same == norm && (clipped - 1.0).abs() < 1e-5, "{same} {clipped}");
}

/// The same variables: gradients are found by the identity of a variable.
fn start_like(variables: &Variables) -> Variables {
    variables.clone()
}

#[test]
fn what_is_not_a_number_moves_nothing() {
    let variables = start();
    let broken = (variables.get("a").unwrap().log().unwrap()).sum_all().unwrap();
    let loss = (broken + variables.get("b").unwrap().sum_all().unwrap()).unwrap();
    let grads = (loss * f64::INFINITY).unwrap().backward().unwrap();
    let refused = AdamW::new(AdamWSettings::default()).step(&variables, &grads, 0.1).unwrap_err().to_string();
    assert!(refused.starts_with("training: expected a finite gradient of a, found"), "{refused}");
    assert_eq!(variables.values("b").unwrap(), [1.0, -0.5]);
}

fn identity(name: &str) -> Identity {
    Identity::new(&json!({ "name": name, "rate": 0.1_f32, "data": { "images": 3 } })).unwrap()
}

#[test]
fn a_checkpoint_of_an_older_program_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.checkpoint");
    let (variables, mut optimiser) = (start(), AdamW::new(AdamWSettings::default()));
    let checkpoint = Checkpoint { step: 2, config: identity("one"), notes: json!(null) };
    checkpoint.save(&path, &variables, &Variables::default(), &optimiser).unwrap();
    // Written before files had a digest of their content.
    let bytes = std::fs::read(&path).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let mut entries = metadata.metadata().clone().unwrap();
    let mut about: serde_json::Value = serde_json::from_str(&entries["snarm"]).unwrap();
    about.as_object_mut().unwrap().remove("sha256");
    (about["version"], about["config"]) = (json!(1), json!("0123abcd"));
    entries.insert("snarm".to_owned(), about.to_string());
    let file = SafeTensors::deserialize(&bytes).unwrap();
    std::fs::write(&path, safetensors::serialize(file.tensors(), Some(entries)).unwrap()).unwrap();
    let read =
        Checkpoint::restore(&path, &identity("one"), &variables, &Variables::default(), &mut optimiser);
    let told = read.unwrap_err().to_string();
    assert!(told.contains("found one of an older program") && told.contains("start anew"), "{told}");
}

#[test]
fn a_foreign_or_torn_checkpoint_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.checkpoint");
    let (variables, mut optimiser) = (start(), AdamW::new(AdamWSettings::default()));
    run(&variables, &mut optimiser, 0..2);
    let checkpoint = Checkpoint { step: 2, config: identity("one"), notes: json!(null) };
    checkpoint.save(&path, &variables, &Variables::default(), &optimiser).unwrap();
    let mut restore = |config: &str| {
        let read =
            Checkpoint::restore(&path, &identity(config), &variables, &Variables::default(), &mut optimiser);
        read.unwrap_err().to_string()
    };
    let told = restore("two");
    let expected = "checkpoint: expected a run of the configuration name = \"two\", found \"one\": ";
    assert!(told.starts_with(expected), "{told}");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 4]).unwrap();
    assert!(restore("one").contains("a whole snarm checkpoint"));
    std::fs::remove_file(&path).unwrap();
    assert!(restore("one").starts_with("checkpoint not found"));
}

#[test]
fn the_log_of_a_resumed_run_is_cut_to_its_step() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.csv");
    let mut log = Log::open(&path, &["step", "loss", "score"], 0).unwrap();
    (0..4).for_each(|step| log.row(step, &[0.5 / (step + 1) as f64, f64::NAN]).unwrap());
    assert!(log.row(4, &[1.0]).is_err());
    drop(log);
    // A killed run may leave half a row.
    let torn = std::fs::read_to_string(&path).unwrap() + "4,0.1";
    std::fs::write(&path, torn).unwrap();
    Log::open(&path, &["step", "loss", "score"], 2).unwrap().row(2, &[0.125, 7.0]).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "step,loss,score\n0,0.5,\n1,0.25,\n2,0.125,7\n");
    assert!(Log::open(&path, &["step", "other"], 2).unwrap_err().to_string().contains("columns step,other"));
    Log::open(&path, &["step", "other"], 0).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "step,other\n");
}

#[test]
fn the_meter_knows_what_is_left() {
    let mut meter = Meter::new(10);
    let first = meter.step(0, 2.0);
    assert_eq!((first.step, first.steps, first.loss), (1, 10, 2.0));
    let second = meter.step(1, 1.0);
    assert!((second.loss - 1.95).abs() < 1e-12 && second.rate > 0.0);
    assert!((second.left.as_secs_f64() - 8.0 / second.rate).abs() < 1e-6);
}
