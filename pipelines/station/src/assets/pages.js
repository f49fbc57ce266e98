// The pages: each begins when its document is the one that was loaded.

import { $, ask, attempt, begin, clock, lamp, make, may, notice, rows, score, STATUS, svg, when, whole } from "./common.js";
import { showComparison } from "./compare.js";
import { learnPage } from "./learn.js";
import { showLive } from "./live.js";
import { recipesPage } from "./recipes.js";
import { stationsPage } from "./stations.js";
import { systemPage } from "./system.js";
import { trendsPage } from "./trends.js";

// ---- Line

const VERDICTS = {
  normal: { word: "Good", shape: "M24 2a22 22 0 1 0 .01 0z", mark: "M14 25l7 7 13-15", rank: 1 },
  uncertain: { word: "Uncertain", shape: "M24 3L46 43H2z", mark: "M24 18v12m0 6v.5", rank: 2 },
  anomalous: { word: "Alarm", shape: "M15 2h18l13 13v18L33 46H15L2 33V15z", mark: "M16 16l16 16m0-16L16 32", rank: 3 },
  unknown: { word: "No frame yet", shape: "M4 4h40v40H4z", mark: "M15 24h18", rank: 0 },
};

// Long enough to be seen, at any rate of frames.
const HOLD_MS = 1200;

function strip(canvas, points, state) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (canvas.width !== width * ratio) canvas.width = width * ratio;
  if (canvas.height !== height * ratio) canvas.height = height * ratio;
  const to = canvas.getContext("2d");
  to.setTransform(ratio, 0, 0, ratio, 0, 0);
  to.clearRect(0, 0, width, height);
  const y = (value) => height - 4 - value * (height - 8);
  const step = width / 200;
  const colours = { normal: colour("--good"), uncertain: colour("--warn"), anomalous: colour("--bad") };
  points.forEach((point, at) => {
    to.fillStyle = colours[point.verdict] ?? colour("--off");
    const x = width - (points.length - at) * step;
    // Alarms are wider as well: colour is not all that tells.
    const wide = point.verdict === "anomalous" ? 1 : 0.55;
    to.fillRect(x, y(point.score), step * wide, height - y(point.score));
  });
  const limit = (value, name, dash) => {
    if (value < 0) return;
    to.strokeStyle = colour(name);
    to.lineWidth = 2;
    to.setLineDash(dash);
    to.beginPath();
    to.moveTo(0, y(value));
    to.lineTo(width, y(value));
    to.stroke();
  };
  limit(state.threshold, "--bad", []);
  limit(state.low, "--warn", [6, 4]);
  const alarms = points.filter((point) => point.verdict === "anomalous").length;
  canvas.setAttribute("aria-label", `Scores of the last ${points.length} frames, ${alarms} above the limit of alarms`);
}

function thumb(find, line) {
  const picture = make("img", { src: `/api/finds/${find.id}/annotated`, alt: `Alarm of frame ${find.frame}`, loading: "lazy" });
  const about = make("span", {}, make("time", {}, clock(find.at)), make("b", {}, score(find.score)));
  return make("li", {}, make("a", { href: `/review?line=${line}&find=${find.id}` }, picture, about));
}

async function showAlarms(base, line) {
  const finds = await ask(`${base}/alarms`);
  $("last").replaceChildren(...finds.map((find) => thumb(find, line)));
  $("no-alarms").hidden = finds.length > 0;
}

function partName(part) {
  return (part.part ?? `Part ${part.number}`) + (part.lot ? `, lot ${part.lot}` : "");
}

