//! Chooses the frames that a station gets pictures of: ten a second for who looks on, and of each run of frames with an
//! alarm, or in the uncertain band, the frame of the highest score.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use gst::prelude::*;
use serde_json::json;

use super::pictures::{Encoder, META, map_picture};
use super::station::Station;
use crate::say;

/// Least time between two live pictures.
const LIVE_INTERVAL: Duration = Duration::from_millis(100);

/// Longest run of frames that is one find; one that goes on is told again.
const LONGEST_RUN: Duration = Duration::from_secs(2);

/// Finds that may wait for their pictures.
const WAITING: usize = 4;

/// Annotated, as an operator sees it.
const ANNOTATE: &str = "snarmoverlay ! videoconvert ! jpegenc quality=80";

/// Without loss, as it was learned from and can be learned again.
const KEEP: &str = "videoconvert ! pngenc compression-level=1 snapshot=false";

/// Whether live pictures are wanted.
#[derive(Clone)]
pub(super) struct Live(Arc<AtomicBool>);

impl Live {
    /// Changes it.
    pub(super) fn set(&self, is_wanted: bool) {
        self.0.store(is_wanted, Ordering::Relaxed);
    }
}

/// What a result says of a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Told {
    frame: u64,
    score: f64,
    is_find: bool,
}

impl Told {
    /// Nothing for frames that were not analysed.
    fn of(buffer: &gst::BufferRef) -> Option<Self> {
        let meta = gst::meta::CustomMeta::from_buffer(buffer, META).ok()?;
        let fields = meta.structure();
        if !fields.get::<bool>("analysed").ok()? {
            return None;
        }
        let verdict = fields.get::<String>("verdict").ok()?;
        Some(Self {
            frame: fields.get("frame-number").ok()?,
            score: fields.get("score").ok()?,
            is_find: matches!(verdict.as_str(), "anomalous" | "uncertain"),
        })
    }
}

/// The frames of a find.
struct Find {
    sample: gst::Sample,
    best: Told,
    first: u64,
    last: u64,
}

/// A run of frames that are finds, with the best of them.
struct Open {
    find: Find,
    since: Instant,
}

/// What the probe on the detector knows.
struct Choice {
    is_live: Arc<AtomicBool>,
    last_live: Option<Instant>,
    open: Option<Open>,
    live: Option<SyncSender<(gst::Sample, u64)>>,
    finds: Option<SyncSender<Find>>,
    lost: Arc<AtomicU64>,
}

impl Choice {
    fn see(&mut self, buffer: &gst::Buffer, caps: impl FnOnce() -> Option<gst::Caps>) {
        let Some(told) = Told::of(buffer) else { return };
        let is_live = self.is_live.load(Ordering::Relaxed)
            && self.last_live.is_none_or(|last| last.elapsed() >= LIVE_INTERVAL);
        let is_better =
            told.is_find && self.open.as_ref().is_none_or(|open| told.score > open.find.best.score);
        if is_live || is_better {
            let Some(caps) = caps() else { return };
            if is_live {
                self.last_live = Some(Instant::now());
                if let Some(live) = &self.live {
                    // Whoever is still at work on the last one misses this one.
                    let _ = live.try_send((sample(buffer.clone(), &caps), told.frame));
                }
            }
            if is_better {
                self.take(buffer, &caps, told);
            }
        }
        match &mut self.open {
            Some(open) if told.is_find => {
                open.find.last = told.frame;
                if open.since.elapsed() >= LONGEST_RUN {
                    self.close();
                }
            }
            Some(_) => self.close(),
            None => {}
        }
    }

    /// Keeps a copy: sources with few buffers need theirs back.
    fn take(&mut self, buffer: &gst::Buffer, caps: &gst::Caps, told: Told) {
        let Ok(copy) = buffer.copy_deep() else { return };
        let (first, since) = match &self.open {
            Some(open) => (open.find.first, open.since),
            None => (told.frame, Instant::now()),
        };
        let find = Find { sample: sample(copy, caps), best: told, first, last: told.frame };
        self.open = Some(Open { find, since });
    }

