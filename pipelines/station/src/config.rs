//! The configuration file, in TOML. An error names line, key, what was expected and what was found.

mod hub;
mod recipe;
mod recording;
mod settings;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

use crate::regular;

pub use hub::Hub;
pub use recipe::{Product, Recipe};
pub use recording::Recording;
pub(crate) use settings::settings;

/// Where pages and API are served unless the configuration says otherwise: this machine alone.
pub const LISTEN: &str = "127.0.0.1:8470";

/// Longest name of a line or an output, in characters.
const LONGEST_NAME: usize = 32;

/// Most messages in a request of a webhook: as many as a queue is asked for at once.
pub(crate) const LARGEST_BATCH: u32 = 100;

/// What a station is to do.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Address and port of pages and API.
    #[serde(default = "listen")]
    pub listen: SocketAddr,
    /// File with the certificate of pages and API, PEM; without one they are served without TLS.
    #[serde(default)]
    pub tls_certificate: Option<PathBuf>,
    /// File with the private key of that certificate, PEM.
    #[serde(default)]
    pub tls_key: Option<PathBuf>,
    /// Folder for results, pictures and banks.
    pub data: PathBuf,
    /// Whether everybody who reaches the port may look, without signing in.
    #[serde(default)]
    pub open_viewing: bool,
    /// What is kept.
    #[serde(default)]
    pub keep: Keep,
    /// The lines.
    #[serde(default, rename = "line")]
    pub lines: Vec<Line>,
    /// Where results go.
    #[serde(default, rename = "output")]
    pub outputs: Vec<Output>,
    /// The hub that this station belongs to.
    #[serde(default)]
    pub hub: Option<Hub>,
}

fn listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8470))
}

/// How much is kept, of each line, and of each output.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Keep {
    /// Scores of frames.
    pub frames: u64,
    /// Finds with their pictures. Those that were judged are the last to go.
    pub finds: u64,
    /// Parts.
    pub parts: u64,
    /// Messages that wait for an output. The oldest are lost beyond.
    pub messages: u64,
}

impl Default for Keep {
    fn default() -> Self {
        Self { frames: 2_000_000, finds: 2_000, parts: 500_000, messages: 1_000_000 }
    }
}

/// Properties of an element, as text.
pub type Properties = BTreeMap<String, String>;

/// Properties whose values are files.
const FILES: [&str; 2] = ["ignore-mask", "model-location"];

/// Properties of the detector that the station sets.
const OF_DETECTOR: [&str; 5] =
    ["bank-location", "results-location", "source-id", "threshold", "threshold-low"];

/// Properties of the element that learns that the station sets.
const OF_LEARNER: [&str; 4] = ["location", "interval", "max-frames", "leave-out-odd-frames"];

/// Properties are written as TOML has them, and are text to an element.
fn properties<'de, D: Deserializer<'de>>(from: D) -> Result<Properties, D::Error> {
    let text = |(name, value): (String, toml::Value)| match value {
        toml::Value::String(text) => Ok((name, text)),
        toml::Value::Integer(number) => Ok((name, number.to_string())),
        toml::Value::Float(number) => Ok((name, number.to_string())),
        toml::Value::Boolean(is_so) => Ok((name, is_so.to_string())),
        _ => Err(D::Error::custom(format!("{name}: expected a text, a number, true or false"))),
    };
    BTreeMap::deserialize(from)?.into_iter().map(text).collect()
}

