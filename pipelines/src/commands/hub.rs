//! `snarm hub`: what people do at the hub of many stations.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};
use snarm_station::hub::{Asked, Kind, Limits, Person, Simulation, Wish, make_key};

use super::make_parent;
use super::outputs::{self, Holds, Inputs};
use crate::exit::Outcome;
use crate::output::Standard;

/// Works at the hub of many stations: makes it, reads it, and gives orders that are signed.
///
/// The hub is a NATS server with JetStream, or three of them (docs/many-lines.md). The configuration is a file with a table "hub":
/// url, name, and user, credentials-file or ca-file, as a station has it. Orders are signed with --key, which the
/// stations trust under that name.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

/// Where the hub is.
#[derive(Debug, clap::Args)]
struct At {
    /// File with a table "hub", TOML
    #[arg(long, default_value = "hub.toml", value_name = "FILE")]
    config: PathBuf,
}

/// Who signs.
#[derive(Debug, clap::Args)]
struct Signs {
    #[command(flatten)]
    at: At,
    /// Private key, made by `snarm hub keys`
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes a private key and prints its public key, for `trust` of stations
    Keys {
        /// File for the private key; only its owner reads it
        file: PathBuf,
    },
    /// Makes the streams and buckets of a hub, or changes how they are kept
    Init {
        #[command(flatten)]
        at: At,
        /// Servers that keep each message: 1, or 3 with three servers
        #[arg(long, default_value_t = 1)]
        replicas: usize,
        /// Days that results are kept
        #[arg(long, default_value_t = 30)]
        results: u64,
        /// Days that events are kept
        #[arg(long, default_value_t = 365)]
        events: u64,
    },
    /// Prints what each line of each station is at this moment, a JSON object a line
    Show {
        #[command(flatten)]
        at: At,
    },
    /// Prints the messages of a stream that there are, a JSON object a line
    Read {
        /// Which stream
        stream: Stream,
        /// Of that station alone
        #[arg(long)]
        station: Option<String>,
        #[command(flatten)]
        at: At,
    },
    /// Signs a bank, a decoder or a recipe, puts it into the hub and prints the SHA-256 of its file
    Put {
        /// The file
        file: PathBuf,
        /// What it is
        #[arg(long, value_enum, default_value_t = Object::Bank)]
        kind: Object,
        #[command(flatten)]
        signs: Signs,
    },
    /// Says what a line is to use from now on; what is left out stays as it is
    Want {
        /// Name of the station
        station: String,
        /// Name of its line
        line: String,
        /// SHA-256 of a bank that `snarm hub put` printed
        object: Option<String>,
        /// SHA-256 of a decoder; none is that of the station's configuration
        #[arg(long, value_name = "SHA256")]
        decoder: Option<String>,
        /// SHA-256 of a recipe; none is what the station's configuration says
        #[arg(long, value_name = "SHA256")]
        recipe: Option<String>,
        /// Scores from here on are alarms; bank is the bank's
        #[arg(long, value_name = "SCORE|bank")]
        threshold: Option<String>,
        /// Scores from here on are uncertain; without it, with --threshold, there is no such band
        #[arg(long, requires = "threshold", value_parser = super::fraction)]
        low: Option<f64>,
        /// Refuse it where it has not begun so many seconds from now; without it it waits for the station
        #[arg(long)]
        seconds: Option<u64>,
        /// Why
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        signs: Signs,
    },
    /// Sends a command to a station and prints its answer, JSON
    Ask {
        /// Name of the station
        station: String,
        /// What is to be done
        task: Task,
        /// Name of the line; all but test ask for it
        line: Option<String>,
        /// Version of the bank, for shadow and release
        #[arg(long)]
        version: Option<i64>,
        /// Frames after which the bank is made, for learn-anew
        #[arg(long, value_name = "COUNT")]
        max_frames: Option<u32>,
        /// Seconds after the first frame after which the bank is made, for learn-anew
        #[arg(long, value_name = "SECONDS")]
        learn_seconds: Option<u32>,
        /// Learn each so many-th frame, for learn-anew [default: 1]
        #[arg(long)]
        interval: Option<u32>,
        /// Leave out frames that are unlike the rest, for learn-anew
        #[arg(long)]
        leave_out_odd_frames: bool,
        /// Why, for learn, learn-anew, shadow, release and roll-back
        #[arg(long)]
        reason: Option<String>,
        /// Name of the recipe, for recipe
        #[arg(long)]
        recipe: Option<String>,
        /// Seconds until it has to have begun and be answered
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Number of the command, to ask again for the answer to one; without it a new one
        #[arg(long)]
        id: Option<String>,
        /// File for the picture of a snapshot, JPEG
        #[arg(long, value_name = "FILE.jpg")]
        picture: Option<PathBuf>,
        #[command(flatten)]
        signs: Signs,
    },
    /// Runs simulated stations at a hub for trials, and prints what was measured, JSON
    Simulate {
        #[command(flatten)]
        at: At,
        /// Stations, each with one line
        #[arg(long, default_value_t = 50)]
        stations: u32,
        /// Results a second of each
        #[arg(long, default_value_t = 1.0)]
        rate: f64,
        /// Seconds that results come
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Results of each that wait at the start, as after a time without the hub
        #[arg(long, default_value_t = 200)]
        backlog: u32,
        /// Publishers alone, which keep nothing, in place of whole stations: what the hub itself carries
        #[arg(long)]
        bare: bool,
        /// Folder for what the stations keep
        #[arg(long, value_name = "FOLDER")]
        data: PathBuf,
    },
}

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Object {
    /// A bank
    Bank,
    /// A trained decoder
    Decoder,
    /// Properties of snarmdetect, a file of TOML with a table "detect"
    Recipe,
}

