// The page Stations: all lines at the hub, what it has of one station, and commands that are signed on this machine.

import { $, ask, attempt, begin, clock, make, may, notice, rows, score, STATUS, when, whole } from "./common.js";

// A station tells what it is every 30 s, or sooner.
const AWAY_MS = 90_000;

// What each command needs, and who may pass it on.
const COMMANDS = {
  test: { role: "operator", needs: [] },
  snapshot: { role: "operator", needs: ["line"] },
  recipe: { role: "operator", needs: ["line", "recipe"] },
  learn: { role: "engineer", needs: ["line", "reason"] },
  "learn-anew": { role: "engineer", needs: ["line", "reason", "max_frames"] },
  shadow: { role: "engineer", needs: ["line", "version", "reason"] },
  "end-shadow": { role: "engineer", needs: ["line"] },
  release: { role: "engineer", needs: ["line", "version", "reason"] },
  "roll-back": { role: "engineer", needs: ["line", "reason"] },
};

// Before the 32 bytes of an Ed25519 key as `snarm hub keys` writes it, in PKCS #8.
const PKCS8 = "302e020100300506032b657004220420";

const SECONDS = 60;

function wanted({ desired, bank }) {
  if (!desired) return "-";
  if (desired.refusal) return `Refused: ${desired.refusal}`;
  const objects = [desired.decoder && "a decoder", desired.recipe && "a recipe"].filter(Boolean);
  const version = desired.version === bank.version ? `Version ${desired.version}` : `Version ${desired.version}, which is not in use`;
  return [version, ...objects].join(", ");
}

const does = (state) => [STATUS[state.status] ?? state.status, state.detail].filter(Boolean).join(": ");

function event(each) {
  if (each.who) return [when(each.time), each.who, `${each.what}: ${each.detail}`];
  return [when(each.time), each.line, does(each)];
}

function command({ time, command: { author, do: what, ...rest }, answer }) {
  const about = ["line", "version", "recipe", "reason"].filter((name) => rest[name] !== undefined).map((name) => String(rest[name]));
  const said = answer.ok ? (answer.answer === null ? "done" : JSON.stringify(answer.answer)) : `refused: ${answer.error}`;
  return [when(time), author, [what, ...about].join(", "), said.length > 300 ? `${said.slice(0, 300)}...` : said];
}

const bytes = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** Signs a command by a key that stays on this machine. */
async function signed(file, statement) {
  const seed = (await file.text()).trim();
  if (!/^[0-9a-f]{64}$/i.test(seed)) throw new Error("expected a key of 64 hexadecimal digits, as snarm hub keys writes it, found something else");
  const key = await crypto.subtle.importKey("pkcs8", bytes(PKCS8 + seed), { name: "Ed25519" }, false, ["sign"]);
  const text = JSON.stringify(statement);
  const signature = await crypto.subtle.sign({ name: "Ed25519" }, key, new TextEncoder().encode(`snarm command 1\n${text}`));
  return { statement: text, signature: hex(signature) };
}

export async function stationsPage() {
  const { me } = await begin();
  let chosen = new URLSearchParams(location.search).get("station");

  const choose = (name) => {
    const button = make("button", { "aria-label": `Show ${name}` }, name);
    button.addEventListener("click", () => {
      chosen = name;
      history.replaceState(null, "", `?station=${encodeURIComponent(name)}`);
      attempt(showStation);
    });
    return button;
  };

  const showStation = async () => {
    if (!chosen) return;
    const { lines, rejects, events, commands } = await ask(`/api/hub/${encodeURIComponent(chosen)}`);
    $("station").hidden = false;
    $("station-title").textContent = chosen;
    rows($("station-lines"), lines.map((each) => [
      each.title, does(each), whole(each.shift.frames), whole(each.shift.alarms), whole(each.shift.uncertain), whole(each.shift.parts), whole(each.shift.bad_parts), `${each.fps.toFixed(1)}/s`,
    ]));
    $("no-rejects").hidden = rejects.length > 0;
    rows($("rejects"), rejects.map((each) => [
      when(each.time), each.line, each.find === undefined ? `part ${each.part ?? each.number}` : `find ${each.find}`, score(each.score), score(each.threshold),
    ]));
    rows($("station-events"), events.map(event));
    $("no-commands").hidden = commands.length > 0;
    rows($("station-commands"), commands.map(command));
    const names = lines.map((each) => each.recipe?.of ?? each.line).concat(lines.map((each) => each.line));
    const all = [...new Set(names)];
    // A choice that is replaced while it is open does nothing.
    if (all.join() !== [...$("command-line").options].map((each) => each.value).join()) {
      $("command-line").replaceChildren(...all.map((name) => make("option", { value: name }, name)));
    }
  };

  const showForm = () => {
    const { role, needs } = COMMANDS[$("command-do").value];
    for (const name of ["line", "version", "recipe", "reason", "max_frames"]) {
      const isNeeded = needs.includes(name);
      $(`command-${name}-row`).hidden = !isNeeded;
      $(`command-${name}`).required = isNeeded;
    }
    const can = may(me, role) && !!crypto.subtle;
    $("command-send").disabled = !can;
    $("command-send").title = may(me, role) ? "" : `Needs the role ${role}.`;
  };

  const load = async () => {
    const states = await ask("/api/hub");
    const told = (state) => Date.now() - state.time > AWAY_MS ? `Away since ${when(state.time)}` : clock(state.time);
    const table = $("stations");
    const shown = states.map((state) => [
      state.station, state.title, does(state),
      `Version ${state.bank.version}`, wanted(state), score(state.threshold), whole(state.shift.alarms),
      whole(state.waiting), told(state),
    ]);
    const names = [...table.tBodies[0].rows].map((row) => row.cells[0].textContent).join();
    // A button that is replaced while it is pressed does nothing.
    if (names !== states.map((state) => state.station).join()) {
      rows(table, shown.map(([name, ...rest]) => [choose(name), ...rest]));
    } else {
      shown.forEach((cells, at) => cells.slice(1).forEach((text, cell) => {
        table.tBodies[0].rows[at].cells[cell + 1].textContent = text;
      }));
    }
    const away = states.filter((state) => Date.now() - state.time > AWAY_MS).length;
    $("stations-about").textContent = `${whole(states.length)} lines, ${whole(away)} of them away.`;
    await showStation();
  };

  $("command-do").append(...Object.keys(COMMANDS).map((name) => make("option", { value: name }, name)));
  $("command-do").addEventListener("change", showForm);
  $("command").hidden = !may(me, "operator");
  $("no-crypto").hidden = !!crypto.subtle;
  showForm();
  $("command").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
      const statement = {
        id: hex(crypto.getRandomValues(new Uint8Array(16))),
        author: $("command-author").value,
        station: chosen,
        deadline: Date.now() + 1000 * SECONDS,
        do: $("command-do").value,
      };
      for (const name of COMMANDS[statement.do].needs) {
        const { value, type } = $(`command-${name}`);
        statement[name] = type === "number" ? Number(value) : value;
      }
      const order = await signed($("command-key").files[0], statement);
      const answer = await ask(`/api/hub/${encodeURIComponent(chosen)}/commands`, order);
      if (!answer.ok) throw new Error(`${chosen} refuses: ${answer.error}`);
      notice(`${chosen} has done it.`);
    }, event.submitter).then(() => attempt(showStation)).then(showForm);
  });
  const again = async () => {
    if (!document.hidden) await attempt(load);
    setTimeout(again, 5000);
  };
  await again();
}
