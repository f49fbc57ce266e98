//! What a result is made of once it is there: metas, a line of JSON, figures, messages, signals, and the choice of the
//! frames that go on.

use std::time::{Duration, Instant};

use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use snarm_core::detect::Verdict;
use snarm_core::results::Record;

use super::events::{Change, Event, Sight};
use super::found::Found;
use super::imp::{CAT, SnarmDetect};
use super::results::set_times;
use super::settings::Settings;
use super::stream::{Frame, Turn};
use super::{Attach, MessageMode, Pass, messages, roi, signals};
use crate::{cuda, lock, meta};

impl SnarmDetect {
    /// Attaches and tells what was found; the frame, if it goes on.
    pub(super) fn deliver(
        &self,
        frame: Frame,
        mut found: Found,
        settings: &Settings,
    ) -> Result<Option<gst::Buffer>, gst::FlowError> {
        let Frame { mut buffer, turn, .. } = frame;
        set_times(&mut found.meta, &buffer, &self.obj().segment());
        attach(buffer.make_mut(), &found, settings).map_err(|error| self.fail(error))?;
        self.write(&found.meta);
        self.count(&found, settings);
        if found.meta.analysed {
            self.tell(&buffer, &found.meta, settings);
        }
        let passes = match settings.pass {
            // Who switches the analysis off wants the stream.
            _ if turn == Turn::Leave && !settings.enabled => true,
            Pass::All => true,
            Pass::Anomalous => found.meta.verdict == Verdict::Anomalous,
            Pass::Normal => found.meta.verdict == Verdict::Normal,
        };
        if found.meta.analysed {
            lock(&self.stream).last = Some(found);
        }
        // The base class does this for frames that it sends itself.
        let discont = std::mem::replace(&mut lock(&self.stream).discont, !passes);
        if passes {
            if discont {
                buffer.make_mut().set_flags(gst::BufferFlags::DISCONT);
            }
            return Ok(Some(buffer));
        }
        lock(&self.figures).stats.count_dropped();
        if let Some(time) = buffer.pts() {
            // Downstream waits for no frame, and a sink starts before the first one passes.
            let gap = gst::event::Gap::builder(time).duration(buffer.duration()).build();
            self.obj().src_pad().push_event(gap);
        }
        Ok(None)
    }

    /// Writes the line of a frame. It waits while a pipe is full, unless the stream is flushed or ends, and readers of
    /// properties wait for none of its locks. A line that cannot be written is counted, and the stream goes on.
    fn write(&self, record: &Record) {
        let written = match lock(&self.results).as_mut() {
            Some(results) => results.write(record, &self.flushing),
            None => return,
        };
        if let Err(lost) = written {
            lock(&self.figures).stats.count_lost();
            match lost.warning {
                Some(warning) => gst::element_imp_warning!(self, gst::ResourceError::Write, ("{warning}")),
                None => gst::debug!(CAT, imp = self, "a line of results is lost"),
            }
        }
    }

    /// Brings the figures up to date and posts what follows from them.
    fn count(&self, found: &Found, settings: &Settings) {
        let record: &Record = &found.meta;
        let now = Instant::now();
        let (latency_changed, stats_due, drift) = {
            let mut figures = lock(&self.figures);
            figures.stats.count(now, record.analysed.then_some(record.latency), record.is_anomalous());
            if record.analysed {
                figures.last_score = record.score;
            }
            let interval = Duration::from_nanos(settings.stats_interval);
            (
                record.analysed && figures.latency.add(record.latency),
                !interval.is_zero() && figures.stats.due(now, interval),
                figures.see_quality(found.quality.as_ref().filter(|_| record.analysed)),
            )
        };
        if latency_changed && settings.report_latency {
            gst::debug!(CAT, imp = self, "latency: {}", lock(&self.figures).latency.reported());
            let message = gst::message::Latency::builder().src(&*self.obj()).build();
            let _ = self.obj().post_message(message);
        }
        for told in drift {
            let fields = messages::drift(&told, settings.source_id.as_deref());
            gst::info!(CAT, imp = self, "{fields}");
            if settings.message_mode >= MessageMode::Events {
                messages::post(&self.obj(), fields);
            }
        }
        if stats_due {
            messages::post(&self.obj(), self.stats());
        }
    }

