//! A station and a real server. Nothing but this machine is spoken to.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command as Process, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream::object_store::ObjectMetadata;
use async_nats::jetstream::stream;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use snarm_core::files::hex;
use tokio::sync::watch;

use super::commands::{Command, Task};
use super::keys::{Key, Purpose, Signed, Trust};
use super::link::Link;
use super::places::{self, DESIRED, OBJECTS, RESULTS, Stream};
use super::shared::{Refused, Station};
use super::{Kind, Person, Simulation, desired, objects, results, simulate};
use crate::clock;
use crate::config::Hub;
use crate::output::Health;
use crate::skip::skip;
use crate::store::{Store, Taken, Waiting};

mod tls;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that keeps its streams in the folder, ended with the test.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(dir: &Path, port: u16) -> Option<Self> {
        let folder = dir.display().to_string();
        let words = ["-js", "-a", "127.0.0.1", "-p", &port.to_string(), "-sd", &folder];
        Self::run(&words, Path::new("."), port)
    }

    /// With these words, in a folder.
    fn run(words: &[&str], folder: &Path, port: u16) -> Option<Self> {
        let child = ["nats-server", "/usr/sbin/nats-server"].into_iter().find_map(|program| {
            let mut command = Process::new(program);
            command.args(words).current_dir(folder);
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
        });
        if child.is_none() {
            skip("nats-server", "no nats-server on this machine");
        }
        Some(Self { child: child?, port })
    }

    /// On a port that nobody uses at this moment.
    fn on_free_port(dir: &Path) -> Option<Self> {
        Self::start(dir, free_port())
    }

    fn hub(&self, name: &str, trust: &[(&str, &str)]) -> Hub {
        let trust: Vec<String> = trust.iter().map(|(name, key)| format!("{name} = '{key}'")).collect();
        let text = format!(
            "[hub]\nurl = ['nats://127.0.0.1:{}']\nname = '{name}'\ntrust = {{ {} }}\n",
            self.port,
            trust.join(", ")
        );
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("hub.toml"), text).unwrap();
        Hub::read(&dir.path().join("hub.toml")).unwrap()
    }

    /// Ends it as a power cut does.
    fn kill(mut self) -> u16 {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.port
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing where it was killed already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody uses at this moment.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap().port()
}

/// A station without lines that runs until it is dropped.
struct Running {
    store: Arc<Store>,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    fn start(hub: Hub, folder: &Path) -> Self {
        let store = Arc::new(open(folder));
        let (stop, stopped) = watch::channel(false);
        let (trust, health) = (Trust::new(&hub.trust).unwrap(), Arc::new(Health::of_hub()));
        let run =
            super::run(hub, trust, health, Arc::clone(&store), Vec::new(), "1", Arc::default(), stopped);
        Self { store, stop, task: tokio::spawn(run) }
    }

    fn tell(&self, count: usize) {
        for number in 0..count {
            let (topic, payload) = ("cap/find".to_owned(), json!({ "number": number }).to_string());
            self.store.tell(&Waiting { output: Hub::OUTPUT.to_owned(), topic, payload }).unwrap();
        }
    }

    async fn all_sent(&self) {
        until("all is sent", async || self.store.waiting_count(Hub::OUTPUT, 0).unwrap() == 0).await;
    }

    async fn end(self) {
        self.stop.send_replace(true);
        self.task.await.unwrap();
    }
}

