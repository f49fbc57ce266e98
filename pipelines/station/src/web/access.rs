//! Signing in and out, people, tokens, and the audit list.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::header::{LOCATION, RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::app::App;
use super::failure::{Answer, Failure};
use super::guard::{HOLDS, check_origin, cookie, set_cookie};
use crate::store::{Entry, Person, Role, Token, Who};
use crate::{clock, secret};

/// Longest name of a person or token, in characters.
const LONGEST_NAME: usize = 40;

/// Entries of the audit list that are shown.
const ENTRIES: u32 = 500;

/// A hash that no password has: a name that is not known takes as long as one that is.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c25hcm1zdGF0aW9u$V2hvZXZlciByZWFkcyB0aGlzIGlzIHdlbGNvbWUgaGVyZQ";

/// Name and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    name: String,
    password: String,
}

/// The first admin, with the code that the station printed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Setup {
    code: String,
    name: String,
    password: String,
}

/// A person to add or change.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPerson {
    name: String,
    role: Role,
    password: String,
}

/// A token to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewToken {
    name: String,
    role: Role,
}

/// A token that was made. It is shown this once.
#[derive(Serialize, ToSchema)]
pub(crate) struct MadeToken {
    token: String,
}

/// What a page has to know before anybody signed in.
#[derive(Serialize, ToSchema)]
pub(crate) struct Door {
    /// Version of the program.
    version: &'static str,
    /// Whether the first admin is to be made.
    setup: bool,
}

/// Says whether the first admin is to be made.
#[utoipa::path(get, path = "/api/door", responses((status = 200, body = Door)))]
pub(crate) async fn door(State(app): State<Arc<App>>) -> Answer<Json<Door>> {
    let setup = !app.is_demo && app.store.ask(|store| store.people()).await?.is_empty();
    Ok(Json(Door { version: app.version, setup }))
}

/// Who the caller is, and what there is to see.
#[derive(Serialize, ToSchema)]
pub(crate) struct Me {
    #[serde(flatten)]
    who: Who,
    /// Whether the station is one of many at a hub.
    hub: bool,
}

/// Who the caller is.
#[utoipa::path(get, path = "/api/me", responses((status = 200, body = Me), (status = 401)))]
pub(crate) async fn me(State(app): State<Arc<App>>, Extension(who): Extension<Who>) -> Json<Me> {
    Json(Me { who, hub: app.hub.is_some() })
}

/// Signs in: sets the cookie. After five failures in a minute, address and name wait.
#[utoipa::path(post, path = "/api/sign-in", request_body = SignIn, responses((status = 200, body = Who), (status = 401), (status = 429)))]
pub(crate) async fn sign_in(
    State(app): State<Arc<App>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(given): Json<SignIn>,
) -> Answer<Response> {
    check_origin(&headers)?;
    let address = from.ip().to_string();
    let typed = typed(&given.name);
    let name = format!("name {typed}");
    let keys = [address.as_str(), name.as_str()];
    if let Some(refusal) = too_many(&app, &keys) {
        return Ok(refusal);
    }
    let asked = given.name.clone();
    let person = app.store.ask(move |store| store.person(&asked)).await?;
    let (role, hash) = person.map_or((None, NOBODY.to_owned()), |(role, hash)| (Some(role), hash));
    let _turn = app.checks.acquire().await.map_err(|error| anyhow::anyhow!(error))?;
    let is_right = tokio::task::spawn_blocking(move || secret::is_password(&given.password, &hash))
        .await
        .map_err(|error| anyhow::anyhow!(error))?;
    match role.filter(|_| is_right) {
        Some(role) => enter(&app, Who { name: given.name, role }).await,
        None => {
            app.tries.failed(&keys);
            app.store.ask(move |store| store.note(&address, "failed sign-in", &typed)).await?;
            Err(Failure(StatusCode::UNAUTHORIZED, "name or password is wrong".to_owned()))
        }
    }
}

/// What is remembered of a name that somebody typed: as much as a name has.
fn typed(name: &str) -> String {
    name.chars().take(LONGEST_NAME).collect()
}

/// The answer to who has to wait.
fn too_many(app: &App, keys: &[&str]) -> Option<Response> {
    let seconds = app.tries.wait(keys)?.as_secs() + 1;
    let text = format!("too many failed sign-ins: wait {seconds} s");
    let refusal = Failure(StatusCode::TOO_MANY_REQUESTS, text).into_response();
    Some(([(RETRY_AFTER, seconds.to_string())], refusal).into_response())
}

/// Signs somebody in.
async fn enter(app: &App, who: Who) -> Answer<Response> {
    let token = secret::token()?;
    let (cookie, shown) = (set_cookie(&token, app.is_tls), Json(who.clone()));
    app.store.ask(move |store| store.sign_in(&who, &token, clock::now() + 1000 * HOLDS)).await?;
    Ok(([(SET_COOKIE, cookie)], shown).into_response())
}

/// Makes the first admin, with the code that the station printed, and signs them in.
#[utoipa::path(post, path = "/api/setup", request_body = Setup, responses((status = 200, body = Who), (status = 401), (status = 409), (status = 429)))]
pub(crate) async fn setup(
    State(app): State<Arc<App>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(given): Json<Setup>,
) -> Answer<Response> {
    check_origin(&headers)?;
    let address = from.ip().to_string();
    if let Some(refusal) = too_many(&app, &[&address]) {
        return Ok(refusal);
    }
    if app.is_demo || !app.store.ask(|store| store.people()).await?.is_empty() {
        return Err(Failure(StatusCode::CONFLICT, "the first admin is made already".to_owned()));
    }
    let code = given.code.trim().to_uppercase();
    if !app.code().is_some_and(|expected| secret::same(&expected, &code)) {
        app.tries.failed(&[&address]);
        return Err(Failure(
            StatusCode::UNAUTHORIZED,
            "expected the code that the station printed".to_owned(),
        ));
    }
    let name = checked(&given.name)?;
    add_person(&app, NewPerson { name: name.clone(), role: Role::Admin, password: given.password }, "setup")
        .await?;
    app.spend_code();
    enter(&app, Who { name, role: Role::Admin }).await
}

