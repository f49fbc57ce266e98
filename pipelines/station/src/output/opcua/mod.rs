//! An OPC UA server with a vision system for each line, in the names of OPC 40100-1 (machine vision), of which it is a
//! subset: nothing can be changed. Results stay in the queue of the output until `keep` newer ones are there, so that who
//! was away asks for what it missed; each that comes while the server runs is an event.

mod event;
mod manager;
mod names;
mod people;
mod publish;
mod result;
mod space;
mod trust;
mod types;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use opcua::crypto::{SecurityPolicy, X509Data};
use opcua::server::address_space::AddressSpace;
use opcua::server::node_manager::ServerContext;
use opcua::server::node_manager::memory::InMemoryNodeManagerBuilder;
use opcua::server::{Server, ServerBuilder, ServerEndpoint, ServerHandle};
use opcua::types::{BuildInfo, DateTime, MessageSecurityMode};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::health::Health;
use crate::config::OpcUa;
use crate::line::Switch;
use crate::store::Store;
use manager::{Manager, Shelf};
use names::Spaces;
use people::People;
use publish::Publisher;
use trust::Files;
use types::Types;

/// Time until another try to serve.
const WAIT: Duration = Duration::from_secs(5);

/// How long connections may take to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// Most clients at the same time.
const SESSIONS: usize = 20;

/// Most subscriptions of a client, most variables and events in one, and most values of each that wait for the client.
const SUBSCRIPTIONS: usize = 10;
const ITEMS: usize = 500;
const QUEUE: usize = 1_000;

/// Most messages of a subscription that wait for the client.
const MESSAGES: usize = 100;

/// Encrypted connections, from the strongest.
const POLICIES: [(&str, SecurityPolicy); 3] = [
    ("aes256", SecurityPolicy::Aes256Sha256RsaPss),
    ("basic256", SecurityPolicy::Basic256Sha256),
    ("aes128", SecurityPolicy::Aes128Sha256RsaOaep),
];

