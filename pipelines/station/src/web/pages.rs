//! Pages and what they are made of, from the binary. They hold no data: their script asks the API.

use axum::Router;
use axum::body::Bytes;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

const HTML: &str = "text/html; charset=utf-8";

/// What all pages have around their content.
const FRAME: &str = include_str!("../assets/page.html");

/// Path, title, name for the script, content.
const PAGES: [(&str, &str, &str, &str); 11] = [
    ("/", "Line", "line", include_str!("../assets/line.html")),
    ("/review", "Review", "review", include_str!("../assets/review.html")),
    ("/limits", "Limits", "limits", include_str!("../assets/limits.html")),
    ("/banks", "Banks", "banks", include_str!("../assets/banks.html")),
    ("/learn", "Learn", "learn", include_str!("../assets/learn.html")),
    ("/recipes", "Recipes", "recipes", include_str!("../assets/recipes.html")),
    ("/trends", "Trends", "trends", include_str!("../assets/trends.html")),
    ("/system", "System", "system", include_str!("../assets/system.html")),
    ("/stations", "Stations", "stations", include_str!("../assets/stations.html")),
    ("/access", "Access", "access", include_str!("../assets/access.html")),
    ("/sign-in", "Sign in", "sign-in", include_str!("../assets/sign-in.html")),
];

/// Path, kind, content.
const ASSETS: [(&str, &str, &str); 9] = [
    ("/station.css", "text/css; charset=utf-8", include_str!("../assets/station.css")),
    ("/common.js", "text/javascript; charset=utf-8", include_str!("../assets/common.js")),
    ("/pages.js", "text/javascript; charset=utf-8", include_str!("../assets/pages.js")),
    ("/live.js", "text/javascript; charset=utf-8", include_str!("../assets/live.js")),
    ("/learn.js", "text/javascript; charset=utf-8", include_str!("../assets/learn.js")),
    ("/recipes.js", "text/javascript; charset=utf-8", include_str!("../assets/recipes.js")),
    ("/trends.js", "text/javascript; charset=utf-8", include_str!("../assets/trends.js")),
    ("/system.js", "text/javascript; charset=utf-8", include_str!("../assets/system.js")),
    ("/icon.svg", "image/svg+xml", include_str!("../assets/icon.svg")),
];

/// Path, kind and content of all that is served.
fn served() -> impl Iterator<Item = (&'static str, &'static str, Bytes)> {
    let pages = PAGES.into_iter().map(|(path, title, name, main)| {
        let page = FRAME.replace("{{title}}", title).replace("{{name}}", name).replace("{{main}}", main);
        (path, HTML, Bytes::from(page))
    });
    pages.chain(
        ASSETS.into_iter().map(|(path, kind, content)| (path, kind, Bytes::from_static(content.as_bytes()))),
    )
}

/// Routes of all pages.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    served().fold(Router::new(), |router, (path, kind, content)| {
        let tag = format!("\"{}\"", snarm_core::files::hex(&Sha256::digest(&content)[..8]));
        let answer = move |headers: HeaderMap| {
            let (tag, content) = (tag.clone(), content.clone());
            async move { page(&headers, kind, content, &tag) }
        };
        router.route(path, get(answer))
    })
}

fn page(headers: &HeaderMap, kind: &'static str, content: Bytes, tag: &str) -> Response {
    let known = headers.get(IF_NONE_MATCH).is_some_and(|given| given.as_bytes() == tag.as_bytes());
    let about = [(CACHE_CONTROL, "no-cache"), (ETAG, tag)];
    match known {
        true => (StatusCode::NOT_MODIFIED, about).into_response(),
        false => (about, [(CONTENT_TYPE, kind)], content).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_page_is_over_300_kb_with_all_that_it_loads_and_nothing_is_of_elsewhere() {
        let text = |content: &[u8]| String::from_utf8(content.to_vec()).unwrap();
        let shared: usize = served().filter(|(_, kind, _)| *kind != HTML).map(|(_, _, c)| c.len()).sum();
        assert_eq!(served().filter(|(_, kind, _)| *kind == HTML).count(), PAGES.len());
        for (path, kind, content) in served() {
            if kind == HTML {
                assert!(content.len() + shared < 300_000, "{path}: {} bytes", content.len() + shared);
                let text = text(&content);
                for needed in ["<!doctype html>", "lang=\"en\"", "name=\"viewport\"", "<main", "/station.css"]
                {
                    assert!(text.contains(needed), "{path} lacks {needed}");
                }
                // The policy lets no script or style of a page itself run.
                assert!(!text.contains("style=") && !text.contains("onclick="), "{path}");
            }
            assert!(!text(&content).replace("http://www.w3.org/2000/svg", "").contains("http"), "{path}");
        }
    }

    #[test]
    fn a_page_that_is_known_is_not_sent_again() {
        let mut headers = HeaderMap::new();
        headers.insert(IF_NONE_MATCH, "\"a\"".parse().unwrap());
        assert_eq!(
            page(&headers, HTML, Bytes::from_static(b"x"), "\"a\"").status(),
            StatusCode::NOT_MODIFIED
        );
        assert_eq!(page(&headers, HTML, Bytes::from_static(b"x"), "\"b\"").status(), StatusCode::OK);
    }
}
