//! How the station itself is: lines, outputs, space, log.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::app::App;
use super::failure::{Answer, Failure};
use super::lines::in_use;
use crate::clock;
use crate::line::{self, Lamp, Lost, SourceTest, Status};
use crate::log::LogLine;
use crate::output::{Health, KEPT};
use crate::store::{Gone, SetAside, Store, Tally, Waiting, Who};

/// How long a test message may take, in steps of [`STEP`].
const STEPS: u32 = 25;

const STEP: Duration = Duration::from_millis(200);

/// How the pipeline of a line is.
#[derive(Serialize, ToSchema)]
pub(crate) struct LineHealth {
    name: String,
    title: String,
    status: Status,
    /// More of that in words.
    detail: String,
    /// Starts of the pipeline after a failure.
    restarts: u64,
    /// Frames analysed since the station started.
    frames: u64,
    /// Finds without a picture: too many at once.
    lost_pictures: u64,
    /// Lines on the standard output of the pipeline that are no results.
    other_lines: u64,
    /// Why what was judged is not stored, where it is not, and waits.
    unstored: Option<String>,
    /// What was lost since the station started, as it could not be stored.
    lost: Lost,
    /// Frames a second.
    fps: f64,
    /// Time of an analysis in milliseconds.
    latency_ms: f64,
}

/// How an output is.
#[derive(Serialize, ToSchema)]
pub(crate) struct OutputHealth {
    name: String,
    /// As the configuration calls it.
    kind: &'static str,
    /// Why it takes nothing, where it does not.
    failure: Option<String>,
    /// Messages that wait.
    waiting: u64,
    /// Messages that it refused again and again, and that are kept.
    set_aside: u64,
    /// Messages that were removed, as too many waited or were refused.
    lost: u64,
    /// Whether a message can be sent to try it.
    can_be_tried: bool,
}

/// How the station is.
#[derive(Serialize, ToSchema)]
pub(crate) struct System {
    version: String,
    /// Seconds since it started.
    up: u64,
    /// Folder of results, pictures and banks.
    folder: String,
    /// Bytes of the database, with what is written and not merged yet.
    database: u64,
    /// Of outputs and disk.
    lamps: Vec<Lamp>,
    lines: Vec<LineHealth>,
    outputs: Vec<OutputHealth>,
    /// Outputs with messages that the configuration has no more.
    gone: Vec<Gone>,
    /// How long such messages are kept, in milliseconds.
    gone_kept: i64,
    /// Lines of the log, the last one first.
    log: Vec<LogLine>,
}

/// How the station is: its lines, outputs, space and log.
#[utoipa::path(get, path = "/api/system", responses((status = 200, body = System)))]
pub(crate) async fn system(State(app): State<Arc<App>>) -> Answer<Json<System>> {
    let output = |((output, waiting), tally): ((&Arc<Health>, u64), Tally)| OutputHealth {
        name: output.name().to_owned(),
        kind: output.kind(),
        failure: output.failure(),
        waiting,
        set_aside: tally.set_aside,
        lost: tally.lost,
        can_be_tried: output.takes_messages(),
    };
    let counts = app.outputs.iter().zip(app.waiting().await?).zip(app.tallies().await?);
    let outputs = counts.map(output).collect();
    let gone = app.store.ask(|store| store.gone()).await?;
    let folder = app.store.folder();
    let size = |name: &str| std::fs::metadata(folder.join(name)).map_or(0, |about| about.len());
    Ok(Json(System {
        version: app.version.to_owned(),
        up: app.started.elapsed().as_secs(),
        folder: folder.display().to_string(),
        database: size("station.sqlite") + size("station.sqlite-wal"),
        lamps: app.lamps(),
        lines: app.lines().map(|line| line_health(line)).collect(),
        outputs,
        gone,
        gone_kept: KEPT,
        log: app.log.last(),
    }))
}

fn line_health(line: &line::Line) -> LineHealth {
    let state = line.state();
    LineHealth {
        name: line.at().to_owned(),
        title: line.config.shown().to_owned(),
        status: state.status,
        detail: state.detail.clone(),
        restarts: state.restarts,
        frames: state.frames,
        lost_pictures: state.lost_pictures,
        other_lines: state.other_lines,
        unstored: state.unstored.clone(),
        lost: state.lost,
        fps: state.fps,
        latency_ms: state.latency_ms,
    }
}

