// The page Learn: live view with meters, progress, and the frames that were unlike the rest.

import { $, ask, attempt, begin, may, make, notice, whole } from "./common.js";
import { showLive } from "./live.js";

const STAGES = {
  wait: "Waits until the pipeline has ended.",
  start: "Starts.",
  frames: "Learns from good frames.",
  views: "Looks which views the frames ask for.",
  reduce: "Chooses the descriptors that stand for all.",
  calibrate: "Measures what good frames score.",
  try: "Tries the bank on what was judged.",
};

// A picture is measured at this width.
const WIDE = 160;

/** Mean brightness, share of pixels at the ends of the scale, and variance of the second differences. */
function measure(image) {
  const height = Math.max(3, Math.round((WIDE * image.naturalHeight) / image.naturalWidth));
  const canvas = new OffscreenCanvas(WIDE, height);
  const to = canvas.getContext("2d", { willReadFrequently: true });
  to.drawImage(image, 0, 0, WIDE, height);
  const { data } = to.getImageData(0, 0, WIDE, height);
  const grey = new Float32Array(WIDE * height);
  let [sum, ends] = [0, 0];
  for (let at = 0; at < grey.length; at += 1) {
    grey[at] = 0.299 * data[4 * at] + 0.587 * data[4 * at + 1] + 0.114 * data[4 * at + 2];
    sum += grey[at];
    if (grey[at] < 4 || grey[at] > 251) ends += 1;
  }
  let [squares, count] = [0, 0];
  for (let y = 1; y < height - 1; y += 1) {
    for (let x = 1; x < WIDE - 1; x += 1) {
      const at = y * WIDE + x;
      const bend = 4 * grey[at] - grey[at - 1] - grey[at + 1] - grey[at - WIDE] - grey[at + WIDE];
      squares += bend * bend;
      count += 1;
    }
  }
  return { light: sum / grey.length, clipped: (100 * ends) / grey.length, focus: squares / count };
}

function odd(each, version, base) {
  const about = make("span", {}, make("b", {}, `Frame ${whole(each.frame)}`), make("span", {}, `${each.sigmas.toFixed(1)} σ`));
  const none = () => make("div", { class: "none" }, "The picture of this frame is not kept.");
  if (each.time === null) return make("li", {}, none(), about);
  const picture = make("img", { src: `${base}/banks/${version}/learned/${each.time}`, alt: `Learned frame ${each.frame}`, loading: "lazy" });
  picture.addEventListener("error", () => picture.replaceWith(none()));
  return make("li", {}, picture, about);
}

export async function learnPage() {
  const { me, line, base } = await begin();
  $("to-banks").href = `/banks?line=${encodeURIComponent(line.name)}`;
  const live = $("live");
  showLive(live, base);
  let sharpest = 0;
  let before = null;
  setInterval(() => {
    // While the line inspects, what is drawn on the picture would be measured.
    if (document.hidden || !before?.now?.frames || !live.naturalWidth) return;
    const { light, clipped, focus } = measure(live);
    sharpest = Math.max(sharpest, focus, 1e-6);
    $("light").value = light;
    $("light-value").textContent = `${light.toFixed(0)} of 255`;
    $("clipped").value = clipped;
    $("clipped-value").textContent = `${clipped.toFixed(1)} % of the picture`;
    $("focus").value = (100 * focus) / sharpest;
    $("focus-value").textContent = `${((100 * focus) / sharpest).toFixed(0)} % of the sharpest`;
  }, 500);

  let shown = null;
  const showOdd = async (wanted) => {
    // What was learned stays as it is: versions are asked for when it is another one.
    if (wanted === shown) return;
    const { versions } = await ask(`${base}/banks`);
    const version = versions.find((each) => each.version === wanted);
    if (!version) return;
    shown = wanted;
    $("odd-about").textContent = version.odd.length
      ? `Of version ${version.version}, the oddest first. They may show a defect that nobody saw: look at them, and learn anew without them.`
      : `Version ${version.version} has none.`;
    $("odd").replaceChildren(...version.odd.map((each) => odd(each, version.version, base)));
  };

  const show = async () => {
    const [state, { now, last, source, interval, max_frames }] = await Promise.all([ask(base), ask(`${base}/learn`)]);
    $("status").textContent = state.detail || state.status;
    if (before === null) {
      $("interval").value = interval;
      $("max-frames").value = max_frames;
      $("source").textContent = source === null
        ? "The configuration names no source to learn from: [line.learn]."
        : `From ${source}`;
    }
    if (before?.now && !now && last) {
      notice(last.version === null ? `Nothing was learned: ${last.failure}` : `Version ${last.version} is made. It is used by nobody until it is released.`, last.version === null);
    }
    $("stage").textContent = now ? STAGES[now.stage] ?? now.stage : "Nothing is learned at this moment.";
    $("progress").hidden = !now;
    $("share").hidden = typeof now?.share !== "number";
    if (now) {
      if (typeof now.share === "number") $("share").value = now.share;
      if (typeof now.seconds_left === "number") $("stage").textContent += ` ${Math.ceil(now.seconds_left)} s left.`;
      $("frames").textContent = now.max_frames ? `${whole(now.frames)} of ${whole(now.max_frames)}` : whole(now.frames);
      $("author").textContent = now.author;
      $("why").textContent = now.reason;
    }
    $("enough").hidden = now?.stage !== "frames";
    $("give-up").hidden = !now || now.stage === "try";
    $("learn-form").querySelector("button").disabled = !!now || source === null || !may(me, "engineer");
    if (now && !before?.now) sharpest = 0;
    before = { now };
    await showOdd(last?.version ?? state.bank);
  };
  const again = async () => {
    if (!document.hidden) await attempt(show);
    setTimeout(again, 1000);
  };

  $("learn-form").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
      await ask(`${base}/learn`, {
        reason: $("reason").value,
        interval: Number($("interval").value),
        max_frames: Number($("max-frames").value),
        leave_out_odd_frames: $("leave-out").checked,
      });
      $("reason").value = "";
      notice("The line ends its pipeline, and learns.");
      await show();
    }, event.submitter);
  });
  $("enough").addEventListener("click", (event) => attempt(() => ask(`${base}/learn/enough`, {}), event.target));
  $("give-up").addEventListener("click", (event) => attempt(() => ask(`${base}/learn`, undefined, "DELETE"), event.target));
  await again();
}
