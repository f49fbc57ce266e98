//! Messages to an MQTT broker, QoS 1: a message is removed from the queue when the broker has acknowledged it. Topics
//! are `TOPIC/LINE/find`, `TOPIC/LINE/frame` and `TOPIC/LINE/part`; `TOPIC/status` is retained, `online`, or `offline`
//! once the station is gone.
//!
//! `TOPIC/LINE/state` is retained as well: what a line is at this moment, when a connection is made and with each
//! change, at most once a second. States wait in no queue: an older one is worth nothing, and a new connection brings
//! the one of then. That is why they are QoS 0.
//!
//! Codes are taken from `TOPIC/LINE/code`, and parts from `TOPIC/LINE/part`, where the configuration says so.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, LastWill, MqttOptions, Outgoing, Packet, Publish, QoS,
    Transport,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::format;
use super::queue::{Queue, secret_of};
use crate::clock;
use crate::config::Mqtt;
use crate::limited::Limited;
use crate::line::{Line, Switch};
use crate::store::Waiting;
use crate::tls;

/// Time between two signs of life.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Messages between us and the connection, beside the state of each line.
const REQUESTS: usize = 128;

/// Time between two looks at the states of the lines.
const STATES: Duration = Duration::from_secs(1);

/// Largest message, in bytes.
const LARGEST: usize = 1 << 20;

/// What a message has beside topic and payload, in bytes, at most.
const HEAD: usize = 16;

/// How long a broker may take to acknowledge.
const PATIENCE: Duration = Duration::from_secs(20);

/// Codes and parts that may wait.
const HEARD: usize = 64;

/// Sends what waits; a connection that breaks is made anew.
pub(super) async fn run(config: Mqtt, switches: Vec<Arc<Switch>>, mut queue: Queue) {
    let (heard_by, heard) = mpsc::channel(HEARD);
    let taking = tokio::spawn(take_heard(config.clone(), switches.clone(), heard));
    while !queue.is_over() {
        if let Err(error) = connected(&config, &switches, &heard_by, &mut queue).await {
            queue.failed(&error).await;
        }
    }
    taking.abort();
}

/// Takes codes and parts one after the other, for choosing a recipe takes as long as it takes.
async fn take_heard(config: Mqtt, switches: Vec<Arc<Switch>>, mut heard: mpsc::Receiver<Publish>) {
    let (author, refusals) = (format!("mqtt {}", config.name), Limited::default());
    while let Some(message) = heard.recv().await {
        let topic = message.topic.strip_prefix(&format!("{}/", config.topic));
        let Some((name, kind)) = topic.and_then(|rest| rest.rsplit_once('/')) else { continue };
        let Some(switch) = switches.iter().find(|switch| switch.name() == name) else {
            let text = format!("expected the name of a line, found {name:?}");
            refusals.warn(format!("output {}: {}: {text}", config.name, message.topic));
            continue;
        };
        let done = match kind {
            // What the broker kept is from before: it says which recipe, and begins no part again.
            "code" => {
                let code = String::from_utf8_lossy(&message.payload);
                switch.hear(&code, message.retain, &author).await.map(drop)
            }
            "part" if !message.retain => begin_part(switch, &message.payload).await,
            _ => Ok(()),
        };
        if let Err(error) = done {
            refusals.warn(format!("output {}: {}: {error:#}", config.name, message.topic));
        }
    }
}

/// A part that begins, or a lot, as the API takes them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPart {
    #[serde(default)]
    part: Option<String>,
    #[serde(default)]
    lot: Option<String>,
}

/// The part that a message begins. Nothing where it tells of a part that ended: a station sends such to the same topic.
fn part_of(payload: &[u8]) -> Result<Option<NewPart>> {
    let told: Value = serde_json::from_slice(payload).context("expected {\"part\", \"lot\"} in JSON")?;
    if !told.is_object() {
        bail!("expected {{\"part\", \"lot\"}} in JSON, found {told}");
    }
    if told["number"].is_i64() && told["ended"].is_i64() {
        return Ok(None);
    }
    serde_json::from_value(told).map(Some).context("expected {\"part\", \"lot\"}, found other names")
}

