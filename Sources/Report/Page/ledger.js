// Ledgers: what training did with each pair. A figure that a summary gains is in the table by itself; a chart is a
// line of `ledgerCharts`.

const has = (value) => value !== undefined && value !== null;

/// Title, meaning, titles of the axes, categories or none, and the series' numbers of a summary (null for none).
const ledgerCharts = [
  {
    title: "Right and wrong, first and last", categories: ["became right", "stayed right", "became wrong", "stayed wrong"], isCount: true,
    meaning: "Of the pairs that were visited more than once: how the policy judged them at their first and at their last visit. Became wrong: learned and forgotten.",
    of: ({ changes }) => changes && changes.pairs
      ? { look: "bar", y: [changes.became_right, changes.stayed_right, changes.became_wrong, changes.stayed_wrong] } : null,
  },
  {
    title: "Where the gradient came from", categories: ["top 1 % of the pairs", "top 10 % of the pairs"], format: percent, yLimits: [0, 1],
    meaning: "Share of the whole gradient scale that the pairs with most of it hold. Near 1: few pairs decided the training.",
    of: (summary) => has(summary.gradient_share_of_top_percent)
      ? { look: "bar", y: [summary.gradient_share_of_top_percent, summary.gradient_share_of_top_tenth] } : null,
  },
  {
    title: "Coefficients used", x: "share of the pairs", y: "weight is at most",
    meaning: "Quantiles of the weights over the pairs, at their last visit.",
    of: ({ coefficient_quantiles: list }) => list && list.length
      ? { look: "line", x: list.map((one) => one.share), y: list.map((one) => one.coefficient) } : null,
  },
  {
    title: "Margin, first and last", categories: ["first visit", "last visit"],
    meaning: "Mean over the pairs; above 0 the policy is right.",
    of: (summary) => has(summary.mean_first_margin) ? { look: "bar", y: [summary.mean_first_margin, summary.mean_last_margin] } : null,
  },
];

/// The plain values of a summary with their names, those of its parts under the parts' names; lists are left out.
function plainFigures(value, prefix = "") {
  return Object.entries(value).flatMap(([key, inner]) => {
    const name = prefix + words(key);
    if (Array.isArray(inner)) return [];
    return has(inner) && typeof inner === "object" ? plainFigures(inner, name + ": ") : [[name, inner]];
  });
}

/// A table of a list of equal objects.
function objectTable(title, list) {
  const keys = [...new Set(list.flatMap((one) => Object.keys(one)))];
  const isNumber = (key) => list.every((one) => !has(one[key]) || typeof one[key] === "number");
  return table(title, keys.map((key) => (isNumber(key) ? [words(key)] : words(key))),
    list.map((one) => keys.map((key) => key === "key" ? pairLink(one[key])
      : has(one[key]) && typeof one[key] === "object" ? JSON.stringify(one[key]) : number(one[key]))));
}

/// A key, which leads to the pair's texts where they are in the page.
function pairLink(key) {
  const text = element("span", { class: "key" }, key);
  return embeddedPairs.has(key) ? element("a", { href: "#pairs", onclick: () => embeddedPairs.get(key)() }, text) : text;
}

/// The lists of objects in a summary, each behind its name.
const objectLists = (summary, prefix, except = []) => Object.entries(summary)
  .filter(([key, list]) => Array.isArray(list) && list.length && typeof list[0] === "object" && !except.includes(key))
  .map(([key, list]) => details(`${prefix}${words(key)} (${number(list.length)})`, () => objectTable(prefix + words(key), list)));

function ledgerSection(content) {
  const files = summariesOf(content, "ledger");
  if (!files.length) return null;
  const charts = ledgerCharts.flatMap(({ of, ...rest }) => {
    const series = fileSeries(files, of);
    return series.length ? [chartCard({ x: "", ...rest, series })] : [];
  });
  const names = [...new Set(files.flatMap(({ summary }) => plainFigures(summary).map(([name]) => name)))];
  const values = files.map(({ summary }) => new Map(plainFigures(summary)));
  const rows = names.map((name) => [name, ...values.map((map) => number(map.get(name)))]);
  return element("section", {}, element("h2", { id: "ledger" }, "Ledger"),
    element("p", {}, "What training did with the pairs themselves: which of them the gradient came from, which were learned, which were forgotten."),
    element("div", { class: "charts" }, charts),
    table("Ledgers: figures", ["figure", ...files.map(({ name }) => [name])], rows),
    files.flatMap(({ name, summary }) => objectLists(summary, files.length > 1 ? name + ": " : "", ["coefficient_quantiles"])));
}
