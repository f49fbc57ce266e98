//! Compresses frames, with elements in a pipeline beside the one that is watched.

use anyhow::{Context, Result, anyhow, bail};
use gst::prelude::*;
use gst_app::{AppSink, AppSrc};

use crate::pipeline::{error_text, parse};

/// The metadata of a result.
pub(super) const META: &str = "SnarmAnomalyMeta";

/// How long a picture may take.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(10);

/// Elements that make bytes of a frame; they start with the first one.
pub(super) struct Encoder {
    elements: &'static str,
    running: Option<Running>,
}

struct Running {
    pipeline: gst::Pipeline,
    entry: AppSrc,
    exit: AppSink,
}

impl Encoder {
    /// An encoder of some elements, which take frames and give one buffer for each.
    pub(super) fn new(elements: &'static str) -> Self {
        Self { elements, running: None }
    }

    /// The bytes of a frame.
    ///
    /// # Errors
    /// When an element is not installed, or fails.
    pub(super) fn encode(&mut self, frame: &gst::Sample) -> Result<Vec<u8>> {
        let running = match &self.running {
            Some(running) => running,
            None => self.running.insert(Running::start(self.elements)?),
        };
        running.encode(frame)
    }
}

impl Running {
    fn start(elements: &str) -> Result<Self> {
        let line = format!("appsrc name=entry format=time ! {elements} ! appsink name=exit sync=false");
        let pipeline = parse(&[&line])?;
        let entry = pipeline.by_name("entry").and_then(|element| element.downcast().ok());
        let exit = pipeline.by_name("exit").and_then(|element| element.downcast().ok());
        let (Some(entry), Some(exit)) = (entry, exit) else { bail!("expected {line} to have its ends") };
        pipeline.set_state(gst::State::Playing).with_context(|| format!("{elements}: does not start"))?;
        Ok(Self { pipeline, entry, exit })
    }

    fn encode(&self, frame: &gst::Sample) -> Result<Vec<u8>> {
        self.entry.push_sample(frame).map_err(|_| self.failure())?;
        let made = self.exit.try_pull_sample(PATIENCE).ok_or_else(|| self.failure())?;
        let buffer = made.buffer().context("expected a picture, found none")?;
        let bytes = buffer.map_readable().context("cannot read a picture")?;
        Ok(bytes.to_vec())
    }

    fn failure(&self) -> anyhow::Error {
        let message = self.pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
        match message.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Error(error)) => anyhow!("{}", error_text(error)),
            _ => anyhow!("no picture came within {} s", PATIENCE.seconds()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing is left to be done where it does not stop.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// The anomaly map of a frame as PGM of 8 bits, 255 being a score of 1; nothing where the frame has none.
pub(super) fn map_picture(buffer: &gst::BufferRef) -> Option<Vec<u8>> {
    let meta = gst::meta::CustomMeta::from_buffer(buffer, META).ok()?;
    let map = meta.structure().get::<gst::Buffer>("map").ok()?;
    let picture = map.meta::<gst_video::VideoMeta>()?;
    let bytes_each = match picture.format() {
        gst_video::VideoFormat::Gray8 => 1,
        gst_video::VideoFormat::Gray16Le => 2,
        _ => return None,
    };
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let stride = usize::try_from(*picture.stride().first()?).ok()?;
    let pixels = map.map_readable().ok()?;
    let mut made = format!("P5\n{width} {height}\n255\n").into_bytes();
    for row in pixels.chunks(stride).take(height) {
        // The high byte is the last one.
        made.extend(row.get(..width * bytes_each)?.chunks_exact(bytes_each).filter_map(<[u8]>::last));
    }
    (pixels.len() >= stride * (height.max(1) - 1) + width * bytes_each).then_some(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_becomes_a_picture_and_missing_elements_are_named() {
        gst::init().unwrap();
        let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Gray8, 32, 16).build().unwrap();
        let frame = gst::Sample::builder()
            .buffer(&gst::Buffer::from_slice(vec![7_u8; info.size()]))
            .caps(&info.to_caps().unwrap())
            .build();
        let mut encoder = Encoder::new("videoconvert ! pngenc snapshot=false");
        for _ in 0..3 {
            assert!(encoder.encode(&frame).unwrap().starts_with(b"\x89PNG"));
        }
        let text = format!("{:#}", Encoder::new("nosuchelement").encode(&frame).unwrap_err());
        assert!(text.contains("nosuchelement"), "{text}");
    }
}
