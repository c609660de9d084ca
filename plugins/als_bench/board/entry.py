"""A board's page for an entry: scores, learning curves, profiles, who beats whom, cross-play."""

from __future__ import annotations

import json

from als_bench.board import charts
from als_bench.board.parts import (
    UP,
    Board,
    agent_name,
    axis,
    bar,
    chips,
    facts,
    failures,
    head,
    marks,
    number,
    page,
    percent,
    score_cell,
    sort_key,
    table,
)
from als_bench.results.store import Store
from als_bench.standings import Standing
from als_engine.plugins.specs import SuiteEntry
from als_engine.texts import escape

__all__ = ["entry_page"]


def entry_page(board: Board, store: Store, entry: SuiteEntry) -> str:
    """The page."""
    entries = [entry.name]
    crossed = board.standings.cross_play.get(entry.name)
    drawings = [
        charts.learning_curves(board, store, entry),
        charts.profiles(board, entries),
        charts.improvement(board, entries),
        charts.cross_play(entry.name, crossed) if crossed else "",
    ]
    parts = [
        chips(
            [
                (f"{entry.steps:,}", "environment steps of training"),
                (str(board.standings.suite.episodes), f"episodes of the {entry.split} split"),
            ]
        ),
        f"<section>{_table(board, entry)}{axis('wide')}</section>",
        f'<section><div class="pair">{"".join(drawings)}</div></section>',
        f"<section><h2>What is played</h2>{_settings(entry)}</section>",
    ]
    over = f"{board.standings.suite.id} \N{MIDDLE DOT} entry"
    return page(entry.name, over, "\n".join(parts), UP)


def _settings(entry: SuiteEntry) -> str:
    def written(value: object) -> str:
        return value if isinstance(value, str) else json.dumps(value)

    given = [(name, written(value)) for name, value in entry.arguments.items()]
    held = [(f"{name}, held out", written(value)) for name, value in entry.held_out.items()]
    yardsticks = [
        ("return of random, 0", number(entry.random)),
        ("return of the expert, 1", number(entry.expert)),
    ]
    avatars = ("avatars driven", str(entry.observers))
    sampled = "sampled where the policy is a distribution, the best ones elsewhere"
    actions = ("actions", "the best ones" if entry.deterministic else sampled)
    return facts([("scenario", entry.scenario), *yardsticks, avatars, actions, *given, *held])


def _table(board: Board, entry: SuiteEntry) -> str:
    heads = [
        head("agent", sort="none", first="ascending", style="left"),
        head("", style="meter"),
        head("score", sort="descending", hint="random is 0, the expert is 1"),
        head("return", sort="none"),
        head("success", sort="none", style="wide"),
        head("steps", sort="none", style="wide", hint="mean length of an episode"),
    ]
    rows = sorted(board.standings.rows, key=lambda row: _order(row, entry.name))
    lines = (_row(board, row, entry.name) for row in rows)
    crashed = (
        (row.label, seed, reason)
        for row in board.standings.rows
        for name, seed, reason in row.failures
        if name == entry.name
    )
    return f'<div class="card">{table("board sortable", heads, lines)}</div>{failures(crashed)}'


def _order(row: Standing, entry: str) -> tuple[bool, float]:
    found = row.cells[entry].score
    return found is None, -found.value if found else 0.0


def _row(board: Board, row: Standing, entry: str) -> str:
    cell = row.cells[entry]

    length = "\N{EN DASH}" if cell.length is None else f"{cell.length:.0f}"
    return (
        f'<tr><th scope="row" class="left" data-key="{escape(row.label)}">'
        f"{agent_name(board, row, UP)}{marks(row, cell)}</th>"
        f'<td class="meter">{bar(board, cell.score, board.kinds[row.key])}</td>'
        f"{score_cell(cell.score)}"
        f'<td data-key="{sort_key(cell.total)}">{number(cell.total)}</td>'
        f'<td class="wide" data-key="{sort_key(cell.success)}">{percent(cell.success)}</td>'
        f'<td class="wide" data-key="{sort_key(cell.length)}">{length}</td></tr>'
    )
