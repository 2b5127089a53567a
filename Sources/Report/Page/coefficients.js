// Coefficient files: is there something to weight by? Files are laid over each other.

/// Every artefact with a summary of one kind, with its name among all runs: [{ run, colour, file, name, short, summary }]
function summariesOf(content, kind) {
  const areMany = content.runs.length > 1;
  const files = content.runs.flatMap((run, index) => run.artefacts
    .filter((artefact) => artefact.summary && artefact.summary[kind])
    .map((artefact, place) => ({
      run: areMany ? index : null, place, file: artefact.file, summary: artefact.summary[kind],
      name: areMany ? `${run.name}: ${artefact.file}` : artefact.file,
    })));
  // A run's only file has its colour. Several have their own while there are enough, then the run's and a kind of line each.
  const isOneEach = areMany && files.every(({ place }) => place === 0);
  return files.map((file, index) => {
    const colour = !isOneEach && files.length <= colours ? index : file.run + colours * file.place;
    return { ...file, colour, short: isOneEach ? content.runs[file.run].name : file.name };
  });
}

/// The series of each file that has the figure.
/// - values: of a summary, null for none: y, and what else a series has; of several in a list each has a `part` for its name
function fileSeries(files, values) {
  const look = files.length > 4 ? "line" : "bar";
  return files.flatMap((file) => [values(file.summary)].flat().filter(Boolean).map(({ part, ...own }) => ({
    name: part ? `${file.name}, ${part}` : file.name, short: part ? `${file.short}, ${part}` : file.short, run: file.run, colour: file.colour, look, ...own,
  })));
}

const shares = (list) => ({
  y: list.map((share) => share && share.share), low: list.map((share) => share && share.low),
  high: list.map((share) => share && share.high), isRange: true,
});

/// The paper's, by |R|: 0 to 1, 1 to 2, 2 to 3, from 3.
const paperAccuracy = [0.626, 0.717, 0.853, 0.977];

function distributionCharts(files) {
  const charts = [];
  const isOne = files.length === 1;
  const histogram = fileSeries(files, ({ histogram: parts, pairs }) => {
    if (!parts || parts.to <= parts.from) return null;
    const width = (parts.to - parts.from) / parts.counts.length;
    return {
      look: "line", x: parts.counts.map((_, index) => parts.from + width * (index + 0.5)),
      y: parts.counts.map((count) => (isOne ? count : count / pairs / width)),
      steps: parts.counts.map((_, index) => `${number(parts.from + width * index)} to ${number(parts.from + width * (index + 1))}`),
    };
  });
  if (histogram.length) {
    const [only] = histogram;
    charts.push(chartCard({
      title: "Differences as stored", isCount: isOne, x: "d(x, first, second)", y: isOne ? "pairs" : "density",
      meaning: "How often a difference falls into twenty parts of equal width. Training weights by a power of them, so a long tail is a few pairs with much weight.",
      series: isOne ? [{ ...only, look: "bar", x: null }] : histogram,
      categories: isOne ? only.x.map((x) => number(Number(x.toPrecision(3)))) : null, yLimits: [0],
    }));
  }
  const quantiles = fileSeries(files, ({ quantiles: list }) => list.length
    ? { look: "line", x: list.map((one) => one.share), y: list.map((one) => one.difference) } : null);
  if (quantiles.length) {
    charts.push(chartCard({
      title: "Quantiles", x: "share of the pairs", y: "d is at most", series: quantiles,
      meaning: "The difference that a share of the pairs does not exceed; at 0.5 the median.",
    }));
  }
  return charts;
}

function accuracyCharts(files) {
  const charts = [];
  const agreement = fileSeries(files, (summary) => {
    const length = summary.length_bias || {};
    const list = [summary.agreement_interval, summary.symmetric_agreement_interval, length.longer_is_better, length.scorer];
    return list.some(Boolean) ? { ...shares(list), look: files.length > 4 ? "points" : "bar" } : null;
  });
  if (agreement.length) {
    charts.push(chartCard({
      title: "Agreement with the labels", x: "", yLimits: [0, 1], format: percent, series: agreement,
      categories: ["one order", "both orders", "length alone", "scorer, same pairs"],
      meaning: "How often the scorer prefers the labelled response. A scorer that is right no more often than the longer response is may know nothing else. Lines: 95 % intervals.",
    }));
  }
  const rangeName = (range) => range.to === undefined || range.to === null ? `from ${range.from}` : `${range.from} to ${range.to}`;
  const names = ["0 to 1", "1 to 2", "2 to 3", "from 3"];
  const ranges = fileSeries(files, ({ reliability }) => reliability ? shares(names.map((name) => {
    const range = reliability.ranges.find((one) => rangeName(one) === name);
    return range && range.accuracy;
  })) : null);
  if (ranges.length) {
    charts.push(chartCard({
      title: "Accuracy by |R|", x: "|R|", yLimits: [0, 1], format: percent, categories: names,
      meaning: "Larger differences must be right more often: that is what weights by them rest on. Beside it the figures of arXiv 2408.09385 for its own scorer and data.",
      series: [...ranges, { name: "arXiv 2408.09385", run: null, colour: null, look: "points", y: paperAccuracy }],
    }));
  }
  const deciles = fileSeries(files, ({ reliability }) => reliability
    ? { ...shares(reliability.deciles.map((range) => range.accuracy)) } : null);
  if (deciles.length) {
    const count = Math.max(...deciles.map((one) => one.y.length));
    charts.push(chartCard({
      title: "Accuracy in tenths of the pairs", x: "tenth, by |R|", yLimits: [0, 1], format: percent, series: deciles,
      categories: Array.from({ length: count }, (_, index) => String(index + 1)),
      meaning: "The same with equally many pairs in each part: the tenth is the surest. Flat means that |R| says nothing about being right.",
    }));
  }
  const bins = fileSeries(files, ({ reliability }) => reliability ? {
    look: "line", x: reliability.bins.map((bin) => bin.confidence), y: reliability.bins.map((bin) => bin.accuracy),
  } : null);
  if (bins.length) {
    const errors = files.flatMap(({ summary }) => summary.reliability ? [summary.reliability.calibration_error.toFixed(3)] : []);
    charts.push(chartCard({
      title: "Reliability", x: "confidence σ(|R|)", y: "right", yLimits: [0, 1], format: percent,
      meaning: `On the dashed line a difference is a log-odds. Mean distance from it (ECE): ${errors.join(", ")}. Below it the scorer is surer than it may be.`,
      series: [...bins, { name: "calibrated", run: null, colour: null, x: [0.5, 1], y: [0.5, 1] }],
    }));
  }
  return charts;
}

