//! Runs a pipeline as `gst-launch-1.0 -e` does, but that TERM and HUP end the stream as INT does: files are completed and
//! banks written, whether the user, the terminal or a service manager ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use gst::prelude::*;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

use crate::pipeline::{Line, error_text, missing_plugin, warning_text};
use crate::{advice, say};

/// How long signals may wait to be seen.
const TICK: gst::ClockTime = gst::ClockTime::from_mseconds(100);

/// How long a pipeline that does not play yet may take to end after a signal.
const PREROLL_PATIENCE: Duration = Duration::from_secs(5);

/// How long a pipeline that plays may take to end after a signal where nobody says otherwise: less than what the units for
/// systemd leave it, `TimeoutStopSec=60`.
pub(crate) const END_PATIENCE: Duration = Duration::from_secs(45);

/// How long elements may take to stop when the stream did not end.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// How long files may take to be completed after an error: a source that fails ends the stream by itself.
const ERROR_PATIENCE: Duration = Duration::from_secs(2);

/// Least time between two lines of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// Exit code of a run that a second signal stopped, or that does not stop.
const STOPPED: i32 = 1;

/// Stands for a signal where whoever runs the process asks for the end.
const RUNNER: i32 = -1;

/// A signal that came, and asks for the end of the stream.
#[derive(Clone, Default)]
pub(crate) struct Asked(Arc<AtomicI32>);

impl Asked {
    /// The signal, once.
    fn take(&self) -> Option<i32> {
        Some(self.0.swap(0, Ordering::Relaxed)).filter(|signal| *signal != 0)
    }

    /// Asks for the end of the stream, as a signal does; one that has not begun is given up.
    pub(crate) fn end(&self) {
        self.0.store(RUNNER, Ordering::Relaxed);
    }
}

/// Listens to the signals that end a stream, from now on. The first one asks for the end of the stream; a second one ends
/// the process at once, whatever an element is waiting for.
///
/// # Errors
/// When the system does not allow it.
pub(crate) fn listen() -> Result<Asked> {
    let mut signals = Signals::new(wanted()).context("cannot listen to signals")?;
    let asked = Asked::default();
    let told = asked.clone();
    let listen = move || {
        let mut coming = signals.forever();
        let Some(first) = coming.next() else { return };
        say(format_args!("{}: ends the stream; again stops at once", name(first)));
        told.0.store(first, Ordering::Relaxed);
        if coming.next().is_some() {
            say(format_args!("stopped at once by a second signal: files may be incomplete"));
            low_level::exit(STOPPED);
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(listen).context("cannot listen to signals")?;
    Ok(asked)
}

/// Runs a pipeline until the end of its stream, or until a signal asks for that, after which it has `patience` to end.
///
/// # Errors
/// When the line is no pipeline, when an element fails, and when the stream was stopped before its end.
pub(crate) fn run(line: &Line, asked: &Asked, patience: Duration) -> Result<()> {
    play(&line.pipeline()?, asked, patience, &mut |_| {})
}

/// Runs a pipeline as [`run`] does; `heard` is called with each message of its bus.
///
/// # Errors
/// When an element fails, and when the stream was stopped before its end.
pub(crate) fn play(
    pipeline: &gst::Pipeline,
    asked: &Asked,
    patience: Duration,
    heard: &mut dyn FnMut(&gst::MessageRef),
) -> Result<()> {
    let bus = pipeline.bus().context("the pipeline has no bus")?;
    let mut player = Player {
        pipeline,
        heard,
        patience,
        is_live: false,
        paused: false,
        is_busy: false,
        error: None,
        told: None,
    };
    let ended = player.start().and_then(|()| player.play(&bus, asked));
    if ended.as_ref().is_err_and(|error| error.is::<NoEnd>()) {
        exit_unless_stopped();
    }
    let stopped = pipeline.set_state(gst::State::Null);
    ended.and_then(|()| stopped.map(drop).context("the pipeline does not stop"))
}

/// The stream did not end within the time that it had after a signal.
#[derive(Debug)]
struct NoEnd(Duration);

impl std::fmt::Display for NoEnd {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0.as_secs_f64();
        write!(
            to,
            "expected the end of the stream within {seconds} s of the signal, found none: files may be incomplete"
        )
    }
}

impl std::error::Error for NoEnd {}

/// Ends the process where elements that let no end through do not stop either.
fn exit_unless_stopped() {
    let wait = || {
        std::thread::sleep(STOP_PATIENCE);
        say(format_args!("the stream did not end, and the pipeline does not stop: files may be incomplete"));
        low_level::exit(STOPPED);
    };
    if let Err(reason) = std::thread::Builder::new().name("stopping".into()).spawn(wait) {
        say(format_args!("cannot watch the pipeline stop: {reason}"));
    }
}

/// Signals to end by. Who started us with `nohup` wants HUP to do nothing.
fn wanted() -> Vec<i32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    let hup_is_ignored = ignored & 1 << (SIGHUP - 1) != 0;
    [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|&signal| signal != SIGHUP || !hup_is_ignored).collect()
}

