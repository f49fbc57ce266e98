//! The pages of a station in a browser, used as people use them: Chromium by WebDriver, where both are. With `SNARM_SCREENSHOTS` set to a
//! folder each page is left there as a picture.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use snarm_tests::skip::skip;

use crate::common::{ADMIN, PASSWORD, SOURCE, Station, learned, until};
use crate::hub::{Server, table};
use crate::outputs::{free_port, webhook};
use crate::run::run;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Names the folder for pictures of the pages.
const SCREENSHOTS: &str = "SNARM_SCREENSHOTS";

/// What says that an element is meant, in WebDriver's JSON.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Sizes of a phone and of a screen beside a line.
const SIZES: [(u32, u32); 2] = [(390, 844), (1280, 800)];

/// Content that is wider than the window, by names of what sticks out; and pictures and fields that have no name.
const FAULTS: &str = "
const page = document.documentElement;
const over = page.scrollWidth - page.clientWidth;
const wide = [...document.querySelectorAll('main *')].filter((each) =>
  each.getBoundingClientRect().right > innerWidth + 1 && !each.closest('.scroll, svg'));
const isNamed = (each) => each.hasAttribute('alt') || each.labels?.length || each.getAttribute('aria-label');
const silent = [...document.querySelectorAll('img, input:not([type=hidden]), select, textarea, svg[role=img]')]
  .filter((each) => !isNamed(each));
return [...over > 0 ? [over] : [], ...[...wide, ...silent].map((each) => each.tagName + '#' + each.id + '.' + each.getAttribute('class'))];";

