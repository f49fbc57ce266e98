//! The station: pages and API around the pipelines of one or more lines, a store of what they found, and outputs that
//! tell others of it. Each pipeline is a process of its own, which the station starts, watches and ends.

mod clock;
pub mod config;
mod demo;
mod files;
mod guests;
mod host;
pub mod hub;
mod limited;
mod line;
mod log;
mod output;
mod regular;
mod requests;
mod secret;
#[cfg(test)]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "every room's tests skip by the same file, and not every one needs all of it"
)]
#[path = "../../../tests/src/skip.rs"]
mod skip;
mod store;
mod tls;
mod tries;
mod web;

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use config::{Config, Hub, Product};
pub use host::{Host, Words};
use line::{Line, Reader, Source, Switch};
pub use log::Log;
use output::{Bounds, Health};
use store::Store;
use web::{App, Entry};

/// How long pipelines may take to end.
const PATIENCE: Duration = Duration::from_secs(15);

/// Threads that serve; pipelines are other processes.
const THREADS: usize = 2;

/// Runs a station as a configuration says, until INT, TERM or HUP.
///
/// # Errors
/// When it cannot start: the configuration, the data folder or the address is not usable.
pub fn run(config: &Path, host: Host) -> Result<()> {
    start(Config::read(config)?, host, false)
}

/// Runs a station with a simulated line, on this machine alone. `data` keeps what it makes.
///
/// # Errors
/// As [`run`].
pub fn run_demo(data: &Path, port: u16, host: Host) -> Result<()> {
    start(demo::config(data, port), host, true)
}

fn start(config: Config, host: Host, is_demo: bool) -> Result<()> {
    files::ask_for_enough();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .context("cannot start threads")?;
    let ended = runtime.block_on(serve(config, host, is_demo));
    // Requests that still run, such as a bank that is made, are given up.
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}

async fn serve(config: Config, host: Host, is_demo: bool) -> Result<()> {
    let tls = match (&config.tls_certificate, &config.tls_key) {
        (Some(certificate), Some(key)) => Some(Arc::new(tls::server(certificate, key)?)),
        _ => None,
    };
    let trust = config.hub.as_ref().map(|hub| hub::Trust::new(&hub.trust)).transpose()?;
    let store = Arc::new(Store::open(&config.data)?);
    store.tell_audit(config.hub.as_ref().map(|_| Hub::OUTPUT))?;
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot serve at {}", config.listen))?;
    let address = listener.local_addr()?;
    let (version, log) = (host.version, host.log.clone());
    let host = Arc::new(host);
    let switches: Vec<Arc<Switch>> = config
        .lines
        .iter()
        .map(|line| make(line, &config, is_demo, &store, &host).map(Arc::new))
        .collect::<Result<_>>()?;
    let of_lines = config.outputs.iter().map(|o| Health::new(o.name(), o.kind(), o.is_sent_to()));
    let at_hub = config.hub.iter().map(|_| Health::of_hub());
    let outputs: Vec<Arc<Health>> = of_lines.chain(at_hub).map(Arc::new).collect();
    let has_people = !store.people()?.is_empty();
    let code = (is_demo || !has_people).then(secret::code).transpose()?;
    greet(address, tls.is_some(), code.as_deref(), is_demo)?;
    let window = config.hub.as_ref().map(|_| Arc::new(hub::Window::default()));
    let app = App::new(
        Arc::clone(&store),
        switches.clone(),
        outputs.clone(),
        window.clone(),
        Entry { open_viewing: config.open_viewing, is_demo, is_tls: tls.is_some(), code },
        version,
        log,
    );
    let (stop, stopped) = watch::channel(false);
    let mut tasks: Vec<_> =
        switches.iter().map(|switch| tokio::spawn(Arc::clone(switch).run(stopped.clone()))).collect();
    for (line, switch) in config.lines.iter().zip(&switches) {
        let codes = line.scanner.clone();
        let codes = codes.map(|file| line::read_codes(Arc::clone(switch), file, stopped.clone()));
        let pulses = line.trigger.clone();
        let pulses = pulses.map(|file| line::watch_trigger(Arc::clone(switch), file, stopped.clone()));
        tasks.extend(codes.map(tokio::spawn));
        tasks.extend(pulses.map(tokio::spawn));
    }
    let bounds = Bounds {
        sent_to: outputs
            .iter()
            .filter(|one| one.kind() != "opcua")
            .map(|one| one.name().to_owned())
            .collect(),
        known: outputs.iter().map(|output| output.name().to_owned()).collect(),
        most: config.keep.messages,
    };
    tasks.push(tokio::spawn(output::keep_bounds(bounds, Arc::clone(&store), stopped.clone())));
    for (output, health) in config.outputs.iter().zip(&outputs) {
        tasks.push(output::start(
            output,
            Arc::clone(health),
            Arc::clone(&store),
            switches.clone(),
            stopped.clone(),
        ));
    }
    if let (Some(hub), Some(trust), Some(window), Some(health)) = (config.hub, trust, window, outputs.last())
    {
        let (health, store, switches) = (Arc::clone(health), Arc::clone(&store), switches.clone());
        let run = hub::run(hub, trust, health, store, switches, version, window, stopped.clone());
        tasks.push(tokio::spawn(run));
    }
    let served = tokio::select! {
        never = web::serve(Arc::new(app), listener, tls) => match never {},
        asked = asked() => asked,
    };
    tracing::info!("the station ends");
    stop.send_replace(true);
    for task in tasks {
        if tokio::time::timeout(PATIENCE, task).await.is_err() {
            tracing::warn!("a line did not end within {} s", PATIENCE.as_secs());
        }
    }
    served
}

