//! Messages to an MQTT broker, QoS 1: a message is removed from the queue when the broker has acknowledged it. Topics are
//! `TOPIC/LINE/find` and `TOPIC/LINE/frame`; `TOPIC/status` is retained, `online`, or `offline` once the station is gone. Codes are
//! taken from `TOPIC/LINE/code`, where the configuration says so.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, LastWill, MqttOptions, Outgoing, Packet, Publish, QoS,
    Transport,
};
use tokio::sync::mpsc;

use super::queue::{Queue, envelope, secret_of};
use crate::config::Mqtt;
use crate::line::Switch;
use crate::store::Waiting;
use crate::tls;

/// Time between two signs of life.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Messages between us and the connection.
const REQUESTS: usize = 128;

/// Largest message, in bytes.
const LARGEST: usize = 1 << 20;

/// How long a broker may take to acknowledge.
const PATIENCE: Duration = Duration::from_secs(20);

/// Codes that may wait.
const CODES: usize = 64;

/// Sends what waits; a connection that breaks is made anew.
pub(super) async fn run(config: Mqtt, switches: Vec<Arc<Switch>>, mut queue: Queue) {
    let (heard_by, heard) = mpsc::channel(CODES);
    let taking = tokio::spawn(take_codes(config.clone(), switches, heard));
    while !queue.is_over() {
        if let Err(error) = connected(&config, &heard_by, &mut queue).await {
            queue.failed(&error).await;
        }
    }
    taking.abort();
}

/// Takes codes one after the other, for choosing a recipe takes as long as it takes.
async fn take_codes(config: Mqtt, switches: Vec<Arc<Switch>>, mut heard: mpsc::Receiver<Publish>) {
    let author = format!("mqtt {}", config.name);
    while let Some(message) = heard.recv().await {
        let name = message.topic.strip_prefix(&format!("{}/", config.topic));
        let Some(name) = name.and_then(|rest| rest.strip_suffix("/code")) else { continue };
        let done = match switches.iter().find(|switch| switch.name() == name) {
            // What the broker kept is from before: it says which recipe, and begins no part again.
            Some(switch) => {
                switch.hear(&String::from_utf8_lossy(&message.payload), message.retain, &author).await
            }
            None => Err(anyhow!("expected the name of a line, found {name:?}")),
        };
        if let Err(error) = done {
            tracing::warn!("output {}: a code on {}: {error:#}", config.name, message.topic);
        }
    }
}

/// The events of a connection, of which codes go another way.
struct Events {
    from: EventLoop,
    heard_by: mpsc::Sender<Publish>,
}

impl Events {
    async fn poll(&mut self) -> Result<Event, ConnectionError> {
        let event = self.from.poll().await?;
        if let Event::Incoming(Packet::Publish(message)) = &event
            && self.heard_by.try_send(message.clone()).is_err()
        {
            tracing::warn!("{}: too many codes at once, one is lost", message.topic);
        }
        Ok(event)
    }
}

/// One connection, until it breaks or the station ends.
async fn connected(config: &Mqtt, heard_by: &mpsc::Sender<Publish>, queue: &mut Queue) -> Result<()> {
    let (client, mut events) = connect(config, heard_by, queue).await?;
    queue.health.set(None);
    loop {
        // The connection is kept alive while nothing is to be sent.
        let messages = tokio::select! {
            messages = queue.next() => messages,
            failure = idle(&mut events) => return failure,
        };
        if messages.is_empty() {
            return leave(config, &client, &mut events).await;
        }
        send(config, &client, &mut events, queue, messages).await?;
    }
}

async fn connect(
    config: &Mqtt,
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
        options.set_transport(Transport::tls_with_config(tls::client(authorities)?.into()));
    }
    let (client, from) = AsyncClient::new(options, REQUESTS);
    let mut events = Events { from, heard_by: heard_by.clone() };
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
    if config.codes {
        let topic = format!("{}/+/code", config.topic);
        client.try_subscribe(topic, QoS::AtLeastOnce).context("cannot ask for codes")?;
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
        client
            .try_publish(topic, QoS::AtLeastOnce, false, envelope(*id, message))
            .context("cannot send a message")?;
        sent.push_back((*id, None));
    }
    while !sent.is_empty() {
        let event = tokio::time::timeout(PATIENCE, events.poll())
            .await
            .context("the broker does not acknowledge")?
            .context("the connection to the broker broke")?;
        match event {
            Event::Outgoing(Outgoing::Publish(packet)) => {
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