/// Serves until the station ends.
pub(super) async fn run(
    config: OpcUa,
    health: Arc<Health>,
    store: Arc<Store>,
    switches: Vec<Arc<Switch>>,
    mut stop: watch::Receiver<bool>,
) {
    while !*stop.borrow() {
        if let Err(error) = serve(&config, &health, &store, &switches, stop.clone()).await {
            health.set(Some(format!("cannot serve at {}: {error:#}", config.listen)));
        }
        // While it does not serve there are no more results than else.
        let (store, name, keep) = (Arc::clone(&store), config.name.clone(), config.keep);
        let forgotten = tokio::task::spawn_blocking(move || store.forget_messages(&name, keep)).await;
        if let Ok(Err(error)) = forgotten {
            tracing::warn!("output {}: {error:#}", config.name);
        }
        tokio::select! {
            () = tokio::time::sleep(WAIT) => {}
            // Without a sender the station has ended.
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}

async fn serve(
    config: &OpcUa,
    health: &Arc<Health>,
    store: &Arc<Store>,
    switches: &[Arc<Switch>],
    mut stop: watch::Receiver<bool>,
) -> Result<()> {
    let people = People::read(config.users_file.as_deref(), config.anonymous)?;
    let host = host(config);
    let uri = format!("urn:{host}:snarm:{}", config.name);
    let files = files(config, store)?;
    let (made, is_given, about) = (files.clone(), config.certificate.is_some(), (uri.clone(), host.clone()));
    // A key takes seconds to make.
    tokio::task::spawn_blocking(move || made.prepare(is_given, &about.0, about.1.trim_matches(['[', ']'])))
        .await
        .context("a task of the station failed")??;
    let listener = TcpListener::bind(config.listen).await?;
    let (server, handle) = build(config, store, switches, people, &files, &host, &uri)?;
    let mut publisher =
        Publisher::begin(config, handle.clone(), files, switches.to_vec(), Arc::clone(health)).await?;
    health.set(None);
    let mut served = std::pin::pin!(server.run_with(listener));
    let ended = tokio::select! {
        served = &mut served => return served.map_err(|error| anyhow!(error)),
        failed = publisher.run() => Err(failed),
        _ = stop.wait_for(|stop| *stop) => Ok(()),
    };
    handle.cancel();
    // Clients that are slow to leave are cut.
    let _ = tokio::time::timeout(PATIENCE, served).await;
    ended
}

/// The name by which clients reach this machine.
fn host(config: &OpcUa) -> String {
    let own = || X509Data::computer_hostnames().into_iter().next();
    let address = || match config.listen.ip() {
        ip if ip.is_unspecified() => own().unwrap_or_else(|| "localhost".to_owned()),
        std::net::IpAddr::V6(ip) => format!("[{ip}]"),
        ip => ip.to_string(),
    };
    config.host.clone().unwrap_or_else(address)
}

/// Where the certificates are.
fn files(config: &OpcUa, store: &Store) -> Result<Files> {
    let folder = store.folder().join("opcua").join(&config.name);
    let pki = folder.join("pki");
    let (certificate, key) = match (&config.certificate, &config.key) {
        (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
        _ => (pki.join("own/cert.der"), pki.join("private/private.pem")),
    };
    let trusted = config.trusted_clients.clone().unwrap_or_else(|| folder.join("trusted"));
    // The library means relative paths from its own folder, and asks for that of the program.
    std::env::current_dir().context("cannot find the folder of the program")?;
    let place = |path| std::path::absolute(path).context("cannot find a folder");
    Ok(Files {
        pki: place(pki)?,
        certificate: place(certificate)?,
        key: place(key)?,
        trusted: place(trusted)?,
    })
}

fn build(
    config: &OpcUa,
    store: &Arc<Store>,
    switches: &[Arc<Switch>],
    people: People,
    files: &Files,
    host: &str,
    uri: &str,
) -> Result<(Server, ServerHandle)> {
    let version = switches.first().map_or("", |switch| switch.now().host.version);
    let lines: Vec<(String, String)> =
        switches.iter().map(|switch| (switch.name().to_owned(), switch.title().to_owned())).collect();
    let shelf = Shelf {
        store: Arc::clone(store),
        output: config.name.clone(),
        lines: lines.iter().map(|(name, _)| name.clone()).collect(),
    };
    let manager = move |context: ServerContext, space: &mut AddressSpace| {
        let spaces = {
            let mut tree = context.type_tree.write();
            let vision = tree.namespaces_mut().add_namespace(names::VISION);
            Spaces { vision, own: tree.namespaces_mut().add_namespace(names::OWN) }
        };
        space.add_namespace(names::VISION, spaces.vision);
        space.add_namespace(names::OWN, spaces.own);
        let types = Types::new(spaces);
        space::insert(space, &types, &lines);
        Manager { types: Arc::new(types), shelf }
    };
    let build_info = BuildInfo {
        product_uri: names::OWN.into(),
        manufacturer_name: "SNARM".into(),
        product_name: "SNARM station".into(),
        software_version: version.into(),
        build_number: version.into(),
        build_date: DateTime::null(),
    };
    let mut builder = ServerBuilder::new()
        .application_name("SNARM station")
        .application_uri(uri)
        .product_uri(names::OWN)
        .build_info(build_info)
        .host(host)
        .port(config.listen.port())
        .discovery_urls(vec![format!("opc.tcp://{host}:{}/", config.listen.port())])
        .pki_dir(&files.pki)
        .certificate_path(&files.certificate)
        .private_key_path(&files.key)
        .with_authenticator(Arc::new(people))
        .max_sessions(SESSIONS)
        .with_node_manager(InMemoryNodeManagerBuilder::new(manager));
    let limits = &mut builder.limits_mut().subscriptions;
    limits.max_subscriptions_per_session = SUBSCRIPTIONS;
    limits.max_monitored_items_per_sub = ITEMS;
    limits.max_monitored_item_queue_size = QUEUE;
    limits.max_queued_notifications = MESSAGES;
    for (name, policy) in POLICIES {
        let endpoint = ServerEndpoint::new("/", policy, MessageSecurityMode::SignAndEncrypt, &[]);
        builder = builder.add_endpoint(name, with_passwords(endpoint));
    }
    if config.unencrypted {
        builder = builder.add_endpoint("none", with_passwords(ServerEndpoint::new_none("/", &[])));
    }
    builder.build().map_err(|error| anyhow!(error))
}

fn with_passwords(endpoint: ServerEndpoint) -> ServerEndpoint {
    ServerEndpoint { password_security_policy: Some(people::PASSWORDS.to_string()), ..endpoint }
}
