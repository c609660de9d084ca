// The page: puts link, scene, things, cameras, controls and panels together, and draws.

import { byId, fixed, write } from "./dom.js";
import { Link } from "./link.js";
import { Scene } from "./scene.js";
import { Things } from "./things.js";
import { Cameras } from "./cameras.js";
import { Controls } from "./controls.js";
import { Panel } from "./panel.js";
import { Labels, Palette } from "./speech.js";
import { Eyes } from "./eyes.js";
import { Run } from "./run.js";
import { Sounds } from "./sounds.js";
import { Study } from "./study.js";
import { Teach } from "./teach.js";

const MODES = ["orbit", "follow", "first"];
const KEYS = "W A S D walk, turn · Q E sideways · F take · Space use · Enter say · C camera · P pause";

const scene = new Scene(byId("view"));
const things = new Things(scene.scene);
const cameras = new Cameras(scene, things);
let mine = null; // The avatar of this page.
let chosen = null; // The avatar that somebody who watches has chosen.
let wish = null; // What to join again once the connection is back.
let level = "";
let changed = true;

const link = new Link({
  key: (key, value) => take(key, value),
  changed: () => {
    changed = true;
    teach.changed();
    study.changed();
    seat();
    const own = link.get(`seat.${mine}`);
    if (own) palette.show(own.role, link.get(`can.${own.role}`), link.get(`holds.${mine}`) ?? null);
    frame();
  },
  hello: ({ speeds }) => {
    panel.speeds(speeds);
    eyes.forget();
    if (wish !== null) act.join(wish);
  },
  refused: (why) => note(why),
  invitation: (address) => {
    byId("invitation").hidden = false;
    write(byId("invitation"), address);
  },
  part: (pseudonym) => study.part(pseudonym),
  consent: (pseudonym) => teach.agreed(pseudonym),
  state: (text) => note(text, !text),
});

const act = {
  pace: (fields) => link.send("pace", fields),
  pause: () => link.send("pace", { paused: !link.get("clock")?.paused }),
  next: () => link.send("next"),
  seek: (step) => link.send("seek", { step }),
  invite: () => link.send("invite"),
  join: (avatar) => link.send("join", { avatar, name: byId("name").value }),
  leave: () => {
    wish = null;
    link.send("leave");
  },
  drive: (fields) => link.send("drive", fields),
  take: () => link.send("hand", { does: link.get(`holds.${mine}`) ? "put down" : "pick up" }),
  use: () => link.send("hand", { does: "use" }),
  work: (effector, does) => link.send("work", { effector, does }),
  say: (sentence) => link.send("say", { sentence }),
  speak: () => mine !== null && palette.begin(),
  camera: (mode) => camera(mode ?? MODES[(MODES.indexOf(cameras.mode) + 1) % MODES.length]),
  zoom: (steps) => cameras.zoom(steps),
  refresh: () => (changed = true),
  look: (avatar) => link.send("look", { avatar }),
  watch: (world) => link.send("watch", { world }),
  choose: (avatar) => {
    chosen = avatar;
    if (cameras.mode === "orbit") camera("follow");
    changed = true;
  },
};
const panel = new Panel(link, act);
const palette = new Palette(act);
const labels = new Labels(link, things, scene);
const eyes = new Eyes(link, act);
const run = new Run(link, act);
const sounds = new Sounds(link, things, scene.camera);
byId("sound").onclick = () => byId("sound").classList.toggle("on", sounds.toggle());
const study = new Study(link);
const teach = new Teach(link, things, act);
const controls = new Controls(byId("view"), cameras, act);
write(byId("keys"), KEYS);

// Takes in one key of the board.
function take(key, value) {
  const dot = key.indexOf("."), kind = key.slice(0, dot), name = key.slice(dot + 1);
  if (kind === "look") things.look(name, value);
  else if (kind === "picture") things.picture(name, value ?? "");
  else if (kind === "pose" && teach.pose(name, value)) things.pose(name, value, performance.now());
  else if (kind === "holds") {
    const thing = things.avatar(name);
    if (thing?.limbs) thing.limbs.holds = value !== null;
  } else if (key === "step") things.beat(performance.now());
  else if (key === "world" && value) things.rules = value.rules ?? [];
}

// Lays a new level out once all of it is known.
function frame() {
  const world = link.get("world");
  const now = world ? `${world.level} ${world.bounds}` : "";
  if (now === level || !world?.bounds) return;
  level = now;
  scene.lay(world.bounds);
  cameras.frame(world.bounds);
}

// Sees which avatar is this page's own.
function seat() {
  const found = [...link.every("seat")].find(([, one]) => one.client !== null && one.client === link.client);
  const now = found ? found[0] : null;
  if (now === mine) return;
  mine = now;
  if (now !== null) wish = now;
  document.body.classList.toggle("playing", now !== null);
  byId("hands").hidden = now === null;
  byId("pad").hidden = now === null || !matchMedia("(pointer: coarse)").matches;
  controls.play(now !== null);
  if (now !== null && cameras.mode === "orbit") camera("follow");
  byId("view").focus();
}

function camera(mode) {
  cameras.use(mode);
  cameras.look = null;
  changed = true;
}

let hide;
function note(text, gone = false) {
  clearTimeout(hide);
  const line = byId("note");
  line.hidden = gone || !text;
  write(line, text);
  if (!line.hidden && link.client !== null) hide = setTimeout(() => (line.hidden = true), 5000);
}

// What the server has to say to all.
function tell(focus) {
  const clock = link.get("clock"), told = link.get(`told.${focus}`);
  byId("told").hidden = !told;
  write(byId("told"), told ?? "");
  const over = clock?.over && clock.length === null;
  byId("result").hidden = !over;
  if (over) {
    const success = link.get("metrics")?.success;
    write(byId("result"), `${success ? "Solved" : "The episode is over"}\nreturn ${fixed(link.get(`score.${focus}`)?.return)}`);
  }
  const said = link.get("note");
  if (said && said !== tell.last) note(said);
  tell.last = said;
}

const last = { picture: performance.now(), panel: 0 };
function picture(now) {
  requestAnimationFrame(picture);
  const focus = mine ?? chosen ?? 0;
  cameras.subject = focus;
  controls.poll();
  teach.picture(now);
  const moved = things.update(now);
  const cut = cameras.update();
  const due = changed && last.panel < now - 200;
  // Nobody reads numbers that change more often, and every change is painted anew.
  if (due) {
    last.panel = now;
    panel.update(focus, mine, cameras.mode);
    eyes.update(focus);
    run.update();
    teach.update(focus, mine);
    tell(focus);
  }
  if (scene.draw(moved || cut || due)) {
    labels.update(mine, cameras.mode);
    scene.adapt(now - last.picture);
    watch.first ??= performance.now();
    watch.pictures += 1;
  }
  sounds.update();
  if (due) changed = false;
  last.picture = now;
}
requestAnimationFrame(picture);

// What tests and measurements look at.
const watch = { pictures: 0, link, things, cameras, scene, sounds, teach };
window.als = watch;
