// A run that goes on: which of its worlds is watched, and its learning curve.

import { byId, element, fixed, write } from "./dom.js";

const [WIDE, HIGH, LEFT, LOW] = [244, 120, 34, 16]; // The drawing, and its margins.

export class Run {
  // `act` has `watch(world)`.
  constructor(link, act) {
    this.link = link;
    this.drawn = null;
    this.names = "";
    byId("world").onchange = (event) => act.watch(Number(event.target.value));
  }

  update() {
    const worlds = this.link.get("worlds"), curve = this.link.get("curve") ?? null;
    document.body.classList.toggle("run", Boolean(worlds));
    byId("run").hidden = !worlds;
    if (!worlds) return;
    const names = worlds.names.join("\n");
    if (names !== this.names) {
      this.names = names;
      byId("world").replaceChildren(...worlds.names.map((name, i) => element("option", { value: i, textContent: name })));
    }
    if (document.activeElement !== byId("world") && worlds.now !== null) byId("world").value = worlds.now;
    if (curve === this.drawn) return;
    this.drawn = curve;
    this.draw(curve);
  }

  draw(curve) {
    byId("curve").replaceChildren();
    if (!curve) return write(byId("reached"), "no episode has ended yet");
    const { steps, mean_return: returns } = curve;
    const success = curve.success.at(-1);
    const solved = success === null || success === undefined ? "" : `, ${Math.round(100 * success)} % solved`;
    write(byId("reached"), `${steps.at(-1).toLocaleString("en")} steps: return ${fixed(returns.at(-1))}${solved}`);
    const [low, high] = [Math.min(...returns), Math.max(...returns)];
    const span = high - low || 1, last = steps.at(-1) || 1;
    const x = (step) => LEFT + ((WIDE - LEFT - 4) * step) / last;
    const y = (value) => HIGH - LOW - (HIGH - LOW - 8) * (high > low ? (value - low) / span : 0.5);
    const part = (tag, properties, text = "") => {
      const made = document.createElementNS(byId("curve").namespaceURI, tag);
      for (const [name, value] of Object.entries(properties)) made.setAttribute(name, value);
      made.textContent = text;
      byId("curve").append(made);
    };
    for (const value of new Set([low, high])) {
      part("line", { x1: LEFT, x2: WIDE, y1: y(value), y2: y(value), class: "rule" });
      part("text", { x: LEFT - 5, y: y(value) + 4, "text-anchor": "end" }, fixed(value, span < 1 ? 2 : 1));
    }
    part("text", { x: WIDE - 4, y: HIGH - 2, "text-anchor": "end" }, "steps");
    part("polyline", { points: steps.map((step, i) => `${x(step).toFixed(1)},${y(returns[i]).toFixed(1)}`).join(" ") });
    part("circle", { cx: x(last), cy: y(returns.at(-1)), r: 3 });
  }
}
