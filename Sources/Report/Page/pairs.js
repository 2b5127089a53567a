// Pairs with their texts, to browse, filter and search.

const orders = [
  ["strongest", "Strongest: the greatest difference"], ["weakest", "Weakest: the least difference"],
  ["contradicted", "Most contradicted by the scorer"], ["biased", "Most position bias"], ["all", "All embedded, by row"],
];
const pageSize = 10;
const shortText = 700;
/// By key: what shows a pair.
const embeddedPairs = new Map();

/// R of the first response over the second.
const rewardDifference = (pair) => (has(pair.reversed) ? (pair.difference - pair.reversed) / 2 : pair.difference);

/// A text with the wanted words marked.
function marked(text, wanted) {
  if (!wanted) return [text];
  const parts = [];
  const lower = text.toLowerCase();
  // A letter whose lower case is longer would move all places.
  if (lower.length !== text.length) return [text];
  let start = 0;
  for (let place = lower.indexOf(wanted); place >= 0; place = lower.indexOf(wanted, start)) {
    parts.push(text.slice(start, place), element("mark", {}, text.slice(place, place + wanted.length)));
    start = place + wanted.length;
  }
  return [...parts, text.slice(start)];
}

function textBlock(title, text, wanted, isPreferred) {
  const body = element("p", { dir: "auto" });
  const block = element("div", { class: isPreferred ? "text preferred" : "text" }, element("h4", {}, title), body);
  const isLong = text.length > shortText + 100;
  // What was searched for is shown where it is.
  const isShort = isLong && !(wanted && text.toLowerCase().indexOf(wanted) >= shortText);
  body.append(...marked(isShort ? text.slice(0, shortText) + "…" : text, wanted));
  if (isShort) {
    const more = element("button", { type: "button", class: "more" }, `Show all ${number(text.length)} characters`);
    more.addEventListener("click", () => { body.replaceChildren(...marked(text, wanted)); more.remove(); body.tabIndex = -1; body.focus(); });
    block.append(more);
  }
  return block;
}

function pairCard(pair, wanted) {
  const difference = rewardDifference(pair);
  const judged = difference === 0 ? "neither" : difference > 0 ? "first" : "second";
  const labelled = !pair.label ? "unknown" : pair.label > 0 ? "first" : "second";
  const facts = [`R ${number(difference)}`, `d ${number(pair.difference)}`];
  if (has(pair.reversed)) facts.push(`in the other order ${number(pair.reversed)}`, `position bias ${number(pair.bias)}`);
  facts.push(`label: ${labelled}`, `scorer: ${judged}`);
  const verdict = labelled === "unknown" ? null : element("span", { class: judged === labelled ? "good" : "bad" },
    judged === labelled ? " · scorer agrees" : " · scorer disagrees");
  const title = (which) => [capitalised(which) + " response", labelled === which ? "the label's" : null, judged === which ? "the scorer's" : null]
    .filter(Boolean).join(" · ");
  const texts = has(pair.query) ? [
    textBlock("Query", pair.query, wanted, false),
    element("div", { class: "responses" }, ["first", "second"].map((which) => textBlock(title(which), pair[which], wanted, labelled === which))),
  ] : [element("p", { class: "soft" }, "The file has no texts.")];
  return element("article", { class: "card pair" }, element("h3", {}, `Pair ${number(pair.row)}`, verdict),
    element("p", { class: "facts" }, facts.join(" · "), " · key ", element("span", { class: "key" }, pair.key)), texts);
}

function control(title, node) { return element("label", {}, title, node); }

function choice(options) {
  return element("select", {}, options.map(([value, text]) => element("option", { value }, text)));
}

function pairSection(content) {
  const files = summariesOf(content, "coefficients").filter(({ summary }) => summary.browsed);
  if (!files.length) return null;
  const file = choice(files.map(({ name }, index) => [String(index), name]));
  const order = choice(orders);
  const agreement = choice([["any", "any"], ["agrees", "scorer agrees"], ["disagrees", "scorer disagrees"]]);
  const search = element("input", { type: "search", autocomplete: "off" });
  const status = element("p", { role: "status" });
  const list = element("div", {});
  const more = element("button", { type: "button", class: "more" });
  let shown = pageSize;

  const matches = (pair, wanted) => !wanted || [pair.query, pair.first, pair.second, pair.key].some((text) => has(text) && text.toLowerCase().includes(wanted));
  const agrees = (pair) => agreement.value === "any" || (pair.label && (rewardDifference(pair) * pair.label > 0) === (agreement.value === "agrees"));
  function show() {
    const { browsed } = files[Number(file.value)].summary;
    const wanted = search.value.trim().toLowerCase();
    const places = order.value === "all" ? browsed.pairs.map((_, index) => index) : browsed[order.value];
    const found = places.map((place) => browsed.pairs[place]).filter((pair) => agrees(pair) && matches(pair, wanted));
    list.replaceChildren(...found.slice(0, shown).map((pair) => pairCard(pair, wanted)));
    const count = Math.min(shown, found.length);
    status.textContent = `${number(count)} of ${number(found.length)} found are shown; ${number(browsed.pairs.length)} of ${number(browsed.total)} pairs are in this page (--pairs sets how many).`;
    more.hidden = found.length <= shown;
    more.textContent = `Show ${number(Math.min(pageSize, found.length - shown))} more`;
  }
  const restart = () => { shown = pageSize; show(); };
  for (const node of [file, order, agreement]) node.addEventListener("change", restart);
  search.addEventListener("input", restart);
  more.addEventListener("click", () => {
    const next = shown;
    shown += pageSize;
    show();
    const first = list.children[next];
    if (first) { first.tabIndex = -1; first.focus(); }
  });
  files.forEach(({ summary }, index) => summary.browsed.pairs.forEach(({ key }) => embeddedPairs.set(key, () => {
    [file.value, order.value, agreement.value, search.value] = [String(index), "all", "any", key];
    restart();
  })));
  show();
  return element("section", {}, element("h2", { id: "pairs" }, "Pairs"),
    element("div", { class: "controls" }, files.length > 1 ? control("File", file) : null, control("Which pairs", order),
      control("Scorer and label", agreement), control("Search in texts and keys", search)),
    status, list, more);
}
