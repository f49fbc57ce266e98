//! Pages and API, on one port.

mod access;
mod app;
mod bodies;
mod compare;
mod export;
mod failure;
mod guard;
mod health;
mod hub;
mod learn;
mod lines;
mod listener;
mod pages;
mod recipes;
mod shadow;
mod streams;
mod system;
mod trends;

use std::convert::Infallible;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use axum::{Json, Router, middleware};
use tokio::net::TcpListener;
use tokio_rustls::rustls::ServerConfig;
use utoipa::OpenApi;

pub(crate) use app::{App, Entry};

use crate::store::Role;
use failure::Failure;
use guard::Asks;

/// The description of the API.
#[derive(OpenApi)]
#[openapi(
    info(title = "snarm station", description = "Lines, finds, limits and banks of a station"),
    paths(
        access::door,
        access::me,
        access::sign_in,
        access::sign_out,
        access::setup,
        access::people,
        access::set_person,
        access::remove_person,
        access::tokens,
        access::add_token,
        access::remove_token,
        access::audit,
        compare::comparison,
        compare::begin_comparing,
        compare::give_up,
        export::export,
        health::healthz,
        health::metrics,
        hub::states,
        hub::station,
        hub::command,
        learn::learning,
        learn::begin_learning,
        learn::enough,
        learn::give_up,
        learn::picture,
        lines::all,
        lines::state,
        lines::alarms,
        lines::shift,
        lines::parts,
        lines::part,
        lines::begin_part,
        lines::queue,
        lines::find,
        lines::judge,
        lines::undo,
        lines::annotated,
        lines::frame,
        lines::map,
        lines::nearest,
        lines::cut_out,
        lines::limits,
        lines::preview,
        lines::set_limits,
        lines::banks,
        lines::make_candidate,
        lines::release,
        lines::roll_back,
        recipes::recipes,
        recipes::choose,
        shadow::shadow,
        shadow::set_shadow,
        shadow::end_shadow,
        streams::events,
        streams::live,
        system::system,
        system::try_output,
        system::set_aside,
        system::remove_set_aside,
        system::remove_gone,
        system::restart,
        system::try_source,
        trends::trends,
    )
)]
struct Api;

/// The description of this API, OpenAPI.
async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(Api::openapi())
}

/// What everybody may ask for.
fn open() -> Router<Arc<App>> {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/api/door", get(access::door))
        .route("/api/openapi.json", get(openapi))
        .route("/api/sign-in", post(access::sign_in))
        .route("/api/setup", post(access::setup))
        .route("/enter", get(access::enter_demo))
}

fn for_viewers() -> Router<Arc<App>> {
    Router::new()
        .route("/metrics", get(health::metrics))
        .route("/api/me", get(access::me))
        .route("/api/sign-out", post(access::sign_out))
        .route("/api/hub", get(hub::states))
        .route("/api/hub/{station}", get(hub::station))
        .route("/api/lines", get(lines::all))
        .route("/api/lines/{line}", get(lines::state))
        .route("/api/lines/{line}/events", get(streams::events))
        .route("/api/lines/{line}/live", get(streams::live))
        .route("/api/lines/{line}/alarms", get(lines::alarms))
        .route("/api/lines/{line}/parts", get(lines::parts))
        .route("/api/lines/{line}/parts/{number}", get(lines::part))
        .route("/api/lines/{line}/queue", get(lines::queue))
        .route("/api/lines/{line}/limits", get(lines::limits))
        .route("/api/lines/{line}/limits/preview", get(lines::preview))
        .route("/api/lines/{line}/banks", get(lines::banks))
        .route("/api/lines/{line}/banks/{version}/learned/{time}", get(learn::picture))
        .route("/api/lines/{line}/learn", get(learn::learning))
        .route("/api/lines/{line}/recipes", get(recipes::recipes))
        .route("/api/lines/{line}/shadow", get(shadow::shadow))
        .route("/api/lines/{line}/trends", get(trends::trends))
        .route("/api/finds/{id}", get(lines::find))
        .route("/api/finds/{id}/annotated", get(lines::annotated))
        .route("/api/finds/{id}/frame", get(lines::frame))
        .route("/api/finds/{id}/map", get(lines::map))
        .route("/api/finds/{id}/nearest", get(lines::nearest))
        .route("/api/finds/{id}/nearest/{name}", get(lines::cut_out))
}

fn for_operators() -> Router<Arc<App>> {
    Router::new()
        .route("/api/hub/{station}/commands", post(hub::command))
        .route("/api/lines/{line}/shift", post(lines::shift))
        .route("/api/lines/{line}/export", get(export::export))
        .route("/api/lines/{line}/part", post(lines::begin_part))
        .route("/api/lines/{line}/recipe", post(recipes::choose))
        .route("/api/lines/{line}/undo", post(lines::undo))
        .route("/api/finds/{id}/judgement", post(lines::judge))
}

