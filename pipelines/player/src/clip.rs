//! Writes the frames of a clip to standard output as YUV4MPEG2, with comments of our own that carry what the format has no
//! word for: `XLENGTH` in the header is the length of the clip, `XTIME` and `XDURATION` of a frame are the time of the
//! stream at which it is shown and how long, all in nanoseconds. Where the size changes another header follows.
//!
//! Frames are I420 in BT.601 and studio range, rows without gaps, and upright: turned and mirrored by the display matrix or
//! the tag of the clip.
//!
//! A clip is a file that holds pictures. One that lists places to fetch them from is refused, and nothing is put into the
//! pipeline that could open a connection. What a damaged clip lacks is said on standard error, each on a line of its own, as
//! far as GStreamer and the container tell.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use gst::prelude::*;
use gst_app::AppSink;
use gst_video::{VideoFormat, VideoFrameExt, VideoFrameRef, VideoInfo};

use crate::mirror;
use crate::packages;
use crate::pipeline::{error_text, missing_plugin};
use crate::say;
use crate::whole;

/// Name of the element that pictures enter by.
const ENTRY: &str = "entry";

/// How long a frame may take until errors are looked for.
const TICK: gst::ClockTime = gst::ClockTime::from_mseconds(50);

/// How long a clip may come to nothing, neither a frame nor an end.
const PATIENCE: Duration = Duration::from_secs(30);

/// What files may be that say where pictures are and hold none.
const LISTS: [&str; 8] = [
    "application/x-hls",
    "application/dash+xml",
    "application/vnd.ms-sstr+xml",
    "application/sdp",
    "application/x-sdp",
    "application/smil",
    "application/xspf+xml",
    "text/uri-list",
];

/// Words in the class of elements that fetch what they read.
const REACHING: [&str; 3] = ["Adaptive", "Network", "Source"];

/// Codecs of which each buffer of a container is a frame that is shown.
const ONE_BY_ONE: [&str; 3] = ["video/x-h264", "video/x-h265", "image/jpeg"];