/// One pipeline with one detector.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Line {
    /// Name in addresses and results: small letters, digits, `-`.
    pub name: String,
    /// Name on pages; without one the name.
    #[serde(default)]
    pub title: String,
    /// Name of a launch recipe, or a launch line with one snarmdetect.
    pub pipeline: String,
    /// Variables of the recipe. `bank` and `results` are the station's.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Properties of snarmdetect; snarmbank has those that it knows as well, when the line learns.
    #[serde(default, deserialize_with = "properties")]
    pub detect: Properties,
    /// Products that it inspects, one at a time; without such it has one bank.
    #[serde(default, rename = "recipe")]
    pub recipes: Vec<Recipe>,
    /// Recordings that banks are compared on.
    #[serde(default, rename = "recording")]
    pub recordings: Vec<Recording>,
    /// Device or pipe that codes are read from, a line of text each.
    #[serde(default)]
    pub scanner: Option<PathBuf>,
    /// File by which a part begins, such as the value of a GPIO, whenever it goes from 0 to something else.
    #[serde(default)]
    pub trigger: Option<PathBuf>,
    /// Bank to begin with; it is copied.
    #[serde(default)]
    pub bank: Option<PathBuf>,
    /// How to learn a bank to begin with, where none is given.
    #[serde(default)]
    pub learn: Option<Learn>,
    /// How frames are joined to parts; without it they are not.
    #[serde(default)]
    pub parts: Option<Parts>,
    /// What happens at the end of the stream.
    #[serde(default)]
    pub at_end: AtEnd,
}

impl Line {
    fn check(&self) -> Result<()> {
        if let Some(name) = ["bank", "results"].into_iter().find(|name| self.variables.contains_key(*name)) {
            bail!(
                "expected variables without {name}, which the station fills in (the first bank is the key bank of the line)"
            );
        }
        let learned = self.learn.as_ref().map(|learn| &learn.properties);
        for (key, set, own) in
            [("detect", Some(&self.detect), &OF_DETECTOR[..]), ("learn.properties", learned, &OF_LEARNER[..])]
        {
            if let Some(name) = set.and_then(|set| own.iter().find(|name| set.contains_key(**name))) {
                bail!("{key}: expected properties without {name}, which the station sets");
            }
        }
        if let Some(Parts::Frames { frames: 0 } | Parts::Gap { frames: 0 }) = self.parts {
            bail!("parts.frames: expected 1 or more, found 0");
        }
        if self.trigger.is_some() && self.parts != Some(Parts::Message) {
            bail!("trigger: expected parts = {{ by = \"message\" }} with it, found other parts, or none");
        }
        if self.bank.is_none() && self.learn.is_none() {
            bail!("expected bank = \"FILE\" or [line.learn] to begin with, found neither");
        }
        Ok(())
    }

    /// Makes relative paths those of a folder.
    fn beside(&mut self, folder: &Path) {
        let place = |path: &mut PathBuf| *path = folder.join(&*path);
        let recipes = &mut self.recipes;
        let (mut files, mut sets) = (Vec::new(), vec![&mut self.detect]);
        files.extend(&mut self.bank);
        files.extend(&mut self.scanner);
        files.extend(&mut self.trigger);
        files.extend(self.recordings.iter_mut().map(|recording| &mut recording.file));
        sets.extend(self.learn.as_mut().map(|learn| &mut learn.properties));
        for recipe in recipes {
            files.extend(&mut recipe.bank);
            sets.push(&mut recipe.detect);
            sets.extend(recipe.learn.as_mut().map(|learn| &mut learn.properties));
        }
        files.into_iter().for_each(place);
        for set in sets {
            for (_, file) in set.iter_mut().filter(|(name, _)| FILES.contains(&name.as_str())) {
                *file = folder.join(&*file).display().to_string();
            }
        }
    }

    /// The name on pages.
    pub fn shown(&self) -> &str {
        if self.title.is_empty() { &self.name } else { &self.title }
    }
}

/// How good frames are learned before the first start.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Learn {
    /// Elements that good frames come from.
    pub source: String,
    /// Learn each so many-th frame.
    #[serde(default = "one")]
    pub interval: u32,
    /// The bank is made after so many frames; 0 learns to the end of the stream.
    #[serde(default)]
    pub max_frames: u32,
    /// Properties of snarmbank.
    #[serde(default, deserialize_with = "properties")]
    pub properties: Properties,
}

fn one() -> u32 {
    1
}

