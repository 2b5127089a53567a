// Ledgers: what training did with each pair. A figure that a summary gains is in the table by itself; a chart is a
// line of `ledgerCharts`.

const has = (value) => value !== undefined && value !== null;

/// Title, meaning, titles of the axes, categories or none, and the series' numbers of a summary (null for none).
const ledgerCharts = [
  {
    title: "What was learned", categories: ["learned", "right from the start", "forgotten", "never learned"], isCount: true,
    meaning: "Pairs that are right at the end, that were right before anything was learned of them, that were right once and are not at the end, and that were never right. Never learned although they took gradient: labelled wrong, or with too little weight.",
    of: ({ learning }) => learning
      && { look: "bar", y: [learning.learned, learning.right_from_the_start, learning.forgotten, learning.never_learned] },
  },
  {
    title: "When it was learned", x: "share of the learned pairs", y: "step, at most",
    meaning: "The step from which on the margin of a pair stays positive.",
    of: ({ learning }) => learning && learning.learning_steps.length
      ? { look: "line", x: learning.learning_steps.map((one) => one.share), y: learning.learning_steps.map((one) => one.step) } : null,
  },
  {
    title: "Weight and gradient", x: "fifth of the pairs, by weight", categories: ["1", "2", "3", "4", "5"], format: percent, yLimits: [0],
    meaning: "What share of the whole weight a fifth of the pairs has (diamonds), and what share of the gradient came from it (bars). A pair that is learned gives no gradient, however much it weighs.",
    of: ({ gradient_by_weight: by }) => by && by.parts.length === 5 ? [
      { part: "of the gradient", look: "bar", y: by.parts.map((one) => one.gradient_share) },
      { part: "of the weight", look: "points", y: by.parts.map((one) => one.weight_share) },
    ] : null,
  },
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

/// What people look for first; JSON has names in the order of their letters. Others follow.
const firstNames = [
  "key", "from", "to", "pairs", "row", "judgement", "visits", "coefficient", "weight_share", "gradient_scale", "gradient_share",
  "first_margin", "last_margin", "reward_difference", "query", "better", "worse",
];
const inOrder = (names) => [...firstNames.filter((name) => names.includes(name)), ...names.filter((name) => !firstNames.includes(name))];

/// A table of a list of equal objects.
function objectTable(title, list) {
  const keys = inOrder([...new Set(list.flatMap((one) => Object.keys(one)))]);
  const isNumber = (key) => list.every((one) => !has(one[key]) || typeof one[key] === "number");
  const cell = (key, value) => key === "key" ? pairLink(value) : has(value) && typeof value === "object" ? objectCell(value) : number(value);
  return table(title, keys.map((key) => (isNumber(key) ? [words(key)] : words(key))),
    list.map((one) => keys.map((key) => cell(key, one[key]))));
}

/// An object within a table: what a scorer said of a pair, with the pair's texts behind the first figure.
function objectCell(value) {
  const names = inOrder(Object.keys(value));
  const line = (name) => element("p", { dir: "auto" }, element("span", { class: "soft" }, words(name) + ": "), number(value[name]));
  return details(`${words(names[0])} ${number(value[names[0]])}`, () => element("div", { class: "members" }, names.slice(1).map(line)));
}

/// A key, which leads to the pair's texts where they are in the page.
function pairLink(key) {
  const text = element("span", { class: "key" }, key);
  return embeddedPairs.has(key) ? element("a", { href: "#pairs", onclick: () => embeddedPairs.get(key)() }, text) : text;
}

/// The lists of objects in a summary and in its parts, each behind its name.
const objectLists = (summary, prefix, except = []) => Object.entries(summary).flatMap(([key, value]) => {
  if (except.includes(key) || !has(value) || typeof value !== "object") return [];
  if (!Array.isArray(value)) return objectLists(value, `${prefix}${words(key)}: `, except);
  const title = prefix + words(key);
  return value.length && typeof value[0] === "object" ? [details(`${title} (${number(value.length)})`, () => objectTable(title, value))] : [];
});

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
    files.flatMap(({ name, summary }) => objectLists(summary, files.length > 1 ? name + ": " : "", ["coefficient_quantiles", "learning_steps"])));
}
