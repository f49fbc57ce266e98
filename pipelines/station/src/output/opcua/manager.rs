//! What clients ask of the address space: its values, which the library answers, and the methods for results, whose answers
//! come from the store.

use std::sync::Arc;

use anyhow::{Context, Result};
use async_trait::async_trait;
use opcua::server::address_space::AddressSpace;
use opcua::server::diagnostics::NamespaceMetadata;
use opcua::server::node_manager::memory::{InMemoryNodeManager, InMemoryNodeManagerImpl};
use opcua::server::node_manager::{MethodCall, RequestContext, ServerContext};
use opcua::sync::RwLock;
use opcua::types::custom::DynamicStructure;
use opcua::types::{StatusCode, UAString, Variant, VariantScalarTypeId};

use super::names;
use super::result::{Told, Versions};
use super::space::{self, METHODS};
use super::types::Types;
use crate::store::{Store, Waiting};

/// Most results of an answer.
const MOST: usize = 50;

/// Results that are read from the store at once.
const PAGE: u32 = 200;

/// No such result is kept.
const GONE: i32 = -1;

/// The nodes of a station.
pub(super) type Nodes = InMemoryNodeManager<Manager>;

/// Where the results of an output are.
#[derive(Clone)]
pub(super) struct Shelf {
    pub(super) store: Arc<Store>,
    /// Name of the output.
    pub(super) output: String,
    /// Names of the lines.
    pub(super) lines: Arc<[String]>,
}

impl Shelf {
    /// Versions of the banks of a line.
    pub(super) fn versions(&self, line: &str) -> Result<Versions> {
        Ok(self.store.banks(line)?.into_iter().map(|bank| (bank.digest, bank.version)).collect())
    }

    /// A result of a line by its number.
    fn result(&self, line: &str, id: i64) -> Result<Option<Told>> {
        let found = self.store.message(&self.output, id)?;
        let told = found.map(|message| Told::read(id, &message)).transpose()?;
        Ok(told.filter(|told| told.line == line))
    }

    /// Results of a line that fit, without the first `skip`, the oldest first, and whether these are all.
    fn list(
        &self,
        line: &str,
        fits: impl Fn(&Told) -> bool,
        skip: usize,
        most: usize,
    ) -> Result<(Vec<Told>, bool)> {
        let (mut found, mut skipped, mut after) = (Vec::new(), 0, 0);
        loop {
            let page: Vec<(i64, Waiting)> = self.store.waiting_after(&self.output, after, PAGE)?;
            let Some((last, _)) = page.last() else { return Ok((found, true)) };
            after = *last;
            for (id, message) in page {
                let told = Told::read(id, &message)?;
                if told.line != line || !fits(&told) {
                    continue;
                }
                match skipped < skip {
                    true => skipped += 1,
                    false if found.len() < most => found.push(told),
                    false => return Ok((found, false)),
                }
            }
        }
    }
}

/// Answers calls.
pub(super) struct Manager {
    pub(super) types: Arc<Types>,
    pub(super) shelf: Shelf,
}

#[async_trait]
impl InMemoryNodeManagerImpl for Manager {
    async fn init(&self, _: &mut AddressSpace, _: ServerContext) {}

    fn name(&self) -> &str {
        "snarm"
    }

    fn namespaces(&self) -> Vec<NamespaceMetadata> {
        let spaces = self.types.spaces;
        vec![
            NamespaceMetadata {
                namespace_uri: names::VISION.to_owned(),
                namespace_index: spaces.vision,
                namespace_version: Some("1.0.0".to_owned()),
                is_namespace_subset: Some(true),
                ..NamespaceMetadata::default()
            },
            NamespaceMetadata {
                namespace_uri: names::OWN.to_owned(),
                namespace_index: spaces.own,
                is_namespace_subset: Some(false),
                ..NamespaceMetadata::default()
            },
        ]
    }

    async fn call(
        &self,
        _: &RequestContext,
        _: &RwLock<AddressSpace>,
        calls: &mut [&mut &mut MethodCall],
    ) -> Result<(), StatusCode> {
        for call in calls {
            let Some((line, method)) = self.called(call) else { continue };
            let (shelf, types) = (self.shelf.clone(), Arc::clone(&self.types));
            let given = call.arguments().to_vec();
            let asked = tokio::task::spawn_blocking(move || answer(&shelf, &types, &line, method, &given));
            match asked.await.context("a task of the station failed").flatten() {
                Ok(outputs) => {
                    call.set_outputs(outputs);
                    call.set_status(StatusCode::Good);
                }
                Err(error) => match error.downcast_ref::<StatusCode>() {
                    Some(refused) => call.set_status(*refused),
                    None => {
                        tracing::warn!("output {}: {method}: {error:#}", self.shelf.output);
                        call.set_status(StatusCode::BadInternalError);
                    }
                },
            }
        }
        Ok(())
    }
}

impl Manager {
    /// The line and the method that a call is for.
    fn called(&self, call: &MethodCall) -> Option<(String, &'static str)> {
        let spaces = self.types.spaces;
        let is = |line: &str, method: &str| {
            *call.method_id() == spaces.own_node(&format!("{line}/ResultManagement/{method}"))
        };
        let both =
            |line: &String| METHODS.into_iter().find(|method| is(line, method)).map(|m| (line.clone(), m));
        self.shelf.lines.iter().find_map(both)
    }
}

