//! What is asked of the hub of many stations.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::app::App;
use super::failure::{Answer, Failure};
use crate::hub::{self, Seen, Signed, Window};
use crate::store::Who;

fn window(app: &App) -> Answer<&Window> {
    let hub = app.hub.as_deref();
    hub.ok_or_else(|| Failure::missing("expected [hub] in the configuration, found none"))
}

fn away(error: &anyhow::Error) -> Failure {
    Failure(StatusCode::SERVICE_UNAVAILABLE, format!("{error:#}"))
}

/// What all lines of all stations at the hub are, as they told last (docs/many-lines.md).
#[utoipa::path(get, path = "/api/hub", responses((status = 200, body = [Object]), (status = 404), (status = 503)))]
pub(crate) async fn states(State(app): State<Arc<App>>) -> Answer<Json<Vec<Value>>> {
    window(&app)?.states().await.map(Json).map_err(|error| away(&error))
}

/// What the hub has of a station: its lines, its last rejects, events and commands.
#[utoipa::path(get, path = "/api/hub/{station}", params(("station" = String, Path)), responses((status = 200, body = Seen), (status = 404), (status = 503)))]
pub(crate) async fn station(State(app): State<Arc<App>>, Path(name): Path<String>) -> Answer<Json<Seen>> {
    let seen = window(&app)?.station(&name).await.map_err(|error| away(&error))?;
    seen.map(Json)
        .ok_or_else(|| Failure::missing("expected a station that told the hub of its lines, found none"))
}

/// A command that somebody signed with a key of his own, for a station that trusts him (docs/many-lines.md).
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    /// The command, JSON.
    statement: String,
    /// Ed25519, 128 hexadecimal digits.
    signature: String,
}

/// Passes a command on to a station, and answers as it does. Operators may ask for what they may do here, engineers for the rest.
#[utoipa::path(post, path = "/api/hub/{station}/commands", params(("station" = String, Path)), request_body = Order, responses((status = 200, body = Object), (status = 400), (status = 403), (status = 404), (status = 409)))]
pub(crate) async fn command(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Who>,
    Path(name): Path<String>,
    Json(Order { statement, signature }): Json<Order>,
) -> Answer<Json<Value>> {
    let hub = window(&app)?;
    let signed = Signed { statement, signature };
    let needs = hub::role(&signed).map_err(|error| Failure::bad(format!("{error:#}")))?;
    if who.role < needs {
        let text = format!("expected the role {} for this command, found {}", needs.name(), who.role.name());
        return Err(Failure(StatusCode::FORBIDDEN, text));
    }
    hub.ask(&name, &signed).await.map(Json).map_err(|error| Failure::conflict(&error))
}
