//! Clips, decoded by a child process: whatever GStreamer can decode can be read, upright and at the times of the stream.

use std::io::BufReader;
use std::path::Path;
use std::process::ChildStdout;

use anyhow::{Context, Result, bail};
use snarm_core::frame::Frame;
use snarm_core::paths::text;
use snarm_core::y4m::{self, Y4m};

use crate::player::Player;

/// How far frames and stated length of a clip may be apart, in nanoseconds: sound and pictures seldom end together.
const SLACK: u64 = 1_000_000_000;

/// A clip being decoded, from its first frame on.
pub(crate) struct Video {
    frames: Y4m<BufReader<ChildStdout>>,
    player: Option<Player>,
    next: u64,
    end: u64,
    lacks: Vec<String>,
}

/// A frame with its place in the clip.
pub(crate) struct Shown<'a> {
    /// Number of the frame, from 0.
    pub(crate) number: u64,
    /// When it is shown, in nanoseconds of the stream's own time.
    pub(crate) time: u64,
    pub(crate) frame: Frame<'a>,
}

impl Video {
    /// Starts decoding.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        std::fs::metadata(path).with_context(|| format!("cannot read clip {}", text(path)))?;
        let (player, stdout) = Player::clip(path)?;
        let Some(frames) = Y4m::open(BufReader::with_capacity(1 << 20, stdout), path)? else {
            player.finish().with_context(|| format!("expected a clip, found no video in {}", text(path)))?;
            bail!("expected a clip with at least one frame, found none in {}", text(path));
        };
        Ok(Self { frames, player: Some(player), next: 0, end: 0, lacks: Vec::new() })
    }

    /// Number of the frames that were read, and when the last of them ends, in nanoseconds.
    pub(crate) fn position(&self) -> (u64, u64) {
        (self.next, self.end)
    }

    /// Length of the clip in nanoseconds, where it tells.
    pub(crate) fn length(&self) -> Option<u64> {
        self.frames.length()
    }

    /// What a clip lacks whose last frame was read: frames, as far as it can be known.
    pub(crate) fn lacks(&self) -> impl Iterator<Item = String> {
        self.lacks.iter().cloned().chain(self.missing())
    }

    /// What is missing of a clip whose length says that there was more.
    fn missing(&self) -> Option<String> {
        let length = self.length()?;
        let tolerated = (length / 10).max(SLACK);
        (self.end.saturating_add(tolerated) < length).then(|| {
            let seconds = |time: u64| time as f64 / 1e9;
            format!(
                "expected frames up to the {:.2} s that the clip states, found the last one to end at {:.2} s: it was \
                 cut short, or its sound is longer",
                seconds(length),
                seconds(self.end)
            )
        })
    }

    /// The next frame, until the next call; `None` at the end of the clip.
    pub(crate) fn next(&mut self) -> Result<Option<Shown<'_>>> {
        let Some(y4m::Shown { time, duration, frame }) = self.frames.next_frame()? else {
            if let Some(player) = self.player.take() {
                self.lacks = player.finish()?;
            }
            return Ok(None);
        };
        let number = self.next;
        self.next += 1;
        self.end = self.end.max(time.saturating_add(duration));
        Ok(Some(Shown { number, time, frame }))
    }
}