/// The code of the demo.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Code {
    code: String,
}

/// Signs in with the code of the demo, and goes to the line.
pub(crate) async fn enter_demo(
    State(app): State<Arc<App>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Query(given): Query<Code>,
) -> Answer<Response> {
    let address = from.ip().to_string();
    if let Some(refusal) = too_many(&app, &[&address]) {
        return Ok(refusal);
    }
    if !app.is_demo || !app.code().is_some_and(|expected| secret::same(&expected, &given.code)) {
        app.tries.failed(&[&address]);
        return Err(Failure(
            StatusCode::UNAUTHORIZED,
            "expected the code that the station printed".to_owned(),
        ));
    }
    let mut response = enter(&app, Who { name: "demo".to_owned(), role: Role::Admin }).await?;
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(LOCATION, axum::http::HeaderValue::from_static("/"));
    Ok(response)
}

/// Signs out.
#[utoipa::path(post, path = "/api/sign-out", responses((status = 204)))]
pub(crate) async fn sign_out(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer<Response> {
    if let Some(token) = cookie(&headers) {
        app.store.ask(move |store| store.sign_out(&token)).await?;
    }
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, set_cookie("", app.is_tls))]).into_response())
}

/// A name of a person or token.
fn checked(name: &str) -> Answer<String> {
    let name = name.trim();
    let is_fine = |c: char| !c.is_control();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || !name.chars().all(is_fine) {
        return Err(Failure::bad(format!("name: expected 1 to {LONGEST_NAME} characters, found {name:?}")));
    }
    Ok(name.to_owned())
}

async fn add_person(app: &App, person: NewPerson, author: &str) -> Answer<()> {
    let name = checked(&person.name)?;
    let _turn = app.checks.acquire().await.map_err(|error| anyhow::anyhow!(error))?;
    let hash = tokio::task::spawn_blocking(move || secret::hash(&person.password))
        .await
        .map_err(|error| anyhow::anyhow!(error))?
        .map_err(|error| Failure::bad(format!("{error:#}")))?;
    let author = author.to_owned();
    Ok(app.store.ask(move |store| store.set_person(&name, person.role, &hash, &author)).await?)
}

/// Everybody who may sign in.
#[utoipa::path(get, path = "/api/people", responses((status = 200, body = [Person])))]
pub(crate) async fn people(State(app): State<Arc<App>>) -> Answer<Json<Vec<Person>>> {
    Ok(Json(app.store.ask(|store| store.people()).await?))
}

/// Adds a person, or gives one another role and password.
#[utoipa::path(post, path = "/api/people", request_body = NewPerson, responses((status = 204), (status = 400)))]
pub(crate) async fn set_person(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Who>,
    Json(person): Json<NewPerson>,
) -> Answer<StatusCode> {
    add_person(&app, person, &who.name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a person; the last admin stays.
#[utoipa::path(delete, path = "/api/people/{name}", params(("name" = String, Path)), responses((status = 204), (status = 404)))]
pub(crate) async fn remove_person(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Who>,
    Path(name): Path<String>,
) -> Answer<StatusCode> {
    match app.store.ask(move |store| store.remove_person(&name, &who.name)).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Failure::missing("expected somebody who is not the last admin")),
    }
}

/// Tokens, without their secrets.
#[utoipa::path(get, path = "/api/tokens", responses((status = 200, body = [Token])))]
pub(crate) async fn tokens(State(app): State<Arc<App>>) -> Answer<Json<Vec<Token>>> {
    Ok(Json(app.store.ask(|store| store.tokens()).await?))
}

/// Makes a token for a program. It is told in the answer, and never again.
#[utoipa::path(post, path = "/api/tokens", request_body = NewToken, responses((status = 200, body = MadeToken), (status = 409)))]
pub(crate) async fn add_token(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Who>,
    Json(new): Json<NewToken>,
) -> Answer<Json<MadeToken>> {
    let (name, token) = (checked(&new.name)?, secret::token()?);
    let stored = token.clone();
    match app.store.ask(move |store| store.add_token(&name, new.role, &stored, &who.name)).await? {
        true => Ok(Json(MadeToken { token })),
        false => Err(Failure(StatusCode::CONFLICT, "expected a name that no other token has".to_owned())),
    }
}

/// Removes a token: what has it is refused from now on.
#[utoipa::path(delete, path = "/api/tokens/{id}", params(("id" = i64, Path)), responses((status = 204), (status = 404)))]
pub(crate) async fn remove_token(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Who>,
    Path(id): Path<i64>,
) -> Answer<StatusCode> {
    match app.store.ask(move |store| store.remove_token(id, &who.name)).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Failure::missing(format!("expected a token, found none of number {id}"))),
    }
}

/// The last entries of the audit list.
#[utoipa::path(get, path = "/api/audit", responses((status = 200, body = [Entry])))]
pub(crate) async fn audit(State(app): State<Arc<App>>) -> Answer<Json<Vec<Entry>>> {
    Ok(Json(app.store.ask(|store| store.audit(ENTRIES)).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_remembered_of_a_typed_name_than_a_name_has() {
        assert_eq!(typed("ann"), "ann");
        let longest = "\u{fc}".repeat(LONGEST_NAME);
        assert_eq!((typed(&longest), typed(&format!("{longest}x"))), (longest.clone(), longest));
    }
}
