// Charts: what is to be drawn is described first, drawn by Chart.js when it is seen, and said again in a table.

const colours = 8;
const dashes = [[], [8, 4], [2, 3], [12, 3, 2, 3]];
const hiddenRuns = new Set();
const charts = [];

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const seriesColour = (index) => style("--series-" + (index % colours));
const dashOf = (index) => Math.floor(index / colours) % dashes.length;
const seriesDash = (index) => dashes[dashOf(index)];
/// Where there is an area instead of a line.
const seriesShade = (index) => seriesColour(index) + ["d0", "80", "50", "30"][dashOf(index)];

/// A card with a chart. The description:
/// - title, meaning: what it is and what it says
/// - level: of its heading
/// - x, y: titles of the axes; yLimits: [least, greatest]
/// - format: makes texts of the values; isCount: they are whole numbers
/// - categories: names along x, or none for numbers
/// - series: name, short (for the legend, where another), colour, run (or null), look ("line", "bar", "points"), x (numbers), y, low and high (or null),
///   isRange (low and high are an interval to be drawn at each value, not a band), isHeldOut, steps (texts of x)
function chartCard(description) {
  const { title, meaning, level = 3 } = description;
  const canvas = element("canvas", { role: "img", "aria-label": `${title}. ${spoken(description)}` });
  charts.push({ canvas, description, chart: null });
  return element("section", { class: "chart" }, element("h" + level, {}, title),
    element("p", { class: "meaning" }, meaning), element("div", { class: "canvas" }, canvas), legend(description.series),
    details("Data", () => dataTable(description), { name: "Data: " + title }));
}

/// Below the chart and not in it, so that it takes no room from the curves and is text.
function legend(series) {
  const shown = series.filter((one) => !one.isHeldOut || series.every((other) => other.isHeldOut));
  if (shown.length < 2) return null;
  return element("ul", { class: "legend", "aria-hidden": "true" }, shown.map((one) =>
    element("li", {}, swatch(one.colour, one.look), one.short || one.name)));
}

/// - colour: the number of a series, null for what it is compared with
function swatch(colour, look) {
  const dash = colour === null ? 1 : dashOf(colour);
  const shape = look === "bar" ? "block shade-" : look === "points" ? "point dash-" : "dash-";
  const node = element("span", { class: "swatch " + shape + dash, "aria-hidden": "true" });
  node.style.color = colour === null ? "var(--soft)" : `var(--series-${colour % colours})`;
  return node;
}

/// For who cannot see the chart: the ends of each series.
function spoken({ series, format = number, categories }) {
  return series.map((one) => {
    const known = one.y.map((y, index) => [categories ? categories[index] : number(one.x[index]), y])
      .filter(([, y]) => typeof y === "number");
    if (!known.length) return `${one.name}: no values`;
    const [first, last] = [known[0], known[known.length - 1]];
    return `${one.name}: ${format(first[1])} at ${first[0]}, ${format(last[1])} at ${last[0]}`;
  }).join("; ") + ". All values are in the table below.";
}

function dataTable({ title, x, categories, series, format = number }) {
  const rows = new Map();
  series.forEach((one, column) => one.y.forEach((y, index) => {
    const place = categories ? categories[index] : one.x[index];
    if (!rows.has(place)) rows.set(place, { name: categories ? place : one.steps ? one.steps[index] : number(place), cells: [] });
    const hasRange = one.low && typeof one.low[index] === "number";
    const range = hasRange ? ` (${format(one.low[index])} to ${format(one.high[index])})` : "";
    rows.get(place).cells[column] = format(y) + range;
  }));
  const places = categories ? [...rows.keys()] : [...rows.keys()].sort((a, b) => a - b);
  return table(title, [x, ...series.map((one) => [one.name])],
    places.map((place) => [rows.get(place).name, ...series.map((_, column) => rows.get(place).cells[column] ?? "–")]));
}

/// Intervals at the values of a series.
const intervals = {
  id: "intervals",
  afterDatasetsDraw(chart) {
    chart.data.datasets.forEach((dataset, index) => {
      if (!dataset.intervals || !chart.isDatasetVisible(index)) return;
      const context = chart.ctx;
      context.save();
      context.strokeStyle = style("--text");
      context.lineWidth = 1.5;
      chart.getDatasetMeta(index).data.forEach((point, place) => {
        const range = dataset.intervals[place];
        if (!range || typeof range[0] !== "number") return;
        const [low, high] = range.map((value) => chart.scales.y.getPixelForValue(value));
        context.beginPath();
        for (const y of [low, high]) { context.moveTo(point.x - 4, y); context.lineTo(point.x + 4, y); }
        context.moveTo(point.x, low);
        context.lineTo(point.x, high);
        context.stroke();
      });
      context.restore();
    });
  },
};

