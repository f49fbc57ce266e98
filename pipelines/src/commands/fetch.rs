//! `snarm fetch`: published networks, brought from their hub to this machine.

mod hub;
mod proxy;
#[cfg(test)]
mod tests;

use std::path::Path;

use anyhow::{Context, Result, bail};
use snarm_core::encoder::{PUBLISHED, Published, cache_folder};
use ureq::Agent;

use crate::download::{self, Failure, Patience, agent, digest_of_path, download};
use crate::exit::Outcome;
use crate::output::{self, Table};
use crate::progress::Progress;

/// Downloads published encoders, which can then be chosen by name: `--encoder NAME`, `encoder=NAME`.
///
/// A file is checked against the SHA-256 that the hub states for it, and lies in $XDG_CACHE_HOME/snarm or
/// ~/.cache/snarm. A download that was cut off goes on where it ended. Proxies, SOCKS among them, are taken from
/// https_proxy (http_proxy for a mirror with http://), all_proxy and no_proxy, in small letters or capitals.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Encoders to download
    #[arg(required_unless_present = "list")]
    names: Vec<String>,
    /// Show what can be downloaded and what is here
    #[arg(long, conflicts_with = "names")]
    list: bool,
    /// Address of the hub or of a mirror with the same paths [default: $HF_ENDPOINT, or huggingface.co]
    #[arg(long)]
    endpoint: Option<String>,
    /// Branch, tag or commit of the repository
    #[arg(long, default_value = "main")]
    revision: String,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let cache = cache_folder()?;
    if args.list {
        return list(&cache);
    }
    let variable = |name: &str| std::env::var(name).ok();
    let (name, endpoint) = match (&args.endpoint, variable("HF_ENDPOINT")) {
        (Some(endpoint), _) => ("--endpoint", endpoint.clone()),
        (None, Some(endpoint)) if !endpoint.is_empty() => ("HF_ENDPOINT", endpoint),
        _ => ("hub", hub::HUB.to_owned()),
    };
    let hub = hub::Hub::new(&endpoint, &args.revision).context(name)?;
    let agent = agent(proxy::proxy(hub.endpoint(), variable)?);
    let networks: Vec<Published> = args.names.iter().map(|name| known(name)).collect::<Result<_>>()?;
    for network in networks {
        let done = fetch(&agent, &hub, network, &cache, Patience::default())
            .with_context(|| format!("encoder {}", network.name))?;
        output::line(done)?;
    }
    Ok(Outcome::Done)
}

fn known(name: &str) -> Result<Published> {
    let Some(network) = Published::named(name) else {
        bail!("expected one of {}, found '{name}'", PUBLISHED.map(|network| network.name).join(", "));
    };
    Ok(network)
}

fn list(cache: &Path) -> Result<Outcome> {
    let mut table = Table::new(&["name", "parameters", "download", "licence", "here"]);
    for network in PUBLISHED {
        let here = if network.path_in(cache).is_file() { "yes" } else { "no" };
        table.row(vec![
            network.name.to_owned(),
            format!("{} M", network.parameters),
            // Four bytes a parameter.
            format!("{} MB", 4 * network.parameters),
            network.licence.to_owned(),
            here.to_owned(),
        ]);
    }
    table.print()?;
    Ok(Outcome::Done)
}

/// Brings one network to the cache. Returns a line that says what lies where.
fn fetch(
    agent: &Agent,
    hub: &hub::Hub,
    network: Published,
    cache: &Path,
    patience: Patience,
) -> Result<String> {
    let target = network.path_in(cache);
    let source = match hub.locate(agent, network, patience) {
        Ok(source) => source,
        Err(Failure::Transient(reason)) if target.is_file() => {
            let (name, path) = (network.name, target.display());
            return Ok(format!("{name}: {path} is here, not compared with the hub ({reason:#})"));
        }
        Err(failure) => {
            let file = format!("{} of {}", network.file, network.repository);
            return Err(failure.into_error().context(format!(
                "cannot ask {} for it (without a network: put {file} at {}, or name a mirror with --endpoint)",
                hub.endpoint(),
                target.display()
            )));
        }
    };
    download::check_digest(&source.sha256)?;
    if target.is_file() && digest_of_path(&target)? == source.sha256 {
        return Ok(format!("{}: {} is up to date", network.name, target.display()));
    }
    let progress = Progress::new(network.name);
    let bytes = download(agent, &source, &target, patience, &progress)?;
    drop(progress);
    Ok(format!("{}: {}, {bytes} bytes, SHA-256 {}", network.name, target.display(), source.sha256))
}
