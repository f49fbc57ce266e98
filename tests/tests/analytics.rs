//! The plugin in a newer GStreamer: with the feature `analytics`, upstream's overlays and ours draw what `snarmdetect`
//! attaches, and our meta survives there what it survives here.
//!
//! Set `SNARM_ANALYTICS_ROOT` to a folder in which `tests/roots/make-root.sh forky FOLDER` made a Debian system (root
//! rights, network, 2 GB); without it the tests are skipped ([`snarm_tests::skip::ALLOWED`]).

use std::path::Path;
use std::process::Command;

use image::RgbImage;
use serde_json::Value;
use snarm_tests::skip::skip;

/// Frames of the script: good ones, bad ones.
const GOOD: usize = 3;
const BAD: usize = 3;

/// Fraction of the pixels that differ.
fn difference(a: &RgbImage, b: &RgbImage, inside: impl Fn(f64, f64) -> bool) -> f64 {
    let (width, height) = (f64::from(a.width()), f64::from(a.height()));
    let mut counted = 0;
    let mut different = 0;
    for ((x, y, pixel), other) in a.enumerate_pixels().zip(b.pixels()) {
        if inside((f64::from(x) + 0.5) / width, (f64::from(y) + 0.5) / height) {
            counted += 1;
            different += usize::from(pixel != other);
        }
    }
    different as f64 / f64::from(counted.max(1))
}

/// What a script of tests/roots prints in the root; `None` where it cannot run.
fn in_root(script: &str, out: Option<&Path>) -> Option<String> {
    let Some(root) = std::env::var_os("SNARM_ANALYTICS_ROOT") else {
        skip(
            "newer-gstreamer",
            "SNARM_ANALYTICS_ROOT names no Debian root (tests/roots/make-root.sh makes one)",
        );
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("roots").join(script);
    let output = Command::new(script).arg(root).args(out).output().unwrap();
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.code() == Some(77) {
        skip("newer-gstreamer", errors);
        return None;
    }
    assert!(output.status.success(), "{text}{errors}");
    Some(text.into_owned())
}

#[test]
fn the_meta_survives_in_a_newer_gstreamer_what_it_survives_here() {
    let Some(text) = in_root("survival.sh", None) else { return };
    print!("{text}");
    let rows = text.lines().filter(|line| line.ends_with(": Kept") || line.ends_with(": Lost")).count();
    assert!(rows >= 35, "only {rows} rows of the table were measured");
}

#[test]
fn what_other_elements_wrote_is_read() {
    let Some(text) = in_root("unit-tests.sh", None) else { return };
    print!("{text}");
    assert!(text.contains("test overlay::analytics::tests::"), "the tests of the feature did not run");
}

#[test]
fn overlays_draw_the_mask_and_the_boxes_and_nothing_on_good_frames() {
    let out = tempfile::tempdir().unwrap();
    let out = std::env::var_os("SNARM_ANALYTICS_OUT").map_or_else(|| out.path().to_owned(), Into::into);
    let Some(overlays) = in_root("analytics.sh", Some(&out)) else { return };
    let overlays: Vec<&str> = overlays.lines().collect();
    assert!(
        overlays.iter().any(|name| !name.starts_with("snarm")),
        "the root has none of upstream's overlays"
    );
    assert!(overlays.contains(&"snarmoverlay"), "ours did not run");
    let results: Vec<Value> = std::fs::read_to_string(out.join("results.jsonl"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(results.len(), GOOD + BAD);
    let picture =
        |name: &str, n: usize| image::open(out.join(format!("{name}-{n:02}.png"))).unwrap().into_rgb8();
    for (n, result) in results.iter().enumerate() {
        let regions: Vec<[f64; 4]> = result["regions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| ["x", "y", "w", "h"].map(|name| r[name].as_f64().unwrap()))
            .collect();
        assert_eq!(regions.is_empty(), n >= BAD, "frame {n}: {result}");
        // A pixel of the mask covers some of the picture, and a box has a line of its own.
        let near = |x: f64, y: f64| {
            regions.iter().any(|[left, top, w, h]| {
                (left - 0.02..left + w + 0.02).contains(&x) && (top - 0.02..top + h + 0.02).contains(&y)
            })
        };
        let (plain, scaled) = (picture("identity", n), picture("scaled", n));
        for overlay in &overlays {
            let (plain, drawn) = match overlay.starts_with("snarmoverlay") {
                true => (&scaled, picture(overlay, n)),
                false => (&plain, picture(overlay, n)),
            };
            let inside = difference(plain, &drawn, near);
            let outside = difference(plain, &drawn, |x, y| !near(x, y));
            if regions.is_empty() || *overlay == "snarmoverlay-unmarked" {
                assert_eq!(
                    (inside, outside),
                    (0.0, 0.0),
                    "{overlay} drew on frame {n}, where there is nothing"
                );
            } else if ["segmentationoverlay", "snarmoverlay"].contains(overlay) {
                assert!(
                    inside > 0.2 && outside == 0.0,
                    "{overlay}, frame {n}: {inside} inside, {outside} outside"
                );
            } else {
                // It also writes a label beside its box.
                assert!(
                    inside > 0.002 && outside < 0.1,
                    "{overlay}, frame {n}: {inside} inside, {outside} outside"
                );
            }
        }
    }
}
