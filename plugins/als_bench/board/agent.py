"""A board's page for an agent: a film, its scores, and the manifest of how it came about."""

from __future__ import annotations

import json
from collections.abc import Iterator

from als_bench.board.parts import (
    UP,
    Board,
    Filmed,
    axis,
    bar,
    facts,
    failures,
    head,
    marks,
    number,
    page,
    percent,
    provenance,
    score,
    score_cell,
    table,
    tier,
)
from als_bench.records import TrainedAgent, Unit
from als_bench.results.store import Store
from als_bench.running.cells import printable
from als_bench.standings import Standing
from als_engine.agents.saving import AgentRecord, read_record
from als_engine.errors import ALSError
from als_engine.plugins.registry import registry
from als_engine.texts import command, escape

__all__ = ["agent_page"]


def agent_page(board: Board, store: Store, row: Standing) -> str:
    """The page."""
    run = board.standings.members[row.run]
    parts = [
        f'<div class="badges">{marks(row, before=tier(row))}</div>',
        f'<section class="pair">{_film(board, row)}{_summary(store, row)}</section>',
        f"<section><h2>Entry by entry</h2>{_table(board, row)}{axis('wide')}"
        f"{failures(row.failures)}</section>",
        _manifest(board, store, row),
        f"<section><h2>Made with</h2>{provenance(run)}</section>",
    ]
    over = f"{board.standings.suite.id} \N{MIDDLE DOT} agent"
    return page(row.label, over, "\n".join(parts), UP)


def _film(board: Board, row: Standing) -> str:
    film = board.films.get(row.key, "films were left out")
    if isinstance(film, str):
        return f'<p class="card note">No film: {escape(film)}.</p>'
    return _figure(film)


def _figure(film: Filmed) -> str:
    caption = escape(film.caption)
    return (
        f'<figure class="card film"><img src="{UP}{escape(film.file)}" width="480" height="360" '
        f'alt="{caption}"><figcaption>{caption}</figcaption></figure>'
    )


def _summary(store: Store, row: Standing) -> str:
    rank = "does not rank" if row.rank is None else str(row.rank)
    values = [
        ("rank", f"({rank}), provisional" if row.rank and row.provisional else rank),
        ("score", score(row.score) if row.score else "none"),
        ("optimality gap", score(row.gap) if row.gap else "none"),
        ("training seeds", str(row.seeds)),
        ("tier", "yardstick" if row.is_yardstick else row.tier),
        ("lacks", row.missing or "nothing"),
        ("crashed units", str(len(row.failures))),
    ]
    return facts([*values, *_record(store, row)])


def _table(board: Board, row: Standing) -> str:
    heads = [
        head("entry", style="left"),
        head("", style="meter"),
        head("score"),
        head("return"),
        head("success", style="wide"),
        head("by training seed", style="roomy"),
    ]
    lines = []
    for name, cell in row.cells.items():
        seeds = " ".join(number(value) for value in cell.scores.values())
        lines.append(
            f'<tr><th scope="row" class="left"><a href="{UP}{escape(board.entries[name])}">'
            f'{escape(name)}</a></th><td class="meter">'
            f"{bar(board, cell.score, board.kinds[row.key])}</td>"
            f"{score_cell(cell.score)}<td>{number(cell.total)}</td>"
            f'<td class="wide">{percent(cell.success)}</td>'
            f'<td class="roomy"><small>{seeds}</small></td></tr>'
        )
    return f'<div class="card">{table("board", heads, lines)}</div>'


def _manifest(board: Board, store: Store, row: Standing) -> str:
    """How the agent came about, as far as the store knows."""
    trainings = list(_trainings(store, row))
    values = [("command", _command(board, row)), ("run", row.run), ("bundle", row.bundle)]
    checks = [
        f"{name}: {printable(detail)}" if detail else name
        for agent, name, _, detail in store.verdicts(row.run)
        if agent == row.agent
    ]
    values += [("checked", check) for check in checks]
    shown = facts([(name, value) for name, value in values if value], code=True)
    return f"<section><h2>Manifest</h2>{shown}{_trained(trainings)}</section>"


def _trainings(store: Store, row: Standing) -> Iterator[tuple[Unit, TrainedAgent]]:
    for unit in store.units(row.run):
        if unit.agent == row.agent and unit.entry in row.cells:
            trained = store.training(unit, with_files=False)
            if trained is not None and trained.steps:
                yield unit, trained


def _record(store: Store, row: Standing) -> list[tuple[str, str]]:
    """What the saved agent's own record says: hyperparameters and what it perceives."""
    for unit in store.units(row.run):
        folder = store.agent_folder(unit) if unit.agent == row.agent else None
        if folder is not None:
            try:
                record: AgentRecord = read_record(folder)
            except ALSError:
                continue
            config = [f"{name}={json.dumps(value)}" for name, value in record.config.items()]
            sensors = record.arguments.get("sensors")
            values = [
                ("agent", record.agent),
                ("perceives", ", ".join(map(str, sensors)) if isinstance(sensors, list) else ""),
                ("acts", str(record.arguments.get("action_mode", ""))),
                ("hyperparameters", ", ".join(config)),
            ]
            return [(name, value) for name, value in values if value]
    return []


def _command(board: Board, row: Standing) -> str:
    """What runs the agent again, where its name says how it is made."""
    made_by = row.agent.partition(":")[0]
    if all(spec.id != made_by for spec in registry.agents()):
        return ""
    suite = board.standings.suite
    words = ["als", "bench", "run", suite.id, "--agent", row.agent]
    if not row.is_yardstick and row.seeds != suite.seeds:
        words += ["--seeds", str(row.seeds)]
    return command(*words)


def _trained(trainings: list[tuple[Unit, TrainedAgent]]) -> str:
    if not trainings:
        return ""
    heads = [
        head("entry", sort="none", first="ascending", style="left"),
        head("training seed", sort="none", first="ascending"),
        head("steps", sort="none"),
        head("seconds", sort="none", style="wide"),
        head("attempts", sort="none"),
    ]
    lines = (
        f'<tr><td class="left">{escape(unit.entry)}</td><td>{unit.seed}</td>'
        f'<td data-key="{trained.steps}">{trained.steps:,}</td>'
        f'<td class="wide">{trained.seconds:.0f}</td><td>{trained.attempts}</td></tr>'
        for unit, trained in trainings
    )
    return (
        '<details class="card"><summary>Every training, as claimed: steps, time, attempts</summary>'
        f"{table('sortable', heads, lines)}</details>"
    )