/// Which frames show the same part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "by")]
pub enum Parts {
    /// Those from a message to the API until the next one.
    Message,
    /// So many one after the other, as of a camera that is triggered.
    Frames {
        /// How many.
        frames: u32,
    },
    /// Those with an alarm, or in the uncertain band, between which fewer than so many others lie.
    Gap {
        /// How many others end a part.
        frames: u32,
    },
}

/// What happens at the end of a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AtEnd {
    /// The pipeline is started again.
    #[default]
    Again,
    /// The line stops.
    Stop,
}

/// Where results go.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "kind")]
pub enum Output {
    /// Messages to an MQTT broker.
    Mqtt(Mqtt),
    /// Requests to a web server.
    Webhook(Webhook),
    /// Registers that a PLC reads.
    Modbus(Modbus),
    /// Vision systems that OPC UA clients read, and are told of results by.
    #[serde(rename = "opcua")]
    OpcUa(OpcUa),
}

impl Output {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Mqtt(output) => &output.name,
            Self::Webhook(output) => &output.name,
            Self::Modbus(output) => &output.name,
            Self::OpcUa(output) => &output.name,
        }
    }

    /// What it is, as its key `kind` says.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Mqtt(_) => "mqtt",
            Self::Webhook(_) => "webhook",
            Self::Modbus(_) => "modbus",
            Self::OpcUa(_) => "opcua",
        }
    }

    /// Whether messages are sent to it: others are servers, which clients ask.
    pub fn is_sent_to(&self) -> bool {
        matches!(self, Self::Mqtt(_) | Self::Webhook(_))
    }

    /// The messages that it wants; nothing where it asks for the state itself.
    pub fn what(&self) -> Option<What> {
        match self {
            Self::Mqtt(output) => Some(output.send),
            Self::Webhook(output) => Some(output.send),
            Self::OpcUa(output) => Some(output.send),
            Self::Modbus(_) => None,
        }
    }
}

/// What is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// One message for each run of frames with an alarm, or in the uncertain band.
    #[default]
    Finds,
    /// One message for each analysed frame.
    Frames,
    /// One message for each part, of lines that have such.
    Parts,
}

/// What messages look like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// As `snarmdetect` writes results.
    #[default]
    Snarm,
    /// As DL Streamer's `gvametaconvert` does.
    DlStreamer,
    /// As DeepStream's minimal messages.
    DeepStream,
}

impl Format {
    /// Of an output that wants those messages.
    fn check(self, send: What) -> Result<()> {
        if self != Self::Snarm && send == What::Parts {
            bail!(
                "format: expected \"snarm\" with send = \"parts\", as the others have no parts, found another"
            );
        }
        Ok(())
    }
}

/// An MQTT broker.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Mqtt {
    /// Name of the output.
    pub name: String,
    /// Host of the broker.
    pub host: String,
    /// Port of the broker; without one 1883, and 8883 with TLS.
    #[serde(default)]
    pub port: Option<u16>,
    /// File with the certificates of those who may vouch for the broker, PEM; the connection is by TLS then.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// File with the certificate that the broker knows the station by, PEM; those that vouch for it may follow.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// File with the private key of that certificate, PEM.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// First part of the topics: `TOPIC/LINE/find`, `TOPIC/LINE/frame`, `TOPIC/LINE/part`, `TOPIC/LINE/state`
    /// (retained).
    #[serde(default = "topic")]
    pub topic: String,
    /// What is sent.
    #[serde(default)]
    pub send: What,
    /// What the messages look like.
    #[serde(default)]
    pub format: Format,
    /// Whether codes are taken from `TOPIC/LINE/code`.
    #[serde(default)]
    pub codes: bool,
    /// Whether parts and lots are taken from `TOPIC/LINE/part`.
    #[serde(default)]
    pub parts: bool,
    /// User at the broker.
    #[serde(default)]
    pub user: Option<String>,
    /// File with the password, which is its first line.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
}

