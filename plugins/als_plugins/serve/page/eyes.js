// What an avatar sees and attends to, in a corner; asked for by a button, and only for whom one follows.
// And, where persons are to see no more than that, the one large picture.

import { byId, element, plain, write } from "./dom.js";

export class Eyes {
  // `act` has `look(avatar)`, a number or null, and `refresh()`.
  constructor(link, act) {
    this.link = link;
    this.act = act;
    this.open = false;
    this.asked = null;
    byId("sees").onclick = () => {
      this.open = !this.open;
      byId("sees").classList.toggle("on", this.open);
      act.refresh();
    };
  }

  // The connection is a new one, and knows nothing of what was asked for.
  forget() {
    this.asked = null;
  }

  update(focus) {
    const limited = Boolean(this.link.get("world")?.limited);
    document.body.classList.toggle("limited", limited);
    byId("sees").hidden = limited || Boolean(this.link.get("worlds"));
    if (limited) this.large();
    const wanted = this.open && !limited ? focus : null;
    if (wanted !== this.asked) {
      this.asked = wanted;
      this.act.look(wanted);
    }
    const seen = wanted === null ? null : this.link.get(`eyes.${wanted}`);
    byId("eyes").hidden = !seen;
    if (!seen) return;
    write(byId("whom"), plain(this.link.get(`seat.${wanted}`)?.agent ?? ""));
    show(byId("seen"), seen.picture);
    this.grid(seen.grid);
    this.shares(seen);
  }

  large() {
    const view = this.link.get("view");
    byId("large").hidden = !view;
    byId("alone").hidden = Boolean(view);
    if (view) show(byId("large"), view);
  }

  // Shades of the picture: where an even share falls it stays as it is.
  grid(shares) {
    const shade = byId("shade");
    shade.hidden = !shares;
    if (!shares) return;
    shade.width = shares[0].length;
    shade.height = shares.length;
    const pen = shade.getContext("2d"), all = shares.flat();
    const even = all.reduce((sum, share) => sum + share, 0) / all.length || 1;
    shares.forEach((row, y) => row.forEach((share, x) => {
      pen.fillStyle = `rgb(214 92 20 / ${Math.min(0.75, Math.max(0, (share / even - 1) / 4)).toFixed(3)})`;
      pen.fillRect(x, y, 1, 1);
    }));
  }

  shares({ shares = [], things = [], why_not: whyNot = "" }) {
    const rows = [...shares.map(([name, share]) => [plain(name), share, ""]), ...things.map(([name, share]) => [name, share, "thing"])];
    const list = byId("attention"), text = JSON.stringify(rows);
    write(byId("why"), whyNot);
    byId("why").hidden = !whyNot;
    if (list.dataset.shown === text) return;
    list.dataset.shown = text;
    list.replaceChildren(...rows.map(([name, share, className]) => {
      const bar = element("i");
      bar.style.transform = `scaleX(${Math.min(1, share)})`;
      return element("li", { className }, element("span", { textContent: name }), element("span", { className: "track" }, bar), element("span", { textContent: `${Math.round(100 * share)} %` }));
    }));
  }
}

function show(image, address) {
  if (image.src !== address) image.src = address;
}
