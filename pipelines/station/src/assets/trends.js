// The page Trends: charts of steps of time, with marks where people changed something.

import { $, ask, attempt, begin, make, rows, score, svg, when, whole } from "./common.js";

// In pixels of the page.
const [HIGH, FLOOR, LEFT] = [200, 165, 48];

// Marks that are nearer to each other have one label.
const CLOSE = 24;

/** A frame with lines at some values, the times below, and the marks of changes. Returns what draws into it. */
function chart(id, { since, until, step, changes }, highest, label, shown) {
  const box = $(id);
  const wide = Math.max(300, box.clientWidth);
  const x = (at) => LEFT + ((at - since) / (until - since)) * (wide - LEFT);
  const y = (value) => FLOOR - (value / highest) * (FLOOR - 20);
  const all = [];
  for (const part of [0, 0.5, 1]) {
    const at = y(part * highest);
    all.push(svg("line", { class: "grid", x1: LEFT, x2: wide, y1: at, y2: at }));
    all.push(svg("text", { x: LEFT - 8, y: at + 5, "text-anchor": "end" }, shown(part * highest)));
  }
  const isLong = until - since > 2 * 24 * 3_600_000;
  const name = (at) => isLong
    ? new Date(at).toLocaleDateString([], { day: "numeric", month: "short" })
    : new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  for (const part of wide < 600 ? [0, 0.5, 1] : [0, 0.25, 0.5, 0.75, 1]) {
    const at = since + part * (until - since);
    const anchor = part === 0 ? "start" : part === 1 ? "end" : "middle";
    all.push(svg("text", { x: x(at), y: FLOOR + 22, "text-anchor": anchor }, name(at)));
  }
  for (let first = 0; first < changes.length; ) {
    const at = x(changes[first].at);
    let last = first;
    while (last + 1 < changes.length && x(changes[last + 1].at) - at < CLOSE) last += 1;
    const numbers = last === first ? `${first + 1}` : `${first + 1}-${last + 1}`;
    all.push(svg("line", { class: "change", x1: at, x2: at, y1: 16, y2: FLOOR }));
    all.push(svg("text", { class: "change", x: at, y: 13, "text-anchor": at > wide - CLOSE ? "end" : "middle" }, numbers));
    first = last + 1;
  }
  box.setAttribute("viewBox", `0 0 ${wide} ${HIGH}`);
  box.setAttribute("aria-label", label);
  const clip = (at) => Math.max(LEFT, x(at));
  return {
    bar(kind, at, from, to) {
      const [begin, end] = [clip(at), Math.min(wide, x(at + step))];
      if (to > from) all.push(svg("rect", { class: kind, x: begin, width: Math.max(1, end - begin - 0.5), y: y(to), height: y(from) - y(to) }));
    },
    line(kind, points) {
      // Where no frame came, the line has a gap.
      let before = null;
      const path = points.map(({ at, value }) => {
        const joined = before !== null && at - before <= step;
        before = at;
        return `${joined ? "L" : "M"}${clip(at + step / 2).toFixed(1)} ${y(Math.min(value, highest)).toFixed(1)}${joined ? "" : "h.1"}`;
      });
      all.push(svg("path", { class: kind, d: path.join("") || "M0 0" }));
    },
    done: () => box.replaceChildren(...all),
  };
}

const percent = (value) => `${(100 * value).toFixed(value > 0.095 || value === 0 ? 0 : 1)} %`;
const times = (value) => (value === null ? "-" : value.toFixed(2));

function draw(trends) {
  const { steps } = trends;
  const share = (count, { frames }) => count / frames;
  const most = Math.max(0.01, ...steps.map((each) => share(each.anomalous + each.uncertain, each)));
  const frames = steps.reduce((sum, each) => sum + each.frames, 0);
  const alarms = steps.reduce((sum, each) => sum + each.anomalous, 0);
  $("about").textContent = frames
    ? `${whole(frames)} frames, ${whole(alarms)} of them with an alarm; a step is ${whole(trends.step / 60_000)} minutes.`
    : "No frame was judged in this time.";
  const ofAlarms = chart("alarms", trends, most, `Share of frames with an alarm, at most ${percent(most)} in a step`, percent);
  const ofScores = chart("scores", trends, 1, "Mean and highest score of each step", (value) => value.toFixed(1));
  const lit = steps.filter((each) => each.light !== null);
  const measured = steps.filter((each) => each.sharpness !== null);
  const brightest = Math.max(2, ...lit.map((each) => each.light), ...measured.map((each) => each.sharpness));
  const ofLight = chart("lights", trends, brightest, "Mean light and sharpness of each step", (value) => value.toFixed(1));
  for (const each of steps) {
    ofAlarms.bar("alarm", each.at, 0, share(each.anomalous, each));
    ofAlarms.bar("unsure", each.at, share(each.anomalous, each), share(each.anomalous + each.uncertain, each));
  }
  ofScores.line("line-a", steps.map(({ at, score: value }) => ({ at, value })));
  ofScores.line("line-b", steps.map(({ at, highest }) => ({ at, value: highest })));
  ofLight.line("line-a", lit.map(({ at, light }) => ({ at, value: light })));
  ofLight.line("line-b", measured.map(({ at, sharpness }) => ({ at, value: sharpness })));
  for (const each of [ofAlarms, ofScores, ofLight]) each.done();
  $("no-changes").hidden = trends.changes.length > 0;
  rows($("changes"), trends.changes.map((each, number) => [String(number + 1), when(each.at), each.what, each.author, each.reason]));
  rows($("steps"), steps.map((each) => [
    make("time", {}, when(each.at)), whole(each.frames), whole(each.anomalous), whole(each.uncertain), whole(each.unknown),
    score(each.score), score(each.highest), times(each.light), times(each.sharpness),
  ]));
}

export async function trendsPage() {
  const { base } = await begin();
  let trends = null;
  const show = async () => {
    trends = await ask(`${base}/trends?hours=${$("hours").value}`);
    draw(trends);
  };
  window.addEventListener("resize", () => trends && draw(trends));
  $("hours").addEventListener("change", () => attempt(show));
  setInterval(() => {
    if (!document.hidden) attempt(show);
  }, 60_000);
  await show();
}