impl Mqtt {
    fn check(&self, lines: &[Line]) -> Result<()> {
        if self.certificate.is_some() != self.key.is_some() {
            let found = if self.key.is_some() { "key" } else { "certificate" };
            bail!("expected certificate and key together, found {found} alone");
        }
        if self.certificate.is_some() && self.ca_file.is_none() {
            bail!(
                "certificate: expected it together with ca-file, by which the connection is by TLS, found it without"
            );
        }
        if self.parts && lines.iter().all(|line| line.parts.is_none()) {
            bail!("parts: expected a line with [line.parts] to begin such on, found none");
        }
        self.format.check(self.send)
    }

    /// The port, which TLS has another of.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.ca_file.is_some() { 8883 } else { 1883 })
    }
}

fn topic() -> String {
    "snarm".to_owned()
}

/// A web server that takes results.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Webhook {
    /// Name of the output.
    pub name: String,
    /// Address that results are posted to.
    pub url: String,
    /// File with the certificates of those who may vouch for the server, PEM; without it those who vouch for the public
    /// web.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// What is sent.
    #[serde(default)]
    pub send: What,
    /// What the messages look like.
    #[serde(default)]
    pub format: Format,
    /// File with a token, its first line, that is sent as `Authorization: Bearer TOKEN`.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// Most messages in a request, whose body is then an array of them; without it each request has one message.
    #[serde(default)]
    pub batch: Option<u32>,
}

impl Webhook {
    fn check(&self) -> Result<()> {
        if let Some(batch) = self.batch.filter(|batch| !(1..=LARGEST_BATCH).contains(batch)) {
            bail!("batch: expected 1 to {LARGEST_BATCH}, found {batch}");
        }
        if self.ca_file.is_some() && !self.url.starts_with("https://") {
            bail!("ca-file: expected a url that begins with https:// with it, found {:?}", self.url);
        }
        self.format.check(self.send)
    }
}

/// A Modbus TCP server.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Modbus {
    /// Name of the output.
    pub name: String,
    /// Address and port to serve at.
    pub listen: SocketAddr,
    /// Whether clients may choose recipes, by writing a number.
    #[serde(default)]
    pub recipes: bool,
    /// Whether clients may begin parts, by writing something else than 0.
    #[serde(default)]
    pub parts: bool,
}

impl Modbus {
    fn check(&self, lines: &[Line]) -> Result<()> {
        if self.parts && lines.iter().all(|line| line.parts != Some(Parts::Message)) {
            bail!("parts: expected a line with parts = {{ by = \"message\" }} to begin such on, found none");
        }
        Ok(())
    }
}

/// Most results that an OPC UA server keeps.
const MOST_KEPT: u32 = 10_000;

/// An OPC UA server.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OpcUa {
    /// Name of the output.
    pub name: String,
    /// Address and port to serve at.
    pub listen: SocketAddr,
    /// Name or address by which clients reach this machine; without one the address, or the machine's name where it
    /// serves at all addresses.
    #[serde(default)]
    pub host: Option<String>,
    /// What a result is.
    #[serde(default)]
    pub send: What,
    /// Results that are kept, for whoever was away.
    #[serde(default = "kept")]
    pub keep: u32,
    /// File with who may connect: lines of `NAME:PASSWORD`.
    #[serde(default)]
    pub users_file: Option<PathBuf>,
    /// Whether clients may connect without name and password.
    #[serde(default)]
    pub anonymous: Anonymous,
    /// Whether clients may connect without encryption.
    #[serde(default)]
    pub unencrypted: bool,
    /// File with the certificate of the server, DER or PEM; without one it makes its own.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// File with the private key of that certificate, PEM.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// Folder with the certificates of clients that may connect, DER or PEM; without one `opcua/NAME/trusted` of the data
    /// folder.
    #[serde(default)]
    pub trusted_clients: Option<PathBuf>,
}

fn kept() -> u32 {
    1_000
}

/// Whether clients of an OPC UA server may connect without name and password.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Anonymous {
    /// Not at all.
    #[default]
    Never,
    /// By encrypted connections, that is with a certificate that is trusted.
    Encrypted,
    /// By any connection: everybody who reaches the port.
    Always,
}

