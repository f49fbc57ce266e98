//! A Modbus TCP server that a PLC reads: input and holding registers alike, 20 for each line in the order of the
//! configuration. Nothing can be written but the recipe and the beginning of a part, where the configuration allows it.
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
//! | 13, 14 | number of the part that ended last, high word first; 0 before the first |
//! | 15 | its verdict, as in register 2 |
//! | 16 | its score, in 1/10000 |
//! | 17 | parts of the shift with an alarm, modulo 65536 |
//! | 18 | frames since the start, modulo 65536: another number, another result in registers 2 and 3 |
//! | 19 | what was written last; a rise from 0 begins a part |

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_modbus::server::tcp::Server;
use tokio_modbus::{ExceptionCode, Request, Response};

use super::health::Health;
use crate::config::Modbus;
use crate::guests::{Guests, Rules};
use crate::limited::Limited;
use crate::line::{Line, Snapshot, Status, Switch};

/// Registers of a line.
const EACH: usize = 20;

/// The register of a line that has the recipe.
const RECIPE: usize = 12;

/// The register of a line that a part begins by.
const BEGIN: usize = 19;

/// Most registers of an answer, by the standard.
const MOST: u16 = 125;

/// Who may be connected.
const RULES: Rules =
    Rules { most: 64, of_each: 8, unread: Duration::from_secs(30), silent: Some(Duration::from_secs(600)) };

/// Time until another try to serve.
const WAIT: Duration = Duration::from_secs(5);

/// Serves until the station ends.
pub(super) async fn run(
    config: Modbus,
    health: Arc<Health>,
    switches: Vec<Arc<Switch>>,
    mut stop: watch::Receiver<bool>,
) {
    let begun = switches.iter().map(|_| AtomicU16::new(0)).collect();
    let registers = Registers {
        author: format!("modbus {}", config.name).into(),
        switches: switches.into(),
        begun,
        started: Instant::now(),
        recipes: config.recipes,
        parts: config.parts,
        refusals: Limited::default(),
    };
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
    let guests = Guests::new(format!("output {}", config.name), RULES);
    let connected = |stream: TcpStream, from: SocketAddr| {
        let served = guests.take(stream, from).map(|guest| (registers.clone(), guest));
        async move { Ok(served) }
    };
    let failed = |error| tracing::debug!("modbus: {error}");
    Ok(server.serve(&connected, failed).await?)
}

/// The registers, as they are when they are asked for.
#[derive(Clone)]
struct Registers {
    switches: Arc<[Arc<Switch>]>,
    /// What was written last into the register of each line that a part begins by.
    begun: Arc<[AtomicU16]>,
    started: Instant,
    /// Who chooses a recipe.
    author: Arc<str>,
    /// Whether recipes can be chosen.
    recipes: bool,
    /// Whether parts can be begun.
    parts: bool,
    /// What was written and refused.
    refusals: Limited,
}

impl Registers {
    fn read(&self, address: u16, count: u16) -> Result<Vec<u16>, ExceptionCode> {
        let all: Vec<u16> = self
            .switches
            .iter()
            .zip(self.begun.iter())
            .flat_map(|(switch, begun)| {
                let line = switch.now();
                let begun = begun.load(Ordering::Relaxed);
                // One look: number and verdict of a part belong together.
                registers(&line.snapshot(u64::MAX), line.recipe_number(), begun, self.started.elapsed())
            })
            .collect();
        let (start, end) = (usize::from(address), usize::from(address) + usize::from(count));
        let asked = all.get(start..end).filter(|asked| !asked.is_empty() && count <= MOST);
        asked.map(<[u16]>::to_vec).ok_or(ExceptionCode::IllegalDataAddress)
    }

