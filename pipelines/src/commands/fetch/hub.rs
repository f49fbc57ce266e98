//! What the hub says of a file: its address, its size and its digest.

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use snarm_core::encoder::Published;
use ureq::Agent;
use ureq::http::{HeaderMap, header};

use crate::download::{Failure, Patience, Source};

/// Where the networks are published.
pub(super) const HUB: &str = "https://huggingface.co";

/// Bytes of a million parameters, which are 32-bit numbers.
const BYTES_PER_MILLION: u64 = 4_000_000;

/// Redirects followed within the hub while it is asked about a file.
const MOST_HOPS: usize = 5;

/// The hub, or a mirror of it, at one revision.
#[derive(Debug)]
pub(super) struct Hub {
    endpoint: String,
    /// As it stands in an address.
    revision: String,
}

/// A file in a listing of a repository.
#[derive(Deserialize)]
struct Entry {
    path: String,
    lfs: Option<Large>,
}

/// A file of which the repository holds a pointer only.
#[derive(Deserialize)]
struct Large {
    oid: String,
    size: u64,
}

impl Hub {
    pub(super) fn new(endpoint: &str, revision: &str) -> Result<Self> {
        let endpoint = endpoint.trim_end_matches('/');
        let web = endpoint.starts_with("https://") || endpoint.starts_with("http://");
        ensure!(web, "expected an address with https:// or http://, found '{endpoint}'");
        Ok(Self { endpoint: endpoint.to_owned(), revision: encoded(revision) })
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Address, digest and size of a network's file. A failure that is transient has outlasted all patience.
    pub(super) fn locate(
        &self,
        agent: &Agent,
        network: Published,
        patience: Patience,
    ) -> Result<Source, Failure> {
        let mut failures = 0;
        loop {
            match self.ask(agent, network) {
                Err(Failure::Transient(reason)) => {
                    failures += 1;
                    patience.wait(failures, reason).map_err(Failure::Transient)?;
                }
                answer => return answer,
            }
        }
    }

    fn ask(&self, agent: &Agent, network: Published) -> Result<Source, Failure> {
        let url =
            format!("{}/{}/resolve/{}/{}", self.endpoint, network.repository, self.revision, network.file);
        let mut at = url.clone();
        for _ in 0..MOST_HOPS {
            // The digest stands in the hub's own answer, not in that of the store it sends on to.
            let request = agent.head(&at).config().max_redirects(0).build();
            let response = request.call().map_err(|e| Failure::of(e, &at))?;
            if let Some(sha256) = linked(response.headers()) {
                let size = text(response.headers(), "x-linked-size").and_then(|size| size.parse().ok());
                return Ok(Source { url, sha256, size, most: most(network) });
            }
            let status = response.status();
            match text(response.headers(), header::LOCATION.as_str()) {
                // A repository that was renamed.
                Some(place) if status.is_redirection() && place.starts_with('/') => {
                    at = format!("{}{place}", self.origin());
                }
                _ if status.is_redirection() || status.is_success() => break,
                _ => return Err(Failure::of_status(status, &at)),
            }
        }
        self.look_up(agent, network, url)
    }

    /// The digest from the listing of the repository, for mirrors that leave the headers out.
    fn look_up(&self, agent: &Agent, network: Published, url: String) -> Result<Source, Failure> {
        let at = format!("{}/api/models/{}/tree/{}", self.endpoint, network.repository, self.revision);
        let mut response = agent.get(&at).call().map_err(|e| Failure::of(e, &at))?;
        if !response.status().is_success() {
            return Err(Failure::of_status(response.status(), &at));
        }
        let listing = response.body_mut().read_to_string().map_err(|e| Failure::of(e, &at))?;
        Ok(find(&listing, network, url).with_context(|| format!("listing {at}"))?)
    }

    /// Scheme and host.
    fn origin(&self) -> &str {
        let host = self.endpoint.find("://").map_or(0, |at| at + 3);
        let end = self.endpoint[host..].find('/').map_or(self.endpoint.len(), |at| host + at);
        &self.endpoint[..end]
    }
}

fn find(listing: &str, network: Published, url: String) -> Result<Source> {
    let entries: Vec<Entry> = serde_json::from_str(listing).context("expected a list of files")?;
    let Some(entry) = entries.into_iter().find(|entry| entry.path == network.file) else {
        bail!("expected {}, found no such file", network.file);
    };
    let Some(large) = entry.lfs else { bail!("expected a digest of {}, found none", network.file) };
    Ok(Source { url, sha256: large.oid, size: Some(large.size), most: most(network) })
}

/// The most bytes that the file of a network may have: twice those of its parameters.
fn most(network: Published) -> u64 {
    2 * BYTES_PER_MILLION * u64::from(network.parameters)
}

/// The digest of a large file, in the header that names what a link leads to.
fn linked(headers: &HeaderMap) -> Option<String> {
    let tag = text(headers, "x-linked-etag")?;
    let tag = tag.trim_start_matches("W/").trim_matches('"');
    (tag.len() == 64).then(|| tag.to_ascii_lowercase())
}

/// A name as one part of an address: a revision may be `refs/pr/1`.
fn encoded(name: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    name.bytes()
        .map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
