//! Who may come in. A browser has a cookie that no other site can send or read; a program has a token in its
//! `Authorization`. Every route says which role it asks for.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::app::App;
use super::failure::{Answer, Failure};
use crate::requests::{AT_ONCE, RATE};
use crate::store::{Role, Who};

/// Name of the cookie.
const NAME: &str = "snarm-station";

/// How long a sign-in holds, in seconds.
pub(super) const HOLDS: i64 = 12 * 60 * 60;

/// What the pages may load and do.
const POLICY: &str = "default-src 'self'; img-src 'self' blob: data:; style-src 'self'; script-src 'self'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// What a route asks for.
#[derive(Clone)]
pub(super) struct Asks {
    pub(super) app: Arc<App>,
    pub(super) role: Role,
}

/// Refuses the requests of a client that sends too many.
pub(super) async fn limit(
    State(app): State<Arc<App>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let Some(wait) = app.requests.take(from.ip()) else { return next.run(request).await };
    let seconds = wait.as_secs() + 1;
    let text = format!(
        "expected at most {RATE} requests a second of an address, and {AT_ONCE} at once, found more: wait {seconds} s"
    );
    let refusal = Failure(StatusCode::TOO_MANY_REQUESTS, text).into_response();
    ([(RETRY_AFTER, seconds.to_string())], refusal).into_response()
}

/// Lets in who has the role. Handlers get [`Who`] as an extension.
pub(super) async fn guard(State(asks): State<Asks>, mut request: Request, next: Next) -> Answer<Response> {
    let known = who(&asks.app, request.headers()).await?;
    let Some((who, by_cookie)) = known else {
        return Err(Failure(
            StatusCode::UNAUTHORIZED,
            "expected a sign-in or a token, found neither".to_owned(),
        ));
    };
    if by_cookie && !matches!(*request.method(), Method::GET | Method::HEAD) {
        check_origin(request.headers())?;
    }
    if who.role < asks.role {
        let text = format!("expected the role {} or more, found {}", asks.role.name(), who.role.name());
        return Err(Failure(StatusCode::FORBIDDEN, text));
    }
    request.extensions_mut().insert(who);
    Ok(next.run(request).await)
}

/// Who asks, and whether a cookie says so.
async fn who(app: &App, headers: &HeaderMap) -> Answer<Option<(Who, bool)>> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        let token = value.to_str().ok().and_then(|text| text.strip_prefix("Bearer ")).map(str::to_owned);
        let Some(token) = token else {
            return Err(Failure(StatusCode::UNAUTHORIZED, "expected Authorization: Bearer TOKEN".to_owned()));
        };
        return Ok(app.store.ask(move |store| store.token(&token)).await?.map(|who| (who, false)));
    }
    if let Some(token) = cookie(headers)
        && let Some(who) = app.store.ask(move |store| store.signed_in(&token)).await?
    {
        return Ok(Some((who, true)));
    }
    Ok(app.open_viewing.then(|| (Who { name: "everybody".to_owned(), role: Role::Viewer }, false)))
}

/// The token in the cookie.
pub(super) fn cookie(headers: &HeaderMap) -> Option<String> {
    let all = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == NAME).map(|(_, token)| token.to_owned())
}

/// Value of `Set-Cookie`; an empty token removes it. With TLS the cookie goes no other way.
pub(super) fn set_cookie(token: &str, is_tls: bool) -> String {
    let age = if token.is_empty() { 0 } else { HOLDS };
    let secure = if is_tls { "; Secure" } else { "" };
    format!("{NAME}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}{secure}")
}

/// Refuses what another site has a browser send.
pub(super) fn check_origin(headers: &HeaderMap) -> Answer<()> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let host = text(HOST).unwrap_or_default();
    let origin = text(ORIGIN).unwrap_or_default();
    let is_ours = origin.split_once("://").is_some_and(|(_, from)| from == host && !host.is_empty());
    match is_ours {
        true => Ok(()),
        false => {
            let text = format!("expected a request of a page of {host}, found the origin {origin:?}");
            Err(Failure(StatusCode::FORBIDDEN, text))
        }
    }
}

/// Headers of every answer.
pub(super) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_request_of_another_site_is_refused() {
        for (origin, is_ours) in [
            (Some("http://box:8470"), true),
            (Some("https://box:8470"), true),
            (Some("http://evil.example"), false),
            (Some("http://box:8470.evil.example"), false),
            (Some("null"), false),
            (None, false),
        ] {
            let mut all = headers(&[("host", "box:8470")]);
            if let Some(origin) = origin {
                all.insert(ORIGIN, origin.parse().unwrap());
            }
            assert_eq!(check_origin(&all).is_ok(), is_ours, "{origin:?}");
        }
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let all = headers(&[("cookie", "a=b; snarm-station=t1; c=d")]);
        assert_eq!(cookie(&all).as_deref(), Some("t1"));
        assert_eq!(cookie(&headers(&[("cookie", "xsnarm-station=t1")])), None);
        assert!(set_cookie("t", false).contains("HttpOnly; SameSite=Strict"));
        assert!(set_cookie("t", true).ends_with("; Secure") && !set_cookie("t", false).contains("Secure"));
    }
}
