//! What is asked of the hub of many stations.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::Value;

use super::app::App;
use super::failure::{Answer, Failure};

/// What all lines of all stations at the hub are, as they told last (docs/many-lines.md).
#[utoipa::path(get, path = "/api/hub", responses((status = 200, body = [Object]), (status = 404), (status = 503)))]
pub(crate) async fn states(State(app): State<Arc<App>>) -> Answer<Json<Vec<Value>>> {
    let hub = app.hub.as_ref();
    let hub = hub.ok_or_else(|| Failure::missing("expected [hub] in the configuration, found none"))?;
    let states = hub.states().await;
    states.map(Json).map_err(|error| Failure(StatusCode::SERVICE_UNAVAILABLE, format!("{error:#}")))
}