impl OpcUa {
    fn check(&self) -> Result<()> {
        if !(1..=MOST_KEPT).contains(&self.keep) {
            bail!("keep: expected 1 to {MOST_KEPT}, found {}", self.keep);
        }
        if self.certificate.is_some() != self.key.is_some() {
            let found = if self.key.is_some() { "key" } else { "certificate" };
            bail!("expected certificate and key together, found {found} alone");
        }
        if self.users_file.is_none() && self.anonymous == Anonymous::Never {
            bail!(
                "expected users-file = \"FILE\", or anonymous = \"encrypted\" or \"always\", found neither"
            );
        }
        if self.anonymous == Anonymous::Always && !self.unencrypted {
            bail!("anonymous: expected \"always\" together with unencrypted = true, found it without");
        }
        Ok(())
    }
}

impl Config {
    /// Reads a file. Paths in it are meant from its folder.
    ///
    /// # Errors
    /// When it cannot be read, is no TOML, or says what a station cannot do.
    pub fn read(path: &Path) -> Result<Self> {
        let mut config: Self = parsed_file(path)?;
        config.check().with_context(|| path.display().to_string())?;
        config.beside(path.parent().unwrap_or(Path::new("")));
        Ok(config)
    }

    /// From the text of a file.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn parse(text: &str) -> Result<Self> {
        let config: Self = parsed(text)?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        if self.lines.is_empty() {
            bail!("expected at least one [[line]], found none");
        }
        if self.tls_certificate.is_some() != self.tls_key.is_some() {
            let found = if self.tls_key.is_some() { "tls-key" } else { "tls-certificate" };
            bail!("expected tls-certificate and tls-key together, found {found} alone");
        }
        if self.keep.messages == 0 {
            bail!("keep.messages: expected 1 or more, found 0");
        }
        let lines = self.lines.iter().map(|line| ("line", line.name.as_str()));
        let outputs = self.outputs.iter().map(|output| ("output", output.name()));
        let hub = self.hub.iter().map(|_| ("output", Hub::OUTPUT));
        let mut seen = Vec::new();
        for (kind, name) in lines.chain(hub).chain(outputs) {
            check_name(&format!("{kind}.name"), name)?;
            if seen.contains(&(kind, name)) {
                bail!("{kind}.name: expected names that differ, found {name:?} twice");
            }
            seen.push((kind, name));
        }
        let asks = |output: &&Output| output.what() == Some(What::Parts);
        if let (Some(output), true) =
            (self.outputs.iter().find(asks), self.lines.iter().all(|line| line.parts.is_none()))
        {
            bail!(
                "output {:?}: send: expected a line with [line.parts] for parts, found none",
                output.name()
            );
        }
        for output in &self.outputs {
            let checked = match output {
                Output::OpcUa(server) => server.check(),
                Output::Webhook(webhook) => webhook.check(),
                Output::Modbus(server) => server.check(&self.lines),
                Output::Mqtt(broker) => broker.check(&self.lines),
            };
            checked.with_context(|| format!("output {:?}", output.name()))?;
        }
        self.hub.iter().try_for_each(Hub::check)?;
        let outputs: Vec<&str> = self.outputs.iter().map(Output::name).collect();
        for line in &self.lines {
            line.check_recipes(&outputs).with_context(|| format!("line {:?}", line.name))?;
            line.check_recordings().with_context(|| format!("line {:?}", line.name))?;
            for product in line.products() {
                product.line.check().with_context(|| format!("line {:?}", product.line.name))?;
            }
        }
        Ok(())
    }

    /// Makes relative paths those of a folder.
    fn beside(&mut self, folder: &Path) {
        let place = |path: &mut PathBuf| *path = folder.join(&*path);
        place(&mut self.data);
        self.tls_certificate.iter_mut().chain(&mut self.tls_key).for_each(place);
        self.lines.iter_mut().for_each(|line| line.beside(folder));
        self.hub.iter_mut().for_each(|hub| hub.beside(folder));
        for output in &mut self.outputs {
            match output {
                Output::Mqtt(mqtt) => {
                    let certificate = mqtt.certificate.iter_mut().chain(&mut mqtt.key);
                    certificate.chain(&mut mqtt.password_file).chain(&mut mqtt.ca_file).for_each(place);
                }
                Output::Webhook(webhook) => {
                    webhook.token_file.iter_mut().chain(&mut webhook.ca_file).for_each(place);
                }
                Output::OpcUa(server) => {
                    let certificate = server.certificate.iter_mut().chain(&mut server.key);
                    certificate
                        .chain(&mut server.users_file)
                        .chain(&mut server.trusted_clients)
                        .for_each(place);
                }
                Output::Modbus(_) => {}
            }
        }
    }
}

