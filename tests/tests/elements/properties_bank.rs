//! Every property of `snarmbank` is set and its effect is seen. A property without an arm here fails the test.

use gst::prelude::*;
use snarm_core::bank::Bank;
use snarm_tests::stripes;

use crate::common::{HEIGHT, WIDTH, buffer, start_error};
use crate::learning::{bank_of, element, line, push};
use crate::properties::{check_effects, is_no_device, is_rounded};

/// Whether nine frames give other rows with another value of the property. The digest says nothing: settings are in it.
fn changes(name: &str, value: &str) -> bool {
    bank_of(0..9, &[(name, value)]).rows().data != bank_of(0..9, &[]).rows().data
}

/// Whether the element does not start with a file that is not there.
fn is_missed(name: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    start_error(element(&folder, &[(name, "/nowhere")]).0).matches(gst::ResourceError::NotFound)
}

/// Frames that are learned of nine.
fn learned(name: &str, value: &str) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let (mut line, _) = line(&folder, &[(name, value)]);
    push(&mut line, 0..9);
    line.element.property("frames-used")
}

/// Whether the property does what its blurb says.
fn has_effect(name: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    match name {
        "location" => {
            let (mut line, location) = line(&folder, &[]);
            push(&mut line, 0..9);
            line.finish();
            Bank::open(&location).is_ok()
        }
        "encoder" | "model-location" => is_missed(name),
        // What runs where there is one: tests/tests/gstcuda.
        "device" | "cuda-device-id" => is_no_device(|properties| element(&folder, properties).0),
        "precision" => is_rounded(
            |properties| element(&folder, properties).0,
            |choice| {
                let (mut line, location) = line(&folder, &[(name, choice)]);
                push(&mut line, 0..9);
                line.finish();
                Bank::open(&location).unwrap().header().precision.clone()
            },
        ),
        "append" => {
            let frames = ["false", "true", "true"].map(|value| {
                let (mut line, location) = line(&folder, &[(name, value)]);
                push(&mut line, 0..9);
                line.finish();
                Bank::open(&location).unwrap().frames()
            });
            frames == [9, 18, 27]
        }
        "bank-capacity" => changes(name, "100"),
        "reduction" => changes(name, "none") && changes(name, "random"),
        "max-frames" => learned(name, "6") == 6,
        "interval" => learned(name, "3") == 3,
        // No frame but the first is so new.
        "min-novelty" => learned(name, "2") == 1,
        "learning" => learned(name, "false") == 0 && learned(name, "true") == 9,
        "leave-out-odd-frames" => {
            let images = |value: &str| {
                let folder = tempfile::tempdir().unwrap();
                let properties = [(name, value), ("bank-capacity", "2000"), ("encoder", "snarm-tiny")];
                let (mut line, location) = line(&folder, &properties);
                for n in 0..31 {
                    line.harness.push(buffer(n, stripes::part(WIDTH, HEIGHT, n, n == 30))).unwrap();
                }
                line.finish();
                let odd = line.element_message("snarm-bank-ready").get::<gst::Array>("odd-frames").unwrap();
                let named =
                    odd.iter().map(|odd| odd.get::<gst::Structure>().unwrap().get::<u64>("frame").unwrap());
                assert_eq!(named.collect::<Vec<_>>(), [30], "the frame that is unlike the rest is named");
                Bank::open(&location).unwrap().images().contains(&30)
            };
            images("false") && !images("true")
        }
        "views" => {
            // One frame alone is learned in all where none are asked for.
            let frames = |value: &str| {
                let folder = tempfile::tempdir().unwrap();
                let (mut line, location) = line(&folder, &[(name, value)]);
                line.harness.push(buffer(0, stripes::part(WIDTH, HEIGHT, 0, false))).unwrap();
                line.finish();
                let bank = Bank::open(&location).unwrap();
                (bank.frames(), bank.views_text())
            };
            frames("none") == (1, "all".to_owned()) && frames("pose") == (1, "pose".to_owned())
        }
        "place" => {
            // Stripes are alike everywhere.
            let placed = |value: &str| bank_of(0..14, &[(name, value)]).header().placed.is_some();
            placed("auto") && !placed("none")
        }
        "checkpoint-frames" => {
            let written = |value: &str| {
                let folder = tempfile::tempdir().unwrap();
                let (mut line, location) = line(&folder, &[(name, value)]);
                push(&mut line, 0..9);
                location.exists()
            };
            written("5") && !written("0")
        }
        "calibration-fraction" => {
            let [other, usual] = ["0.5", "0.2"].map(|value| bank_of(0..9, &[(name, value)]));
            other.rows().data == usual.rows().data
                && other.calibration().reference != usual.calibration().reference
        }
        "crop" => changes(name, "paper"),
        "roi" => changes(name, "0,0,0.5,1"),
        "ignore-mask" => {
            let mask = folder.path().join("mask.pgm");
            std::fs::write(&mask, b"P5\n2 1\n255\n\xff\x00").unwrap();
            changes(name, mask.to_str().unwrap())
        }
        "tiles" | "tile-overlap" | "min-defect" => {
            let cut = |more: &[(&str, &str)]| bank_of(0..9, more).tiles().to_string();
            match name {
                "tiles" => cut(&[(name, "2x1")]) == "2x1 with an overlap of 0.125" && cut(&[]) == "none",
                "tile-overlap" => cut(&[("tiles", "2x1"), (name, "0.25")]) == "2x1 with an overlap of 0.25",
                // Frames of 64 x 48 have few pixels.
                _ => cut(&[(name, "0.25")]) != "none" && cut(&[(name, "8")]) == "none",
            }
        }
        "seed" => changes(name, "1"),
        "state" | "frames-used" | "frames-seen" | "vectors" | "stats" => {
            let (mut line, _) = line(&folder, &[("interval", "2")]);
            let read = |line: &crate::common::Line| {
                let value = line.element.property_value(name);
                value.get::<u64>().map(|n| n.to_string()).unwrap_or_else(|_| format!("{value:?}"))
            };
            let before = read(&line);
            push(&mut line, 0..8);
            line.finish();
            let after = read(&line);
            match name {
                "frames-used" => after == "4",
                "frames-seen" => after == "8",
                _ => after != before,
            }
        }
        other => panic!("the property {other} has no test of its effect"),
    }
}

#[test]
fn every_property_of_snarmbank_has_its_effect() {
    check_effects("snarmbank", has_effect);
}