/// A store, once nothing of the station that had it is at work any more.
fn open(folder: &Path) -> Store {
    let began = Instant::now();
    loop {
        match Store::open(folder) {
            Ok(store) => return store,
            Err(error) => assert!(began.elapsed() < PATIENCE, "{error:#}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "expected that {what}, waited {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A link to a hub that is made, with results that are known again for that long.
async fn made(hub: &Hub, duplicates: Duration) -> Link {
    let link = Link::dial(hub).await.unwrap();
    link.soon().await.unwrap();
    let day = Duration::from_secs(86_400);
    places::make(&link.jetstream, 1, day, day).await.unwrap();
    let mut config = link.jetstream.get_stream(RESULTS).await.unwrap().cached_info().config.clone();
    config.duplicate_window = duplicates;
    link.jetstream.update_stream(config).await.unwrap();
    link
}

/// The results of the hub, in their order.
async fn stored(link: &Link) -> Vec<Value> {
    let stream: stream::Stream = link.jetstream.get_stream(RESULTS).await.unwrap();
    let mut all = Vec::new();
    let state = stream.cached_info().state.clone();
    for sequence in state.first_sequence..=state.last_sequence {
        let message = stream.get_raw_message(sequence).await.unwrap();
        all.push(serde_json::from_slice(&message.payload).unwrap());
    }
    all
}

fn ids(messages: &[Value]) -> Vec<i64> {
    messages.iter().map(|message| message["id"].as_i64().unwrap()).collect()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn a_hub_that_is_killed_while_results_flow_has_each_once_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = Server::on_free_port(&dir.path().join("js")) else { return };
    runtime().block_on(async {
        let hub = server.hub("north", &[]);
        let link = made(&hub, Duration::from_secs(120)).await;
        let station = Running::start(hub, &dir.path().join("data"));
        station.tell(2000);
        let waiting = async || station.store.waiting_count(Hub::OUTPUT, 0).unwrap();
        until("some are sent", async || waiting().await < 1800).await;
        let port = server.kill();
        let left = waiting().await;
        assert!(left > 0, "it was killed while results flowed");
        station.tell(100);
        let _server = Server::start(&dir.path().join("js"), port).unwrap();
        station.all_sent().await;
        link.up().await;
        let stored = stored(&link).await;
        assert_eq!(ids(&stored), (1..=2100).collect::<Vec<_>>());
        assert!(stored.iter().all(|message| message["station"] == "north"));
        station.end().await;
    });
}

#[test]
fn a_message_that_the_hub_never_takes_is_set_aside_and_the_next_ones_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = Server::on_free_port(&dir.path().join("js")) else { return };
    runtime().block_on(async {
        let hub = server.hub("north", &[]);
        let link = made(&hub, Duration::from_secs(120)).await;
        let data = dir.path().join("data");
        {
            let store = open(&data);
            for text in ["small".to_owned(), "x".repeat(2 << 20), "small".to_owned()] {
                let (topic, payload) = ("cap/find".to_owned(), json!({ "text": text }).to_string());
                store.tell(&Waiting { output: Hub::OUTPUT.to_owned(), topic, payload }).unwrap();
            }
        }
        let station = Running::start(hub, &data);
        station.all_sent().await;
        assert_eq!(ids(&stored(&link).await), [1, 3]);
        let kept = station.store.all_set_aside(Hub::OUTPUT).unwrap();
        assert_eq!((kept.len(), kept[0].id), (1, 2));
        assert!(kept[0].reason.contains("expected no more than the hub takes"), "{}", kept[0].reason);
        station.end().await;
    });
}

#[test]
fn what_was_stored_is_not_stored_again_long_after_the_hub_has_forgotten_its_number() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = Server::on_free_port(&dir.path().join("js")) else { return };
    runtime().block_on(async {
        let hub = server.hub("north", &[]);
        let forgets = Duration::from_millis(100);
        let link = made(&hub, forgets).await;
        let data = dir.path().join("data");
        // The store as it is when the power fails before it has taken down what was acknowledged.
        {
            let store = open(&data);
            store.store_name().unwrap();
            for number in 0..50 {
                let (topic, payload) = ("cap/find".to_owned(), json!({ "number": number }).to_string());
                store.tell(&Waiting { output: Hub::OUTPUT.to_owned(), topic, payload }).unwrap();
            }
        }
        let before = std::fs::read(data.join("station.sqlite")).unwrap();
        let station = Running::start(hub.clone(), &data);
        station.all_sent().await;
        station.end().await;
        drop(open(&data));
        std::fs::write(data.join("station.sqlite"), before).unwrap();
        for left in ["station.sqlite-wal", "station.sqlite-shm"] {
            let _ = std::fs::remove_file(data.join(left));
        }
        tokio::time::sleep(3 * forgets).await;
        let station = Running::start(hub.clone(), &data);
        assert_eq!(station.store.waiting_count(Hub::OUTPUT, 0).unwrap(), 50, "they wait again");
        station.tell(1);
        station.all_sent().await;
        station.end().await;
        assert_eq!(ids(&stored(&link).await), (1..=51).collect::<Vec<_>>());
        // Another store of the same name begins with the same numbers, and is no less heard.
        let station = Running::start(hub, &dir.path().join("other"));
        station.tell(3);
        station.all_sent().await;
        station.end().await;
        assert_eq!(ids(&stored(&link).await)[50..], [51, 1, 2, 3]);
    });
}

#[test]
fn a_command_is_carried_out_once_and_others_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = Server::on_free_port(&dir.path().join("js")) else { return };
    let file = |name: &str| dir.path().join(name);
    let ann = Key::make(&file("ann.key")).unwrap();
    Key::make(&file("eve.key")).unwrap();
    let (ann_key, eve_key) = (Key::read(&file("ann.key")).unwrap(), Key::read(&file("eve.key")).unwrap());
    runtime().block_on(async {
        let hub = server.hub("north", &[("ann", &ann)]);
        let link = made(&hub, Duration::from_secs(120)).await;
        let station = Running::start(hub.clone(), &dir.path().join("data"));
        let command = |id: &str, seconds: i64| Command {
            id: id.to_owned(),
            author: "ann".to_owned(),
            station: "north".to_owned(),
            deadline: clock::now() + 1000 * seconds,
            task: Task::Test,
        };
        let ask = async |signed: &Signed| -> String {
            let payload = serde_json::to_string(signed).unwrap();
            let answer = link.client.request(places::commands("north"), payload.into()).await.unwrap();
            String::from_utf8(answer.payload.to_vec()).unwrap()
        };
        let signed = |command: &Command| ann_key.sign(Purpose::Command, command).unwrap();
        let first = signed(&command("a", 60));
        until("it listens", async || link.client.request(places::commands("north"), "".into()).await.is_ok())
            .await;
        let answer = ask(&first).await;
        assert!(answer.contains("\"ok\":true") && answer.contains("\"version\":\"1\""), "{answer}");
        // The answer has the time at which it was carried out.
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(ask(&first).await, answer, "a replay gets the first answer");
        let soon = signed(&command("b", 1));
        let answer = ask(&soon).await;
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert_eq!(ask(&soon).await, answer, "also after its deadline");
        assert_eq!(ask(&signed(&command("b", 60))).await, answer, "and with another one");
        let other = |change: fn(&mut Command)| {
            let mut command = command("c", 60);
            change(&mut command);
            signed(&command)
        };
        let expired = other(|command| command.deadline = clock::now() - 1);
        let eve = eve_key.sign(Purpose::Command, &command("c", 60)).unwrap();
        let unknown = json!({
            "id": "c", "author": "ann", "station": "north", "deadline": clock::now() + 60_000, "do": "format",
        });
        let unknown = ann_key.sign(Purpose::Command, &unknown).unwrap();
        let wish = ann_key.sign(Purpose::Desired, &command("c", 60)).unwrap();
        let changed = first.statement.replace("\"test\"", "\"end-shadow\",\"line\":\"cap\"");
        assert_ne!(changed, first.statement);
        let changed = Signed { statement: changed, ..first.clone() };
        let unsigned = Signed { signature: String::new(), ..first.clone() };
        for (signed, words) in [
            (expired.clone(), "deadline: expected one to come"),
            (expired, "deadline: expected one to come"),
            (
                other(|command| {
                    command.id = "a".to_owned();
                    command.task = Task::EndShadow { line: "cap".to_owned() };
                }),
                "which another command has",
            ),
            (other(|command| command.station = "south".to_owned()), "expected a command for north"),
            (other(|command| command.deadline += 1000 * 60 * 60 * 25), "within 24 h"),
            (other(|command| command.author = "eve".to_owned()), "\\\"eve\\\""),
            (
                other(|command| command.task = Task::EndShadow { line: "cap".to_owned() }),
                "a line of this station",
            ),
            (
                other(|command| {
                    command.id = "d".to_owned();
                    command.task = Task::Recipe { line: "cap".to_owned(), recipe: "red".to_owned() };
                }),
                "a line of this station",
            ),
            (
                other(|command| {
                    command.id = "e".to_owned();
                    command.task = Task::LearnAnew {
                        line: "cap".to_owned(),
                        reason: "a new lamp".to_owned(),
                        max_frames: 0,
                        seconds: 0,
                        interval: 1,
                        leave_out_odd_frames: false,
                    };
                }),
                "expected max_frames or seconds",
            ),
            (other(|command| command.id.clear()), "1 to 64 characters, found 0"),
            (other(|command| command.id = "x".repeat(65)), "1 to 64 characters, found 65"),
            (unknown, "expected a statement that is known"),
            (eve, "expected the signature of ann"),
            (wish, "expected the signature of ann"),
            (changed, "expected the signature of ann"),
            (unsigned, "expected the signature of ann"),
        ] {
            let answer = ask(&signed).await;
            assert!(
                answer.contains("\"ok\":false") && answer.contains(words),
                "expected {words:?} in {answer}"
            );
        }
        let audit = station.store.audit(9).unwrap();
        assert!(audit.iter().any(|entry| entry.what == "refuse" && entry.who == "hub"), "{audit:?}");
        station.end().await;
    });
}

/// A station whose line `belt` does not run, and who gives it orders: Ann, whom it trusts, and Eve.
fn with_a_line(server: &Server, dir: &Path) -> (Station, Key, Key) {
    let file = |name: &str| dir.join(name);
    let ann = Key::make(&file("ann.key")).unwrap();
    Key::make(&file("eve.key")).unwrap();
    let config = server.hub("north", &[("ann", &ann)]);
    let (trust, store) = (Trust::new(&config.trust).unwrap(), Arc::new(open(&dir.join("data"))));
    let switches = vec![Arc::new(simulate::line(&store).unwrap())];
    let station = Station { config, trust, store, switches, version: "1" };
    (station, Key::read(&file("ann.key")).unwrap(), Key::read(&file("eve.key")).unwrap())
}

#[test]
fn a_bank_that_is_not_what_a_trusted_author_signed_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = Server::on_free_port(&dir.path().join("js")) else { return };
    let (station, ann, eve) = with_a_line(&server, dir.path());
    runtime().block_on(async {
        let link = made(&station.config, Duration::from_secs(120)).await;
        let bucket = places::objects(&link.jetstream, OBJECTS).await.unwrap();
        let line = station.line("belt").unwrap();
        // What is put under the SHA-256 of `signed`, and what the station says to it.
        let used = async |signed: &str, sent: &str, said: Option<Signed>| -> anyhow::Error {
            let name = hex(&Sha256::digest(signed));
            let mut meta = ObjectMetadata { name: name.clone(), ..ObjectMetadata::default() };
            if let Some(said) = said {
                meta.metadata.insert("statement".to_owned(), said.statement);
                meta.metadata.insert("signature".to_owned(), said.signature);
            }
            bucket.put(meta, &mut sent.as_bytes()).await.unwrap();
            objects::version(&link, &station, line, &name, "a test").await.unwrap_err()
        };
        let statement = |author: &str, kind: &str, of: &str| {
            json!({
                "author": author, "kind": kind, "sha256": hex(&Sha256::digest(of)), "size": of.len(),
                "bank": "b", "at": 1,
            })
        };
        let by_ann =
            |kind: &str, of: &str| Some(ann.sign(Purpose::Object, &statement("ann", kind, of)).unwrap());
        let by_eve =
            |author: &str, of: &str| Some(eve.sign(Purpose::Object, &statement(author, "bank", of)).unwrap());
        let wish = Some(ann.sign(Purpose::Desired, &statement("ann", "bank", "g")).unwrap());
        let unsigned = by_ann("bank", "h").map(|signed| Signed { signature: String::new(), ..signed });
        let shorter = by_ann("bank", "ii").map(|signed| Signed {
            statement: signed.statement.replace("\"size\":2", "\"size\":1"),
            ..signed
        });
        for (signed, sent, said, words) in [
            ("a", "a", None, "expected an object that is signed"),
            ("h", "h", unsigned, "without a signature"),
            ("b", "b", by_eve("ann", "b"), "expected the signature of ann"),
            ("c", "c", by_eve("eve", "c"), "the author \"eve\""),
            ("g", "g", wish, "expected the signature of ann"),
            ("ii", "ii", shorter, "expected the signature of ann"),
            ("d", "d", by_ann("bank", "other"), "expected the signature of the bank"),
            ("e", "e", by_ann("decoder", "e"), "found one of the decoder"),
            // The bytes are others, fewer or more than those that were signed.
            ("good", "evil", by_ann("bank", "good"), "expected 4 bytes of SHA-256"),
            ("whole", "who", by_ann("bank", "whole"), "found 3 of"),
            ("short", "short and more", by_ann("bank", "short"), "expected 5 bytes of SHA-256"),
            // They are what was signed, and no bank.
            ("f", "f", by_ann("bank", "f"), ""),
        ] {
            let error = used(signed, sent, said).await;
            let text = format!("{error:#}");
            assert!(error.is::<Refused>() && text.contains(words), "expected {words:?} in {text}");
        }
        assert!(station.store.banks("belt").unwrap().is_empty());
        // What is not there yet may come.
        let missing = objects::version(&link, &station, line, &"0".repeat(64), "a test").await.unwrap_err();
        assert!(!missing.is::<Refused>() && missing.to_string().contains("found none yet"), "{missing:#}");
    });
}

#[test]
fn a_decoder_or_recipe_that_is_not_what_a_trusted_author_signed_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = Server::on_free_port(&dir.path().join("js")) else { return };
    let (station, ann, eve) = with_a_line(&server, dir.path());
    runtime().block_on(async {
        let link = made(&station.config, Duration::from_secs(120)).await;
        let bucket = places::objects(&link.jetstream, OBJECTS).await.unwrap();
        let line = station.line("belt").unwrap();
        let kept = async |wanted: Kind, key: &Key, kind: &str, signed: &str, sent: &str| {
            let name = hex(&Sha256::digest(signed));
            let statement = json!({
                "author": "ann", "kind": kind, "sha256": name, "size": signed.len(), "at": 1,
            });
            let said = key.sign(Purpose::Object, &statement).unwrap();
            let mut meta = ObjectMetadata { name: name.clone(), ..ObjectMetadata::default() };
            meta.metadata.insert("statement".to_owned(), said.statement);
            meta.metadata.insert("signature".to_owned(), said.signature);
            bucket.put(meta, &mut sent.as_bytes()).await.unwrap();
            let kept = objects::keep(&link, &station, line, wanted, &name).await;
            kept.map(|()| station.store.object_file(&name))
        };
        let good = "[detect]\nroi = '0,0,0.5,1'\n";
        let file = kept(Kind::Recipe, &ann, "recipe", good, good).await.unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), good);
        let (camera, words) = ("[detect]\nmodel-location = '/etc/passwd'\n", "found model-location");
        for (wanted, key, kind, signed, sent, words) in [
            (Kind::Recipe, &eve, "recipe", "[detect]", "[detect]", "expected the signature of ann"),
            (Kind::Recipe, &ann, "decoder", "a", "a", "found one of the decoder"),
            (Kind::Decoder, &ann, "recipe", "b", "b", "found one of the recipe"),
            (Kind::Recipe, &ann, "recipe", "[detect]\nroi='1'", "[detect]\nroi='2'", "bytes of SHA-256"),
            (Kind::Decoder, &ann, "decoder", "whole", "who", "found 3 of"),
            // They are what was signed, and no decoder; a recipe names no file of the machine.
            (Kind::Decoder, &ann, "decoder", "c", "c", ""),
            (Kind::Recipe, &ann, "recipe", camera, camera, words),
        ] {
            let error = kept(wanted, key, kind, signed, sent).await.unwrap_err();
            let text = format!("{error:#}");
            assert!(error.is::<Refused>() && text.contains(words), "expected {words:?} in {text}");
        }
        let names = std::fs::read_dir(file.parent().unwrap()).unwrap().count();
        assert_eq!(names, 1, "what was refused is not kept");
    });
}

