// A study: consent, tutorial, trials, questions and thanks, one after the other.

import { byId, element, write } from "./dom.js";

const STORED = "als study"; // The pseudonym, so that whoever comes back goes on.
const BUTTONS = { consent: "I agree", tutorial: "Try it", trial: "Begin", questions: "Go on" };

export class Study {
  constructor(link) {
    this.link = link;
    this.asked = null; // The client that has said that it takes part.
    this.shown = "";
    this.form = byId("study");
    this.form.onsubmit = (event) => {
      event.preventDefault();
      this.go();
    };
  }

  get what() {
    return this.link.get("study");
  }

  part(pseudonym) {
    if (pseudonym) localStorage.setItem(STORED, pseudonym);
  }

  changed() {
    const { what, link } = this;
    if (!what) return;
    document.body.classList.add("study");
    document.title = what.title;
    // Whoever came while somebody else took part asks again once that one has left.
    if (this.asked !== link.client || (what.client === null && !this.waits)) {
      this.asked = link.client;
      this.waits = setTimeout(() => (this.waits = null), 1500);
      const pseudonym = localStorage.getItem(STORED);
      link.send("take part", pseudonym ? { pseudonym } : {});
    }
    this.show(what, what.client === link.client);
  }

  show(what, own) {
    const now = JSON.stringify([what, own]);
    if (now === this.shown) return;
    this.shown = now;
    const playing = what.phase === "playing";
    this.form.hidden = playing && own;
    if (this.form.hidden) byId("view").focus();
    write(byId("study-title"), what.title);
    byId("study-at").style.transform = `scaleX(${own ? what.at / Math.max(1, what.of) : 0})`;
    write(byId("study-text"), own ? what.text : "Somebody else takes part now. This page goes on when they have left.");
    byId("study-text").hidden = own && !what.text;
    write(byId("study-go"), BUTTONS[what.phase] ?? "");
    byId("study-go").hidden = !own || !BUTTONS[what.phase];
    write(byId("study-why"), "");
    byId("study-questions").replaceChildren(...(own ? what.questions.map(field) : []));
    if (own && !playing) (this.form.querySelector("input, textarea") ?? byId("study-go")).focus();
  }

  go() {
    const answers = {};
    for (const { name, kind } of this.what.questions) {
      const value = new FormData(this.form).get(name);
      if (value !== null && value !== "") answers[name] = kind === "scale" ? Number(value) : value;
    }
    const left = this.what.questions.find(({ name, optional }) => !optional && !(name in answers));
    if (left) write(byId("study-why"), "Please answer every question.");
    else this.link.send("go on", { answers });
  }
}

function field(question) {
  const { name, text, kind, points, low, high, choices } = question;
  const parts = [element("legend", { textContent: text })];
  if (kind === "text") parts.push(element("textarea", { name, maxLength: 400, rows: 3, ariaLabel: text }));
  else {
    const values = kind === "scale" ? Array.from({ length: points }, (_, i) => i + 1) : choices;
    const labels = values.map((value) => element("label", {}, element("input", { type: "radio", name, value }), `${value}`));
    parts.push(element("div", { className: kind === "scale" ? "scale" : "choices" }, ...labels));
    if (low || high) parts.push(element("div", { className: "ends" }, element("span", { textContent: low }), element("span", { textContent: high })));
  }
  return element("fieldset", {}, ...parts);
}
