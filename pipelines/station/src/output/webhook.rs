//! Requests to a web server: each message is a `POST` of JSON, or several are an array in one. Any 2xx is an answer
//! that they were taken. What the server refuses [`TRIES`] times by an answer that is a word on what was sent is set
//! aside, so that one message does not stop all others; anything else that fails is tried again for as long as it
//! takes.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use ureq::Agent;
use ureq::http::StatusCode;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::format;
use super::queue::{Queue, secret_of};
use crate::config::{Format, Webhook};
use crate::store::Waiting;
use crate::tls;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A message that is refused so often is set aside.
const TRIES: u32 = 5;

/// Answers of 400 to 499 that are no word on what was sent, but on who sends it, where to, or when: it waits.
const NO_WORD_ON_IT: [StatusCode; 9] = [
    StatusCode::UNAUTHORIZED,
    StatusCode::FORBIDDEN,
    StatusCode::NOT_FOUND,
    StatusCode::METHOD_NOT_ALLOWED,
    StatusCode::PROXY_AUTHENTICATION_REQUIRED,
    StatusCode::REQUEST_TIMEOUT,
    StatusCode::MISDIRECTED_REQUEST,
    StatusCode::TOO_EARLY,
    StatusCode::TOO_MANY_REQUESTS,
];

/// What a server says to a request.
enum Answer {
    /// What was sent is there.
    Taken,
    /// What was sent is refused, for a reason.
    Refused(String),
}

/// Sends what waits, one request after the other: by several at the same time messages would come in another order.
pub(super) async fn run(config: Webhook, mut queue: Queue) {
    let (agent, token) = loop {
        match prepared(&config) {
            Ok(prepared) => break prepared,
            Err(error) => queue.failed(&error).await,
        }
        if queue.is_over() {
            return;
        }
    };
    queue.health.set(None);
    let most = config.batch.map_or(1, |batch| usize::try_from(batch).unwrap_or(usize::MAX)).max(1);
    // How often the first message that waits was refused, and up to which one each goes alone.
    let (mut refused, mut alone) = (0, 0);
    loop {
        let messages = queue.next().await;
        if messages.is_empty() {
            return;
        }
        let mut rest = &messages[..];
        while let Some((first, _)) = rest.first() {
            let is_alone = *first <= alone;
            let (part, after) = rest.split_at(if is_alone { 1 } else { most.min(rest.len()) });
            rest = after;
            let Some((last, _)) = part.last() else { break };
            let (key, body) = request(config.format, part, config.batch.is_some());
            let (agent, url, token) = (agent.clone(), config.url.clone(), token.clone());
            let sent = tokio::task::spawn_blocking(move || send(&agent, &url, token.as_deref(), &key, &body));
            match sent.await.context("a task of the station failed").and_then(|sent| sent) {
                Ok(Answer::Taken) => {
                    queue.taken(*last).await;
                    refused = 0;
                }
                Ok(Answer::Refused(reason)) => {
                    refused += 1;
                    // What went alone was refused as a part of others often enough.
                    if part.len() == 1 && (is_alone || refused >= TRIES) {
                        queue.set_aside(*first, &reason).await;
                        refused = 0;
                        continue;
                    }
                    if refused >= TRIES {
                        (alone, refused) = (*last, 0);
                    } else {
                        queue.failed(&anyhow!(reason)).await;
                    }
                    break;
                }
                Err(error) => {
                    queue.failed(&error).await;
                    break;
                }
            }
        }
    }
}

/// What requests are sent by, and the token that they have.
fn prepared(config: &Webhook) -> Result<(Agent, Option<String>)> {
    let token = config.token_file.as_deref().map(secret_of).transpose()?;
    let mut trusted = TlsConfig::builder();
    if let Some(authorities) = &config.ca_file {
        // The agent passes over what is none; here it is an error.
        tls::client(authorities, None)?;
        let all = tls::certificates("ca-file", authorities)?;
        let all = all.iter().map(|one| Certificate::from_der(one).to_owned());
        trusted = trusted.root_certs(RootCerts::from(all));
    }
    let agent = Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .max_redirects(0)
        .http_status_as_error(false)
        .tls_config(trusted.build())
        .build();
    Ok((agent.into(), token))
}

/// Key and body of the request with messages: of an array the numbers of the first and the last of them.
fn request(format: Format, messages: &[(i64, Waiting)], is_array: bool) -> (String, String) {
    let number = |message: Option<&(i64, Waiting)>| message.map(|(id, _)| *id).unwrap_or_default();
    let (first, last) = (number(messages.first()), number(messages.last()));
    let bodies: Vec<String> =
        messages.iter().map(|(id, message)| format::payload(format, *id, message)).collect();
    let bodies = bodies.join(",");
    match is_array {
        true => (format!("{first}-{last}"), format!("[{bodies}]")),
        false => (last.to_string(), bodies),
    }
}

