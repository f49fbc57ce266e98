// The page System: lines, outputs, space and log.

import { $, ask, attempt, begin, clock, lamp, make, notice, rows, STATUS, when, whole } from "./common.js";

function button(name, about, work, done) {
  const made = make("button", { "aria-label": about }, name);
  made.addEventListener("click", () => attempt(async () => {
    const told = await work();
    if (done) notice(done);
    else told();
  }, made));
  return made;
}

/** Tries the source of a line, and returns what says how that went. */
async function trySource({ name, title }) {
  notice(`Opens the source of ${title}: this takes up to 15 s.`);
  const { findings } = await ask(`/api/lines/${name}/source/test`, {});
  const text = findings.map((each) => `${each.what}: ${each.text}`).join("; ") || "nothing was found";
  return () => notice(`Source of ${title}: ${text}.`, findings.some((each) => !each.good));
}

/** What can be done with a line. Nobody else has its source while it waits or is stopped. */
function work(line) {
  const all = [button("Start again", `Start the pipeline of ${line.title} again`, () => ask(`/api/lines/${line.name}/restart`, {}), `The pipeline of ${line.title} starts again.`)];
  if (["waiting", "stopped"].includes(line.status)) all.push(button("Test the source", `Test the source of ${line.title}`, () => trySource(line)));
  return make("div", { class: "row" }, ...all);
}

export async function systemPage() {
  await begin();
  let shown = "";
  const show = async () => {
    const system = await ask("/api/system");
    $("version").textContent = system.version;
    $("up").textContent = when(Date.now() - 1000 * system.up);
    $("folder").textContent = system.folder;
    $("database").textContent = `${(system.database / 1e6).toFixed(1)} MB`;
    $("lamps").replaceChildren(...system.lamps.map(lamp));
    $("no-outputs").hidden = system.outputs.length + system.gone.length > 0;
    // A button that is replaced while it is pressed does nothing.
    const now = JSON.stringify([system.lines.map((each) => [each.status, each.detail, each.restarts]), system.outputs, system.gone]);
    if (now !== shown) {
      shown = now;
      const gone = system.gone.map((each) => [
        each.output, "", `not in the configuration; removed after ${when(each.since + system.gone_kept)}`, whole(each.messages), "", "",
        button("Remove", `Remove what waits for ${each.output}`, () => ask(`/api/outputs/${each.output}`, undefined, "DELETE"), `What waited for ${each.output} is removed.`),
      ]);
      rows($("outputs"), system.outputs.map((each) => [
        each.name, each.kind, each.failure ?? "works", whole(each.waiting), whole(each.set_aside), whole(each.lost),
        each.can_be_tried ? button("Send a test", `Send a test message to ${each.name}`, () => ask(`/api/outputs/${each.name}/test`, {}), `${each.name} took the test message.`) : "",
      ]).concat(gone));
      rows($("lines"), system.lines.map((each) => [
        each.title, [STATUS[each.status], each.detail].filter(Boolean).join(": "), "", "", "", whole(each.restarts), "",
        work(each),
      ]));
    }
    system.lines.forEach((each, at) => {
      const { cells } = $("lines").tBodies[0].rows[at];
      cells[2].textContent = whole(each.frames);
      cells[3].textContent = `${each.fps.toFixed(1)}/s`;
      cells[4].textContent = `${each.latency_ms.toFixed(0)} ms`;
      cells[6].textContent = whole(each.lost_pictures);
    });
    rows($("log"), system.log.map((each) => [make("time", {}, clock(each.at)), each.text]));
  };
  const again = async () => {
    if (!document.hidden) await attempt(show);
    setTimeout(again, 2000);
  };
  await again();
}
