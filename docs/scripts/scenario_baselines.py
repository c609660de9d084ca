"""What agents earn in a scenario, for its page, from the suites and from `benchmarks/results`."""

from __future__ import annotations

import json
import sys
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from page_tables import given, table, unbroken

from als_bench.suites import read_suites
from als_engine.plugins.specs import ScenarioSpec, SuiteSpec

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.append(str(BENCHMARKS))

from transfer import over_seeds  # noqa: E402

__all__ = ["baselines"]


def baselines(spec: ScenarioSpec) -> list[str]:
    """The section's lines: yardsticks, learners, and what the suites have frozen."""
    return [*_yardsticks(spec), *_learnt(spec), *_frozen(spec)]


def _yardsticks(spec: ScenarioSpec) -> list[str]:
    """Random actions, the simple rules and the expert, as `benchmarks/baselines.py` played them."""
    name = spec.id.partition("/")[2].lower()
    path = BENCHMARKS / "results" / "baselines" / f"{name}.json"
    if not (spec.id.startswith("ALS/") and path.exists()):
        return [f"`als evaluate expert --on {spec.id}` plays the expert on test levels.", ""]
    found = json.loads(path.read_text(encoding="utf-8"))
    rows = [
        (f"`{agent}`", _interval(figures["return"]), _percent(figures["success"]))
        for agent, figures in found["agents"].items()
    ]
    return [
        f"The yardsticks on {found['episodes']} test episodes, with the scenario's own arguments.",
        "The agent drives avatar 0. Brackets are 95% bootstrap intervals over episodes.",
        "",
        *table(("agent", "return", "success"), rows),
        "",
        f"`{found['command']}` makes these figures anew.",
        "",
    ]


def _learnt(spec: ScenarioSpec) -> list[str]:
    """The trainings of `benchmarks/solving.py`."""
    trained = [run for run in _trainings() if run["scenario"] == spec.id]
    rows = []
    for arguments, group in groupby(trained, key=lambda run: given(run["arguments"])):
        runs = list(group)
        steps, shown = runs[0]["steps"], runs[0]["demonstrated"]
        rows.append(
            (
                arguments,
                unbroken(over_seeds([run["return"] for run in runs])),
                unbroken(over_seeds([run["success"] for run in runs])),
                f"{steps:,}",
                f"{shown:,}",
                str(len(runs)),
            )
        )
    if not rows:
        return []
    head = ("arguments", "return", "success", "steps", "demonstrated", "trainings")
    return [
        "Agents that `mappo` has trained, on 100 test episodes for each training. So many of the",
        "steps were demonstrated by the expert. Brackets are 95% intervals over trainings.",
        "[Learners](../learners.md#what-mappo-solves) has the commands.",
        "",
        *table(head, rows),
        "",
    ]


@cache
def _trainings() -> list[dict[str, Any]]:
    paths = sorted((BENCHMARKS / "results" / "solving").glob("*-[0-9]*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


@cache
def _suites() -> list[SuiteSpec]:
    return read_suites(BENCHMARKS / "suites")


def _frozen(spec: ScenarioSpec) -> list[str]:
    """The mean returns of random and expert that scores are computed with."""
    found: dict[tuple[str, ...], list[str]] = {}
    for suite in _suites():
        for entry in suite.entries:
            if entry.scenario == spec.id and entry.random is not None:
                arguments = given({**entry.arguments, **entry.held_out})
                row = (entry.name, arguments, f"{entry.random:.2f}", f"{entry.expert:.2f}")
                found.setdefault(row, []).append(f"`{suite.id}`")
    if not found:
        return []
    rows = [(*row, ", ".join(suites)) for row, suites in found.items()]
    return [
        "Each suite holds its own mean returns of `random` and `expert`: 0 and 1 of its scores.",
        "",
        *table(("entry", "arguments", "random", "expert", "suites"), rows),
        "",
    ]


def _interval(figures: list[float]) -> str:
    return unbroken("{:.2f} [{:.2f}, {:.2f}]".format(*figures))


def _percent(figures: list[float]) -> str:
    return unbroken("{:.0%} [{:.0%}, {:.0%}]".format(*figures))
