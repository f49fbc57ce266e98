//! Who is connected: so many at most, and fewer of each address, so that a flood takes neither the files of the station nor
//! the places of others. Of an address that has too many connections the oldest is ended; where there are too many of all,
//! who comes is sent away. A connection that takes nothing of what is written to it is ended, too.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::Sleep;

use crate::limited::Limited;
use crate::requests::client;

/// What connections may do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// Connections at the same time.
    pub(crate) most: usize,
    /// Those of one address, or of a network of 64 bits of IPv6, as one machine has all of its addresses.
    pub(crate) of_each: usize,
    /// How long nothing may be taken of what is written.
    pub(crate) unread: Duration,
    /// How long nothing may be asked.
    pub(crate) silent: Option<Duration>,
}

/// Connections of an address by their numbers, the oldest first; each ends when its sender is gone.
type OfAddress = VecDeque<(u64, oneshot::Sender<()>)>;

/// Those that are there.
#[derive(Debug, Default)]
struct Present {
    /// How many there were.
    last: u64,
    count: usize,
    all: HashMap<IpAddr, OfAddress>,
}

/// The connections of a server.
#[derive(Debug)]
pub(crate) struct Guests {
    server: String,
    rules: Rules,
    present: Mutex<Present>,
    /// Of those that are sent away.
    warnings: Limited,
}

impl Guests {
    /// Of a server of that name, without any yet.
    pub(crate) fn new(server: impl Into<String>, rules: Rules) -> Arc<Self> {
        let (server, present) = (server.into(), Mutex::default());
        Arc::new(Self { server, rules, present, warnings: Limited::default() })
    }

    /// Takes a connection; nothing where there are too many.
    pub(crate) fn take(self: &Arc<Self>, stream: TcpStream, from: SocketAddr) -> Option<Guest> {
        let client = client(from.ip());
        let (server, Rules { most, of_each, .. }) = (&self.server, self.rules);
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let Present { last, count, all } = &mut *present;
        let of_address = all.entry(client).or_default();
        if of_address.len() >= of_each {
            of_address.pop_front();
            *count -= 1;
            self.warnings.warn(format!(
                "{server}: expected at most {of_each} connections of {}, found more: the oldest is ended",
                from.ip()
            ));
        } else if *count >= most {
            if of_address.is_empty() {
                all.remove(&client);
            }
            self.warnings.warn(format!(
                "{server}: expected at most {most} connections, found more: that of {} is refused",
                from.ip()
            ));
            return None;
        }
        let (number, (place, ended)) = (*last, oneshot::channel());
        *last += 1;
        *count += 1;
        of_address.push_back((number, place));
        let seat = Seat { guests: Arc::clone(self), client, number };
        Some(Guest { stream, ended: Some(ended), unread: None, silent: None, seat })
    }
}

/// The place of a connection, free again when this is gone.
#[derive(Debug)]
struct Seat {
    guests: Arc<Guests>,
    client: IpAddr,
    number: u64,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut present = self.guests.present.lock().unwrap_or_else(PoisonError::into_inner);
        let Present { count, all, .. } = &mut *present;
        let Some(of_address) = all.get_mut(&self.client) else { return };
        let before = of_address.len();
        of_address.retain(|(number, _)| *number != self.number);
        *count -= before - of_address.len();
        if of_address.is_empty() {
            all.remove(&self.client);
        }
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Guest {
    stream: TcpStream,
    /// Told when another one takes its place; nothing when it was.
    ended: Option<oneshot::Receiver<()>>,
    /// Since when nothing is taken of what is written, and until when that may be.
    unread: Option<Pin<Box<Sleep>>>,
    /// The same of what is asked.
    silent: Option<Pin<Box<Sleep>>>,
    seat: Seat,
}

impl Guest {
    /// Says that the connection is over, where it is.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.ended.as_mut().is_none_or(|ended| Pin::new(ended).poll(cx).is_ready()) {
            self.ended = None;
            return Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "too many connections of its address",
            ));
        }
        Ok(())
    }
}

/// Fails after some time, which begins where it has not begun.
fn patience<T>(
    since: &mut Option<Pin<Box<Sleep>>>,
    time: Duration,
    cx: &mut Context<'_>,
) -> Poll<io::Result<T>> {
    let over = since.get_or_insert_with(|| Box::pin(tokio::time::sleep(time)));
    ready!(over.as_mut().poll(cx));
    let text = format!("nothing was read within {} s", time.as_secs());
    Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, text)))
}

impl AsyncRead for Guest {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check(cx)?;
        match (Pin::new(&mut this.stream).poll_read(cx, into), this.seat.guests.rules.silent) {
            (Poll::Pending, Some(time)) => patience(&mut this.silent, time, cx),
            (read, _) => {
                this.silent = None;
                read
            }
        }
    }
}

impl AsyncWrite for Guest {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check(cx)?;
        match Pin::new(&mut this.stream).poll_write(cx, bytes) {
            Poll::Pending => patience(&mut this.unread, this.seat.guests.rules.unread, cx),
            written => {
                this.unread = None;
                written
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const RULES: Rules = Rules { most: 3, of_each: 2, unread: Duration::from_millis(50), silent: None };

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    }

    /// Both ends of a connection.
    async fn connection() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (ours, theirs) =
            tokio::join!(listener.accept(), TcpStream::connect(listener.local_addr().unwrap()));
        (ours.unwrap().0, theirs.unwrap())
    }

    #[test]
    fn the_oldest_of_an_address_makes_room_and_who_comes_when_all_is_full_is_refused() {
        run(async {
            let guests = Guests::new("test", RULES);
            let others = std::cell::RefCell::new(Vec::new());
            let from = async |address: &str| {
                let (ours, theirs) = connection().await;
                others.borrow_mut().push(theirs);
                guests.take(ours, SocketAddr::new(address.parse().unwrap(), 1))
            };
            let mut plc = from("10.0.0.1").await.unwrap();
            let mut flood = from("10.0.0.2").await.unwrap();
            let (second, third) = (from("::ffff:10.0.0.2").await.unwrap(), from("10.0.0.2").await.unwrap());
            let error = flood.read_u8().await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
            assert!(flood.write_all(b"x").await.is_err(), "and it stays so");
            assert!(from("10.0.0.3").await.is_none() && from("2001:db8::1").await.is_none());
            // The connection of another address is there still.
            let mut end = others.borrow_mut().remove(0);
            end.write_all(b"7").await.unwrap();
            assert_eq!(plc.read_u8().await.unwrap(), b'7');
            drop((flood, second));
            assert!(from("2001:db8::1").await.is_some());
            drop((plc, third));
            assert!(
                guests.present.lock().unwrap().all.is_empty() && guests.present.lock().unwrap().count == 0
            );
        });
    }

    #[test]
    fn who_takes_nothing_or_asks_nothing_for_long_is_ended() {
        run(async {
            let (ours, _theirs) = connection().await;
            let guests = Guests::new("test", RULES);
            let mut guest = guests.take(ours, "10.0.0.1:1".parse().unwrap()).unwrap();
            // As much as no buffer takes.
            let error = guest.write_all(&vec![0; 64 << 20]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
            let (ours, mut theirs) = connection().await;
            let silent = Some(Duration::from_millis(50));
            let guests = Guests::new("test", Rules { silent, ..RULES });
            let mut guest = guests.take(ours, "10.0.0.1:1".parse().unwrap()).unwrap();
            theirs.write_all(b"7").await.unwrap();
            assert_eq!(guest.read_u8().await.unwrap(), b'7');
            let error = guest.read_u8().await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
        });
    }
}
