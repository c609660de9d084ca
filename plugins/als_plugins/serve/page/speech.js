// Speech: bubbles above heads, a log of what was said, and the palette of what one can say.

import * as THREE from "./three/three.module.js";
import { byId, element, plain, write } from "./dom.js";

const KEPT = 6; // Lines of the log.
const FADES = 9000; // Milliseconds until a line of it goes.

export class Labels {
  constructor(link, things, scene) {
    this.link = link;
    this.things = things;
    this.scene = scene;
    this.every = new Map();
    this.heard = new Map();
    this.point = new THREE.Vector3();
  }

  // Puts names and speech above whoever is in the picture.
  update(mine, mode) {
    const seen = new Set();
    for (const [i, seat] of this.link.every("seat")) {
      const said = this.link.get(`said.${i}`), thing = this.things.avatar(i);
      this.note(i, seat, said);
      if (!thing || (mine === i && mode === "first")) continue;
      const { x, y, z } = thing.group.position;
      const top = z - thing.what.parts[0].half[2] + thing.what.height + 0.16;
      this.place(`avatar ${i}`, seen, x, y, top, seat.person ?? plain(seat.agent), said?.text, seat.person !== null);
    }
    for (const [key, sound] of this.link.board) {
      if (!key.startsWith("sound.") || !sound.text) continue;
      this.place(key, seen, ...sound.at, "", `♪ ${sound.text}`, false);
    }
    for (const [key, label] of this.every) label.item.hidden = !seen.has(key);
  }

  place(key, seen, x, y, z, name, said, person) {
    this.point.set(x, y, z).project(this.scene.camera);
    if (this.point.z > 1 || Math.abs(this.point.x) > 1.1 || Math.abs(this.point.y) > 1.2) return;
    seen.add(key);
    const label = this.every.get(key) ?? this.make(key);
    write(label.tag, name);
    label.tag.hidden = !name;
    label.tag.classList.toggle("person", person);
    write(label.bubble, said ?? "");
    label.bubble.hidden = !said;
    const [wide, high] = this.scene.size;
    const left = ((this.point.x + 1) / 2) * wide, top = ((1 - this.point.y) / 2) * high;
    label.item.style.transform = `translate(${left.toFixed(1)}px, ${top.toFixed(1)}px) translate(-50%, -100%)`;
    label.item.style.zIndex = String(Math.round((1 - this.point.z) * 1e5) + (said ? 1e6 : 0));
  }

  make(key) {
    const bubble = element("div", { className: "bubble" }), tag = element("div", { className: "tag" });
    const item = element("div", { className: key.startsWith("sound") ? "label sound" : "label" }, bubble, tag);
    byId("labels").append(item);
    const label = { item, bubble, tag };
    this.every.set(key, label);
    return label;
  }

  // Writes what is said into the log, once.
  note(i, seat, said) {
    const stamp = said ? `${said.step} ${said.text}` : "";
    if (this.heard.get(i) === stamp) return;
    this.heard.set(i, stamp);
    if (!said) return;
    const name = element("b", { textContent: seat.person ?? plain(seat.agent) });
    name.style.color = lighter(seat.color);
    const line = element("p", {}, name, said.text);
    const log = byId("log");
    log.append(line);
    while (log.children.length > KEPT) log.firstElementChild.remove();
    setTimeout(() => line.classList.add("old"), FADES);
    setTimeout(() => line.remove(), FADES + 700);
  }
}

// A colour that can be read on a dark ground.
function lighter(color) {
  const channels = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  return `rgb(${channels.map((value) => Math.round(255 - (255 - value) * 0.55)).join(" ")})`;
}

// What a role can do and say, as buttons; typing completes.
export class Palette {
  constructor(act) {
    this.act = act;
    this.can = null;
    this.verb = null;
    this.words = byId("words");
    this.words.oninput = () => this.offer();
    this.words.onkeydown = (event) => {
      if (event.key === "Escape") this.end();
      if (event.key === "Tab" && this.first()) {
        event.preventDefault();
        this.words.value = this.first().text;
        this.offer();
      }
    };
    byId("speech").onsubmit = (event) => {
      event.preventDefault();
      const match = this.first();
      if (match) this.choose(match);
    };
  }

  show(role, can, holds) {
    if (role !== this.role) {
      this.role = role;
      this.can = can;
      this.holding = undefined;
      this.verb = null;
      this.offer();
    }
    if (this.holding !== holds) {
      this.holding = holds;
      this.buttons(holds);
    }
  }

  buttons(holds) {
    const { hands, effectors } = this.can;
    const button = (text, title, onclick) => element("button", { textContent: text, title, onclick, type: "button" });
    const made = [];
    if (hands.includes("pick up")) made.push(button(holds ? `Put down ${plain(holds)}` : "Pick up", "F", () => this.act.take()));
    if (hands.includes("use")) made.push(button("Use", "Space", () => this.act.use()));
    for (const [name, all] of Object.entries(effectors)) {
      for (const does of all) made.push(button(`${plain(name)}: ${does}`, "", () => this.act.work(name, does)));
    }
    byId("does").replaceChildren(...made);
  }

  // What can be said and begins, or contains a word that begins, with what was typed.
  matches() {
    const typed = this.words.value.trim().toLowerCase();
    const found = [];
    for (const { say, slots } of this.can?.verbs ?? []) {
      if (slots.length && this.verb !== say && !typed.startsWith(say.toLowerCase())) found.push({ text: say, verb: true });
      else if (slots.length) found.push(...slots.map((slot) => ({ text: `${say} ${slot}`, shown: slot })));
      else if (!this.verb) found.push({ text: say });
    }
    return found.filter(({ text }) => !typed || text.toLowerCase().includes(typed));
  }

  first() {
    return this.matches()[0];
  }

  offer() {
    this.words.hidden = !this.can?.verbs.length;
    if (this.verb && !this.words.value.startsWith(this.verb)) this.verb = null;
    const buttons = this.matches().slice(0, 60).map((match) =>
      element("button", {
        textContent: match.verb ? `${match.text} …` : (match.shown ?? match.text),
        className: match.verb ? "verb" : "",
        type: "button",
        onclick: () => this.choose(match),
      }));
    byId("palette").replaceChildren(...buttons);
  }

  choose({ text, verb }) {
    if (verb) {
      this.verb = text;
      this.words.value = `${text} `;
      this.words.focus();
      this.offer();
      return;
    }
    this.act.say(text);
    this.end();
  }

  begin() {
    this.words.focus();
  }

  end() {
    this.verb = null;
    this.words.value = "";
    this.words.blur();
    this.offer();
    byId("view").focus();
  }
}
