//! The page of `snarm eval --report`, in a browser where there is one.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use snarm_tests::skip::skip;

use crate::eval::{products, read};
use crate::run::run;

/// A name that must not become a tag.
const HOSTILE: &str = "a&b<i>c";

/// Hears every complaint of the page.
const LISTEN: &str = "<script>
window.problems = [];
addEventListener('error', (e) => problems.push('error ' + (e.message || e.target.tagName)), true);
addEventListener('unhandledrejection', (e) => problems.push('rejection ' + e.reason));
addEventListener('securitypolicyviolation', (e) => problems.push('request ' + e.blockedURI));
for (const kind of ['error', 'warn']) { console[kind] = (...all) => problems.push(kind + ' ' + all.join(' ')); }
</script>";

/// Uses the page as a reader does and writes down what it showed.
const USE: &str = "<script>
addEventListener('load', () => {
  const images = [...document.images];
  const decoded = images.map((image) => image.complete && image.naturalWidth > 0);
  const rows = (table) => Object.fromEntries([...table.querySelectorAll('tbody tr, tfoot tr')].map(
    (row) => [row.cells[0].textContent, [...row.cells].slice(1).map((cell) => [cell.dataset.value, cell.textContent])]));
  const figures = document.querySelector('table.figures');
  const found = { figures: rows(figures), verdicts: rows(document.querySelector('table.verdicts')) };
  const head = figures.tHead.rows[0].cells[1];
  const order = () => [...figures.tBodies[0].rows].map((row) => row.cells[1].dataset.value);
  head.querySelector('button').click();
  found.falling = order();
  head.querySelector('button').click();
  found.rising = order();
  found.sorted = head.getAttribute('aria-sort');
  const chart = document.querySelector('.chart svg'), box = chart.getBoundingClientRect();
  chart.dispatchEvent(new PointerEvent('pointermove', { clientX: box.left + box.width / 2, clientY: box.top + 20, bubbles: true }));
  const tip = document.getElementById('tip');
  found.hover = tip.hidden ? '' : tip.textContent;
  chart.dispatchEvent(new PointerEvent('pointerleave'));
  found.gone = tip.hidden;
  const bar = document.querySelector('rect.hit');
  bar.dispatchEvent(new PointerEvent('pointermove', { clientX: 9, clientY: 9 }));
  found.bar = tip.textContent;
  const pair = document.querySelector('.pair');
  pair.click();
  found.enlarged = pair.closest('.case').classList.contains('open');
  found.images = decoded.length;
  found.broken = decoded.filter((fine) => !fine).length;
  found.silent = images.filter((image) => !image.alt).length;
  found.unlabelled = document.querySelectorAll('th:not([scope]), svg[role=img]:not([aria-label])').length;
  found.tags = document.querySelectorAll('h2 i, th i, figcaption i').length;
  found.names = [...document.querySelectorAll('.category > h2')].map((name) => name.textContent);
  found.outlines = document.querySelectorAll('.layer path').length;
  found.scroll = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  found.problems = problems;
  document.body.innerHTML = '';
  document.body.textContent = 'PROBE' + btoa(String.fromCharCode(...new TextEncoder().encode(JSON.stringify(found)))) + 'END';
});
</script>";

/// The browser of this machine, if there is one.
fn browser() -> Option<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = names.into_iter().find(|name| {
        Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success())
    });
    if found.is_none() {
        skip("browser", "no chromium on this machine");
    }
    found
}

