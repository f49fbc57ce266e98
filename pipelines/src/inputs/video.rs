//! Clips, decoded by a `gst-launch-1.0` child: whatever GStreamer can decode can be read.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::process::ChildStdout;

use anyhow::{Context, Result, bail};
use snarm_core::frame::Frame;
use snarm_core::paths::text;
use snarm_core::y4m::Y4m;

use crate::gst::{self, Launch};

/// A clip being decoded, from its first frame on.
pub(crate) struct Video {
    frames: Y4m<BufReader<ChildStdout>>,
    launch: Option<Launch>,
    next: u64,
    /// Open as long as the child may read it by way of us.
    _clip: File,
}

impl Video {
    /// Starts decoding.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let clip = File::open(path).with_context(|| format!("cannot read clip {}", text(path)))?;
        let mut pipeline = vec!["filesrc".to_owned(), gst::property("location", gst::location(path, &clip))];
        // Without the identity a decoder may hand its own padded memory through to y4menc of 1.22, which writes
        // it as it lies there.
        pipeline.extend(gst::words(
            "! decodebin ! videoconvert ! video/x-raw,format=I420,colorimetry=bt601 ! identity drop-allocation=true \
             ! y4menc ! fdsink fd=1",
        ));
        let (launch, stdout) = Launch::reader(&pipeline)?;
        let Some(frames) = Y4m::open(BufReader::with_capacity(1 << 20, stdout), path)? else {
            launch.finish().with_context(|| format!("expected a clip, found no video in {}", text(path)))?;
            bail!("expected a clip with at least one frame, found none in {}", text(path));
        };
        Ok(Self { frames, launch: Some(launch), next: 0, _clip: clip })
    }

    /// Number and time of the frame that comes next.
    pub(crate) fn position(&self) -> (u64, u64) {
        (self.next, self.frames.time(self.next))
    }

    /// The next frame, until the next call; `None` at the end of the clip.
    pub(crate) fn next(&mut self) -> Result<Option<Frame<'_>>> {
        let frame = self.frames.next_frame()?;
        if frame.is_some() {
            self.next += 1;
        } else if let Some(launch) = self.launch.take() {
            launch.finish()?;
        }
        Ok(frame)
    }
}
