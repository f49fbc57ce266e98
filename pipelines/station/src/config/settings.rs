//! A recipe that a hub hands out: properties of the detector, in TOML. It names no file and no device of the machine.

use anyhow::{Result, bail};
use serde::Deserialize;

use super::Properties;

/// Properties that it may have: none of them names a file or a device, and none is the station's.
const ALLOWED: [&str; 19] = [
    "busy-policy",
    "confirm-frames",
    "crop",
    "hold-time",
    "interval",
    "light-correction",
    "max-regions",
    "min-area",
    "min-defect",
    "pixel-threshold",
    "precision",
    "quality-gate",
    "roi",
    "sigma",
    "target-events-per-hour",
    "target-fpr",
    "threshold-mode",
    "tile-overlap",
    "tiles",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(deserialize_with = "super::properties")]
    detect: Properties,
}

/// The properties of the detector that a recipe of a hub says.
///
/// # Errors
/// When it is no TOML with a table `detect`, or has a property that a hub does not set.
pub(crate) fn settings(text: &str) -> Result<Properties> {
    let File { detect } = super::parsed(text)?;
    match detect.keys().find(|name| !ALLOWED.contains(&name.as_str())) {
        Some(name) => bail!("detect: expected properties of {}, found {name}", ALLOWED.join(", ")),
        None => Ok(detect),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_of_a_hub_names_no_files_and_nothing_of_the_station() {
        let read = settings("[detect]\nroi = '0,0,0.5,1'\nmin-area = 0.01\nquality-gate = false\n").unwrap();
        assert_eq!((read["roi"].as_str(), read["min-area"].as_str()), ("0,0,0.5,1", "0.01"));
        for (text, word) in [
            ("[detect]\nmodel-location = '/x'\n", "model-location"),
            ("[detect]\nignore-mask = '/x'\n", "ignore-mask"),
            ("[detect]\nencoder = '/x'\n", "encoder"),
            ("[detect]\nresults-location = '/x'\n", "results-location"),
            ("[detect]\nthreshold = 0.5\n", "threshold"),
            ("[detect]\nroi = [1]\n", "expected a text"),
            ("[detect]\n[learn]\nsource = 'x'\n", "learn"),
            ("pipeline = 'x'\n", "pipeline"),
            ("no toml", "line 1"),
        ] {
            let error = format!("{:#}", settings(text).unwrap_err());
            assert!(error.contains(word), "expected {word:?} in {error}");
        }
    }
}
