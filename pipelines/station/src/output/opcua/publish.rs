//! Tells clients what happens: values of variables that have changed, and results that are new.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use opcua::nodes::Event;
use opcua::server::ServerHandle;
use opcua::types::{DataValue, DateTime, NodeId, ObjectId, Variant};

use super::event::Ready;
use super::manager::{Nodes, Shelf};
use super::names::{self, State};
use super::result::{self, Told, Versions};
use super::space;
use super::trust::Files;
use super::types::{self, Types};
use crate::config::{OpcUa, What};
use crate::line::{Snapshot, Status, Switch};
use crate::output::health::Health;

/// How often the queue and the lines are looked at.
const TICK: Duration = Duration::from_millis(200);

/// Results that are read at once.
const BATCH: u32 = 100;

/// Ticks between two looks at certificates, and at results that are to be forgotten.
const LOOK: u32 = 10;

/// What is published.
pub(super) struct Publisher {
    handle: ServerHandle,
    nodes: Arc<Nodes>,
    types: Arc<Types>,
    shelf: Shelf,
    switches: Vec<Arc<Switch>>,
    health: Arc<Health>,
    files: Files,
    keep: u32,
    /// Number of the last result that was told of.
    last: i64,
    started: Instant,
    /// The values as they were told, by the paths of their nodes.
    told: HashMap<String, Variant>,
    ticks: u32,
    /// Files among the certificates that are none.
    others: usize,
}

impl Publisher {
    /// Before the first client comes: the last result of each line is there.
    pub(super) async fn begin(
        config: &OpcUa,
        handle: ServerHandle,
        files: Files,
        switches: Vec<Arc<Switch>>,
        health: Arc<Health>,
    ) -> Result<Self> {
        let nodes = handle.node_managers().get_of_type::<Nodes>().context("the library has no nodes")?;
        let (types, shelf) = (Arc::clone(&nodes.inner().types), nodes.inner().shelf.clone());
        handle.info().add_type_loader(types.loader());
        let mut publisher = Self {
            handle,
            nodes,
            types,
            shelf,
            switches,
            health,
            files,
            keep: config.keep,
            last: 0,
            started: Instant::now(),
            told: HashMap::new(),
            ticks: 0,
            others: 0,
        };
        publisher.look().await?;
        let kind = match config.send {
            What::Finds => "find",
            What::Frames => "frame",
            What::Parts => "part",
        };
        let topics: Vec<String> = publisher.shelf.lines.iter().map(|line| format!("{line}/{kind}")).collect();
        let (last, latest) = publisher
            .ask(move |shelf| {
                let last = |topic: &String| shelf.store.last_message(&shelf.output, topic);
                let latest = topics.iter().map(last).collect::<Result<Vec<_>>>()?;
                Ok((shelf.store.last_number(&shelf.output)?, latest))
            })
            .await?;
        for (id, message) in latest.into_iter().flatten() {
            publisher.show(&[Told::read(id, &message)?]).await?;
        }
        publisher.last = last;
        publisher.health.offer(publisher.last);
        publisher.tell_lines()?;
        Ok(publisher)
    }

