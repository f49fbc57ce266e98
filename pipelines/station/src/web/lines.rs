//! What is asked of lines: their state, their finds, limits and banks.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use snarm_core::bank::Rule;
use utoipa::{IntoParams, ToSchema};

use super::app::App;
use super::failure::{Answer, Failure};
use crate::line::{self, Line, Nearest, Snapshot, Switch};
use crate::store::{
    BankVersion, Find, Judgement, LimitChange, Part, Picture, Queue, Release, Who, WouldChange,
};

/// Finds of the queue that are sent at once.
const QUEUE: u32 = 50;

/// Last alarms that are shown.
const ALARMS: u32 = 10;

/// Frames that histograms and previews look at.
const FRAMES: u32 = 20_000;

/// Bars of a histogram.
const BARS: usize = 100;

/// Changes of limits and banks that are shown.
const CHANGES: u32 = 50;

/// The line of an address.
pub(super) fn of<'a>(app: &'a App, name: &str) -> Answer<&'a Arc<Line>> {
    app.line(name).ok_or_else(|| Failure::missing("expected the name of a line, found no such line"))
}

/// What is in use on the line of an address.
///
/// # Errors
/// When there is no such line, or it is a recipe that is not in use.
pub(super) fn in_use<'a>(app: &'a App, name: &str) -> Answer<&'a Arc<Line>> {
    let line = of(app, name)?;
    match app.switch(name).is_some_and(|switch| switch.is_in_use(line)) {
        true => Ok(line),
        false => Err(Failure(
            StatusCode::CONFLICT,
            format!("expected the recipe in use, found {name}: choose it before"),
        )),
    }
}

/// A line, for choosing one.
#[derive(Serialize, ToSchema)]
pub(crate) struct Named {
    name: String,
    title: String,
    /// Its recipes, by the names under which all is asked of them, in use or not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    recipes: Vec<Named>,
}

/// The lines of the station.
#[utoipa::path(get, path = "/api/lines", responses((status = 200, body = [Named])))]
pub(crate) async fn all(State(app): State<Arc<App>>) -> Json<Vec<Named>> {
    let recipe = |line: &Arc<Line>| Named {
        name: line.name().to_owned(),
        title: line.config.shown().to_owned(),
        recipes: Vec::new(),
    };
    let named = |switch: &Arc<Switch>| Named {
        name: switch.name().to_owned(),
        title: switch.title().to_owned(),
        recipes: switch.lines().iter().filter(|line| line.recipe().is_some()).map(recipe).collect(),
    };
    Json(app.switches.iter().map(named).collect())
}

/// What is known of a line at this moment, with the scores after a number.
pub(super) fn snapshot(app: &App, line: &Line, after: u64) -> Snapshot {
    let mut snapshot = line.snapshot(after);
    snapshot.lamps.extend(app.lamps());
    snapshot
}

/// The state of a line, with its last 200 scores.
#[utoipa::path(get, path = "/api/lines/{line}", params(("line" = String, Path)), responses((status = 200, body = Snapshot), (status = 404)))]
pub(crate) async fn state(State(app): State<Arc<App>>, Path(name): Path<String>) -> Answer<Json<Snapshot>> {
    Ok(Json(snapshot(&app, of(&app, &name)?, 0)))
}

/// The last ten finds of a line with an alarm.
#[utoipa::path(get, path = "/api/lines/{line}/alarms", params(("line" = String, Path)), responses((status = 200, body = [Find])))]
pub(crate) async fn alarms(State(app): State<Arc<App>>, Path(name): Path<String>) -> Answer<Json<Vec<Find>>> {
    let line = of(&app, &name)?;
    Ok(Json(line.ask(|line| line.store.last_alarms(line.name(), ALARMS)).await?))
}