function showParts({ line, parts, shift }) {
  $("parts").hidden = !parts;
  if (!parts) return;
  const { last, open } = parts;
  $("part-verdict").textContent = last ? (last.verdict === "unknown" ? "Not judged" : VERDICTS[last.verdict].word) : "-";
  $("part-verdict").className = last ? `badge ${last.verdict}` : "badge";
  $("part-about").textContent = last
    ? `${partName(last)}: score ${score(last.score)}, ${last.frames === 1 ? "1 frame" : `${whole(last.frames)} frames`}, ${clock(last.ended)}${last.captured === null ? "" : `, captured from ${clock(last.captured)} on`}`
    : "No part yet.";
  const find = last?.find ?? null;
  $("part-find").hidden = find === null;
  const picture = `/api/finds/${find}/annotated`;
  const image = $("part-find").firstElementChild;
  if (find !== null && image.getAttribute("src") !== picture) {
    image.src = picture;
    image.alt = `The worst of ${partName(last)}`;
    $("part-find").href = `/review?line=${encodeURIComponent(line)}&find=${find}`;
  }
  $("part-count").textContent = whole(shift.parts);
  $("part-bad").textContent = whole(shift.bad_parts);
  $("part-open").textContent = open ? `Now: ${partName(open)}, since ${clock(open.begun)}` : "";
}

async function linePage() {
  const { line, base } = await begin();
  $("title").textContent = line.title;
  document.title = `${line.title} - SNARM station`;
  let points = [];
  let held = { verdict: "unknown", score: -1, until: 0 };
  let alarms = -1;
  let of = "";

  showLive($("live"), base);

  const showVerdict = (verdict) => {
    const box = $("verdict");
    if (box.classList.contains(verdict) && $("shape").getAttribute("d")) return;
    const { word, shape, mark } = VERDICTS[verdict];
    box.className = `verdict ${verdict}`;
    $("word").textContent = word;
    $("shape").setAttribute("d", shape);
    $("mark").setAttribute("d", mark);
  };

  const show = (state) => {
    if (state.line !== of) {
      // Another recipe has another title, other scores and other alarms.
      of = state.line;
      [points, alarms] = [[], -1];
      held = { verdict: "unknown", score: -1, until: 0 };
      $("title").textContent = state.title;
      $("recipe").textContent = state.recipe;
      $("of-recipe").hidden = !state.recipe;
    }
    points = points.concat(state.strip).slice(-200);
    let seen = { verdict: state.status === "running" ? state.verdict : "unknown", score: state.score };
    for (const point of state.strip) if (VERDICTS[point.verdict].rank > VERDICTS[seen.verdict].rank) seen = point;
    const now = Date.now();
    if (VERDICTS[seen.verdict].rank >= VERDICTS[held.verdict].rank && seen.verdict !== "unknown") {
      held = { ...seen, until: now + HOLD_MS };
    } else if (now > held.until) {
      held = { ...seen, until: now };
    }
    showVerdict(held.verdict);
    if (held.verdict === "unknown") $("word").textContent = STATUS[state.status];
    $("score").textContent = state.status === "running" ? score(held.score) : "";
    $("status").textContent = state.detail || `${STATUS[state.status]}, frame ${whole(state.frame)}`;
    $("frames").textContent = whole(state.shift.frames);
    $("alarms").textContent = whole(state.shift.alarms);
    $("uncertain").textContent = whole(state.shift.uncertain);
    $("since").textContent = state.shift.since ? `Since ${when(state.shift.since)}` : "";
    $("bank").textContent = state.bank ? `version ${state.bank}` : "-";
    $("threshold").textContent = score(state.threshold);
    $("low").textContent = score(state.low);
    $("fps").textContent = `${state.fps.toFixed(1)} frames a second`;
    $("latency").textContent = `${state.latency_ms.toFixed(0)} ms`;
    $("of-capture").hidden = state.captured === null;
    // The clocks of camera and station may differ.
    if (state.captured !== null) $("captured").textContent = `${clock(state.captured)}, judged ${whole(state.at - state.captured)} ms later`;
    showParts(state);
    $("lamps").replaceChildren(...state.lamps.map(lamp));
    strip($("strip"), points, state);
    if (state.shift.alarms !== alarms) {
      alarms = state.shift.alarms;
      attempt(() => showAlarms(base, line.name));
    }
  };

  const events = new EventSource(`${base}/events`);
  events.addEventListener("state", (event) => {
    notice("");
    show(JSON.parse(event.data));
  });
  events.addEventListener("open", () => (points = []));
  events.addEventListener("error", () => {
    showVerdict("unknown");
    $("word").textContent = "No connection";
    // Whoever is signed out is sent to where one signs in.
    attempt(() => ask("/api/me"));
  });
  $("new-shift").addEventListener("click", (event) => attempt(() => ask(`${base}/shift`, {}), event.target));
}

