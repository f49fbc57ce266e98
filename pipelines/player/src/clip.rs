//! Writes the frames of a clip to standard output as YUV4MPEG2, with comments of our own that carry what the format has no
//! word for: `XLENGTH` in the header is the length of the clip, `XTIME` and `XDURATION` of a frame are the time of the
//! stream at which it is shown and how long, all in nanoseconds. Where the size changes another header follows.
//!
//! Frames are I420 in BT.601 and studio range, rows without gaps, and upright: turned and mirrored by the display matrix or
//! the tag of the clip.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use gst::prelude::*;
use gst_app::AppSink;
use gst_video::{VideoFormat, VideoFrameExt, VideoFrameRef, VideoInfo};

use crate::mirror;
use crate::packages;
use crate::pipeline::{error_text, missing_plugin};

/// Name of the element that pictures enter by.
const ENTRY: &str = "entry";

/// How long a frame may take until errors are looked for.
const TICK: gst::ClockTime = gst::ClockTime::from_mseconds(50);

/// Duration of a frame of which nothing is known, in nanoseconds.
const FALLBACK: u64 = 40_000_000;

/// How far frames may be shown beyond the length of the clip, in nanoseconds: streams of variable rate claim that the last
/// one lasts as long as others before it.
const SLACK: u64 = 1_000_000_000;

/// Shortest duration that is believed, in nanoseconds: streams of variable rate claim enormous rates.
const SHORTEST: u64 = 100_000;

