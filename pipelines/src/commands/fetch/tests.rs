//! The whole way from a name to a file, against a hub on this machine.

use ureq::Proxy;

use super::*;
use crate::download::tests::{Answer, QUICK, Seen, Server, content, ranged, sha256};

const SMALL: Published = PUBLISHED[0];
const FILE: &str = "/facebook/dinov2-with-registers-small/resolve/main/model.safetensors";
const STORE: &str = "/store/7f00";
const TREE: &str = "/api/models/facebook/dinov2-with-registers-small/tree/main";

/// Answers as the hub does: with the digest, and the way to the store.
fn hub(request: &Seen) -> Answer {
    match request.path.as_str() {
        FILE => Answer {
            status: 302,
            headers: vec![
                ("X-Linked-Etag", format!("\"{}\"", sha256(&content()))),
                ("X-Linked-Size", content().len().to_string()),
                ("Location", STORE.to_owned()),
            ],
            ..Answer::default()
        },
        STORE => ranged(request),
        _ => Answer { status: 404, ..Answer::default() },
    }
}

fn fetch_from(url: &str, cache: &Path) -> Result<String> {
    fetch(&agent(None), &hub::Hub::new(url, "main")?, SMALL, cache, QUICK)
}

#[test]
fn a_network_is_fetched_once_and_found_up_to_date_then() {
    let server = Server::start(|request, _| hub(request));
    let dir = tempfile::tempdir().unwrap();
    let line = fetch_from(&server.url, dir.path()).unwrap();
    let target = dir.path().join("encoders/dinov2-reg-small/model.safetensors");
    assert!(line.contains(&target.display().to_string()) && line.contains(&sha256(&content())), "{line}");
    assert_eq!(std::fs::read(&target).unwrap(), content());
    let requests = server.seen().len();
    assert!(fetch_from(&server.url, dir.path()).unwrap().ends_with("is up to date"));
    assert_eq!(server.seen().len(), requests + 1, "the digest is asked for, the file is not");
    // A file that was damaged is no longer up to date.
    std::fs::write(&target, "damaged").unwrap();
    fetch_from(&server.url, dir.path()).unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), content());
}

#[test]
fn a_part_is_resumed_through_the_redirect() {
    let server = Server::start(|request, _| hub(request));
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("encoders/dinov2-reg-small");
    std::fs::create_dir_all(&folder).unwrap();
    let part = folder.join(format!("model.safetensors.{}.part", &sha256(&content())[..12]));
    std::fs::write(part, &content()[..123_456]).unwrap();
    fetch_from(&server.url, dir.path()).unwrap();
    assert_eq!(std::fs::read(folder.join("model.safetensors")).unwrap(), content());
    let last = server.seen().pop().unwrap();
    assert_eq!((last.path.as_str(), last.range), (STORE, Some(123_456)));
}

#[test]
fn renamed_repositories_are_followed_within_the_hub() {
    let server = Server::start(|request, _| match request.path.as_str() {
        FILE => Answer { status: 307, headers: vec![("Location", "/new".to_owned())], ..Answer::default() },
        "/new" => hub(&Seen { path: FILE.to_owned(), ..request.clone() }),
        _ => hub(request),
    });
    let dir = tempfile::tempdir().unwrap();
    fetch_from(&server.url, dir.path()).unwrap();
    assert!(SMALL.path_in(dir.path()).is_file());
}

#[test]
fn mirrors_without_the_header_are_asked_for_a_listing() {
    let tree = |digest: String| {
        format!(
            r#"[{{"path":"README.md","size":7}},
                {{"path":"model.safetensors","size":1,"lfs":{{"oid":"{digest}","size":{},"pointerSize":134}}}}]"#,
            content().len()
        )
    };
    for (listing, expected) in [
        (tree(sha256(&content())), ""),
        (
            r#"[{"path":"model.safetensors","size":1}]"#.to_owned(),
            "expected a digest of model.safetensors, found none",
        ),
        ("[]".to_owned(), "expected model.safetensors, found no such file"),
        ("<html>".to_owned(), "expected a list of files"),
        (tree("zz".to_owned()), "expected a SHA-256 in hexadecimal, found 'zz'"),
        (tree(sha256(b"another")), "expected a file of SHA-256"),
    ] {
        let server = Server::start(move |request, _| match request.path.as_str() {
            FILE => ranged(request),
            TREE => Answer { status: 200, body: listing.clone().into_bytes(), ..Answer::default() },
            _ => Answer { status: 404, ..Answer::default() },
        });
        let dir = tempfile::tempdir().unwrap();
        match fetch_from(&server.url, dir.path()) {
            Ok(_) => assert_eq!(expected, ""),
            Err(reason) => {
                let message = format!("{reason:#}");
                assert!(!expected.is_empty() && message.contains(expected), "{message}");
                assert!(!SMALL.path_in(dir.path()).exists());
            }
        }
    }
}

#[test]
fn without_a_hub_the_message_says_what_to_do() {
    // Nobody listens on a port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let message = format!("{:#}", fetch_from(&format!("http://{free}"), dir.path()).unwrap_err());
    for word in [
        "without a network: put model.safetensors of facebook/",
        "or name a mirror with --endpoint",
        "no answer",
    ] {
        assert!(message.contains(word), "{message}");
    }
    // What is here already is not taken away from those without a network.
    let target = SMALL.path_in(dir.path());
    std::fs::create_dir_all(target.parent().unwrap()).unwrap();
    std::fs::write(&target, "by hand").unwrap();
    let line = fetch_from(&format!("http://{free}"), dir.path()).unwrap();
    assert!(line.contains("is here, not compared with the hub (no answer from"), "{line}");
    let gone = Server::start(|_, _| Answer { status: 404, ..Answer::default() });
    let message = format!("{:#}", fetch_from(&gone.url, dir.path()).unwrap_err());
    assert!(message.contains("found HTTP 404"), "{message}");
    let message = hub::Hub::new("ftp://hub", "main").unwrap_err().to_string();
    assert_eq!(message, "expected an address with https:// or http://, found 'ftp://hub'");
}

#[test]
fn a_revision_is_one_part_of_the_address() {
    let server = Server::start(|request, _| match request.path.as_str() {
        "/facebook/dinov2-with-registers-small/resolve/refs%2Fpr%2F1/model.safetensors" => {
            hub(&Seen { path: FILE.to_owned(), ..request.clone() })
        }
        _ => hub(request),
    });
    let dir = tempfile::tempdir().unwrap();
    let hub = hub::Hub::new(&server.url, "refs/pr/1").unwrap();
    fetch(&agent(None), &hub, SMALL, dir.path(), QUICK).unwrap();
    assert!(SMALL.path_in(dir.path()).is_file());
}

#[test]
fn a_proxy_carries_the_requests() {
    let proxy = Server::start(|request, _| hub(request));
    let dir = tempfile::tempdir().unwrap();
    let through = agent(Some(Proxy::new(&proxy.url).unwrap()));
    let hub = hub::Hub::new("http://hub.invalid/", "main").unwrap();
    fetch(&through, &hub, SMALL, dir.path(), QUICK).unwrap();
    assert_eq!(std::fs::read(SMALL.path_in(dir.path())).unwrap(), content());
    let first = proxy.seen().swap_remove(0);
    assert_eq!((first.method.as_str(), first.path.as_str()), ("CONNECT", "hub.invalid:80"));
}