// ---- Review

/** Draws a PGM picture of 8 bits. */
async function drawMap(canvas, path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error("This find has no anomaly map.");
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const head = new TextDecoder("latin1").decode(bytes.slice(0, 40)).match(/^P5\n(\d+) (\d+)\n255\n/);
  if (!head) throw new Error("This anomaly map cannot be read.");
  const [width, height] = [Number(head[1]), Number(head[2])];
  canvas.width = width;
  canvas.height = height;
  const to = canvas.getContext("2d");
  const image = to.createImageData(width, height);
  for (let at = 0; at < width * height; at += 1) {
    image.data.fill(bytes[head[0].length + at], 4 * at, 4 * at + 3);
    image.data[4 * at + 3] = 255;
  }
  to.putImageData(image, 0, 0);
}

/** What a place of a find, or a patch that is like it, looks like. */
function cutOut(path, name, about, alt) {
  const picture = name === null
    ? make("div", { class: "none" }, "The picture of this frame is not kept.")
    : make("img", { src: `${path}/${name}`, alt });
  return make("figure", {}, picture, make("figcaption", {}, about));
}

function likePlace(path, place, number) {
  const own = cutOut(path, place.picture, `Place ${number} of this frame, score ${score(place.score)}`, `Place ${number} of this frame`);
  const near = place.nearest.map((each) => cutOut(path, each.picture ?? null,
    `Distance ${each.distance.toFixed(2)}: ${each.name || `learned frame ${each.image}, whose name the bank does not know`}`,
    `Good patch of ${each.name || `learned frame ${each.image}`}`));
  if (!near.length) near.push(make("p", { class: "small" }, "This bank holds no patches."));
  return make("li", {}, own, ...near);
}

const JUDGED = { good: "good: a false alarm", bad: "bad: a defect", unsure: "unsure" };