/// Begins a new shift: counters start at 0.
#[utoipa::path(post, path = "/api/lines/{line}/shift", params(("line" = String, Path)), responses((status = 204)))]
pub(crate) async fn shift(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Who>,
    Path(name): Path<String>,
) -> Answer<StatusCode> {
    of(&app, &name)?;
    let lines = app.switch(&name).map_or(&[][..], |switch| switch.lines());
    // It is one of all recipes of the line, in use or not.
    for line in lines {
        let who = who.name.clone();
        let begun = line.ask(move |line| {
            line.store.begin_shift(line.name(), &who)?;
            line.store.shift(line.name())
        });
        let begun = begun.await?;
        line.state().shift = begun;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Parts that are shown.
const PARTS: u32 = 50;

/// The last 50 parts of a line, the newest first; the first of them may go on.
#[utoipa::path(get, path = "/api/lines/{line}/parts", params(("line" = String, Path)), responses((status = 200, body = [Part])))]
pub(crate) async fn parts(State(app): State<Arc<App>>, Path(name): Path<String>) -> Answer<Json<Vec<Part>>> {
    let line = of(&app, &name)?;
    Ok(Json(line.ask(|line| line.store.parts(line.name(), PARTS)).await?))
}

/// A part of a line by its number.
#[utoipa::path(get, path = "/api/lines/{line}/parts/{number}", params(("line" = String, Path), ("number" = i64, Path)), responses((status = 200, body = Part), (status = 404)))]
pub(crate) async fn part(
    State(app): State<Arc<App>>,
    Path((name, number)): Path<(String, i64)>,
) -> Answer<Json<Part>> {
    let found = of(&app, &name)?.ask(move |line| line.store.part(line.name(), number)).await?;
    found.map(Json).ok_or_else(|| Failure::missing(format!("expected a part, found none of number {number}")))
}

/// A part that begins, or a lot.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPart {
    /// Name of the part; without one the last part ends and none begins.
    #[serde(default)]
    part: Option<String>,
    /// Name of the lot, which holds until another one is said.
    #[serde(default)]
    lot: Option<String>,
}

/// Says that a part begins: frames so far are the last of the part before. It is stored when the answer comes.
#[utoipa::path(post, path = "/api/lines/{line}/part", params(("line" = String, Path)), request_body = NewPart, responses((status = 204), (status = 409)))]
pub(crate) async fn begin_part(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Json(new): Json<NewPart>,
) -> Answer<StatusCode> {
    let begun = in_use(&app, &name)?.ask(move |line| line.begin_part(new.part, new.lot)).await;
    begun.map(|()| StatusCode::NO_CONTENT).map_err(|error| Failure::conflict(&error))
}

/// The finds that wait for a judgement.
#[derive(Serialize, ToSchema)]
pub(crate) struct Review {
    #[serde(flatten)]
    queue: Queue,
    /// How many were judged good, and are not in the bank in use.
    to_learn: usize,
}

/// The finds of a line that wait for a judgement, the highest score first.
#[utoipa::path(get, path = "/api/lines/{line}/queue", params(("line" = String, Path)), responses((status = 200, body = Review)))]
pub(crate) async fn queue(State(app): State<Arc<App>>, Path(name): Path<String>) -> Answer<Json<Review>> {
    let line = of(&app, &name)?;
    let review = line.ask(|line| {
        let queue = line.store.to_judge(line.name(), QUEUE)?;
        Ok(Review { queue, to_learn: line::to_learn(&line.store, line.name())?.len() })
    });
    Ok(Json(review.await?))
}

/// A find.
#[utoipa::path(get, path = "/api/finds/{id}", params(("id" = i64, Path)), responses((status = 200, body = Find), (status = 404)))]
pub(crate) async fn find(State(app): State<Arc<App>>, Path(id): Path<i64>) -> Answer<Json<Find>> {
    let find = app.store.ask(move |store| store.find(id)).await?;
    find.map(Json).ok_or_else(|| no_find(id))
}

fn no_find(id: i64) -> Failure {
    Failure::missing(format!("expected a find, found none of number {id}"))
}

/// What somebody says of a find.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Said {
    judgement: Judgement,
}

/// Judges a find.
#[utoipa::path(post, path = "/api/finds/{id}/judgement", params(("id" = i64, Path)), request_body = Said, responses((status = 200, body = Find), (status = 404)))]
pub(crate) async fn judge(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Who>,
    Path(id): Path<i64>,
    Json(said): Json<Said>,
) -> Answer<Json<Find>> {
    let judged = app.store.ask(move |store| store.judge(id, said.judgement, &who.name)).await?;
    judged.map(Json).ok_or_else(|| no_find(id))
}

