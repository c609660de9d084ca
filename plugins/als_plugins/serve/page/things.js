// Things of the world: what they look like (`look.NAME`), where they are (`pose.NAME`), and how
// they get from one place to the next between two messages.

import * as THREE from "./three/three.module.js";
import { board, screenFace, write as writeBoard } from "./boards.js";
import { Limbs, paint } from "./bodies.js";
import { BALL, BOX, CYLINDER } from "./surfaces.js";

const GEOMETRIES = { box: BOX, board: BOX, screen: BOX, ball: BALL, cylinder: CYLINDER };
const JUMP = 1.2; // Metres in a step: nobody walks that far, so it was put there.

export class Things {
  constructor(scene) {
    this.scene = scene;
    this.every = new Map();
    this.rules = [];
    this.interval = 1000 / 15;
    this.last = 0;
    this.moving = new Set();
  }

  // How long the way to the next pose takes: as long as messages have been apart lately.
  beat(now) {
    const gap = now - this.last;
    this.last = now;
    if (gap > 5 && gap < 400) this.interval += 0.15 * (gap - this.interval);
  }

  look(name, look) {
    const old = this.every.get(name);
    if (look === null) {
      if (old) this.remove(name, old);
      return;
    }
    const thing = old ?? new Thing(name);
    thing.build(look, this.rules);
    if (!old) {
      this.every.set(name, thing);
      this.scene.add(thing.group);
    }
    this.moving.add(thing);
  }

  remove(name, thing) {
    this.scene.remove(thing.group);
    thing.dispose();
    this.moving.delete(thing);
    this.every.delete(name);
  }

  pose(name, pose, now) {
    const thing = this.every.get(name);
    if (!thing || pose === null) return;
    thing.go(pose, now, this.interval);
    this.moving.add(thing);
  }

  picture(name, address) {
    this.every.get(name)?.show(address);
  }

  // Moves what moves; returns whether anything did.
  update(now) {
    const moved = this.moving.size > 0;
    for (const thing of this.moving) if (thing.update(now)) this.moving.delete(thing);
    return moved;
  }

  avatar(number) {
    return this.every.get(`avatar${number}`);
  }

  *walls() {
    for (const thing of this.every.values()) if (thing.kind === "wall") yield thing;
  }
}

class Thing {
  constructor(name) {
    this.name = name;
    this.group = new THREE.Group();
    this.from = { at: new THREE.Vector3(), turn: new THREE.Quaternion() };
    this.to = { at: new THREE.Vector3(), turn: new THREE.Quaternion() };
    this.begun = 0;
    this.takes = 0;
    this.fresh = true;
    this.limbs = null;
    this.meshes = [];
  }

  build(look, rules) {
    this.dispose();
    this.kind = look.kind;
    this.what = look;
    this.meshes = look.parts.map((part) => mesh(part, look, rules));
    this.group.add(...this.meshes);
    if (look.avatar !== undefined) {
      this.limbs = new Limbs(look);
      this.group.add(this.limbs.group);
    }
    if (look.text !== undefined) {
      this.face = board(look.parts[0].half);
      this.group.add(this.face);
      writeBoard(this.face, look);
    }
    if (look.parts[0].form === "screen" || this.name.startsWith("screen")) {
      this.face = screenFace(look.parts[0].half);
      this.group.add(this.face);
      this.show(this.shown ?? "");
    }
  }

  dispose() {
    for (const each of this.meshes) each.material.dispose();
    this.face?.material.map?.dispose();
    this.face?.material.dispose();
    this.limbs?.dispose();
    this.group.clear();
    this.face = this.limbs = null;
  }

  show(address) {
    this.shown = address;
    if (this.face) this.face.userData.show(address);
  }

  go(pose, now, interval) {
    const { from, to, group } = this;
    from.at.copy(group.position);
    from.turn.copy(group.quaternion);
    to.at.set(pose[0], pose[1], pose[2]);
    to.turn.set(pose[3], pose[4], pose[5], pose[6]);
    const jump = this.fresh || from.at.distanceTo(to.at) > JUMP;
    this.fresh = false;
    this.begun = now;
    this.takes = jump ? 0 : interval;
  }

  // Returns whether it has arrived.
  update(now) {
    const share = this.takes > 0 ? Math.min(1, (now - this.begun) / this.takes) : 1;
    const { from, to, group } = this;
    const before = this.limbs ? group.position.clone() : null;
    group.position.lerpVectors(from.at, to.at, share);
    group.quaternion.slerpQuaternions(from.turn, to.turn, share);
    if (this.limbs) return this.limbs.swing(group.position.distanceTo(before), now) && share >= 1;
    return share >= 1;
  }

  // The height of a thin wall that would hide what is behind it; null for its own.
  cut(height) {
    const target = height === null ? 1 : height / (2 * this.what.parts[0].half[2]);
    const now = this.group.scale.z + (target - this.group.scale.z) * 0.25;
    this.group.scale.z = Math.abs(now - target) < 0.004 ? target : now;
    const half = this.what.parts[0].half[2];
    this.group.position.z = this.to.at.z - half + half * this.group.scale.z;
    return this.group.scale.z !== target;
  }

  // Whether it stands between two places, {x, y, z} and [x, y, z].
  between(from, to) {
    const back = this.to.turn.clone().invert(), half = this.what.parts[0].half;
    const ends = [from, { x: to[0], y: to[1], z: to[2] }].map((at) => new THREE.Vector3().copy(at).sub(this.to.at).applyQuaternion(back));
    let [enter, leave] = [0, 1];
    half.forEach((reach, axis) => {
      const [a, b] = ends.map((end) => end.getComponent(axis));
      const cuts = [(-reach - a) / (b - a || 1e-9), (reach - a) / (b - a || 1e-9)].sort((p, q) => p - q);
      [enter, leave] = [Math.max(enter, cuts[0]), Math.min(leave, cuts[1])];
    });
    return enter < leave;
  }

  get heading() {
    const { x, y, z, w } = this.group.quaternion;
    return Math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z));
  }
}

function mesh(part, look, rules) {
  const material = paint(part.colors, rules[part.rule]);
  const made = new THREE.Mesh(GEOMETRIES[part.form], material);
  made.position.fromArray(part.at);
  made.quaternion.fromArray(part.turn);
  made.scale.fromArray(part.half);
  made.castShadow = true;
  made.receiveShadow = true;
  return made;
}
