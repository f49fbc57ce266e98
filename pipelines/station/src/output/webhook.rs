//! Requests to a web server: each message is a `POST` of JSON, or several are an array in one. Any 2xx is an answer that
//! they were taken.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::queue::{Queue, envelope, secret_of};
use crate::config::Webhook;
use crate::store::Waiting;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends what waits, one request after the other: by several at the same time messages would come in another order.
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
        let most = config.batch.map_or(1, |batch| usize::try_from(batch).unwrap_or(usize::MAX));
        for part in messages.chunks(most.max(1)) {
            let Some((last, _)) = part.last() else { continue };
            let (key, body) = request(part, config.batch.is_some());
            let (agent, url, token) = (agent.clone(), config.url.clone(), token.clone());
            let sent = tokio::task::spawn_blocking(move || send(&agent, &url, token.as_deref(), &key, &body));
            match sent.await.context("a task of the station failed").and_then(|sent| sent) {
                Ok(()) => queue.taken(*last).await,
                Err(error) => {
                    queue.failed(&error).await;
                    break;
                }
            }
        }
    }
}

/// Key and body of the request with messages: of an array the numbers of the first and the last of them.
fn request(messages: &[(i64, Waiting)], is_array: bool) -> (String, String) {
    let number = |message: Option<&(i64, Waiting)>| message.map(|(id, _)| *id).unwrap_or_default();
    let (first, last) = (number(messages.first()), number(messages.last()));
    let bodies: Vec<String> = messages.iter().map(|(id, message)| envelope(*id, message)).collect();
    let bodies = bodies.join(",");
    match is_array {
        true => (format!("{first}-{last}"), format!("[{bodies}]")),
        false => (last.to_string(), bodies),
    }
}

fn send(agent: &ureq::Agent, url: &str, token: Option<&str>, key: &str, body: &str) -> Result<()> {
    let mut request =
        agent.post(url).header("Content-Type", "application/json").header("Idempotency-Key", key);
    if let Some(token) = token {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    let answer = request.send(body).with_context(|| format!("cannot post to {url}"))?;
    match answer.status() {
        status if status.is_success() => Ok(()),
        status => bail!("{url}: expected 2xx, found {status}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_request_has_a_message_or_an_array_of_them_with_their_numbers() {
        let message = |id: i64| {
            let (output, topic) = ("mes".to_owned(), "cap/find".to_owned());
            (id, Waiting { output, topic, payload: format!("{{\"score\":0.{id}}}") })
        };
        let messages = [message(3), message(5)];
        let sent = |messages: &[(i64, Waiting)], is_array| {
            let (key, body) = request(messages, is_array);
            (key, serde_json::from_str::<Value>(&body).unwrap())
        };
        let (third, fifth) = (json!({ "id": 3, "score": 0.3 }), json!({ "id": 5, "score": 0.5 }));
        assert_eq!(sent(&messages[..1], false), ("3".into(), third.clone()));
        assert_eq!(sent(&messages, true), ("3-5".into(), json!([third, fifth])));
        assert_eq!(sent(&messages[1..], true), ("5-5".into(), json!([fifth])));
    }
}
