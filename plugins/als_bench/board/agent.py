"""A board's page for an agent: a film, its scores, and the manifest of how it came about."""

from __future__ import annotations

import json
from collections.abc import Iterator

from als_bench.board.parts import UP, Board, provenance, render, score
from als_bench.records import TrainedAgent, Unit
from als_bench.results.store import Store
from als_bench.running.cells import printable
from als_bench.standings import Standing
from als_engine.agents.saving import AgentRecord, read_record
from als_engine.errors import ALSError
from als_engine.plugins.registry import registry
from als_engine.texts import command

__all__ = ["agent_page"]


def agent_page(board: Board, store: Store, row: Standing) -> str:
    """The page."""
    return render(
        "agent.html",
        board,
        row.label,
        f"{board.standings.suite.id} \N{MIDDLE DOT} agent",
        UP,
        row=row,
        film=board.films.get(row.key, "films were left out"),
        summary=_summary(store, row),
        manifest=_manifest(board, store, row),
        trainings=list(_trainings(store, row)),
        made=provenance(board.standings.members[row.run]),
    )


def _summary(store: Store, row: Standing) -> list[tuple[str, str]]:
    rank = "does not rank" if row.rank is None else str(row.rank)
    values = [
        ("rank", f"({rank}), provisional" if row.rank and row.provisional else rank),
        ("score", score(row.score) if row.score else "none"),
        ("optimality gap", score(row.gap) if row.gap else "none"),
        ("training seeds", str(row.seeds)),
        ("training steps", f"{row.steps:,}" if row.steps else "none"),
        ("demonstrated", row.shown or "nothing"),
        ("tier", "yardstick" if row.is_yardstick else row.tier),
        ("lacks", row.missing or "nothing"),
        ("crashed units", str(len(row.failures))),
    ]
    return [*values, *_record(store, row)]


def _manifest(board: Board, store: Store, row: Standing) -> list[tuple[str, str]]:
    """How the agent came about, as far as the store knows."""
    values = [("command", _command(board, row)), ("run", row.run), ("bundle", row.bundle)]
    checks = [
        f"{name}: {printable(detail)}" if detail else name
        for agent, name, _, detail in store.verdicts(row.run)
        if agent == row.agent
    ]
    values += [("checked", check) for check in checks]
    return [(name, value) for name, value in values if value]


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