fn send(agent: &Agent, url: &str, token: Option<&str>, key: &str, body: &str) -> Result<Answer> {
    let mut request =
        agent.post(url).header("Content-Type", "application/json").header("Idempotency-Key", key);
    if let Some(token) = token {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    let answer = request.send(body).with_context(|| format!("cannot post to {url}"))?;
    match answer.status() {
        status if status.is_success() => Ok(Answer::Taken),
        status if status.is_client_error() && !NO_WORD_ON_IT.contains(&status) => {
            Ok(Answer::Refused(format!("{url}: expected 2xx, found {status}")))
        }
        status => bail!("{url}: expected 2xx, found {status}"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener};
    use std::path::Path;
    use std::process::Command;
    use std::sync::{Arc, mpsc};

    use serde_json::{Value, json};
    use tokio::sync::watch;
    use tokio_rustls::rustls::{ServerConnection, StreamOwned};

    use super::*;
    use crate::output::Health;
    use crate::skip::skip;
    use crate::store::Store;

    #[test]
    fn a_request_has_a_message_or_an_array_of_them_with_their_numbers() {
        let message = |id: i64| {
            let (output, topic) = ("mes".to_owned(), "cap/find".to_owned());
            (id, Waiting { output, topic, payload: format!("{{\"score\":0.{id}}}") })
        };
        let messages = [message(3), message(5)];
        let sent = |messages: &[(i64, Waiting)], is_array| {
            let (key, body) = request(Format::Snarm, messages, is_array);
            (key, serde_json::from_str::<Value>(&body).unwrap())
        };
        let (third, fifth) = (json!({ "id": 3, "score": 0.3 }), json!({ "id": 5, "score": 0.5 }));
        assert_eq!(sent(&messages[..1], false), ("3".into(), third.clone()));
        assert_eq!(sent(&messages, true), ("3-5".into(), json!([third, fifth])));
        assert_eq!(sent(&messages[1..], true), ("5-5".into(), json!([fifth])));
    }

    /// Makes two authorities, `ca.pem` and `other.pem`, and for this machine `server.pem` with `server.key`, for which
    /// the first vouches. False where there is no openssl.
    fn certificates(dir: &Path) -> bool {
        if Command::new("openssl").arg("version").output().is_err() {
            skip("openssl", "no openssl on this machine");
            return false;
        }
        let openssl = |line: &str| {
            let output = Command::new("openssl").args(line.split(' ')).current_dir(dir).output().unwrap();
            assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        for name in ["ca", "other"] {
            openssl(&format!("req -x509 {key} -keyout {name}.key -out {name}.pem -days 2 -subj /CN={name}"));
        }
        openssl(&format!("req {key} -keyout server.key -out server.csr -subj /CN=localhost"));
        std::fs::write(dir.join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
        openssl(
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile names",
        );
        true
    }

    /// A server by TLS with the certificate of a folder, which says `code` to each request and tells of its body.
    fn server(dir: &Path, code: &'static str) -> (SocketAddr, mpsc::Receiver<Value>) {
        let config = Arc::new(tls::server(&dir.join("server.pem"), &dir.join("server.key")).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, (told, heard)) = (listener.local_addr().unwrap(), mpsc::channel());
        let serve = move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut stream =
                    StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
                let Some(body) = body(&mut stream) else { continue };
                let answer = format!("HTTP/1.1 {code} It\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes()).and_then(|()| stream.flush());
                stream.conn.send_close_notify();
                let _ = stream.flush();
                if told.send(body).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("server".into()).spawn(serve).unwrap();
        (address, heard)
    }

    /// The body of a request. Nothing where the handshake fails.
    fn body(stream: &mut impl Read) -> Option<Value> {
        let (mut head, mut byte) = (String::new(), [0]);
        while !head.ends_with("\r\n\r\n") {
            stream.read_exact(&mut byte).ok()?;
            head.push(char::from(byte[0]));
        }
        let length = head.to_lowercase().lines().find_map(|line| {
            line.strip_prefix("content-length:").and_then(|length| length.trim().parse().ok())
        });
        let mut body = vec![0; length?];
        stream.read_exact(&mut body).ok()?;
        serde_json::from_slice(&body).ok()
    }

    fn hook(dir: &Path, address: SocketAddr, authority: &str) -> Webhook {
        let url = format!("https://{address}/found");
        Webhook {
            name: "mes".into(),
            url,
            ca_file: Some(dir.join(authority)),
            send: crate::config::What::Finds,
            format: Format::Snarm,
            token_file: None,
            batch: None,
        }
    }

    #[tokio::test]
    async fn a_server_is_spoken_to_if_the_authority_of_the_plant_vouches_for_it_and_by_no_other() {
        let dir = tempfile::tempdir().unwrap();
        if !certificates(dir.path()) {
            return;
        }
        let (address, heard) = server(dir.path(), "200");
        let store = Arc::new(Store::open(dir.path()).unwrap());
        let message =
            Waiting { output: "mes".into(), topic: "caps/find".into(), payload: "{\"find\":1}".into() };
        let id = store.send_by(&message, "ann").unwrap();
        for (authority, is_taken) in [("other.pem", false), ("server.key", false), ("ca.pem", true)] {
            let health = Arc::new(Health::new("mes", "webhook", true));
            let (stop, stopped) = watch::channel(false);
            let queue = Queue::new(Arc::clone(&store), Arc::clone(&health), stopped);
            let running = tokio::spawn(super::run(hook(dir.path(), address, authority), queue));
            let is_done = || match is_taken {
                true => store.waiting_count("mes", 0).unwrap() == 0 && health.failure().is_none(),
                false => health
                    .failure()
                    .is_some_and(|why| why.contains("found none") || why.contains("UnknownIssuer")),
            };
            let mut tries = 0;
            while !is_done() {
                tries += 1;
                assert!(tries < 1000, "{authority}: {:?}", health.failure());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            assert_eq!(store.waiting_count("mes", 0).unwrap(), u64::from(!is_taken), "{authority}");
            stop.send_replace(true);
            running.await.unwrap();
        }
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), [json!({ "find": 1, "id": id })]);
    }

    /// A server without TLS that answers each request by its body, and tells of those that it takes.
    fn plain(answer: impl Fn(&Value) -> u16 + Send + 'static) -> (SocketAddr, mpsc::Receiver<Value>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, (told, heard)) = (listener.local_addr().unwrap(), mpsc::channel());
        let serve = move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let Some(body) = body(&mut stream) else { continue };
                let code = answer(&body);
                let text = format!("HTTP/1.1 {code} It\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                let _ = stream.write_all(text.as_bytes());
                if code == 200 && told.send(body).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("server".into()).spawn(serve).unwrap();
        (address, heard)
    }

    /// Sends finds 1 to `count` to a server until none waits. Returns the store, and what the server took.
    async fn all_sent(
        batch: Option<u32>,
        count: usize,
        answer: impl Fn(&Value) -> u16 + Send + 'static,
    ) -> (tempfile::TempDir, Arc<Store>, Vec<Value>) {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(dir.path()).unwrap());
        let finds: Vec<Waiting> = (1..=count)
            .map(|find| Waiting {
                output: "mes".into(),
                topic: "caps/find".into(),
                payload: json!({ "find": find }).to_string(),
            })
            .collect();
        store.add_frames("caps", &[], &[], &finds).unwrap();
        let (address, heard) = plain(answer);
        let mut config = hook(dir.path(), address, "none");
        (config.url, config.ca_file, config.batch) = (format!("http://{address}/"), None, batch);
        let health = Arc::new(Health::new("mes", "webhook", true));
        let (stop, stopped) = watch::channel(false);
        let queue = Queue::new(Arc::clone(&store), Arc::clone(&health), stopped);
        let running = tokio::spawn(super::run(config, queue));
        let mut tries = 0;
        while store.waiting_count("mes", 0).unwrap() > 0 || health.failure().is_some() {
            tries += 1;
            assert!(tries < 2000, "{:?}", health.failure());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stop.send_replace(true);
        running.await.unwrap();
        (dir, store, heard.try_iter().collect())
    }

    #[tokio::test]
    async fn a_message_that_is_refused_again_and_again_stops_no_other() {
        let asked = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let answer = move |body: &Value| match body["find"].as_i64() {
            Some(2) => {
                count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                422
            }
            _ => 200,
        };
        let (_dir, store, taken) = all_sent(None, 3, answer).await;
        assert_eq!(taken, [json!({ "find": 1, "id": 1 }), json!({ "find": 3, "id": 3 })]);
        assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), TRIES);
        let kept = store.all_set_aside("mes").unwrap();
        assert_eq!((kept.len(), kept[0].id), (1, 2));
        assert!(kept[0].reason.contains("expected 2xx, found 422"), "{}", kept[0].reason);
    }

    #[tokio::test]
    async fn of_an_array_that_is_refused_only_the_message_at_fault_is_set_aside() {
        let answer = |body: &Value| {
            let is_bad = |find: &Value| find["find"] == 3;
            if body.as_array().unwrap().iter().any(is_bad) { 400 } else { 200 }
        };
        let (_dir, store, taken) = all_sent(Some(4), 6, answer).await;
        let finds: Vec<i64> = taken
            .iter()
            .flat_map(|all| all.as_array().unwrap())
            .map(|one| one["find"].as_i64().unwrap())
            .collect();
        assert_eq!(finds, [1, 2, 4, 5, 6]);
        assert_eq!(store.all_set_aside("mes").unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_wrong_token_or_a_busy_server_is_no_fault_of_a_message() {
        for code in [401, 404, 408, 429, 503] {
            let asked = std::sync::atomic::AtomicU32::new(0);
            let answer = move |_: &Value| {
                let before = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if before <= TRIES { code } else { 200 }
            };
            let (_dir, store, taken) = all_sent(None, 1, answer).await;
            assert_eq!((taken.len(), store.tally("mes").unwrap().set_aside), (1, 0), "{code}");
        }
    }
}
