// Panels: the bar with clock and pace, the lobby, the score, the camera buttons.

import { byId, element, fixed, plain, write } from "./dom.js";

export class Panel {
  // `act` has `pace(fields)`, `next()`, `seek(step)`, `join(avatar)`, `leave()`, `invite()`,
  // `camera(mode)`, `choose(avatar)`.
  constructor(link, act) {
    this.link = link;
    this.act = act;
    this.rows = [];
    byId("pause").onclick = () => act.pause();
    byId("single").onclick = () => act.pace({ step: true });
    byId("next").onclick = () => act.next();
    byId("speed").onchange = (event) => act.pace({ speed: Number(event.target.value) });
    byId("time").oninput = (event) => act.seek(Number(event.target.value));
    byId("invite").onclick = () => act.invite();
    for (const button of byId("cameras").children) button.onclick = () => act.camera(button.dataset.camera);
    const name = byId("name");
    name.value = localStorage.getItem("als name") ?? "";
    name.onchange = () => localStorage.setItem("als name", name.value);
  }

  speeds(offered) {
    const options = offered.map((speed) => element("option", { value: speed, textContent: `${speed} ×` }));
    byId("speed").replaceChildren(...options);
    byId("speed").value = 1;
  }

  update(focus, mine, mode) {
    this.clock();
    this.lobby(focus, mine);
    this.score(focus);
    for (const button of byId("cameras").children) {
      button.classList.toggle("on", button.dataset.camera === mode);
    }
  }

  clock() {
    const world = this.link.get("world"), clock = this.link.get("clock");
    if (!world || !clock) return;
    const step = this.link.get("step") ?? 0, limit = clock.length ?? world.limit;
    write(byId("scenario"), world.scenario.replace(/^ALS\//, "").replace(/-v\d+$/, ""));
    byId("scenario").title = world.scenario;
    const seconds = (steps) => `${Math.floor((steps * world.time_step) / 60)}:${String(Math.floor((steps * world.time_step) % 60)).padStart(2, "0")}`;
    const hard = clock.difficulty;
    const at = hard ? `difficulty ${hard.stage} of ${hard.stages} · ` : world.level === undefined ? "" : `level ${world.level} · `;
    write(byId("where"), `${this.link.get("worlds") ? "" : `episode ${clock.episode} · `}${at}${seconds(step)} of ${seconds(limit)}`);
    byId("progress").style.transform = `scaleX(${Math.min(1, step / Math.max(1, limit))})`;
    write(byId("pause"), clock.paused ? "Go on" : "Pause");
    byId("pause").classList.toggle("main", clock.paused);
    if (document.activeElement !== byId("speed")) byId("speed").value = clock.speed;
    const time = byId("time");
    time.hidden = clock.length === null;
    if (!time.hidden) {
      time.max = clock.length;
      if (document.activeElement !== time) time.value = step;
    }
  }

  lobby(focus, mine) {
    const seats = [...this.link.every("seat")];
    const people = this.link.get("people");
    if (people) {
      const watching = people.watching - people.playing;
      write(byId("people"), `${people.playing} playing, ${watching} watching`);
    }
    while (this.rows.length < seats.length) this.rows.push(this.row(this.rows.length));
    this.rows.splice(seats.length).forEach((row) => row.item.remove());
    for (const [i, seat] of seats) this.fill(this.rows[i], i, seat, focus, mine);
  }

  row(i) {
    const dot = element("i"), name = element("b"), who = element("small");
    const button = element("button", { onclick: () => (button.dataset.mine ? this.act.leave() : this.act.join(i)) });
    name.onclick = () => this.act.choose(i);
    name.title = "Follow this avatar";
    const item = element("li", {}, dot, name, button, who);
    byId("seats").append(item);
    return { item, dot, name, who, button };
  }

  fill({ item, dot, name, who, button }, i, seat, focus, mine) {
    dot.style.background = seat.color;
    write(name, plain(seat.agent));
    write(who, seat.person ?? plain(seat.driver));
    item.classList.toggle("mine", mine === i);
    button.dataset.mine = mine === i ? "yes" : "";
    write(button, mine === i ? "Leave" : "Join");
    button.classList.toggle("main", mine === i);
    button.disabled = seat.person !== null && mine !== i;
    button.hidden = !this.link.get("clock")?.open;
  }

  score(focus) {
    const seat = this.link.get(`seat.${focus}`), score = this.link.get(`score.${focus}`);
    if (!seat || !score) return;
    write(byId("whose"), plain(seat.agent));
    write(byId("return"), fixed(score.return));
    write(byId("reward"), `${score.reward < 0 ? "−" : "+"}${fixed(Math.abs(score.reward), 3)} in this step`);
    const terms = Object.entries(score.terms);
    this.list(byId("terms"), terms.length > 1 ? terms : [], term, fillTerm);
    this.list(byId("metrics"), Object.entries(this.link.get("metrics") ?? {}), metric, fillMetric);
  }

  // Rows of a list that stay from one picture to the next.
  list(target, entries, make, fill) {
    target.rows ??= [];
    while (target.rows.length < entries.length) {
      const row = make();
      target.rows.push(row);
      target.append(...row);
    }
    target.rows.splice(entries.length).forEach((row) => row.forEach((part) => part.remove()));
    entries.forEach(([name, value], i) => fill(target.rows[i], plain(name), value));
  }
}

function term() {
  const bar = element("i");
  return [element("li", {}, element("span"), element("span", { className: "track" }, bar), element("span"))];
}

function fillTerm([item], name, value) {
  const [label, track, number] = item.children, bar = track.firstElementChild;
  write(label, name);
  write(number, fixed(value, 3));
  bar.classList.toggle("minus", value < 0);
  bar.style.transform = `scaleX(${Math.sign(value) * Math.min(1, Math.sqrt(Math.abs(value)))})`;
}

function metric() {
  return [element("dt"), element("dd")];
}

function fillMetric([label, number], name, value) {
  write(label, name);
  const text = typeof value === "boolean" ? (value ? "yes" : "no") : Number.isInteger(value) ? `${value}` : fixed(value);
  write(number, text);
}