/// Containers whose lengths are those of their frames, where there is no sound.
const EXACT: [&str; 3] = ["video/quicktime", "video/x-matroska", "video/webm"];

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
    // An open would wait for whoever writes into a FIFO.
    let metadata = fs::metadata(path).context("the clip cannot be opened")?;
    if !metadata.is_file() {
        bail!("expected a clip, found {}", if metadata.is_dir() { "a folder" } else { "a FIFO or a device" });
    }
    let seen: Arc<Mutex<Seen>> = Arc::default();
    let (pipeline, sink) = decoder(path, &seen)?;
    let written = start(&pipeline).and_then(|()| frames(&pipeline, &sink, &seen));
    let stopped = pipeline.set_state(gst::State::Null);
    // What is refused ends by an error that does not say why.
    let refused = Seen::of(&seen).refused.take();
    match refused.map_or(written, |reason| Err(anyhow!(reason))) {
        Err(error) if is_closed_pipe(&error) => Ok(()),
        Err(error) => Err(error),
        Ok(()) => {
            let cut = whole::lacks(path);
            // A clip behind another one is no second track.
            let unread = Some(Seen::of(&seen).unread).filter(|n| *n > 0 && cut.is_none()).map(|n| {
                format!("expected one track of pictures, found {}: the first of them alone is read", n + 1)
            });
            cut.iter().chain(&unread).for_each(|lack| say(format_args!("{lack}")));
            stopped.map(drop).context("the pipeline does not stop")
        }
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn element(name: &str) -> Result<gst::Element> {
    gst::ElementFactory::make(name).build().map_err(|_| anyhow!(packages::missing(name)))
}

/// What a file turned out to hold.
#[derive(Debug, Default)]
struct Seen {
    /// What the whole file is, by its first bytes.
    kind: Option<String>,
    /// Why it is no clip.
    refused: Option<String>,
    /// Streams beside that of the pictures.
    others: usize,
    /// Those of them that hold pictures, too.
    unread: usize,
    /// Streams of pictures of one buffer a frame, and the frames that they hold.
    tracks: usize,
    stored: usize,
}

impl Seen {
    fn of(seen: &Mutex<Self>) -> MutexGuard<'_, Self> {
        seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a stream is to be decoded, the first of which is the file.
    fn admits(&mut self, caps: Option<&gst::CapsRef>) -> bool {
        let Some(kind) = caps.and_then(|caps| caps.structure(0)).map(|fields| fields.name().to_string())
        else {
            return true;
        };
        if LISTS.contains(&kind.as_str()) {
            self.refused = Some(format!(
                "expected a clip, found a list of places to fetch one from ({kind}): none is opened"
            ));
        } else if self.kind.is_none() && kind == "image/gif" {
            self.refused =
                Some(format!("expected a clip, found a GIF picture ({kind}), which is played without end"));
        }
        self.kind.get_or_insert(kind);
        self.refused.is_none()
    }
}

/// Keeps what lists places, and what could fetch from them, out of a pipeline.
fn confine(decode: &gst::Element, seen: &Arc<Mutex<Seen>>) -> Result<()> {
    let seen = Arc::clone(seen);
    decode.connect("autoplug-continue", false, move |arguments| {
        let caps = arguments.get(2).and_then(|caps| caps.get::<gst::Caps>().ok());
        Some(Seen::of(&seen).admits(caps.as_deref()).to_value())
    });
    let choices = glib::Type::from_name("GstAutoplugSelectResult").and_then(glib::EnumClass::with_type);
    let choices = choices.context("decodebin does not ask what to choose")?;
    for nick in ["try", "skip"] {
        choices.value_by_nick(nick).context("decodebin does not ask what to choose")?;
    }
    decode.connect("autoplug-select", false, move |arguments| {
        let factory = arguments.get(3).and_then(|factory| factory.get::<gst::ElementFactory>().ok());
        let class = factory.as_ref().and_then(|factory| factory.metadata("klass"));
        let reaches = class.is_some_and(|class| REACHING.iter().any(|word| class.contains(word)));
        choices.to_value_by_nick(if reaches { "skip" } else { "try" })
    });
    Ok(())
}

/// Counts the frames that come out of containers, decoded or not. Where the end of a track is made up, frames that come
/// behind it are shown.
fn count(pipeline: &gst::Pipeline, path: &Path, seen: &Arc<Mutex<Seen>>) {
    let (path, seen) = (path.to_owned(), Arc::clone(seen));
    pipeline.connect_deep_element_added(move |_, _, element| {
        let factory = element.factory();
        let class = factory.as_ref().and_then(|factory| factory.metadata("klass"));
        if !class.is_some_and(|class| class.contains("Demux")) {
            return;
        }
        let seen = Arc::clone(&seen);
        let is_open =
            factory.is_some_and(|factory| factory.name() == "qtdemux") && mirror::is_unedited(&path);
        element.connect_pad_added(move |_, pad| {
            if is_open {
                pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
                    open_end(info);
                    gst::PadProbeReturn::Ok
                });
            }
            let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
            let is_one_by_one =
                caps.structure(0).is_some_and(|fields| ONE_BY_ONE.contains(&fields.name().as_str()));
            if pad.direction() != gst::PadDirection::Src || !is_one_by_one {
                return;
            }
            Seen::of(&seen).tracks += 1;
            let seen = Arc::clone(&seen);
            pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
                // What stands before the beginning of an edit, or behind its end, is decoded and not shown.
                let end = if is_open { None } else { end_of(pad) };
                let is_shown = info.buffer().is_some_and(|buffer| {
                    let is_behind = buffer.pts().zip(end).is_some_and(|(time, end)| time >= end);
                    !is_behind && !buffer.flags().contains(gst::BufferFlags::DECODE_ONLY)
                });
                Seen::of(&seen).stored += usize::from(is_shown);
                gst::PadProbeReturn::Ok
            });
        });
    });
}

/// Takes the end away that a demuxer makes up of the length of a track, beyond which frames are not shown: of frames that
/// come in another order than they are shown in, the last ones lie behind it.
fn open_end(info: &mut gst::PadProbeInfo<'_>) {
    let Some(gst::PadProbeData::Event(event)) = &mut info.data else { return };
    let gst::EventView::Segment(segment) = event.view() else { return };
    let Some(mut open) = segment.segment().downcast_ref::<gst::ClockTime>().cloned() else { return };
    open.set_stop(gst::ClockTime::NONE);
    *event = gst::event::Segment::new(&open);
}

/// The end of what is shown of a stream, where it has one.
fn end_of(pad: &gst::Pad) -> Option<gst::ClockTime> {
    let segment = pad.sticky_event::<gst::event::Segment>(0)?;
    segment.segment().downcast_ref::<gst::ClockTime>()?.stop()
}

