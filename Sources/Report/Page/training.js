// Training curves of every pass, runs laid over each other.

/// Title, meaning and format of the figures that rdo writes (docs/files.md); others are shown under their names.
const figures = {
  loss: ["Loss", "Of the step's batch, before its update. Coefficients are part of it: runs with other weights do not compare by it."],
  loss_main: ["Preference term", "The part of the loss that says which response is better."],
  loss_duplication: ["Duplication term", "How far a response compared with itself is from a difference of 0, squared."],
  loss_reverse: ["Reverse term", "How far the two orders of a pair are from opposite differences, squared."],
  loss_ranking: ["Ranking term", "What pairs in the wrong order add to the loss."],
  loss_supervised: ["Supervised term", "Token loss of the best response, which holds the policy near its data."],
  accuracy: ["Accuracy", "Share of pairs with the better response ahead; 0.5 is chance, ties are wrong.", "share"],
  accuracy_symmetric: ["Accuracy, both orders", "By half the difference of both orders, which is what coefficients are made of.", "share"],
  margin: ["Margin", "How far the better response is ahead, on average. It starts at 0 where policy and reference are one model."],
  rewards_chosen: ["Reward of the better response", "Implicit reward against the reference. Falling means that its probability sinks."],
  rewards_rejected: ["Reward of the worse response", "Implicit reward against the reference. It should fall below that of the better one."],
  logps_chosen: ["Log-probability, better", "Mean over responses, nats. A steep fall is a policy that leaves its data."],
  logps_rejected: ["Log-probability, worse", "Mean over responses, nats."],
  logps_best: ["Log-probability, best", "Of the best response of a list, nats."],
  coefficient_mean: ["Coefficient used", "Mean weight of the batch's pairs. With α = 0 it is 1."],
  coefficient_zero_share: ["Coefficient is zero", "Share of pairs that the weighting leaves out.", "share"],
  difference: ["Difference", "Mean d of the better response over the worse."],
  position_bias: ["Position bias", "What the order alone adds to a difference; 0 is none."],
  kto_baseline: ["KTO baseline z₀", "Mean reward of mismatched responses, at least 0: what a response must beat."],
  beyond_baseline: ["Beyond the baseline", "Share of responses on their own side of z₀.", "share"],
  desirable_share: ["Desirable", "Share of the batch's responses that are desirable.", "share"],
  unranked_share: ["Unranked", "Share of lists whose scores are all equal and give no pair.", "share"],
  grad_norm: ["Gradient norm", "Before clipping. Jumps are steps that clipping had to hold."],
  learning_rate: ["Learning rate", "As the schedule gave it."],
  tokens: ["Tokens", "Of the step's batch.", "", "machine"],
  response_tokens: ["Response tokens", "Of the step's batch, those that a loss is taken of.", "", "machine"],
  tokens_per_second: ["Throughput", "Tokens a second on all ranks together.", "", "machine"],
  seconds: ["Seconds a step", "Wall clock.", "", "machine"],
  mfu: ["Share of the peak", "Operations a second against the ranks' own matrix-product peak.", "share", "machine"],
  leaf_imbalance: ["Leaf imbalance", "Cost of the costliest micro-batch over the mean.", "", "machine"],
  rank_imbalance: ["Rank imbalance", "What waiting for the costliest leaf costs: 1 is perfect.", "", "machine"],
  comm_exposed_seconds: ["Exposed communication", "Seconds a step that rank 0 waits for other ranks.", "", "machine"],
  state_memory_bytes: ["Memory for state", "Own rows, gradients and optimizer of the rank that holds most.", "bytes", "machine"],
  gathered_memory_bytes: ["Memory for gathered parameters", "Shared by the ranks of a node.", "bytes", "machine"],
  peak_memory_bytes: ["Largest memory", "Largest resident set of a rank so far, shared memory included.", "bytes", "machine"],
};
const formats = { bytes, share: percent };
/// What counts the steps themselves.
const counters = new Set(["epoch", "samples", "examples"]);

const figureOf = (name) => {
  const [title, meaning, format, group] = figures[name] || [capitalised(words(name)), "A figure that this pass writes."];
  return { title, meaning, format: formats[format] || number, group: group || "learning", isShare: format === "share" };
};

const label = (run, content) => (content.runs.length > 1 ? content.runs[run].name : null);

/// The passes of all runs by name: [{ name, runs: [{ run, pass }] }]
function passesOf(content) {
  const found = new Map();
  content.runs.forEach((run, index) => run.passes.forEach((pass) => {
    if (!found.has(pass.name)) found.set(pass.name, []);
    found.get(pass.name).push({ run: index, pass });
  }));
  return [...found].map(([name, runs]) => ({ name, runs }));
}

function curveSeries(curves, curve, run, name, short, isHeldOut) {
  const size = curves.lines_per_point;
  const ends = curves.steps.map((_, index) => curves.steps[index + 1] === undefined ? curves.last_step : curves.steps[index + 1] - 1);
  return {
    name, short, run, colour: run, isHeldOut, y: curve.values, low: curve.low || null, high: curve.high || null,
    x: curves.steps.map((step, index) => (size > 1 ? (step + ends[index]) / 2 : step)),
    steps: curves.steps.map((step, index) => (size > 1 && ends[index] > step ? `${step} to ${ends[index]}` : String(step))),
  };
}

