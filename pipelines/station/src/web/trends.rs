//! How a line was over time.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::app::App;
use super::failure::{Answer, Failure};
use super::lines::of;
use crate::clock;
use crate::store::{STEP, Trend};

const HOUR: i64 = 3_600_000;

/// Longest time that is looked at, in hours: a year.
const LONGEST: i64 = 366 * 24;

/// Most steps that are told.
const STEPS: i64 = 200;

/// Changes of each kind that are told.
const CHANGES: u32 = 50;

/// What time to look at.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Span {
    /// The last so many hours.
    #[serde(default = "day")]
    hours: i64,
}

fn day() -> i64 {
    24
}

/// Something that people changed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Change {
    /// When, in milliseconds since 1970.
    at: i64,
    /// What was changed to what.
    what: String,
    /// Who did it.
    author: String,
    /// Why.
    reason: String,
}

/// How a line was over time.
#[derive(Serialize, ToSchema)]
pub(crate) struct Trends {
    /// Begin and end of the time, in milliseconds since 1970.
    since: i64,
    until: i64,
    /// Length of a step in milliseconds.
    step: i64,
    /// Steps with frames, the oldest first.
    steps: Vec<Trend>,
    /// Releases and changes of limits in that time, the oldest first.
    changes: Vec<Change>,
}

/// The shortest step of whole ten minutes that makes at most 200 of a time.
fn step(hours: i64) -> i64 {
    let longest = STEP * STEPS;
    STEP * ((hours * HOUR + longest - 1) / longest)
}

/// Frames, alarms, scores, light and sharpness of a line over time, and what people changed.
#[utoipa::path(get, path = "/api/lines/{line}/trends", params(("line" = String, Path), Span), responses((status = 200, body = Trends), (status = 400)))]
pub(crate) async fn trends(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(span): Query<Span>,
) -> Answer<Json<Trends>> {
    let line = of(&app, &name)?;
    if !(1..=LONGEST).contains(&span.hours) {
        return Err(Failure::bad(format!("hours: expected 1 to {LONGEST}, found {}", span.hours)));
    }
    let (until, step) = (clock::now(), step(span.hours));
    let since = until - span.hours * HOUR;
    let told = line.ask(move |line| {
        // A step that began before is shown as a whole.
        let steps = line.store.trends(line.name(), since - since.rem_euclid(step), step)?;
        let shown =
            |limit: Option<f64>, none: &str| limit.map_or(none.to_owned(), |limit| format!("{limit:.3}"));
        let limits = line.store.limits(line.name(), CHANGES)?.into_iter().map(|each| Change {
            at: each.at,
            what: format!(
                "alarm from {}, uncertain from {}",
                shown(each.threshold, "what the bank says"),
                shown(each.low, "nothing")
            ),
            author: each.author,
            reason: each.reason,
        });
        let releases = line.store.releases(line.name(), CHANGES)?.into_iter().map(|each| Change {
            at: each.at,
            what: format!("bank version {}", each.version),
            author: each.author,
            reason: each.reason,
        });
        let mut changes: Vec<Change> = limits.chain(releases).filter(|change| change.at >= since).collect();
        changes.sort_by_key(|change| change.at);
        Ok(Trends { since, until, step, steps, changes })
    });
    Ok(Json(told.await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_whole_ten_minutes_and_at_most_200() {
        for (hours, minutes) in [(1, 10), (8, 10), (24, 10), (168, 60), (720, 220), (LONGEST, 2640)] {
            let step = step(hours);
            assert_eq!(step, minutes * 60_000, "{hours}");
            assert!(hours * HOUR <= STEPS * step);
        }
    }
}
