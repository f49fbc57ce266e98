//! Connections, with TLS or without.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::files;
use crate::guests::{Guest, Guests, Rules};
use crate::limited::Limited;

/// Most connections at the same time.
const MOST: usize = 512;

/// Most connections of one address: a proxy before the station has as many as its browsers.
const OF_EACH: usize = 128;

/// How long a handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection may be without a request, and how long the head of one may take.
const HEAD: Duration = Duration::from_secs(20);

/// How long an answer may wait for who reads nothing of it.
const UNREAD: Duration = Duration::from_secs(30);

/// Largest head of a request, in bytes.
const LARGEST_HEAD: usize = 64 << 10;

/// Time until another try where no connection can be taken, as when too many files are open.
const PAUSE: Duration = Duration::from_millis(200);

/// Answers all who connect, until it is dropped. Each is served beside the others, so that a slow one stops nobody.
pub(super) async fn serve(
    routes: Router,
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
) -> Infallible {
    // Of the files that may be open half are kept for the lines.
    let half = usize::try_from(files::allowed() / 2).unwrap_or(usize::MAX);
    let rules = Rules { most: MOST.min(half), of_each: OF_EACH, unread: UNREAD, silent: None };
    serve_by(rules, HEAD, routes, listener, tls).await
}

async fn serve_by(
    rules: Rules,
    head: Duration,
    routes: Router,
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
) -> Infallible {
    let (guests, failures) = (Guests::new("pages", rules), Limited::default());
    let (routes, tls) = (TowerToHyperService::new(routes), tls.map(TlsAcceptor::from));
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                if let Some(guest) = guests.take(stream, from) {
                    tokio::spawn(meet(guest, from, tls.clone(), routes.clone(), head));
                }
            }
            Err(error) => {
                failures.warn(format!("pages: no connection can be taken: {error}"));
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Answers the requests of a connection.
async fn meet(
    guest: Guest,
    from: SocketAddr,
    tls: Option<TlsAcceptor>,
    routes: TowerToHyperService<Router>,
    head: Duration,
) {
    let Some(tls) = tls else { return answer(guest, from, routes, head).await };
    match tokio::time::timeout(PATIENCE, tls.accept(guest)).await {
        Ok(Ok(stream)) => answer(stream, from, routes, head).await,
        Ok(Err(error)) => tracing::debug!("{from}: no TLS: {error}"),
        Err(_) => tracing::debug!("{from}: no TLS within {} s", PATIENCE.as_secs()),
    }
}

async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    from: SocketAddr,
    routes: TowerToHyperService<Router>,
    head: Duration,
) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(from));
        routes.call(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::debug!("{from}: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    const ASKED: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    /// What a connection reads until its end.
    async fn rest(stream: &mut TcpStream) -> String {
        let mut text = Vec::new();
        // One that is ended in the midst of something is reset.
        let _ = stream.read_to_end(&mut text).await;
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn connections_that_ask_nothing_are_ended_and_keep_nobody_from_pages() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let ip = async |ConnectInfo(from): ConnectInfo<SocketAddr>| from.ip().to_string();
            let routes = Router::new().route("/", get(ip));
            let rules = Rules { most: 8, of_each: 4, unread: UNREAD, silent: None };
            let head = Duration::from_millis(300);
            let server = tokio::spawn(async move {
                serve_by(rules, head, routes, listener, None).await;
            });
            let began = Instant::now();
            let mut silent = Vec::new();
            for _ in 0..20 {
                silent.push(TcpStream::connect(address).await.unwrap());
            }
            // Half of a head is none.
            silent[19].write_all(&ASKED[..20]).await.unwrap();
            let mut asking = TcpStream::connect(address).await.unwrap();
            asking.write_all(ASKED).await.unwrap();
            let told = rest(&mut asking).await;
            assert!(told.starts_with("HTTP/1.1 200") && told.ends_with("127.0.0.1"), "{told}");
            assert!(began.elapsed() >= head, "it was kept until nothing more was asked");
            for stream in &mut silent {
                assert!(!rest(stream).await.starts_with("HTTP/1.1 200"));
            }
            server.abort();
        });
    }
}
