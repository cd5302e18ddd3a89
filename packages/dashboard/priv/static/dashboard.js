"use strict";
// Times in the viewer's zone, rates from two looks, bounded streams, and a focus that stays when a page looks again.
(() => {
  const kept = 200;
  const seen = new Map();
  const times = (root) => {
    for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
      time.title = time.dateTime;
      time.textContent = new Date(time.dateTime).toLocaleString(undefined, { dateStyle: "short", timeStyle: "medium" });
    }
  };
  const rates = (root) => {
    const now = performance.now();
    for (const cell of root.querySelectorAll("[data-rate]")) {
      const runs = Number(cell.dataset.runs);
      const last = seen.get(cell.dataset.rate);
      if (last) cell.textContent = Math.max(0, ((runs - last.runs) * 1000) / (now - last.at)).toFixed(1) + "/s";
      seen.set(cell.dataset.rate, { runs, at: now });
    }
  };
  const focusable = () => [...document.querySelectorAll("#view a, #view button, #view input, #view [tabindex]")];
  let focused = -1;

  document.addEventListener("DOMContentLoaded", () => { times(document); rates(document); });
  document.addEventListener("htmx:beforeRequest", (event) => { if (document.hidden) event.preventDefault(); });
  document.addEventListener("htmx:beforeSwap", () => { focused = focusable().indexOf(document.activeElement); });
  document.addEventListener("htmx:afterSwap", () => {
    times(document);
    rates(document);
    if (focused >= 0) focusable()[focused]?.focus({ preventScroll: true });
    focused = -1;
  });
  document.addEventListener("htmx:sseMessage", (event) => {
    const list = event.target.closest?.(".stream");
    if (!list) return;
    while (list.children.length > kept) list.lastElementChild.remove();
    times(list);
  });
})();