async function reviewPage() {
  const { me, line, base } = await begin();
  $("export").href = `${base}/export`;
  $("export").hidden = !may(me, "operator");
  $("to-banks").href = `/banks?line=${line.name}`;
  const first = Number(new URLSearchParams(location.search).get("find"));
  let find = null;
  let view = "annotated";
  let busy = false;

  const draw = async () => {
    const path = `/api/finds/${find.id}/${view}`;
    for (const button of document.querySelectorAll("[data-view]")) {
      button.setAttribute("aria-pressed", String(button.dataset.view === view));
    }
    const isMap = view === "map";
    $("shown").hidden = isMap;
    $("map").hidden = !isMap;
    if (isMap) return attempt(() => drawMap($("map"), path));
    $("shown").src = path;
    $("shown").alt = `Frame ${find.frame}, ${view === "annotated" ? "with heat map" : "as it was seen"}`;
  };

  const describe = () => {
    const regions = (find.record.regions ?? []).length;
    const places = regions === 1 ? "1 region" : `${regions} regions`;
    const run = find.last - find.first + 1;
    $("about").textContent =
      `${find.verdict === "anomalous" ? "Alarm" : "Uncertain"}, score ${score(find.score)}, limit ` +
      `${score(find.record.threshold ?? -1)}; ${places}; ${when(find.at)}; frame ${find.frame}${find.run ? ` of run ${whole(find.run)}` : ""}, ` +
      `${run === 1 ? "seen in one frame" : `seen in ${run} frames`}` +
      (find.judgement ? `; judged ${JUDGED[find.judgement]} by ${find.judged_by}` : "");
  };

  const showNearest = async (id) => {
    const path = `/api/finds/${id}/nearest`;
    $("nearest").replaceChildren();
    $("nearest-about").textContent = "Looks up what this is compared with...";
    let text = "";
    let places = [];
    try {
      const told = await ask(path);
      text = "Left: the most striking places. Beside them: the good patches that the bank in use finds most like them, and the frame each came from.";
      places = told.places.map((place, at) => likePlace(path, place, at + 1));
    } catch (error) {
      text = error.message;
    }
    // An answer that comes late is of another find.
    if (find?.id !== id) return;
    $("nearest-about").textContent = text;
    $("nearest").replaceChildren(...places);
  };

  const count = async () => {
    const review = await ask(`${base}/queue`);
    $("counts").textContent =
      `${whole(review.waiting)} wait for a judgement, the highest score first; ${whole(review.judged)} judged. ` +
      `${whole(review.to_learn)} judged good and not in the bank yet.`;
    $("next-step").hidden = review.to_learn === 0;
    return review;
  };

  const show = async (wanted) => {
    const review = await count();
    const asked = wanted ? await ask(`/api/finds/${wanted}`).catch(() => null) : null;
    find = asked ?? review.finds[0] ?? null;
    $("case").hidden = find === null;
    $("empty").hidden = find !== null;
    if (!find) return;
    describe();
    await draw();
    showNearest(find.id);
    // The next one is there when it is asked for.
    const next = review.finds.find((each) => each.id !== find.id);
    if (next) new Image().src = `/api/finds/${next.id}/annotated`;
  };

  // Keys that come meanwhile are passed over.
  const work = (isBusy) => {
    busy = isBusy;
    $("case").setAttribute("aria-busy", String(busy));
  };

  const judge = async (judgement) => {
    if (!find || busy || !may(me, "operator")) return;
    work(true);
    await attempt(async () => {
      const judged = await ask(`/api/finds/${find.id}/judgement`, { judgement });
      notice(`Frame ${judged.frame} is ${JUDGED[judgement]}.`);
      await show();
    });
    work(false);
  };

  const undo = async () => {
    if (busy || !may(me, "operator")) return;
    work(true);
    await attempt(async () => {
      const undone = await ask(`${base}/undo`, {});
      notice(`The judgement of frame ${undone.frame} is taken back.`);
      await show(undone.id);
    });
    work(false);
  };

  const look = (wanted) => {
    view = wanted;
    if (find) draw();
  };

  for (const button of document.querySelectorAll("[data-judge]")) {
    button.addEventListener("click", () => judge(button.dataset.judge));
  }
  for (const button of document.querySelectorAll("[data-view]")) {
    button.addEventListener("click", () => look(button.dataset.view));
  }
  $("undo").addEventListener("click", undo);
  const keys = {
    ArrowLeft: () => judge("good"),
    ArrowRight: () => judge("bad"),
    " ": () => judge("unsure"),
    u: undo,
    h: () => look("annotated"),
    p: () => look("frame"),
    m: () => look("map"),
  };
  document.addEventListener("keydown", (event) => {
    const target = event.target;
    const isField = target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
    if (event.altKey || event.metaKey || isField || event.repeat) return;
    if (event.ctrlKey) {
      if (event.key === "z") {
        event.preventDefault();
        undo();
      }
      return;
    }
    // Space on a button that has the focus is a click on it.
    if (event.key === " " && target instanceof HTMLButtonElement) return;
    const wanted = keys[event.key];
    if (!wanted) return;
    event.preventDefault();
    wanted();
  });
  // The queue grows meanwhile; what is looked at stays until it is judged.
  setInterval(() => {
    if (!document.hidden && !busy) attempt(() => (find ? count() : show()));
  }, 3000);
  await show(first);
}

// ---- Limits

const WIDE = 1000;
const FLOOR = 260;

