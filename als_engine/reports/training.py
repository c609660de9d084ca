"""The page that shows what a training has brought: one folder, no scripts, no outside requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Final

from als_engine.reports.chart import Interval, curve_chart, interval_chart, with_minus
from als_engine.reports.style import STYLE
from als_engine.system.files import write_text
from als_engine.texts import escape

__all__ = ["Report", "Row", "write_report"]


@dataclass(frozen=True)
class Row:
    """One agent's line in the table of results.

    Attributes:
        returns: mean return with its 95 percent interval, and the name and kind it goes by.
        normalized: the mean where random is 0 and the expert is 1; None without an expert.
        success: part of the episodes that succeeded, 0 to 1.
        length: mean number of steps.
    """

    returns: Interval
    normalized: float | None
    success: float
    length: float


@dataclass(frozen=True)
class Report:
    """What the page tells.

    Attributes:
        title: one line. verdict: one or two sentences. won: whether the verdict is a good one.
        scenario, summary: what was played.
        curve: (environment steps, mean return of the last episodes).
        rows: the results, in the order of the table.
        episodes: how many each agent has played.
        videos: (file name in the folder, caption).
        command: what to type to get the same.
        seconds: what took how long.
        settings: "seed" and the like. versions: of the packages.
        scenarios: (id, summary) of all that are installed.
        next_steps: (command, what it does).
    """

    title: str
    verdict: str
    won: bool
    scenario: str
    summary: str
    curve: Sequence[tuple[float, float]]
    rows: Sequence[Row]
    episodes: int
    command: str
    videos: Sequence[tuple[str, str]] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    scenarios: Sequence[tuple[str, str]] = ()
    next_steps: Sequence[tuple[str, str]] = ()


def write_report(folder: Path, report: Report) -> Path:
    """Writes `index.html`; videos are expected to lie in the folder already.

    Returns:
        The page.

    Raises:
        SavedFileError: it cannot be written.
    """
    page = folder / "index.html"
    write_text(page, render(report))
    return page


def render(report: Report) -> str:
    """The page as text; everything that comes from the report is escaped."""
    others = [row.returns for row in report.rows if row.returns.kind != "trained"]
    curve = curve_chart(report.curve, others, "environment steps", "mean return")
    means = interval_chart([row.returns for row in report.rows], "mean return, 95 % interval")
    took = {what: _duration(seconds) for what, seconds in report.seconds.items()}
    return _PAGE.substitute(
        style=STYLE,
        title=escape(report.title),
        verdict=escape(report.verdict),
        mood="won" if report.won else "lost",
        scenario=escape(report.scenario),
        summary=escape(report.summary),
        videos="".join(_video(name, caption) for name, caption in report.videos),
        curve=curve,
        means=means,
        rows="".join(_row(row) for row in report.rows),
        episodes=report.episodes,
        command=escape(report.command),
        settings=_facts({**took, **report.settings}),
        versions=_facts(report.versions),
        scenarios="".join(
            f"<tr><td><code>{escape(name)}</code></td><td>{escape(summary)}</td></tr>"
            for name, summary in report.scenarios
        ),
        next_steps="".join(
            f"<li><code>{escape(command)}</code><span>{escape(what)}</span></li>"
            for command, what in report.next_steps
        ),
    )


def _video(name: str, caption: str) -> str:
    return (
        f'<figure class="card film"><img src="{escape(name)}" alt="{escape(caption)}" '
        f'width="480" height="360"><figcaption>{escape(caption)}</figcaption></figure>'
    )


def _row(row: Row) -> str:
    returns, score = row.returns, row.normalized
    normalized = "\N{EN DASH}" if score is None else f"{score:.2f}"
    return (
        f'<tr class="{escape(returns.kind)}"><th scope="row"><i></i>{escape(returns.name)}</th>'
        f"<td>{with_minus(f'{returns.mean:.2f}')}"
        f"<small>{with_minus(f'{returns.low:.2f} to {returns.high:.2f}')}</small></td>"
        f"<td>{with_minus(normalized)}</td>"
        f'<td>{row.success:.0%}</td><td class="wide">{row.length:.0f}</td></tr>'
    )


def _facts(facts: Mapping[str, str]) -> str:
    return "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in facts.items()
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


# The policy lets the page load nothing but the pictures beside it: that it asks nobody for
# anything is enforced by the browser, not only intended.
_PAGE: Final = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'">
<link rel="icon" href="data:,">
<title>$title</title>
<style>$style</style>
</head>
<body>
<header>
<p class="over">ALS Engine</p>
<h1>$title</h1>
<p class="verdict $mood">$verdict</p>
</header>
<main>
<section class="pair">
$videos
<figure class="card"><h2>Learning curve</h2>$curve
<figcaption>Mean return of the last hundred training episodes. Dashed: what the others reach on
the test levels.</figcaption></figure>
</section>
<section>
<h2>On levels it has never seen</h2>
<p>$summary <code>$scenario</code>, $episodes episodes each on the same levels of the test
split.</p>
<div class="pair results">
<figure class="card">$means</figure>
<div class="card scroll"><table>
<thead><tr><th scope="col">agent</th><th scope="col">return</th>
<th scope="col">normalized</th><th scope="col">success</th>
<th scope="col" class="wide">steps</th></tr></thead>
<tbody>$rows</tbody></table>
<p class="note">Under each return its 95&nbsp;% interval, bootstrapped over episodes.
Normalized: random is 0, the scenario's own expert, which sees everything, is 1.</p></div>
</div>
</section>
<section>
<h2>Make it again</h2>
<pre class="card"><code>$command</code></pre>
<div class="pair"><dl class="card">$settings</dl><dl class="card">$versions</dl></div>
</section>
<section>
<h2>Go on</h2>
<ul class="card steps">$next_steps</ul>
</section>
<section>
<h2>What is installed</h2>
<div class="card scroll"><table class="plain"><tbody>$scenarios</tbody></table></div>
</section>
</main>
</body>
</html>
""")
