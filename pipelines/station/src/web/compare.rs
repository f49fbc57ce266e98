//! What is asked of two versions of a bank that are compared on a recording.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Deserialize;
use utoipa::ToSchema;

use super::app::App;
use super::failure::{Answer, Failure};
use super::lines::of;
use crate::line::{self, Comparing, Comparison};
use crate::store::Who;

/// Most frames that are judged, and most frames of which one is.
const MOST: u32 = 1_000_000;

/// Frames that are judged, unless somebody says otherwise.
const USUAL: u32 = 10_000;

/// The recordings of a line, how far a comparison is, and how the last one ended.
#[utoipa::path(get, path = "/api/lines/{line}/compare", params(("line" = String, Path)), responses((status = 200, body = Comparison), (status = 404)))]
pub(crate) async fn comparison(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Answer<Json<Comparison>> {
    Ok(Json(line::comparison(of(&app, &name)?)))
}

/// What is to be compared.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewComparison {
    /// Name of a recording of the line, as the configuration has it.
    recording: String,
    /// One version of the bank.
    a: i64,
    /// The other one.
    b: i64,
    /// Each so many-th frame is judged.
    #[serde(default = "one")]
    interval: u32,
    /// At most so many frames are judged.
    #[serde(default = "usual")]
    max_frames: u32,
}

fn one() -> u32 {
    1
}

fn usual() -> u32 {
    USUAL
}

/// Compares two versions of a bank on a recording, beside the line, which goes on. No bank is made meanwhile.
#[utoipa::path(post, path = "/api/lines/{line}/compare", params(("line" = String, Path)), request_body = NewComparison, responses((status = 204), (status = 400), (status = 409)))]
pub(crate) async fn begin_comparing(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Who>,
    Path(name): Path<String>,
    Json(new): Json<NewComparison>,
) -> Answer<StatusCode> {
    let line = of(&app, &name)?;
    if !(1..=MOST).contains(&new.interval) || !(1..=MOST).contains(&new.max_frames) {
        return Err(Failure::bad(format!(
            "expected an interval and a number of frames of 1 to {MOST}, found {} and {}",
            new.interval, new.max_frames
        )));
    }
    let NewComparison { recording, a, b, interval, max_frames } = new;
    let comparing = Comparing { recording, a, b, interval, max_frames, author: who.name };
    let begun = line::begin_comparing(line, comparing).await;
    begun.map(|()| StatusCode::NO_CONTENT).map_err(|error| Failure::conflict(&error))
}

/// Gives a comparison up: there is no report.
#[utoipa::path(delete, path = "/api/lines/{line}/compare", params(("line" = String, Path)), responses((status = 204), (status = 409)))]
pub(crate) async fn give_up(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Who>,
    Path(name): Path<String>,
) -> Answer<StatusCode> {
    match line::end_comparing(of(&app, &name)?, &who.name).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => {
            Err(Failure(StatusCode::CONFLICT, "expected a comparison of this line, found none".to_owned()))
        }
    }
}
