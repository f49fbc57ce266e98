//! The `snarm` command: banks, detection, evaluation, simulation, and the launch recipes of the elements.

mod annotate;
mod commands;
mod download;
mod evaluation;
mod exit;
mod inputs;
mod npy;
mod output;
mod player;
mod progress;
mod recipe;
mod report;
mod simulate;

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use commands::{
    bank, bench, convert, detect, distill, doctor, eval, fetch, hub, launch, limits, nearest, station, train,
    worst,
};
use snarm_station::Log;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

/// Visual anomaly detection from good examples alone.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage; with --fail-on-anomaly 3 anomalies found, 4 none found but \
                  frames not judged.\n\
                  SNARM_LOG=debug shows more of what happens."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Bank(bank::Args),
    Detect(detect::Args),
    Eval(eval::Args),
    Train(Box<train::Args>),
    Simulate(simulate::Args),
    Distill(distill::Args),
    Fetch(fetch::Args),
    Launch(launch::Args),
    Limits(limits::Args),
    Nearest(Box<nearest::Args>),
    Worst(worst::Args),
    Bench(bench::Args),
    Convert(convert::Args),
    Doctor(doctor::Args),
    Station(station::Args),
    Hub(hub::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    exit::code(prepare(&cli.command).and_then(|log| match &cli.command {
        Command::Bank(args) => bank::run(args),
        Command::Detect(args) => detect::run(args),
        Command::Eval(args) => eval::run(args),
        Command::Train(args) => train::run(args),
        Command::Simulate(args) => simulate::run(args),
        Command::Distill(args) => distill::run(args),
        Command::Fetch(args) => fetch::run(args),
        Command::Launch(args) => launch::run(args),
        Command::Limits(args) => limits::run(args),
        Command::Nearest(args) => nearest::run(args),
        Command::Worst(args) => worst::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Convert(args) => convert::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Station(args) => station::run(args, &log),
        Command::Hub(args) => hub::run(args),
    }))
}

/// Takes what the environment says. Returns the log that a station shows.
fn prepare(command: &Command) -> anyhow::Result<Log> {
    exit::fail_instead_of_abort()?;
    exit::fail_instead_of_signal()?;
    let filter = match std::env::var_os("SNARM_LOG").filter(|filter| !filter.is_empty()) {
        None => EnvFilter::new("warn"),
        Some(filter) => log_filter(&filter.to_string_lossy())?,
    };
    let log = Log::default();
    let shown = matches!(command, Command::Station(_)).then(|| {
        let lines = log.clone();
        let lines = fmt::layer().without_time().with_ansi(false).with_writer(move || lines.clone());
        lines.with_filter(EnvFilter::new("warn,snarm_station=info"))
    });
    let terminal = fmt::layer().without_time().with_writer(std::io::stderr).with_filter(filter);
    tracing_subscriber::registry().with(terminal).with(shown).init();
    for remark in snarm_core::environment::take(|name| std::env::var_os(name))? {
        tracing::warn!("{remark}");
    }
    Ok(log)
}

/// Reads SNARM_LOG. A word by itself is a level, or the beginning of the names of our own parts: any other one would be
/// taken for a part that has nothing to say, and hide all the rest. Warnings are shown of whatever has no level of its own.
fn log_filter(text: &str) -> anyhow::Result<EnvFilter> {
    let wrong = || format!("SNARM_LOG: expected a level such as debug, or PART=LEVEL, found {text:?}");
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    let is_known = |word: &&str| {
        word.contains(['=', '[']) || word.starts_with("snarm") || word.parse::<LevelFilter>().is_ok()
    };
    if let Some(unknown) = words.clone().find(|word| !is_known(word)) {
        bail!("{}, of which {unknown:?} is neither", wrong());
    }
    let all: Vec<&str> = std::iter::once("warn").chain(words).collect();
    EnvFilter::try_new(all.join(",")).with_context(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_of_messages_names_levels_or_our_own_parts() {
        for text in [
            "debug",
            "OFF",
            "3",
            "snarm_core",
            "snarm_core=debug,snarm=trace",
            "info, hyper=off",
            "[frame]=debug",
        ] {
            log_filter(text).unwrap_or_else(|reason| panic!("{text}: {reason:#}"));
        }
        for text in ["loud", "debug,lout", "snarm=loud", "warn;debug"] {
            let message = format!("{:#}", log_filter(text).unwrap_err());
            assert!(message.starts_with("SNARM_LOG: expected a level such as debug"), "{message}");
            assert!(message.contains(text), "{message}");
        }
        assert_eq!(log_filter("snarm_core=debug").unwrap().max_level_hint(), Some(LevelFilter::DEBUG));
        assert!(log_filter("snarm_core=debug").unwrap().to_string().contains("warn"));
        assert_eq!(log_filter("error").unwrap().to_string(), "error");
    }
}