/// Takes back the caller's last judgement on a line.
#[utoipa::path(post, path = "/api/lines/{line}/undo", params(("line" = String, Path)), responses((status = 200, body = Find), (status = 404)))]
pub(crate) async fn undo(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Who>,
    Path(name): Path<String>,
) -> Answer<Json<Find>> {
    let line = of(&app, &name)?;
    let undone = line.ask(move |line| line.store.undo(line.name(), &who.name)).await?;
    undone.map(Json).ok_or_else(|| Failure::missing("expected a judgement of yours to take back, found none"))
}

/// The frame of a find with heat map, JPEG.
#[utoipa::path(get, path = "/api/finds/{id}/annotated", params(("id" = i64, Path)), responses((status = 200, content_type = "image/jpeg"), (status = 404)))]
pub(crate) async fn annotated(State(app): State<Arc<App>>, Path(id): Path<i64>) -> Answer<Response> {
    picture(&app, id, Picture::Annotated, "image/jpeg").await
}

/// The frame of a find, PNG.
#[utoipa::path(get, path = "/api/finds/{id}/frame", params(("id" = i64, Path)), responses((status = 200, content_type = "image/png"), (status = 404)))]
pub(crate) async fn frame(State(app): State<Arc<App>>, Path(id): Path<i64>) -> Answer<Response> {
    picture(&app, id, Picture::Frame, "image/png").await
}

/// The anomaly map of a find, PGM of 8 bits, 255 being a score of 1.
#[utoipa::path(get, path = "/api/finds/{id}/map", params(("id" = i64, Path)), responses((status = 200, content_type = "image/x-portable-graymap"), (status = 404)))]
pub(crate) async fn map(State(app): State<Arc<App>>, Path(id): Path<i64>) -> Answer<Response> {
    picture(&app, id, Picture::Map, "image/x-portable-graymap").await
}

/// The most striking places of a find beside the good patches that the bank in use knows, and the frames they came from. The
/// first answer for a find takes some seconds.
#[utoipa::path(get, path = "/api/finds/{id}/nearest", params(("id" = i64, Path)), responses((status = 200, body = Nearest), (status = 404)))]
pub(crate) async fn nearest(State(app): State<Arc<App>>, Path(id): Path<i64>) -> Answer<Json<Nearest>> {
    let find = app.store.ask(move |store| store.find(id)).await?.ok_or_else(|| no_find(id))?;
    let found = line::nearest(of(&app, &find.line)?, id).await?;
    found.map(Json).ok_or_else(|| Failure::missing(format!("expected a picture, found none of find {id}")))
}

/// A cut-out that `/api/finds/{id}/nearest` names, PNG.
#[utoipa::path(get, path = "/api/finds/{id}/nearest/{name}", params(("id" = i64, Path), ("name" = String, Path)), responses((status = 200, content_type = "image/png"), (status = 404)))]
pub(crate) async fn cut_out(
    State(app): State<Arc<App>>,
    Path((id, name)): Path<(i64, String)>,
) -> Answer<Response> {
    let missing = || Failure::missing(format!("expected a cut-out of find {id}, found none of that name"));
    let is_part = |c: char| c.is_ascii_digit() || c == '-';
    let stem = name.strip_suffix(".png").filter(|stem| stem.chars().all(is_part)).ok_or_else(missing)?;
    let file = app.store.nearest_folder(id).join(format!("{stem}.png"));
    let bytes = tokio::fs::read(file).await.map_err(|_| missing())?;
    Ok(([(CONTENT_TYPE, "image/png")], bytes).into_response())
}

async fn picture(app: &App, id: i64, picture: Picture, kind: &'static str) -> Answer<Response> {
    let bytes = app.store.ask(move |store| store.picture(id, picture)).await?;
    let bytes =
        bytes.ok_or_else(|| Failure::missing(format!("expected a picture, found none of find {id}")))?;
    Ok(([(CONTENT_TYPE, kind)], bytes).into_response())
}

/// The limit of alarms that a rule makes.
#[derive(Serialize, ToSchema)]
pub(crate) struct RuleLimit {
    /// The rule: a `threshold-mode` of `snarmdetect`, and what is asked of it.
    name: String,
    threshold: f64,
}