#[test]
fn a_wish_that_nobody_trusted_signed_for_the_line_is_refused_and_so_is_an_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = Server::on_free_port(&dir.path().join("js")) else { return };
    let (station, ann, eve) = with_a_line(&server, dir.path());
    // What was wished for before.
    let before = Taken { at: 1000, object: "aa".to_owned(), version: Some(1), ..Taken::default() };
    station.store.take_desired("belt", &before, "ann@hub").unwrap();
    runtime().block_on(async {
        let link = made(&station.config, Duration::from_secs(120)).await;
        let bucket = places::values(&link.jetstream, DESIRED).await.unwrap();
        let wish = |author: &str, line: &str, at: i64| {
            json!({
                "author": author, "station": "north", "line": line, "object": "bb", "reason": "a test", "at": at,
            })
        };
        let by = |key: &Key, purpose, wish: Value| {
            serde_json::to_string(&key.sign(purpose, &wish).unwrap()).unwrap()
        };
        let unsigned = json!({ "statement": wish("ann", "belt", 2000).to_string(), "signature": "" });
        let mut south = wish("ann", "belt", 2000);
        south["station"] = json!("south");
        let (mut late, mut nothing) = (wish("ann", "belt", 2000), wish("ann", "belt", 2000));
        late["deadline"] = json!(1);
        nothing["object"] = Value::Null;
        let wishes = [
            ("release it".to_owned(), "expected a statement with a signature"),
            (unsigned.to_string(), "expected the signature of ann"),
            (by(&eve, Purpose::Desired, wish("ann", "belt", 2000)), "expected the signature of ann"),
            (by(&eve, Purpose::Desired, wish("eve", "belt", 2000)), "the author \"eve\""),
            (by(&ann, Purpose::Command, wish("ann", "belt", 2000)), "expected the signature of ann"),
            (by(&ann, Purpose::Desired, wish("ann", "lid", 2000)), "found that for north.lid"),
            (by(&ann, Purpose::Desired, south), "found that for south.belt"),
            (by(&ann, Purpose::Desired, wish("ann", "belt", 1000)), "found one of the time 1000"),
            (by(&ann, Purpose::Desired, late), "deadline: expected one to come, found 1 at"),
            (by(&ann, Purpose::Desired, nothing), "expected a bank, a decoder, a recipe or limits"),
        ];
        let all_refused = async {
            for (value, words) in wishes {
                let revision = bucket.put("north.belt", value.into()).await.unwrap() as i64;
                let taken = || station.store.taken_desired("belt").unwrap().unwrap();
                until("it is taken down", async || taken().revision == revision).await;
                let text = taken().refusal.unwrap();
                assert!(text.contains(words), "expected {words:?} in {text}");
            }
        };
        tokio::select! {
            ended = desired::run(&link, &station) => panic!("{ended:?}"),
            () = all_refused => {}
        }
    });
    let audit = station.store.audit(99).unwrap();
    assert_eq!(audit.iter().filter(|entry| entry.what == "refuse").count(), 10, "{audit:?}");
}