function weightCharts(files) {
  const weighted = files.filter(({ summary }) => summary.weights);
  if (!weighted.length) return [];
  const rule = [...new Set(weighted.map(({ summary }) => summary.weights.disagreement))].join(", ");
  const of = (value) => fileSeries(files, ({ weights }) => weights
    ? { look: "line", x: weights.rows.map((row) => row.alpha), y: weights.rows.map((row) => value(row, weights)) } : null);
  const chart = (title, meaning, value, format, yLimits) => chartCard({
    title, meaning, x: "α", format, yLimits, series: of(value),
  });
  return [
    chart("Effective pairs by α", `How many pairs of equal weight would say as much, (Σc)² / Σc², of all; pairs that the scorer contradicts: ${rule}. Few mean that few decide each step: lower α, or raise batch_size.`,
      (row, weights) => row.effective_pairs / weights.pairs, percent, [0, 1]),
    chart("Mean weight by α", "Where it is far from 1 the weighting changes the size of the steps too.", (row) => row.mean, number, [0]),
    chart("Weight zero by α", "Share of the pairs that training would leave out.", (row) => row.zero_share, percent, [0, 1]),
  ];
}

function coefficientTable(files) {
  const rows = [
    ["scorer", (s) => s.scorer || "not said"], ["pairs", (s) => number(s.pairs)], ["queries", (s) => number(s.queries)],
    ["responses", (s) => number(s.responses)], ["chosen by", (s) => s.condition || "–"],
    ["pairs with the key of an earlier one", (s) => number(s.duplicates && s.duplicates.repeated_pairs)],
    ["near-duplicates of an earlier one", (s) => number(s.duplicates && s.duplicates.near_duplicates)],
    ["duplicates with the other label", (s) => number(s.duplicates && s.duplicates.contradicting_labels)],
    ["mean difference", (s) => number(s.mean_difference)],
    ["agrees with the label, one order", (s) => interval(s.agreement_interval)],
    ["agrees with the label, both orders", (s) => interval(s.symmetric_agreement_interval)],
    ["position bias, mean", (s) => number(s.mean_position_bias)],
    ["position bias, deviation", (s) => number(s.position_bias_deviation)],
    ["calibration error (ECE)", (s) => number(s.reliability && s.reliability.calibration_error)],
    ["calibration temperature", (s) => number(s.calibration && s.calibration.stated.temperature)],
    ["ECE of R divided by it", (s) => number(s.calibration && s.calibration.calibration_error)],
    ["R and length, Pearson's r", (s) => number(s.length_bias && s.length_bias.correlation)],
    ["the longer response is better", (s) => interval(s.length_bias && s.length_bias.longer_is_better)],
    ["scorer, same pairs", (s) => interval(s.length_bias && s.length_bias.scorer)],
    ["complete lists", (s) => number(s.lists && s.lists.lists)],
    ["triples that contradict each other", (s) => s.lists ? `${number(s.lists.contradictions)} of ${number(s.lists.triples)}` : "–"],
    ["not one score for each response", (s) => percent(s.lists && s.lists.residual)],
  ].map(([name, value]) => [name, ...files.map(({ summary }) => value(summary))]).filter((row) => row.slice(1).some((cell) => cell !== "–"));
  return table("Coefficient files: figures", ["figure", ...files.map(({ name }) => [name])], rows);
}

function verdictCard({ name, summary: { verdict } }) {
  if (!verdict) return null;
  const sign = (holds) => element("span", { class: "sign " + (holds ? "good" : "bad") }, holds ? "yes" : "no");
  return element("div", { class: "card verdict" },
    element("h3", {}, name),
    element("p", { class: verdict.is_worth_trying ? "good" : "bad" },
      verdict.is_worth_trying ? "There is something to weight by." : "Weighting may not help here."),
    element("ul", {}, verdict.checks.map((check) => element("li", {}, sign(check.holds), ` ${check.what} (${check.figure})`))));
}

function coefficientSection(content) {
  const files = summariesOf(content, "coefficients");
  if (!files.length) return null;
  return element("section", {}, element("h2", { id: "coefficients" }, "Coefficients"),
    element("p", {}, "What the scorer said of the pairs before training. R is ½ (d(x, a, b) − d(x, b, a)) where both orders are known. The verdict's bounds are rules of thumb."),
    element("div", { class: "cards" }, files.map(verdictCard)),
    element("div", { class: "charts" }, distributionCharts(files), accuracyCharts(files), weightCharts(files)),
    coefficientTable(files));
}
