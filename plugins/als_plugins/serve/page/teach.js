// Teaching: to agree first, then to praise, to take an avatar over, to compare; and what came of it.

import { Clips } from "./clips.js";
import { byId, write } from "./dom.js";

const STORED = "als pseudonym"; // Whoever has agreed in this tab need not do so again.
const KEYS = { KeyG: "good", KeyB: "bad", KeyX: "show" };
const percent = (share) => `${Math.round(100 * share)} %`;
const count = (number, what) => `${number} ${what}${number === 1 ? "" : "s"}`;

export class Teach {
  // `act` has `join(avatar)` and `leave()`.
  constructor(link, things, act) {
    Object.assign(this, { link, things, act });
    this.clips = new Clips(things);
    this.name = null; // The pseudonym, once this person has agreed.
    this.asked = null; // The client that has asked to go on under its pseudonym.
    this.focus = 0;
    this.mine = null;
    this.showing = null; // The clips that are shown again: `clips`, `at`, `left`, `due`.
    byId("teach-agree").onclick = () => link.send("consent", { agree: true });
    byId("teach-good").onclick = () => this.good();
    byId("teach-bad").onclick = () => this.bad();
    byId("teach-value").onchange = (event) => {
      this.judge(Number(event.target.value));
      event.target.value = 0;
    };
    byId("teach-show").onclick = () => this.show();
    byId("teach-compare").onclick = () => this.compare();
    byId("teach-learn").onclick = () => link.send("learn");
    byId("vote-first").onclick = () => this.vote(0);
    byId("vote-second").onclick = () => this.vote(1);
    byId("vote-again").onclick = () => this.replay(this.showing.clips);
    byId("vote-none").onclick = () => this.end();
    addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    const does = KEYS[event.code];
    const typing = event.target instanceof HTMLInputElement && event.target.type !== "range";
    if (!does || !this.may || typing || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this[does]();
  }

  get what() {
    return this.link.get("teaching");
  }

  // Whether this person may teach: whoever has agreed, where anything is kept.
  get may() {
    return Boolean(this.what && (this.name || !this.what.asks));
  }

  agreed(pseudonym) {
    this.name = pseudonym;
    if (pseudonym) sessionStorage.setItem(STORED, pseudonym);
    else sessionStorage.removeItem(STORED);
    this.update(this.focus, this.mine);
  }

  good() {
    this.judge(1);
  }

  bad() {
    if (this.what.judges) this.judge(-1);
  }

  judge(value) {
    if (!value) return;
    this.link.send("judge", { avatar: this.focus, value });
    const button = byId(value > 0 ? "teach-good" : "teach-bad");
    button.classList.add("said");
    setTimeout(() => button.classList.remove("said"), 350);
  }

  // Takes the avatar over, or hands it back.
  show() {
    if (!this.what.shows) return;
    if (this.mine !== null) this.act.leave();
    else if (this.focus < this.what.agents) this.act.join(this.focus);
    byId("view").focus();
  }

  // -- two moments, once more ---------------------------------------------------------------------

  compare() {
    const clips = this.clips.choose();
    if (clips) this.replay(clips);
    else write(byId("teach-state"), "wait: there is too little to compare yet");
  }

  replay(clips) {
    this.showing = { clips, at: -1, left: [], due: 0 };
    byId("vote").hidden = true;
    document.body.classList.add("clips");
  }

  picture(now) {
    const { showing } = this;
    if (!showing || now < showing.due) return;
    if (!showing.left.length) {
      if (showing.at === 1) return this.ask();
      showing.at += 1;
      showing.left = this.clips.rewind(showing.clips[showing.at], now);
      showing.step = showing.clips[showing.at].first;
      byId("clip").hidden = false;
      write(byId("clip"), showing.at ? "The second" : "The first");
      showing.due = now + 700;
      return;
    }
    // Where pictures come slowly, several steps go into one.
    const pause = 1000 * (this.link.get("world")?.time_step ?? 1 / 15);
    while (showing.left.length && now >= showing.due) {
      const frame = showing.left.shift();
      for (const [name, pose] of frame.poses) this.things.pose(name, pose, now);
      showing.due += (frame.step - showing.step) * pause;
      showing.step = frame.step;
    }
  }

  ask() {
    byId("clip").hidden = true;
    byId("vote").hidden = false;
  }

  vote(better) {
    const { clips } = this.showing;
    this.link.send("prefer", { avatar: this.focus, better: clips[better], worse: clips[1 - better] });
    this.end();
  }

  end() {
    this.showing = null;
    byId("vote").hidden = byId("clip").hidden = true;
    document.body.classList.remove("clips");
    for (const [key, pose] of this.link.board) if (key.startsWith("pose.")) this.things.pose(key.slice(5), pose, performance.now());
  }

  // -- what the server says ------------------------------------------------------------------------

  // Takes in a pose; returns whether it is to be seen now.
  pose(name, value) {
    this.clips.note(name, value);
    return this.showing === null;
  }

  changed() {
    const { link } = this, clock = link.get("clock");
    if (clock) this.clips.frame(clock.episode, link.get("step") ?? 0, link.get(`seat.${this.focus}`)?.person === null);
    if (!this.what || this.asked === link.client) return;
    this.asked = link.client;
    const pseudonym = sessionStorage.getItem(STORED);
    if (pseudonym) link.send("consent", { agree: true, pseudonym });
  }

  update(focus, mine) {
    [this.focus, this.mine] = [focus, mine];
    const { what, name, may } = this;
    byId("teach").hidden = !what;
    if (!what) return;
    byId("teach-ask").hidden = may;
    byId("teach-tools").hidden = !may;
    document.body.classList.toggle("judging", what.judges);
    write(byId("teach-name"), name ? `you are ${name}` : "");
    write(byId("teach-terms"), `What you show and say here is kept ${what.purpose}. Your name is not: you are a random number. Close the page to stop.`);
    for (const [id, there] of [["bad", what.judges], ["value", what.judges], ["show", what.shows], ["compare", what.shows], ["learn", what.shows]]) byId(`teach-${id}`).hidden = !there;
    write(byId("teach-show"), mine === null ? "Do it like this" : "Hand it back");
    byId("teach-show").classList.toggle("main", mine !== null);
    byId("teach-learn").disabled = !what.learns || what.state === "learning" || what.corrected + what.praised < what.fewest;
    write(byId("teach-state"), what.state === "learning" ? "it is learning …" : what.state);
    write(byId("teach-line"), what.line ?? shown(what));
    const share = what.trust ?? what.agreement;
    byId("teach-meter").hidden = share === null;
    byId("teach-agreement").style.transform = `scaleX(${share ?? 0})`;
    this.learnt(what.learnt);
  }

  learnt(found) {
    byId("teach-learnt").hidden = !found;
    if (!found) return;
    const held = found.held_after === null ? "" : `, on levels that were held out ${percent(found.held_before)} → ${percent(found.held_after)}`;
    write(byId("teach-learnt"), `Learnt from ${found.steps} steps: agrees with what was shown ${percent(found.before)} → ${percent(found.after)}${held}. It acts now.`);
  }
}

function shown(what) {
  const agrees = what.agreement === null ? "" : ` The agent would have done ${percent(what.agreement)} of it.`;
  return `${count(what.corrected, "step")} shown in ${count(what.corrections, "correction")}, ${what.praised} found good.${agrees}`;
}
