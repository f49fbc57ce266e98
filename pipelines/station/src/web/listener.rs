//! Connections, with TLS or without.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

/// How long a handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Handshakes at the same time; who comes when there are so many waits.
const HANDSHAKES: usize = 64;

/// Connections whose handshake is done and that nobody has taken yet.
const WAITING: usize = 16;

/// Time until another try where no connection can be taken, as when too many are open.
const PAUSE: Duration = Duration::from_millis(200);

/// A connection.
pub(crate) enum Connection {
    /// As it is.
    Plain(TcpStream),
    /// By TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Takes connections; handshakes run beside each other, so that a slow one stops nobody.
pub(crate) struct Connections {
    address: SocketAddr,
    ready: mpsc::Receiver<(Connection, SocketAddr)>,
}

impl Connections {
    /// Begins to take them.
    ///
    /// # Errors
    /// When the listener has no address.
    pub(crate) fn start(listener: TcpListener, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (done, ready) = mpsc::channel(WAITING);
        tokio::spawn(accept(listener, tls.map(TlsAcceptor::from), done));
        Ok(Self { address, ready })
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    done: mpsc::Sender<(Connection, SocketAddr)>,
) {
    let turns = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!("no connection: {error}");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Some(tls) = tls.clone() else {
            if done.send((Connection::Plain(stream), from)).await.is_err() {
                return;
            }
            continue;
        };
        let (Ok(turn), done) = (Arc::clone(&turns).acquire_owned().await, done.clone()) else { return };
        tokio::spawn(async move {
            match tokio::time::timeout(PATIENCE, tls.accept(stream)).await {
                // The server that would take it may have ended.
                Ok(Ok(stream)) => drop(done.send((Connection::Tls(Box::new(stream)), from)).await),
                Ok(Err(error)) => tracing::debug!("{from}: no TLS: {error}"),
                Err(_) => tracing::debug!("{from}: no TLS within {} s", PATIENCE.as_secs()),
            }
            drop(turn);
        });
    }
}

impl Listener for Connections {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            // Nobody takes connections any more: the station ends.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, into),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
