use super::*;
use crate::testing::{assert_close, noise};

#[test]
fn agrees_with_the_reference() {
    let x = noise(50_000, 1);
    let (mut expected, mut found) = (x.clone(), x);
    reference::dropout(&mut expected, 0.3, 77);
    dropout(&mut found, 0.3, 77).unwrap();
    assert_close(&expected, &found, 1e-6);
}

#[test]
fn the_part_that_is_dropped_is_p_and_the_mean_stays() {
    for key in [1, 2, u64::MAX] {
        let mut x = vec![1.0; 100_000];
        dropout(&mut x, 0.1, key).unwrap();
        let dropped = x.iter().filter(|v| **v == 0.0).count();
        assert!((9_500..10_500).contains(&dropped), "{dropped}");
        let mean = x.iter().sum::<f32>() / x.len() as f32;
        assert!((mean - 1.0).abs() < 0.01, "{mean}");
    }
}

#[test]
fn what_is_dropped_is_zero_whatever_it_was() {
    let mut x = vec![f32::INFINITY; 1000];
    dropout(&mut x, 0.5, 3).unwrap();
    assert!(x.iter().all(|v| *v == 0.0 || *v == f32::INFINITY) && x.contains(&0.0));
}

#[test]
fn each_key_drops_others() {
    let dropped = |key: u64| {
        let mut x = vec![1.0; 1000];
        dropout(&mut x, 0.5, key).unwrap();
        x
    };
    assert_eq!(dropped(5), dropped(5));
    let same = dropped(5).iter().zip(dropped(6)).filter(|(a, b)| **a == *b).count();
    assert!((420..580).contains(&same), "{same}");
}

#[test]
fn nothing_is_dropped_at_zero_and_all_is_refused() {
    let mut x = [1.0, 2.0];
    dropout(&mut x, 0.0, 1).unwrap();
    assert_eq!(x, [1.0, 2.0]);
    assert!(dropout(&mut x, 1.0, 1).is_err() && dropout(&mut x, f32::NAN, 1).is_err());
}