function datasets({ series, categories }) {
  return series.flatMap((one) => {
    const colour = one.colour === null ? style("--soft") : seriesColour(one.colour);
    const values = (list) => categories ? list : list.map((y, index) => ({ x: one.x[index], y }));
    const look = one.look || "line";
    const isSparse = one.y.length < 30;
    const main = {
      type: look === "bar" ? "bar" : "line", label: one.name, run: one.run, steps: one.steps, clip: false,
      data: values(one.y), borderColor: colour, backgroundColor: look === "bar" ? seriesShade(one.colour) : colour,
      borderWidth: look === "bar" ? 0 : one.isHeldOut ? 2.5 : 1.75, borderDash: one.colour === null ? [4, 4] : seriesDash(one.colour),
      pointRadius: look === "points" ? 5 : one.isHeldOut ? 3.5 : isSparse ? 2.5 : 0, pointHitRadius: 8,
      pointStyle: look === "points" ? "rectRot" : "circle", showLine: look !== "points", tension: 0, spanGaps: true,
      intervals: one.isRange ? one.y.map((_, index) => [one.low[index], one.high[index]]) : null,
    };
    if (!one.low || one.isRange) return [main];
    const edge = { type: "line", run: one.run, isBand: true, borderWidth: 0, pointRadius: 0, pointHitRadius: 0, spanGaps: true };
    return [main, { ...edge, data: values(one.low) },
      { ...edge, data: values(one.high), fill: "-1", backgroundColor: colour + "2e" }];
  });
}

function axis(title, ticks) {
  return {
    title: { display: !!title, text: title, color: style("--soft") }, grid: { color: style("--grid"), borderColor: style("--line") },
    ticks: { color: style("--soft"), maxRotation: 0, autoSkipPadding: 12, ...ticks },
  };
}

/// A name in lines of about nine letters.
function shortLines(name) {
  const lines = [""];
  for (const word of name.split(" ")) {
    const line = lines[lines.length - 1];
    if (line && line.length + word.length > 9) lines.push(word);
    else lines[lines.length - 1] = line ? line + " " + word : word;
  }
  return lines;
}

function configuration(description) {
  const { x, y, categories, yLimits = [], format = number, isCount } = description;
  const sets = datasets(description);
  // A few names in short lines have room beside each other.
  const areFew = categories && categories.length <= 6;
  const place = (item) => categories ? categories[item.dataIndex]
    : `${x} ${item.dataset.steps ? item.dataset.steps[item.dataIndex] : number(item.parsed.x)}`;
  return {
    type: sets.some((one) => one.type === "bar") ? "bar" : "line",
    data: { labels: areFew ? categories.map(shortLines) : categories, datasets: sets },
    plugins: [intervals],
    options: {
      animation: false, responsive: true, maintainAspectRatio: false, normalized: true,
      interaction: { mode: categories ? "index" : "nearest", axis: "x", intersect: false },
      scales: {
        x: categories ? { type: "category", ...axis(x, areFew ? { autoSkip: false } : {}) }
          : { type: "linear", ...axis(x, { callback: (value) => number(value), ...(x === "step" ? { precision: 0 } : {}) }) },
        y: { min: yLimits[0], max: yLimits[1], ...axis(y, { callback: (value) => format(value), ...(isCount ? { precision: 0 } : {}) }) },
      },
      plugins: {
        legend: { display: false },
        tooltip: {
          filter: (item) => !item.dataset.isBand,
          callbacks: {
            title: (items) => (items.length ? place(items[0]) : ""),
            label: (item) => `${item.dataset.label}: ${format(item.parsed.y)}`,
          },
        },
      },
    },
  };
}

/// Draws what can be seen and has not been drawn.
function drawCharts() {
  for (const entry of charts) {
    const isInClosed = entry.canvas.closest("details:not([open])");
    if (entry.chart || isInClosed || !entry.canvas.isConnected) continue;
    entry.chart = new Chart(entry.canvas, configuration(entry.description));
    showRuns(entry.chart);
  }
  const root = document.documentElement;
  root.dataset.charts = charts.filter((entry) => entry.chart).length + " of " + charts.length;
}

/// With the colours of now: of another scheme, or of paper.
function redrawCharts() {
  for (const entry of charts) {
    if (entry.chart) entry.chart.destroy();
    entry.chart = null;
  }
  drawCharts();
}

function showRuns(chart) {
  if (!hiddenRuns.size && chart.data.datasets.every((one) => !one.hidden)) return;
  for (const one of chart.data.datasets) one.hidden = hiddenRuns.has(one.run);
  chart.update();
}

function setRun(run, isShown) {
  if (isShown) hiddenRuns.delete(run); else hiddenRuns.add(run);
  for (const entry of charts) if (entry.chart) showRuns(entry.chart);
}

function followColours() {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawCharts);
  const onPaper = (is) => { document.documentElement.classList.toggle("printing", is); redrawCharts(); };
  addEventListener("beforeprint", () => onPaper(true));
  addEventListener("afterprint", () => onPaper(false));
}
