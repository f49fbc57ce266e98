//! Recipes: what a line can inspect, and which of it is in use.

use std::path::Path as FilePath;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::app::App;
use super::failure::{Answer, Failure};
use crate::line::{self, Line, Status, Switch};
use crate::secret;
use crate::store::{Choice, Who};

/// Changes that are shown.
const CHANGES: u32 = 50;

/// A recipe of a line.
#[derive(Serialize, ToSchema)]
pub(crate) struct Recipe {
    name: String,
    title: String,
    /// The name of a line under which its bank, limits and finds are asked for, in use or not.
    line: String,
    /// Number in the register of a PLC.
    number: u16,
    /// Codes that choose it, beside its name; `*` stands for any characters.
    codes: Vec<String>,
    is_in_use: bool,
    /// What it does; `stopped` where it is not in use.
    status: Status,
    /// Version of its bank; 0 where it has learned none yet.
    bank: i64,
    /// Its limit of alarms; `null` where it has learned none yet.
    threshold: Option<f64>,
    /// Finds that wait for a judgement.
    to_judge: i64,
    /// Where frames come from, in words of a launch line, without passwords and the like; `null` where the configuration
    /// does not say so.
    source: Option<String>,
    /// Part of the frame that is looked at, `x,y,w,h` in fractions of it; `null` where that is as the bank was learned.
    region: Option<String>,
    /// Name of the file that masks parts of the frame; `null` where that is as the bank was learned.
    mask: Option<String>,
    /// Name of the file of the decoder; `null` where the bank's encoder says which.
    decoder: Option<String>,
    /// Names of the outputs that results go to; `null` where they go to all.
    outputs: Option<Vec<String>>,
}

/// The recipes of a line.
#[derive(Serialize, ToSchema)]
pub(crate) struct Recipes {
    /// In the order of the configuration; none where the line has one product alone.
    recipes: Vec<Recipe>,
    /// Changes, the last one first.
    changes: Vec<Choice>,
    /// Whether a code that means no recipe begins a part of that name.
    codes_begin_parts: bool,
}

fn switch<'a>(app: &'a App, name: &str) -> Answer<&'a Arc<Switch>> {
    app.switch(name).ok_or_else(|| Failure::missing("expected the name of a line, found no such line"))
}

/// The recipes of a line.
#[utoipa::path(get, path = "/api/lines/{line}/recipes", params(("line" = String, Path)), responses((status = 200, body = Recipes), (status = 404)))]
pub(crate) async fn recipes(State(app): State<Arc<App>>, Path(name): Path<String>) -> Answer<Json<Recipes>> {
    let switch = Arc::clone(switch(&app, &name)?);
    let asked = app.store.ask(move |store| {
        let all = switch.lines().iter().filter(|line| line.recipe().is_some());
        Ok(Recipes {
            recipes: all.map(|line| recipe(&switch, line)).collect::<anyhow::Result<_>>()?,
            changes: store.choices(switch.name(), CHANGES)?,
            codes_begin_parts: switch.now().begins_parts_by_messages(),
        })
    });
    Ok(Json(asked.await?))
}

fn recipe(switch: &Switch, line: &Arc<Line>) -> anyhow::Result<Recipe> {
    let (title, codes) = line.recipe_shown().unwrap_or_default();
    let limits = line.store.limits(line.name(), 1)?.into_iter().next().unwrap_or_default();
    let to_judge = line.store.to_judge(line.name(), 0)?.waiting;
    let state = line.state();
    let has_bank = state.learned.version > 0;
    Ok(Recipe {
        name: line.recipe().unwrap_or_default().to_owned(),
        title: title.to_owned(),
        line: line.name().to_owned(),
        number: line.recipe_number(),
        codes: codes.to_vec(),
        is_in_use: switch.is_in_use(line),
        status: state.status,
        bank: state.learned.version,
        threshold: limits.threshold.or(has_bank.then_some(state.learned.threshold)),
        to_judge,
        source: line::source(&line.config).map(secret::hidden),
        region: line::property(&line.config, "roi").map(str::to_owned),
        mask: line::property(&line.config, "ignore-mask").map(file_name),
        decoder: line::property(&line.config, "model-location").map(file_name),
        outputs: line.recipe_outputs().map(<[String]>::to_vec),
    })
}

/// The name of a file without its folder, which is nobody's business who looks on.
fn file_name(path: &str) -> String {
    FilePath::new(path)
        .file_name()
        .map_or_else(|| path.to_owned(), |name| name.to_string_lossy().into_owned())
}

/// What is to be inspected from now on: a recipe by its name, or by a code, which may mean a part as well.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub(crate) enum Wanted {
    /// The name of a recipe.
    Recipe(String),
    /// A code, as of a scanner: that of a recipe, of a part where messages begin such, or of both.
    Code(String),
}

/// Takes another recipe of a line into use. The pipeline of the one before ends, and the one of this recipe starts; what it needs
/// before its first start is learned then.
#[utoipa::path(post, path = "/api/lines/{line}/recipe", params(("line" = String, Path)), request_body = Wanted, responses((status = 204), (status = 404), (status = 409)))]
pub(crate) async fn choose(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Who>,
    Path(name): Path<String>,
    Json(wanted): Json<Wanted>,
) -> Answer<StatusCode> {
    let switch = switch(&app, &name)?;
    let chosen = match &wanted {
        Wanted::Recipe(recipe) => switch.choose(recipe, &who.name).await,
        Wanted::Code(code) => switch.hear(code, false, &who.name).await,
    };
    chosen.map(|_| StatusCode::NO_CONTENT).map_err(|error| Failure::conflict(&error))
}
