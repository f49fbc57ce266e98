//! Pages and what they are made of, from the binary. They hold no data: their script asks the API.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

const HTML: &str = "text/html; charset=utf-8";

/// Path, kind, content.
const PAGES: [(&str, &str, &[u8]); 10] = [
    ("/", HTML, include_bytes!("../assets/line.html")),
    ("/review", HTML, include_bytes!("../assets/review.html")),
    ("/limits", HTML, include_bytes!("../assets/limits.html")),
    ("/banks", HTML, include_bytes!("../assets/banks.html")),
    ("/access", HTML, include_bytes!("../assets/access.html")),
    ("/sign-in", HTML, include_bytes!("../assets/sign-in.html")),
    ("/station.css", "text/css; charset=utf-8", include_bytes!("../assets/station.css")),
    ("/common.js", "text/javascript; charset=utf-8", include_bytes!("../assets/common.js")),
    ("/pages.js", "text/javascript; charset=utf-8", include_bytes!("../assets/pages.js")),
    ("/icon.svg", "image/svg+xml", include_bytes!("../assets/icon.svg")),
];

/// Routes of all pages.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    PAGES.into_iter().fold(Router::new(), |router, (path, kind, content)| {
        let tag = format!("\"{}\"", snarm_core::files::hex(&Sha256::digest(content)[..8]));
        let answer = move |headers: HeaderMap| {
            let tag = tag.clone();
            async move { page(&headers, kind, content, &tag) }
        };
        router.route(path, get(answer))
    })
}

fn page(headers: &HeaderMap, kind: &'static str, content: &'static [u8], tag: &str) -> Response {
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
        let shared: usize = PAGES.iter().filter(|(_, kind, _)| *kind != HTML).map(|(_, _, c)| c.len()).sum();
        for (path, kind, content) in PAGES {
            if kind == HTML {
                assert!(content.len() + shared < 300_000, "{path}: {} bytes", content.len() + shared);
                let text = text(content);
                for needed in ["<!doctype html>", "lang=\"en\"", "name=\"viewport\"", "<main", "/station.css"]
                {
                    assert!(text.contains(needed), "{path} lacks {needed}");
                }
                // The policy lets no script or style of a page itself run.
                assert!(!text.contains("style=") && !text.contains("onclick="), "{path}");
            }
            assert!(!text(content).replace("http://www.w3.org/2000/svg", "").contains("http"), "{path}");
        }
    }

    #[test]
    fn a_page_that_is_known_is_not_sent_again() {
        let mut headers = HeaderMap::new();
        headers.insert(IF_NONE_MATCH, "\"a\"".parse().unwrap());
        assert_eq!(page(&headers, HTML, b"x", "\"a\"").status(), StatusCode::NOT_MODIFIED);
        assert_eq!(page(&headers, HTML, b"x", "\"b\"").status(), StatusCode::OK);
    }
}
