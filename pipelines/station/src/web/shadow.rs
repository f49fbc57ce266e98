//! What is asked of the shadow of a line.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};

use super::app::App;
use super::failure::{Answer, Failure};
use super::lines::{Why, check_reason, of};
use crate::line;
use crate::store::{Shadow, Who};

/// The version that judges the same frames as the one in use, and how both agree; `null` where there is none.
#[utoipa::path(get, path = "/api/lines/{line}/shadow", params(("line" = String, Path)), responses((status = 200, body = Option<Shadow>), (status = 404)))]
pub(crate) async fn shadow(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Answer<Json<Option<Shadow>>> {
    Ok(Json(of(&app, &name)?.ask(|line| line.store.shadow(line.name())).await?))
}

/// Lets a version judge the same frames as the one in use, in place of the shadow that there is. Nothing follows from its
/// verdicts. The pipeline starts again.
#[utoipa::path(post, path = "/api/lines/{line}/banks/{version}/shadow", params(("line" = String, Path), ("version" = i64, Path)), request_body = Why, responses((status = 204), (status = 409)))]
pub(crate) async fn set_shadow(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Who>,
    Path((name, version)): Path<(String, i64)>,
    Json(why): Json<Why>,
) -> Answer<StatusCode> {
    let line = of(&app, &name)?;
    let reason = check_reason(&why.reason)?;
    let set = line::set_shadow(line, version, &who.name, &reason).await;
    set.map(|()| StatusCode::NO_CONTENT).map_err(|error| Failure::conflict(&error))
}

/// Ends the shadow of a line, without stopping it.
#[utoipa::path(delete, path = "/api/lines/{line}/shadow", params(("line" = String, Path)), responses((status = 204), (status = 404)))]
pub(crate) async fn end_shadow(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Who>,
    Path(name): Path<String>,
) -> Answer<StatusCode> {
    match line::end_shadow(of(&app, &name)?, &who.name).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Failure::missing("expected a shadow of this line, found none")),
    }
}