function bars(counts, most) {
  // Roots show a few frames beside thousands.
  return counts.map((count) => (count ? Math.max(3, (Math.sqrt(count) / Math.sqrt(most)) * (FLOOR - 20)) : 0));
}

function drawHistogram(limits, threshold, low, choose) {
  const step = WIDE / limits.recent.length;
  const recent = bars(limits.recent, Math.max(1, ...limits.recent));
  const learned = bars(limits.learned, Math.max(1, ...limits.learned));
  const all = recent.map((height, at) =>
    svg("rect", { class: "recent", x: at * step, y: FLOOR - height, width: step, height }));
  const edge = learned.map((height, at) => `L${at * step} ${FLOOR - height}H${(at + 1) * step}`).join("");
  all.push(svg("path", { class: "learned", d: `M0 ${FLOOR}${edge}L${WIDE} ${FLOOR}` }));
  limits.good.forEach((count, at) => {
    if (count) all.push(svg("circle", { class: "good", cx: (at + 0.5) * step, cy: FLOOR - 14, r: 9 }));
  });
  limits.bad.forEach((count, at) => {
    const x = (at + 0.5) * step;
    if (count) all.push(svg("path", { class: "bad", d: `M${x} ${FLOOR - 52}l10 20h-20z` }));
  });
  limits.rules.forEach((rule, at) => {
    const x = rule.threshold * WIDE;
    const isRight = rule.threshold > 0.6;
    const label = svg("text", { x: x + (isRight ? -8 : 8), y: 76 + 24 * at, "text-anchor": isRight ? "end" : "start" }, `${rule.name} ${rule.threshold.toFixed(3)}`);
    const ends = { x1: x, x2: x, y1: 0, y2: FLOOR };
    const group = svg("g", { class: "rule" }, svg("line", { class: "hit", ...ends }), svg("line", ends), label);
    group.addEventListener("click", () => choose(rule));
    all.push(group);
  });
  const line = (kind, value, text, y) => {
    const x = value * WIDE;
    const anchor = value > 0.8 ? "end" : "start";
    all.push(svg("line", { class: kind, x1: x, x2: x, y1: 0, y2: FLOOR }));
    if (text) all.push(svg("text", { x: x + (anchor === "end" ? -8 : 8), y, "text-anchor": anchor }, text));
  };
  line("now", limits.threshold, "", 0);
  line("limit", threshold, `alarm ${threshold.toFixed(3)}`, 22);
  if (low !== null) line("low", low, `uncertain ${low.toFixed(3)}`, 48);
  for (const at of [0, 0.25, 0.5, 0.75, 1]) {
    const anchor = at === 0 ? "start" : at === 1 ? "end" : "middle";
    all.push(svg("text", { x: at * WIDE, y: FLOOR + 28, "text-anchor": anchor }, String(at)));
  }
  $("histogram").replaceChildren(...all);
}

