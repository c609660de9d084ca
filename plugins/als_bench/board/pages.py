"""Writes the board: all pages and films, whole or not at all."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from als_bench.board.agent import agent_page
from als_bench.board.entry import entry_page
from als_bench.board.index import index_page
from als_bench.board.parts import Board, Filmed
from als_bench.results.store import Store
from als_bench.standings import Standings
from als_engine.errors import SavedFileError
from als_engine.reports.series_chart import series_kind
from als_engine.system.safe_files import replace_folder
from als_engine.texts import command

__all__ = ["write_board"]

DATA = "board.json"
"""The table as data. A folder that has it is a board, and may be replaced by a newer one."""


def write_board(
    folder: Path,
    store: Store,
    found: Standings,
    *,
    films: bool = True,
    on_film: Callable[[str], None] = lambda label: None,
) -> Path:
    """Writes `index.html`, a page for each entry and agent, films and the table as JSON.

    Args:
        folder: a new or empty one, or that of an older board, which is replaced.
        store: where the table comes from; has the trainings and the agents.
        found: the table.
        films: whether agents are filmed.
        on_film: called with the agent's name before each film.

    Returns:
        The first page.

    Raises:
        SavedFileError: the folder holds something else, or cannot be written.
    """
    _check_replaceable(folder)
    replace_folder(folder, lambda new: _fill(new, store, found, films, on_film))
    return folder / "index.html"


def _check_replaceable(folder: Path) -> None:
    if folder.is_dir():
        if any(folder.iterdir()) and not (folder / DATA).is_file():
            raise SavedFileError(f"{folder} holds other files: name a new or empty folder")
    elif folder.exists():
        raise SavedFileError(f"{folder} is a file: name a folder")


def _fill(
    folder: Path, store: Store, found: Standings, films: bool, on_film: Callable[[str], None]
) -> None:
    board = _board(store, found)
    for name in ("entries", "agents", "films"):
        (folder / name).mkdir()
    if films:
        board = _filmed(folder, store, board, on_film)
    texts = {
        DATA: json.dumps(found.as_dict(), indent=1, allow_nan=False),
        "index.html": index_page(board),
        **{board.entries[e.name]: entry_page(board, store, e) for e in found.suite.entries},
        **{board.agents[row.key]: agent_page(board, store, row) for row in found.rows},
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def _board(store: Store, found: Standings) -> Board:
    competing = [row for row in found.rows if not row.is_yardstick]
    kinds = {row.key: row.agent for row in found.rows if row.is_yardstick}
    kinds |= {row.key: series_kind(number) for number, row in enumerate(competing)}
    rows = zip(found.rows, _file_names(row.label for row in found.rows), strict=True)
    entries = [entry.name for entry in found.suite.entries]
    files = zip(entries, _file_names(entries), strict=True)
    ends = [0.0, 1.0]
    for row in found.rows:
        for interval in (row.score, *(cell.score for cell in row.cells.values())):
            ends += [interval.low, interval.high] if interval else []
    room = 0.03 * (max(ends) - min(ends))
    words = ["als", "leaderboard", "--store", store.path.name, "--run", found.run.key]
    return Board(
        standings=found,
        kinds=kinds,
        agents={row.key: f"agents/{file}.html" for row, file in rows},
        entries={name: f"entries/{file}.html" for name, file in files},
        low=min(ends) - room,
        high=max(ends) + room,
        command=command(*words, "--html", "board"),
    )


def _filmed(folder: Path, store: Store, board: Board, on_film: Callable[[str], None]) -> Board:
    from dataclasses import replace

    from als_bench.board.films import film_agent

    films: dict[tuple[str, str], Filmed | str] = {}
    for row in board.standings.rows:
        on_film(row.label)
        file = f"films/{Path(board.agents[row.key]).stem}.gif"
        films[row.key] = film_agent(folder / file, file, store, board.standings, row)
    return replace(board, films=films)


def _file_names(names: Iterable[str]) -> list[str]:
    """A file's name for each name, all of them different."""
    found: list[str] = []
    for name in names:
        plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "x"
        file, number = plain, 2
        while file in found:
            file, number = f"{plain}-{number}", number + 1
        found.append(file)
    return found
