//! What the element does with a frame: finds what is known of it, and draws or attaches it.

use std::sync::atomic::Ordering;

use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_video::VideoOverlayCompositionMeta;
use snarm_core::overlay::check_label;

use super::imp::{CAT, SnarmOverlay};
use super::scene::Found;
use super::settings::Settings;
use super::state::{Figures, State, Way};
use super::{RenderMode, attach, caps};
use crate::frame::{self, Failure};
use crate::{error, lock, log};

/// Frames without a meta after which the user is told.
const MISSING: u32 = 100;

/// Difference between the shapes of two frames that rounding to whole pixels does not explain.
const SHAPE: f64 = 0.02;

impl SnarmOverlay {
    /// Whether frames after the event have nothing to do with those before it: a seek, another file, another place.
    pub(super) fn begins_anew(&self, event: &gst::Event) -> bool {
        match event.view() {
            gst::EventView::FlushStop(_) | gst::EventView::StreamStart(_) => true,
            gst::EventView::Segment(new) => {
                let old = self.obj().sink_pad().sticky_event::<gst::event::Segment>(0);
                // The same segment is sent again when something beside the frames changes.
                old.is_none_or(|old| old.segment() != new.segment())
            }
            _ => false,
        }
    }

    /// Refuses settings that cannot be drawn before anything is.
    pub(super) fn begin(&self) -> Result<(), gst::ErrorMessage> {
        log::forward();
        let style = lock(&self.settings).style();
        check_label(&style.label_format)
            .map_err(|error| gst::error_msg!(gst::ResourceError::Settings, ("{error}")))?;
        let mut state = State { style, ..State::default() };
        let settings = lock(&self.settings).clone();
        self.check_heat(&mut state, &settings, None);
        *lock(&self.state) = state;
        *lock(&self.figures) = Figures::default();
        Ok(())
    }

    /// Draws what is known of the frame in `buffer`.
    pub(super) fn draw(&self, buffer: &mut gst::BufferRef) -> Result<(), gst::ErrorMessage> {
        let settings = lock(&self.settings).clone();
        let mut state = lock(&self.state);
        let state = &mut *state;
        let Some(info) = state.info.clone() else {
            return Err(gst::error_msg!(gst::CoreError::Negotiation, ("a frame came before its caps")));
        };
        if self.reconfigured.swap(false, Ordering::Relaxed) {
            (state.blend_only, state.way) = (false, Way::Unknown);
        }
        if state.way == Way::Unknown {
            self.choose_way(state, settings.render_mode);
        }
        self.take_style(state, &settings);
        lock(&self.figures).frames += 1;
        let found = Found::read(buffer, settings.source, info.width(), info.height());
        match &found {
            Some(_) => state.missing = 0,
            None => self.missed(state, &settings),
        }
        let threshold = found.as_ref().and_then(Found::pixel_threshold);
        if threshold.is_some() || settings.heatmap_min >= 0.0 {
            self.check_heat(state, &settings, threshold);
        }
        let Some(found) = self.to_draw(state, found, buffer.pts(), settings.hold_time) else { return Ok(()) };
        self.compare_shapes(state, &found, &info);
        if settings.only_anomalous && !found.is_anomalous() {
            return Ok(());
        }
        let size = [info.width() as usize, info.height() as usize];
        let orientation = state.turning.orientation();
        let found = found.upright(orientation);
        let (samples, boxes) = (found.samples(), found.boxes());
        let scene = found.scene(samples.as_ref(), &boxes);
        let tiles = state.overlay.paint_stored(size[0], size[1], orientation, &scene, &state.style);
        // Mapping for writing copies what others read too, so it is left until there is something to draw.
        if tiles.is_empty() {
            return Ok(());
        }
        lock(&self.figures).drawn += 1;
        if state.way == Way::Attach {
            return attach::attach(buffer, tiles, size).map_err(|error| {
                gst::error_msg!(gst::StreamError::Failed, ("cannot attach the overlay: {error}"))
            });
        }
        let told = state.broken;
        let warn = |failed: &snarm_core::Error| {
            let text = format!("{failed}; frames are drawn on by the CPU from now on");
            gst::element_imp_warning!(self, gst::StreamError::Failed, ("{text}"));
        };
        match state.brush.draw(&state.overlay, buffer, &info, warn) {
            Ok(()) => state.broken = false,
            Err(Failure::Core(error)) => return Err(error::message(&error)),
            Err(Failure::Buffer(reason)) => {
                state.broken = true;
                let mut figures = lock(&self.figures);
                figures.drawn -= 1;
                figures.unreadable += 1;
                drop(figures);
                if !told {
                    frame::warn_unreadable(&*self.obj(), &reason, "it passes without a drawing");
                }
            }
        }
        Ok(())
    }

