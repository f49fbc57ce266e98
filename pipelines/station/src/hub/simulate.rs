//! Many stations in one process, each with its own store and its own connection: what a hub carries of them is measured.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use async_nats::jetstream;
use serde::Serialize;
use serde_json::json;
use snarm_core::results::Record;
use tokio::sync::watch;

use super::keys::Trust;
use super::link::Link;
use super::places::{ACTUAL, EVENTS, RESULTS, Stream};
use super::results::{self, Sender};
use crate::config::{self, AtEnd, Hub, Keep};
use crate::host::Host;
use crate::line::{Line, Source, Switch};
use crate::output::Health;
use crate::store::{Store, Waiting};
use crate::{clock, secret};

/// Time between two looks.
const TICK: Duration = Duration::from_millis(100);

/// How long the hub may take for what is left at the end.
const PATIENCE: Duration = Duration::from_secs(600);

/// What is simulated.
#[derive(Debug, Clone)]
pub struct Simulation {
    /// Stations, each with one line.
    pub stations: u32,
    /// Results a second of each.
    pub rate: f64,
    /// How long results come.
    pub time: Duration,
    /// Results of each that wait at the start, as after a time without the hub.
    pub backlog: u32,
    /// Whether they are publishers alone, which send as a station does and keep nothing: what the hub itself carries.
    pub bare: bool,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// Stations.
    pub stations: u32,
    /// Results that stations had to send.
    pub made: u64,
    /// Results that the hub has stored.
    pub stored: u64,
    /// Seconds until all that waited at the start was stored.
    pub backlog_seconds: f64,
    /// Results a second in that time.
    pub backlog_rate: f64,
    /// Seconds from the last result to the moment at which all were stored.
    pub last_seconds: f64,
    /// The most results of one station that waited while they came.
    pub most_waiting: u64,
    /// Bytes of a result in the stream of the hub.
    pub bytes_stored: f64,
    /// Bytes of a result in the queue of its station.
    pub bytes_waiting: f64,
    /// Values that lines told of themselves, the last of each.
    pub values: u64,
    /// Bytes of these.
    pub value_bytes: u64,
    /// Events.
    pub events: u64,
    /// Milliseconds after which half of the results were acknowledged that came at the rate, of publishers alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledged_half_ms: Option<f64>,
    /// The same of 99 of 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledged_99_ms: Option<f64>,
}

/// One station.
struct Simulated {
    store: Arc<Store>,
    made: u64,
}

impl Simulated {
    /// Adds a result as a line does.
    fn tell(&mut self, payload: &str) -> Result<()> {
        self.made += 1;
        let (output, topic) = (Hub::OUTPUT.to_owned(), "belt/find".to_owned());
        self.store.tell(&Waiting { output, topic, payload: payload.to_owned() })
    }
}

/// Runs simulated stations at the hub, whose streams are those that `snarm hub init` made.
///
/// # Errors
/// When the hub cannot be reached, or does not take all results.
pub(super) fn run(hub: &Hub, simulation: &Simulation, folder: &Path) -> Result<Measured> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match simulation.bare {
        true => runtime.block_on(measure_publishers(hub, simulation)),
        false => runtime.block_on(measure(hub, simulation, folder)),
    }
}

/// Publishers alone: each has a connection, and one message on its way.
async fn measure_publishers(hub: &Hub, simulation: &Simulation) -> Result<Measured> {
    let link = Link::dial(hub).await?;
    link.soon().await?;
    let before = held(&link.jetstream, RESULTS).await?;
    let (payload, store) = (payload()?, secret::token()?);
    let mut publishers = Vec::new();
    for number in 0..simulation.stations {
        let link = Link::dial(hub).await?;
        link.soon().await?;
        let (output, topic) = (Hub::OUTPUT.to_owned(), "belt/find".to_owned());
        publishers.push(Publisher {
            link,
            sender: Sender { station: format!("sim-{number:04}"), store: store.clone() },
            message: Waiting { output, topic, payload: payload.clone() },
            sent: 0,
        });
    }
    let began = Instant::now();
    let backlog = simulation.backlog;
    let publishers = together(publishers, move |mut publisher| async move {
        for _ in 0..backlog {
            publisher.send().await?;
        }
        Ok((publisher, Vec::new()))
    });
    let (publishers, _) = publishers.await?;
    let backlog_seconds = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let (rate, time, stations) = (simulation.rate, simulation.time, f64::from(simulation.stations));
    let timed = together(publishers, move |mut publisher| async move {
        let mut times = Vec::new();
        // They are spread over the time between two results of one.
        let number: f64 = publisher.sender.station.trim_start_matches("sim-").parse()?;
        let first = number / stations / rate;
        let mut due = Duration::try_from_secs_f64(first)?;
        while due < time {
            tokio::time::sleep_until((began + due).into()).await;
            let sent = Instant::now();
            publisher.send().await?;
            times.push(sent.elapsed().as_secs_f64() * 1e3);
            due += Duration::try_from_secs_f64(1.0 / rate)?;
        }
        Ok((publisher, times))
    });
    let (publishers, mut times) = timed.await?;
    let last_seconds = (began.elapsed().as_secs_f64() - time.as_secs_f64()).max(0.0);
    times.sort_by(f64::total_cmp);
    let part =
        |part: f64| times.get(((times.len() as f64 * part) as usize).min(times.len().max(1) - 1)).copied();
    let (after, made) =
        (held(&link.jetstream, RESULTS).await?, publishers.iter().map(|one| one.sent).sum::<u64>());
    let stored = after.0 - before.0;
    if stored != made {
        bail!("expected {made} results at the hub, found {stored}");
    }
    let waited = f64::from(simulation.stations) * f64::from(simulation.backlog);
    Ok(Measured {
        stations: simulation.stations,
        made,
        stored,
        backlog_seconds,
        backlog_rate: waited / backlog_seconds.max(f64::EPSILON),
        last_seconds,
        most_waiting: 0,
        bytes_stored: (after.1 - before.1) as f64 / (made as f64).max(1.0),
        bytes_waiting: payload.len() as f64,
        values: 0,
        value_bytes: 0,
        events: 0,
        acknowledged_half_ms: part(0.5),
        acknowledged_99_ms: part(0.99),
    })
}

