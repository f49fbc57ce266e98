//! The process of a pipeline: `snarm-player watch`, its orders, and what comes from it. It ends with the station: when the
//! socket that is its standard input has no other end, it ends its stream.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};

/// How long a pipeline may take to end properly.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest head of a packet, in bytes.
const LONGEST_HEAD: u64 = 1 << 20;

/// Most bytes of the parts of a packet.
const LARGEST: usize = 256 << 20;

/// Name of the shadow of the detector, which its errors begin with or end with.
pub(super) const SHADOW: &str = "snarm-shadow";

/// What a pipeline is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Order {
    /// Properties of the detector, as text, or of the element that learns.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) set: BTreeMap<String, String>,
    /// Properties of a detector that the element that learns takes where it has them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) offer: BTreeMap<String, String>,
    /// Those of its shadow; a pipeline has one where the first order has some.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) shadow: BTreeMap<String, String>,
    /// Whether somebody looks at the live picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) live: Option<bool>,
    /// The stream is to end.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) stop: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(stop: &bool) -> bool {
    !stop
}

/// What comes from a pipeline.
#[derive(Debug)]
pub(super) enum Heard {
    /// A JSON line of a result.
    Result(String),
    /// A message of an element.
    Message { name: String, fields: Map<String, Value> },
    /// A message of the shadow, whose results are such.
    Shadow { name: String, fields: Map<String, Value> },
    /// An annotated picture, JPEG.
    Live(Vec<u8>),
    /// A find: annotated JPEG, PNG, PGM.
    Found(Found),
    /// A frame that was learned: its running time in nanoseconds, and JPEG.
    Learned(u64, Vec<u8>),
    /// Pictures that came faster than they could be compressed, since the start.
    Lost(u64),
    /// A line of standard error.
    Said(String),
}

/// A find and its pictures.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) frame: u64,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) pictures: [Vec<u8>; 3],
}

/// The head of a packet.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Head {
    Message { name: String, fields: Map<String, Value> },
    Shadow { name: String, fields: Map<String, Value> },
    Live {},
    Found { frame: u64, first: u64, last: u64 },
    Learned { time: u64 },
    Refused { text: String },
    Lost { pictures: u64 },
}

/// How a pipeline ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// By itself: the stream has an end.
    Stream,
    /// The station ends, or what it was for is done.
    Asked,
}

/// Runs a pipeline until its end.
///
/// # Errors
/// When the process does not start, or fails; what it said last is in the error.
pub(super) async fn play(
    player: &Path,
    words: &[String],
    first: &Order,
    mut orders: mpsc::Receiver<Order>,
    heard: mpsc::Sender<Heard>,
    mut stop: watch::Receiver<bool>,
) -> Result<End> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().context("cannot make a socket")?;
    ours.set_nonblocking(true)?;
    let (packets, mut to_child) = UnixStream::from_std(ours)?.into_split();
    // The first order is there before the process is.
    write(&mut to_child, first).await?;
    let mut child = Command::new(player)
        .arg("watch")
        .args(words)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot run {}", player.display()))?;
    let stdout = child.stdout.take().context("no pipe from the pipeline")?;
    let stderr = child.stderr.take().context("no pipe from the pipeline")?;
    let results = tokio::spawn(lines(stdout, heard.clone(), Heard::Result));
    let told = tokio::spawn(read_packets(packets, heard.clone()));
    let said = tokio::spawn(last_words(stderr, heard));
    let mut asked = *stop.borrow_and_update();
    let status = loop {
        if asked {
            break end(&mut child, &mut to_child).await?;
        }
        tokio::select! {
            status = child.wait() => break status.context("cannot wait for the pipeline")?,
            order = orders.recv() => match order {
                Some(order) => write(&mut to_child, &order).await?,
                None => asked = true,
            },
            _ = stop.changed() => asked = true,
        }
    };
    // What it sent before its end is still read.
    let (_, _, words) = tokio::join!(results, told, said);
    match status.success() {
        _ if asked => Ok(End::Asked),
        true => Ok(End::Stream),
        false => match words.unwrap_or_default() {
            words if words.is_empty() => bail!("the pipeline ended with {status}"),
            words => bail!("{words}"),
        },
    }
}

/// Ends a pipeline properly, or kills it.
async fn end(
    child: &mut Child,
    to_child: &mut (impl AsyncWriteExt + Unpin),
) -> Result<std::process::ExitStatus> {
    // A child that is gone already is waited for below.
    let _ = write(to_child, &Order { stop: true, ..Order::default() }).await;
    match tokio::time::timeout(PATIENCE, child.wait()).await {
        Ok(status) => status.context("cannot wait for the pipeline"),
        Err(_) => {
            tracing::warn!("a pipeline did not end within {} s, and is killed", PATIENCE.as_secs());
            child.kill().await.context("cannot kill the pipeline")?;
            child.wait().await.context("cannot wait for the pipeline")
        }
    }
}

async fn write(to_child: &mut (impl AsyncWriteExt + Unpin), order: &Order) -> Result<()> {
    let mut line = serde_json::to_vec(order)?;
    line.push(b'\n');
    // A child that ends meanwhile is noticed by who waits for it.
    match to_child.write_all(&line).await {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to the pipeline")
        }
        _ => Ok(()),
    }
}

