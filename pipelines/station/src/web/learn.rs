//! What is asked of a line that learns, and of the frames that versions were learned from.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use utoipa::ToSchema;

use super::app::App;
use super::failure::{Answer, Failure};
use super::lines::{check_reason, in_use, of};
use crate::line::{self, Ask, Learning, Wish};
use crate::store::Who;

/// Where good frames come from, how far learning is, and how the last one ended.
#[utoipa::path(get, path = "/api/lines/{line}/learn", params(("line" = String, Path)), responses((status = 200, body = Learning), (status = 404)))]
pub(crate) async fn learning(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Answer<Json<Learning>> {
    Ok(Json(line::learning(of(&app, &name)?)))
}

/// What is to be learned.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewWish {
    reason: String,
    /// Each so many-th frame is learned.
    #[serde(default = "one")]
    interval: u32,
    /// The bank is made after so many frames; 0 learns to the end of the stream, or until `learn/enough`.
    #[serde(default)]
    max_frames: u32,
    /// The bank is made so many seconds after the first frame; 0 says nothing of it.
    #[serde(default)]
    seconds: u32,
    /// Whether frames that are unlike the rest are left out.
    #[serde(default)]
    leave_out_odd_frames: bool,
}

fn one() -> u32 {
    1
}

/// Lets a line learn from good frames. It inspects nothing meanwhile. What it learned is a version that nobody uses until it is
/// released.
#[utoipa::path(post, path = "/api/lines/{line}/learn", params(("line" = String, Path)), request_body = NewWish, responses((status = 204), (status = 400), (status = 409)))]
pub(crate) async fn begin_learning(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Who>,
    Path(name): Path<String>,
    Json(new): Json<NewWish>,
) -> Answer<StatusCode> {
    let line = in_use(&app, &name)?;
    let reason = check_reason(&new.reason)?;
    let wish = Wish {
        author: who.name,
        reason,
        interval: new.interval,
        max_frames: new.max_frames,
        seconds: new.seconds,
        leave_out_odd_frames: new.leave_out_odd_frames,
    };
    wish.check().map_err(|error| Failure::bad(error.to_string()))?;
    let begun = line::begin_learning(line, wish).await;
    begun.map(|()| StatusCode::NO_CONTENT).map_err(|error| Failure::conflict(&error))
}

async fn end(app: &App, name: &str, ask: Ask, who: &Who) -> Answer<StatusCode> {
    match line::end_learning(of(app, name)?, ask, &who.name).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Failure(StatusCode::CONFLICT, "expected a line that learns, found none".to_owned())),
    }
}

/// The frames so far are enough: the bank is made of them.
#[utoipa::path(post, path = "/api/lines/{line}/learn/enough", params(("line" = String, Path)), responses((status = 204), (status = 409)))]
pub(crate) async fn enough(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Who>,
    Path(name): Path<String>,
) -> Answer<StatusCode> {
    end(&app, &name, Ask::Enough, &who).await
}

/// Gives learning up: no version is made, and the line inspects again.
#[utoipa::path(delete, path = "/api/lines/{line}/learn", params(("line" = String, Path)), responses((status = 204), (status = 409)))]
pub(crate) async fn give_up(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Who>,
    Path(name): Path<String>,
) -> Answer<StatusCode> {
    end(&app, &name, Ask::GiveUp, &who).await
}

/// A frame that a version was learned from, by its running time in nanoseconds, JPEG. At most 400 of a version are kept.
#[utoipa::path(get, path = "/api/lines/{line}/banks/{version}/learned/{time}", params(("line" = String, Path), ("version" = i64, Path), ("time" = u64, Path)), responses((status = 200, content_type = "image/jpeg"), (status = 404)))]
pub(crate) async fn picture(
    State(app): State<Arc<App>>,
    Path((name, version, time)): Path<(String, i64, u64)>,
) -> Answer<Response> {
    let line = of(&app, &name)?;
    let file = line.store.learned_folder(line.name(), version).join(format!("{time}.jpg"));
    let missing =
        |_| Failure::missing(format!("expected a picture of a learned frame, found none of {time}"));
    let bytes = tokio::fs::read(file).await.map_err(missing)?;
    Ok(([(CONTENT_TYPE, "image/jpeg")], bytes).into_response())
}
