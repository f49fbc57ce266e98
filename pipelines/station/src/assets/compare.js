// Two versions of a bank on a recording: a part of the page Banks.

import { $, ask, attempt, make, notice, rows, score, svg, whole } from "./common.js";

/** A histogram of scores from 0 to 1, with the limit of alarms. */
function bars(name, counts, threshold) {
  const most = Math.max(1, ...counts);
  const [wide, high] = [400, 120];
  const width = wide / counts.length;
  const drawn = counts.map((count, at) => {
    const tall = (count / most) * high;
    return svg("rect", { x: at * width, y: high - tall, width: width * 0.9, height: tall });
  });
  const chart = svg("svg", { viewBox: `0 0 ${wide} ${high}`, class: "bars", role: "img", "aria-label": `Scores of ${name}, alarms from ${score(threshold ?? -1)}` }, ...drawn);
  if (threshold !== null) chart.append(svg("line", { class: "limit", x1: threshold * wide, x2: threshold * wide, y1: 0, y2: high }));
  return make("figure", {}, chart, make("figcaption", { class: "small" }, `Scores by ${name}; alarms from ${score(threshold ?? -1)} on`));
}

function time(ns) {
  if (ns === null) return "-";
  const seconds = ns / 1e9;
  return `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(2).padStart(5, "0")}`;
}

const said = ({ score: value, threshold, verdict }) => `${score(value)} of ${score(threshold)}, ${verdict}`;

function showReport({ of, report, failure }) {
  $("compared").hidden = !report;
  if (!report) {
    notice(`Nothing was compared: ${failure}`, true);
    return;
  }
  const [first, second] = [`version ${of.a}`, `version ${of.b}`];
  $("compared-about").textContent = `First: ${first}, second: ${second}, on ${of.recording}, each ${of.interval === 1 ? "frame" : `${whole(of.interval)}th frame`}.`;
  rows($("compared-counts"), [[report.frames, report.both_pass, report.both_alarm, report.only_a, report.only_b, report.unjudged].map(whole)]);
  $("compared-bars").replaceChildren(bars(first, report.histogram_a, report.threshold_a), bars(second, report.histogram_b, report.threshold_b));
  $("compared-none").hidden = report.apart.length > 0;
  rows($("compared-apart"), report.apart.map((each) => [whole(each.frame), time(each.time), said(each.a), said(each.b)]));
}

/** Fills a choice, and leaves what is chosen as it is. */
function choices(id, values, usual) {
  const select = $(id);
  const before = select.value || usual;
  if (select.options.length === values.length && values.every(([value], at) => select.options[at].value === value)) return;
  select.replaceChildren(...values.map(([value, name]) => make("option", { value }, name)));
  if (values.some(([value]) => value === before)) select.value = before;
}

/** Shows the part, and looks how far a comparison is. */
export function showComparison(base) {
  $("compare").hidden = false;
  let shown = "";
  const show = async () => {
    const [{ recordings, now, last }, { versions }] = await Promise.all([ask(`${base}/compare`), ask(`${base}/banks`)]);
    const can = recordings.length > 0 && versions.length > 1;
    $("no-recordings").hidden = recordings.length > 0;
    $("compare-form").hidden = recordings.length === 0;
    $("compare-form").querySelector("button").disabled = !can || !!now;
    const all = versions.map((each) => [String(each.version), `${each.version}${each.running ? " (in use)" : ""}`]);
    const running = versions.find((each) => each.running)?.version;
    choices("compare-a", all, String(running));
    choices("compare-b", all, String(versions.find((each) => each.version !== running)?.version));
    choices("compare-on", recordings.map((name) => [name, name]), recordings[0]);
    $("compare-now").hidden = $("compare-stop").hidden = !now;
    $("compare-share").hidden = !now;
    if (now) {
      const frames = now.of_frames === null ? whole(now.frames) : `${whole(now.frames)} of ${whole(now.of_frames)}`;
      $("compare-now").textContent = `Version ${now.version} judges ${now.of.recording}: ${frames} frames.`;
      if (now.of_frames) $("compare-share").value = now.frames / now.of_frames;
      else $("compare-share").removeAttribute("value");
    }
    const text = JSON.stringify(last);
    if (last && text !== shown) showReport(last);
    shown = text;
  };
  const again = async () => {
    if (!document.hidden) await attempt(show);
    setTimeout(again, 2000);
  };
  $("compare-form").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
      await ask(`${base}/compare`, {
        recording: $("compare-on").value, a: Number($("compare-a").value), b: Number($("compare-b").value), interval: Number($("compare-interval").value),
      });
      notice("The two versions are compared.");
      await show();
    }, event.submitter);
  });
  $("compare-stop").addEventListener("click", (event) => {
    attempt(() => ask(`${base}/compare`, undefined, "DELETE"), event.target).then(() => attempt(show));
  });
  again();
}
