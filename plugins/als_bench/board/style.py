"""What the pages of a board add to the style of reports, and the script that sorts their tables."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from als_engine.reports.series_chart import SERIES_STYLE
from als_engine.reports.style import STYLE

__all__ = ["BOARD_STYLE", "SCRIPT", "SCRIPT_HASH"]

BOARD_STYLE: Final = (
    STYLE
    + SERIES_STYLE
    + """
:root { --pending: #96500f; }
@media (prefers-color-scheme: dark) { :root { --pending: var(--expert); } }
body { max-width: 1180px; }
a { color: inherit; text-decoration-color: var(--rim); text-decoration-thickness: 2px;
  text-underline-offset: 3px; }
a:hover { text-decoration-color: currentColor; }
nav { margin: 0 0 22px; font-size: 14px; color: var(--soft); }
h1 .badge { vertical-align: middle; }
h3 { margin: 0 0 10px; font-size: 16px; }
.lead { margin: 14px 0 0; color: var(--soft); font-size: clamp(16px, 2vw, 18px); max-width: 70ch; }
.chips { display: flex; flex-wrap: wrap; gap: 8px; margin: 18px 0 0; padding: 0; list-style: none; }
.chips li { padding: 4px 12px; border: 1px solid var(--rim); border-radius: 99px;
  background: var(--card); font-size: 14px; font-variant-numeric: tabular-nums; }
.chips b { font-weight: 600; }
.badge { display: inline-block; padding: 2px 9px; border-radius: 13px; font-size: 12.5px;
  font-weight: 600; line-height: 1.5; border: 1px solid transparent;
  letter-spacing: 0; }
.executed { background: var(--won); color: var(--card); }
.replayed { border-color: var(--won); color: var(--won); }
.claimed { border-color: var(--soft); border-style: dashed; color: var(--soft); }
.yardstick { background: var(--code); color: var(--soft); }
.provisional { border-color: var(--pending); border-style: dashed; color: var(--pending); }
.crashed, .incomplete { border-color: var(--lost); color: var(--lost); }
.dotted { display: inline-block; width: 10px; height: 10px; margin-right: 9px; border-radius: 50%;
  background: var(--own); flex: none; }
.d1.dotted, .d2.dotted { background: none; border: 3px solid var(--own); }
.agent { display: flex; align-items: baseline; }
.agent span { min-width: 0; overflow-wrap: anywhere; white-space: normal; }
.marks { display: flex; flex-wrap: wrap; gap: 4px; margin: 4px 0 0 19px; white-space: normal; }
.marks:empty { display: none; }
.badges .marks { margin: 12px 0 0; }
.board th, .board td { vertical-align: middle; padding: 11px 12px; }
.board th:first-child, .board td:first-child { padding-left: 4px; }
.board thead th { padding-top: 0; padding-bottom: 8px; }
.board .left { text-align: left; }
.board .rank { width: 58px; text-align: left; font-size: 20px; font-weight: 600; }
.board thead .rank { font-size: 13px; }
.rank small { display: inline; font-size: 13px; }
.board .meter { width: 34%; }
.board tbody th { min-width: 13em; }
.board tbody + tbody { border-top: 2px solid var(--rim); }
.unranked .rank { color: var(--soft); font-weight: 400; }
th button { all: unset; cursor: pointer; padding: 4px 6px; margin: -4px -6px; border-radius: 6px; }
th button:hover { color: var(--ink); }
th button:focus-visible, a:focus-visible { outline: 2px solid var(--won); outline-offset: 2px; }
th button::after { content: ""; display: inline-block; width: 1em; text-align: center;
  opacity: .35; }
th[aria-sort=none] button::after { content: "\\2195" / ""; }
th[aria-sort=ascending] button::after { content: "\\2191" / ""; opacity: 1; }
th[aria-sort=descending] button::after { content: "\\2193" / ""; opacity: 1; }
.bar { position: relative; display: block; height: 22px; min-width: 90px;
  background: linear-gradient(var(--rim), var(--rim)) 0 50% / 100% 1px no-repeat; }
.bar > * { left: calc(6px + (100% - 12px) * var(--at)); }
.bar u { position: absolute; top: 0; bottom: 0; width: 0; border-left: 1.5px dashed; opacity: .75;
  text-decoration: none; }
.bar u.random { border-color: var(--random); } .bar u.expert { border-color: var(--expert); }
.bar i { position: absolute; top: 7px; height: 8px; min-width: 3px;
  width: calc((100% - 12px) * (var(--to) - var(--at))); border-radius: 4px;
  background: var(--own); opacity: .38; }
.bar b { position: absolute; top: 5px; width: 12px; height: 12px; margin-left: -6px;
  border-radius: 50%; background: var(--own); box-shadow: 0 0 0 2px var(--card); }
.value { font-weight: 600; }
sup { font-size: 11px; line-height: 0; position: absolute; }
.axis { display: flex; gap: 18px; margin: 12px 0 0; color: var(--soft); font-size: 13px;
  flex-wrap: wrap; }
.axis i { display: inline-block; height: 13px; margin-right: 7px; vertical-align: -2px;
  border-left: 1.5px dashed var(--own); }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(340px, 100%), 1fr));
  gap: 20px; }
