// Texts are put into the page as text, never as HTML. Answers stand in the browser's storage as soon as they are given.

const content = JSON.parse(document.getElementById("content").textContent);
const storageName = "rdo-sheet-" + content.sheet;
const choices = [["left", "the left one"], ["tie", "no difference"], ["right", "the right one"]];
const rater = document.getElementById("rater");
let answers = {};

function showFailure(text) {
  const place = document.getElementById("failure");
  place.textContent = text;
  place.hidden = false;
}
addEventListener("error", (event) => showFailure("This page is not complete: " + event.message));

function element(name, className, ...children) {
  const node = document.createElement(name);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

/// What an earlier visit left; unknown numbers and words are dropped.
function restore() {
  try {
    const stored = JSON.parse(localStorage.getItem(storageName) || "{}");
    rater.value = typeof stored.rater === "string" ? stored.rater : "";
    for (const item of content.items) {
      const choice = (stored.answers || {})[item.number];
      if (choices.some(([name]) => name === choice)) answers[item.number] = choice;
    }
  } catch (error) {
    showFailure("Earlier answers cannot be read, and new ones may not be kept: save them before you close the page.");
  }
}

function keep() {
  try {
    localStorage.setItem(storageName, JSON.stringify({ rater: rater.value, answers }));
  } catch (error) {
    showFailure("This browser keeps no answers: save them before you close the page.");
  }
}

function showCount() {
  const done = Object.keys(answers).length;
  const bar = document.getElementById("progress");
  bar.max = content.items.length;
  bar.value = done;
  document.getElementById("count").textContent = `${done} of ${content.items.length} answered`;
  document.getElementById("next").disabled = done === content.items.length;
}

function question(item) {
  const article = element("article", "");
  article.id = "item-" + item.number;
  const fieldset = element("fieldset", "", element("legend", "", "Better is"));
  for (const [name, title] of choices) {
    const input = element("input", "");
    Object.assign(input, { type: "radio", name: "choice-" + item.number, value: name, checked: answers[item.number] === name });
    input.addEventListener("change", () => {
      answers[item.number] = name;
      article.classList.add("answered");
      keep();
      showCount();
    });
    fieldset.append(element("label", "", input, title));
  }
  const side = (title, text) => element("div", "", element("h3", "", title), element("div", "text", text));
  article.classList.toggle("answered", item.number in answers);
  article.append(
    element("h2", "", String(item.number)),
    element("div", "request", element("h3", "", "Request"), element("div", "text", item.query)),
    element("div", "pair", side("Left", item.left), side("Right", item.right)), fieldset);
  return article;
}

function save() {
  const saved = { schema: content.schema, sheet: content.sheet, rater: rater.value.trim(), answers };
  const link = element("a", "");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(saved, null, 1) + "\n"], { type: "application/json" }));
  link.download = "answers-" + (saved.rater.replace(/[^\p{L}\p{N}]+/gu, "-") || "sheet") + ".json";
  link.click();
}

restore();
document.getElementById("items").append(...content.items.map(question));
rater.addEventListener("input", keep);
document.getElementById("save").addEventListener("click", save);
document.getElementById("next").addEventListener("click", () => {
  const item = content.items.find((item) => !(item.number in answers));
  if (item) {
    document.getElementById("item-" + item.number).scrollIntoView();
    document.querySelector(`#item-${item.number} input`).focus();
  }
});
showCount();