/// Every figure of a pass with its series over runs, in training and held out.
function figuresOf(runs, content) {
  const found = new Map();
  const add = (curves, run, isHeldOut) => curves && curves.curves.forEach((curve) => {
    const name = isHeldOut ? curve.name.replace(/^test_/, "") : curve.name;
    if (!found.has(name)) found.set(name, []);
    const short = label(run, content);
    const own = [short, isHeldOut ? "held out" : "training"].filter(Boolean).join(", ");
    found.get(name).push({ curve, series: curveSeries(curves, curve, run, own, short, isHeldOut) });
  });
  for (const { run, pass } of runs) {
    add(pass.training, run, false);
    add(pass.evaluation, run, true);
  }
  return found;
}

function passSection({ name, runs }, content) {
  const section = element("section", {}, element("h3", { id: "pass-" + name }, `Pass: ${name}`));
  const said = new Map();
  for (const { run, pass } of runs) {
    for (const sentence of [pass.training, pass.evaluation].map((curves) => curves && thinning(curves)).filter(Boolean)) {
      said.set(sentence, [...(said.get(sentence) || []), label(run, content)].filter(Boolean));
    }
  }
  for (const [sentence, names] of said) {
    section.append(element("p", { class: "soft" }, names.length ? `${names.join(", ")}: ${sentence}` : sentence));
  }
  const found = figuresOf(runs, content);
  const groups = { learning: [], machine: [] };
  const constant = [];
  for (const [key, entries] of found) {
    if (counters.has(key)) continue;
    const { title, meaning, format, group, isShare } = figureOf(key);
    const curves = entries.map((entry) => entry.curve);
    const known = curves.filter((curve) => curve.least !== undefined);
    if (known.every((curve) => curve.least === known[0].least && curve.greatest === known[0].least)) {
      constant.push(known.length ? `${title.toLowerCase()} ${format(known[0].least)}` : `${title.toLowerCase()} without a value`);
      continue;
    }
    const missing = curves.reduce((sum, curve) => sum + curve.missing, 0);
    const note = missing ? ` In ${number(missing)} lines it is missing or not finite.` : "";
    const hasBoth = entries.some((entry) => entry.series.isHeldOut) && entries.some((entry) => !entry.series.isHeldOut);
    const how = hasBoth ? " Points: held out." : "";
    const inUnit = isShare && known.every((curve) => curve.least >= 0 && curve.greatest <= 1);
    groups[group].push(chartCard({
      title, meaning: meaning + how + note, level: 4, x: "step", format, series: entries.map((entry) => entry.series),
      yLimits: inUnit ? [0, 1] : [],
    }));
  }
  if (groups.learning.length) section.append(element("div", { class: "charts" }, groups.learning));
  if (groups.machine.length) {
    section.append(details("The machine: throughput, communication, memory", () => element("div", { class: "charts" }, groups.machine)));
  }
  if (constant.length) section.append(element("p", { class: "soft" }, `The same at every step: ${constant.join(", ")}.`));
  section.append(details("All figures of " + name, () => figureTable(name, found)));
  return section;
}

function thinning(curves) {
  if (!curves.lines) return null;
  const what = curves.file.endsWith("evaluation.jsonl") ? "evaluations" : "steps";
  if (curves.lines_per_point === 1) return what === "steps" ? `${number(curves.lines)} ${what}, every one a point.` : null;
  return `${number(curves.lines)} ${what}; a point is the mean of ${curves.lines_per_point}, the band goes from the least to the greatest of them.`;
}

function figureTable(name, found) {
  const rows = [...found].flatMap(([key, entries]) => entries.map(({ curve, series }) => {
    const format = counters.has(key) ? number : figureOf(key).format;
    return [words(key), series.name, ...[curve.first, curve.last, curve.least, curve.greatest].map((value) => format(value)), number(curve.missing)];
  }));
  return table(`Figures of ${name}`,
    ["figure", "of", ["first"], ["last"], ["least"], ["greatest"], ["without a value"]], rows);
}

/// What each pass of each run came to.
function overview(content) {
  const rows = passesOf(content).flatMap(({ name, runs }) => runs.map(({ run, pass }) => {
    const last = (curves, key) => curves && (curves.curves.find((curve) => curve.name === key) || {}).last;
    const state = pass.is_complete === undefined ? "not remembered" : pass.is_complete ? "complete" : "not complete";
    const steps = pass.training && pass.training.lines ? number(pass.training.last_step + 1) : "–";
    const accuracy = last(pass.evaluation, "test_accuracy");
    return [name, content.runs[run].name, state, steps, number(last(pass.training, "loss")), number(last(pass.evaluation, "test_loss")),
      accuracy === undefined ? "–" : percent(accuracy)];
  }));
  if (!rows.length) return null;
  return table("Passes of each run",
    ["pass", "run", "state", ["steps"], ["last training loss"], ["held-out loss"], ["held-out accuracy"]], rows);
}

function trainingSection(content) {
  const passes = passesOf(content).filter(({ runs }) => runs.some(({ pass }) => pass.training || pass.evaluation));
  if (!passes.length) return null;
  return element("section", {}, element("h2", { id: "training" }, "Training"), passes.map((pass) => passSection(pass, content)));
}
