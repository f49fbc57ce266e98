//! Bodies of requests: they are small, and come soon. What refuses them answers as everything else does.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;

use super::failure::{Answer, Failure};

/// Largest body of a request, in bytes.
const LARGEST: usize = 64 << 10;

/// How long a body may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Lets requests pass whose body is there as a whole.
pub(super) async fn whole(request: Request, next: Next) -> Response {
    within(PATIENCE, request, next).await
}

async fn within(patience: Duration, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    match tokio::time::timeout(patience, read(body)).await {
        Ok(Ok(body)) => as_json(next.run(Request::from_parts(head, Body::from(body))).await).await,
        Ok(Err(failure)) => failure.into_response(),
        Err(_) => {
            let text = format!("expected the whole body within {} s, found a part of it", patience.as_secs());
            Failure(StatusCode::REQUEST_TIMEOUT, text).into_response()
        }
    }
}

async fn read(body: Body) -> Answer<Vec<u8>> {
    let (mut all, mut parts) = (Vec::new(), body.into_data_stream());
    while let Some(part) = parts.next().await {
        let part = part.map_err(|error| Failure::bad(format!("expected the whole body: {error}")))?;
        if all.len() + part.len() > LARGEST {
            let text = format!("expected a body of at most {LARGEST} bytes, found a larger one");
            return Err(Failure(StatusCode::PAYLOAD_TOO_LARGE, text));
        }
        all.extend_from_slice(&part);
    }
    Ok(all)
}

/// Refusals that axum makes of a body, a path or a query are plain text.
async fn as_json(response: Response) -> Response {
    let code = response.status();
    let kind = response.headers().get(CONTENT_TYPE);
    if !code.is_client_error() || !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain")) {
        return response;
    }
    let text = to_bytes(response.into_body(), LARGEST).await.unwrap_or_default();
    Failure(code, String::from_utf8_lossy(&text).into_owned()).into_response()
}

#[cfg(test)]
mod tests {
    use axum::routing::post;
    use axum::{Json, Router, middleware};
    use futures_util::stream;
    use hyper::service::Service;
    use hyper_util::service::TowerToHyperService;
    use serde_json::Value;

    use super::*;

    /// Code and error of the answer to a body of a kind.
    async fn asked(kind: &str, body: Body) -> (u16, String) {
        let echo = async |Json(body): Json<Vec<u8>>| Json(body);
        let soon =
            async |request: Request, next: Next| within(Duration::from_millis(50), request, next).await;
        let routes = Router::new().route("/", post(echo)).layer(middleware::from_fn(soon));
        let request = Request::post("/").header(CONTENT_TYPE, kind).body(body).unwrap();
        let answer = TowerToHyperService::new(routes).call(request).await.unwrap();
        let code = answer.status().as_u16();
        let text = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        let told: Value = serde_json::from_slice(&text).unwrap();
        (code, told.get("error").and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    #[test]
    fn every_refusal_of_a_body_is_json_that_names_what_was_expected() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let json = "application/json";
            assert_eq!(asked(json, "[1]".into()).await, (200, String::new()));
            let endless = Body::from_stream(stream::pending::<Result<Vec<u8>, std::io::Error>>());
            for (kind, body, code, words) in [
                (json, Body::from(vec![b' '; LARGEST + 1]), 413, "at most 65536 bytes"),
                (json, endless, 408, "expected the whole body within"),
                ("text/plain", "[1]".into(), 415, "application/json"),
                (json, "[".into(), 400, "JSON"),
                (json, "{}".into(), 422, "expected a sequence"),
            ] {
                let (found, text) = asked(kind, body).await;
                assert!(found == code && text.contains(words), "{found} {text}");
            }
        });
    }
}
