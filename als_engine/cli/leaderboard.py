"""`als leaderboard`: who stands where, as a table, as JSON or as pages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from als_engine.benchmark.cells import decimals

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from als_engine.benchmark.cells import Cell
    from als_engine.benchmark.results.store import Store
    from als_engine.benchmark.standings import Standing, Standings
    from als_engine.evaluation.statistics import Interval

__all__ = ["leaderboard", "print_table"]

_UNBOUNDED = 100_000
"""Columns of a screen that does not exist: whoever reads from a pipe gets every line whole."""

_NOTES = (
    "Score: random is 0, the expert is 1; interquartile mean over training seeds and entries, with "
    "its 95% interval. Gap: how far runs stay below the expert on average. A unit that failed "
    "counts 0 at most.",
    "Rank: from the best score down, whoever has an interval that reaches up to the first of a "
    "group shares its rank. Only executed agents rank.",
    "Executed: the board ran the agent, on seeds that nobody knew before. Replayed: every episode "
    "was simulated again from its actions. Claimed: somebody says so.",
    "* provisional: fewer than {seeds} training seeds; such a rank moves nobody else's.",
)


def leaderboard(
    store: Annotated[Path, typer.Option(help="The file that `als bench run` has filled.")],
    run: Annotated[
        str | None, typer.Option(metavar="KEY", help="Which run; by default the newest.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the board as pages into this folder.")
    ] = None,
    films: Annotated[
        bool, typer.Option("--films/--no-films", help="Whether the pages show agents at play.")
    ] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print everything as JSON, for programs.")
    ] = False,
) -> None:
    """Print the leaderboard of a store; with --html write it as pages.

    Example: als leaderboard --store runs/core.sqlite --html board
    """
    from als_engine.benchmark.results.store import Store
    from als_engine.benchmark.standings import read_standings

    with Store(store) as opened:
        found = read_standings(opened, run)
        if html is not None:
            _write_board(html, opened, found, films)
    if as_json:
        typer.echo(json.dumps(found.as_dict(), indent=2, allow_nan=False))
    elif html is None:
        _print(found)
    else:
        typer.echo(f"Wrote {html / 'index.html'}")


def print_table(store: Path, run: str) -> None:
    """Prints the table of a run."""
    from als_engine.benchmark.results.store import Store
    from als_engine.benchmark.standings import read_standings

    with Store(store) as opened:
        _print(read_standings(opened, run))


def _write_board(folder: Path, store: Store, found: Standings, films: bool) -> None:
    from rich.markup import escape

    from als_engine.benchmark.board.pages import write_board
    from als_engine.cli.bars import spinner

    with spinner("Writing the board") as status:

        def show(agent: str) -> None:
            status.update(f"Filming {escape(agent)}")

        write_board(folder, store, found, films=films, on_film=show)


def _print(found: Standings) -> None:
    from rich.console import Console

    from als_engine.benchmark.standings import seeds_wanted

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_UNBOUNDED)
    suite = found.suite
    title = f"{suite.id}: {suite.summary}" if suite.summary else suite.id
    console.print(title, style="bold", markup=False)
    console.print(
        f"run {found.run.key}, {len(suite.entries)} entries, {suite.episodes} episodes for "
        "each seed",
        style="dim",
        markup=False,
    )
    console.print(_overall(found))
    for table in _by_entry(found, console):
        console.print(table)
    for row in found.rows:
        for entry, seed, reason in row.failures:
            line = f"{row.label} crashed in {entry}, seed {seed}: {reason}"
            console.print(line, style="red", markup=False)
    for note in _NOTES:
        console.print(note.format(seeds=seeds_wanted(suite)), style="dim", markup=False)


def _overall(found: Standings) -> Table:
    table = _table("", "agent", "tier", "score", "gap", "seeds")
    parts = [_part(row) for row in found.rows]
    for row, part, after in zip(found.rows, parts, [*parts[1:], None], strict=True):
        table.add_row(
            _rank(row),
            "\n".join((row.label, *_remarks(row))),
            "yardstick" if row.is_yardstick else row.tier,
            _interval(row.score),
            "-" if row.gap is None else decimals(row.gap.value),
            str(row.seeds),
            end_section=part != after,
        )
    return table


def _part(row: Standing) -> int:
    return 2 if row.is_yardstick else int(row.rank is None)


def _rank(row: Standing) -> str:
    if row.rank is None:
        return "-"
    return f"({row.rank})*" if row.provisional else str(row.rank)


def _remarks(row: Standing) -> list[str]:
    """What else there is to know, in a few words each."""
    remarks = ["provisional*"] if row.provisional else []
    if row.missing:
        remarks.append(f"incomplete: {row.missing} missing")
    if row.failures:
        remarks.append(f"crashed in {len(row.failures)} unit{'s' * (len(row.failures) > 1)}")
    return remarks


def _by_entry(found: Standings, console: Console) -> Iterator[Table]:
    """Score and interval of every agent in every entry, as many agents side by side as fit."""
    names = max(len(entry.name) for entry in found.suite.entries)
    room, width = console.width - names - 4, 0
    chunk: list[Standing] = []
    for row in found.rows:
        needs = 3 + max(len(row.label), len("-0.00 to -0.00"))
        if chunk and width + needs > room:
            yield _entries(found, chunk)
            chunk, width = [], 0
        chunk.append(row)
        width += needs
    yield _entries(found, chunk)


def _entries(found: Standings, rows: Sequence[Standing]) -> Table:
    table = _table("entry", *(row.label for row in rows))
    for entry in found.suite.entries:
        table.add_row(entry.name, *(_cell(row.cells[entry.name]) for row in rows))
    return table


def _cell(cell: Cell) -> str:
    mark = " crashed" if cell.failures else ""
    if cell.score is not None:
        low, high = cell.score.low, cell.score.high
        reach = f"\n{decimals(low)} to {decimals(high)}" if low < high else ""
        return f"{decimals(cell.score.value)}{mark}{reach}"
    return f"{'-' if cell.total is None else f'return {decimals(cell.total)}'}{mark}"


def _interval(interval: Interval | None) -> str:
    if interval is None:
        return "-"
    value, low, high = map(decimals, (interval.value, interval.low, interval.high))
    return value if interval.low == interval.high else f"{value} [{low}, {high}]"


def _table(*titles: str) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    class Plain(Table):
        """Takes every cell as it stands: names come from other people, and are no markup."""

        def add_row(self, *cells: Any, **options: Any) -> None:
            super().add_row(*(Text(cell) for cell in cells), **options)

    table = Plain(box=box.SIMPLE, pad_edge=False)
    for title in titles:
        left, folds = title in ("agent", "tier", "entry", ""), title in ("agent", "entry")
        side: Literal["left", "right"] = "left" if left else "right"
        table.add_column(Text(title), justify=side, overflow="fold", no_wrap=not folds)
    return table
