//! What a page listens to: events of a line, and its live picture.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::app::App;
use super::failure::{Answer, Failure};
use super::lines;

/// Time between two events.
const TICK: Duration = Duration::from_millis(250);

/// A stream ends after that time, and the page asks again: whoever may no longer look is noticed.
const LONGEST: Duration = Duration::from_secs(300);

/// How long the place of a stream is kept after that: whoever reads nothing never comes to its end.
const GRACE: Duration = Duration::from_secs(5);

/// Between two pictures.
const BOUNDARY: &str = "snarm-picture";

/// A stream more, where there are not too many.
pub(super) fn permit(app: &App) -> Answer<OwnedSemaphorePermit> {
    let busy = || Failure(StatusCode::SERVICE_UNAVAILABLE, "too many pages are open".to_owned());
    Arc::clone(&app.streams).try_acquire_owned().map_err(|_| busy())
}

/// The place of a stream, for so long at most; it is free sooner when this is dropped.
fn place(permit: OwnedSemaphorePermit, longest: Duration) -> oneshot::Sender<()> {
    let (held, gone) = oneshot::channel();
    tokio::spawn(async move {
        // Either way the place is free.
        let _ = tokio::time::timeout(longest, gone).await;
        drop(permit);
    });
    held
}

/// The state of a line four times a second, with new scores, as server-sent events of the type `state`.
#[utoipa::path(get, path = "/api/lines/{line}/events", params(("line" = String, Path)), responses((status = 200, content_type = "text/event-stream"), (status = 503)))]
pub(crate) async fn events(State(app): State<Arc<App>>, Path(name): Path<String>) -> Answer<Response> {
    lines::of(&app, &name)?;
    let place = place(permit(&app)?, LONGEST + GRACE);
    let began = Instant::now();
    let first = (String::new(), None, place);
    let events = stream::unfold(first, move |(before, last, place): (String, Option<u64>, _)| {
        let (app, name) = (Arc::clone(&app), name.clone());
        async move {
            if began.elapsed() > LONGEST {
                return None;
            }
            if last.is_some() {
                tokio::time::sleep(TICK).await;
            }
            // Another recipe has other scores, with numbers of their own.
            let line = app.line(&name)?;
            let after = last.filter(|_| before == line.name()).unwrap_or_default();
            let snapshot = lines::snapshot(&app, line, after);
            let after = snapshot.strip.last().map_or(after, |point| point.seq);
            let event = Event::default().event("state").json_data(&snapshot).unwrap_or_default();
            Some((Ok::<_, Infallible>(event), (line.name().to_owned(), Some(after), place)))
        }
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

/// The annotated picture, up to ten times a second, as `multipart/x-mixed-replace` of JPEG.
#[utoipa::path(get, path = "/api/lines/{line}/live", params(("line" = String, Path)), responses((status = 200, content_type = "multipart/x-mixed-replace"), (status = 503)))]
pub(crate) async fn live(State(app): State<Arc<App>>, Path(name): Path<String>) -> Answer<Response> {
    let pictures = lines::of(&app, &name)?.look_on();
    let changes = app.switch(&name).map(|switch| switch.changes());
    let place = place(permit(&app)?, LONGEST + GRACE);
    let began = Instant::now();
    let first = (pictures, changes, place);
    let parts = stream::unfold(first, move |(mut pictures, mut changes, place)| {
        let (app, name) = (Arc::clone(&app), name.clone());
        async move {
            loop {
                let left = LONGEST.checked_sub(began.elapsed())?;
                let another = async {
                    match &mut changes {
                        Some(changes) => changes.changed().await.is_ok(),
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    picture = pictures.changed() => picture.ok()?,
                    // The pictures of the recipe that is in use now.
                    is_there = another => {
                        pictures = app.line(&name).filter(|_| is_there)?.look_on();
                        continue;
                    }
                    () = tokio::time::sleep(left) => return None,
                }
                let jpeg = Arc::clone(&pictures.borrow_and_update());
                let head = format!(
                    "--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n",
                    jpeg.len()
                );
                let part = [head.as_bytes(), &jpeg, b"\r\n"].concat();
                return Some((Ok::<_, Infallible>(part), (pictures, changes, place)));
            }
        }
    });
    let kind = format!("multipart/x-mixed-replace; boundary={BOUNDARY}");
    Ok(([(CONTENT_TYPE, kind)], Body::from_stream(parts)).into_response())
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    #[test]
    fn a_place_is_free_when_its_stream_is_over_or_after_its_time_whoever_reads() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let places = Arc::new(Semaphore::new(1));
            let take = || Arc::clone(&places).acquire_owned();
            let held = place(take().await.unwrap(), Duration::from_secs(300));
            assert_eq!(places.available_permits(), 0);
            drop(held);
            // Nobody polls the stream that holds this one.
            let _held = place(take().await.unwrap(), Duration::from_millis(20));
            drop(take().await.unwrap());
        });
    }
}
