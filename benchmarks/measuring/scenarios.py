"""What a step and a reset of each bundled scenario cost, beside Tag with as many avatars."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

from gymnasium.vector import AutoresetMode

from als_engine.envs.batch import Batch
from als_engine.physics.engines import ENGINES
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import ScenarioSpec
from als_engine.simulation import simulate
from measuring.timing import Measure, in_turns, median_ratio
from measuring.worlds import STATE, random_actions

TAG = "ALS/Tag-v0"
WORLDS, STEPS = 16, 25
PICTURES, PICTURE_STEPS = 4, 4
STEP_GOAL, RESET_GOAL = 2.0, 3.0


def scenarios(repeats: int) -> list[Measure]:
    """A row for the steps and one for the resets of each scenario, the dearer engine's ratio."""
    found = []
    for spec in registry.scenarios():
        if spec.id.startswith("ALS/"):
            engines = [_Engine(spec, name, max(3, repeats // 5)) for name in ENGINES]
            rates = "; ".join(each.rates for each in engines)
            found += [
                Measure(
                    f"a step of {spec.id} / of Tag with as many avatars",
                    max(each.step for each in engines),
                    STEP_GOAL,
                    at_most=True,
                    detail=f"avatar-steps a second, by state and by rgb: {rates}",
                ),
                Measure(
                    f"a reset of {spec.id} / of Tag with as many avatars",
                    max(each.reset for each in engines),
                    RESET_GOAL,
                    at_most=True,
                ),
            ]
    return found


class _Engine:
    """The figures of a scenario on one engine.

    Attributes:
        step, reset: how many times as long as Tag's.
        rates: avatars times steps a second, in words.
    """

    def __init__(self, spec: ScenarioSpec, physics: str, repeats: int) -> None:
        state: dict[str, Any] = {"physics": physics, "sensors": STATE}
        tag = {**state, "num_avatars": max(2, spec.num_avatars)}
        both = ((spec.id, state), (TAG, tag))
        ours, theirs = in_turns(repeats, *(_stepping(*each) for each in both))
        resets = in_turns(repeats, *(_resetting(*each) for each in both))
        self.step, self.reset = median_ratio(ours, theirs), median_ratio(*resets)
        pictures = _stepping(spec.id, {**state, "sensors": ("rgb",)}, PICTURES, PICTURE_STEPS)
        (drawn,) = in_turns(max(2, repeats // 2), pictures)
        by_state = WORLDS * STEPS * spec.num_avatars / statistics.median(ours)
        by_rgb = PICTURES * PICTURE_STEPS * spec.num_avatars / statistics.median(drawn)
        self.rates = f"{physics} {by_state:,.0f} and {by_rgb:,.0f}"


def _batch(id: str, arguments: dict[str, Any], worlds: int) -> Batch:
    """Worlds in which the caller drives the first avatar, and behaviours the others."""
    batch = Batch(simulate(id, worlds, 1, **arguments), AutoresetMode.SAME_STEP)
    batch.reset(list(range(worlds)))
    return batch


def _stepping(
    id: str, arguments: dict[str, Any], worlds: int = WORLDS, steps: int = STEPS
) -> Callable[[], None]:
    batch = _batch(id, arguments, worlds)
    plan = random_actions(worlds, steps)

    def step() -> None:
        for actions in plan:
            batch.step(actions[:, None])

    return step


def _resetting(id: str, arguments: dict[str, Any]) -> Callable[[], None]:
    batch = _batch(id, arguments, 1)
    return partial(_reset, batch)


def _reset(batch: Batch) -> None:
    for _ in range(3):
        batch.reset([None])
