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
const ASSETS: [(&str, &str, &str); 11] = [
    ("/station.css", "text/css; charset=utf-8", include_str!("../assets/station.css")),
    ("/common.js", "text/javascript; charset=utf-8", include_str!("../assets/common.js")),
    ("/pages.js", "text/javascript; charset=utf-8", include_str!("../assets/pages.js")),
    ("/live.js", "text/javascript; charset=utf-8", include_str!("../assets/live.js")),
    ("/compare.js", "text/javascript; charset=utf-8", include_str!("../assets/compare.js")),
    ("/learn.js", "text/javascript; charset=utf-8", include_str!("../assets/learn.js")),
    ("/recipes.js", "text/javascript; charset=utf-8", include_str!("../assets/recipes.js")),
    ("/stations.js", "text/javascript; charset=utf-8", include_str!("../assets/stations.js")),
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
    use std::collections::BTreeMap;

    use super::*;

    /// Least contrast of text, and of lines and shapes that tell something: WCAG 2.2, level AA.
    const TEXT: f64 = 4.5;
    const SHAPE: f64 = 3.0;

    /// Colours, what is seen behind them, and how much they have to stand out. Lines of the colour `rule` tell nothing.
    const PAIRS: [(&str, &[&str], f64); 16] = [
        ("text", &["ground", "card"], TEXT),
        ("dim", &["ground", "card"], TEXT),
        ("link", &["ground", "card"], TEXT),
        // Buttons that are pressed, and those that are the first to press.
        ("card", &["text"], TEXT),
        ("ground", &["link"], TEXT),
        ("on-good", &["good"], TEXT),
        ("on-warn", &["warn"], TEXT),
        ("on-bad", &["bad"], TEXT),
        ("on-off", &["off"], TEXT),
        ("on-head", &["head"], TEXT),
        ("good", &["ground", "card"], SHAPE),
        ("warn", &["ground", "card"], SHAPE),
        ("bad", &["ground", "card"], SHAPE),
        ("off", &["ground", "card"], SHAPE),
        ("bar", &["ground", "card"], SHAPE),
        ("focus", &["ground", "card"], SHAPE),
    ];

    /// The colours of a palette by their names, as relative luminance.
    fn palette(block: &str) -> BTreeMap<&str, f64> {
        let luminance = |hex: &str| {
            let part = |at: usize| f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
            let linear = |c: f64| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
            0.2126 * linear(part(0)) + 0.7152 * linear(part(2)) + 0.0722 * linear(part(4))
        };
        let colours = block.split(';').filter_map(|rule| rule.trim().strip_prefix("--")?.split_once(": #"));
        colours.map(|(name, hex)| (name, luminance(hex))).collect()
    }

    #[test]
    fn colours_stand_out_from_what_is_behind_them_in_light_and_in_dark() {
        let style = include_str!("../assets/station.css");
        let blocks: Vec<&str> =
            style.split(":root {").skip(1).filter_map(|rest| rest.split('}').next()).collect();
        let palettes: Vec<BTreeMap<&str, f64>> = blocks.into_iter().map(palette).collect();
        assert_eq!(palettes.len(), 2, "of the light and of the dark scheme");
        for (scheme, colours) in ["light", "dark"].into_iter().zip(&palettes) {
            for (front, behind, least) in PAIRS {
                for back in behind {
                    let (one, other) = (colours[front], colours[back]);
                    let contrast = (one.max(other) + 0.05) / (one.min(other) + 0.05);
                    assert!(
                        contrast >= least,
                        "{scheme}: {front} on {back} has {contrast:.2}, expected {least}"
                    );
                }
            }
            for name in colours.keys().filter(|name| **name != "rule") {
                let is_tested = PAIRS.iter().any(|(front, behind, _)| front == name || behind.contains(name));
                assert!(is_tested, "{scheme}: {name} is in no pair");
            }
        }
        // The ring of what has the focus lies on the head as well, where it has the colour of its text.
        assert!(style.contains("#head :focus-visible { outline-color: var(--on-head); }"));
    }

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