impl Object {
    fn kind(self) -> Kind {
        match self {
            Self::Bank => Kind::Bank,
            Self::Decoder => Kind::Decoder,
            Self::Recipe => Kind::Recipe,
        }
    }
}

/// A stream of a hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stream {
    /// Finds, parts and frames, as stations send them
    Results,
    /// Who did what, and what lines do
    Events,
}

/// What a station is asked to do.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Task {
    /// Say that it is there
    Test,
    /// Tell the state of a line, and take its next picture
    Snapshot,
    /// Make a candidate of what was judged good
    Learn,
    /// Learn good parts anew from the camera, until there are enough
    LearnAnew,
    /// Let a version judge beside the one in use
    Shadow,
    /// End that
    EndShadow,
    /// Take a version into use
    Release,
    /// Take the version into use that was before
    RollBack,
    /// Take a recipe into use
    Recipe,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let mut out = Standard::new();
    match &args.command {
        Command::Keys { file } => {
            make_parent(file)?;
            out.line(make_key(file)?)?;
        }
        Command::Init { at, replicas, results, events } => {
            reader(at)?.init(*replicas, *results, *events)?;
        }
        Command::Show { at } => {
            for state in reader(at)?.states()? {
                out.line(state)?;
            }
        }
        Command::Read { stream, station, at } => {
            let read = reader(at)?.read(*stream == Stream::Results, station.as_deref(), &mut out);
            // Nobody wants the rest.
            if !out.is_left() {
                read?;
            }
        }
        Command::Put { file, kind, signs } => {
            out.line(signer(signs)?.put(kind.kind(), file)?)?;
        }
        Command::Want { station, line, object, decoder, recipe, threshold, low, seconds, reason, signs } => {
            let limits = threshold.as_deref().map(|text| limits(text, *low)).transpose()?;
            let (object, decoder, recipe) = (object.as_deref(), decoder.as_deref(), recipe.as_deref());
            let patience = seconds.map(Duration::from_secs);
            signer(signs)?.wish(&Wish {
                station,
                line,
                object,
                decoder,
                recipe,
                limits,
                patience,
                reason,
            })?;
        }
        Command::Ask {
            station,
            task,
            line,
            version,
            max_frames,
            learn_seconds,
            interval,
            leave_out_odd_frames,
            reason,
            recipe,
            seconds,
            id,
            picture,
            signs,
        } => {
            if let Some(file) = picture {
                outputs::check("--picture", file, Holds::Picture, &Inputs::default())?;
            }
            let task = task.to_possible_value().context("expected a command")?;
            let mut body = json!({ "do": task.get_name() });
            for (name, value) in [
                ("line", json!(line)),
                ("version", json!(version)),
                ("max_frames", json!(max_frames)),
                ("seconds", json!(learn_seconds)),
                ("interval", json!(interval)),
                ("leave_out_odd_frames", json!(leave_out_odd_frames.then_some(true))),
                ("reason", json!(reason)),
                ("recipe", json!(recipe)),
            ] {
                if !value.is_null() {
                    body[name] = value;
                }
            }
            let person = signer(signs)?;
            let asked =
                Asked { station, task: body, id: id.as_deref(), patience: Duration::from_secs(*seconds) };
            let answer = person.ask(&asked)?;
            out.line(&answer)?;
            let answer: Value = serde_json::from_str(&answer).context("expected an answer in JSON")?;
            if let (Some(file), Some(sha256)) = (picture, answer["answer"]["picture"].as_str()) {
                make_parent(file)?;
                let bytes = person.picture(sha256)?;
                snarm_core::files::replace(file, &bytes)
                    .with_context(|| format!("cannot write {}", file.display()))?;
            }
            if answer["ok"] != true {
                bail!("{}", answer["error"].as_str().unwrap_or("the station does not say why"));
            }
        }
        Command::Simulate { at, stations, rate, seconds, backlog, bare, data } => {
            if !rate.is_finite() || *rate <= 0.0 {
                bail!("--rate: expected more than 0 results a second, found {rate}");
            }
            let time = Duration::from_secs(*seconds);
            let simulation =
                Simulation { stations: *stations, rate: *rate, time, backlog: *backlog, bare: *bare };
            let told = serde_json::to_string(&reader(at)?.simulate(&simulation, data)?)?;
            out.line(told)?;
        }
    }
    Ok(Outcome::Done)
}

/// Limits of a line, of which that of alarms is a score or the bank's.
fn limits(threshold: &str, low: Option<f64>) -> Result<Limits> {
    let threshold = match threshold {
        "bank" => None,
        text => {
            let score = super::fraction(text);
            let expected = || format!("--threshold: expected a score of 0 to 1, or bank, found {text:?}");
            Some(score.ok().with_context(expected)?)
        }
    };
    Ok(Limits { threshold, low })
}

fn reader(at: &At) -> Result<Person> {
    Person::new(&at.config, None)
}

fn signer(signs: &Signs) -> Result<Person> {
    Person::new(&signs.at.config, Some(&signs.key))
}