    fn close(&mut self) {
        let (Some(open), Some(finds)) = (self.open.take(), &self.finds) else { return };
        if let Err(TrySendError::Full(_)) = finds.try_send(open.find) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A buffer with its caps.
pub(super) fn sample(buffer: gst::Buffer, caps: &gst::Caps) -> gst::Sample {
    gst::Sample::builder().buffer(&buffer).caps(caps).build()
}

/// Watches a detector.
pub(super) struct Watcher {
    choice: Arc<Mutex<Choice>>,
    threads: Vec<JoinHandle<()>>,
    live: Live,
}

impl Watcher {
    /// Begins to watch.
    pub(super) fn start(detector: &gst::Element, station: &Station) -> Result<Self> {
        let (live, lives) = sync_channel(1);
        let (finds, found) = sync_channel(WAITING);
        let is_live = Arc::new(AtomicBool::new(false));
        let lost = Arc::new(AtomicU64::new(0));
        let choice = Arc::new(Mutex::new(Choice {
            is_live: Arc::clone(&is_live),
            last_live: None,
            open: None,
            live: Some(live),
            finds: Some(finds),
            lost: Arc::clone(&lost),
        }));
        let (to_look_on, to_keep) = (station.clone(), station.clone());
        let thread = |name: &str| std::thread::Builder::new().name(name.into());
        let threads = vec![
            thread("live").spawn(move || send_live(&lives, &to_look_on))?,
            thread("finds").spawn(move || send_finds(&found, &to_keep, &lost))?,
        ];
        let pad = detector.static_pad("src").context("the detector has no source pad")?;
        let chooser = Arc::clone(&choice);
        let mask = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
        pad.add_probe(mask, move |pad, info| {
            let mut choice = chooser.lock().unwrap_or_else(PoisonError::into_inner);
            match &info.data {
                Some(gst::PadProbeData::Buffer(buffer)) => choice.see(buffer, || pad.current_caps()),
                Some(gst::PadProbeData::Event(event)) if event.type_() == gst::EventType::Eos => {
                    choice.close()
                }
                _ => {}
            }
            gst::PadProbeReturn::Ok
        });
        Ok(Self { choice, threads, live: Live(is_live) })
    }

    /// Whether live pictures are wanted.
    pub(super) fn live(&self) -> Live {
        self.live.clone()
    }

    /// Waits until everything that was found is told.
    pub(super) fn finish(self) {
        let mut choice = self.choice.lock().unwrap_or_else(PoisonError::into_inner);
        choice.close();
        (choice.live, choice.finds) = (None, None);
        drop(choice);
        for thread in self.threads {
            // A thread that failed has said so.
            let _ = thread.join();
        }
    }
}

fn send_live(lives: &Receiver<(gst::Sample, u64)>, station: &Station) {
    let mut annotated = Encoder::new(ANNOTATE);
    while let Ok((sample, frame)) = lives.recv() {
        match annotated.encode(&sample) {
            Ok(jpeg) => station.tell(json!({ "kind": "live", "frame": frame }), &[&jpeg]),
            Err(error) => return say(format_args!("no live picture: {error:#}")),
        }
    }
}

fn send_finds(found: &Receiver<Find>, station: &Station, lost: &AtomicU64) {
    let (mut annotated, mut kept) = (Encoder::new(ANNOTATE), Encoder::new(KEEP));
    let mut told = 0;
    while let Ok(find) = found.recv() {
        let Find { sample, best, first, last } = find;
        let pictures = annotated.encode(&sample).and_then(|jpeg| Ok((jpeg, kept.encode(&sample)?)));
        match pictures {
            Ok((jpeg, png)) => {
                let map = sample.buffer().and_then(map_picture).unwrap_or_default();
                let head = json!({ "kind": "found", "frame": best.frame, "first": first, "last": last });
                station.tell(head, &[&jpeg, &png, &map]);
            }
            Err(error) => return say(format_args!("no pictures of what is found: {error:#}")),
        }
        let pictures = lost.load(Ordering::Relaxed);
        if pictures > told {
            told = pictures;
            station.tell(json!({ "kind": "lost", "pictures": pictures }), &[]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(number: u64, score: f64, verdict: &str) -> gst::Buffer {
        let mut buffer = gst::Buffer::new();
        {
            let mut meta = gst::meta::CustomMeta::add(buffer.get_mut().unwrap(), META).unwrap();
            let fields = meta.mut_structure();
            fields.set("analysed", true);
            fields.set("frame-number", number);
            fields.set("score", score);
            fields.set("verdict", verdict);
        }
        buffer
    }

    #[test]
    fn a_run_of_alarms_is_one_find_with_its_highest_frame() {
        gst::init().unwrap();
        gst::meta::CustomMeta::register(META, &["video"]);
        let (finds, found) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let mut choice = Choice {
            is_live: Arc::new(AtomicBool::new(false)),
            last_live: None,
            open: None,
            live: None,
            finds: Some(finds),
            lost: Arc::clone(&lost),
        };
        let caps = gst::Caps::builder("video/x-raw").build();
        let course =
            [(0.1, "normal"), (0.6, "anomalous"), (0.9, "anomalous"), (0.5, "uncertain"), (0.2, "normal")];
        for (number, (score, verdict)) in course.iter().enumerate() {
            choice.see(&frame(number as u64, *score, verdict), || Some(caps.clone()));
        }
        let find = found.try_recv().unwrap();
        assert_eq!((find.best.frame, find.best.score, find.first, find.last), (2, 0.9, 1, 3));
        assert!(found.try_recv().is_err());
        // Who does not take what was found loses the newest, which is counted.
        for number in 0..=WAITING as u64 {
            choice.see(&frame(2 * number, 0.8, "anomalous"), || Some(caps.clone()));
            choice.see(&frame(2 * number + 1, 0.1, "normal"), || Some(caps.clone()));
        }
        assert_eq!((found.try_iter().count(), lost.load(Ordering::Relaxed)), (WAITING, 1));
    }
}
