// Clips: the last minute of an episode as poses, and two moments of it shown once more.

const LENGTH = 45; // Steps of a clip: three seconds.
const KEPT = 900; // Frames.

export class Clips {
  constructor(things) {
    this.things = things;
    this.begin(null);
  }

  begin(episode) {
    this.episode = episode;
    this.base = new Map(); // Poses before the first frame.
    this.frames = [];
    this.fresh = new Map();
  }

  // Takes in a pose that has changed.
  note(name, pose) {
    if (pose !== null) this.fresh.set(name, pose);
  }

  // A step is complete; `free` says whether the agent itself drove.
  frame(episode, step, free) {
    if (episode !== this.episode || step < (this.frames.at(-1)?.step ?? 0)) {
      const fresh = this.fresh;
      this.begin(episode);
      this.fresh = fresh;
    }
    if (step === this.frames.at(-1)?.step) return;
    this.frames.push({ step, poses: this.fresh, free });
    this.fresh = new Map();
    while (this.frames.length > KEPT) for (const [name, pose] of this.frames.shift().poses) this.base.set(name, pose);
  }

  // Two moments that do not overlap, drawn at random; null where too little has happened.
  choose() {
    const starts = this.frames.filter(({ step }) => this.free(step)).map(({ step }) => step);
    for (let tries = 0; tries < 60 && starts.length; tries++) {
      const [a, b] = [0, 1].map(() => starts[Math.floor(Math.random() * starts.length)]);
      if (Math.abs(a - b) >= LENGTH) return [a, b].map((first) => ({ episode: this.episode, first, last: first + LENGTH - 1 }));
    }
    return null;
  }

  free(first) {
    const within = this.frames.filter(({ step }) => step >= first && step <= first + LENGTH);
    return within.length > 5 && within.at(-1).step >= first + LENGTH && within.every(({ free }) => free);
  }

  // Puts everything where it was at the beginning of a clip; returns what follows.
  rewind(clip, now) {
    const poses = new Map(this.base);
    for (const frame of this.frames) if (frame.step <= clip.first) for (const [name, pose] of frame.poses) poses.set(name, pose);
    for (const [name, pose] of poses) this.things.pose(name, pose, now);
    return this.frames.filter(({ step }) => step > clip.first && step <= clip.last + 1);
  }
}
