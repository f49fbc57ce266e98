//! Results as lines of JSON: our own names, and beside them the frame that DL Streamer's consumers read.

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use snarm_core::results::Record;

use super::ResultsMode;
use super::log::Log;
use super::pipe::Pipe;

/// Time from 1900, where NTP counts from, to 1970.
const NTP: gst::ClockTime = gst::ClockTime::from_seconds(2_208_988_800);

/// Writes when `buffer` of `segment` is shown, and when it was captured.
pub(super) fn set_times(record: &mut Record, buffer: &gst::BufferRef, segment: &gst::Segment) {
    let nanoseconds = |time: Option<gst::ClockTime>| time.map(gst::ClockTime::nseconds);
    let time_segment = segment.downcast_ref::<gst::ClockTime>();
    record.timestamp = nanoseconds(buffer.pts());
    record.stream_time = nanoseconds(time_segment.and_then(|segment| segment.to_stream_time(buffer.pts())));
    record.running_time = nanoseconds(time_segment.and_then(|segment| segment.to_running_time(buffer.pts())));
    record.duration = nanoseconds(buffer.duration());
    record.capture_time = capture_time(buffer).map(gst::ClockTime::nseconds);
}

/// When a buffer was captured, from 1970 on, where its source says so by the clock of the world. A time of Unix is taken
/// before one of NTP.
fn capture_time(buffer: &gst::BufferRef) -> Option<gst::ClockTime> {
    let time = |wanted: &str| {
        let mut all = buffer.iter_meta::<gst::ReferenceTimestampMeta>();
        let is_wanted =
            |caps: &gst::CapsRef| caps.structure(0).is_some_and(|caps| caps.name().as_str() == wanted);
        all.find(|meta| is_wanted(meta.reference())).map(|meta| meta.timestamp())
    };
    time("timestamp/x-unix").or_else(|| time("timestamp/x-ntp")?.checked_sub(NTP))
}

/// An open results file, or standard output.
pub(super) struct Results {
    out: Out,
    location: PathBuf,
    /// Whether the last line was written.
    well: bool,
    /// When the user was warned last, and of what.
    warned: Option<(Instant, String)>,
}

/// Where lines go.
enum Out {
    Standard,
    /// A pipe or a device: there is nothing to lock, and nothing takes its place.
    Pipe(Pipe),
    Log(Log),
    /// The reader of standard output has left.
    Nowhere,
}

/// A line that is not written, and what the user is to be told of it.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) warning: Option<String>,
}

/// Time after a warning in which it is not given again: a full disk may have room for every other line.
const QUIET: Duration = Duration::from_secs(60);

impl Results {
    /// Opens `location` for writing; `-` is standard output.
    ///
    /// # Errors
    /// When the file cannot be written, has another writer or is no results file, and with [`ResultsMode::Fail`] when it is
    /// there.
    pub(super) fn open(location: &Path, mode: ResultsMode) -> Result<Self, gst::ErrorMessage> {
        let out = if location == Path::new("-") {
            Out::Standard
        } else {
            Out::open(location, mode).map_err(|error| {
                let location = location.display();
                let text = format!("cannot write the results: {error}: {location}");
                gst::error_msg!(gst::ResourceError::OpenWrite, ("{text}"))
            })?
        };
        Ok(Self { out, location: location.to_owned(), well: true, warned: None })
    }

    /// Writes one frame's line and flushes it, so that a reader follows the stream. Where `hurry` is set, no reader is
    /// waited for.
    ///
    /// # Errors
    /// When the line is lost. The next one is tried again, unless the reader of standard output has left.
    pub(super) fn write(&mut self, record: &Record, hurry: &AtomicBool) -> Result<(), Lost> {
        let line = record.line(record.source_id.as_deref());
        let mut text = line.map_err(|error| self.lose(&error.into()))?.to_string();
        text.push('\n');
        let written = match &mut self.out {
            Out::Standard => io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()),
            Out::Pipe(pipe) => pipe.write(&self.location, text.as_bytes(), hurry),
            Out::Log(log) => log.write(&self.location, text.as_bytes()),
            Out::Nowhere => return Err(Lost { warning: None }),
        };
        match written {
            Ok(()) => {
                self.well = true;
                Ok(())
            }
            Err(error) => Err(self.lose(&error)),
        }
    }

    fn lose(&mut self, error: &io::Error) -> Lost {
        if error.kind() == ErrorKind::Interrupted {
            return Lost { warning: None };
        }
        if error.kind() == ErrorKind::BrokenPipe && matches!(self.out, Out::Standard) {
            self.out = Out::Nowhere;
            let warning = Some("the reader of the results has left; no more are written".to_owned());
            return Lost { warning };
        }
        let first = std::mem::replace(&mut self.well, false);
        let text = error.to_string();
        let told = |(when, what): &(Instant, String)| *what == text && when.elapsed() < QUIET;
        if !first || self.warned.as_ref().is_some_and(told) {
            return Lost { warning: None };
        }
        let warning = format!(
            "cannot write the results: {text}: {}; the stream goes on, and stats counts the lines that are lost",
            self.location.display()
        );
        self.warned = Some((Instant::now(), text));
        Lost { warning: Some(warning) }
    }
}

impl Out {
    fn open(location: &Path, mode: ResultsMode) -> io::Result<Self> {
        if std::fs::metadata(location).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
            return Pipe::open(location).map(Self::Pipe);
        }
        Log::open(location, mode).map(Self::Log)
    }
}
