"use strict";
(() => {
  const tip = document.getElementById("tip");
  const show = (text, x, y) => {
    tip.textContent = text;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = Math.min(x + 14, window.innerWidth - box.width - 8);
    const top = y + 18 + box.height > window.innerHeight ? y - box.height - 12 : y + 18;
    tip.style.left = Math.max(left, 8) + "px";
    tip.style.top = Math.max(top, 8) + "px";
  };
  const hide = () => { tip.hidden = true; };

  // Curves: the point of each line that is nearest to the pointer, or that the arrow keys have come to.
  for (const data of document.querySelectorAll(".chart > script")) {
    const chart = JSON.parse(data.textContent);
    const svg = data.parentElement.querySelector("svg");
    const [left, top, width, height] = chart.box;
    const dots = chart.series.map((series) => {
      const dot = document.createElementNS("http://www.w3.org/2000/svg", "circle");
      dot.setAttribute("class", "dot " + series.name);
      dot.setAttribute("r", "5");
      dot.style.display = "none";
      svg.append(dot);
      return dot;
    });
    const place = ([x, y]) => [left + (x / chart.end) * width, top + (1 - y) * height];
    const inside = chart.series.map((series) => series.points.filter((point) => point[0] <= chart.end + 1e-9));
    const mark = (chosen, x, y) => {
      const lines = chosen.map((at, i) => {
        const point = inside[i][at];
        if (!point) { return ""; }
        const [cx, cy] = place(point);
        dots[i].setAttribute("cx", cx);
        dots[i].setAttribute("cy", cy);
        dots[i].style.display = "";
        const [px, py, threshold] = point.map((v) => v.toFixed(3));
        return `${chart.series[i].name}: ${chart.axes[0]} ${px}, ${chart.axes[1]} ${py} from score ${threshold} on`;
      });
      show(lines.filter(Boolean).join("\n"), x, y);
    };
    const clear = () => { hide(); dots.forEach((dot) => { dot.style.display = "none"; }); };
    const nearest = (points, px, py) => {
      let best = -1, least = Infinity;
      points.forEach((point, i) => {
        const [x, y] = place(point);
        const distance = (x - px) ** 2 + (y - py) ** 2;
        if (distance < least) { least = distance; best = i; }
      });
      return best;
    };
    svg.addEventListener("pointermove", (event) => {
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      mark(inside.map((points) => nearest(points, at.x, at.y)), event.clientX, event.clientY);
    });
    svg.addEventListener("pointerleave", clear);
    svg.addEventListener("blur", clear);
    let part = 0;
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 0.02, ArrowLeft: -0.02 }[event.key];
      if (!step) { return; }
      event.preventDefault();
      part = Math.min(1, Math.max(0, part + step));
      const box = svg.getBoundingClientRect();
      mark(inside.map((points) => Math.round(part * (points.length - 1))), box.left + 40, box.top + 40);
    });
  }

  for (const bar of document.querySelectorAll("[data-tip]")) {
    bar.addEventListener("pointermove", (event) => show(bar.dataset.tip, event.clientX, event.clientY));
    bar.addEventListener("pointerleave", hide);
  }

  // Tables sort by a click on a heading; rows without a value come last.
  for (const table of document.querySelectorAll("table:not(.plain)")) {
    const body = table.tBodies[0];
    if (body.rows.length < 2) { continue; }
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      if (column === 0) { head.setAttribute("aria-sort", "none"); }
      button.addEventListener("click", () => {
        const falling = head.getAttribute("aria-sort") === "ascending" || (column > 0 && !head.getAttribute("aria-sort"));
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", falling ? "descending" : "ascending");
        const value = (row) => {
          const cell = row.cells[column];
          return column === 0 ? cell.textContent : cell.dataset.value === "" ? null : Number(cell.dataset.value);
        };
        const order = (a, b) => (typeof a === "string" ? a.localeCompare(b, undefined, { numeric: true }) : a - b);
        const rows = [...body.rows].sort((a, b) => {
          const [x, y] = [value(a), value(b)];
          if (x === null || y === null) { return (x === null) - (y === null); }
          return falling ? order(y, x) : order(x, y);
        });
        body.append(...rows);
      });
    });
  }

  for (const pair of document.querySelectorAll(".pair")) {
    pair.addEventListener("click", () => pair.closest(".case").classList.toggle("open"));
  }
})();