/// Limits of a line, and the scores that they stand between.
#[derive(Serialize, ToSchema)]
pub(crate) struct Limits {
    /// The limit of alarms that holds.
    threshold: f64,
    /// The limit of the uncertain band that holds; `null` where there is none.
    low: Option<f64>,
    /// The threshold of the bank in use.
    bank: f64,
    /// The limit of each rule for the good frames of the bank in use, the bank's own first.
    rules: Vec<RuleLimit>,
    /// Changes, the last one first.
    changes: Vec<LimitChange>,
    /// Good frames of the bank, by score: 100 bars from 0 to 1.
    learned: Vec<u32>,
    /// Those of the last 20,000 frames that the bank in use judged, likewise.
    recent: Vec<u32>,
    /// Finds judged good, as the bank in use scores them, likewise; those that only other banks scored are left out.
    good: Vec<u32>,
    /// Finds judged bad, likewise.
    bad: Vec<u32>,
}

fn histogram(scores: impl IntoIterator<Item = f64>) -> Vec<u32> {
    let mut bars = vec![0; BARS];
    for score in scores {
        let bar = ((score * BARS as f64) as usize).min(BARS - 1);
        if let Some(bar) = bars.get_mut(bar) {
            *bar += 1;
        }
    }
    bars
}

/// The limits of a line, and histograms of scores.
#[utoipa::path(get, path = "/api/lines/{line}/limits", params(("line" = String, Path)), responses((status = 200, body = Limits)))]
pub(crate) async fn limits(State(app): State<Arc<App>>, Path(name): Path<String>) -> Answer<Json<Limits>> {
    let line = of(&app, &name)?;
    let limits = line.ask(|line| {
        let changes = line.store.limits(line.name(), CHANGES)?;
        let (learned, rules) = {
            let state = line.state();
            (state.learned.clone(), state.rules())
        };
        let limit = |rule: Rule| RuleLimit { name: rule.name, threshold: rule.threshold };
        let now = changes.first().cloned().unwrap_or_default();
        let digest = learned.digest.clone();
        let judged = |judgement| -> anyhow::Result<Vec<u32>> {
            Ok(histogram(line.store.judged_scores(line.name(), &digest, judgement)?))
        };
        Ok(Limits {
            threshold: now.threshold.unwrap_or(learned.threshold),
            low: now.low,
            bank: learned.threshold,
            rules: rules.into_iter().map(limit).collect(),
            changes,
            recent: histogram(line.store.last_scores(line.name(), &learned.digest, FRAMES)?),
            learned: histogram(learned.scores),
            good: judged(Judgement::Good)?,
            bad: judged(Judgement::Bad)?,
        })
    });
    Ok(Json(limits.await?))
}

/// Limits to try. A threshold that is left out is the bank's.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tried {
    threshold: Option<f64>,
    low: Option<f64>,
}

fn check_limits(threshold: Option<f64>, low: Option<f64>, of_bank: f64) -> Answer<()> {
    let checked = line::check_limits(line::Limits { threshold, low }, of_bank);
    checked.map_err(|error| Failure::bad(error.to_string()))
}

/// What limits would have changed in the last 20,000 frames, and in what was judged.
#[utoipa::path(get, path = "/api/lines/{line}/limits/preview", params(("line" = String, Path), Tried), responses((status = 200, body = WouldChange), (status = 400)))]
pub(crate) async fn preview(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(tried): Query<Tried>,
) -> Answer<Json<WouldChange>> {
    let line = of(&app, &name)?;
    let (of_bank, digest) = {
        let state = line.state();
        (state.learned.threshold, state.learned.digest.clone())
    };
    check_limits(tried.threshold, tried.low, of_bank)?;
    let threshold = tried.threshold.unwrap_or(of_bank);
    let changed =
        line.ask(move |line| line.store.would_change(line.name(), &digest, FRAMES, threshold, tried.low));
    Ok(Json(changed.await?))
}

/// Limits to hold from now on. A threshold of `null` is the bank's, a low of `null` no uncertain band.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLimits {
    threshold: Option<f64>,
    low: Option<f64>,
    reason: String,
}