async fn begin_part(switch: &Switch, payload: &[u8]) -> Result<()> {
    let Some(NewPart { part, lot }) = part_of(payload)? else { return Ok(()) };
    switch.now().ask(move |line| line.begin_part(part, lot)).await
}

/// The events of a connection, of which codes and parts go another way.
struct Events {
    from: EventLoop,
    heard_by: mpsc::Sender<Publish>,
    losses: Limited,
}

impl Events {
    async fn poll(&mut self) -> Result<Event, ConnectionError> {
        let event = self.from.poll().await?;
        if let Event::Incoming(Packet::Publish(message)) = &event
            && self.heard_by.try_send(message.clone()).is_err()
        {
            self.losses.warn(format!("{}: too many messages at once, one is lost", message.topic));
        }
        Ok(event)
    }
}

/// One connection, until it breaks or the station ends.
async fn connected(
    config: &Mqtt,
    switches: &[Arc<Switch>],
    heard_by: &mpsc::Sender<Publish>,
    queue: &mut Queue,
) -> Result<()> {
    let (client, mut events) = connect(config, switches.len(), heard_by, queue).await?;
    queue.health.set(None);
    let mut told = HashMap::new();
    let mut tick = tokio::time::interval(STATES);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // The connection is kept alive while nothing is to be sent.
        let messages = tokio::select! {
            messages = queue.next() => messages,
            failure = idle(&mut events) => return failure,
            _ = tick.tick() => {
                tell_states(config, switches, &client, &mut told);
                continue;
            }
        };
        if messages.is_empty() {
            return leave(config, &client, &mut events).await;
        }
        send(config, &client, &mut events, queue, messages).await?;
    }
}

/// Tells the states that have changed since this connection was told them.
fn tell_states(
    config: &Mqtt,
    switches: &[Arc<Switch>],
    client: &AsyncClient,
    told: &mut HashMap<String, Value>,
) {
    for switch in switches {
        let state = state(switch.now());
        if told.get(switch.name()) == Some(&state) {
            continue;
        }
        let topic = format!("{}/{}/state", config.topic, switch.name());
        let mut payload = state.clone();
        payload["time"] = json!(clock::now());
        // What finds no room now is told a second later.
        if client.try_publish(topic, QoS::AtMostOnce, true, payload.to_string()).is_ok() {
            told.insert(switch.name().to_owned(), state);
        }
    }
}

/// What a line is at this moment.
fn state(line: &Line) -> Value {
    let now = line.snapshot(u64::MAX);
    let mut state = json!({
        "line": line.at(),
        "status": now.status,
        "detail": now.detail,
        "verdict": now.verdict,
        "score": now.score,
        "threshold": now.threshold,
        "threshold-low": now.low,
        "bank": now.bank,
        "bank-id": line.state().learned.digest,
        "shift": now.shift,
    });
    if let Some(recipe) = line.recipe() {
        state["recipe"] = json!(recipe);
    }
    state
}

