//! What a line says of its detector: to a pipeline as properties, to the command `snarm detect` as options.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

use super::shared::Line;
use super::source::property;
use crate::config::{self, Properties};

/// Options of `snarm detect` by the properties of the detector that say the same.
const OPTIONS: [(&str, &str); 8] = [
    ("roi", "--roi"),
    ("ignore-mask", "--ignore-mask"),
    ("tiles", "--tiles"),
    ("tile-overlap", "--tile-overlap"),
    ("min-defect", "--min-defect"),
    ("model-location", "--model"),
    ("encoder", "--encoder"),
    ("precision", "--precision"),
];

/// A property that changes scores, and that `snarm detect` has no option for.
const CROP: &str = "crop";

/// Properties that are on unless they are switched off, and the options that do so.
const SWITCHES: [(&str, &str); 2] =
    [("light-correction", "--no-light-correction"), ("quality-gate", "--no-quality-gate")];

/// Properties of the detector of a line: those of the configuration, and in their place those that a hub set.
///
/// # Errors
/// When an object cannot be read.
pub(super) fn properties(line: &Line) -> Result<Properties> {
    let mut detect = line.config.detect.clone();
    let settings = line.store.settings(line.name())?;
    if let Some(recipe) = &settings.recipe {
        let file = line.store.object_file(recipe);
        let text = std::fs::read_to_string(&file);
        let text = text.with_context(|| format!("cannot read the recipe {}", file.display()))?;
        detect.extend(config::settings(&text).with_context(|| format!("recipe {recipe}"))?);
    }
    if let Some(decoder) = &settings.decoder {
        let file = line.store.object_file(decoder).display().to_string();
        detect.insert("model-location".to_owned(), file);
    }
    Ok(detect)
}

/// The same as options of `snarm detect`.
///
/// # Errors
/// As [`properties`], and when the detector has a crop of its own, which the command cannot have: its scores would be others.
pub(super) fn options(line: &Line) -> Result<Vec<String>> {
    let detect = properties(line)?;
    if let Some(crop) = detect.get(CROP).map(String::as_str).or_else(|| property(&line.config, CROP)) {
        bail!(
            "expected a detector that crops as its bank does, found {CROP}={crop}, with which `snarm detect` cannot judge"
        );
    }
    Ok(as_options(&detect))
}

/// Properties of a detector as options of `snarm detect`. What has no such option says nothing of scores.
fn as_options(detect: &BTreeMap<String, String>) -> Vec<String> {
    let given = OPTIONS.iter().filter_map(|(property, option)| {
        // A text in one word, whatever it begins with.
        Some(format!("{option}={}", detect.get(*property)?))
    });
    let off = |property: &str| {
        let value = detect.get(property).map(|value| value.to_lowercase());
        value.is_some_and(|value| matches!(value.as_str(), "false" | "no" | "f" | "0"))
    };
    let switches = SWITCHES.iter().filter(|(property, _)| off(property)).map(|(_, off)| (*off).to_owned());
    given.chain(switches).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_line_says_of_its_detector_is_said_to_the_command() {
        let detect: BTreeMap<String, String> = [
            ("roi", "0,0,0.5,1"),
            ("ignore-mask", "/etc/mask.png"),
            ("model-location", "-odd.safetensors"),
            ("light-correction", "false"),
            ("quality-gate", "true"),
            ("precision", "f32"),
            ("busy-policy", "skip"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let expected = [
            "--roi=0,0,0.5,1",
            "--ignore-mask=/etc/mask.png",
            "--model=-odd.safetensors",
            "--precision=f32",
            "--no-light-correction",
        ];
        assert_eq!(as_options(&detect), expected);
        assert!(as_options(&BTreeMap::new()).is_empty());
    }
}
