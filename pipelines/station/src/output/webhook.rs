//! Requests to a web server: each message is a `POST` of JSON. Any 2xx is an answer that it was taken.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::queue::{Queue, envelope, secret_of};
use crate::config::Webhook;
use crate::store::Waiting;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends what waits, one after the other.
pub(super) async fn run(config: Webhook, mut queue: Queue) {
    let token = loop {
        match config.token_file.as_deref().map(secret_of).transpose() {
            Ok(token) => break token,
            Err(error) => queue.failed(&error).await,
        }
        if queue.is_over() {
            return;
        }
    };
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .max_redirects(0)
        .http_status_as_error(false)
        .build()
        .into();
    queue.health.set(None);
    loop {
        let messages = queue.next().await;
        if messages.is_empty() {
            return;
        }
        for (id, message) in messages {
            let (agent, url, token) = (agent.clone(), config.url.clone(), token.clone());
            let sent =
                tokio::task::spawn_blocking(move || send(&agent, &url, token.as_deref(), id, &message));
            match sent.await.context("a task of the station failed").and_then(|sent| sent) {
                Ok(()) => queue.taken(id).await,
                Err(error) => {
                    queue.failed(&error).await;
                    break;
                }
            }
        }
    }
}

fn send(agent: &ureq::Agent, url: &str, token: Option<&str>, id: i64, message: &Waiting) -> Result<()> {
    let mut request =
        agent.post(url).header("Content-Type", "application/json").header("Idempotency-Key", id.to_string());
    if let Some(token) = token {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    let answer = request.send(envelope(id, message)).with_context(|| format!("cannot post to {url}"))?;
    match answer.status() {
        status if status.is_success() => Ok(()),
        status => bail!("{url}: expected 2xx, found {status}"),
    }
}