/// The answer to a call.
///
/// # Errors
/// With the [`StatusCode`] for the client where its arguments are not those of the method.
fn answer(
    shelf: &Shelf,
    types: &Types,
    line: &str,
    method: &'static str,
    given: &[Variant],
) -> Result<Vec<Variant>> {
    match (method, given) {
        ("GetResultById" | "GetResultComponentsById", [id, _]) => {
            let id = text_of(id, "Id")?;
            let told = match id.parse() {
                Ok(number) => shelf.result(line, number)?,
                Err(_) => None,
            };
            one(shelf, types, line, method, &id, told)
        }
        ("GetResultListFiltered", given) if given.len() == 12 => list(shelf, types, line, given),
        _ => Err(StatusCode::BadArgumentsMissing.into()),
    }
}

/// A result as one value, or by its components.
fn one(
    shelf: &Shelf,
    types: &Types,
    line: &str,
    method: &str,
    id: &str,
    told: Option<Told>,
) -> Result<Vec<Variant>> {
    let handle = Variant::from(0_u32);
    let fields = match &told {
        Some(told) => told.fields(types, &shelf.versions(line)?)?,
        None => missing(types, id)?,
    };
    let error = Variant::from(if told.is_some() { 0 } else { GONE });
    if method == "GetResultById" {
        return Ok(vec![handle, types.value(names::RESULT, &fields)?, error]);
    }
    let of = |name: &&str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone());
    let mut outputs: Vec<Variant> =
        space::COMPONENTS.iter().map(|name| of(name).unwrap_or_default()).collect();
    outputs.insert(1, handle);
    outputs.push(error);
    Ok(outputs)
}

/// The fields that a result must have, of one that is not kept.
fn missing(types: &Types, id: &str) -> Result<Vec<(&'static str, Variant)>> {
    Ok(vec![
        ("ResultId", types.id(names::RESULT_ID, id)?),
        ("IsPartial", false.into()),
        ("ResultState", names::UNDEFINED.into()),
        ("InternalRecipeId", types.id(names::RECIPE_INTERNAL, "")?),
        ("InternalConfigurationId", types.id(names::CONFIGURATION_ID, "")?),
        ("JobId", types.id(names::JOB_ID, "")?),
        ("CreationTime", opcua::types::DateTime::null().into()),
    ])
}

/// Results that fit what was given, in the order of the arguments of the method.
fn list(shelf: &Shelf, types: &Types, line: &str, given: &[Variant]) -> Result<Vec<Variant>> {
    let [state, meas, part, recipe, bank, configuration, own_configuration, product, job, most, start, _] =
        given
    else {
        return Err(StatusCode::BadArgumentsMissing.into());
    };
    let state = number_of(state)?;
    let ids = |all: &[&Variant]| all.iter().map(|id| text_of(id, "Id")).collect::<Result<Vec<String>>>();
    // No result has such, as nobody gives them to a station.
    let foreign = ids(&[meas, recipe, configuration, product])?;
    let of_line = ids(&[bank, own_configuration, job])?;
    let (part, version) = (text_of(part, "Id")?, text_of(bank, "Version")?);
    let versions = shelf.versions(line)?;
    let is = |asked: &str, found: &str| asked.is_empty() || asked == found;
    let fits = |told: &Told| {
        let of =
            told.bank.as_ref().and_then(|bank| versions.get(bank)).map(i64::to_string).unwrap_or_default();
        (state == 0 || state == i64::from(told.state()))
            && foreign.iter().all(String::is_empty)
            && of_line.iter().all(|id| is(id, line))
            && is(&part, told.part.as_deref().unwrap_or_default())
            && is(&version, &of)
    };
    let (most, start) = (usize::try_from(number_of(most)?)?, usize::try_from(number_of(start)?)?);
    let most = if most == 0 { MOST } else { most.min(MOST) };
    let (found, is_complete) = shelf.list(line, fits, start, most)?;
    let results: Result<Vec<Variant>> = found.iter().map(|told| told.value(types, &versions)).collect();
    Ok(vec![
        is_complete.into(),
        u32::try_from(found.len())?.into(),
        0_u32.into(),
        Variant::from((VariantScalarTypeId::ExtensionObject, results?)),
        0.into(),
    ])
}

/// A text of a structure, empty where there is none.
///
/// # Errors
/// When it is no structure of OPC 40100-1 that has such.
fn text_of(value: &Variant, field: &str) -> Result<String> {
    let text = |value: &Variant| match value {
        Variant::Empty => Some(String::new()),
        Variant::String(text) => Some(UAString::as_ref(text).to_owned()),
        _ => None,
    };
    let found = match value {
        Variant::Empty => Some(String::new()),
        Variant::ExtensionObject(object) if object.is_null() => Some(String::new()),
        Variant::ExtensionObject(object) => object
            .inner_as::<DynamicStructure>()
            .and_then(|found| found.get_field_by_name(field))
            .and_then(text),
        _ => None,
    };
    Ok(found.ok_or(StatusCode::BadInvalidArgument)?)
}

/// A whole number that is not negative, but for states.
fn number_of(value: &Variant) -> Result<i64> {
    match value {
        Variant::Int32(number) => Ok(i64::from(*number)),
        Variant::UInt32(number) => Ok(i64::from(*number)),
        _ => Err(StatusCode::BadInvalidArgument.into()),
    }
}
