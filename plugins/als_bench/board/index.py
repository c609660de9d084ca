"""The board's first page: who stands where."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from als_bench.board import charts
from als_bench.board.parts import (
    Board,
    Filmed,
    agent_name,
    axis,
    bar,
    chips,
    head,
    marks,
    number,
    page,
    provenance,
    score_cell,
    sort_key,
    tier,
)
from als_bench.standings import Standing, seeds_wanted
from als_engine.texts import escape

__all__ = ["index_page"]


def index_page(board: Board) -> str:
    """The page."""
    suite, counted = board.standings.suite, board.standings.counted
    compared = charts.profiles(board, counted) + charts.improvement(board, counted)
    crossed = "".join(
        charts.cross_play(entry, table) for entry, table in board.standings.cross_play.items()
    )
    crashed = any(row.failures for row in board.standings.rows)
    parts = [
        f'<p class="lead">{escape(suite.summary)}</p>' if suite.summary else "",
        chips(
            [
                (str(len(suite.entries)), "entries"),
                (str(sum(not row.is_yardstick for row in board.standings.rows)), "agents"),
                (str(suite.episodes), "episodes for each training seed"),
            ]
        ),
        _section("", _table(board) + axis("wide") + _explained(board)),
        _section(
            "Entry by entry", f'<div class="cards">{_cards(board)}</div>{axis(crashed=crashed)}'
        ),
        _section("Compared", f'<div class="pair">{compared}</div>' if compared else ""),
        _section("Side by side", f'<div class="pair">{crossed}</div>' if crossed else ""),
        _section("At play", _films(board)),
        _section("How it was measured", provenance(board.standings.run)),
        f"<footer><p>These pages again: <code>{escape(board.command)}</code>. "
        '<a href="board.json">Everything as JSON</a>.</p></footer>',
    ]
    return page(suite.id, "ALS Engine \N{MIDDLE DOT} leaderboard", "\n".join(parts))


def _section(title: str, body: str) -> str:
    headline = f"<h2>{escape(title)}</h2>" if title else ""
    return f"<section>{headline}{body}</section>" if body else ""


def _table(board: Board) -> str:
    heads = [
        head("rank", sort="ascending", first="ascending", style="rank"),
        head("agent", sort="none", first="ascending", style="left"),
        head("tier", sort="none", style="left wide", hint="how far the result was checked"),
        head("", style="meter"),
        head("score", sort="none", hint="random is 0, the expert is 1"),
        head("gap", sort="none", first="ascending", style="roomy", hint="below the expert"),
        head("seeds", sort="none", style="wide", hint="training seeds"),
    ]
    parts = groupby(board.standings.rows, key=lambda row: (row.is_yardstick, row.rank is None))
    bodies = "".join(
        f'<tbody class="{"" if ranked_no is False else "unranked"}">'
        f"{''.join(_row(board, row) for row in rows)}</tbody>"
        for (_, ranked_no), rows in parts
    )
    return (
        '<div class="card"><table class="board sortable" id="standings">'
        f"<thead><tr>{''.join(heads)}</tr></thead>{bodies}</table></div>"
    )


def _row(board: Board, row: Standing) -> str:
    rank, key = "\N{EN DASH}", ""
    if row.rank is not None:
        key = str(row.rank)
        rank = f"({key})" if row.provisional else key
    # On a phone the tier has no column of its own, and stands with the other marks.
    narrow = f'<span class="narrow">{tier(row)}</span>'
    order = {"executed": 2, "replayed": 1}.get(row.tier, 0)
    return (
        f'<tr><td class="rank" data-key="{key}">{rank}</td>'
        f'<th scope="row" class="left" data-key="{escape(row.label)}">{agent_name(board, row)}'
        f'{marks(row, before=narrow)}</th><td class="left wide" data-key="{order}">{tier(row)}</td>'
        f'<td class="meter">{bar(board, row.score, board.kinds[row.key])}</td>'
        f"{score_cell(row.score)}"
        f'<td class="roomy" data-key="{sort_key(row.gap)}">{number(row.gap)}</td>'
        f'<td class="wide">{row.seeds}</td></tr>'
    )


def _explained(board: Board) -> str:
    seeds = seeds_wanted(board.standings.suite)
    return f"""<div class="explained">
<p><b>Score</b>: random is 0, the expert, which sees everything, is 1. The dot is the interquartile
mean over training seeds and entries, the bar its 95% interval (bootstrap, stratified by entry). A
unit that crashed counts 0 at most. Who lacks a unit has no score. <b>Gap</b>: how far runs stay
below the expert on average.</p>
<p><b>Rank</b>: from the best score down, whoever has an interval that reaches up to the first of a
group shares its rank; the first whose interval lies wholly below begins the next group. Fewer than
{seeds} training seeds are provisional: such a rank is in brackets and moves nobody else's.</p>
<p><b>Tiers</b>: only <span class="badge executed">executed</span> agents rank: the board ran them
itself, on seeds that nobody knew before. <span class="badge replayed">replayed</span>: every
episode was simulated again from its seed and its actions.
<span class="badge claimed">claimed</span>: somebody says so.</p>
<p><b>Actions</b>: a policy that is a distribution is sampled from, as it was in training; any other
gives its best action. Nobody explores. An entry that asks all for their best action says so.</p>
</div>"""


def _cards(board: Board) -> str:
    """Each entry with the scores of all agents."""
    found = []
    for entry in board.standings.suite.entries:
        lines = []
        for row in board.standings.rows:
            cell = row.cells[entry.name]
            if row.is_yardstick or (cell.score is None and cell.total is None):
                continue
            shown = cell.total if cell.score is None else cell.score
            crashed = ' title="crashed"' if cell.failures else ""
            sign = "<sup>\N{DAGGER}</sup>" if cell.failures else ""
            scored = bar(board, cell.score, board.kinds[row.key]) or "<i></i>"
            lines.append(
                f"{agent_name(board, row)}{scored}"
                f'<span class="value"{crashed}>{number(shown)}{sign}</span>'
            )
        link = f'<a href="{escape(board.entries[entry.name])}">{escape(entry.name)}</a>'
        found.append(
            f'<div class="card"><h3>{link}</h3><div class="mini">{"".join(lines)}</div></div>'
        )
    return f'<div class="cards">{"".join(found)}</div>'


def _films(board: Board) -> str:
    films: Sequence[tuple[Standing, Filmed]] = [
        (row, film)
        for row in board.standings.rows
        if isinstance(film := board.films.get(row.key), Filmed)
    ]
    figures = "".join(
        f'<figure class="card film"><img src="{escape(film.file)}" loading="lazy" width="480" '
        f'height="360" alt="{escape(f"{row.label}: {film.caption}")}">'
        f"<figcaption>{agent_name(board, row)}{escape(film.caption)}</figcaption></figure>"
        for row, film in films
    )
    return f'<div class="cards films">{figures}</div>' if figures else ""
