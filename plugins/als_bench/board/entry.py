"""A board's page for an entry: scores, learning curves, profiles, who beats whom, cross-play."""

from __future__ import annotations

import json

from als_bench.board import charts
from als_bench.board.parts import UP, Board, number, render
from als_bench.results.store import Store
from als_bench.standings import Standing
from als_engine.plugins.specs import SuiteEntry

__all__ = ["entry_page"]


def entry_page(board: Board, store: Store, entry: SuiteEntry) -> str:
    """The page."""
    standings, entries = board.standings, [entry.name]
    crossed = standings.cross_play.get(entry.name)
    drawings = [
        charts.learning_curves(board, store, entry),
        charts.profiles(board, entries),
        charts.improvement(board, entries),
        charts.cross_play(entry.name, crossed) if crossed else None,
    ]
    return render(
        "entry.html",
        board,
        entry.name,
        f"{standings.suite.id} \N{MIDDLE DOT} entry",
        UP,
        entry=entry,
        episodes=standings.suite.episodes,
        rows=sorted(standings.rows, key=lambda row: _order(row, entry.name)),
        crashed=[
            (row.label, seed, reason)
            for row in standings.rows
            for name, seed, reason in row.failures
            if name == entry.name
        ],
        drawings=[drawing for drawing in drawings if drawing],
        settings=_settings(entry),
    )


def _settings(entry: SuiteEntry) -> list[tuple[str, str]]:
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
    return [("scenario", entry.scenario), *yardsticks, avatars, actions, *given, *held]


def _order(row: Standing, entry: str) -> tuple[bool, float]:
    found = row.cells[entry].score
    return found is None, -found.value if found else 0.0
