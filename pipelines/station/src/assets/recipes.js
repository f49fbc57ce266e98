// The page Recipes: what a line can inspect, and which of it is in use.

import { $, ask, attempt, begin, make, may, notice, rows, score, STATUS, when, whole } from "./common.js";

function card(recipe, base, me, shown) {
  const go = (path, name) => make("a", { href: `${path}?line=${encodeURIComponent(recipe.line)}` }, name);
  const fact = (name, text) => make("div", {}, make("dt", {}, name), make("dd", {}, text));
  const head = make("h3", {}, recipe.title);
  if (recipe.is_in_use) head.append(" ", make("span", { class: "badge normal" }, "In use"));
  const facts = make("dl", { class: "facts" },
    fact("Name", recipe.name),
    fact("Number", String(recipe.number)),
    fact("Codes", recipe.codes.length ? recipe.codes.join(", ") : "-"),
    fact("Bank", recipe.bank ? `version ${recipe.bank}` : "none yet"),
    fact("Alarm from", recipe.threshold === null ? "-" : score(recipe.threshold)),
    fact("To judge", whole(recipe.to_judge)),
    fact("Source", recipe.source ?? "-"),
    fact("Region", recipe.region ?? "as learned"),
    fact("Mask", recipe.mask ?? "as learned"),
    fact("Decoder", recipe.decoder ?? "that of the bank's encoder"),
    fact("Outputs", recipe.outputs === null ? "all" : recipe.outputs.join(", ") || "none"));
  if (recipe.is_in_use) facts.append(fact("Status", STATUS[recipe.status]));
  const choose = make("button", { class: "main", "aria-label": `Take ${recipe.title} into use` }, "Take into use");
  choose.disabled = recipe.is_in_use || !may(me, "operator");
  choose.addEventListener("click", () => attempt(async () => {
    await ask(`${base}/recipe`, { recipe: recipe.name });
    notice(`${recipe.title} is in use.`);
    await shown();
  }, choose));
  const links = make("p", { class: "row" }, choose, go("/review", "Review"), go("/limits", "Limits"), go("/banks", "Banks"), go("/trends", "Trends"));
  return make("li", {}, head, facts, links);
}

export async function recipesPage() {
  const { me, base } = await begin();
  let before = "";
  const show = async () => {
    const told = await ask(`${base}/recipes`);
    const text = JSON.stringify(told);
    // A button that is replaced while it is pressed does nothing.
    if (text === before) return;
    before = text;
    const has = told.recipes.length > 0;
    $("none").hidden = has;
    $("code-form").hidden = !has && !told.codes_begin_parts;
    $("code-about").textContent = told.codes_begin_parts
      ? "The recipe that it means is taken into use, and the part of that name begins."
      : "The recipe that it means is taken into use: its name, or one of its codes.";
    $("recipes").replaceChildren(...told.recipes.map((recipe) => card(recipe, base, me, show)));
    const title = (name) => told.recipes.find((recipe) => recipe.name === name)?.title ?? name;
    rows($("changes"), told.changes.map((each) => [when(each.at), title(each.recipe), each.who]));
    $("no-changes").hidden = told.changes.length > 0;
  };
  $("code-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const code = $("code").value;
    attempt(async () => {
      await ask(`${base}/recipe`, { code });
      notice(`Code ${code} was taken.`);
      await show();
    }, event.submitter);
    // The next one is scanned into an empty field.
    $("code").value = "";
    $("code").focus();
  });
  const again = async () => {
    if (!document.hidden) await attempt(show);
    setTimeout(again, 2000);
  };
  await again();
}