async function limitsPage() {
  const { me, base } = await begin();
  $("author").textContent = me.name;
  let limits = null;
  let asked = 0;

  const chosen = () => {
    const threshold = $("of-bank").checked ? limits.bank : Number($("threshold").value);
    return { threshold, low: $("has-low").checked ? Number($("low").value) : null };
  };

  const preview = async () => {
    const { threshold, low } = chosen();
    asked += 1;
    const number = asked;
    const would = await ask(`${base}/limits/preview?threshold=${threshold}${low === null ? "" : `&low=${low}`}`);
    // An answer that comes late is no answer to what is asked now.
    if (number !== asked) return;
    const row = (name, then, now) => {
      const cell = (key) => (now ? `${whole(now[key])} → ${whole(then[key])}` : whole(then[key]));
      return [name, cell("anomalous"), cell("uncertain"), cell("normal")];
    };
    rows($("would"), [
      row("last frames", would.frames_then, would.frames_now),
      row("judged good", would.good_then),
      row("judged bad", would.bad_then),
    ]);
  };

  // Takes over what a rule makes of the bank.
  const choose = (rule) => {
    if (!may(me, "engineer")) return;
    $("of-bank").checked = false;
    $("threshold").value = rule.threshold;
    change();
  };

  let timer;
  const change = () => {
    const ofBank = $("of-bank").checked;
    $("threshold").disabled = ofBank;
    if (ofBank) $("threshold").value = limits.bank;
    $("low").disabled = !$("has-low").checked;
    // The band lies below the limit of alarms.
    const highest = Math.max(0, chosen().threshold - 0.005);
    if (Number($("low").value) > highest) $("low").value = highest;
    const { threshold, low } = chosen();
    $("threshold-value").textContent = threshold.toFixed(3);
    $("low-value").textContent = low === null ? "none" : low.toFixed(3);
    drawHistogram(limits, threshold, low, choose);
    clearTimeout(timer);
    timer = setTimeout(() => attempt(preview), 150);
  };

  const load = async () => {
    limits = await ask(`${base}/limits`);
    $("rules").replaceChildren(...limits.rules.map((rule) => {
      const button = make("button", { type: "button" }, `${rule.name}: ${rule.threshold.toFixed(3)}`);
      button.addEventListener("click", () => choose(rule));
      return button;
    }));
    const set = limits.changes[0];
    $("of-bank").checked = !set || set.threshold === null;
    $("of-bank-value").textContent = limits.bank.toFixed(3);
    $("threshold").value = limits.threshold;
    $("has-low").checked = limits.low !== null;
    $("low").value = limits.low ?? Math.max(0, limits.threshold - 0.1);
    rows($("changes"), limits.changes.map((each) => [
      when(each.at),
      each.author,
      each.threshold === null ? "as the bank says" : each.threshold.toFixed(3),
      each.low === null ? "no band" : each.low.toFixed(3),
      each.reason,
    ]));
    change();
  };

  for (const id of ["threshold", "low", "of-bank", "has-low"]) $(id).addEventListener("input", change);
  $("limits-form").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
      const { threshold, low } = chosen();
      await ask(`${base}/limits`, {
        threshold: $("of-bank").checked ? null : threshold,
        low,
        reason: $("reason").value,
      });
      $("reason").value = "";
      notice(`Applied: alarm from ${threshold.toFixed(3)}.`);
      await load();
    }, event.submitter);
  });
  await load();
}

// ---- Banks

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function tried(report, limit) {
  const line = (word, name) => {
    const all = report.filter((each) => each.judgement === word);
    if (!all.length) return null;
    const above = all.filter((each) => each.after >= limit).length;
    return `${all.length} judged ${name}: mean score ${mean(all.map((each) => each.before)).toFixed(3)} → ` +
      `${mean(all.map((each) => each.after)).toFixed(3)}, ${above} still above ${limit.toFixed(3)}`;
  };
  return [line("good", "good"), line("bad", "bad")].filter(Boolean);
}

function oddOf({ odd, running }, line) {
  if (!odd.length) return [];
  const text = odd.length === 1 ? "1 frame was" : `${whole(odd.length)} frames were`;
  // The page Learn shows those of the version in use, or of the last that was learned.
  const shown = running ? make("a", { href: `/learn?line=${encodeURIComponent(line.name)}` }, "look at them") : "";
  return [make("p", {}, `${text} unlike the rest. `, shown)];
}

const said = (judged) => `${VERDICTS[judged.verdict].word} ${score(judged.score)}, limit ${score(judged.threshold)}`;

function differingRow(each, line) {
  const picture = each.find === null ? "not kept" : make("a", { href: `/review?line=${line}&find=${each.find}` },
    make("img", { src: `/api/finds/${each.find}/annotated`, alt: `Frame ${each.frame}`, class: "thumb" }));
  return [when(each.at), whole(each.frame), said(each.running), said(each.shadow), picture];
}

