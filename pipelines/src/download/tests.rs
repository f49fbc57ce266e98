//! Downloads from a server of our own on this machine, which cuts connections and lies on demand.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::*;

/// A request as the server saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) range: Option<u64>,
}

/// What the server sends.
#[derive(Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// Bytes of the body after which the connection is closed.
    pub(crate) cut: Option<usize>,
    /// Whether the body has no stated length and is sent again and again until nobody reads it.
    pub(crate) endless: bool,
}

pub(crate) struct Server {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Answers every request by `answer`, which also gets its number, from 0.
    pub(crate) fn start(answer: impl Fn(&Seen, usize) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (seen, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (log, stopped) = (Arc::clone(&seen), Arc::clone(&stop));
        let serve = move || {
            while let Ok((stream, _)) = listener.accept() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                serve_one(stream, &log, &answer);
            }
        };
        let thread = std::thread::Builder::new().name("test-server".to_owned()).spawn(serve).unwrap();
        Self { url, seen, stop, thread: Some(thread) }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn ranges(&self) -> Vec<Option<u64>> {
        self.seen().iter().map(|seen| seen.range).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes it up.
        drop(TcpStream::connect(self.url.trim_start_matches("http://")));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Answers one request. A tunnel is granted as a proxy does, and the request that comes through it is answered here.
fn serve_one(mut stream: TcpStream, log: &Mutex<Vec<Seen>>, answer: &impl Fn(&Seen, usize) -> Answer) {
    while let Some(request) = read_request(&stream) {
        let number = log.lock().unwrap().len();
        log.lock().unwrap().push(request.clone());
        if request.method != "CONNECT" {
            return send(stream, &request, answer(&request, number));
        }
        let _ = stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n");
    }
}

fn read_request(stream: &TcpStream) -> Option<Seen> {
    let mut lines = BufReader::new(stream).lines().map_while(io::Result::ok);
    let first = lines.next()?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut range = None;
    for line in lines.take_while(|line| !line.is_empty()) {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
            range = value.trim_end_matches('-').parse().ok();
        }
    }
    Some(Seen { method, path, range })
}

fn send(mut stream: TcpStream, request: &Seen, answer: Answer) {
    let mut head = format!("HTTP/1.1 {} -\r\nConnection: close\r\n", answer.status);
    if !answer.endless {
        head += &format!("Content-Length: {}\r\n", answer.body.len());
    }
    for (name, value) in answer.headers {
        head += &format!("{name}: {value}\r\n");
    }
    let end = answer.cut.unwrap_or(answer.body.len());
    let body = if request.method == "HEAD" { &[] } else { &answer.body[..end] };
    let _ = stream.write_all(format!("{head}\r\n").as_bytes()).and_then(|()| stream.write_all(body));
    // A reader that never has enough ends the test, too.
    for _ in 0..if answer.endless && request.method != "HEAD" { 1000 } else { 0 } {
        if stream.write_all(body).is_err() {
            return;
        }
    }
}

/// The content of the file that tests download.
pub(crate) fn content() -> Vec<u8> {
    (0..300_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The file from where the request wants it, as servers that know ranges send it.
pub(crate) fn ranged(request: &Seen) -> Answer {
    let all = content();
    match request.range {
        None => Answer { status: 200, body: all, ..Answer::default() },
        Some(from) => {
            let range = format!("bytes {from}-{}/{}", all.len() - 1, all.len());
            let headers = vec![("Content-Range", range)];
            Answer { status: 206, headers, body: all[from as usize..].to_vec(), ..Answer::default() }
        }
    }
}

pub(crate) const QUICK: Patience = Patience { failures: 3, pause: Duration::from_millis(1) };

fn source(server: &Server) -> Source {
    let url = format!("{}/file", server.url);
    Source { url, sha256: sha256(&content()), size: Some(content().len() as u64), most: 1_000_000 }
}

fn fetch(source: &Source, target: &Path) -> Result<u64> {
    download(&agent(None), source, target, QUICK, &Progress::new("test"))
}

/// What lies in the folder, by name.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_file_comes_whole_and_leaves_nothing_beside_it() {
    let server = Server::start(|request, _| ranged(request));
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("a/b/file");
    assert_eq!(fetch(&source(&server), &target).unwrap(), content().len() as u64);
    assert_eq!(std::fs::read(&target).unwrap(), content());
    assert_eq!(names(target.parent().unwrap()), ["file"]);
    assert_eq!(server.ranges(), [None]);
}

#[test]
fn a_cut_connection_is_resumed_where_it_broke() {
    let server = Server::start(|request, number| Answer {
        cut: [Some(100_000), Some(70_000), None][number],
        ..ranged(request)
    });
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("file");
    fetch(&source(&server), &target).unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), content());
    assert_eq!(server.ranges(), [None, Some(100_000), Some(170_000)]);
}

#[test]
fn a_later_run_goes_on_with_what_an_earlier_one_left() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("file");
    let cutting = Server::start(|request, number| Answer {
        cut: Some(if number == 0 { 120_000 } else { 0 }),
        ..ranged(request)
    });
    let message = format!("{:#}", fetch(&source(&cutting), &target).unwrap_err());
    assert!(message.contains("gave up after 3 failures in a row (120000 bytes are kept"), "{message}");
    assert!(!target.exists());
    let server = Server::start(|request, _| ranged(request));
    fetch(&source(&server), &target).unwrap();
    assert_eq!(server.ranges(), [Some(120_000)]);
    assert_eq!(std::fs::read(&target).unwrap(), content());
}

