//! For machines that look after machines: `/healthz` and `/metrics`.

use std::fmt::Write;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::app::App;
use super::failure::Answer;
use crate::line::{Light, Status};

/// Whether all is well.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// Lines of the configuration.
    lines: usize,
    /// Lines that judge frames, or whose stream is over, with no red lamp.
    well: usize,
    /// Frames, finds, parts and messages that were lost since the start, as they could not be stored.
    lost: u64,
}

/// 200 where every line judges frames with no red lamp, or its stream is over; else 503. Tells no names.
#[utoipa::path(get, path = "/healthz", responses((status = 200, body = Health), (status = 503, body = Health)))]
pub(crate) async fn healthz(State(app): State<Arc<App>>) -> Response {
    let is_well = |status| matches!(status, Status::Running | Status::Stopped);
    let well = app.lines().filter(|line| {
        let state = line.state();
        let lamps = state.snapshot("", "", u64::MAX).lamps;
        is_well(state.status) && lamps.iter().all(|lamp| lamp.light != Light::Bad)
    });
    let lost =
        app.switches.iter().flat_map(|switch| switch.lines()).map(|line| line.state().lost.sum()).sum();
    let health = Health { lines: app.switches.len(), well: well.count(), lost };
    let code = if health.well == health.lines { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(health)).into_response()
}

/// A family of numbers in Prometheus' words.
struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
}

impl<'a> Family<'a> {
    fn new(text: &'a mut String, kind: &str, name: &'static str, help: &str) -> Self {
        // Writing to a text does not fail.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        Self { text, name }
    }

    /// Names of lines and outputs need no escapes.
    fn add(&mut self, label: &str, of: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.text, "{}{{{label}=\"{of}\"}} {value}", self.name);
    }
}

/// Figures of lines and outputs for Prometheus.
#[utoipa::path(get, path = "/metrics", responses((status = 200, content_type = "text/plain")))]
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Answer<Response> {
    let mut text = String::new();
    type Value = fn(&crate::line::State) -> f64;
    let families: [(&str, &str, &str, Value); 10] = [
        ("counter", "snarm_frames_total", "Frames analysed.", |state| state.frames as f64),
        ("counter", "snarm_anomalous_frames_total", "Frames above the limit of alarms.", |state| {
            state.anomalous as f64
        }),
        (
            "counter",
            "snarm_finds_total",
            "Runs of frames with an alarm, or in the uncertain band.",
            |state| state.finds as f64,
        ),
        ("counter", "snarm_restarts_total", "Starts of the pipeline after a failure.", |state| {
            state.restarts as f64
        }),
        ("counter", "snarm_lost_pictures_total", "Finds without a picture: too many at once.", |state| {
            state.lost_pictures as f64
        }),
        (
            "counter",
            "snarm_other_lines_total",
            "Lines on the standard output of the pipeline that are no results.",
            |state| state.other_lines as f64,
        ),
        (
            "counter",
            "snarm_lost_total",
            "Frames, finds, parts and messages that were lost, as they could not be stored.",
            |state| state.lost.sum() as f64,
        ),
        ("gauge", "snarm_running", "1 while frames are judged.", |state| {
            f64::from(u8::from(state.status == Status::Running))
        }),
        ("gauge", "snarm_frames_per_second", "Frames analysed in a second.", |state| state.fps),
        ("gauge", "snarm_latency_seconds", "Mean time of an analysis.", |state| state.latency_ms / 1e3),
    ];
    for (kind, name, help, value) in families {
        let mut family = Family::new(&mut text, kind, name, help);
        for line in app.lines() {
            family.add("line", line.at(), value(&line.state()));
        }
    }
    let mut family =
        Family::new(&mut text, "gauge", "snarm_recipe", "Number of the recipe in use, 0 without one.");
    app.lines().for_each(|line| family.add("line", line.at(), line.recipe_number()));
    let waiting = app.waiting().await?;
    let mut family =
        Family::new(&mut text, "gauge", "snarm_output_waiting", "Messages that wait for an output.");
    app.outputs.iter().zip(waiting).for_each(|(output, count)| family.add("output", output.name(), count));
    let tallies = app.tallies().await?;
    let mut family = Family::new(
        &mut text,
        "gauge",
        "snarm_output_set_aside",
        "Messages that an output refused, and that are kept.",
    );
    app.outputs
        .iter()
        .zip(&tallies)
        .for_each(|(output, tally)| family.add("output", output.name(), tally.set_aside));
    let mut family = Family::new(
        &mut text,
        "counter",
        "snarm_output_lost_total",
        "Messages that were removed, as too many waited or were refused.",
    );
    app.outputs
        .iter()
        .zip(&tallies)
        .for_each(|(output, tally)| family.add("output", output.name(), tally.lost));
    let mut family = Family::new(&mut text, "gauge", "snarm_output_up", "1 while an output takes messages.");
    app.outputs.iter().for_each(|output| {
        family.add("output", output.name(), u8::from(output.failure().is_none()));
    });
    let up = app.started.elapsed().as_secs();
    let _ = write!(
        text,
        "# HELP snarm_up_seconds Time since the start.\n# TYPE snarm_up_seconds gauge\nsnarm_up_seconds {up}\n"
    );
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}