async function banksPage() {
  const { me, line, base } = await begin();
  const isEngineer = may(me, "engineer");
  let wanted = null;
  let shadow = null;

  // What is asked for with a reason.
  const choose = (name, about, path, done) => {
    const button = make("button", {}, name);
    button.addEventListener("click", () => {
      wanted = { path, done };
      $("release-title").textContent = name;
      $("release-yes").textContent = name;
      $("release-about").textContent = about;
      $("release-reason").value = "";
      $("release").showModal();
    });
    return button;
  };

  const card = (bank, limit) => {
    const title = make("h3", {}, `Version ${bank.version}`);
    const state = bank.running ? "in use" : bank.released ? "was in use" : "candidate";
    title.append(make("span", { class: bank.running ? "badge running" : "badge" }, state));
    if (bank.shadow) title.append(make("span", { class: "badge" }, "shadow"));
    const parent = bank.parent === null ? "" : `, from version ${bank.parent} and ${whole(bank.added)} new frames`;
    const item = make("li", {}, title,
      make("p", {}, `${bank.reason} - ${bank.author}, ${when(bank.at)}`),
      make("p", { class: "small" }, `${whole(bank.frames)} good frames${parent}; ${whole(bank.vectors)} descriptors`),
      ...oddOf(bank, line),
      ...tried(bank.report, limit).map((text) => make("p", {}, text)),
      make("p", { class: "small" }, "digest ", make("code", {}, bank.digest)));
    if (!bank.running && isEngineer) {
      const path = `${base}/banks/${bank.version}`;
      const row = make("p", { class: "row" }, choose(`Release version ${bank.version}`,
        `As ${me.name}. The line goes on, and judges by it from the next frame on.`,
        `${path}/release`, `Version ${bank.version} is in use.`));
      if (!bank.shadow) row.append(choose(`Run version ${bank.version} as shadow`,
        `As ${me.name}. The pipeline starts again, and takes twice the time for a frame; nothing follows from the verdicts of the shadow.`,
        `${path}/shadow`, `Version ${bank.version} judges the same frames as a shadow.`));
      item.append(row);
    }
    return item;
  };

  const showShadow = (now) => {
    const before = shadow;
    shadow = now;
    $("shadow").hidden = !now;
    if (!now) return;
    $("shadow-about").textContent = `Version ${now.version} judges beside the bank in use since ${when(now.since)}: ${now.reason} - ${now.author}`;
    rows($("agreement"), [[now.frames, now.both_pass, now.both_alarm, now.only_running, now.only_shadow].map(whole)]);
    // Pictures are not loaded anew where nothing changed.
    if (JSON.stringify(before?.differing) === JSON.stringify(now.differing)) return;
    $("no-differing").hidden = now.differing.length > 0;
    rows($("differing"), now.differing.map((each) => differingRow(each, line.name)));
  };

  const load = async () => {
    const [banks, state, now] = await Promise.all([ask(`${base}/banks`), ask(base), ask(`${base}/shadow`)]);
    showShadow(now);
    const limit = state.threshold < 0 ? 0.5 : state.threshold;
    $("versions").replaceChildren(...banks.versions.map((bank) => card(bank, limit)));
    rows($("releases"), banks.releases.map((each) => [when(each.at), String(each.version), each.author, each.reason]));
    $("to-learn").replaceChildren(banks.to_learn
      ? `${banks.to_learn === 1 ? "1 find was judged good and is" : `${whole(banks.to_learn)} finds were judged good and are`} not in the bank in use.`
      : make("span", {}, "Nothing new was judged good: ", make("a", { href: `/review?line=${line.name}` }, "go to Review"), "."));
    $("candidate").querySelector("button").disabled = !isEngineer || banks.to_learn === 0;
    $("before").textContent = banks.before === null
      ? "No other version was in use yet."
      : `Takes version ${banks.before} into use again.`;
    $("rollback").querySelector("button").disabled = !isEngineer || banks.before === null;
  };

  $("candidate").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
      notice("The candidate is made. This may take a minute.");
      const made = await ask(`${base}/banks`, { reason: $("candidate-reason").value });
      $("candidate-reason").value = "";
      notice(`Version ${made.version} is made. It changes nothing until it is released, and may run as a shadow before.`);
    }, event.submitter).then(() => attempt(load));
  });
  $("rollback").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
      await ask(`${base}/rollback`, { reason: $("rollback-reason").value });
      $("rollback-reason").value = "";
      notice("Rolled back.");
    }, event.submitter).then(() => attempt(load));
  });
  $("release").addEventListener("close", () => {
    if ($("release").returnValue !== "yes") return;
    attempt(async () => {
      await ask(wanted.path, { reason: $("release-reason").value });
      notice(wanted.done);
    }).then(() => attempt(load));
  });
  $("end-shadow").addEventListener("click", (event) => {
    attempt(async () => {
      await ask(`${base}/shadow`, undefined, "DELETE");
      notice("The shadow has ended. The audit list says how both agreed.");
    }, event.target).then(() => attempt(load));
  });
  if (isEngineer) showComparison(base);
  setInterval(() => {
    if (document.hidden) return;
    attempt(async () => {
      const now = await ask(`${base}/shadow`);
      // Versions say which of them is the shadow.
      if (now?.version !== shadow?.version) await load();
      else showShadow(now);
    });
  }, 2000);
  await load();
}