    /// Writes a register: chooses the recipe of a number on its line, or begins a part there.
    async fn write(&self, address: u16, value: u16) -> Result<(), ExceptionCode> {
        if !self.recipes && !self.parts {
            return Err(ExceptionCode::IllegalFunction);
        }
        let (line, register) = (usize::from(address) / EACH, usize::from(address) % EACH);
        let (Some(switch), Some(begun)) = (self.switches.get(line), self.begun.get(line)) else {
            return Err(ExceptionCode::IllegalDataAddress);
        };
        let done = match register {
            RECIPE if self.recipes => switch.choose_number(value, &self.author).await.map(drop),
            BEGIN if self.parts && switch.now().begins_parts_by_messages() => {
                begin(switch.now(), begun, value).await
            }
            _ => return Err(ExceptionCode::IllegalDataAddress),
        };
        done.map_err(|error| {
            self.refusals.warn(format!("{}: {}: {error:#}", switch.name(), self.author));
            ExceptionCode::IllegalDataValue
        })
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

/// Writes the register that a part begins by: a rise from 0 begins one. What could not begin is as if it was not
/// written.
async fn begin(line: &Arc<Line>, begun: &AtomicU16, value: u16) -> Result<()> {
    let before = begun.swap(value, Ordering::Relaxed);
    if before != 0 || value == 0 {
        return Ok(());
    }
    let done = line.ask(Line::begin_unnamed_part).await;
    if done.is_err() {
        begun.store(0, Ordering::Relaxed);
    }
    done
}

/// The number of a verdict.
fn number(verdict: &str) -> u16 {
    match verdict {
        "normal" => 1,
        "uncertain" => 2,
        "anomalous" => 3,
        _ => 0,
    }
}

/// The registers of a line. `begun` is what was written last into that which a part begins by.
fn registers(now: &Snapshot, recipe: u16, begun: u16, since: Duration) -> [u16; EACH] {
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
    let part = now.parts.as_ref().and_then(|parts| parts.last.as_ref());
    let mut all = [0; EACH];
    let first = [
        low(since.as_secs()),
        status,
        number(now.verdict),
        scaled(now.score),
        scaled(now.threshold),
        low(now.bank.unsigned_abs()),
    ];
    let counters = [now.shift.frames, now.shift.alarms, now.shift.uncertain].map(pair);
    let ended = pair(part.map_or(0, |part| part.number.unsigned_abs()));
    let last = [
        part.map_or(0, |part| number(&part.verdict)),
        part.map_or(0, |part| scaled(part.score)),
        low(now.shift.bad_parts),
        low(now.results),
        begun,
    ];
    let values = first.into_iter().chain(counters.into_iter().flatten()).chain([recipe]);
    let values = values.chain(ended).chain(last);
    all.iter_mut().zip(values).for_each(|(register, value)| *register = value);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::PartsNow;
    use crate::store::{Part, Shift};

    #[test]
    fn registers_tell_verdict_score_and_counters() {
        let mut now = crate::line::State::default().snapshot("cap", "", 0);
        (now.status, now.verdict, now.score, now.threshold, now.bank) =
            (Status::Running, "anomalous", 0.75, 0.5, 3);
        now.shift =
            Shift { frames: 0x1_0002, alarms: 7, uncertain: 1, bad_parts: 0x1_0005, ..Shift::default() };
        now.results = 0x2_0003;
        let all = registers(&now, 9, 4, Duration::from_secs(65_537));
        assert_eq!(all, [1, 2, 3, 7500, 5000, 3, 1, 2, 0, 7, 0, 1, 9, 0, 0, 0, 0, 5, 3, 4]);
    }

    #[test]
    fn registers_tell_the_part_that_ended_last_whatever_the_last_frame_is() {
        let mut now = crate::line::State::default().snapshot("cap", "", 0);
        now.verdict = "anomalous";
        let part = Part {
            number: 0x1_0002,
            part: None,
            lot: None,
            begun: 1,
            ended: Some(2),
            captured: None,
            frames: 3,
            first: Some(0),
            last: Some(2),
            first_run: None,
            last_run: None,
            frame: Some(1),
            frame_run: None,
            score: 0.25,
            verdict: "normal".into(),
            find: None,
        };
        let of = |last: Option<Part>| {
            let now = Snapshot { parts: Some(PartsNow { last, open: None }), ..now.clone() };
            let all = registers(&now, 0, 0, Duration::ZERO);
            (all[2], [all[13], all[14], all[15], all[16]])
        };
        assert_eq!(of(Some(part.clone())), (3, [1, 2, 1, 2500]));
        // No frame was judged: no score, and no verdict.
        assert_eq!(of(Some(Part { verdict: "unknown".into(), score: -1.0, ..part })), (3, [1, 2, 0, 0]));
        assert_eq!(of(None), (3, [0, 0, 0, 0]), "before the first");
    }
}
