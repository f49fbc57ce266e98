//! The connection to a hub. It is dialled, and dialled again when it breaks, by itself; nothing waits for it but what
//! goes through it.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use async_nats::jetstream::{self, context::ContextBuilder};
use async_nats::{Client, ClientError, ConnectErrorKind, ConnectOptions, Event, ServerError};
use tokio::sync::watch;

use crate::config::Hub;
use crate::output::secret_of;
use crate::tls;

/// How long the hub may take to answer or to acknowledge.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Time between two signs of life.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Wait before the second try; it doubles with each that follows.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// Longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The connection to a hub.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) client: Client,
    pub(super) jetstream: jetstream::Context,
    is_up: watch::Receiver<bool>,
    /// Why the last try failed, where one did since there was a connection.
    failure: watch::Receiver<Option<Failure>>,
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    text: String,
    /// Whether the hub knows us and does not let us in: trying again is of use when somebody has changed something.
    is_refusal: bool,
}

impl Failure {
    /// What an event says of a try.
    fn of(event: &Event) -> Option<Self> {
        let refusal = ConnectErrorKind::AuthorizationViolation.to_string();
        match event {
            Event::ServerError(ServerError::AuthorizationViolation) => {
                Some(Self { text: refusal, is_refusal: true })
            }
            Event::ClientError(ClientError::Other(text)) => {
                Some(Self { is_refusal: *text == refusal, text: text.clone() })
            }
            _ => None,
        }
    }
}

impl Link {
    /// Begins to dial.
    ///
    /// # Errors
    /// When a file of the configuration, or an address, is not usable.
    pub(super) async fn dial(hub: &Hub) -> Result<Self> {
        let (tell, is_up) = watch::channel(false);
        let (fail, failure) = watch::channel(None);
        let mut options = ConnectOptions::new()
            .name(format!("snarm {}", hub.name))
            .retry_on_initial_connect()
            .connection_timeout(PATIENCE)
            .request_timeout(Some(PATIENCE))
            .ping_interval(KEEP_ALIVE)
            .reconnect_delay_callback(wait)
            .event_callback(move |event| {
                let failed = Failure::of(&event);
                // It is said once, and not at each of many tries.
                let is_new = failed.is_some() && *fail.borrow() != failed;
                if failed.is_some() {
                    fail.send_replace(failed);
                }
                match event {
                    Event::Connected => {
                        fail.send_replace(None);
                        tell.send_replace(true);
                    }
                    Event::Disconnected | Event::Closed => drop(tell.send_replace(false)),
                    // What the hub says of us, such as a wrong password, is for somebody; that it is away is told elsewhere.
                    Event::ClientError(_) if is_new => tracing::warn!("hub: {event}"),
                    Event::ServerError(_) => tracing::warn!("hub: {event}"),
                    event => tracing::debug!("hub: {event}"),
                }
                std::future::ready(())
            });
        if let Some(user) = &hub.user {
            let password = hub.password_file.as_deref().map(secret_of).transpose()?;
            options = options.user_and_password(user.clone(), password.unwrap_or_default());
        }
        if let Some(file) = &hub.credentials_file {
            let text = tokio::fs::read_to_string(file).await;
            let text = text.with_context(|| format!("cannot read {}", file.display()))?;
            let expected =
                || format!("credentials-file: expected what nsc writes, found other in {}", file.display());
            options = options.credentials(&text).with_context(expected)?;
        }
        if let Some(authorities) = &hub.ca_file {
            options = options.tls_client_config(tls::client(authorities, None)?).require_tls(true);
        }
        let client = options.connect(&hub.url).await.with_context(|| format!("hub.url: {:?}", hub.url))?;
        let jetstream = ContextBuilder::new().timeout(PATIENCE).build(client.clone());
        Ok(Self { client, jetstream, is_up, failure })
    }

    /// Whether there is a connection at this moment.
    pub(super) fn is_up(&self) -> bool {
        *self.is_up.borrow()
    }

    /// Waits for a connection.
    pub(super) async fn up(&self) {
        // Without a sender the client is gone, and so is whoever waits.
        let _ = self.is_up.clone().wait_for(|is_up| *is_up).await;
    }

    /// Waits until there is none.
    pub(super) async fn down(&self) {
        // As above.
        let _ = self.is_up.clone().wait_for(|is_up| !is_up).await;
    }

    /// Why there is no connection, where a try has failed.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure.borrow().as_ref().map(|failure| failure.text.clone())
    }

    /// Tells when a try fails.
    pub(super) fn failures(&self) -> watch::Receiver<Option<Failure>> {
        let mut failures = self.failure.clone();
        failures.mark_unchanged();
        failures
    }

    /// Waits for a connection, as long as an answer may take.
    ///
    /// # Errors
    /// When there is none by then, or the hub refuses us.
    pub(super) async fn soon(&self) -> Result<()> {
        let mut failure = self.failure.clone();
        let refused = failure.wait_for(|failure| failure.as_ref().is_some_and(|known| known.is_refusal));
        let is_refused = tokio::select! {
            () = self.up() => return Ok(()),
            refused = refused => refused.is_ok(),
            () = tokio::time::sleep(PATIENCE) => false,
        };
        let why = self.failure().map_or_else(String::new, |why| format!(": {why}"));
        match is_refused {
            true => bail!("the hub refuses user and password, or credentials{why}"),
            false => bail!("cannot reach the hub within {} s{why}", PATIENCE.as_secs()),
        }
    }
}

/// Wait before a try. Stations that lost the same hub do not come back at the same moment.
fn wait(tries: usize) -> Duration {
    let Some(doublings) = tries.checked_sub(2) else { return Duration::ZERO };
    let wait = (FIRST_WAIT * (1 << doublings.min(8))).min(LONGEST_WAIT);
    let mut random = [0];
    // Without random numbers they come together.
    let _ = getrandom::fill(&mut random);
    wait / 2 + wait * u32::from(random[0]) / 510
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_half_a_minute_and_differ() {
        assert_eq!(wait(1), Duration::ZERO);
        assert!((FIRST_WAIT / 2..=FIRST_WAIT).contains(&wait(2)));
        let late: Vec<Duration> = (0..64).map(|_| wait(1000)).collect();
        assert!(late.iter().all(|wait| (LONGEST_WAIT / 2..=LONGEST_WAIT).contains(wait)));
        assert!(late.iter().any(|wait| *wait != late[0]));
    }
}