fn for_engineers() -> Router<Arc<App>> {
    Router::new()
        .route("/api/lines/{line}/limits", post(lines::set_limits))
        .route("/api/lines/{line}/banks", post(lines::make_candidate))
        .route("/api/lines/{line}/banks/{version}/release", post(lines::release))
        .route("/api/lines/{line}/banks/{version}/shadow", post(shadow::set_shadow))
        .route(
            "/api/lines/{line}/compare",
            get(compare::comparison).post(compare::begin_comparing).delete(compare::give_up),
        )
        .route("/api/lines/{line}/learn", post(learn::begin_learning).delete(learn::give_up))
        .route("/api/lines/{line}/learn/enough", post(learn::enough))
        .route("/api/lines/{line}/restart", post(system::restart))
        .route("/api/lines/{line}/source/test", post(system::try_source))
        .route("/api/lines/{line}/shadow", delete(shadow::end_shadow))
        .route("/api/outputs/{output}", delete(system::remove_gone))
        .route("/api/outputs/{output}/set-aside", get(system::set_aside).delete(system::remove_set_aside))
        .route("/api/outputs/{output}/test", post(system::try_output))
        .route("/api/system", get(system::system))
        .route("/api/lines/{line}/rollback", post(lines::roll_back))
}

fn for_admins() -> Router<Arc<App>> {
    Router::new()
        .route("/api/people", get(access::people).post(access::set_person))
        .route("/api/people/{name}", delete(access::remove_person))
        .route("/api/tokens", get(access::tokens).post(access::add_token))
        .route("/api/tokens/{id}", delete(access::remove_token))
        .route("/api/audit", get(access::audit))
}

fn router(app: &Arc<App>) -> Router {
    let guarded = |routes: Router<Arc<App>>, role| {
        let asks = Asks { app: Arc::clone(app), role };
        routes.route_layer(middleware::from_fn_with_state(asks, guard::guard))
    };
    open()
        .merge(guarded(for_viewers(), Role::Viewer))
        .merge(guarded(for_operators(), Role::Operator))
        .merge(guarded(for_engineers(), Role::Engineer))
        .merge(guarded(for_admins(), Role::Admin))
        .merge(pages::routes())
        .fallback(|| async { Failure::missing("expected a page or a part of the API, found neither") })
        .method_not_allowed_fallback(|| async {
            Failure(StatusCode::METHOD_NOT_ALLOWED, "expected another method".to_owned())
        })
        .layer(middleware::from_fn(bodies::whole))
        .layer(middleware::from_fn_with_state(Arc::clone(app), guard::limit))
        .layer(middleware::from_fn(guard::headers))
        .with_state(Arc::clone(app))
}

/// Serves until it is dropped.
pub(crate) async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
) -> Infallible {
    listener::serve(router(&app), listener, tls).await
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Routes that the description leaves out: itself, and the link that the demo prints for a browser.
    const NOT_DESCRIBED: [(&str, &str); 2] = [("/api/openapi.json", "get"), ("/enter", "get")];

    /// Method and path of each route of this file. A router does not tell them, so that its source is read.
    fn routes() -> BTreeSet<(String, String)> {
        let source = include_str!("mod.rs").split("#[cfg(test)]").next().unwrap();
        let calls = source.split(".route(").skip(1).map(|rest| {
            let mut open = 1;
            let end = rest.find(|c: char| {
                open += i32::from(c == '(') - i32::from(c == ')');
                open == 0
            });
            &rest[..end.unwrap()]
        });
        let mut found = BTreeSet::new();
        for call in calls {
            let path = call.split('"').nth(1).unwrap();
            let handlers = call.rsplit('"').next().unwrap();
            let methods: Vec<&str> = ["get", "post", "put", "patch", "delete"]
                .into_iter()
                .filter(|method| {
                    handlers
                        .split(|c: char| ", .\n".contains(c))
                        .any(|word| word.starts_with(&format!("{method}(")))
                })
                .collect();
            assert!(!methods.is_empty(), "{call}");
            found.extend(methods.into_iter().map(|method| (path.to_owned(), method.to_owned())));
        }
        found
    }

    #[test]
    fn the_description_has_every_route_and_no_other() {
        let described = serde_json::to_value(Api::openapi()).unwrap();
        let mut expected = BTreeSet::new();
        for (path, methods) in described["paths"].as_object().unwrap() {
            expected.extend(methods.as_object().unwrap().keys().map(|method| (path.clone(), method.clone())));
        }
        let mut found = routes();
        for (path, method) in NOT_DESCRIBED {
            assert!(found.remove(&(path.to_owned(), method.to_owned())), "{path} is no route");
        }
        let missing: Vec<_> = found.difference(&expected).collect();
        let gone: Vec<_> = expected.difference(&found).collect();
        assert!(missing.is_empty(), "routes without a description: {missing:?}");
        assert!(gone.is_empty(), "descriptions without a route: {gone:?}");
        assert!(found.len() > 50, "{}", found.len());
    }
}
