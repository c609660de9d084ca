// Keys, mouse, touch and gamepad: what a person wants the avatar to do.

import { byId } from "./dom.js";

const WAYS = { KeyW: "up", ArrowUp: "up", KeyS: "down", ArrowDown: "down", KeyA: "a", KeyD: "d", ArrowLeft: "turnLeft", ArrowRight: "turnRight", KeyQ: "q", KeyE: "e" };
const EVERY = 33; // Milliseconds between two messages about the same walk.
const SENSITIVITY = 0.0032;

export class Controls {
  // `act` has `drive(fields)`, `take()`, `use()`, `speak()`, `camera()`, `pause()`, `next()`, `zoom(steps)`.
  constructor(canvas, cameras, act) {
    this.canvas = canvas;
    this.cameras = cameras;
    this.act = act;
    this.playing = false;
    this.down = new Set();
    this.pad = [0, 0];
    this.sent = "";
    this.at = 0;
    this.pointers = new Map();
    this.listen();
  }

  listen() {
    addEventListener("keydown", (event) => this.key(event, true));
    addEventListener("keyup", (event) => this.key(event, false));
    addEventListener("blur", () => this.rest());
    document.addEventListener("visibilitychange", () => document.hidden && this.rest());
    this.canvas.addEventListener("pointerdown", (event) => this.press(event));
    this.canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel"]) {
      this.canvas.addEventListener(end, (event) => this.pointers.delete(event.pointerId));
    }
    this.canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.act.zoom(Math.sign(event.deltaY));
    }, { passive: false });
    this.canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    this.listenToPad(byId("pad"));
  }

  key(event, down) {
    if (event.target instanceof HTMLInputElement && event.target.type !== "range") return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const way = WAYS[event.code];
    if (way) {
      if (down) this.down.add(way);
      else this.down.delete(way);
      if (this.playing) event.preventDefault();
      this.drive();
      return;
    }
    if (!down || event.repeat) return;
    const does = { KeyF: "take", Space: "use", Enter: "speak", KeyT: "speak", KeyC: "camera", KeyP: "pause", KeyN: "next" }[event.code];
    if (!does || (event.target instanceof HTMLButtonElement && ["Space", "Enter"].includes(event.code))) return;
    event.preventDefault();
    this.act[does]();
  }

  rest() {
    this.down.clear();
    this.pad = [0, 0];
    this.drive();
  }

  press(event) {
    this.canvas.focus();
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
    const looks = this.playing && this.cameras.mode === "first" && event.pointerType === "mouse";
    if (looks && document.pointerLockElement !== this.canvas) this.canvas.requestPointerLock?.();
  }

  move(event) {
    const locked = document.pointerLockElement === this.canvas;
    const last = this.pointers.get(event.pointerId);
    if (!last && !locked) return;
    const [dx, dy] = locked ? [event.movementX, event.movementY] : [event.clientX - last[0], event.clientY - last[1]];
    if (last) this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
    if (this.pointers.size === 2 && !locked) return this.pinch(event, last);
    if (this.playing && this.cameras.mode === "first") this.turn(-dx * SENSITIVITY);
    this.cameras.drag(dx, dy, event.shiftKey || event.buttons === 2);
  }

  pinch(event, last) {
    const [other] = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    const before = Math.hypot(last[0] - other[0], last[1] - other[1]);
    const after = Math.hypot(event.clientX - other[0], event.clientY - other[1]);
    this.act.zoom((before - after) / 24);
  }

  // Looks aside by an angle: the picture at once, the body as fast as it turns.
  turn(angle) {
    const { cameras } = this;
    const subject = cameras.things.avatar(cameras.subject);
    if (!subject) return;
    const wanted = (cameras.look ?? subject.heading) + angle;
    cameras.look = Math.atan2(Math.sin(wanted), Math.cos(wanted));
    this.drive();
  }

  listenToPad(pad) {
    const knob = pad.firstElementChild;
    const put = (event) => {
      const box = pad.getBoundingClientRect();
      const x = (event.clientX - box.left) / box.width - 0.5, y = (event.clientY - box.top) / box.height - 0.5;
      const length = Math.max(0.5, Math.hypot(x, y));
      this.pad = [-y / length, -x / length];
      knob.style.transform = `translate(${-this.pad[1] * 38}px, ${-this.pad[0] * 38}px)`;
      this.drive();
    };
    pad.addEventListener("pointerdown", (event) => {
      pad.setPointerCapture(event.pointerId);
      put(event);
    });
    pad.addEventListener("pointermove", (event) => pad.hasPointerCapture(event.pointerId) && put(event));
    for (const end of ["pointerup", "pointercancel"]) {
      pad.addEventListener(end, () => {
        knob.style.transform = "";
        this.pad = [0, 0];
        this.drive();
      });
    }
  }

  // What the keys, the pad and the gamepad say now. Without a mouse that looks, A and D turn.
  wanted() {
    const has = (way) => (this.down.has(way) ? 1 : 0);
    const stick = gamepad();
    const looking = this.cameras.mode === "first" && this.cameras.look !== null;
    let forward = has("up") - has("down") + this.pad[0] + stick.forward;
    let left = has("q") - has("e") + stick.left;
    let turn = has("turnLeft") - has("turnRight") + stick.turn;
    if (looking) left += has("a") - has("d") + this.pad[1];
    else turn += has("a") - has("d") + this.pad[1];
    [forward, left, turn] = [forward, left, turn].map((value) => Math.round(clamp(value) * 100) / 100 + 0);
    if (turn && looking) this.cameras.look = null;
    return looking && !turn ? { forward, left, face: this.cameras.look } : { forward, left, turn };
  }

  drive() {
    if (!this.playing) return;
    const wanted = this.wanted(), text = JSON.stringify(wanted);
    const now = performance.now();
    if (text === this.sent) return;
    // Looking around comes with every movement of the mouse; keys go out at once.
    if ("face" in wanted && now - this.at < EVERY) {
      this.late ??= setTimeout(() => {
        this.late = undefined;
        this.drive();
      }, EVERY);
      return;
    }
    this.sent = text;
    this.at = now;
    this.act.drive(wanted);
  }

  poll() {
    if (this.playing && navigator.getGamepads?.().some((one) => one)) this.drive();
  }

  play(on) {
    this.playing = on;
    this.sent = "";
    this.cameras.look = null;
    if (!on) document.exitPointerLock?.();
  }
}

const clamp = (value) => Math.min(1, Math.max(-1, value));
const beyond = (value) => (Math.abs(value) > 0.15 ? value : 0);

function gamepad() {
  const one = navigator.getGamepads?.().find((each) => each);
  if (!one) return { forward: 0, left: 0, turn: 0 };
  const [x = 0, y = 0, turn = 0] = one.axes.map(beyond);
  return { forward: -y, left: -x, turn: -turn };
}