/// A line of the configuration.
fn make(
    line: &config::Line,
    config: &Config,
    is_demo: bool,
    store: &Arc<Store>,
    host: &Arc<Host>,
) -> Result<Switch> {
    let source = Source::default();
    let product = |product: Product| {
        let wanted = product.recipe.as_ref().and_then(|(recipe, _)| recipe.outputs.clone());
        let is_wanted =
            |name: &str| wanted.as_ref().is_none_or(|wanted| wanted.iter().any(|one| one == name));
        let outputs = config.outputs.iter().filter(|output| is_wanted(output.name()));
        let readers = outputs
            .filter_map(|output| output.what().map(|what| Reader { output: output.name().to_owned(), what }));
        let sent = config.hub.iter().flat_map(|hub| &hub.send);
        let at_hub = sent.map(|what| Reader { output: Hub::OUTPUT.to_owned(), what: *what });
        let simulated = is_demo.then(|| demo::clips(&config.data));
        let readers = readers.chain(at_hub).collect();
        Arc::new(Line::new(
            product,
            Arc::clone(&source),
            config.keep.clone(),
            simulated,
            readers,
            Arc::clone(store),
            Arc::clone(host),
        ))
    };
    let lines = line.products().into_iter().map(product).collect();
    Switch::new(&line.name, line.shown(), lines, Arc::clone(store))
}

/// Waits for INT, TERM, or HUP, which a terminal that closes sends.
async fn asked() -> Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut hangup = if hup_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
    let hung_up = async {
        match &mut hangup {
            Some(hangup) => hangup.recv().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hung_up => {}
    }
    Ok(())
}

/// Whether who started us, with `nohup`, wants HUP to do nothing.
fn hup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    ignored & 1 << (SignalKind::hangup().as_raw_value() - 1) != 0
}

/// Says on the terminal where the pages are, and how to come in.
fn greet(address: SocketAddr, is_tls: bool, code: Option<&str>, is_demo: bool) -> Result<()> {
    let at = format!("{}://{address}", if is_tls { "https" } else { "http" });
    let text = match code {
        Some(code) if is_demo => format!("open {at}/enter?code={code}"),
        Some(code) => format!("open {at}/sign-in and make the first admin with the code {code}"),
        None => format!("open {at}/"),
    };
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        // A station works on, whoever reads of it.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        told => told.context("cannot write to standard output"),
    }
}
