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

use crate::clock;

/// How long a pipeline may take to end properly.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest head of a packet, in bytes.
const LONGEST_HEAD: u64 = 1 << 20;

/// Most bytes of the parts of a packet.
const LARGEST: usize = 256 << 20;

/// Longest line that is read, in bytes; what is beyond is passed over.
const LONGEST_LINE: usize = 1 << 20;

/// How long a pipeline may take to end when nothing is heard of it any more.
const GRACE: Duration = Duration::from_secs(2);

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
    /// When it was heard, in milliseconds since 1970.
    pub(super) at: i64,
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
/// When the process does not start, fails, or runs on when it cannot be heard any more; what it said last is in the
/// error.
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
    // Whoever reads says why nothing is left to read.
    let (over, mut is_over) = mpsc::channel(2);
    let results = tokio::spawn(until_over(lines(stdout, heard.clone()), over.clone()));
    let told = tokio::spawn(until_over(read_packets(packets, heard.clone()), over));
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
            Some(reason) = is_over.recv() => match tokio::time::timeout(GRACE, child.wait()).await {
                Ok(status) => break status.context("cannot wait for the pipeline")?,
                Err(_) => {
                    end(&mut child, &mut to_child).await?;
                    return Err(reason.context("the pipeline ran on and could not be heard"));
                }
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

/// Reads, and says why it is over where that is no proper end.
async fn until_over(read: impl Future<Output = Result<()>>, over: mpsc::Sender<anyhow::Error>) {
    if let Err(reason) = read.await {
        // The pipeline may have ended, and nobody listens.
        let _ = over.send(reason).await;
    }
}

/// The next line as text, whatever its bytes are; nothing at the end.
async fn next_line(from: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<Option<String>> {
    let (mut line, mut is_there) = (Vec::new(), false);
    loop {
        let found = from.fill_buf().await?;
        is_there |= !found.is_empty();
        let end = found.iter().position(|byte| *byte == b'\n');
        let part = found.get(..end.unwrap_or(found.len())).unwrap_or_default();
        let room = LONGEST_LINE.saturating_sub(line.len());
        line.extend_from_slice(part.get(..room).unwrap_or(part));
        let (used, is_last) = (end.map_or(found.len(), |end| end + 1), end.is_some() || found.is_empty());
        from.consume(used);
        if is_last {
            let text = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(&line));
            return Ok(is_there.then(|| text.into_owned()));
        }
    }
}

/// Hands lines of standard output on.
///
/// # Errors
/// When there are no more, and why.
async fn lines(from: impl AsyncRead + Unpin, to: mpsc::Sender<Heard>) -> Result<()> {
    let mut from = BufReader::new(from);
    while let Some(line) = next_line(&mut from).await.context("cannot read its standard output")? {
        if to.send(Heard::Result(line)).await.is_err() {
            bail!("nobody takes its results");
        }
    }
    bail!("it closed its standard output")
}

/// Hands lines of standard error on, and returns the last that the command itself said.
async fn last_words(from: impl AsyncRead + Unpin, to: mpsc::Sender<Heard>) -> String {
    let mut last = String::new();
    let mut from = BufReader::new(from);
    loop {
        let line = match next_line(&mut from).await {
            Ok(Some(line)) => line,
            Ok(None) => return last,
            Err(error) => {
                tracing::warn!("cannot read the standard error of a pipeline: {error}");
                return last;
            }
        };
        let Some(text) = line.strip_prefix("snarm: ") else {
            tracing::debug!("{line}");
            continue;
        };
        last.clear();
        last.push_str(text);
        // Whether anybody listens or not, a pipeline that nobody reads would stand still.
        let _ = to.send(Heard::Said(text.to_owned())).await;
    }
}

/// Hands packets on.
///
/// # Errors
/// When something else comes.
async fn read_packets(from: impl AsyncRead + Unpin, to: mpsc::Sender<Heard>) -> Result<()> {
    let mut from = BufReader::new(from);
    loop {
        match packet(&mut from).await {
            Ok(Some(heard)) => {
                if to.send(heard).await.is_err() {
                    return Ok(());
                }
            }
            Ok(None) => return Ok(()),
            // It ended without reading its last order.
            Err(error) if is_reset(&error) => return Ok(()),
            Err(error) => return Err(error.context("it sends what cannot be read")),
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
            Heard::Found(Found { at: clock::now(), frame, first, last, pictures })
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

    /// Runs a script in place of the player. Returns how it ended, and the lines that were heard.
    fn played(script: &str) -> (Result<End>, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        let player = dir.path().join("player");
        // Written by another process: what this one has open for writing its other children may hold, and cannot be run.
        let write = "printf '#!/bin/sh\n%s' \"$1\" > \"$0\" && chmod +x \"$0\"";
        let mut writer = std::process::Command::new("/bin/sh");
        assert!(writer.args(["-c", write]).arg(&player).arg(script).status().unwrap().success());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (_orders, orders) = mpsc::channel(1);
            let (_stop, stop) = watch::channel(false);
            let (to, mut from) = mpsc::channel(16);
            let hear = async {
                let mut lines = Vec::new();
                while let Some(heard) = from.recv().await {
                    let (Heard::Result(line) | Heard::Said(line)) = heard else { panic!("{heard:?}") };
                    lines.push(line);
                }
                lines
            };
            let first = Order::default();
            tokio::join!(play(&player, &[], &first, orders, to, stop), hear)
        })
    }

    #[test]
    fn lines_that_are_no_utf_8_are_heard_as_others_and_end_nothing() {
        let (ended, lines) = played("printf 'Kamera \\374ber\\n{\"a\":1}\\r\\nlast'");
        assert_eq!(
            (ended.unwrap(), lines),
            (End::Stream, vec!["Kamera \u{fffd}ber".to_owned(), "{\"a\":1}".to_owned(), "last".to_owned()])
        );
        let (ended, lines) = played("printf 'Kamera \\374ber\\nsnarm: no \\374 frames\\n' >&2\nexit 3");
        assert_eq!(ended.unwrap_err().to_string(), "no \u{fffd} frames");
        assert_eq!(lines, ["no \u{fffd} frames"]);
    }

    #[test]
    fn what_is_too_long_of_a_line_is_passed_over() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let text = [&[b'x'; LONGEST_LINE + 5000][..], b"\n\nlast"].concat();
        let mut from = BufReader::new(&text[..]);
        let lengths = runtime.block_on(async {
            let mut lengths = Vec::new();
            while let Some(line) = next_line(&mut from).await.unwrap() {
                lengths.push(line.len());
            }
            lengths
        });
        assert_eq!(lengths, [LONGEST_LINE, 0, 4]);
    }

    #[test]
    fn a_pipeline_that_cannot_be_heard_any_more_is_ended_with_the_reason() {
        // It runs on until it is told to end.
        let on = "read first\nread stop\n";
        for (script, reason) in [
            (format!("exec 1>&-\n{on}"), "it closed its standard output"),
            (
                format!("echo 'no packet' >&0\n{on}"),
                "it sends what cannot be read: expected the head of a packet",
            ),
        ] {
            let error = format!("{:#}", played(&script).0.unwrap_err());
            assert!(error.contains("ran on and could not be heard") && error.contains(reason), "{error}");
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