    /// Publishes until something fails, and returns what did.
    pub(super) async fn run(&mut self) -> anyhow::Error {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if let Err(error) = self.step().await {
                return error;
            }
        }
    }

    async fn step(&mut self) -> Result<()> {
        self.ticks = self.ticks.wrapping_add(1);
        let after = self.last;
        let found = self.ask(move |shelf| shelf.store.waiting_after(&shelf.output, after, BATCH)).await?;
        let mut results = Vec::new();
        for (id, message) in found {
            self.last = id;
            match Told::read(id, &message) {
                // Of a line that the configuration has no more it is kept, and no more.
                Ok(told) if !self.shelf.lines.contains(&told.line) => {}
                Ok(told) => results.push(told),
                Err(error) => tracing::warn!("output {}: message {id}: {error:#}", self.shelf.output),
            }
        }
        let ready = self.show(&results).await?;
        let server = NodeId::from(ObjectId::Server);
        // Each is an event of its line, and of the server.
        for (event, told) in ready.iter().zip(&results) {
            let line = self.types.spaces.own_node(&told.line);
            let of = [(event as &dyn Event, &line), (event as &dyn Event, &server)];
            self.handle.subscriptions().notify_events(of.into_iter());
        }
        self.health.offer(self.last);
        self.tell_lines()?;
        if self.ticks.is_multiple_of(LOOK) {
            self.look().await?;
        }
        Ok(())
    }

    /// Makes results the last of their lines. Returns the events that tell of them.
    async fn show(&mut self, results: &[Told]) -> Result<Vec<Ready>> {
        let (mut ready, mut known) = (Vec::new(), HashMap::<String, Versions>::new());
        for told in results {
            if !known.contains_key(&told.line) {
                known.insert(told.line.clone(), self.versions(&told.line).await?);
            }
            let Some(versions) = known.get(&told.line) else { continue };
            let fields = told.fields(&self.types, versions)?;
            let latest = format!("{}/ResultManagement/Results/Latest", told.line);
            let mut values = vec![(latest.clone(), self.types.value(names::RESULT, &fields)?)];
            for (name, ..) in types::RESULT {
                let value = fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone());
                values.push((format!("{latest}/{name}"), value.unwrap_or_default()));
            }
            values.extend(told.own().into_iter().map(|(name, value)| (format!("{latest}/{name}"), value)));
            self.tell(values, result::time(told.at))?;
            let switch = self.switches.iter().find(|switch| switch.name() == told.line);
            let title = switch.map_or(told.line.as_str(), |switch| switch.title());
            ready.push(Ready::new(self.types.spaces, told, title, fields));
        }
        Ok(ready)
    }

    /// Versions of the banks of a line, of all its recipes.
    async fn versions(&self, line: &str) -> Result<Versions> {
        let switch = self.switches.iter().find(|switch| switch.name() == line);
        let products = switch.map_or(&[][..], |switch| switch.lines());
        let names: Vec<String> = products.iter().map(|line| line.name().to_owned()).collect();
        self.ask(move |shelf| {
            let mut all = Versions::new();
            for name in &names {
                all.extend(shelf.versions(name)?);
            }
            Ok(all)
        })
        .await
    }

    /// States, banks and counters.
    fn tell_lines(&mut self) -> Result<()> {
        let seconds = u32::try_from(self.started.elapsed().as_secs()).unwrap_or(u32::MAX);
        let mut values = vec![("Station/Heartbeat".to_owned(), Variant::from(seconds))];
        for switch in &self.switches {
            let line = switch.now();
            let now = Snapshot { line: line.at().to_owned(), ..line.snapshot(u64::MAX) };
            let bank = line.state().learned.digest.clone();
            let versions = [(bank.clone(), now.bank)].into();
            let bank = Some(bank.as_str()).filter(|bank| !bank.is_empty());
            let in_use = result::recipe(&self.types, line.recipe().unwrap_or(line.at()), bank, &versions)?;
            values.extend(of_line(&self.types, &now, in_use));
        }
        self.tell(values, DateTime::now())
    }

    /// Sets those values that have changed.
    fn tell(&mut self, values: Vec<(String, Variant)>, at: DateTime) -> Result<()> {
        let is_new = |(path, value): &(String, Variant)| self.told.get(path) != Some(value);
        let values: Vec<(String, Variant)> = values.into_iter().filter(is_new).collect();
        let nodes: Vec<NodeId> = values.iter().map(|(path, _)| self.types.spaces.own_node(path)).collect();
        let set = nodes.iter().zip(&values).map(|(node, (_, value))| {
            let mut value = DataValue::new_now(value.clone());
            value.source_timestamp = Some(at);
            (node, None, value)
        });
        self.nodes
            .set_values(self.handle.subscriptions(), set)
            .map_err(|status| anyhow!("cannot set a variable: {status}"))?;
        self.told.extend(values);
        Ok(())
    }

    /// Looks at the certificates, and forgets results beyond those that are kept.
    async fn look(&mut self) -> Result<()> {
        let (files, keep) = (self.files.clone(), self.keep);
        let others = self
            .ask(move |shelf| {
                shelf.store.forget_messages(&shelf.output, keep)?;
                files.trust()
            })
            .await?;
        if others.len() > self.others
            && let Some(file) = others.first()
        {
            let (output, file) = (&self.shelf.output, file.display());
            tracing::warn!("output {output}: expected certificates of clients in DER or PEM, found {file}");
        }
        self.others = others.len();
        Ok(())
    }

    /// Asks store and disk, away from the threads that serve.
    async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Shelf) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let shelf = self.shelf.clone();
        tokio::task::spawn_blocking(move || ask(&shelf)).await.context("a task of the station failed")?
    }
}

/// The states of both state machines. A line runs by itself: it is never ready without running, and runs no single job.
fn states(status: Status) -> (State, Option<State>) {
    match status {
        Status::Preparing => (names::PREOPERATIONAL, None),
        Status::Starting => (names::OPERATIONAL, Some(names::INITIALIZED)),
        Status::Running => (names::OPERATIONAL, Some(names::CONTINUOUS_EXECUTION)),
        Status::Waiting => (names::ERROR, None),
        Status::Stopped => (names::HALTED, None),
    }
}