#[test]
fn a_server_that_knows_no_ranges_is_read_from_the_start_again() {
    let server = Server::start(|_, number| {
        let cut = (number == 0).then_some(90_000);
        Answer { status: 200, body: content(), cut, ..Answer::default() }
    });
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("file");
    fetch(&Source { size: None, ..source(&server) }, &target).unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), content());
    assert_eq!(server.ranges(), [None, Some(90_000)]);
}

#[test]
fn ranges_that_the_server_gets_wrong_are_not_appended() {
    for status in [206, 416] {
        let server = Server::start(move |request, _| match request.range {
            // It sends the whole file and calls it a part, or refuses.
            Some(_) => Answer { status, body: content(), ..Answer::default() },
            None => ranged(request),
        });
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("file");
        let source = source(&server);
        std::fs::write(dir.path().join(format!("file.{}.part", &source.sha256[..12])), [7; 1000]).unwrap();
        fetch(&source, &target).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), content());
        assert_eq!(server.ranges(), [Some(1000), None]);
    }
}

#[test]
fn a_page_in_place_of_the_file_leaves_what_came_before() {
    let login = Server::start(|_, _| Answer { status: 200, body: b"<html>".to_vec(), ..Answer::default() });
    let dir = tempfile::tempdir().unwrap();
    let source = source(&login);
    let part = dir.path().join(format!("file.{}.part", &source.sha256[..12]));
    std::fs::write(&part, &content()[..1000]).unwrap();
    let message = fetch(&source, &dir.path().join("file")).unwrap_err().to_string();
    assert_eq!(message, format!("expected a file of 300000 bytes, found one of 6: {}", source.url));
    assert_eq!(std::fs::read(part).unwrap(), content()[..1000]);
    assert_eq!(login.seen().len(), 1);
}

#[test]
fn a_part_that_got_its_name_before_the_lock_was_ours_is_not_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("file");
    let digest = sha256(&content());
    let first = Part::open(&target, &digest).unwrap();
    let path = first.path.clone();
    std::fs::write(&path, content()).unwrap();
    std::thread::scope(|scope| {
        // It holds the old file by the time that the lock is given up; the next one begins with a file of its own.
        let second = scope.spawn(|| {
            loop {
                if let Ok(part) = Part::open(&target, &digest) {
                    return part;
                }
            }
        });
        std::fs::rename(&path, &target).unwrap();
        drop(first);
        assert_eq!(second.join().unwrap().len().unwrap(), 0);
    });
    assert_eq!(std::fs::read(&target).unwrap(), content());
}

#[test]
fn a_file_of_another_digest_is_refused_and_removed() {
    let server = Server::start(|request, _| {
        let mut answer = ranged(request);
        answer.body[5] ^= 1;
        answer
    });
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("file");
    std::fs::write(&target, "the one from before").unwrap();
    let source = source(&server);
    let message = fetch(&source, &target).unwrap_err().to_string();
    assert!(
        message.starts_with(&format!("expected a file of SHA-256 {}, found ", source.sha256)),
        "{message}"
    );
    assert_eq!(std::fs::read(&target).unwrap(), b"the one from before");
    assert_eq!(names(dir.path()), ["file"]);
}

#[test]
fn what_is_not_there_is_asked_for_once_and_what_is_busy_again() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("file");
    let gone = Server::start(|_, _| Answer { status: 404, ..Answer::default() });
    let message = fetch(&source(&gone), &target).unwrap_err().to_string();
    assert!(message.contains("expected a file, found HTTP 404"), "{message}");
    assert_eq!(gone.seen().len(), 1);
    let busy = Server::start(|request, number| match number {
        0 => Answer { status: 503, ..Answer::default() },
        1 => Answer { status: 429, ..Answer::default() },
        _ => ranged(request),
    });
    fetch(&source(&busy), &target).unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), content());
}

#[test]
fn a_second_process_does_not_write_into_the_same_part() {
    let server = Server::start(|request, _| ranged(request));
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("file");
    let source = source(&server);
    let first = Part::open(&target, &source.sha256).unwrap();
    let message = fetch(&source, &target).unwrap_err().to_string();
    assert!(message.starts_with("another process downloads this file"), "{message}");
    drop(first);
    fetch(&source, &target).unwrap();
}

/// A body is read as far as the hub said that the file goes, or as far as any such file may go.
#[test]
fn a_body_that_never_ends_is_cut_at_the_size_that_was_stated() {
    let endless = |answer: Answer| Answer { endless: true, ..answer };
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("file");
    let server = Server::start(move |request, _| endless(ranged(request)));
    let stated = source(&server);
    let part = dir.path().join(format!("file.{}.part", &stated.sha256[..12]));
    for (begun, source, most) in [
        (0, stated.clone(), 300_000),
        (1000, stated.clone(), 300_000),
        (0, Source { size: None, ..stated.clone() }, 1_000_000),
    ] {
        std::fs::write(&part, &content()[..begun]).unwrap();
        let message = fetch(&source, &target).unwrap_err().to_string();
        let expected = format!("expected a file of {most} bytes at most, found more: {}", source.url);
        assert_eq!(message, expected, "from {begun}");
        assert!(!target.exists() && std::fs::metadata(&part).unwrap().len() == 0);
    }
    let large = Source { size: Some(1_000_001), ..stated };
    let asked = server.seen().len();
    let message = fetch(&large, &target).unwrap_err().to_string();
    assert!(
        message.starts_with("expected a file of at most 1000000 bytes, found one of 1000001"),
        "{message}"
    );
    assert_eq!(server.seen().len(), asked, "a file that is too large is not asked for");
}
