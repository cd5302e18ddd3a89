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
      const past = last?.past ?? [[], [], []];
      if (last) {
        const rate = Math.max(0, ((runs - last.runs) * 1000) / (now - last.at));
        cell.textContent = rate.toFixed(1) + "/s";
        [Date.now() / 1000, rate, cell.dataset.p99 ? cell.dataset.p99 / 1e6 : null].forEach((value, n) => past[n].push(value));
        if (past[0].length > kept) past.forEach((values) => values.shift());
      }
      seen.set(cell.dataset.rate, { runs, at: now, past });
    }
    charts(root);
  };
  // What was seen while the page was open. The numbers stand beside it as text.
  const charts = (root) => {
    const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
    for (const place of root.querySelectorAll("[data-chart]")) {
      const past = seen.get(place.dataset.chart)?.past;
      if (!past || past[0].length < 2 || place.childElementCount > 0) continue;
      const axis = (more) => ({ stroke: colour("--soft"), grid: { stroke: colour("--line") }, ticks: { stroke: colour("--line") }, ...more });
      new uPlot({
        width: place.clientWidth, height: 150, cursor: { drag: { x: false } },
        scales: { ms: {} },
        axes: [axis(), axis({ label: "runs/s" }), axis({ label: "p99 ms", scale: "ms", side: 1, grid: { show: false } })],
        series: [{}, { label: "runs/s", stroke: colour("--link"), width: 2 }, { label: "p99 ms", scale: "ms", stroke: colour("--warn") }],
      }, past, place);
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