/// Sends a message `{"test": true}` through the queue of an output, and says whether it was taken within five seconds. One that
/// was not waits as others do.
#[utoipa::path(post, path = "/api/outputs/{output}/test", params(("output" = String, Path)), responses((status = 204), (status = 404), (status = 409), (status = 502), (status = 504)))]
pub(crate) async fn try_output(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Who>,
    Path(name): Path<String>,
) -> Answer<StatusCode> {
    let output = app.outputs.iter().find(|output| output.name() == name);
    let output =
        output.ok_or_else(|| Failure::missing("expected the name of an output, found no such output"))?;
    if !output.takes_messages() {
        let text = format!(
            "expected an output that messages are sent to, found {}: ask it with a client",
            output.kind()
        );
        return Err(Failure(StatusCode::CONFLICT, text));
    }
    let payload = json!({ "test": true, "author": who.name, "time": clock::now() }).to_string();
    let message = Waiting { output: name.clone(), topic: "test".to_owned(), payload };
    let id = app.store.ask(move |store| store.send_by(&message, &who.name)).await?;
    for _ in 0..STEPS {
        tokio::time::sleep(STEP).await;
        let name = name.clone();
        let found = move |store: &Store| Ok((store.message(&name, id)?.is_some(), store.refusal(&name, id)?));
        match app.store.ask(found).await? {
            (_, Some(reason)) => {
                return Err(Failure(StatusCode::BAD_GATEWAY, format!("the message was refused: {reason}")));
            }
            (false, None) => return Ok(StatusCode::NO_CONTENT),
            (true, None) => {}
        }
    }
    let reason = output.failure().unwrap_or_else(|| "others wait before it".to_owned());
    let text =
        format!("the message waits, since it was not taken within {} s: {reason}", (STEP * STEPS).as_secs());
    Err(Failure(StatusCode::GATEWAY_TIMEOUT, text))
}

/// The messages that an output refused again and again, the oldest first.
#[utoipa::path(get, path = "/api/outputs/{output}/set-aside", params(("output" = String, Path)), responses((status = 200, body = Vec<SetAside>)))]
pub(crate) async fn set_aside(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Answer<Json<Vec<SetAside>>> {
    Ok(Json(app.store.ask(move |store| store.all_set_aside(&name)).await?))
}

/// Removes the messages that an output refused: somebody has seen to them.
#[utoipa::path(delete, path = "/api/outputs/{output}/set-aside", params(("output" = String, Path)), responses((status = 204), (status = 404)))]
pub(crate) async fn remove_set_aside(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Who>,
    Path(name): Path<String>,
) -> Answer<StatusCode> {
    if !app.outputs.iter().any(|output| output.name() == name) {
        return Err(Failure::missing("expected the name of an output, found no such output"));
    }
    app.store.ask(move |store| store.remove_set_aside(&name, &who.name)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes the messages of an output that the configuration has no more.
#[utoipa::path(delete, path = "/api/outputs/{output}", params(("output" = String, Path)), responses((status = 204), (status = 404)))]
pub(crate) async fn remove_gone(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Who>,
    Path(name): Path<String>,
) -> Answer<StatusCode> {
    match app.store.ask(move |store| store.remove_gone(&name, &who.name)).await? {
        Some(_) => Ok(StatusCode::NO_CONTENT),
        None => Err(Failure::missing(
            "expected an output with messages that the configuration has no more, found no such output",
        )),
    }
}

/// Starts the pipeline of a line anew, at once where it waits after a failure.
#[utoipa::path(post, path = "/api/lines/{line}/restart", params(("line" = String, Path)), responses((status = 204), (status = 404)))]
pub(crate) async fn restart(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Who>,
    Path(name): Path<String>,
) -> Answer<StatusCode> {
    line::restart(in_use(&app, &name)?, &who.name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Says whether frames come from the source of a line. While its pipeline has the source, what is known of the line says so;
/// while it waits after a failure, or is stopped, the source is opened for some seconds.
#[utoipa::path(post, path = "/api/lines/{line}/source/test", params(("line" = String, Path)), responses((status = 200, body = SourceTest), (status = 404), (status = 409)))]
pub(crate) async fn try_source(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Who>,
    Path(name): Path<String>,
) -> Answer<Json<SourceTest>> {
    let tried = line::try_source(in_use(&app, &name)?, &who.name).await;
    tried.map(Json).map_err(|error| Failure::conflict(&error))
}
