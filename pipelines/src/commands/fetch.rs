//! `snarm fetch`: published networks, brought from their hub to this machine.

mod hub;
#[cfg(test)]
mod tests;

use std::path::Path;

use anyhow::{Context, Result, bail};
use snarm_core::encoder::{PUBLISHED, Published, cache_folder};
use ureq::{Agent, Proxy};

use crate::download::{self, Patience, agent, digest_of_path, download};
use crate::exit::Outcome;
use crate::output::{self, Table};
use crate::progress::Progress;

/// Downloads published encoders, which can then be chosen by name: `--encoder NAME`, `encoder=NAME`.
///
/// A file is checked against the SHA-256 that the hub states for it, and lies in $XDG_CACHE_HOME/snarm or
/// ~/.cache/snarm. A download that was cut off goes on where it ended. Proxies are taken from HTTPS_PROXY, ALL_PROXY
/// and NO_PROXY.
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
    let endpoint = args.endpoint.clone().or_else(|| std::env::var("HF_ENDPOINT").ok());
    let hub = hub::Hub::new(endpoint.as_deref().unwrap_or(hub::HUB), &args.revision)?;
    let networks: Vec<Published> = args.names.iter().map(|name| known(name)).collect::<Result<_>>()?;
    for network in networks {
        let done = fetch(&agent(Proxy::try_from_env()), &hub, network, &cache, Patience::default())
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
    let source = hub.locate(agent, network, patience).with_context(|| {
        let file = format!("{} of {}", network.file, network.repository);
        format!(
            "cannot ask {} for it (without a network: put {file} at {}, or name a mirror with --endpoint)",
            hub.endpoint(),
            target.display()
        )
    })?;
    download::check_digest(&source.sha256)?;
    if target.is_file() && digest_of_path(&target)? == source.sha256 {
        return Ok(format!("{}: {} is up to date", network.name, target.display()));
    }
    let progress = Progress::new(network.name);
    let bytes = download(agent, &source, &target, patience, &progress)?;
    drop(progress);
    Ok(format!("{}: {}, {bytes} bytes, SHA-256 {}", network.name, target.display(), source.sha256))
}
