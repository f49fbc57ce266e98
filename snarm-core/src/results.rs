//! Regions as JSON, under the names that `snarmdetect` and the `snarm` command both write, and as DL Streamer's consumers
//! read them.

use serde_json::{Value, json};

use crate::detect::Region;

/// What type and label of a region are called.
pub const LABEL: &str = "anomaly";

/// A region under the names of the metadata, in fractions of the frame.
pub fn region(region: &Region) -> Value {
    json!({
        "id": region.id,
        "x": region.rect.x,
        "y": region.rect.y,
        "w": region.rect.w,
        "h": region.rect.h,
        "area": region.area,
        "score": region.score,
        "score-mean": region.score_mean,
        "cx": region.cx,
        "cy": region.cy,
    })
}

/// A region as DL Streamer gives an object: the box in pixels of a `width` x `height` frame, and again in fractions.
pub fn object(region: &Region, width: usize, height: usize) -> Value {
    let rect = region.rect;
    let pixels = |fraction: f64, side: usize| (fraction * side as f64).round() as i64;
    json!({
        "x": pixels(rect.x, width),
        "y": pixels(rect.y, height),
        "w": pixels(rect.w, width),
        "h": pixels(rect.h, height),
        "roi_type": LABEL,
        "detection": {
            "bounding_box": {
                "x_min": rect.x, "y_min": rect.y, "x_max": rect.x + rect.w, "y_max": rect.y + rect.h,
            },
            "confidence": region.score,
            "label": LABEL,
            "label_id": 0,
        },
    })
}

/// All regions, by [`region`].
pub fn regions(all: &[Region]) -> Value {
    all.iter().map(region).collect()
}

/// All regions, by [`object`].
pub fn objects(all: &[Region], width: usize, height: usize) -> Value {
    all.iter().map(|region| object(region, width, height)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Rect;

    #[test]
    fn an_object_has_its_box_in_pixels_and_in_fractions() {
        let rect = Rect { x: 0.25, y: 0.5, w: 0.5, h: 0.25 };
        let found = Region { id: 0, rect, area: 0.1, score: 0.75, score_mean: 0.6, cx: 0.5, cy: 0.6 };
        let object = object(&found, 640, 360);
        assert_eq!((&object["x"], &object["h"]), (&json!(160), &json!(90)));
        assert_eq!(object["detection"]["bounding_box"]["x_max"], json!(0.75));
        assert_eq!(region(&found)["score-mean"], json!(0.6));
    }
}
