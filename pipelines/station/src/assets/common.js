// What all pages share: asking the API, the head with its links, notices.

const ROLES = ["viewer", "operator", "engineer", "admin"];

export const $ = (id) => document.getElementById(id);

/** Makes an element. Text is text: nothing of it is read as markup. */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

export function notice(text, isBad = false) {
  const line = $("notice");
  line.textContent = text;
  line.className = isBad ? "bad" : "";
  line.hidden = !text;
  if (text && isBad) line.scrollIntoView({ block: "nearest" });
}

/** Asks the API. Without a sign-in it goes to where one signs in. */
export async function ask(path, body, method) {
  const options = { method: method ?? (body === undefined ? "GET" : "POST"), headers: {} };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The station does not answer.");
  }
  if (answer.status === 401 && document.body.dataset.page !== "sign-in") {
    location.replace("/sign-in?next=" + encodeURIComponent(location.pathname + location.search));
    throw new Error("Signed out.");
  }
  if (answer.status === 204) return null;
  const told = await answer.json().catch(() => ({ error: `expected JSON, found ${answer.status}` }));
  if (!answer.ok) throw new Error(told.error ?? `The station answers ${answer.status}.`);
  return told;
}

/** Does something that may fail, and says so where it does. */
export async function attempt(work, button) {
  if (button) button.disabled = true;
  try {
    return await work();
  } catch (error) {
    notice(error.message, true);
    return undefined;
  } finally {
    if (button) button.disabled = false;
  }
}

export const score = (value) => (value < 0 ? "-" : value.toFixed(3));
export const whole = (value) => value.toLocaleString("en");
export const when = (ms) => new Date(ms).toLocaleString([], { dateStyle: "short", timeStyle: "medium" });
export const clock = (ms) => new Date(ms).toLocaleTimeString([], { timeStyle: "medium" });

// Forms tell lamps apart without colours.
const LAMPS = {
  good: { path: "M10 1a9 9 0 1 0 .01 0z", word: "good" },
  warning: { path: "M10 1l9.5 17H.5z", word: "warning" },
  bad: { path: "M6 1h8l5 5v8l-5 5H6l-5-5V6z", word: "bad" },
  off: { path: "M3 8h14v4H3z", word: "not known" },
};

export const STATUS = {
  preparing: "Gets ready",
  starting: "Starts",
  running: "Running",
  waiting: "Failed, starts again by itself",
  stopped: "Stopped",
};

export function lamp({ name, light, text }) {
  const { path, word } = LAMPS[light];
  const shape = svg("svg", { viewBox: "0 0 20 20", class: `l-${light}`, role: "img", "aria-label": word });
  shape.append(svg("path", { d: path }));
  return make("li", {}, shape, make("b", {}, name), make("span", {}, text));
}

export function may(me, role) {
  return ROLES.indexOf(me.role) >= ROLES.indexOf(role);
}

/** Fills a table: each cell is text or an element. */
export function rows(table, all) {
  const row = (cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, cell)));
  table.tBodies[0].replaceChildren(...all.map(row));
}

function link(path, name, line) {
  const to = ["/access", "/stations", "/system"].includes(path) ? path : `${path}?line=${encodeURIComponent(line)}`;
  const attributes = location.pathname === path ? { href: to, "aria-current": "page" } : { href: to };
  return make("a", attributes, name);
}

/** Draws the head, and returns who is signed in and which line is meant. */
export async function begin() {
  const [me, lines] = await Promise.all([ask("/api/me"), ask("/api/lines")]);
  const asked = new URLSearchParams(location.search).get("line");
  // A line by its own name means the recipe that is in use.
  const choices = lines.flatMap((line) => [line, ...(line.recipes ?? [])]);
  const line = choices.find((line) => line.name === asked) ?? choices[0];
  const icon = make("img", { src: "/icon.svg", alt: "", width: 28, height: 28 });
  const head = $("head");
  head.append(make("a", { class: "name", href: "/" }, icon, "SNARM station"));
  if (choices.length > 1) {
    const choice = make("select", { "aria-label": "Line" });
    for (const each of choices) {
      choice.append(make("option", { value: each.name }, each.recipes ? `${each.title} (in use)` : each.title));
    }
    choice.value = line.name;
    choice.addEventListener("change", () => {
      location.href = `${location.pathname}?line=${encodeURIComponent(choice.value)}`;
    });
    head.append(choice);
  }
  const nav = make("nav", { "aria-label": "Pages" });
  const pages = [
    ["/", "Line"], ["/review", "Review"], ["/limits", "Limits"], ["/learn", "Learn"], ["/banks", "Banks"], ["/recipes", "Recipes"], ["/trends", "Trends"],
  ];
  if (me.hub) pages.push(["/stations", "Stations"]);
  if (may(me, "engineer")) pages.push(["/system", "System"]);
  if (may(me, "admin")) pages.push(["/access", "Access"]);
  nav.append(...pages.map(([path, name]) => link(path, name, line.name)));
  const leave = make("button", {}, "Sign out");
  leave.addEventListener("click", () => attempt(async () => {
    await ask("/api/sign-out", {});
    location.href = "/sign-in";
  }, leave));
  const who = make("span", { class: "who" }, `${me.name} (${me.role})`);
  if (me.name !== "everybody") who.append(leave);
  else who.append(make("a", { href: "/sign-in" }, "Sign in"));
  head.append(nav, who);
  for (const element of document.querySelectorAll("[data-role]")) {
    if (may(me, element.dataset.role)) continue;
    element.disabled = true;
    element.title = `Needs the role ${element.dataset.role}.`;
  }
  return { me, line, base: `/api/lines/${encodeURIComponent(line.name)}` };
}