.cards h3 { display: flex; justify-content: space-between; gap: 12px; align-items: baseline; }
.mini { display: grid; grid-template-columns: fit-content(62%) minmax(60px, 1fr) auto;
  gap: 3px 12px; align-items: center; font-size: 14px; font-variant-numeric: tabular-nums; }
.mini .agent span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.mini .value { text-align: right; }
.pair > *, .cards > * { min-width: 0; }
.facts { grid-template-columns: minmax(0, 1fr); }
.facts dd { min-width: 0; overflow-wrap: anywhere; }
.facts code { font-size: 13px; }
.failures { margin: 14px 0 0; padding: 0; list-style: none; font-size: 14px; display: grid;
  gap: 6px; }
.failures li { overflow-wrap: anywhere; }
.film { align-self: start; }
.films .film img { aspect-ratio: 4 / 3; }
.explained { display: grid; gap: 10px; margin: 16px 0 0; color: var(--soft); font-size: 14px;
  max-width: 90ch; }
.explained p { margin: 0; } .explained b { color: var(--ink); font-weight: 600; }
footer { margin-top: 48px; color: var(--soft); font-size: 14px; }
details.card { margin-top: 20px; } summary { cursor: pointer; }
details table { margin-top: 12px; } details .left { text-align: left; }
.pair + .card { margin-top: 20px; }
.narrow { display: none; }
@media (max-width: 900px) {
  .roomy { display: none; }
  .board tbody th { min-width: 10em; }
}
@media (max-width: 780px) {
  .board th, .board td { padding: 10px 6px; }
  .board .rank { width: 40px; }
  .board .meter { width: 20%; }
  .film { display: block; }
}
@media (max-width: 600px) {
  .board .meter, .wide { display: none; }
  .narrow { display: revert; }
  .board .rank { width: 34px; font-size: 17px; }
  .board tbody th { min-width: 0; width: 70%; }
}
"""
)

# Rows stay in their part of the table: who does not rank is not sorted among those who do.
SCRIPT: Final = """
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const key = (row, at) => row.cells[at].dataset.key ?? row.cells[at].textContent;
  const sort = (head, at) => {
    const first = head.dataset.first ?? "descending";
    const second = first === "ascending" ? "descending" : "ascending";
    const order = head.getAttribute("aria-sort") === first ? second : first;
    for (const other of heads) {
      if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
    }
    head.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    for (const body of table.tBodies) {
      const rows = [...body.rows];
      rows.sort((one, other) => {
        const a = key(one, at), b = key(other, at);
        if (a === "" || b === "") return (a === "") - (b === "");
        if (isNaN(a) || isNaN(b)) return sign * a.localeCompare(b);
        return sign * (a - b);
      });
      body.append(...rows);
    }
  };
  heads.forEach((head, at) => {
    head.querySelector("button")?.addEventListener("click", () => sort(head, at));
  });
}
"""

SCRIPT_HASH: Final = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
"""By which the pages' policy knows the one script that may run."""
