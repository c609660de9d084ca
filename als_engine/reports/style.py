"""The style sheets of pages and of their charts: light and dark, from a phone to a wide screen."""

from __future__ import annotations

from typing import Final

__all__ = ["CHART_STYLE", "LIGHT", "STYLE"]

LIGHT: Final = """
:root {
  --page: #f6f5f1; --card: #ffffff; --rim: #e4e1d8; --ink: #1d2530; --soft: #5d6673;
  --random: #78808c; --trained: #0b7d6f; --expert: #b3641a; --won: #0b7d6f; --lost: #b3402a;
  --code: #eeece5;
}
"""
"""The colours by day."""

CHART_STYLE: Final = """
svg text { font-family: inherit; }
.grid { stroke: var(--rim); stroke-width: 1; }
.label { fill: var(--soft); font-size: 13px; }
.name { fill: var(--ink); font-size: 13.5px; font-weight: 600; }
.curve { fill: none; stroke-width: 2.5; stroke-linejoin: round; stroke-linecap: round; }
.area { opacity: .13; }
.band { fill: var(--own); opacity: .14; }
.bands .curve { stroke-width: 2.25; }
.reference { stroke-width: 1.5; stroke-dasharray: 5 5; }
.front { fill: none; stroke: var(--trained); stroke-width: 2; }
.whisker { stroke-width: 7; stroke-linecap: round; opacity: .38; }
.random { --own: var(--random); } .trained { --own: var(--trained); }
.expert { --own: var(--expert); }
.curve, .reference, .random .whisker, .trained .whisker, .expert .whisker { stroke: var(--own); }
.area, .dot { fill: var(--own); }
text.random, text.trained, text.expert { fill: var(--own); }
"""
"""What the drawings of `chart` need."""

STYLE: Final = (
    LIGHT
    + """
@media (prefers-color-scheme: dark) {
  :root {
    --page: #10151b; --card: #18202a; --rim: #2a3542; --ink: #e8edf2; --soft: #9aa7b5;
    --random: #93a0af; --trained: #3ecdb8; --expert: #f0a35c; --won: #3ecdb8; --lost: #ff8a70;
    --code: #222d39;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 40px 24px 64px; max-width: 1060px;
  background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
h1 { margin: 0; font-size: clamp(26px, 4.6vw, 40px); line-height: 1.15; letter-spacing: -.02em;
  text-wrap: balance; }
h2 { margin: 0 0 12px; font-size: 20px; letter-spacing: -.01em; }
.over { margin: 0 0 6px; color: var(--soft); font-size: 13px; font-weight: 600;
  letter-spacing: .08em; text-transform: uppercase; }
.verdict { margin: 16px 0 0; padding-left: 14px; border-left: 4px solid var(--won);
  font-size: clamp(16px, 2vw, 18px); max-width: 68ch; text-wrap: pretty; }
.verdict.lost { border-color: var(--lost); }
section { margin-top: 40px; }
section > p { margin: 0 0 16px; color: var(--soft); max-width: 72ch; }
.pair { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 20px; }
.card { margin: 0; padding: 20px; background: var(--card); border: 1px solid var(--rim);
  border-radius: 14px; }
.film { padding: 0; overflow: hidden; display: flex; flex-direction: column; }
.film img { display: block; width: 100%; height: auto; }
.film figcaption { padding: 12px 20px 16px; }
figcaption, .note { color: var(--soft); font-size: 14px; line-height: 1.45; }
figcaption { margin-top: 10px; }
.film figcaption { margin: 0; }
.note { margin: 14px 0 0; }
svg { display: block; width: 100%; height: auto; }
.results svg { max-width: 460px; margin: 0 auto; }
"""
    + CHART_STYLE
    + """.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 9px 10px; text-align: right; white-space: nowrap; }
thead th { color: var(--soft); font-size: 13px; font-weight: 500; }
th:first-child, td:first-child { padding-left: 0; text-align: left; }
th:last-child, td:last-child { padding-right: 0; }
tbody tr { border-top: 1px solid var(--rim); }
tbody th { font-weight: 600; }
tr.trained td, tr.trained th { color: var(--trained); font-weight: 600; }
th i { display: inline-block; width: 10px; height: 10px; margin-right: 9px; border-radius: 50%;
  background: var(--own); }
td small { display: block; color: var(--soft); font-size: 13px; font-weight: 400;
  line-height: 1.3; }
tbody th, .results td { vertical-align: top; }
.plain td { text-align: left; white-space: normal; vertical-align: baseline; }
.plain tr:first-child { border-top: 0; }
code { padding: 2px 6px; border-radius: 6px; background: var(--code);
  font: .88em/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  overflow-wrap: anywhere; }
.plain code { white-space: nowrap; }
pre { margin: 0 0 20px !important; overflow-x: auto; }
pre code { padding: 0; background: none; font-size: 14px; white-space: pre-wrap; }
dl { display: grid; gap: 8px; align-content: start; }
dl div { display: flex; justify-content: space-between; gap: 16px; }
dt { color: var(--soft); }
dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums; }
.steps { list-style: none; display: grid; gap: 14px; }
.steps li { display: flex; flex-wrap: wrap; gap: 6px 14px; align-items: baseline; }
.steps span { color: var(--soft); }
@media (max-width: 960px) { .results { grid-template-columns: minmax(0, 1fr); } }
@media (max-width: 780px) {
  body { padding: 26px 16px 48px; }
  .pair { grid-template-columns: minmax(0, 1fr); gap: 16px; }
  .card { padding: 16px; } .film { padding: 0; }
  section { margin-top: 32px; }
  th, td { padding: 9px 5px; } thead th { font-size: 12px; } td small { font-size: 12px; }
  th i { margin-right: 6px; }
}
@media (max-width: 480px) {
  .wide { display: none; }
  .results table { font-size: 14px; } .results thead th { font-size: 11px; }
  .results th, .results td { padding-left: 3px; padding-right: 3px; }
  .card { padding: 14px; } .film { padding: 0; }
}
"""
)