/// The values of a line but for its results.
fn of_line(types: &Types, now: &Snapshot, in_use: Variant) -> Vec<(String, Variant)> {
    let line = &now.line;
    let machine = format!("{line}/VisionStateMachine");
    let (vision, automatic) = states(now.status);
    let mut values = vec![
        (format!("{line}/Detail"), Variant::from(now.detail.as_str())),
        (format!("{line}/RecipeManagement/InUse"), in_use),
        (format!("{line}/RecipeManagement/BankVersion"), now.bank.into()),
        (format!("{line}/Counters/Since"), result::time(now.shift.since).into()),
    ];
    values.extend(space::state(types.spaces, &machine, Some(vision)));
    values.extend(space::state(types.spaces, &format!("{machine}/AutomaticModeStateMachine"), automatic));
    let counters = [
        ("Frames", now.shift.frames),
        ("Alarms", now.shift.alarms),
        ("Uncertain", now.shift.uncertain),
        ("Parts", now.shift.parts),
        ("BadParts", now.shift.bad_parts),
    ];
    values.extend(counters.map(|(name, count)| (format!("{line}/Counters/{name}"), count.into())));
    let part = now.parts.as_ref().and_then(|parts| parts.last.as_ref());
    let part: [(&str, Variant); 5] = [
        ("Number", part.map(|part| part.number).into()),
        ("Part", part.and_then(|part| part.part.as_deref()).into()),
        ("Lot", part.and_then(|part| part.lot.as_deref()).into()),
        ("Verdict", part.map(|part| part.verdict.as_str()).into()),
        ("Score", part.map(|part| part.score).filter(|score| *score >= 0.0).into()),
    ];
    values.extend(part.map(|(name, value)| (format!("{line}/LastPart/{name}"), value)));
    values
}

#[cfg(test)]
mod tests {
    use super::super::names::Spaces;
    use super::*;
    use crate::line::PartsNow;
    use crate::store::{Part, Shift};

    #[test]
    fn a_line_is_in_a_state_of_the_standard_with_its_bank_and_its_counters() {
        let types = Types::new(Spaces { vision: 2, own: 3 });
        let mut now = crate::line::State::default().snapshot("cap", "", 0);
        (now.status, now.bank, now.detail) = (Status::Running, 3, "all is well".into());
        now.shift = Shift { frames: 9, alarms: 2, ..Shift::default() };
        let values = of_line(&types, &now, Variant::Empty);
        let of = |path: &str| {
            values.iter().find(|(found, _)| found == path).map(|(_, value)| value.clone()).unwrap()
        };
        assert_eq!(
            of("cap/VisionStateMachine/CurrentState/Id"),
            types.spaces.node(names::OPERATIONAL.1).into()
        );
        let automatic = of("cap/VisionStateMachine/AutomaticModeStateMachine/CurrentState/Id");
        assert_eq!(automatic, types.spaces.node(names::CONTINUOUS_EXECUTION.1).into());
        assert_eq!(of("cap/RecipeManagement/BankVersion"), 3_i64.into());
        assert_eq!((of("cap/Counters/Frames"), of("cap/Counters/Alarms")), (9_u64.into(), 2_u64.into()));
        assert_eq!(of("cap/Detail"), "all is well".into());
        assert_eq!(of("cap/LastPart/Verdict"), Option::<&str>::None.into(), "no part has ended");
        let last = Part {
            number: 7,
            part: Some("A1".into()),
            lot: None,
            begun: 1,
            ended: Some(2),
            captured: None,
            frames: 0,
            first: None,
            last: None,
            first_run: None,
            last_run: None,
            frame: None,
            frame_run: None,
            score: -1.0,
            verdict: "unknown".into(),
            find: None,
        };
        now.parts = Some(PartsNow { last: Some(last), open: None });
        let values = of_line(&types, &now, Variant::Empty);
        let of = |path: &str| {
            values.iter().find(|(found, _)| found == path).map(|(_, value)| value.clone()).unwrap()
        };
        assert_eq!((of("cap/LastPart/Number"), of("cap/LastPart/Verdict")), (7_i64.into(), "unknown".into()));
        assert_eq!(
            (of("cap/LastPart/Part"), of("cap/LastPart/Score")),
            ("A1".into(), Option::<f64>::None.into())
        );
        for (status, state) in [
            (Status::Preparing, names::PREOPERATIONAL),
            (Status::Waiting, names::ERROR),
            (Status::Stopped, names::HALTED),
        ] {
            assert_eq!(states(status), (state, None), "{status:?}");
        }
    }
}
