"""`als leaderboard`: shows the ranking as a table, as JSON or as pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from als_bench.running.cells import decimals
from als_engine.cli.console import Column, Table, say, say_json, screen_width, show, spinner
from als_engine.cli.shared import Json

if TYPE_CHECKING:
    from als_bench.results.store import Store
    from als_bench.running.cells import Cell
    from als_bench.standings import Standing, Standings
    from als_engine.evaluation.statistics import Interval

__all__ = ["leaderboard", "print_table"]

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
    as_json: Json = False,
) -> None:
    """Print the leaderboard of a store; with --html write it as pages.

    Example: als leaderboard --store runs/core.sqlite --html board
    """
    from als_bench.results.store import Store
    from als_bench.standings import read_standings

    with Store(store) as opened:
        found = read_standings(opened, run)
        if html is not None:
            _write_board(html, opened, found, films)
    if as_json:
        say_json(found.as_dict())
    elif html is None:
        _print(found)
    else:
        say(f"Wrote {html / 'index.html'}")


def print_table(store: Path, run: str) -> None:
    """Prints the table of a run."""
    from als_bench.results.store import Store
    from als_bench.standings import read_standings

    with Store(store) as opened:
        _print(read_standings(opened, run))


def _write_board(folder: Path, store: Store, found: Standings, films: bool) -> None:
    from als_bench.board.pages import write_board

    with spinner("Writing the board") as tell:
        write_board(
            folder, store, found, films=films, on_film=lambda agent: tell(f"Filming {agent}")
        )


def _print(found: Standings) -> None:
    from als_bench.standings import seeds_wanted

    width = screen_width()
    suite = found.suite
    title = f"{suite.id}: {suite.summary}" if suite.summary else suite.id
    say(title, style="bold")
    say(
        f"run {found.run.key}, {len(suite.entries)} entries, {suite.episodes} episodes for "
        "each seed",
        style="dim",
    )
    show(_overall(found), width)
    for table in _by_entry(found, width):
        show(table, width)
    for row in found.rows:
        for entry, seed, reason in row.failures:
            line = f"{row.label} crashed in {entry}, seed {seed}: {reason}"
            say(line, style="red")
    for note in _NOTES:
        say(note.format(seeds=seeds_wanted(suite)), style="dim")


def _overall(found: Standings) -> Table:
    table = _table("", "agent", "tier", "score", "gap", "seeds")
    parts = [_part(row) for row in found.rows]
    for row, part, after in zip(found.rows, parts, [*parts[1:], None], strict=False):
        table.row(
            _rank(row),
            "\n".join((row.label, *_remarks(row))),
            "yardstick" if row.is_yardstick else row.tier,
            _interval(row.score),
            "-" if row.gap is None else decimals(row.gap.value),
            row.seeds,
            ends_section=part != after,
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
    if row.shown:
        remarks.append(row.shown)
    if row.failures:
        remarks.append(f"crashed in {len(row.failures)} unit{'s' * (len(row.failures) > 1)}")
    return remarks


def _by_entry(found: Standings, screen: int) -> Iterator[Table]:
    """Score and interval of every agent in every entry, as many agents side by side as fit."""
    names = max(len(entry.name) for entry in found.suite.entries)
    room, width = screen - names - 4, 0
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
        table.row(entry.name, *(_cell(row.cells[entry.name]) for row in rows))
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
    columns = (
        Column(
            title,
            right=title not in ("agent", "tier", "entry", ""),
            whole=title not in ("agent", "entry"),
        )
        for title in titles
    )
    return Table((*columns,), padded=False)
