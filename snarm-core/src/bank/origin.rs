//! Where learned frames come from.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a learned frame comes from, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// File of the image or clip, as it was given; empty for a stream.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Number of the frame in its clip or stream, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Time in the clip, or running time of the stream, in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<u64>,
}

impl Origin {
    /// An image file.
    pub fn file(source: String) -> Self {
        Self { source, ..Self::default() }
    }
}

/// Such as `good/1.png`, or `clip.mkv, frame 7 at 0.28 s`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        if let Some(number) = self.number {
            let comma = if self.source.is_empty() { "" } else { ", " };
            write!(f, "{comma}frame {number}")?;
        }
        match self.time {
            Some(time) => write!(f, " at {:.2} s", time as f64 * 1e-9),
            None => Ok(()),
        }
    }
}

/// Where images of a bank come from, by their numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<Placed>", into = "Vec<Placed>")]
pub(super) struct Origins(BTreeMap<u32, Origin>);

/// An entry of a file.
#[derive(Serialize, Deserialize)]
struct Placed {
    image: u32,
    #[serde(flatten)]
    origin: Origin,
}

impl From<Vec<Placed>> for Origins {
    fn from(list: Vec<Placed>) -> Self {
        Self(list.into_iter().map(|placed| (placed.image, placed.origin)).collect())
    }
}

impl From<Origins> for Vec<Placed> {
    fn from(Origins(origins): Origins) -> Self {
        origins.into_iter().map(|(image, origin)| Placed { image, origin }).collect()
    }
}

impl Origins {
    /// Adds where an image comes from.
    pub(super) fn add(&mut self, image: u32, origin: Option<&Origin>) {
        self.0.extend(origin.map(|origin| (image, origin.clone())));
    }

    /// Where an image comes from.
    pub(super) fn of(&self, image: u32) -> Option<&Origin> {
        self.0.get(&image)
    }

    /// The highest number of an image.
    pub(super) fn last(&self) -> Option<u32> {
        self.0.last_key_value().map(|(image, _)| *image)
    }

    /// Takes back the images from `first` on.
    pub(super) fn discard_from(&mut self, first: u32) {
        drop(self.0.split_off(&first));
    }

    /// Those of these images alone.
    pub(super) fn only(&self, images: &HashSet<u32>) -> Self {
        let kept = self.0.iter().filter(|(image, _)| images.contains(image));
        Self(kept.map(|(image, origin)| (*image, origin.clone())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_named_by_what_is_known_of_them() {
        let clip = Origin { source: "a.mkv".into(), number: Some(7), time: Some(280_000_000) };
        assert_eq!(clip.to_string(), "a.mkv, frame 7 at 0.28 s");
        assert_eq!(Origin::file("good/1.png".into()).to_string(), "good/1.png");
        assert_eq!(Origin { source: String::new(), ..clip }.to_string(), "frame 7 at 0.28 s");
    }

    #[test]
    fn files_keep_origins_and_images_that_are_gone_have_none() {
        let mut origins = Origins::default();
        for image in [3, 1, 2] {
            origins.add(image, Some(&Origin::file(format!("{image}.png"))));
        }
        origins.add(4, None);
        let text = serde_json::to_string(&origins).unwrap();
        assert!(text.starts_with(r#"[{"image":1,"source":"1.png"},"#), "{text}");
        assert_eq!(serde_json::from_str::<Origins>(&text).unwrap(), origins);
        assert_eq!(origins.only(&[2, 9].into()).0.len(), 1);
        origins.discard_from(2);
        assert!(origins.of(1).is_some() && origins.of(2).is_none());
    }
}
