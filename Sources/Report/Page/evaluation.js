// Evaluations: policies compared by scorers, length, held-out data and perplexity. Runs are laid over each other by the names of
// policies and scorers.

/// "0.712 (0.689 to 0.734)"
const span = (interval) => interval ? `${number(interval.value)} (${number(interval.low)} to ${number(interval.high)})` : "–";

const spans = (list) => ({
  y: list.map((one) => (one ? one.value : null)), low: list.map((one) => (one ? one.low : null)),
  high: list.map((one) => (one ? one.high : null)), isRange: true, look: "bar",
});

const pairName = ({ policy, against }) => `${policy} over ${against}`;

/// A series for each run and scorer.
/// - list: the figures of an evaluation and a scorer, in the order of the categories
function scorerSeries(evaluated, scorers, list) {
  const areMany = content.runs.length > 1;
  return evaluated.flatMap(({ run, index, evaluation }) => scorers
    .filter((scorer) => evaluation.scorers.some((one) => one.name === scorer))
    .map((scorer) => ({ name: areMany ? `${run.name}: ${scorer}` : scorer, run: areMany ? index : null, ...spans(list(evaluation, scorer)) })))
    .filter(({ y }) => y.some((value) => value !== null)).map((one, colour) => ({ ...one, colour }));
}

function winChart(evaluated, scorers) {
  const categories = [...new Set(evaluated.flatMap(({ evaluation }) => evaluation.comparisons.map(pairName)))];
  const rates = (figure) => scorerSeries(evaluated, scorers, (evaluation, scorer) => categories.map((name) => {
    const comparison = evaluation.comparisons.find((one) => pairName(one) === name);
    const judgement = comparison && comparison.judgements.find((one) => one.scorer === scorer);
    return judgement && judgement[figure];
  }));
  const chart = (title, meaning, series) => series.length
    ? [chartCard({ title, meaning, x: "", format: percent, yLimits: [0, 1], categories, series })] : [];
  return [
    ...chart("Win rate", "How often the first policy's responses have the higher score, a tie counted half. Lines: bootstrap intervals; one that holds 50 % decides nothing.", rates("win_rate")),
    ...chart("Win rate at equal length", "What a regression on the difference in length leaves. Far below the win rate: the gain is largely length.", rates("length_controlled_win_rate")),
  ];
}

/// Scorers have scales of their own.
function scoreCharts(evaluated, scorers) {
  const categories = [...new Set(evaluated.flatMap(({ evaluation }) => evaluation.policies.filter(({ lengths }) => lengths).map(({ name }) => name)))];
  return scorers.flatMap((scorer) => {
    const series = scorerSeries(evaluated, [scorer], (evaluation, name) => categories.map((policy) => {
      const found = evaluation.policies.find((one) => one.name === policy);
      const score = found && found.scores.find((one) => one.scorer === name);
      return score && score.mean;
    }));
    return series.length ? [chartCard({
      title: `Mean score by ${scorer}`, x: "", categories, series,
      meaning: "Over the queries; of a query the mean over a policy's responses. Lines: bootstrap intervals.",
    })] : [];
  });
}

function evaluationTables({ run, evaluation }) {
  const of = content.runs.length > 1 ? ` of ${run.name}` : "";
  const comparisons = evaluation.comparisons.flatMap((comparison) => comparison.judgements.map((one) => [
    pairName(comparison), one.scorer, `${percent(one.win.value)} / ${percent(one.tie.value)} / ${percent(one.lose.value)}`,
    span(one.win_rate), span(one.length_controlled_win_rate), span(one.margin), number(one.length_correlation),
    span(comparison.length_difference),
  ]));
  const likelihood = (one) => one ? span(one.perplexity) + (one.ratio ? `, × ${span(one.ratio)}` : "") : "–";
  const columns = [
    ["tokens", ({ lengths }) => span(lengths && lengths.tokens)], ["at the limit", ({ lengths }) => percent(lengths && lengths.at_limit)],
    ...evaluation.scorers.map(({ name }) => [name, ({ scores }) => span((scores.find((one) => one.scorer === name) || {}).mean)]),
    ["held-out accuracy", ({ preference }) => span(preference && preference.accuracy)],
    ["accuracy per token", ({ preference }) => span(preference && preference.accuracy_per_token)],
    ["margin", ({ preference }) => span(preference && preference.margin)],
    ["KL a response", ({ divergence }) => span(divergence && divergence.per_response)],
    ["KL a token", ({ divergence }) => span(divergence && divergence.per_token)],
    ["perplexity", ({ held_out: heldOut }) => likelihood(heldOut)],
    ...evaluation.corpora.map(({ name }) => [`perplexity, ${name}`, ({ out_of_domain: list }) => likelihood((list.find((one) => one.corpus === name) || {}).likelihood)]),
  ].filter(([, value]) => evaluation.policies.some((policy) => value(policy) !== "–"));
  return [
    table(`Policies${of}`, ["policy", ...columns.map(([title]) => [title])], evaluation.policies.map((policy) => [policy.name, ...columns.map(([, value]) => value(policy))])),
    comparisons.length ? table(`Comparisons${of}`, ["comparison", "scorer", ["win / tie / lose"], ["win rate"], ["at equal length"], ["score difference"], ["correlation with length"], ["tokens longer"]], comparisons) : null,
  ];
}

function evaluationSection(content) {
  const evaluated = content.runs.flatMap((run, index) => (run.evaluation ? [{ run, index, evaluation: run.evaluation }] : []));
  if (!evaluated.length) return null;
  const scorers = [...new Set(evaluated.flatMap(({ evaluation }) => evaluation.scorers.map(({ name }) => name)))];
  const [{ evaluation: first }] = evaluated;
  return element("section", {}, element("h2", { id: "evaluation" }, "Evaluation"),
    element("p", {}, `Policies by what scorers say of their responses, and by what their models say of held-out data. In brackets ${percent(first.level)} of ${number(first.resamples)} bootstrap resamples of the queries, rows or texts.`),
    element("div", { class: "charts" }, winChart(evaluated, scorers), scoreCharts(evaluated, scorers)),
    evaluated.flatMap(evaluationTables));
}
