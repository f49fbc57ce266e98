//! Pictures of the frames that a bank learns, for a station to show beside what is like them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use gst::prelude::*;
use serde_json::json;

use super::finds::sample;
use super::pictures::Encoder;
use super::station::Station;
use crate::say;

/// The element that learns.
pub(super) const LEARNER: &str = "snarmbank";

/// Pictures that may wait; a frame that comes when so many do goes without.
const WAITING: usize = 4;

/// For people to look at.
const SHOW: &str = "videoconvert ! jpegenc quality=90";

/// A learned frame and its running time.
type Frame = (gst::Sample, gst::ClockTime);

/// Watches a learner.
pub(super) struct Watcher {
    frames: Arc<Mutex<Option<SyncSender<Frame>>>>,
    thread: JoinHandle<()>,
}

impl Watcher {
    /// Begins to watch.
    pub(super) fn start(learner: &gst::Element, station: &Station) -> Result<Self> {
        let (sender, received) = sync_channel(WAITING);
        let station = station.clone();
        let thread =
            std::thread::Builder::new().name("learned".into()).spawn(move || send(&received, &station))?;
        let frames = Arc::new(Mutex::new(Some(sender)));
        let (learner, to) = (learner.clone(), Arc::clone(&frames));
        let pad = learner.static_pad("src").context("the learner has no source pad")?;
        let used = AtomicU64::new(0);
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            // A frame was learned before it comes out.
            let now = learner.property::<u64>("frames-used");
            let before = used.swap(now, Ordering::Relaxed);
            if let (Some(gst::PadProbeData::Buffer(buffer)), true) = (&info.data, now > before) {
                let to = to.lock().unwrap_or_else(PoisonError::into_inner);
                if let (Some(to), Some(frame)) = (&*to, copy(pad, buffer)) {
                    // Whoever looks at the bank later goes without this picture.
                    let _ = to.try_send(frame);
                }
            }
            gst::PadProbeReturn::Ok
        });
        Ok(Self { frames, thread })
    }

    /// Waits until all pictures are sent.
    pub(super) fn finish(self) {
        drop(self.frames.lock().unwrap_or_else(PoisonError::into_inner).take());
        // A thread that failed has said so.
        let _ = self.thread.join();
    }
}

/// A copy, since sources with few buffers need theirs back; with the running time by which the bank knows the frame.
fn copy(pad: &gst::Pad, buffer: &gst::Buffer) -> Option<Frame> {
    let segment = pad.sticky_event::<gst::event::Segment>(0)?;
    let time = segment.segment().downcast_ref::<gst::ClockTime>()?.to_running_time(buffer.pts())?;
    Some((sample(buffer.copy_deep().ok()?, &pad.current_caps()?), time))
}

fn send(frames: &Receiver<Frame>, station: &Station) {
    let mut shown = Encoder::new(SHOW);
    while let Ok((sample, time)) = frames.recv() {
        match shown.encode(&sample) {
            Ok(jpeg) => station.tell(json!({ "kind": "learned", "time": time.nseconds() }), &[&jpeg]),
            Err(error) => return say(format_args!("no pictures of what is learned: {error:#}")),
        }
    }
}