/// `filesrc ! decodebin ! videoconvert ! videoflip ! appsink`, for the first picture stream of the file.
fn decoder(path: &Path, seen: &Arc<Mutex<Seen>>) -> Result<(gst::Pipeline, AppSink)> {
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
    confine(&decode, seen)?;
    count(&pipeline, path, seen);
    let seen = Arc::clone(seen);
    decode.connect_pad_added(move |_, pad| {
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let is_picture = caps.structure(0).is_some_and(|fields| fields.name().starts_with("video/x-raw"));
        if is_picture && !entry.is_linked() {
            // A failure ends the stream by an error of its own.
            let _ = pad.link(&entry);
        } else {
            let mut seen = Seen::of(&seen);
            seen.others += 1;
            seen.unread += usize::from(is_picture);
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

fn frames(pipeline: &gst::Pipeline, sink: &AppSink, seen: &Mutex<Seen>) -> Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    let mut writer = Writer::default();
    let mut ears = Ears::new(pipeline)?;
    let mut heard = Instant::now();
    let ended = loop {
        match sink.try_pull_sample(TICK) {
            Some(sample) => {
                writer.length = writer.length.or_else(|| pipeline.query_duration::<gst::ClockTime>());
                writer.write(&sample, &mut out)?;
                // The reader may have taken its time.
                heard = Instant::now();
            }
            // An error may have come with the end.
            None if sink.is_eos() => break ears.listen().unwrap_or(Ok(())),
            None => {
                if let Some(ended) = ears.listen() {
                    break ended;
                }
                if heard.elapsed() > PATIENCE {
                    let seconds = PATIENCE.as_secs();
                    break Err(anyhow!(
                        "expected a frame or the end of the clip, found neither for {seconds} s"
                    ));
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
        Ok(()) => {
            // A stream that cannot be decoded is one, too.
            Seen::of(seen).others += ears.missing.len();
            writer.lacks(&Seen::of(seen)).iter().for_each(|lack| say(format_args!("{lack}")));
            Ok(())
        }
        ended => ended,
    }
}

/// Frames on their way out.
#[derive(Default)]
struct Writer {
    length: Option<gst::ClockTime>,
    info: Option<VideoInfo>,
    /// When the last frame is shown, and when it ends, in nanoseconds.
    last: Option<u64>,
    next: u64,
    /// Frames that were written.
    shown: usize,
    /// Frames behind damage, or damaged themselves, and when the first of them is shown, in nanoseconds.
    damaged: usize,
    first_damaged: u64,
}

impl Writer {
    /// What is missing of a clip that was read to its end.
    fn lacks(&self, seen: &Seen) -> Vec<String> {
        let seconds = |time: u64| time as f64 / 1e9;
        let mut lacks = Vec::new();
        let is_exact = seen.kind.as_deref().is_some_and(|kind| EXACT.contains(&kind));
        // Halves of interlaced frames may come one by one.
        let are_halves = seen.stored.abs_diff(2 * self.shown) <= 1;
        if is_exact && seen.tracks == 1 && seen.stored > self.shown && !are_halves {
            let (stored, shown) = (seen.stored, self.shown);
            lacks.push(format!(
                "expected the {stored} frames that the clip holds, found {shown} that can be decoded: it is damaged"
            ));
        } else if self.damaged > 0 {
            let (damaged, first) = (self.damaged, seconds(self.first_damaged));
            lacks.push(format!(
                "expected a whole clip, found a gap or damage before {damaged} of its frames, the first of them at \
                 {first:.2} s: frames may be missing"
            ));
        }
        if let (Some(length), Some(last), true) = (self.length, self.last, is_exact && seen.others == 0) {
            let length = length.nseconds();
            // A frame or two may be shown for less than those before it. What is more than the slack is said by the reader.
            let tolerated = (self.next.saturating_sub(last).saturating_mul(5) / 2).max(length / 50);
            let is_short = self.next.saturating_add(tolerated) < length;
            if is_short && self.next.saturating_add(SLACK.max(length / 10)) >= length {
                lacks.push(format!(
                    "expected frames up to the {:.2} s that the clip states, found the last one to end at {:.2} s: it was \
                     cut short, or is damaged",
                    seconds(length),
                    seconds(self.next)
                ));
            }
        }
        lacks
    }

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
        let flags = buffer.flags();
        let follows_a_gap = flags.contains(gst::BufferFlags::DISCONT) && self.last.is_some();
        if follows_a_gap || flags.contains(gst::BufferFlags::CORRUPTED) {
            if self.damaged == 0 {
                self.first_damaged = time;
            }
            self.damaged += 1;
        }
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
        self.shown += 1;
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
