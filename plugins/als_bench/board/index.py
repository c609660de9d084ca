"""The board's first page: the ranking."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from als_bench.board import charts
from als_bench.board.parts import Board, Filmed, provenance, render
from als_bench.standings import Standing, seeds_wanted

__all__ = ["index_page"]


def index_page(board: Board) -> str:
    """The page."""
    standings = board.standings
    suite, counted, rows = standings.suite, standings.counted, standings.rows
    compared = [charts.profiles(board, counted), charts.improvement(board, counted)]
    return render(
        "index.html",
        board,
        suite.id,
        "ALS Engine \N{MIDDLE DOT} leaderboard",
        suite=suite,
        agents=sum(not row.is_yardstick for row in rows),
        groups=_groups(rows),
        seeds=seeds_wanted(suite),
        crashed=any(row.failures for row in rows),
        compared=[chart for chart in compared if chart],
        crossed=[charts.cross_play(name, table) for name, table in standings.cross_play.items()],
        films=[(row, film) for row in rows if isinstance(film := board.films.get(row.key), Filmed)],
        made=provenance(standings.run),
    )


def _groups(rows: Sequence[Standing]) -> list[tuple[bool, list[Standing]]]:
    """The parts of the table, which are sorted each on its own: (whether they rank, lines)."""
    parts = groupby(rows, key=lambda row: (row.is_yardstick, row.rank is None))
    return [(not unranked, list(found)) for (_, unranked), found in parts]
