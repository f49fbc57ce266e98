//! A Modbus TCP server that a PLC reads: input and holding registers alike, 20 for each line in the order of the
//! configuration. Nothing can be written but the recipe, where the configuration allows it.
//!
//! | register of a line | holds |
//! |---|---|
//! | 0 | heartbeat: seconds since the start, modulo 65536 |
//! | 1 | status: 0 preparing, 1 starting, 2 running, 3 waiting after a failure, 4 stopped |
//! | 2 | verdict of the last frame: 0 unknown, 1 normal, 2 uncertain, 3 anomalous |
//! | 3 | score of the last frame, in 1/10000 |
//! | 4 | limit of alarms, in 1/10000 |
//! | 5 | version of the bank |
//! | 6, 7 | frames of the shift, high word first |
//! | 8, 9 | alarms of the shift, high word first |
//! | 10, 11 | uncertain finds of the shift, high word first |
//! | 12 | number of the recipe in use, 0 without one; written, it chooses the recipe of that number |
//! | 13 to 19 | 0 |

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_modbus::server::tcp::{Server, accept_tcp_connection};
use tokio_modbus::{ExceptionCode, Request, Response};

use super::health::Health;
use crate::config::Modbus;
use crate::line::{Snapshot, Status, Switch};

/// Registers of a line.
const EACH: usize = 20;

/// The register of a line that has the recipe.
const RECIPE: usize = 12;

/// Most registers of an answer, by the standard.
const MOST: u16 = 125;

/// Time until another try to serve.
const WAIT: Duration = Duration::from_secs(5);

/// Serves until the station ends.
pub(super) async fn run(
    config: Modbus,
    health: Arc<Health>,
    switches: Vec<Arc<Switch>>,
    mut stop: watch::Receiver<bool>,
) {
    let author = config.recipes.then(|| format!("modbus {}", config.name).into());
    let registers = Registers { switches: switches.into(), started: Instant::now(), author };
    while !*stop.borrow() {
        tokio::select! {
            served = serve(&config, &health, &registers) => {
                if let Err(error) = served {
                    health.set(Some(format!("cannot serve at {}: {error:#}", config.listen)));
                }
                tokio::time::sleep(WAIT).await;
            }
            _ = stop.changed() => {}
        }
    }
}

async fn serve(config: &Modbus, health: &Health, registers: &Registers) -> Result<()> {
    let listener = TcpListener::bind(config.listen).await?;
    health.set(None);
    let server = Server::new(listener);
    let connected = |stream: TcpStream, from: SocketAddr| {
        let registers = registers.clone();
        async move { accept_tcp_connection(stream, from, |_| Ok(Some(registers.clone()))) }
    };
    let failed = |error| tracing::debug!("modbus: {error}");
    Ok(server.serve(&connected, failed).await?)
}

/// The registers, as they are when they are asked for.
#[derive(Clone)]
struct Registers {
    switches: Arc<[Arc<Switch>]>,
    started: Instant,
    /// Who chooses a recipe by writing its number; nobody where nothing can be written.
    author: Option<Arc<str>>,
}

impl Registers {
    fn read(&self, address: u16, count: u16) -> Result<Vec<u16>, ExceptionCode> {
        let all: Vec<u16> = self
            .switches
            .iter()
            .flat_map(|switch| {
                let line = switch.now();
                let now = line.state().snapshot(line.name(), "", u64::MAX);
                registers(&now, line.recipe_number(), self.started.elapsed())
            })
            .collect();
        let (start, end) = (usize::from(address), usize::from(address) + usize::from(count));
        let asked = all.get(start..end).filter(|asked| !asked.is_empty() && count <= MOST);
        asked.map(<[u16]>::to_vec).ok_or(ExceptionCode::IllegalDataAddress)
    }

    /// Chooses the recipe of a number on the line whose register that is.
    async fn write(&self, address: u16, number: u16) -> Result<(), ExceptionCode> {
        let author = self.author.as_deref().ok_or(ExceptionCode::IllegalFunction)?;
        let (line, register) = (usize::from(address) / EACH, usize::from(address) % EACH);
        let switch = self.switches.get(line).filter(|_| register == RECIPE);
        let switch = switch.ok_or(ExceptionCode::IllegalDataAddress)?;
        match switch.choose_number(number, author).await {
            Ok(_) => Ok(()),
            Err(error) => {
                tracing::warn!("{}: {author}: {error:#}", switch.name());
                Err(ExceptionCode::IllegalDataValue)
            }
        }
    }

    async fn answer(self, request: Request<'static>) -> Result<Response, ExceptionCode> {
        match request {
            Request::ReadInputRegisters(address, count) => {
                self.read(address, count).map(Response::ReadInputRegisters)
            }
            Request::ReadHoldingRegisters(address, count) => {
                self.read(address, count).map(Response::ReadHoldingRegisters)
            }
            Request::WriteSingleRegister(address, number) => {
                self.write(address, number).await.map(|()| Response::WriteSingleRegister(address, number))
            }
            Request::WriteMultipleRegisters(address, numbers) => match *numbers {
                [number] => {
                    self.write(address, number).await.map(|()| Response::WriteMultipleRegisters(address, 1))
                }
                _ => Err(ExceptionCode::IllegalDataAddress),
            },
            _ => Err(ExceptionCode::IllegalFunction),
        }
    }
}

impl tokio_modbus::server::Service for Registers {
    type Request = Request<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = Pin<Box<dyn Future<Output = Result<Response, ExceptionCode>> + Send>>;

    fn call(&self, request: Self::Request) -> Self::Future {
        Box::pin(self.clone().answer(request))
    }
}

/// The registers of a line.
fn registers(now: &Snapshot, recipe: u16, since: Duration) -> [u16; EACH] {
    let low = |n: u64| (n & 0xffff) as u16;
    let pair = |n: u64| [low(n >> 16), low(n)];
    let scaled = |score: f64| (score.clamp(0.0, 1.0) * 10_000.0).round() as u16;
    let status = match now.status {
        Status::Preparing => 0,
        Status::Starting => 1,
        Status::Running => 2,
        Status::Waiting => 3,
        Status::Stopped => 4,
    };
    let verdict = match now.verdict {
        "normal" => 1,
        "uncertain" => 2,
        "anomalous" => 3,
        _ => 0,
    };
    let mut all = [0; EACH];
    let first = [
        low(since.as_secs()),
        status,
        verdict,
        scaled(now.score),
        scaled(now.threshold),
        low(now.bank.unsigned_abs()),
    ];
    let counters = [now.shift.frames, now.shift.alarms, now.shift.uncertain].map(pair);
    let values = first.into_iter().chain(counters.into_iter().flatten()).chain([recipe]);
    all.iter_mut().zip(values).for_each(|(register, value)| *register = value);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Shift;

    #[test]
    fn registers_tell_verdict_score_and_counters() {
        let mut now = crate::line::State::default().snapshot("cap", "", 0);
        (now.status, now.verdict, now.score, now.threshold, now.bank) =
            (Status::Running, "anomalous", 0.75, 0.5, 3);
        now.shift = Shift { frames: 0x1_0002, alarms: 7, uncertain: 1, ..Shift::default() };
        let all = registers(&now, 9, Duration::from_secs(65_537));
        assert_eq!(all[..=RECIPE], [1, 2, 3, 7500, 5000, 3, 1, 2, 0, 7, 0, 1, 9]);
    }
}