    /// Asks downstream once whether it draws compositions, when it may get some.
    fn choose_way(&self, state: &mut State, mode: RenderMode) {
        let pad = self.obj().src_pad().clone();
        let caps = pad.current_caps();
        let may_attach = caps.as_ref().is_some_and(caps::may_attach);
        let must_attach = caps.as_ref().is_some_and(|caps| !caps::can_blend(caps));
        state.way = match mode {
            RenderMode::Attach => Way::Attach,
            _ if must_attach => Way::Attach,
            RenderMode::Blend => Way::Blend,
            RenderMode::Auto if may_attach => {
                let mut query = gst::query::Allocation::new(caps.as_ref(), false);
                let listed = pad.peer_query(&mut query)
                    && query.find_allocation_meta::<VideoOverlayCompositionMeta>().is_some();
                if listed { Way::Attach } else { Way::Blend }
            }
            RenderMode::Auto => Way::Blend,
        };
        // The feature would promise what is not kept, unless compositions come from upstream.
        if let (Way::Blend, RenderMode::Auto, true, Some(mut caps)) = (state.way, mode, may_attach, caps) {
            let incoming = self.obj().sink_pad().current_caps();
            if !incoming.as_ref().is_some_and(caps::may_attach) {
                state.blend_only = true;
                caps::without_feature(&mut caps);
                if self.obj().update_src_caps(&caps).is_err() {
                    gst::warning!(CAT, imp = self, "downstream refuses {caps}");
                }
            }
        }
        lock(&self.figures).attached = state.way == Way::Attach;
        gst::debug!(CAT, imp = self, "overlays leave by {:?}", state.way);
    }

    /// Takes the style as the properties are now. A label that is not understood is told once, and the old one stays.
    fn take_style(&self, state: &mut State, settings: &Settings) {
        let mut style = settings.style();
        if style.label_format != state.style.label_format
            && let Err(error) = check_label(&style.label_format)
        {
            let good = std::mem::take(&mut state.style.label_format);
            lock(&self.settings).label_format.clone_from(&good);
            style.label_format = good;
            gst::element_imp_warning!(
                self,
                gst::ResourceError::Settings,
                ("{error}; the label stays as it was")
            );
        }
        state.style = style;
    }

    /// Tells the user once when the scores of the heat map contradict each other.
    fn check_heat(&self, state: &mut State, settings: &Settings, pixel_threshold: Option<f64>) {
        let checked = settings.check_heat(pixel_threshold);
        let told = std::mem::replace(&mut state.told_heat, checked.is_err());
        if let (false, Err(error)) = (told, checked) {
            let text = format!("{error}; all heat has the last colour");
            gst::element_imp_warning!(self, gst::ResourceError::Settings, ("{text}"));
        }
    }

    /// What is drawn: the result of this frame, or the last one as long as it is held.
    fn to_draw(
        &self,
        state: &mut State,
        found: Option<Found>,
        pts: Option<gst::ClockTime>,
        hold_time: u64,
    ) -> Option<Found> {
        if let Some(found) = found.filter(Found::is_analysed) {
            state.held = (hold_time > 0).then(|| (found.clone(), pts));
            return Some(found);
        }
        let (held, since) = state.held.as_ref()?;
        // Played backwards, frames that follow are earlier ones.
        let age = pts.zip(*since).map(|(now, since)| now.max(since) - now.min(since))?;
        if age.nseconds() > hold_time {
            state.held = None;
            return None;
        }
        lock(&self.figures).held += 1;
        Some(held.clone())
    }

    /// Tells the user once when the picture was cut or squeezed since it was analysed: then the overlay lies beside it.
    fn compare_shapes(&self, state: &mut State, found: &Found, info: &gst_video::VideoInfo) {
        let Some([width, height]) = found.size() else { return };
        let (now, then) =
            (f64::from(info.width()) / f64::from(info.height()), f64::from(width) / f64::from(height));
        let shown = now * f64::from(info.par().numer()) / f64::from(info.par().denom());
        // One pixel more or less is rounding.
        let slack = SHAPE + 1.0 / f64::from(info.width().min(info.height()));
        let differs = |shape: f64| (shape / then - 1.0).abs() > slack;
        let mismatch = differs(now) && differs(shown);
        lock(&self.figures).geometry_mismatch = mismatch;
        if mismatch && !state.told_shape {
            state.told_shape = true;
            let (now, then) = (format!("{}x{}", info.width(), info.height()), format!("{width}x{height}"));
            gst::element_imp_warning!(
                self,
                gst::StreamError::Format,
                ("the frame has another shape than the analysed one: expected that of {then}, found {now}; was it cropped in between?")
            );
        }
    }

    /// Counts frames without a meta and tells the user once.
    fn missed(&self, state: &mut State, settings: &Settings) {
        lock(&self.figures).without_meta += 1;
        if settings.source == super::Source::Roi {
            // A frame without regions is a good one.
            return;
        }
        state.missing += 1;
        if state.missing >= MISSING && !state.told_missing {
            state.told_missing = true;
            let [missed, writer] = settings.source.missed();
            gst::element_imp_warning!(
                self,
                gst::StreamError::Failed,
                ("{MISSING} frames without {missed}: is {writer} upstream?")
            );
        }
    }
}
