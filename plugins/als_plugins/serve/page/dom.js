// What the page is made of. Texts go in as text: nothing here, or elsewhere, parses HTML.

export const byId = (id) => document.getElementById(id);

// An element with properties (`className`, `onclick`, `textContent`, ...) and children.
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  Object.assign(made, properties);
  made.append(...children);
  return made;
}

// Writes a text only where it differs: a browser lays out anew even for the same.
export function write(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

export const fixed = (value, digits = 2) =>
  typeof value === "number" ? (Math.round(value * 10 ** digits) / 10 ** digits + 0).toFixed(digits).replace("-", "−") : "–";

// `delivered_parcels` reads as "delivered parcels".
export const plain = (name) => name.replaceAll("_", " ");
