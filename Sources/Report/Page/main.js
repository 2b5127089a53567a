// Puts the page together.

const content = JSON.parse(document.getElementById("content").textContent);

function runControls() {
  if (content.runs.length < 2) return;
  const box = document.getElementById("runs");
  const boxes = content.runs.map((run, index) => {
    const check = element("input", { type: "checkbox", checked: true, onchange: (event) => setRun(index, event.target.checked) });
    return element("label", {}, check, swatch(index), run.name);
  });
  box.append(element("fieldset", {}, element("legend", {}, "Runs shown"), boxes));
  box.hidden = false;
}

function noteSection() {
  if (!content.notes.length) return null;
  return element("div", { class: "notes" }, element("p", {}, element("strong", {}, "To know about this page")),
    element("ul", {}, content.notes.map((note) => element("li", {}, note))));
}

function overviewSection() {
  const figures = overview(content);
  return figures && element("section", {}, element("h2", { id: "overview" }, "Overview"), figures);
}

function build() {
  const names = content.runs.map((run) => run.name);
  const title = names.length > 4 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", ");
  document.title = "rdo report: " + title;
  document.getElementById("title").textContent = title;
  document.getElementById("subtitle").textContent =
    `Report of ${names.length === 1 && !content.runs[0].passes.length ? "an artefact" : names.length === 1 ? "a run" : number(names.length) + " runs"}, made ${content.created} by ${content.software}`;
  runControls();
  const main = document.getElementById("main");
  const sections = [
    overviewSection(), trainingSection(content), evaluationSection(content), coefficientSection(content), ledgerSection(content), pairSection(content),
    provenanceSection(content),
  ].filter(Boolean);
  main.append(...[noteSection(), ...sections].filter(Boolean));
  const links = [...main.querySelectorAll("h2")].map((heading) => element("a", { href: "#" + heading.id }, heading.textContent));
  document.getElementById("sections").append(...links,
    element("button", { type: "button", onclick: openAll, title: "For printing, or to search in all of the page" }, "Open all"));
  followColours();
  drawCharts();
  if (location.hash === "#all") openAll();
  // The browser looked for the place before it was made.
  else if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView({ behavior: "instant" });
  document.documentElement.dataset.state = "ready";
}

build();
