// The live picture of a line.

/** Shows it in an image while the page is looked at. */
export function showLive(image, base) {
  image.classList.add("waits");
  image.addEventListener("load", () => image.classList.remove("waits"));
  const look = () => {
    // Nobody looks at a page that is not shown; pictures cost time.
    image.src = document.hidden ? "" : `${base}/live?${Date.now()}`;
  };
  document.addEventListener("visibilitychange", look);
  setInterval(look, 280_000);
  // A picture without an end would keep the page loading for ever.
  if (document.readyState === "complete") look();
  else window.addEventListener("load", look);
}