async fn connect(
    config: &Mqtt,
    lines: usize,
    heard_by: &mpsc::Sender<Publish>,
    queue: &Queue,
) -> Result<(AsyncClient, Events)> {
    let mut options = MqttOptions::new(format!("snarm-{}", queue.health.name()), &config.host, config.port());
    options.set_keep_alive(KEEP_ALIVE);
    options.set_max_packet_size(LARGEST, LARGEST);
    options.set_last_will(LastWill::new(status_topic(config), "offline", QoS::AtLeastOnce, true));
    if let Some(user) = &config.user {
        let password = config.password_file.as_deref().map(secret_of).transpose()?;
        options.set_credentials(user, password.unwrap_or_default());
    }
    if let Some(authorities) = &config.ca_file {
        let known_by = config.certificate.as_deref().zip(config.key.as_deref());
        options.set_transport(Transport::tls_with_config(tls::client(authorities, known_by)?.into()));
    }
    let (client, from) = AsyncClient::new(options, REQUESTS + lines);
    let mut events = Events { from, heard_by: heard_by.clone(), losses: Limited::default() };
    let broker = || format!("cannot reach the broker {}:{}", config.host, config.port());
    loop {
        let event =
            tokio::time::timeout(PATIENCE, events.poll()).await.with_context(broker)?.with_context(broker)?;
        if matches!(event, Event::Incoming(Packet::ConnAck(_))) {
            break;
        }
    }
    client
        .try_publish(status_topic(config), QoS::AtLeastOnce, true, "online")
        .context("cannot send the status")?;
    wait_for_acknowledgement(&mut events).await?;
    for (is_taken, kind) in [(config.codes, "code"), (config.parts, "part")] {
        if is_taken {
            let topic = format!("{}/+/{kind}", config.topic);
            client
                .try_subscribe(&topic, QoS::AtLeastOnce)
                .with_context(|| format!("cannot ask for {topic}"))?;
        }
    }
    Ok((client, events))
}

fn status_topic(config: &Mqtt) -> String {
    format!("{}/status", config.topic)
}

/// Keeps a connection alive until it breaks.
async fn idle(events: &mut Events) -> Result<()> {
    loop {
        events.poll().await.context("the connection to the broker broke")?;
    }
}

/// Sends messages and removes each when it is acknowledged. Brokers acknowledge in order.
async fn send(
    config: &Mqtt,
    client: &AsyncClient,
    events: &mut Events,
    queue: &mut Queue,
    messages: Vec<(i64, Waiting)>,
) -> Result<()> {
    let mut sent: VecDeque<(i64, Option<u16>)> = VecDeque::new();
    for (id, message) in &messages {
        let topic = format!("{}/{}", config.topic, message.topic);
        let payload = format::payload(config.format, *id, message);
        // It would end each connection, for ever.
        if topic.len() + payload.len() + HEAD > LARGEST {
            let size = payload.len();
            queue.set_aside(*id, &format!("expected {LARGEST} bytes or less, found {size}")).await;
            continue;
        }
        client.try_publish(topic, QoS::AtLeastOnce, false, payload).context("cannot send a message")?;
        sent.push_back((*id, None));
    }
    while !sent.is_empty() {
        let event = tokio::time::timeout(PATIENCE, events.poll())
            .await
            .context("the broker does not acknowledge")?
            .context("the connection to the broker broke")?;
        match event {
            // States have no number, and no acknowledgement.
            Event::Outgoing(Outgoing::Publish(packet)) if packet != 0 => {
                if let Some((_, number)) = sent.iter_mut().find(|(_, number)| number.is_none()) {
                    *number = Some(packet);
                }
            }
            Event::Incoming(Packet::PubAck(ack)) => match sent.pop_front() {
                Some((id, Some(number))) if number == ack.pkid => queue.taken(id).await,
                first => bail!("expected an acknowledgement of {first:?}, found one of {}", ack.pkid),
            },
            _ => {}
        }
    }
    Ok(())
}

async fn wait_for_acknowledgement(events: &mut Events) -> Result<()> {
    loop {
        let event = tokio::time::timeout(PATIENCE, events.poll())
            .await
            .context("the broker does not acknowledge")?
            .context("the connection to the broker broke")?;
        if matches!(event, Event::Incoming(Packet::PubAck(_))) {
            return Ok(());
        }
    }
}

