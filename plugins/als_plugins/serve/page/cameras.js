// Three cameras: around the world, behind an avatar, and through its eyes.

import * as THREE from "./three/three.module.js";

const CUT = 0.4; // Metres that are left of a wall behind which one could not see.
const SIDES = [62, 118, -28, 28, -118, -62, 152, -152].map((degrees) => (degrees * Math.PI) / 180);
const FIELDS = { orbit: 42, follow: 55, first: 75 };

export class Cameras {
  constructor(scene, things) {
    this.scene = scene;
    this.things = things;
    this.mode = "orbit";
    this.yaw = SIDES[0];
    this.pitch = -0.66;
    this.distance = 14;
    this.target = new THREE.Vector3();
    this.subject = null; // The number of the avatar that is followed.
    this.look = null; // Where a person looks in first person, before the body has turned.
    this.tilt = 0;
    this.back = 4.2;
    this.touched = false;
    this.walls = [];
    this.settled = false;
  }

  use(mode) {
    this.mode = mode;
    this.tilt = 0;
    this.settled = false;
    this.scene.camera.fov = FIELDS[mode];
    this.scene.camera.updateProjectionMatrix();
  }

  // Stands so that a level fits the picture, and as many signs as possible can be read.
  frame(bounds) {
    if (this.touched) return;
    const [x0, y0, x1, y1] = bounds;
    this.target.set((x0 + x1) / 2, (y0 + y1) / 2, 0.3);
    this.yaw = this.side(x1 - x0, y1 - y0);
    const camera = this.scene.camera;
    const wide = Math.abs(Math.sin(this.yaw)) * (x1 - x0) + Math.abs(Math.cos(this.yaw)) * (y1 - y0);
    const deep = Math.abs(Math.cos(this.yaw)) * (x1 - x0) + Math.abs(Math.sin(this.yaw)) * (y1 - y0);
    const half = Math.tan((FIELDS.orbit * Math.PI) / 360);
    const room = window.innerWidth > 900 ? (window.innerWidth - 300) / window.innerWidth : 1;
    const across = (wide + 1.6) / 2 / (half * camera.aspect * room);
    const along = (deep * Math.sin(-this.pitch) + 3.2) / 2 / half;
    this.distance = Math.max(across, along) + deep * 0.3;
  }

  side(wide, deep) {
    let [best, most] = [SIDES[0], -Infinity];
    const boards = [...this.things.every.values()].filter((thing) => thing.face);
    const area = (thing) => thing.what.parts[0].half[1] * thing.what.parts[0].half[2];
    const total = boards.reduce((sum, thing) => sum + area(thing), 1e-9);
    for (const yaw of SIDES) {
      const legible = boards.reduce((sum, one) => sum + Math.max(0, -Math.cos(yaw - turned(one))) * area(one), 0);
      const fits = Math.abs(Math.sin(yaw)) * wide + Math.abs(Math.cos(yaw)) * deep;
      const score = legible / total + (0.5 * fits) / Math.max(wide, deep);
      if (score > most + 1e-9) [best, most] = [yaw, score];
    }
    return best;
  }

  drag(dx, dy, shift) {
    this.touched ||= this.mode === "orbit";
    if (this.mode === "orbit" && shift) return this.pan(dx, dy);
    if (this.mode === "first") {
      this.tilt = clamp(this.tilt - dy * 0.004, -1.2, 1.0);
      return;
    }
    this.yaw -= dx * 0.006;
    this.pitch = clamp(this.pitch - dy * 0.005, -1.5, -0.06);
  }

  pan(dx, dy) {
    const scale = this.distance * 0.0012;
    const [c, s] = [Math.cos(this.yaw), Math.sin(this.yaw)];
    this.target.x += (-dx * s + dy * c) * scale;
    this.target.y += (dx * c + dy * s) * scale;
  }

  zoom(steps) {
    const factor = 1.12 ** steps;
    if (this.mode === "follow") this.back = clamp(this.back * factor, 1.4, 12);
    else {
      this.touched = true;
      this.distance = clamp(this.distance * factor, 1.5, 90);
    }
  }

