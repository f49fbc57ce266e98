//! Requests to a web server: each message is a `POST` of JSON, or several are an array in one. Any 2xx is an answer that
//! they were taken.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::format;
use super::queue::{Queue, secret_of};
use crate::config::{Format, Webhook};
use crate::store::Waiting;
use crate::tls;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

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
    loop {
        let messages = queue.next().await;
        if messages.is_empty() {
            return;
        }
        let most = config.batch.map_or(1, |batch| usize::try_from(batch).unwrap_or(usize::MAX));
        for part in messages.chunks(most.max(1)) {
            let Some((last, _)) = part.last() else { continue };
            let (key, body) = request(config.format, part, config.batch.is_some());
            let (agent, url, token) = (agent.clone(), config.url.clone(), token.clone());
            let sent = tokio::task::spawn_blocking(move || send(&agent, &url, token.as_deref(), &key, &body));
            match sent.await.context("a task of the station failed").and_then(|sent| sent) {
                Ok(()) => queue.taken(*last).await,
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

fn send(agent: &Agent, url: &str, token: Option<&str>, key: &str, body: &str) -> Result<()> {
    let mut request =
        agent.post(url).header("Content-Type", "application/json").header("Idempotency-Key", key);
    if let Some(token) = token {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    let answer = request.send(body).with_context(|| format!("cannot post to {url}"))?;
    match answer.status() {
        status if status.is_success() => Ok(()),
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

    /// Makes two authorities, `ca.pem` and `other.pem`, and for this machine `server.pem` with `server.key`, for which the
    /// first vouches. False where there is no openssl.
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
}
