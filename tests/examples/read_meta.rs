//! Reads what `snarmdetect` attaches to each frame, with the crates of gstreamer-rs alone.
//!
//! ```text
//! read_meta 'v4l2src ! videoconvert ! snarmdetect bank-location=part.bank ! appsink name=sink'
//! ```
//!
//! Prints the same lines as `pipelines/apps/read_meta.py`, one a frame.

#![expect(clippy::print_stdout, reason = "it prints what it reads")]

use anyhow::{Context, Result, anyhow, bail};
use gst::meta::CustomMeta;
use gst::prelude::*;
use gst_video::VideoMeta;
use serde_json::{Value, json};

/// The result of a frame; `None` when no `snarmdetect` has seen it.
fn read(buffer: &gst::BufferRef) -> Result<Option<Value>> {
    let Ok(meta) = CustomMeta::from_buffer(buffer, "SnarmAnomalyMeta") else { return Ok(None) };
    let fields = meta.structure();
    let mut result = json!({
        "frame-number": fields.get::<u64>("frame-number")?,
        "analysed": fields.get::<bool>("analysed")?,
        "score": fields.get::<f64>("score")?,
        "threshold": fields.get::<f64>("threshold")?,
        "verdict": fields.get::<String>("verdict")?,
        "area": fields.get::<f64>("area")?,
    });
    let regions = fields.get::<gst::Array>("regions")?;
    result["regions"] = regions.iter().map(|value| region(&value.get()?)).collect::<Result<_>>()?;
    if let Ok(map) = fields.get::<gst::Buffer>("map") {
        // 8 bits a pixel, in rows of `stride` bytes; 255 is a score of 1.
        let layout = map.meta::<VideoMeta>().context("a map without a layout")?;
        let peak = map.map_readable()?.iter().copied().max();
        result["map"] = json!({ "width": layout.width(), "height": layout.height(), "peak": peak });
    }
    Ok(Some(result))
}

fn region(region: &gst::Structure) -> Result<Value> {
    let mut found = json!({ "id": region.get::<u32>("id")? });
    for name in ["x", "y", "w", "h", "score"] {
        found[name] = region.get::<f64>(name)?.into();
    }
    Ok(found)
}

fn main() -> Result<()> {
    gst::init()?;
    let line = std::env::args().nth(1).context("expected a pipeline with an appsink of the name sink")?;
    let pipeline =
        gst::parse::launch(&line)?.downcast::<gst::Pipeline>().map_err(|_| anyhow!("no pipeline"))?;
    let sink = pipeline.by_name("sink").and_then(|sink| sink.downcast::<gst_app::AppSink>().ok());
    let sink = sink.context("expected an appsink of the name sink")?;
    pipeline.set_state(gst::State::Playing)?;
    while let Ok(sample) = sink.pull_sample() {
        let result = sample.buffer().map(read).transpose()?.flatten();
        println!("{}", result.unwrap_or_default());
    }
    let error = pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
    pipeline.set_state(gst::State::Null)?;
    match error.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => bail!("{}", error.error()),
        _ => Ok(()),
    }
}