  update() {
    const aside = this.mode === "orbit" && window.innerWidth > 900 ? 130 : 0;
    if (aside !== this.scene.aside) this.scene.shift(aside);
    const subject = this.subject === null ? null : this.things.avatar(this.subject);
    const mode = subject ? this.mode : "orbit";
    if (mode === "orbit") this.orbit();
    else if (mode === "follow") this.follow(subject);
    else this.first(subject);
    return this.cutWalls(mode);
  }

  orbit() {
    const { camera } = this.scene;
    const [c, s] = [Math.cos(this.pitch), Math.sin(this.pitch)];
    camera.position.set(
      this.target.x - Math.cos(this.yaw) * c * this.distance,
      this.target.y - Math.sin(this.yaw) * c * this.distance,
      this.target.z - s * this.distance,
    );
    camera.lookAt(this.target);
  }

  follow(subject) {
    const { camera } = this.scene;
    const heading = subject.heading;
    const head = subject.group.position.clone();
    head.z += 0.75 * subject.what.height - subject.what.parts[0].half[2];
    const way = new THREE.Vector3(-Math.cos(heading), -Math.sin(heading), 0.5).normalize();
    const wanted = head.clone().addScaledVector(way, this.back);
    const aim = head.clone().addScaledVector(way, -1.4).setZ(head.z - 0.75);
    const share = this.settled ? 0.16 : 1;
    camera.position.lerp(wanted, share);
    this.aim = this.settled ? this.aim.lerp(aim, 0.22) : aim;
    camera.lookAt(this.aim);
    this.settled = true;
  }

  first(subject) {
    const { camera } = this.scene;
    const heading = this.look ?? subject.heading;
    const at = subject.group.position;
    camera.position.set(at.x, at.y, at.z - subject.what.parts[0].half[2] + subject.what.eyes);
    const c = Math.cos(this.tilt);
    camera.lookAt(at.x + Math.cos(heading) * c, at.y + Math.sin(heading) * c, camera.position.z + Math.sin(this.tilt));
    for (const mesh of subject.meshes) mesh.visible = false;
    this.hidden = subject;
  }

  // Walls in the way are lowered: from outside, thin ones with floor behind them, and else those
  // between the camera and whom it follows. Returns whether any moves.
  cutWalls(mode) {
    if (this.hidden && (mode !== "first" || this.hidden !== this.things.avatar(this.subject))) {
      for (const mesh of this.hidden.meshes) mesh.visible = true;
      this.hidden = null;
    }
    const hides = { orbit: (wall) => this.hides(wall), follow: (wall) => this.stands(wall), first: () => false }[mode];
    let moves = false;
    for (const wall of this.things.walls()) {
      const half = wall.what.parts[0].half;
      const thin = Math.min(half[0], half[1]) < 0.2 && wall.to.at.z + half[2] > 2 * CUT;
      moves = wall.cut(thin && hides(wall) ? CUT : null) || moves;
    }
    return moves;
  }

  hides(wall) {
    const [x0, y0, x1, y1] = this.scene.bounds;
    const x = wall.to.at.x + 0.7 * Math.cos(this.yaw), y = wall.to.at.y + 0.7 * Math.sin(this.yaw);
    return x > x0 + 0.3 && x < x1 - 0.3 && y > y0 + 0.3 && y < y1 - 0.3;
  }

  // Whether a wall stands between the camera and whom it follows, seen from above.
  stands(wall) {
    const subject = this.things.avatar(this.subject);
    if (!subject) return false;
    const back = wall.to.turn.clone().invert();
    const [from, to] = [this.scene.camera.position, subject.group.position].map((at) => at.clone().sub(wall.to.at).applyQuaternion(back));
    let [enter, leave] = [0, 1];
    wall.what.parts[0].half.slice(0, 2).forEach((half, axis) => {
      const [a, b] = [from.getComponent(axis), to.getComponent(axis)];
      const ends = [(-half - a) / (b - a || 1e-9), (half - a) / (b - a || 1e-9)].sort((p, q) => p - q);
      [enter, leave] = [Math.max(enter, ends[0]), Math.min(leave, ends[1])];
    });
    return enter < leave;
  }
}

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

function turned(thing) {
  const { z, w } = thing.to.turn;
  return 2 * Math.atan2(z, w);
}