/// What [`USE`] wrote down, in a window so wide.
fn probe(browser: &str, dir: &Path, width: u32) -> Value {
    let page = format!("file://{}", dir.join("probe.html").display());
    let switches = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
                    --disable-component-update --disable-sync --dump-dom";
    let output = Command::new(browser)
        .args(switches.split_whitespace())
        .arg(format!("--window-size={width},900"))
        .arg(format!("--user-data-dir={}", dir.join("browser").display()))
        .arg("--host-resolver-rules=MAP * ~NOTFOUND")
        .arg(page)
        .output()
        .expect("the browser starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let found = text.split("PROBE").nth(1).and_then(|rest| rest.split("END").next());
    let found = found.unwrap_or_else(|| panic!("{}\n{}", text, String::from_utf8_lossy(&output.stderr)));
    serde_json::from_slice(&unbase64(found)).expect("JSON")
}

fn unbase64(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => u32::from(c - b'A'),
        b'a'..=b'z' => u32::from(c - b'a') + 26,
        b'0'..=b'9' => u32::from(c - b'0') + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u32> = text.bytes().filter(|c| *c != b'=').map(digit).collect();
    let bytes = |four: &[u32]| {
        let bits = (0..4).fold(0, |bits, i| bits << 6 | four.get(i).copied().unwrap_or(0));
        bits.to_be_bytes().into_iter().skip(1).take(four.len() - 1).collect::<Vec<u8>>()
    };
    digits.chunks(4).flat_map(bytes).collect()
}

#[test]
fn the_page_needs_nothing_else_and_shows_the_figures_of_the_file() {
    let dir = tempfile::tempdir().expect("a folder");
    products(dir.path(), [HOSTILE, "plain"]);
    // A second category without masks.
    std::fs::remove_dir_all(dir.path().join("set/plain/ground_truth")).expect("masks");
    let line =
        "eval --data set --capacity 400 --reduction random --json out.json --report out/page.html --cases 2";
    run(dir.path(), line, 0);
    let page = std::fs::read_to_string(dir.path().join("out/page.html")).expect("a page");
    let own = page.replace("http://www.w3.org/2000/svg", "");
    for outside in ["http:", "https:", "src=\"/", "@import", "url(", "<link"] {
        assert!(!own.contains(outside), "the page asks for {outside}");
    }
    assert!(!page.contains("<i>c"), "a name became a tag");
    let Some(browser) = browser() else { return };

    // The load event waits for pictures that are not lazy.
    let eager = page.replace("loading=\"lazy\"", "");
    let probe_page = eager.replacen("<head>", &format!("<head>{LISTEN}"), 1).replacen(
        "</body>",
        &format!("{USE}</body>"),
        1,
    );
    std::fs::write(dir.path().join("probe.html"), probe_page).expect("a page");
    let found = probe(browser, dir.path(), 1280);
    assert_eq!(found["problems"], serde_json::json!([]), "{found}");
    let figures = read(&dir.path().join("out.json"));
    let names = ["image_auroc", "image_ap", "image_f1max", "pixel_auroc", "pixel_ap", "pixel_f1max", "aupro"];
    for category in [HOSTILE, "plain", "mean"] {
        let of = if category == "mean" { &figures["mean"] } else { &figures["categories"][category] };
        for (i, name) in names.into_iter().enumerate() {
            let (value, shown) = (&found["figures"][category][i][0], &found["figures"][category][i][1]);
            match of[name].as_f64() {
                Some(figure) => {
                    assert_eq!(
                        value.as_str().and_then(|v| v.parse().ok()),
                        Some(figure),
                        "{category} {name}"
                    );
                    assert_eq!(*shown, format!("{figure:.4}"), "{category} {name}");
                }
                None => assert_eq!((value, shown), (&"".into(), &"–".into()), "{category} {name}"),
            }
        }
        if category != "mean" {
            let hits = found["verdicts"][category][0][1].as_str().and_then(|n| n.parse().ok());
            assert_eq!(hits, of["verdicts"]["hits"].as_u64(), "{category}");
        }
    }
    let mut order: Vec<&str> =
        found["rising"].as_array().expect("rows").iter().filter_map(Value::as_str).collect();
    assert_eq!((order.len(), found["sorted"].as_str()), (2, Some("ascending")));
    order.reverse();
    assert_eq!(found["falling"], serde_json::json!(order));
    let hover = found["hover"].as_str().expect("text");
    assert!(hover.contains("image: false-positive rate") && hover.contains("pixel: "), "{hover}");
    assert!(found["bar"].as_str().is_some_and(|bar| bar.starts_with("score ")), "{found}");
    assert_eq!((&found["gone"], &found["enlarged"]), (&true.into(), &true.into()));
    // Two lists of two good and two defective cases at least, each with two pictures, for two categories.
    assert!(found["images"].as_u64() >= Some(16), "{found}");
    for none in ["broken", "silent", "unlabelled", "tags", "scroll"] {
        assert_eq!(found[none], 0, "{none}");
    }
    assert_eq!(found["names"], serde_json::json!([HOSTILE, "plain"]));
    assert!(found["outlines"].as_u64() >= Some(8), "{found}");
    let narrow = probe(browser, dir.path(), 500);
    assert_eq!((&narrow["scroll"], &narrow["problems"]), (&0.into(), &serde_json::json!([])), "on a phone");
}