pub(super) fn check_reason(reason: &str) -> Answer<String> {
    line::check_reason(reason).map_err(|error| Failure::bad(error.to_string()))
}

/// Changes the limits of a line, without stopping it.
#[utoipa::path(post, path = "/api/lines/{line}/limits", params(("line" = String, Path)), request_body = NewLimits, responses((status = 204), (status = 400)))]
pub(crate) async fn set_limits(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Who>,
    Path(name): Path<String>,
    Json(new): Json<NewLimits>,
) -> Answer<StatusCode> {
    let line = of(&app, &name)?;
    let reason = check_reason(&new.reason)?;
    let of_bank = line.state().learned.threshold;
    check_limits(new.threshold, new.low, of_bank)?;
    line::set_limits(line, new.threshold, new.low, &who.name, &reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Banks of a line.
#[derive(Serialize, ToSchema)]
pub(crate) struct Banks {
    /// Versions, the newest first.
    versions: Vec<BankVersion>,
    /// Changes of the version in use, the last one first.
    releases: Vec<Release>,
    /// The version that a roll back takes.
    before: Option<i64>,
    /// Finds that a candidate would learn.
    to_learn: usize,
}

/// The versions of the bank of a line.
#[utoipa::path(get, path = "/api/lines/{line}/banks", params(("line" = String, Path)), responses((status = 200, body = Banks)))]
pub(crate) async fn banks(State(app): State<Arc<App>>, Path(name): Path<String>) -> Answer<Json<Banks>> {
    let line = of(&app, &name)?;
    let banks = line.ask(|line| {
        Ok(Banks {
            versions: line.store.banks(line.name())?,
            releases: line.store.releases(line.name(), CHANGES)?,
            before: line.store.bank_before(line.name())?,
            to_learn: line::to_learn(&line.store, line.name())?.len(),
        })
    });
    Ok(Json(banks.await?))
}

/// Why something is done.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Why {
    pub(super) reason: String,
}

/// Makes a candidate of the bank in use and what was judged good. It changes nothing until it is released.
#[utoipa::path(post, path = "/api/lines/{line}/banks", params(("line" = String, Path)), request_body = Why, responses((status = 200, body = BankVersion), (status = 409)))]
pub(crate) async fn make_candidate(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Who>,
    Path(name): Path<String>,
    Json(why): Json<Why>,
) -> Answer<Json<BankVersion>> {
    let line = of(&app, &name)?;
    let reason = check_reason(&why.reason)?;
    let made = line::make_candidate(line, &who.name, &reason).await;
    made.map(Json).map_err(|error| Failure::conflict(&error))
}

/// Takes a version into use, without stopping the line.
#[utoipa::path(post, path = "/api/lines/{line}/banks/{version}/release", params(("line" = String, Path), ("version" = i64, Path)), request_body = Why, responses((status = 204), (status = 409)))]
pub(crate) async fn release(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Who>,
    Path((name, version)): Path<(String, i64)>,
    Json(why): Json<Why>,
) -> Answer<StatusCode> {
    let line = of(&app, &name)?;
    let reason = check_reason(&why.reason)?;
    let released = line::release(line, version, &who.name, &reason).await;
    released.map(|()| StatusCode::NO_CONTENT).map_err(|error| Failure::conflict(&error))
}

/// Takes the version into use that was in use before.
#[utoipa::path(post, path = "/api/lines/{line}/rollback", params(("line" = String, Path)), request_body = Why, responses((status = 204), (status = 409)))]
pub(crate) async fn roll_back(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Who>,
    Path(name): Path<String>,
    Json(why): Json<Why>,
) -> Answer<StatusCode> {
    let line = of(&app, &name)?;
    let reason = check_reason(&why.reason)?;
    let released = line::roll_back(line, &who.name, &reason).await;
    released.map(|()| StatusCode::NO_CONTENT).map_err(|error| Failure::conflict(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_score_is_in_a_bar() {
        let bars = histogram([0.0, 0.005, 0.995, 1.0]);
        assert_eq!((bars.len(), bars[0], bars[99], bars.iter().sum::<u32>()), (BARS, 2, 2, 4));
    }
}