// ---- Access

async function accessPage() {
  const { me } = await begin();
  const remover = (name, path) => {
    const button = make("button", { "aria-label": `Remove ${name}` }, "Remove");
    button.addEventListener("click", () => {
      if (!confirm(`Remove ${name}?`)) return;
      attempt(() => ask(path, undefined, "DELETE"), button).then(() => attempt(load));
    });
    return button;
  };
  const load = async () => {
    const [people, tokens, audit] = await Promise.all([ask("/api/people"), ask("/api/tokens"), ask("/api/audit")]);
    rows($("people"), people.map((each) => [
      each.name, each.role, when(each.at), each.name === me.name ? "" : remover(each.name, `/api/people/${encodeURIComponent(each.name)}`),
    ]));
    rows($("tokens"), tokens.map((each) => [each.name, each.role, each.author, remover(each.name, `/api/tokens/${each.id}`)]));
    rows($("audit"), audit.map((each) => [when(each.at), each.who, each.what, each.detail]));
  };
  $("person").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
      const name = $("person-name").value;
      await ask("/api/people", { name, role: $("person-role").value, password: $("person-password").value });
      event.target.reset();
      notice(`${name} is saved.`);
      await load();
    }, event.submitter);
  });
  $("token").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
      const { token } = await ask("/api/tokens", { name: $("token-name").value, role: $("token-role").value });
      event.target.reset();
      $("token-value").textContent = token;
      $("token-made").hidden = false;
      await load();
    }, event.submitter);
  });
  await load();
}

// ---- Sign in

async function signInPage() {
  const { setup } = await ask("/api/door");
  $("setup-about").hidden = !setup;
  $("code-row").hidden = !setup;
  $("code").required = setup;
  if (setup) {
    $("door-title").textContent = "Make the first admin";
    $("password").autocomplete = "new-password";
    $("door").querySelector("button").textContent = "Make the first admin";
  }
  $("door").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
      const body = { name: $("name").value, password: $("password").value };
      await ask(setup ? "/api/setup" : "/api/sign-in", setup ? { code: $("code").value, ...body } : body);
      const next = new URLSearchParams(location.search).get("next") ?? "/";
      // Only to a page of this station.
      location.href = /^\/(?![/\\])/.test(next) ? next : "/";
    }, event.submitter);
  });
}

const PAGES = { line: linePage, review: reviewPage, limits: limitsPage, banks: banksPage, access: accessPage, stations: stationsPage, learn: learnPage, recipes: recipesPage, trends: trendsPage, system: systemPage, "sign-in": signInPage };

attempt(PAGES[document.body.dataset.page]);