struct Player<'a> {
    pipeline: &'a gst::Pipeline,
    heard: &'a mut dyn FnMut(&gst::MessageRef),
    /// How long the stream may take to end after a signal.
    patience: Duration,
    is_live: bool,
    /// Whether the pipeline waits for its network buffers to fill.
    paused: bool,
    /// Whether an element is at work of which it tells, such as the making of a bank.
    is_busy: bool,
    /// The first error.
    error: Option<anyhow::Error>,
    /// When progress was told last.
    told: Option<Instant>,
}

impl Player<'_> {
    fn start(&mut self) -> Result<()> {
        let change = self.pipeline.set_state(gst::State::Paused);
        self.is_live = matches!(change, Ok(gst::StateChangeSuccess::NoPreroll));
        if change.is_ok() && self.pipeline.set_state(gst::State::Playing).is_ok() {
            return Ok(());
        }
        // The element that refused has said why.
        let message = self
            .pipeline
            .bus()
            .and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]))
            .ok_or_else(|| anyhow!("the pipeline does not start, and none of its elements says why"))?;
        match message.view() {
            gst::MessageView::Error(error) => Err(anyhow!("{}", self.explained(error))),
            _ => bail!("the pipeline does not start"),
        }
    }

    fn play(&mut self, bus: &gst::Bus, asked: &Asked) -> Result<()> {
        let context = glib::MainContext::default();
        let mut deadline: Option<Instant> = None;
        // The time from whatever set the deadline; the work of an element moves it on.
        let mut patience = self.patience;
        let (mut has_played, mut has_failed) = (false, false);
        loop {
            if let Some(by) = asked.take() {
                let playing = self.pipeline.current_state() == gst::State::Playing;
                if by == RUNNER && !playing {
                    // An end that is sent while the first frame is on its way to a sink holds the lock that the pipeline
                    // needs to play, and the frame waits for that: neither would ever go on.
                    return Ok(());
                }
                self.pipeline.send_event(gst::event::Eos::new());
                has_played = playing;
                // What an error ends is not given more time by a signal.
                if !has_failed {
                    patience = if playing { self.patience } else { PREROLL_PATIENCE };
                    deadline = Some(Instant::now() + patience);
                }
            }
            // Some elements count on the main loop of their application.
            while context.iteration(false) {}
            if let Some(message) = bus.timed_pop(TICK) {
                (self.heard)(&message);
                if self.hear(&message)? {
                    return self.error.take().map_or(Ok(()), Err);
                }
            }
            if self.error.is_some() && !has_failed {
                has_failed = true;
                patience = ERROR_PATIENCE;
                let end = Instant::now() + patience;
                deadline = Some(deadline.map_or(end, |asked| asked.min(end)));
            }
            let Some(end) = deadline else { continue };
            if self.is_busy {
                // What follows the work, such as the end of the stream behind a bank, has its time, too.
                deadline = Some(end.max(Instant::now() + patience));
            } else if Instant::now() >= end {
                return Err(match self.error.take() {
                    Some(error) => error,
                    None if has_played => NoEnd(patience).into(),
                    None => anyhow!("stopped before a frame came: the stream has no end"),
                });
            }
        }
    }

    /// Handles a message. True at the end of the stream.
    fn hear(&mut self, message: &gst::Message) -> Result<bool> {
        use gst::MessageView as View;
        match message.view() {
            View::Eos(_) => return Ok(true),
            View::Error(error) => {
                let text = self.explained(error);
                match self.error {
                    None if self.pipeline.current_state() == gst::State::Playing => {
                        say(format_args!("{text}"));
                        self.error = Some(anyhow!("ended by the error of {}", source(message)));
                    }
                    None => bail!(text),
                    // What follows from the first one.
                    Some(_) => {}
                }
            }
            View::Warning(warning) => say(format_args!("warning: {}", warning_text(warning))),
            View::Info(info) => say(format_args!("{}: {}", source(message), info.error().message())),
            View::Buffering(buffering) if !self.is_live => self.buffer(buffering.percent())?,
            View::ClockLost(_) => {
                self.pipeline.set_state(gst::State::Paused)?;
                self.pipeline.set_state(gst::State::Playing)?;
            }
            View::Latency(_) => {
                // A pipeline that cannot tell its latency yet is asked again with the next message.
                let _ = self.pipeline.recalculate_latency();
            }
            View::RequestState(request) => {
                self.pipeline.set_state(request.requested_state())?;
            }
            View::Progress(progress) => self.tell(progress),
            View::Element(_) => {
                if let Some(text) = missing_plugin(message) {
                    say(format_args!("{text}"));
                }
            }
            _ => {}
        }
        Ok(false)
    }

    /// Waits where the network does not bring enough.
    fn buffer(&mut self, percent: i32) -> Result<()> {
        if percent < 100 && !self.paused {
            self.paused = true;
            self.pipeline.set_state(gst::State::Paused)?;
        } else if percent >= 100 && self.paused {
            self.paused = false;
            self.pipeline.set_state(gst::State::Playing)?;
        }
        Ok(())
    }

    fn tell(&mut self, progress: &gst::message::Progress) {
        let (kind, _, text) = progress.get();
        self.is_busy = matches!(kind, gst::ProgressType::Start | gst::ProgressType::Continue);
        let goes_on = kind == gst::ProgressType::Continue;
        if goes_on && self.told.is_some_and(|last| last.elapsed() < PROGRESS_INTERVAL) {
            return;
        }
        self.told = Some(Instant::now());
        say(format_args!("{text}"));
    }

    /// An error with what would mend it, where that can be seen.
    fn explained(&self, error: &gst::message::Error) -> String {
        let text = error_text(error);
        if !text.contains("not-negotiated") && !text.contains("linking failed") {
            return text;
        }
        let misfits = advice::misfits(self.pipeline.upcast_ref());
        if misfits.is_empty() { text } else { format!("{text}\n  {}", misfits.join("\n  ")) }
    }
}