    /// Tells of an analysed frame and of the defect that it begins or ends.
    fn tell(&self, buffer: &gst::Buffer, record: &Record, settings: &Settings) {
        let by_mode = match settings.message_mode {
            MessageMode::None | MessageMode::Events => false,
            MessageMode::Anomalous => record.is_anomalous(),
            MessageMode::All => true,
        };
        if by_mode || settings.emit_signals {
            let result = messages::result(record);
            if settings.emit_signals {
                self.obj().emit_by_name::<()>(signals::RESULT, &[buffer, &result]);
            }
            if by_mode {
                messages::post(&self.obj(), result);
            }
        }
        let bank = lock(&self.figures).bank.clone();
        let calibration = bank.as_ref().map(|bank| &bank.calibration);
        let rate = lock(&self.stream).info.as_ref().map_or(gst::Fraction::new(0, 1), |info| info.fps());
        let sight = Sight::new(record, calibration, rate, settings.interval);
        let hold = settings.hold(calibration);
        let change = lock(&self.events).see(&sight, settings.confirm_frames, hold);
        self.tell_change(change, settings);
    }

    /// Ends the defect that is open, if one is.
    pub(super) fn end_defect(&self, reason: &str) {
        let ended = lock(&self.events).close();
        let settings = lock(&self.settings).clone();
        self.tell_end(ended, &settings, reason);
    }

    /// The action: ends the defect that is open and counts from 0 again.
    pub(super) fn reset_events(&self) {
        let ended = lock(&self.events).reset();
        let settings = lock(&self.settings).clone();
        self.tell_end(ended, &settings, "reset");
    }

    fn tell_change(&self, change: Change, settings: &Settings) {
        if let Some((event, reason)) = change.end {
            self.tell_end(Some(event), settings, reason.name());
        }
        if let Some(event) = change.begin {
            lock(&self.figures).stats.count_event();
            let fields = messages::defect(&event, settings.source_id.as_deref(), None);
            self.tell_defect(signals::DEFECT_BEGIN, fields, settings);
        }
    }

    fn tell_end(&self, ended: Option<Event>, settings: &Settings, reason: &str) {
        if let Some(event) = ended {
            let fields = messages::defect(&event, settings.source_id.as_deref(), Some(reason));
            self.tell_defect(signals::DEFECT_END, fields, settings);
        }
    }

    fn tell_defect(&self, name: &str, fields: gst::Structure, settings: &Settings) {
        gst::info!(CAT, imp = self, "{fields}");
        if settings.emit_signals {
            self.obj().emit_by_name::<()>(name, &[&fields]);
        }
        if settings.message_mode >= MessageMode::Events {
            messages::post(&self.obj(), fields);
        }
    }

    /// Value of the property `stats`.
    pub(super) fn stats(&self) -> gst::Structure {
        let queue = lock(&self.stream).held.len();
        let device = cuda::name(&self.place);
        lock(&self.figures).structure(queue, &device)
    }
}

/// Puts on the buffer what the user wants there.
fn attach(buffer: &mut gst::BufferRef, found: &Found, settings: &Settings) -> Result<(), gst::ErrorMessage> {
    let failed = |error: gst::glib::BoolError| {
        gst::error_msg!(gst::StreamError::Failed, ("cannot attach the result: {error}"))
    };
    if settings.attach.contains(Attach::META) {
        meta::attach(buffer, &found.meta).map_err(failed)?;
    }
    if settings.attach.contains(Attach::ROI) {
        roi::attach(buffer, &found.meta);
    }
    #[cfg(feature = "analytics")]
    if settings.attach.contains(Attach::ANALYTICS) {
        crate::analytics::attach(buffer, &found.meta, found.mask.as_ref()).map_err(failed)?;
    }
    Ok(())
}
