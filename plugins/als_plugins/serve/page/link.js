// The connection to the server: a copy of the board, and the messages that go back.

const PROTOCOL = "als.v1.json";
const AGAIN = 1000; // Milliseconds until a lost connection is tried again.

export class Link {
  // `on` has `key(key, value)` for every change, `changed()` after all of a message, `hello`,
  // `refused(why)`, `invitation(address)`, `consent(pseudonym)`, `part(pseudonym)` and `state(text)`.
  constructor(on) {
    this.on = on;
    this.board = new Map();
    this.client = null;
    this.number = 0;
    this.sent = new Map();
    this.roundTrips = [];
    this.open();
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new WebSocket(`${scheme}://${location.host}/socket`, PROTOCOL);
    this.number = 0;
    this.socket.onmessage = (event) => this.take(JSON.parse(event.data));
    this.socket.onclose = (event) => this.lost(event);
  }

  lost(event) {
    this.client = null;
    const why = event.code === 1013 ? "too many people are here" : event.reason;
    this.on.state(why ? `The connection was closed: ${why}` : "The connection is lost; trying again …");
    setTimeout(() => this.open(), AGAIN);
  }

  take(message) {
    const { type } = message;
    if (type === "change") this.change(message);
    else if (type === "hello") this.greet(message);
    else if (type === "pong") this.pong(message.n);
    else if (type === "refused") this.on.refused(message.why);
    else if (type === "invitation") this.on.invitation(message.address);
    else if (type === "consent") this.on.consent(message.pseudonym);
    else if (type === "part") this.on.part(message.pseudonym);
  }

  greet(message) {
    // Whatever was known before is forgotten: the server begins anew as well.
    for (const key of [...this.board.keys()]) this.put(key, null);
    this.client = message.client;
    this.on.state("");
    this.on.hello(message);
  }

  change(message) {
    // The rules by which bodies are painted come before the bodies.
    const { world, ...others } = message.values;
    if (world) this.put("world", world);
    for (const [key, value] of Object.entries(others)) this.put(key, value);
    this.on.changed();
  }

  put(key, value) {
    if (value === null) this.board.delete(key);
    else this.board.set(key, value);
    this.on.key(key, value);
  }

  get(key) {
    return this.board.get(key);
  }

  // Values of keys such as `seat.0`, `seat.1`, by number.
  *every(prefix) {
    for (let i = 0; this.board.has(`${prefix}.${i}`); i++) yield [i, this.board.get(`${prefix}.${i}`)];
  }

  send(type, fields = {}) {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    this.number += 1;
    this.socket.send(JSON.stringify({ n: this.number, type, ...fields }));
  }

  ping() {
    this.send("ping");
    this.sent.set(this.number, performance.now());
  }

  pong(number) {
    const at = this.sent.get(number);
    this.sent.delete(number);
    if (at !== undefined) this.roundTrips.push(performance.now() - at);
  }
}