fn check_name(key: &str, name: &str) -> Result<()> {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !(1..=LONGEST_NAME).contains(&name.len()) || !name.chars().all(is_part) {
        bail!("{key}: expected 1 to {LONGEST_NAME} small letters, digits and -, found {name:?}");
    }
    Ok(())
}

/// What a file of TOML says.
fn parsed_file<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = regular::read_text(path)
        .with_context(|| format!("cannot read the configuration {}", path.display()))?;
    parsed(&text).with_context(|| path.display().to_string())
}

fn parsed<T: DeserializeOwned>(text: &str) -> Result<T> {
    toml::from_str(text).map_err(|error| explained(text, &error))
}

/// An error of TOML with its line, and the key that stands there.
fn explained(text: &str, error: &toml::de::Error) -> anyhow::Error {
    let Some(span) = error.span() else { return anyhow::anyhow!("{}", error.message()) };
    let before = text.get(..span.start).unwrap_or_default();
    let number = before.matches('\n').count() + 1;
    let line = text.lines().nth(number - 1).unwrap_or_default().trim();
    let message = error.message();
    match line.split_once('=') {
        Some((key, value)) => {
            anyhow::anyhow!("line {number}, key {}: {message}, found {}", key.trim(), value.trim())
        }
        None => anyhow::anyhow!("line {number}: {message}, found {line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "data = 'd'\n[[line]]\nname = 'cap'\npipeline = 'inspect'\nbank = 'cap.bank'\n";

    const SERVER: &str = "[[output]]\nkind = 'opcua'\nname = 'ua'\nlisten = '0.0.0.0:4840'\n";

    const PARTS: &str = "[line.parts]\n";

    const WEB: &str = "[[output]]\nkind = 'webhook'\nname = 'x'\nurl = 'http://h'\n";

    const BROKER: &str = "[[output]]\nkind = 'mqtt'\nname = 'b'\nhost = 'h'\n";

    const PLC: &str = "[[output]]\nkind = 'modbus'\nname = 'plc'\nlisten = '0.0.0.0:502'\n";

    fn refusal(text: &str) -> String {
        format!("{:#}", Config::parse(text).unwrap_err())
    }

    #[test]
    fn the_smallest_configuration_serves_this_machine_alone() {
        let config = Config::parse(LINE).unwrap();
        assert_eq!(config.listen.to_string(), LISTEN);
        assert!(config.listen.ip().is_loopback() && !config.open_viewing);
        assert_eq!((config.lines[0].shown(), config.lines[0].at_end), ("cap", AtEnd::Again));
    }

    #[test]
    fn a_configuration_is_a_file_and_no_device() {
        let error = format!("{:#}", Config::read(Path::new("/dev/zero")).unwrap_err());
        assert_eq!(error, "cannot read the configuration /dev/zero: expected a file, found a device");
    }

    #[test]
    fn errors_name_line_key_expected_and_found() {
        for (text, words) in [
            (LINE.replace("'inspect'", "3"), &["line 4", "pipeline", "expected a string", "3"][..]),
            (LINE.replace("bank =", "bnak ="), &["line 5", "bnak", "expected one of", "`bank`"]),
            (LINE.replace("data = 'd'", "listen = 'here'\ndata = 'd'"), &["line 1", "listen", "'here'"]),
            (LINE.replace("'cap'", "'../cap'"), &["line.name", "expected", "../cap"]),
            (LINE.replace("bank = 'cap.bank'\n", ""), &["cap", "bank", "found neither"]),
            ("data = 'd'".to_owned(), &["[[line]]", "found none"]),
            (format!("{LINE}[keep]\nmessages = 0\n"), &["keep.messages", "1 or more", "found 0"]),
            (LINE.replace("data", "tls-key = 'k'\ndata"), &["tls-certificate and tls-key", "tls-key alone"]),
            (format!("{LINE}[line.variables]\nbank = 'x'\n"), &["cap", "without bank"]),
            (format!("{LINE}[line.parts]\nby = 'gap'\nframes = 0\n"), &["cap", "1 or more", "found 0"]),
            (format!("{LINE}trigger = 'gpio'\n"), &["cap", "trigger", "message", "or none"]),
            (format!("{LINE}[line.parts]\nby = 'luck'\n"), &["luck", "expected one of", "message"]),
            (
                format!("{LINE}[[output]]\nkind = 'webhook'\nname = 'x'\nurl = 'u'\nsend = 'parts'\n"),
                &["\"x\"", "[line.parts]", "found none"],
            ),
            (
                format!("{LINE}[[output]]\nkind = 'webhook'\nname = 'x'\nurl = 'u'\nbatch = 0\n"),
                &["\"x\"", "batch", "1 to 100", "found 0"],
            ),
            (
                format!("{LINE}[[output]]\nkind = 'webhook'\nname = 'x'\nurl = 'u'\nbatch = 101\n"),
                &["\"x\"", "batch", "1 to 100", "found 101"],
            ),
            (
                format!("{LINE}{PARTS}by = 'message'\n{WEB}send = 'parts'\nformat = 'deepstream'\n"),
                &["\"x\"", "format", "\"snarm\"", "have no parts"],
            ),
            (
                format!("{LINE}{PARTS}by = 'message'\n{BROKER}send = 'parts'\nformat = 'dlstreamer'\n"),
                &["\"b\"", "format", "\"snarm\"", "have no parts"],
            ),
            (format!("{LINE}{WEB}format = 'xml'\n"), &["xml", "expected one of", "dlstreamer", "deepstream"]),
            (format!("{LINE}{WEB}ca-file = 'ca.pem'\n"), &["\"x\"", "ca-file", "https://", "\"http://h\""]),
            (format!("{LINE}{BROKER}key = 'k'\n"), &["\"b\"", "certificate and key", "key alone"]),
            (
                format!("{LINE}{BROKER}key = 'k'\ncertificate = 'c'\n"),
                &["\"b\"", "certificate", "ca-file", "without"],
            ),
            (format!("{LINE}{BROKER}parts = true\n"), &["\"b\"", "parts", "[line.parts]", "found none"]),
            (
                format!("{LINE}{PARTS}by = 'frames'\nframes = 3\n{PLC}parts = true\n"),
                &["\"plc\"", "parts", "by = \"message\"", "found none"],
            ),
            (format!("{LINE}{}", LINE.trim_start_matches("data = 'd'\n")), &["differ", "\"cap\" twice"]),
            (
                format!(
                    "{LINE}[[output]]\nkind = 'modbus'\nname = 'hub'\nlisten = '0.0.0.0:1'\n[hub]\nurl = ['nats://h']\nname = 'n'\n"
                ),
                &["output.name", "\"hub\" twice"],
            ),
            (format!("{LINE}[[output]]\nkind = 'opc'\nname = 'x'\n"), &["opc", "expected one of", "mqtt"]),
            (format!("{LINE}{SERVER}"), &["\"ua\"", "users-file", "found neither"]),
            (
                format!("{LINE}{SERVER}users-file = 'u'\nkeep = 0\n"),
                &["\"ua\"", "keep", "1 to 10000", "found 0"],
            ),
            (format!("{LINE}{SERVER}users-file = 'u'\nkey = 'k'\n"), &["certificate and key", "key alone"]),
            (format!("{LINE}{SERVER}anonymous = 'always'\n"), &["\"ua\"", "unencrypted = true", "without"]),
            (format!("{LINE}{SERVER}anonymous = true\n"), &["line 6", "expected string", "true"]),
            (format!("{LINE}{SERVER}users-file = 'u'\nsend = 'parts'\n"), &["\"ua\"", "[line.parts]"]),
        ] {
            let found = refusal(&text);
            assert!(words.iter().all(|word| found.contains(word)), "expected {words:?} in {found}");
        }
    }

    #[test]
    fn an_opc_ua_server_is_closed_unless_it_says_otherwise() {
        let config = Config::parse(&format!("{LINE}{SERVER}users-file = 'u'\n")).unwrap();
        let Output::OpcUa(server) = &config.outputs[0] else { panic!("{config:?}") };
        assert_eq!((server.anonymous, server.unencrypted, server.keep), (Anonymous::Never, false, 1000));
        let open = format!("{LINE}{SERVER}anonymous = 'always'\nunencrypted = true\n");
        assert!(Config::parse(&open).is_ok());
    }

    #[test]
    fn a_plc_begins_parts_on_a_line_whose_parts_messages_begin() {
        let config = Config::parse(&format!("{LINE}{PARTS}by = 'message'\n{PLC}parts = true\n")).unwrap();
        let Output::Modbus(server) = &config.outputs[0] else { panic!("{config:?}") };
        assert!(server.parts && !server.recipes);
    }

    #[test]
    fn paths_are_meant_from_the_folder_of_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("station.toml");
        let secure = BROKER.to_owned() + "ca-file = 'ca'\ncertificate = 'c'\nkey = 'k'\n";
        let web = WEB.replace("http:", "https:") + "ca-file = 'ca'\n";
        std::fs::write(&path, format!("{LINE}{SERVER}users-file = 'u'\n{secure}{web}")).unwrap();
        let config = Config::read(&path).unwrap();
        let Output::OpcUa(server) = &config.outputs[0] else { panic!("{config:?}") };
        assert_eq!(server.users_file, Some(dir.path().join("u")));
        let Output::Mqtt(broker) = &config.outputs[1] else { panic!("{config:?}") };
        let files = [&broker.ca_file, &broker.certificate, &broker.key].map(|file| file.clone().unwrap());
        assert_eq!(files, ["ca", "c", "k"].map(|name| dir.path().join(name)));
        let Output::Webhook(web) = &config.outputs[2] else { panic!("{config:?}") };
        assert_eq!(web.ca_file, Some(dir.path().join("ca")));
        assert_eq!(config.data, dir.path().join("d"));
        assert_eq!(config.lines[0].bank.as_deref(), Some(dir.path().join("cap.bank").as_path()));
        let more = "scanner = '/dev/ttyACM0'\n[line.learn]\nsource = 'c'\nproperties = { ignore-mask = 'm.png', seed = 3 }\n\
            [[line.recipe]]\nname = 'red'\nbank = 'red.bank'\ndetect = { model-location = 'd.safetensors', roi = 'd' }\n";
        std::fs::write(&path, format!("{LINE}{more}")).unwrap();
        let config = Config::read(&path).unwrap();
        let line = &config.lines[0];
        let place = |name: &str| dir.path().join(name);
        assert_eq!(line.scanner, Some("/dev/ttyACM0".into()));
        let properties = &line.learn.as_ref().unwrap().properties;
        assert_eq!(
            (&properties["ignore-mask"], properties["seed"].as_str()),
            (&place("m.png").display().to_string(), "3")
        );
        let recipe = &line.recipes[0];
        assert_eq!(recipe.bank, Some(place("red.bank")));
        let expected = (&place("d.safetensors").display().to_string(), "d");
        assert_eq!((&recipe.detect["model-location"], recipe.detect["roi"].as_str()), expected);
    }
}