/// Says good-bye. A broker that is gone hears nothing, and tells of us by itself.
async fn leave(config: &Mqtt, client: &AsyncClient, events: &mut Events) -> Result<()> {
    client
        .try_publish(status_topic(config), QoS::AtLeastOnce, true, "offline")
        .context("cannot send the status")?;
    wait_for_acknowledgement(events).await?;
    client.try_disconnect().context("cannot disconnect")?;
    // Sends what was asked for; then the connection is over, which is an error to it.
    while let Ok(Ok(_)) = tokio::time::timeout(Duration::from_secs(1), events.poll()).await {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::process::{Child, Command, Stdio};

    use tokio::sync::watch;

    use super::*;
    use crate::config::{Config, Output};
    use crate::output::Health;
    use crate::skip::skip;
    use crate::store::Store;

    /// Tries to start a broker: another program may have its port by then.
    const TRIES: u32 = 5;

    /// A broker, ended with the test.
    struct Broker(Child);

    impl Broker {
        /// One that listens, and its port; none where there is no such program.
        fn start() -> Option<(Self, u16)> {
            for _ in 0..TRIES {
                let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
                let port = free.unwrap().port();
                let mut broker = Self::start_at(port)?;
                for _ in 0..1000 {
                    if broker.0.try_wait().unwrap().is_some() {
                        break;
                    }
                    if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                        return Some((broker, port));
                    }
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
            panic!("expected a broker that listens, found none in {TRIES} tries");
        }

        fn start_at(port: u16) -> Option<Self> {
            let child = ["mosquitto", "/usr/sbin/mosquitto"].into_iter().find_map(|program| {
                let mut command = Command::new(program);
                command.args(["-p", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
                command.spawn().ok()
            });
            if child.is_none() {
                skip("mosquitto", "no mosquitto on this machine");
            }
            child.map(Self)
        }
    }

    impl Drop for Broker {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[tokio::test]
    async fn a_message_that_no_broker_takes_is_set_aside_and_the_next_ones_go_on() {
        let Some((_broker, port)) = Broker::start() else { return };
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(dir.path()).unwrap());
        let message = |text: &str| Waiting {
            output: "plant".into(),
            topic: "caps/find".into(),
            payload: json!({ "text": text }).to_string(),
        };
        let all = [message("small"), message(&"x".repeat(LARGEST)), message("small")];
        store.add_frames("caps", &[], &[], &all).unwrap();
        let config = Config::parse(&format!(
            "data = 'd'\n[[line]]\nname = 'caps'\npipeline = 'inspect'\nbank = 'b'\n\
             [[output]]\nkind = 'mqtt'\nname = 'plant'\nhost = '127.0.0.1'\nport = {port}\n"
        ))
        .unwrap();
        let Some(Output::Mqtt(config)) = config.outputs.into_iter().next() else { panic!("an output") };
        let health = Arc::new(Health::new("plant", "mqtt", true));
        let (stop, stopped) = watch::channel(false);
        let queue = Queue::new(Arc::clone(&store), Arc::clone(&health), stopped);
        let running = tokio::spawn(run(config, Vec::new(), queue));
        let mut tries = 0;
        while store.waiting_count("plant", 0).unwrap() > 0 {
            tries += 1;
            assert!(tries < 2000, "{:?}", health.failure());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stop.send_replace(true);
        running.await.unwrap();
        let kept = store.all_set_aside("plant").unwrap();
        assert_eq!((kept.len(), kept[0].id), (1, 2));
        assert!(kept[0].reason.starts_with("expected 1048576 bytes or less, found "), "{}", kept[0].reason);
    }

    #[test]
    fn a_part_is_begun_by_its_name_and_lot_and_by_nothing_else() {
        let taken = |text: &str| part_of(text.as_bytes()).map(|new| new.map(|new| (new.part, new.lot)));
        let both = (Some("A1".to_owned()), Some("7".to_owned()));
        assert_eq!(taken("{\"part\":\"A1\",\"lot\":\"7\"}").unwrap(), Some(both));
        assert_eq!(taken("{}").unwrap(), Some((None, None)));
        // What a station sent of a part that ended comes back from the broker.
        assert_eq!(taken("{\"part\":\"A1\",\"number\":3,\"ended\":9,\"score\":0.5}").unwrap(), None);
        for text in ["A1", "{\"part\":7}", "{\"name\":\"A1\"}", "[]", "\"A1\""] {
            let error = format!("{:#}", part_of(text.as_bytes()).err().unwrap());
            assert!(error.contains("expected {\"part\", \"lot\"}"), "{text}: {error}");
        }
    }
}