/// Hands lines on until the end.
async fn lines(from: impl AsyncRead + Unpin, to: mpsc::Sender<Heard>, made: fn(String) -> Heard) {
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if to.send(made(line)).await.is_err() {
            return;
        }
    }
}

/// Hands lines of standard error on, and returns the last that the command itself said.
async fn last_words(from: impl AsyncRead + Unpin, to: mpsc::Sender<Heard>) -> String {
    let mut last = String::new();
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Some(text) = line.strip_prefix("snarm: ") else {
            tracing::debug!("{line}");
            continue;
        };
        last.clear();
        last.push_str(text);
        if to.send(Heard::Said(text.to_owned())).await.is_err() {
            break;
        }
    }
    last
}

async fn read_packets(from: impl AsyncRead + Unpin, to: mpsc::Sender<Heard>) {
    let mut from = BufReader::new(from);
    loop {
        match packet(&mut from).await {
            Ok(Some(heard)) => {
                if to.send(heard).await.is_err() {
                    return;
                }
            }
            Ok(None) => return,
            // It ended without reading its last order.
            Err(error) if is_reset(&error) => return,
            Err(error) => return tracing::warn!("a pipeline sends what cannot be read: {error:#}"),
        }
    }
}

fn is_reset(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
}

/// The next packet; nothing at the end.
async fn packet(from: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<Heard>> {
    let mut line = Vec::new();
    if (&mut *from).take(LONGEST_HEAD).read_until(b'\n', &mut line).await? == 0 {
        return Ok(None);
    }
    let mut head: Value = serde_json::from_slice(&line).context("expected the head of a packet")?;
    let sizes = head.get_mut("parts").map(Value::take).unwrap_or_default();
    let sizes: Vec<usize> = serde_json::from_value(sizes).context("expected sizes of parts")?;
    if sizes.iter().try_fold(0_usize, |sum, size| sum.checked_add(*size)).is_none_or(|sum| sum > LARGEST) {
        bail!("expected parts of at most {LARGEST} bytes, found {sizes:?}");
    }
    let mut parts = Vec::new();
    for size in sizes {
        let mut part = vec![0; size];
        from.read_exact(&mut part).await?;
        parts.push(part);
    }
    let heard = match serde_json::from_value(head).context("expected a known kind of packet")? {
        Head::Message { name, fields } => Heard::Message { name, fields },
        Head::Shadow { name, fields } => Heard::Shadow { name, fields },
        Head::Live {} => Heard::Live(parts.into_iter().next().context("expected a picture")?),
        Head::Learned { time } => {
            Heard::Learned(time, parts.into_iter().next().context("expected a picture")?)
        }
        Head::Found { frame, first, last } => {
            let pictures = parts.try_into().ok().context("expected three pictures")?;
            Heard::Found(Found { frame, first, last, pictures })
        }
        Head::Refused { text } => Heard::Said(text),
        Head::Lost { pictures } => Heard::Lost(pictures),
    };
    Ok(Some(heard))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(bytes: &[u8]) -> Result<Option<Heard>> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(packet(&mut BufReader::new(bytes)))
    }

    #[test]
    fn packets_are_read_and_other_bytes_are_refused() {
        let found = parsed(b"{\"kind\":\"found\",\"frame\":7,\"first\":5,\"last\":9,\"parts\":[2,1,0]}\nabc")
            .unwrap();
        let Some(Heard::Found(found)) = found else { panic!("{found:?}") };
        assert_eq!((found.frame, found.pictures[0].as_slice(), found.pictures[2].len()), (7, &b"ab"[..], 0));
        let learned = parsed(b"{\"kind\":\"learned\",\"time\":7,\"parts\":[2]}\nab").unwrap();
        assert!(matches!(learned, Some(Heard::Learned(7, jpeg)) if jpeg == b"ab"));
        let told = parsed(
            b"{\"kind\":\"shadow\",\"name\":\"snarm-result\",\"fields\":{\"score\":0.5},\"parts\":[]}\n",
        );
        let Ok(Some(Heard::Shadow { name, fields })) = told else { panic!("{told:?}") };
        assert_eq!((name.as_str(), fields["score"].as_f64()), ("snarm-result", Some(0.5)));
        assert!(parsed(b"").unwrap().is_none());
        for bytes in [
            &b"{\"kind\":\"live\",\"parts\":[5]}\nabc"[..],
            b"{\"kind\":\"live\",\"parts\":[999999999999]}\n",
            b"{\"kind\":\"live\",\"parts\":[18446744073709551615,1]}\n",
            b"{\"kind\":\"other\",\"parts\":[]}\n",
            b"7\n",
            b"no packet\n",
        ] {
            assert!(parsed(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn orders_are_what_the_player_reads() {
        let set: BTreeMap<String, String> = [("threshold".into(), "0.6".into())].into();
        let order = Order { set: set.clone(), live: Some(true), ..Order::default() };
        assert_eq!(serde_json::to_string(&order).unwrap(), r#"{"set":{"threshold":"0.6"},"live":true}"#);
        let order = Order { shadow: set, ..Order::default() };
        assert_eq!(serde_json::to_string(&order).unwrap(), r#"{"shadow":{"threshold":"0.6"}}"#);
        assert_eq!(
            serde_json::to_string(&Order { stop: true, ..Order::default() }).unwrap(),
            r#"{"stop":true}"#
        );
    }
}
