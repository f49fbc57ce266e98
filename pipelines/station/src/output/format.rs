//! What a message looks like when it is sent: as it waits, with its number, or as programs of others read it.
//!
//! [`Format::DlStreamer`] is what DL Streamer's `gvametaconvert` writes: regions are objects with a `detection`, and
//! the verdict of the frame is one object more, of the whole frame, with the classification `anomaly`. What it has no
//! name for is in `tags`, which are the user's there.
//!
//! [`Format::DeepStream`] is DeepStream's minimal message: regions are texts,
//! `ID|LEFT|TOP|RIGHT|BOTTOM|LABEL|#|VERDICT|SCORE`, in pixels. What it has no name for is a text of JSON in
//! `customMessage`.
//!
//! Parts and test messages are the same in all of them: they tell of no frame.

use opcua::types::date_time::DateTimeUtc;
use serde_json::{Map, Value, json};
use snarm_core::results::{LABEL, Record};

use crate::config::Format;
use crate::store::Waiting;

/// Version of DeepStream's message.
const DEEPSTREAM: &str = "4.0";

/// Names of ours that other formats have no place for, and that go along.
const OURS: [&str; 8] = ["line", "recipe", "run", "time", "captured", "find", "first", "last"];

/// A message as it is sent, with its number.
pub(super) fn payload(format: Format, id: i64, message: &Waiting) -> String {
    let mut payload: Value = serde_json::from_str(&message.payload).unwrap_or_default();
    payload["id"] = json!(id);
    let is_of_frame = ["/find", "/frame"].iter().any(|kind| message.topic.ends_with(kind));
    let record = |payload: &Value| {
        is_of_frame.then(|| serde_json::from_value::<Record>(payload.clone()).ok()).flatten()
    };
    let written = match format {
        Format::Snarm => None,
        Format::DlStreamer => record(&payload).map(|record| dlstreamer(&payload, &record)),
        Format::DeepStream => record(&payload).map(|record| deepstream(&payload, &record)),
    };
    written.unwrap_or(payload).to_string()
}

fn verdict_id(record: &Record) -> u8 {
    match record.verdict.name() {
        "normal" => 1,
        "uncertain" => 2,
        "anomalous" => 3,
        _ => 0,
    }
}

/// Those fields of a payload that are there.
fn some(payload: &Value, names: &[&str]) -> Map<String, Value> {
    let field = |name: &&str| payload.get(*name).map(|value| ((*name).to_owned(), value.clone()));
    names.iter().filter_map(field).filter(|(_, value)| !value.is_null()).collect()
}

fn dlstreamer(payload: &Value, record: &Record) -> Value {
    let mut objects: Vec<Value> = payload["objects"].as_array().cloned().unwrap_or_default();
    for (object, region) in objects.iter_mut().zip(&record.regions) {
        object["region_id"] = json!(region.id);
    }
    objects.push(json!({
        "x": 0,
        "y": 0,
        "w": record.resolution.width,
        "h": record.resolution.height,
        LABEL: {
            "label": record.verdict.name(),
            "label_id": verdict_id(record),
            "confidence": record.score,
            "model": { "name": record.model_id },
        },
    }));
    let mut tags = some(payload, &OURS);
    tags.extend(some(payload, &["id", "frame-number", "threshold", "threshold-low", "bank-id"]));
    let mut message = json!({
        "objects": objects,
        "resolution": record.resolution,
        "source": payload["line"],
        "tags": tags,
    });
    if let Some(time) = record.stream_time {
        message["timestamp"] = json!(time);
    }
    message
}

fn deepstream(payload: &Value, record: &Record) -> Value {
    let (width, height) = (f64::from(record.resolution.width), f64::from(record.resolution.height));
    // A tenth of a pixel is more than is known.
    let pixels = |fraction: f64, side: f64| (fraction * side * 10.0).round() / 10.0;
    let verdict = record.verdict.name();
    let object = |region: &snarm_core::detect::Region| {
        let rect = region.rect;
        let (left, top) = (pixels(rect.x, width), pixels(rect.y, height));
        let (right, bottom) = (pixels(rect.x + rect.w, width), pixels(rect.y + rect.h, height));
        format!("{}|{left}|{top}|{right}|{bottom}|{LABEL}|#|{verdict}|{:.4}", region.id, region.score)
    };
    let objects: Vec<String> = record.regions.iter().map(object).collect();
    let mut ours = some(payload, &OURS);
    ours.extend(some(payload, &["id", "verdict", "score", "threshold", "threshold-low", "bank-id"]));
    json!({
        "version": DEEPSTREAM,
        "id": record.frame_number.to_string(),
        "@timestamp": iso(payload["time"].as_i64().unwrap_or_default()),
        "sensorId": payload["line"],
        "objects": objects,
        "customMessage": [Value::Object(ours).to_string()],
    })
}