fn source(message: &gst::Message) -> glib::GString {
    message.src().map_or_else(|| "the pipeline".into(), |source| source.name())
}

fn name(signal: i32) -> &'static str {
    match signal {
        SIGTERM => "TERM",
        SIGHUP => "HUP",
        _ => "INT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::parse;

    fn ended(line: &str, patience: Duration) -> Result<()> {
        gst::init().unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let pipeline = parse(&words).unwrap();
        let asked = Asked::default();
        let told = asked.clone();
        // As a signal that comes when the pipeline plays.
        play(&pipeline, &asked, patience, &mut |message| {
            if matches!(message.view(), gst::MessageView::StateChanged(change)
                if change.current() == gst::State::Playing && message.src().is_some_and(|by| by.is::<gst::Pipeline>()))
            {
                told.0.store(SIGTERM, Ordering::Relaxed);
            }
        })
    }

    #[test]
    fn a_stream_that_does_not_end_after_a_signal_is_given_up() {
        let patience = Duration::from_millis(300);
        let stuck = "videotestsrc is-live=true ! valve drop=true ! fakesink async=false";
        let error = ended(stuck, patience).unwrap_err();
        assert!(error.is::<NoEnd>(), "{error:#}");
        assert_eq!(
            error.to_string(),
            "expected the end of the stream within 0.3 s of the signal, found none: files may be incomplete"
        );
        // One that ends does not wait for that.
        ended("videotestsrc is-live=true ! fakesink", Duration::from_secs(3600)).unwrap();
    }
}