/// Who sends as a station does, and keeps nothing.
struct Publisher {
    link: Link,
    sender: Sender,
    message: Waiting,
    sent: u64,
}

impl Publisher {
    async fn send(&mut self) -> Result<()> {
        self.sent += 1;
        let id = i64::try_from(self.sent)?;
        match results::send(&self.link, &self.sender, Stream::Results, id, &self.message).await? {
            Some(refused) => bail!("the hub takes no results: {refused}"),
            None => Ok(()),
        }
    }
}

/// Has all publishers work at the same time. Returns them, and the times that they took down.
async fn together<F>(
    publishers: Vec<Publisher>,
    work: impl Fn(Publisher) -> F,
) -> Result<(Vec<Publisher>, Vec<f64>)>
where
    F: Future<Output = Result<(Publisher, Vec<f64>)>> + Send + 'static,
{
    let tasks: Vec<_> = publishers.into_iter().map(|publisher| tokio::spawn(work(publisher))).collect();
    let (mut all, mut times) = (Vec::new(), Vec::new());
    for task in tasks {
        let (publisher, taken) = task.await.context("a publisher failed")??;
        all.push(publisher);
        times.extend(taken);
    }
    Ok((all, times))
}

async fn measure(hub: &Hub, simulation: &Simulation, folder: &Path) -> Result<Measured> {
    let link = Link::dial(hub).await?;
    link.soon().await?;
    let before = held(&link.jetstream, RESULTS).await?;
    let payload = payload()?;
    let (stop, stopped) = watch::channel(false);
    let mut tasks = Vec::new();
    let mut stations = Vec::new();
    for number in 0..simulation.stations {
        let name = format!("sim-{number:04}");
        let store = Arc::new(Store::open(&folder.join(&name))?);
        let mut station = Simulated { store: Arc::clone(&store), made: 0 };
        (0..simulation.backlog).try_for_each(|_| station.tell(&payload))?;
        stations.push(station);
        let line = Arc::new(line(&store)?);
        let config = Hub { name, ..hub.clone() };
        let (trust, health) = (Trust::new(&config.trust)?, Arc::new(Health::of_hub()));
        let run =
            super::run(config, trust, health, store, vec![line], "sim", Arc::default(), stopped.clone());
        tasks.push(tokio::spawn(run));
    }
    let backlog_seconds = all_sent(&stations).await?;
    let most_waiting = make(simulation, &mut stations, &payload).await?;
    let last_seconds = all_sent(&stations).await?;
    let after = held(&link.jetstream, RESULTS).await?;
    let (values, events) =
        (held(&link.jetstream, &format!("KV_{ACTUAL}")).await?, held(&link.jetstream, EVENTS).await?);
    stop.send_replace(true);
    for task in tasks {
        task.await?;
    }
    let made: u64 = stations.iter().map(|station| station.made).sum();
    let stored = after.0 - before.0;
    if stored != made {
        bail!("expected {made} results at the hub, found {stored}");
    }
    let backlog = f64::from(simulation.stations) * f64::from(simulation.backlog);
    Ok(Measured {
        stations: simulation.stations,
        made,
        stored,
        backlog_seconds,
        backlog_rate: backlog / backlog_seconds.max(f64::EPSILON),
        last_seconds,
        most_waiting,
        bytes_stored: (after.1 - before.1) as f64 / (made as f64).max(1.0),
        bytes_waiting: payload.len() as f64,
        values: values.0,
        value_bytes: values.1,
        events: events.0,
        acknowledged_half_ms: None,
        acknowledged_99_ms: None,
    })
}

