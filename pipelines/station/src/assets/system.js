// The page System: lines, outputs, space and log.

import { $, ask, attempt, begin, clock, lamp, make, notice, rows, STATUS, when, whole } from "./common.js";

function button(name, about, work, done) {
  const made = make("button", { "aria-label": about }, name);
  made.addEventListener("click", () => attempt(async () => {
    await work();
    notice(done);
  }, made));
  return made;
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
        button("Start again", `Start the pipeline of ${each.title} again`, () => ask(`/api/lines/${each.name}/restart`, {}), `The pipeline of ${each.title} starts again.`),
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
