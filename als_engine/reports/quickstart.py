"""Writes the result of `als quickstart` as a line and as a page."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from als_engine.evaluation.protocol import reference
from als_engine.evaluation.statistics import Interval
from als_engine.plugins.registry import registry
from als_engine.reports.chart import Estimate
from als_engine.reports.training import Report, Row
from als_engine.texts import command

if TYPE_CHECKING:
    from als_engine.agents.saving import AgentRecord
    from als_engine.evaluation.protocol import Evaluation

__all__ = ["Outcome", "build_report", "judge"]


@dataclass(frozen=True)
class Outcome:
    """All that the page is made from.

    Attributes:
        out: the folder of the page, as it was named. command: what was typed.
        record: of the trained agent. curve: (steps, mean return) along its training.
        found: its test episodes.
        video, caption: file name in the folder, and what it shows.
        seconds: what took how long, the training first.
    """

    out: Path
    command: str
    record: AgentRecord
    curve: Sequence[tuple[float, float]]
    found: Evaluation
    video: str
    caption: str
    seconds: Mapping[str, float]


def build_report(outcome: Outcome) -> Report:
    """The page's content."""
    record, found = outcome.record, outcome.found
    spec = registry.scenario(record.scenario)
    rows = _rows(record.agent, found)
    won, verdict = judge(*(row.returns.interval for row in rows[:2]))
    took = _in_words(next(iter(outcome.seconds.values())))
    title = f"An avatar learned to play tag in {took}"
    return Report(
        title=title if won else f"After {took} the avatar still has to learn to play tag",
        verdict=verdict,
        won=won,
        scenario=spec.id,
        summary=spec.summary,
        curve=outcome.curve,
        rows=rows,
        episodes=found.episodes,
        command=outcome.command,
        videos=[(outcome.video, outcome.caption)],
        seconds=outcome.seconds,
        settings=_settings(record),
        versions={"processor cores": str(os.cpu_count()), **record.versions},
        scenarios=[(each.id, each.summary) for each in registry.scenarios()],
        next_steps=_next_steps(outcome.out / "agent", spec.id),
    )


def judge(random: Interval, trained: Interval) -> tuple[bool, str]:
    """Whether the trained agent is better than random beyond doubt, and a sentence that says so."""
    won = trained.low > random.high
    facts = (
        f"On levels that it has never seen the trained agent reaches a return of "
        f"{trained.value:.2f} (95% interval {trained.low:.2f} to {trained.high:.2f}), random "
        f"actions {random.value:.2f} ({random.low:.2f} to {random.high:.2f})."
    )
    if won:
        return True, f"{facts} The intervals do not overlap: it has learned."
    if trained.high < random.low:
        return False, f"{facts} It is worse than random: it has learned nothing of use."
    return False, f"{facts} The intervals overlap: that it has learned anything is not shown."


def _rows(trained: str, found: Evaluation) -> list[Row]:
    """Random, the trained agent, and the expert where there is one."""
    yardsticks = reference(found)
    every = [("random", "random", yardsticks.random), (trained, "trained", found)]
    if yardsticks.expert is not None:
        every.append(("expert", "expert", yardsticks.expert))
    low = float(yardsticks.random.returns.mean())
    high = low if yardsticks.expert is None else float(yardsticks.expert.returns.mean())
    rows = []
    for name, kind, evaluation in every:
        returns = evaluation.mean_return
        rows.append(
            Row(
                returns=Estimate(name, kind, returns),
                normalized=(returns.value - low) / (high - low) if high > low else None,
                success=evaluation.success.value,
                length=float(evaluation.lengths.mean()),
            )
        )
    return rows


def _settings(record: AgentRecord) -> dict[str, str]:
    """What the agent perceived, did and learned with, as far as it differs from one to another."""
    given = record.arguments
    seed = "" if record.training is None else str(record.training.seed)
    shown = {"seed": seed, "sensors": given["sensors"], "actions": given["action_mode"]}
    names = ("learning_rate", "gamma", "n_epochs", "batch_size")
    shown |= {name.replace("_", " "): record.config[name] for name in names}
    return {
        name: ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in shown.items()
    }


def _next_steps(agent: Path, scenario: str) -> list[tuple[str, str]]:
    return [
        (
            command("als", "play", scenario, "--agent", agent, "--view", "both", "--seed", 7),
            "watch it on another level",
        ),
        (command("als", "evaluate", agent, "--episodes", 500), "measure it more exactly"),
        (
            f"als train {scenario} --sensors entities,proprioception "
            "--arg action_mode=continuous --steps 1000000 --out runs/tag",
            "train a better one",
        ),
        ("als show ALS/Diagnosis-v0", "read what another world is about"),
    ]


def _in_words(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.1f} minutes".replace(".0 ", " ")