/// A time of milliseconds since 1970 as ISO 8601 has it, UTC.
fn iso(at: i64) -> String {
    let time = DateTimeUtc::from_timestamp_millis(at).unwrap_or_default();
    time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent_to(topic: &str, format: Format, payload: &Value) -> Value {
        let message = Waiting { output: "mes".into(), topic: topic.into(), payload: payload.to_string() };
        serde_json::from_str(&super::payload(format, 7, &message)).unwrap()
    }

    fn sent(format: Format, payload: &Value) -> Value {
        sent_to("caps/find", format, payload)
    }

    /// A find of a line, as it waits.
    fn find() -> Value {
        let record: Record = serde_json::from_value(json!({
            "stream-time": 40_000_000, "timestamp": 90_000_000, "frame-number": 12, "score": 0.75, "threshold": 0.5,
            "threshold-low": 0.4, "verdict": "anomalous", "model-id": "m", "bank-id": "b",
            "resolution": { "width": 640, "height": 360 },
            "regions": [{ "id": 3, "x": 0.25, "y": 0.5, "w": 0.5, "h": 0.25, "area": 0.1, "score": 0.75,
                "score-mean": 0.6, "cx": 0.5, "cy": 0.6 }],
        }))
        .unwrap();
        let mut find = record.line(Some("caps")).unwrap();
        for (name, value) in [
            ("line", json!("caps")),
            ("time", json!(1_523_422_799_828_i64)),
            ("find", json!(5)),
            ("run", json!(2)),
            ("captured", json!(1_523_422_799_700_i64)),
        ] {
            find[name] = value;
        }
        find
    }

    #[test]
    fn our_own_format_is_what_waits_with_its_number() {
        let mut expected = find();
        expected["id"] = json!(7);
        assert_eq!(sent(Format::Snarm, &find()), expected);
    }

    #[test]
    fn dl_streamer_has_objects_and_the_whole_frame_as_one_more() {
        let expected = json!({
            "timestamp": 40_000_000,
            "resolution": { "width": 640, "height": 360 },
            "source": "caps",
            "tags": {
                "id": 7, "line": "caps", "run": 2, "time": 1_523_422_799_828_i64, "captured": 1_523_422_799_700_i64,
                "find": 5, "frame-number": 12, "threshold": 0.5, "threshold-low": 0.4, "bank-id": "b",
            },
            "objects": [
                {
                    "x": 160, "y": 180, "w": 320, "h": 90, "region_id": 3, "roi_type": "anomaly",
                    "detection": {
                        "bounding_box": { "x_min": 0.25, "y_min": 0.5, "x_max": 0.75, "y_max": 0.75 },
                        "confidence": 0.75, "label": "anomaly", "label_id": 0,
                    },
                },
                {
                    "x": 0, "y": 0, "w": 640, "h": 360,
                    "anomaly": { "label": "anomalous", "label_id": 3, "confidence": 0.75, "model": { "name": "m" } },
                },
            ],
        });
        assert_eq!(sent(Format::DlStreamer, &find()), expected);
        // Where the stream has no time there is none.
        let mut still = find();
        still["stream-time"] = Value::Null;
        assert_eq!(sent(Format::DlStreamer, &still).get("timestamp"), None);
    }

    #[test]
    fn deep_stream_has_objects_as_texts() {
        let found = sent(Format::DeepStream, &find());
        let custom: Value = serde_json::from_str(found["customMessage"][0].as_str().unwrap()).unwrap();
        let expected = json!({
            "version": "4.0",
            "id": "12",
            "@timestamp": "2018-04-11T04:59:59.828Z",
            "sensorId": "caps",
            "objects": ["3|160|180|480|270|anomaly|#|anomalous|0.7500"],
            "customMessage": found["customMessage"],
        });
        assert_eq!(found, expected);
        let ours = json!({
            "id": 7, "line": "caps", "run": 2, "time": 1_523_422_799_828_i64, "captured": 1_523_422_799_700_i64, "find": 5,
            "verdict": "anomalous", "score": 0.75, "threshold": 0.5, "threshold-low": 0.4, "bank-id": "b",
        });
        assert_eq!(custom, ours);
        // A good frame has no object, and its verdict all the same.
        let good = json!({ "line": "caps", "time": 0, "score": 0.1, "threshold": 0.5, "verdict": "normal" });
        let found = sent(Format::DeepStream, &good);
        assert_eq!(
            (&found["objects"], &found["@timestamp"]),
            (&json!([]), &json!("1970-01-01T00:00:00.000Z"))
        );
        assert!(found["customMessage"][0].as_str().unwrap().contains("\"verdict\":\"normal\""), "{found}");
    }

    #[test]
    fn what_tells_of_no_frame_is_the_same_in_every_format() {
        let test = json!({ "test": true, "author": "ann" });
        let part = json!({ "part": "A1", "number": 3, "score": 0.1, "threshold": 0.5, "verdict": "normal" });
        for format in [Format::Snarm, Format::DlStreamer, Format::DeepStream] {
            for (topic, told) in [("test", &test), ("caps/part", &part)] {
                let mut expected = told.clone();
                expected["id"] = json!(7);
                assert_eq!(sent_to(topic, format, told), expected, "{format:?}");
            }
        }
    }
}