/// Makes results at the rate that was asked for. Returns the most of one station that waited.
async fn make(simulation: &Simulation, stations: &mut [Simulated], payload: &str) -> Result<u64> {
    let (began, mut rounds, mut most) = (Instant::now(), 0_u64, 0);
    while began.elapsed() < simulation.time {
        let due = (began.elapsed().as_secs_f64() * simulation.rate) as u64;
        while rounds < due {
            rounds += 1;
            stations.iter_mut().try_for_each(|station| station.tell(payload))?;
        }
        for station in stations.iter() {
            most = most.max(station.store.waiting_count(Hub::OUTPUT, 0)?);
        }
        tokio::time::sleep(TICK).await;
    }
    Ok(most)
}

/// Waits until nothing waits, and says how many seconds that took.
async fn all_sent(stations: &[Simulated]) -> Result<f64> {
    let began = Instant::now();
    for station in stations {
        while station.store.waiting_count(Hub::OUTPUT, 0)? > 0 {
            if began.elapsed() > PATIENCE {
                bail!("the hub did not take all results within {} s", PATIENCE.as_secs());
            }
            tokio::time::sleep(TICK).await;
        }
    }
    Ok(began.elapsed().as_secs_f64())
}

/// Messages and bytes of a stream.
async fn held(jetstream: &jetstream::Context, stream: &str) -> Result<(u64, u64)> {
    let found: jetstream::stream::Stream = jetstream
        .get_stream(stream)
        .await
        .with_context(|| format!("cannot read the stream {stream}, which `snarm hub init` makes"))?;
    let state = &found.cached_info().state;
    Ok((state.messages, state.bytes))
}

/// A result as stations send it, with one region.
fn payload() -> Result<String> {
    let digest = "0123456789abcdef".repeat(4);
    let record: Record = serde_json::from_value(json!({
        "timestamp": 1_234_567_890_123_u64, "stream-time": 1_234_567_890_123_u64, "running-time": 1_234_567_890_123_u64,
        "duration": 40_000_000, "frame-number": 123_456, "score": 0.734_512_345, "score-raw": 1.234_567_89,
        "score-max": 0.834_512_345, "threshold": 0.512_345_678, "pixel-threshold": 0.512_345_678, "verdict": "anomalous",
        "light": 1.034_567_89, "sharpness": 0.934_567_89, "area": 0.012_345_67, "latency": 12_345_678, "source-id": "belt",
        "model-id": format!("{digest}:head:{digest}"), "bank-id": digest, "device": "cpu", "precision": "f32",
        "resolution": { "width": 1920, "height": 1080 },
        "regions": [{
            "id": 0, "x": 0.251_234, "y": 0.501_234, "w": 0.121_234, "h": 0.061_234, "score": 0.834_512_345,
            "score-mean": 0.634_512_345, "area": 0.012_345_67, "cx": 0.312_345, "cy": 0.531_234,
        }],
    }))?;
    let mut payload = record.line(Some("belt"))?;
    for (name, value) in [("find", 123), ("first", 123_450), ("last", 123_460), ("time", clock::now())] {
        payload[name] = json!(value);
    }
    payload["line"] = json!("belt");
    Ok(payload.to_string())
}

/// A line that does not run.
pub(super) fn line(store: &Arc<Store>) -> Result<Switch> {
    let config = config::Line {
        name: "belt".to_owned(),
        title: String::new(),
        pipeline: String::new(),
        variables: Default::default(),
        detect: Default::default(),
        recipes: Vec::new(),
        recordings: Vec::new(),
        scanner: None,
        trigger: None,
        bank: None,
        learn: None,
        parts: None,
        at_end: AtEnd::Stop,
    };
    let host = Host {
        command: PathBuf::new(),
        player: PathBuf::new(),
        words: Box::new(|_, _, _| Ok(Vec::new())),
        version: "sim",
        log: Default::default(),
    };
    let host = Arc::new(host);
    let made = |product| {
        Line::new(
            product,
            Source::default(),
            Keep::default(),
            None,
            Vec::new(),
            Arc::clone(store),
            Arc::clone(&host),
        )
    };
    let lines = config.products().into_iter().map(made).map(Arc::new).collect();
    Switch::new(&config.name, config.shown(), lines, Arc::clone(store))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulated_result_is_as_long_as_one_of_a_line() {
        let payload = payload().unwrap();
        assert!((1200..2000).contains(&payload.len()), "{}: {payload}", payload.len());
    }
}