/// Posts a body, or deletes what is there. The driver keeps connections open, which curl knows how to use.
fn curl(address: &str, body: Option<&Value>) -> Value {
    let mut command = Command::new("curl");
    command.args(["--silent", "--max-time", "120"]);
    match body {
        Some(body) => command.arg("--json").arg(body.to_string()),
        None => command.args(["--request", "DELETE"]),
    };
    let output = command.arg(address).output().expect("curl starts");
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

/// A browser, ended with the test.
struct Browser {
    driver: Child,
    /// What it says, which nobody reads any more, but which may not end before it.
    _said: BufReader<ChildStdout>,
    /// Address of the session at the driver.
    session: String,
    station: String,
}

impl Browser {
    /// Starts one that visits a station; none where the machine has none.
    fn start(station: &Station) -> Option<Self> {
        let command = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).spawn();
        let Ok(mut driver) = command else {
            skip("browser", "no chromedriver on this machine");
            return None;
        };
        let mut said = BufReader::new(driver.stdout.take().expect("its output"));
        let mut line = String::new();
        while !line.contains("successfully") {
            line.clear();
            assert!(said.read_line(&mut line).expect("a line") > 0, "expected a driver that starts");
        }
        let port = line.trim().trim_end_matches('.').rsplit(' ').next().expect("a port");
        let sessions = format!("http://127.0.0.1:{port}/session");
        let options =
            json!({ "args": ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"] });
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" },
        }}});
        let begun = curl(&sessions, Some(&wanted));
        let name = begun["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("{begun}"));
        let session = format!("{sessions}/{name}");
        Some(Self { driver, _said: said, session, station: format!("http://{}", station.address) })
    }

    #[track_caller]
    fn tell(&self, what: &str, body: &Value) -> Value {
        let answer = curl(&format!("{}/{what}", self.session), Some(body));
        assert!(answer["value"]["error"].is_null(), "{what} {body}: {answer}");
        answer["value"].clone()
    }

    #[track_caller]
    fn open(&self, path: &str) {
        self.tell("url", &json!({ "url": format!("{}{path}", self.station) }));
    }

    /// What a script returns.
    #[track_caller]
    fn run(&self, script: &str) -> Value {
        self.tell("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until an expression is true.
    #[track_caller]
    fn wait(&self, expression: &str) {
        let began = Instant::now();
        while self.run(&format!("return !!({expression})")) != true {
            if began.elapsed() > PATIENCE {
                self.keep("failed");
                let complaints = self.tell("se/log", &json!({ "type": "browser" }));
                panic!("expected {expression}, found {complaints} and {}", self.text("body"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    #[track_caller]
    fn element(&self, css: &str) -> String {
        let found = self.tell("element", &json!({ "using": "css selector", "value": css }));
        found[ELEMENT].as_str().unwrap_or_else(|| panic!("{css}: {found}")).to_owned()
    }

    /// Clicks as a hand does: only on what can be seen.
    #[track_caller]
    fn click(&self, css: &str) {
        self.run(&format!("document.querySelector({css:?})?.scrollIntoView({{ block: 'center' }})"));
        self.tell(&format!("element/{}/click", self.element(css)), &json!({}));
    }

    #[track_caller]
    fn write(&self, css: &str, text: &str) {
        self.tell(&format!("element/{}/clear", self.element(css)), &json!({}));
        self.tell(&format!("element/{}/value", self.element(css)), &json!({ "text": text }));
    }

    /// Presses a key with nothing chosen.
    #[track_caller]
    fn press(&self, key: &str) {
        let keys = [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })];
        self.tell("actions", &json!({ "actions": [{ "type": "key", "id": "keys", "actions": keys }] }));
    }

    #[track_caller]
    fn text(&self, css: &str) -> String {
        let script = format!("return document.querySelector({css:?})?.innerText ?? ''");
        self.run(&script).as_str().unwrap_or_default().to_owned()
    }

    /// A page is as it should be at both sizes, and complains of nothing.
    #[track_caller]
    fn look(&self, name: &str) {
        for (width, height) in SIZES {
            self.tell("window/rect", &json!({ "width": width, "height": height }));
            std::thread::sleep(Duration::from_millis(300));
            assert_eq!(self.run(FAULTS), json!([]), "{name} at {width}");
            self.keep(&format!("{name}-{width}"));
        }
        let complaints = self.tell("se/log", &json!({ "type": "browser" }));
        assert_eq!(complaints, json!([]), "{name}");
    }

    /// Asks Chromium itself for something.
    #[track_caller]
    fn command(&self, cmd: &str, params: Value) -> Value {
        self.tell("goog/cdp/execute", &json!({ "cmd": cmd, "params": params }))
    }

    /// Prefers a scheme of colours, `light` or `dark`.
    #[track_caller]
    fn prefer(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.command("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Comes first, and makes the first admin on the page for it.
    #[track_caller]
    fn make_first_admin(&self, station: &Station) {
        self.open("/sign-in");
        self.wait("document.querySelector('#code')?.offsetParent");
        self.write("#code", station.code());
        self.write("#name", ADMIN);
        self.write("#password", PASSWORD);
        self.look("sign-in");
        self.click("#door button");
        self.wait("location.pathname === '/'");
    }

    /// Presses a key of the page Review once it shows a find, and waits for what it says.
    #[track_caller]
    fn judge(&self, key: &str, expected: &str) {
        self.wait(
            "!document.querySelector('#case').hidden && document.querySelector('#case').ariaBusy !== 'true'",
        );
        self.press(key);
        self.wait(&format!("document.querySelector('#notice').textContent.includes({expected:?})"));
    }

    /// Leaves a picture of the whole page where somebody wants it.
    fn keep(&self, name: &str) {
        let Some(folder) =
            std::env::var_os(SCREENSHOTS).filter(|folder| !folder.is_empty()).map(PathBuf::from)
        else {
            return;
        };
        std::fs::create_dir_all(&folder).expect("a folder");
        let mut size = self.command("Page.getLayoutMetrics", json!({}))["cssContentSize"].clone();
        size["scale"] = json!(1);
        let picture = self
            .command("Page.captureScreenshot", json!({ "captureBeyondViewport": true, "clip": size }))["data"]
            .clone();
        let file = File::create(folder.join(format!("{name}.png"))).expect("a file");
        let mut decode = Command::new("base64");
        let mut decode = decode.arg("-d").stdin(Stdio::piped()).stdout(file).spawn().expect("base64");
        let mut text = decode.stdin.take().expect("its input");
        text.write_all(picture.as_str().expect("a picture").as_bytes()).expect("a picture");
        drop(text);
        decode.wait().expect("base64 ends");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        curl(&self.session, None);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

#[test]
fn every_page_is_used_by_hand_from_the_first_admin_to_a_bank_that_was_learned() {
    let Some(dir) = learned() else { return };
    let heard: Arc<Mutex<Vec<Value>>> = Arc::default();
    let to = Arc::clone(&heard);
    let address = webhook(move |_, body| {
        to.lock().expect("bodies").push(serde_json::from_slice(body).expect("JSON"));
        true
    });
    let more = format!(
        "[line.learn]\nsource = '{SOURCE}'\nmax-frames = 6\n\
         [[line]]\nname = 'caps'\ntitle = 'Caps'\nbank = 'part.bank'\npipeline = '{SOURCE} ! snarmdetect ! fakesink'\n\
         [[line.recipe]]\nname = 'red'\ntitle = 'Red caps'\n[[line.recipe]]\nname = 'blue'\ntitle = 'Blue caps'\ncodes = ['41*']\noutputs = []\n\
         detect = {{ roi = '0,0,0.5,1' }}\n\
         [[output]]\nkind = 'webhook'\nname = 'mes'\nurl = 'http://{address}/'\n"
    );
    // The ball goes where it was not learned; what is too blurred for a verdict is no find.
    let station = Station::start_with(dir.path(), "snarmdetect quality-gate=false", &more);
    let Some(browser) = Browser::start(&station) else { return };

    // Whoever comes first makes the first admin.
    browser.make_first_admin(&station);
    browser.wait("Number(document.querySelector('#frames')?.textContent) > 3");
    browser.wait("document.querySelector('#live').naturalWidth > 0");
    assert_eq!(browser.text("#title"), "Belt");
    browser.look("line");
    browser.prefer("dark");
    browser.wait("getComputedStyle(document.documentElement).backgroundColor === 'rgb(16, 21, 27)'");
    browser.look("line-dark");
    browser.prefer("light");
    let admin = station.sign_in(ADMIN);
    let since = || admin.get("/api/lines/belt").json()["shift"]["since"].as_i64();
    let before = since();
    browser.click("#new-shift");
    until("a new shift has begun", || since() > before);

    // The slider of limits says what would change; with a reason it is applied.
    browser.open("/limits");
    browser.wait("document.querySelectorAll('#would tbody tr').length === 3");
    let is_of_bank = "document.querySelector('#of-bank').checked";
    browser.wait(&format!("{is_of_bank} && document.querySelectorAll('#rules button').length === 5"));
    // A rule of the list, and one of the picture, set the slider.
    let limit = |rule: usize| browser.text(&format!("#rules button:nth-child({rule})"));
    browser.click("#rules button:nth-child(2)");
    browser.wait(&format!(
        "!{is_of_bank} && {:?}.endsWith(document.querySelector('#threshold-value').value)",
        limit(2)
    ));
    browser.run("document.querySelectorAll('#histogram .rule text')[3].dispatchEvent(new MouseEvent('click', { bubbles: true }))");
    browser.wait(&format!("{:?}.endsWith(document.querySelector('#threshold-value').value)", limit(4)));
    let slide = "const slider = document.querySelector('#threshold'); slider.value = 0; slider.dispatchEvent(new Event('input'));";
    browser.run(slide);
    browser.write("#reason", "to see alarms");
    browser.look("limits");
    browser.click("#limits-form button.main");
    browser.wait("document.querySelectorAll('#changes tbody tr').length === 1");
    assert!(browser.text("#changes tbody").contains("0.000"), "{}", browser.text("#changes"));

    // Alarms are judged by keys.
    browser.open("/review");
    browser.wait(
        "document.querySelector('#nearest li figure') && document.querySelector('main img').naturalWidth > 0",
    );
    browser.look("review");
    browser.press("\u{e012}");
    until("the find is judged good", || admin.get("/api/lines/belt/banks").json()["to_learn"] == 1);
    let judged = || admin.get("/api/lines/belt/queue").json()["judged"].as_i64();
    browser.judge("\u{e014}", "is bad");
    browser.judge("u", "is taken back");
    browser.judge(" ", "is unsure");
    assert_eq!(judged(), Some(2));
    for (key, end) in [("m", "map"), ("p", "frame"), ("h", "annotated")] {
        browser.wait("!document.querySelector('#case').hidden");
        browser.press(key);
        browser.wait(&format!("document.querySelector('[data-view={end}]').ariaPressed === 'true'"));
        match end {
            "map" => browser
                .wait("document.querySelector('#shown').hidden && !document.querySelector('#map').hidden"),
            _ => browser.wait(&format!("document.querySelector('#shown').src.endsWith('/{end}')")),
        }
    }
    // The button does what the key does.
    browser.wait("document.querySelector('#case').ariaBusy !== 'true'");
    browser.click("#undo");
    until("the judgement is taken back", || judged() == Some(1));
    let export = "const link = document.querySelector('#export'); \
                  return fetch(link.href).then((answer) => answer.blob()).then(({ type, size }) => [link.hidden, type, size > 100])";
    assert_eq!(browser.run(export), json!([false, "application/zip", true]));

    // A candidate is made of it, released, and rolled back.
    browser.open("/banks");
    browser.wait("document.querySelectorAll('#versions li').length === 1");
    browser.wait("!document.querySelector('#candidate button').disabled");
    browser.write("#candidate-reason", "a false alarm");
    browser.click("#candidate button");
    browser.wait("document.querySelectorAll('#versions li').length === 2");
    browser.look("banks");

    // Before that it judges as a shadow.
    browser.click("#versions li:first-child .row button:nth-child(2)");
    browser.wait("document.querySelector('#release').open");
    browser.write("#release-reason", "to compare");
    browser.click("#release-yes");
    browser.wait("!document.querySelector('#shadow').hidden");
    browser.wait("Number(document.querySelector('#agreement td')?.textContent) > 0");
    browser.look("banks-shadow");
    browser.click("#end-shadow");
    browser.wait("document.querySelector('#shadow').hidden");
    assert!(admin.get("/api/lines/belt/shadow").json().is_null());

    browser.click("#versions li:first-child button");
    browser.wait("document.querySelector('#release').open");
    browser.write("#release-reason", "fewer alarms");
    browser.click("#release-yes");
    browser.wait("document.querySelectorAll('#releases tbody tr').length === 2");
    browser.write("#rollback-reason", "as before");
    browser.click("#rollback button");
    browser.wait("document.querySelectorAll('#releases tbody tr').length === 3");

    // The line learns anew, and goes on.
    browser.open("/learn");
    browser.wait("document.querySelector('#max-frames').value === '6'");
    browser.write("#reason", "a new batch");
    browser.click("#learn-form button.main");
    browser.wait("document.querySelector('#progress:not([hidden]) #frames')?.textContent.endsWith('of 6')");
    browser.wait("document.querySelector('#light').value > 0");
    browser.look("learn");
    browser.wait("document.querySelector('#notice').textContent.includes('Version 3 is made')");
    until("the line inspects again", || admin.get("/api/lines/belt").json()["status"] == "running");

    // Another product of the other line is chosen by a button, and the one before by its name, as of a scanner that types.
    browser.open("/recipes?line=caps");
    browser.wait("document.querySelectorAll('#recipes li').length === 2");
    let blue = browser.text("#recipes li:last-child");
    for word in ["videotestsrc", "0,0,0.5,1", "as learned", "Decoder", "none"] {
        assert!(blue.contains(word), "{word} in {blue}");
    }
    browser.click("#recipes li:last-child button.main");
    browser.wait("document.querySelector('#recipes li:last-child .badge')");
    browser.write("#code", "red\u{e007}");
    browser.wait("document.querySelector('#recipes li:first-child .badge')");
    browser.wait("document.querySelectorAll('#changes tbody tr').length === 2");
    browser.look("recipes");
    browser.open("/?line=caps");
    browser.wait("Number(document.querySelector('#frames')?.textContent) > 1");
    assert_eq!(
        (browser.text("#title"), browser.text("#recipe")),
        ("Caps: Red caps".into(), "Red caps".into())
    );
    browser.open("/recipes?line=belt");
    browser.wait("!document.querySelector('#none').hidden");

    // What was done is marked in the trends.
    browser.open("/trends");
    browser.wait("document.querySelectorAll('#changes tbody tr').length >= 3");
    assert!(browser.run("return document.querySelectorAll('#alarms rect.alarm').length").as_u64() > Some(0));
    browser.look("trends");

    // A test goes to the output, and the log says what happened.
    browser.open("/system");
    browser.wait("document.querySelector('#outputs button')");
    browser.click("#outputs button");
    browser.wait("document.querySelector('#notice').textContent.includes('took the test message')");
    let is_test = |body: &Value| body["test"] == true && body["author"] == ADMIN;
    assert_eq!(heard.lock().expect("bodies").iter().filter(|body| is_test(body)).count(), 1);
    assert!(browser.text("#log").contains("output mes"), "{}", browser.text("#log"));
    browser.look("system");

    browser.open("/access");
    browser.write("#person-name", "bob");
    browser.write("#person-password", PASSWORD);
    browser.click("#person button");
    browser.wait("document.querySelector('#people').textContent.includes('bob')");
    browser.look("access");
}

#[test]
fn the_stations_of_a_hub_are_seen_on_a_page() {
    let Some(dir) = learned() else { return };
    let (dir, port) = (dir.path(), free_port());
    let Some(_server) = Server::start(dir, port) else { return };
    table(dir, port, "ann", "");
    run(dir, "hub init --config ann.toml", 0);
    let station = Station::start(dir, &table(dir, port, "north", ""));
    let Some(browser) = Browser::start(&station) else { return };
    browser.make_first_admin(&station);
    browser.wait("document.querySelector('#head a[href=\"/stations\"]')");
    browser.click("#head a[href=\"/stations\"]");
    browser.wait("document.querySelector('#stations tbody')?.innerText.includes('Running')");
    let row = browser.text("#stations tbody tr");
    for word in ["north", "Belt", "Version 1"] {
        assert!(row.contains(word), "{word} in {row}");
    }
    assert_eq!(browser.text("#stations-about"), "1 lines, 0 of them away.");
    browser.look("stations");
}