#[test]
fn what_is_not_an_answer_of_a_hub_is_an_error_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = Server::on_free_port(&dir.path().join("js")) else { return };
    let text = format!("[hub]\nurl = ['nats://127.0.0.1:{}']\nname = 'ann'\n", server.port);
    std::fs::write(dir.path().join("hub.toml"), text).unwrap();
    let person = Person::new(&dir.path().join("hub.toml"), None).unwrap();
    let error = format!("{:#}", person.states().unwrap_err());
    assert!(error.contains("SNARM_ACTUAL") && error.contains("snarm hub init"), "{error}");
    person.init(1, 1, 1).unwrap();
    person.init(1, 2, 2).unwrap();
    assert!(person.states().unwrap().is_empty());
    let mut out = Vec::new();
    person.read(true, Some("north"), &mut out).unwrap();
    assert!(out.is_empty());
    let error = format!("{:#}", person.put(Kind::Bank, &dir.path().join("x.bank")).unwrap_err());
    assert!(error.contains("expected --key"), "{error}");
}

#[test]
fn publishers_alone_store_each_result_once_and_say_when_it_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = Server::on_free_port(&dir.path().join("js")) else { return };
    let hub = server.hub("measure", &[]);
    runtime().block_on(made(&hub, Duration::from_secs(120)));
    let simulation =
        Simulation { stations: 3, rate: 20.0, time: Duration::from_millis(300), backlog: 5, bare: true };
    for _ in 0..2 {
        let measured = simulate::run(&hub, &simulation, dir.path()).unwrap();
        // 5 at the start, and one each 50 ms.
        assert_eq!((measured.stations, measured.made, measured.stored), (3, 3 * (5 + 6), 3 * (5 + 6)));
        let (half, most) = (measured.acknowledged_half_ms.unwrap(), measured.acknowledged_99_ms.unwrap());
        assert!(half > 0.0 && most >= half && measured.backlog_rate > 0.0, "{measured:?}");
    }
    assert!(!dir.path().join("sim-0000").exists(), "they keep nothing");
}

#[test]
fn numbers_of_messages_tell_stations_and_stores_apart() {
    let sender = results::Sender { station: "north".into(), store: "ab".into() };
    assert_eq!((sender.number(7).as_str(), sender.id("north.ab.7")), ("north.ab.7", 7));
    assert_eq!((sender.id("north.cd.7"), sender.id("south.ab.7")), (0, 0));
    assert_eq!(Stream::of("cap/part").subject("north", "cap/part"), "snarm.result.north.cap.part");
    assert_eq!(Stream::of("audit").subject("north", "audit"), "snarm.event.north.audit");
}
