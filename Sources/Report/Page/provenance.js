// What was done: settings that differ, configurations, files and what they were made from.

function differenceTable(content) {
  if (content.runs.length < 2) return null;
  if (!content.differences) return element("p", {}, "The settings of the runs are not compared: see the notes above.");
  if (!content.differences.length) return element("p", {}, "The configurations of the runs' last starts differ in nothing but the output.");
  return table("Settings that are not the same in all runs", ["key", ...content.runs.map((run) => run.name)],
    content.differences.map(({ key, values }) => [key, ...values.map((value) => (has(value) ? value : "–"))]));
}

function artefactTable(run) {
  const rows = run.artefacts.map((artefact) => [
    artefact.file, artefact.schema, artefact.created || "–", number(artefact.ranks), artefact.software || "–",
  ]);
  return table(`Files of ${run.name}`, ["file", "holds", "made", ["ranks"], "software"], rows);
}

const factTable = (title, facts) => table(title, ["name", "value"],
  // A key of the configuration stays as it is written there.
  facts.map(({ name, value }) => [name.includes(".") ? name : words(name), element("span", { class: "key" }, value)]));

/// Reference files, checkpoints and whatever else has no section of its own.
function otherSummary({ file, summary }) {
  if (!summary) return [];
  return ["reference", "checkpoint"].filter((kind) => summary[kind]).map((kind) => {
    const rows = plainFigures(summary[kind]).map(([name, value]) => [name, number(value)]);
    const isAlone = content.runs.length === 1 && !content.runs[0].passes.length;
    return details(`${file}: figures`, () => [table(file, ["figure", ["value"]], rows), ...objectLists(summary[kind], "")], { isOpen: isAlone });
  });
}

function runProvenance(run) {
  const artefacts = run.artefacts.length ? [artefactTable(run)] : [element("p", {}, "No file of it is complete yet.")];
  return element("section", {}, element("h3", {}, run.name), element("p", { class: "soft" }, "Directory or file: ", element("code", {}, run.path)),
    artefacts,
    run.configurations.map(({ yaml, stated_by: places }) => details(`Configuration of ${places.join(", ")}`,
      () => element("pre", { tabindex: "0", role: "region", "aria-label": "Configuration, YAML" }, yaml))),
    run.artefacts.filter(({ facts }) => facts.length).map(({ file, facts }) => details(`${file}: what it was made from`, () => factTable(file, facts))),
    run.artefacts.flatMap(otherSummary),
    run.passes.filter(({ recipe }) => recipe.length).map(({ name, recipe }) => details(`${name}: what it was last started with`,
      () => factTable(`Recipe of ${name}`, recipe))));
}

function provenanceSection(content) {
  return element("section", {}, element("h2", { id: "provenance" }, "What was done"), differenceTable(content),
    content.runs.map(runProvenance));
}
