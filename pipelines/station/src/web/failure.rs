//! Answers that say why something was not done.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// What was not done, and why.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) StatusCode, pub(crate) String);

/// Of a handler.
pub(crate) type Answer<T> = Result<T, Failure>;

impl Failure {
    /// What was asked for makes no sense.
    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, text.into())
    }

    /// There is no such thing.
    pub(crate) fn missing(text: impl Into<String>) -> Self {
        Self(StatusCode::NOT_FOUND, text.into())
    }

    /// It cannot be done now, for a reason that the caller may read.
    pub(crate) fn conflict(error: &anyhow::Error) -> Self {
        Self(StatusCode::CONFLICT, format!("{error:#}"))
    }
}

impl From<anyhow::Error> for Failure {
    /// What failed inside is for the log.
    fn from(error: anyhow::Error) -> Self {
        tracing::error!("{error:#}");
        Self(StatusCode::INTERNAL_SERVER_ERROR, "the station failed: its log says why".to_owned())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}
