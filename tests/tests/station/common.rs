//! A station to test, and who visits it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use snarm_tests::signals;

use crate::run::{no_gstreamer, snarm, target};

/// Name of the first admin.
pub(crate) const ADMIN: &str = "ann";

/// Password of everybody.
pub(crate) const PASSWORD: &str = "a long password";

/// Frames of a ball that moves, as a stand-in for a camera.
pub(crate) const SOURCE: &str =
    "videotestsrc pattern=ball is-live=true ! video/x-raw,format=I420,width=128,height=96,framerate=5/1";

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A folder with a bank in it, or none where the tools are missing.
pub(crate) fn learned() -> Option<tempfile::TempDir> {
    if no_gstreamer() {
        return None;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let source = "source=videotestsrc pattern=ball num-buffers=12 ! video/x-raw,format=I420,width=128,height=96,framerate=5/1";
    let mut learn = snarm();
    learn.args(["launch", "learn", source, "bank=part.bank", "capacity=500"]).current_dir(dir.path());
    let output = learn.output().expect("snarm starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(dir)
}

/// Puts the command into a folder, with a player of that text beside it.
pub(crate) fn with_player(folder: &Path, text: &str) -> PathBuf {
    let player = folder.join("snarm-player");
    std::fs::write(&player, text).expect("a file");
    std::fs::set_permissions(&player, PermissionsExt::from_mode(0o755)).expect("it may be run");
    // A copy could not be started while another test that begins a process at this moment has it open.
    let program = folder.join("snarm");
    std::fs::hard_link(target().join("snarm"), &program).expect("a link to the command");
    program
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "expected that {what}, waited {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A station, ended with the test.
pub(crate) struct Station {
    child: Child,
    /// Host and port.
    pub(crate) address: String,
    code: Option<String>,
}

impl Station {
    /// Starts one with a line `belt`, and what else the configuration says.
    pub(crate) fn start(dir: &Path, more: &str) -> Self {
        Self::start_with(dir, "snarmdetect", more)
    }

    /// The same, whose line has that detector.
    pub(crate) fn start_with(dir: &Path, detector: &str, more: &str) -> Self {
        Self::configured(snarm(), dir, detector, more)
    }

    /// The same as [`Self::start`], by that copy of the program, which runs the player beside it.
    pub(crate) fn start_by(program: &Path, dir: &Path, more: &str) -> Self {
        Self::configured(Command::new(program), dir, "snarmdetect", more)
    }

    fn configured(mut command: Command, dir: &Path, detector: &str, more: &str) -> Self {
        let (top, rest) = more.split_once("---").unwrap_or(("", more));
        let config = format!(
            "listen = '127.0.0.1:0'\ndata = 'data'\n{top}\n[[line]]\nname = 'belt'\ntitle = 'Belt'\nbank = 'part.bank'\n\
             pipeline = '{SOURCE} ! {detector} ! fakesink'\n{rest}"
        );
        std::fs::write(dir.join("station.toml"), config).expect("a file");
        command.args(["station", "station.toml"]);
        Self::begin(dir, command)
    }

    /// Starts a demo.
    pub(crate) fn demo(dir: &Path) -> Self {
        let mut command = snarm();
        command.args(["station", "--demo", "--port", "0", "--data", "demo"]);
        Self::begin(dir, command)
    }

    fn begin(dir: &Path, asked: Command) -> Self {
        let mut command = signals::hearing_all(&asked);
        command.env("GST_REGISTRY", dir.join("registry.bin")).env("SNARM_LOG", "info");
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = pipes.current_dir(dir).spawn().expect("snarm starts");
        // Its standard input is at its end, which is nothing to it, nor to what it starts.
        drop(child.stdin.take());
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
        let address = line.split("://").nth(1).and_then(|rest| rest.split('/').next()).expect("an address");
        let code = line.trim().rsplit([' ', '=']).next().filter(|word| !word.contains('/'));
        Self { child, address: address.to_owned(), code: code.map(str::to_owned) }
    }

    /// The code that it printed.
    pub(crate) fn code(&self) -> &str {
        self.code.as_deref().expect("a code on the terminal")
    }

    /// Somebody whom it does not know.
    pub(crate) fn stranger(&self) -> Visitor {
        Visitor {
            address: self.address.clone(),
            headers: vec![("Origin".into(), format!("http://{}", self.address))],
        }
    }

    /// Makes the first admin.
    pub(crate) fn set_up(&self) -> Visitor {
        let body = json!({ "code": self.code(), "name": ADMIN, "password": PASSWORD });
        self.known(&self.stranger().post("/api/setup", &body))
    }

    /// Signs somebody in.
    pub(crate) fn sign_in(&self, name: &str) -> Visitor {
        self.known(&self.stranger().post("/api/sign-in", &json!({ "name": name, "password": PASSWORD })))
    }

    /// Signs in with the code of the demo.
    pub(crate) fn enter(&self) -> Visitor {
        self.known(&self.stranger().get(&format!("/enter?code={}", self.code())))
    }

    fn known(&self, answer: &Answer) -> Visitor {
        assert!([200, 303].contains(&answer.code), "{} {}", answer.code, answer.text());
        let cookie =
            answer.header("set-cookie").expect("a cookie").split(';').next().expect("a pair").to_owned();
        let mut visitor = self.stranger();
        visitor.headers.push(("Cookie".into(), cookie));
        visitor
    }

    /// A figure of `/metrics`, of the line.
    pub(crate) fn metric(&self, visitor: &Visitor, name: &str) -> f64 {
        let text = visitor.get("/metrics").text();
        let line = text.lines().find(|line| line.starts_with(&format!("{name}{{"))).expect("a figure");
        line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
    }

    /// Its pipelines.
    pub(crate) fn children(&self) -> Vec<u32> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("its threads");
        let of = |task: std::fs::DirEntry| {
            std::fs::read_to_string(task.path().join("children")).unwrap_or_default()
        };
        let text: Vec<String> = tasks.filter_map(Result::ok).map(of).collect();
        text.iter().flat_map(|text| text.split_whitespace()).filter_map(|word| word.parse().ok()).collect()
    }

    /// The memory that it has, in bytes, without that of its pipelines.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        let kilobytes = line.trim().strip_suffix("kB").and_then(|number| number.trim().parse::<u64>().ok());
        1024 * kilobytes.expect("a number")
    }

    /// Asks it by a signal to end, and waits for that. Returns its exit code.
    pub(crate) fn end(mut self, signal: &str) -> Option<i32> {
        signals::send(&self.child, signal);
        let mut code = None;
        until("it ends", || {
            code = self.child.try_wait().expect("a child");
            code.is_some()
        });
        code.and_then(|status| status.code())
    }

    /// Kills it.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it is killed");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        // Nothing where it was killed already.
        let _ = Command::new("kill").arg(self.child.id().to_string()).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}

/// Who asks a station.
#[derive(Clone)]
pub(crate) struct Visitor {
    pub(crate) address: String,
    pub(crate) headers: Vec<(String, String)>,
}

/// What a station answers.
pub(crate) struct Answer {
    pub(crate) code: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}{}", self.head, self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut pairs = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        pairs.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

impl Visitor {
    /// With another header, or without one of that name.
    pub(crate) fn with(&self, name: &str, value: Option<&str>) -> Self {
        let mut headers = self.headers.clone();
        headers.retain(|(known, _)| known != name);
        headers.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        Self { address: self.address.clone(), headers }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[])
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, body.to_string().as_bytes())
    }

    /// Sends a path and a body as they are.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        let mut stream = self.send(method, path, body);
        let mut bytes = Vec::new();
        // Who refuses a body may close before it has read all of it.
        let read = stream.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        let head = text.split("\r\n\r\n").next().unwrap_or_default().to_owned();
        assert!(head.starts_with("HTTP/1.1 "), "{method} {path}: {read:?} {text}");
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a code");
        let start = bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
        let body = bytes.split_off(start);
        let chunked = head.to_lowercase().contains("transfer-encoding: chunked");
        Answer { code, head, body: if chunked { unchunk(&body) } else { body } }
    }

    /// Begins a stream, reads until some bytes came, and returns what came as text.
    pub(crate) fn begin(&self, path: &str, wanted: &[u8]) -> String {
        let mut stream = self.send("GET", path, &[]);
        stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        let (mut all, mut part) = (Vec::new(), [0; 4096]);
        while !all.windows(wanted.len()).any(|bytes| bytes == wanted) {
            let n = stream.read(&mut part).expect("the stream goes on");
            assert!(n > 0, "{path} ended: {}", String::from_utf8_lossy(&all));
            all.extend_from_slice(&part[..n]);
        }
        String::from_utf8_lossy(&all).into_owned()
    }

    fn send(&self, method: &str, path: &str, body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).expect("the station listens");
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).expect("a request");
        // Who refuses it may close meanwhile.
        let _ = stream.write_all(body);
        stream
    }
}

fn unchunk(mut body: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(end) = body.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&body[..end]).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
        let size = size.expect("a size");
        all.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[(end + 4 + size).min(body.len())..];
    }
    all
}