/// Writes the frames of a clip to standard output. A reader who leaves early is no error.
///
/// # Errors
/// When the clip cannot be read or decoded to its end.
pub(crate) fn write(path: &Path) -> Result<()> {
    let (pipeline, sink) = decoder(path)?;
    let written = start(&pipeline).and_then(|()| frames(&pipeline, &sink));
    let stopped = pipeline.set_state(gst::State::Null);
    match written {
        Err(error) if is_closed_pipe(&error) => Ok(()),
        Err(error) => Err(error),
        Ok(()) => stopped.map(drop).context("the pipeline does not stop"),
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn element(name: &str) -> Result<gst::Element> {
    gst::ElementFactory::make(name).build().map_err(|_| anyhow!(packages::missing(name)))
}

/// `filesrc ! decodebin ! videoconvert ! videoflip ! appsink`, for the first picture stream of the file.
fn decoder(path: &Path) -> Result<(gst::Pipeline, AppSink)> {
    let pipeline = gst::Pipeline::new();
    let (file, decode) = (element("filesrc")?, element("decodebin")?);
    let (convert, flip) = (element("videoconvert")?, element("videoflip")?);
    convert.set_property("name", ENTRY);
    file.set_property("location", path);
    flip.set_property_from_str("video-direction", mirror::direction(path).unwrap_or("auto"));
    let caps = gst::Caps::builder("video/x-raw").field("format", "I420").field("colorimetry", "bt601");
    let sink = AppSink::builder().caps(&caps.build()).sync(false).max_buffers(4).build();
    pipeline.add_many([&file, &decode, &convert, &flip, sink.upcast_ref()])?;
    file.link(&decode)?;
    gst::Element::link_many([&convert, &flip, sink.upcast_ref()])?;
    let entry = convert.static_pad("sink").context("videoconvert has no sink pad")?;
    decode.connect_pad_added(move |_, pad| {
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let is_picture = caps.structure(0).is_some_and(|fields| fields.name().starts_with("video/x-raw"));
        if is_picture && !entry.is_linked() {
            // A failure ends the stream by an error of its own.
            let _ = pad.link(&entry);
        }
    });
    Ok((pipeline, sink))
}

fn start(pipeline: &gst::Pipeline) -> Result<()> {
    if pipeline.set_state(gst::State::Playing).is_ok() {
        return Ok(());
    }
    match Ears::new(pipeline)?.listen() {
        Some(Err(error)) => Err(error),
        _ => bail!("the clip cannot be opened"),
    }
}

/// What a pipeline says of itself.
struct Ears {
    bus: gst::Bus,
    /// Decoders that are not installed: no fault where they are for the sound.
    missing: Vec<String>,
}

impl Ears {
    fn new(pipeline: &gst::Pipeline) -> Result<Self> {
        Ok(Self { bus: pipeline.bus().context("the pipeline has no bus")?, missing: Vec::new() })
    }

    /// What the pipeline has come to so far: nothing, its end, or an error.
    fn listen(&mut self) -> Option<Result<()>> {
        while let Some(message) = self.bus.pop() {
            match message.view() {
                gst::MessageView::Eos(_) => return Some(Ok(())),
                gst::MessageView::Error(error) => {
                    self.missing.push(error_text(error));
                    return Some(Err(anyhow!(self.missing.join("; "))));
                }
                _ => self.missing.extend(missing_plugin(&message)),
            }
        }
        None
    }
}

fn frames(pipeline: &gst::Pipeline, sink: &AppSink) -> Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    let mut writer = Writer { length: None, info: None, last: None, next: 0 };
    let mut ears = Ears::new(pipeline)?;
    let ended = loop {
        match sink.try_pull_sample(TICK) {
            Some(sample) => {
                writer.length = writer.length.or_else(|| pipeline.query_duration::<gst::ClockTime>());
                writer.write(&sample, &mut out)?;
            }
            // An error may have come with the end.
            None if sink.is_eos() => break ears.listen().unwrap_or(Ok(())),
            None => {
                if let Some(ended) = ears.listen() {
                    break ended;
                }
            }
        }
    };
    out.flush()?;
    let is_linked = |pad: gst::Pad| pad.is_linked();
    let has_pictures =
        pipeline.by_name(ENTRY).and_then(|entry| entry.static_pad("sink")).is_some_and(is_linked);
    match ended {
        // What is not decoded for want of a decoder has been said.
        Ok(()) if !has_pictures && !ears.missing.is_empty() => bail!("{}", ears.missing.join("; ")),
        Ok(()) if !has_pictures => bail!("found no pictures in it"),
        Err(error) if !has_pictures && error.to_string().contains("not-linked") => {
            bail!("found no pictures in it: {error}")
        }
        ended => ended,
    }
}

/// Frames on their way out.
struct Writer {
    length: Option<gst::ClockTime>,
    info: Option<VideoInfo>,
    /// When the last frame is shown, and when it ends, in nanoseconds.
    last: Option<u64>,
    next: u64,
}

impl Writer {
    fn write(&mut self, sample: &gst::Sample, out: &mut impl Write) -> Result<()> {
        let caps = sample.caps().context("a frame without caps")?;
        let info = VideoInfo::from_caps(caps).map_err(|_| anyhow!("caps without a layout: {caps}"))?;
        if info.format() != VideoFormat::I420 {
            bail!("expected I420 frames, found {}", info.format());
        }
        let size = |info: &VideoInfo| (info.width(), info.height());
        if self.info.as_ref().map(size) != Some(size(&info)) {
            self.header(&info, out)?;
        }
        let buffer = sample.buffer().context("a sample without a frame")?;
        let time = time_of(sample, buffer).unwrap_or(self.next);
        let rate = info.fps();
        let regular = (rate.numer() > 0 && rate.denom() > 0)
            .then(|| (1e9 * f64::from(rate.denom()) / f64::from(rate.numer())) as u64);
        let told = [buffer.duration().map(gst::ClockTime::nseconds), regular].into_iter().flatten();
        let step = self.last.and_then(|last| time.checked_sub(last));
        let end = self.length.map_or(u64::MAX, |length| length.nseconds().saturating_add(SLACK));
        let is_sane = |duration: &u64| *duration >= SHORTEST && time.saturating_add(*duration) <= end;
        let duration = told.chain(step).find(is_sane).unwrap_or(FALLBACK);
        (self.last, self.next) = (Some(time), time.saturating_add(duration));
        writeln!(out, "FRAME XTIME={time} XDURATION={duration}")?;
        planes(buffer, &info, out)?;
        self.info = Some(info);
        Ok(())
    }

    fn header(&self, info: &VideoInfo, out: &mut impl Write) -> Result<()> {
        let (rate, length) = (info.fps(), self.length.map_or(0, gst::ClockTime::nseconds));
        let (width, height, n, d) = (info.width(), info.height(), rate.numer(), rate.denom());
        Ok(writeln!(out, "YUV4MPEG2 W{width} H{height} F{n}:{d} Ip A1:1 C420 XLENGTH={length}")?)
    }
}

/// The time of the stream at which a frame is shown.
fn time_of(sample: &gst::Sample, buffer: &gst::BufferRef) -> Option<u64> {
    let time = buffer.pts().or_else(|| buffer.dts())?;
    let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
    Some(segment.to_stream_time(time).unwrap_or(time).nseconds())
}

/// Writes the rows of the three planes, without what lies between them.
fn planes(buffer: &gst::BufferRef, info: &VideoInfo, out: &mut impl Write) -> Result<()> {
    let frame = VideoFrameRef::from_buffer_ref_readable(buffer, info).context("a frame cannot be read")?;
    for plane in 0..3u32 {
        let (width, height) = (frame.comp_width(plane) as usize, frame.comp_height(plane) as usize);
        let stride = frame.plane_stride()[plane as usize] as usize;
        let data = frame.plane_data(plane).context("a frame without planes")?;
        for y in 0..height {
            let row = data.get(y * stride..y * stride + width).context("a frame is shorter than its size")?;
            out.write_all(row)?;
        }
    }
    Ok(())
}
