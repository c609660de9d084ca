// Sounds as sounds: what sounds in the world, and voices, by their bands and from where they are.
// They follow the hearing of avatars (als_engine/sensors/audio.py): octave bands from 62.5 Hz, energy
// that falls with the square of the distance, and walls that let low bands through.

const LOWEST = 62.5; // Hertz, the middle of the first band.
const TONES = 5; // Of each band.
const SECONDS = 2; // Of a sound that goes on: then it comes again.
const NEAREST = 0.5; // Metres; what is nearer is not louder.
const WALLS = 3; // On the way count at most.
const LOUDNESS = 0.25;
const FADE = 0.06; // Seconds in which a sound comes, goes, or passes into another.
const SYLLABLE = 0.16; // Seconds.

export class Sounds {
  constructor(link, things, camera) {
    this.link = link;
    this.things = things;
    this.camera = camera;
    this.context = null;
    this.on = false;
    this.playing = new Map(); // Key to what sounds.
    this.said = new Map();
  }

  // A browser lets a page sound once somebody has pressed something.
  toggle() {
    this.context ??= new AudioContext();
    this.on = !this.on;
    if (this.on) this.context.resume();
    else this.silence();
    // What was said before is over.
    for (const [key, said] of this.link.board) if (key.startsWith("said.")) this.said.set(key, stamp(said));
    return this.on;
  }

  silence() {
    for (const key of [...this.playing.keys()]) this.end(key);
  }

  update() {
    if (!this.on) return;
    place(this.context.listener, this.camera);
    const heard = new Set();
    for (const [key, value] of this.link.board) {
      if (key.startsWith("sound.")) this.goOn(key, value, heard);
      else if (key.startsWith("said.")) this.speak(key, value);
    }
    for (const [key, one] of this.playing) if (!heard.has(key) && !one.voice) this.end(key);
  }

  // A sound that goes on as long as it is there.
  goOn(key, { bands, at }, heard) {
    heard.add(key);
    const walls = this.wallsBefore(at), what = `${bands} ${walls}`;
    const old = this.playing.get(key);
    if (old?.what === what) return move(old.panner, at);
    if (old) this.end(key);
    this.playing.set(key, { what, ...start(this.context, samples(bands, walls, this.context.sampleRate, SECONDS), at, true) });
  }

  // What was said sounds once, from the head of who said it, as long as it takes to say.
  speak(key, said) {
    if (this.said.get(key) === stamp(said)) return;
    this.said.set(key, stamp(said));
    const thing = this.things.avatar(Number(key.slice(5)));
    if (!said || !thing) return;
    const { x, y, z } = thing.group.position;
    const at = [x, y, z - thing.what.parts[0].half[2] + thing.what.eyes];
    const seconds = Math.min(3, Math.max(0.4, said.text.length * 0.06));
    const voice = syllables(samples(said.bands, this.wallsBefore(at), this.context.sampleRate, seconds), this.context.sampleRate);
    const one = { voice: true, ...start(this.context, voice, at, false) };
    this.playing.set(key, one);
    one.source.onended = () => this.playing.get(key) === one && this.playing.delete(key);
  }

  end(key) {
    const { gain, source } = this.playing.get(key), now = this.context.currentTime;
    this.playing.delete(key);
    gain.gain.setTargetAtTime(0, now, FADE / 3);
    source.stop(now + FADE * 2);
  }

  wallsBefore(at) {
    let found = 0;
    for (const wall of this.things.walls()) found += wall.between(this.camera.position, at) ? 1 : 0;
    return Math.min(found, WALLS);
  }
}

// Plays samples at a place; returns what can be moved and ended.
export function start(context, data, at, loop) {
  const buffer = context.createBuffer(1, data.length, context.sampleRate);
  buffer.copyToChannel(data, 0);
  const source = new AudioBufferSourceNode(context, { buffer, loop });
  const gain = new GainNode(context, { gain: 0 });
  const panner = new PannerNode(context, { panningModel: "HRTF", distanceModel: "inverse", refDistance: NEAREST, rolloffFactor: 1 });
  move(panner, at);
  source.connect(gain).connect(panner).connect(context.destination);
  // At `NEAREST` the panner leaves a sound as it is: there it is 1 / NEAREST as loud as at a metre.
  gain.gain.setTargetAtTime(LOUDNESS / NEAREST, context.currentTime, FADE / 3);
  source.start();
  return { source, gain, panner };
}

// Tones of each band, of the band's energy, in other phases; the ends meet.
export function samples(bands, walls, rate, seconds) {
  const data = new Float32Array(Math.round(rate * seconds));
  bands.forEach((energy, band) => {
    const middle = LOWEST * 2 ** band;
    const left = energy / (1 + (middle / 250) ** 2) ** walls;
    if (left <= 0 || middle * Math.SQRT2 > rate / 2) return;
    const loud = Math.sqrt((2 * left) / TONES);
    for (let tone = 0; tone < TONES; tone++) {
      const wanted = middle * 2 ** ((tone + 0.5) / TONES - 0.5);
      const turns = (Math.round(wanted * seconds) * 2 * Math.PI) / data.length;
      const phase = 2.4 * (band * TONES + tone);
      for (let i = 0; i < data.length; i++) data[i] += loud * Math.sin(turns * i + phase);
    }
  });
  return data;
}

// Louder and softer, as one speaks.
function syllables(data, rate) {
  const count = Math.max(1, Math.round(data.length / rate / SYLLABLE));
  return data.map((value, i) => value * Math.sin((Math.PI * count * i) / data.length) ** 2);
}

// The ears are the camera's.
export function place(listener, camera) {
  const [m, { x, y, z }] = [camera.matrixWorld.elements, camera.position];
  set(listener, "position", [x, y, z]);
  set(listener, "forward", [-m[8], -m[9], -m[10]]);
  set(listener, "up", [m[4], m[5], m[6]]);
}

function move(panner, at) {
  set(panner, "position", at);
}

function set(target, name, values) {
  ["X", "Y", "Z"].forEach((axis, i) => (target[name + axis].value = values[i]));
}

const stamp = (said) => (said ? `${said.step} ${said.text}` : "");
