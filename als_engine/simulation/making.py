"""Makes the simulation of a scenario from the keyword arguments that users give."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, Final

from als_engine.checks import whole_number
from als_engine.errors import unexpected
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import ScenarioSpec
from als_engine.simulation.core import Simulation

__all__ = ["ARGUMENTS", "check_arguments", "simulate"]

ARGUMENTS: Final = (
    "num_avatars",
    "sensors",
    "frame_size",
    "flatten",
    "action_mode",
    "clip_actions",
    "split",
    "level",
    "background",
    "max_episode_steps",
    "physics",
)
"""The keyword arguments that every scenario takes; its task's own come on top."""


def check_arguments(
    scenario: str | ScenarioSpec, arguments: Iterable[str], *own: str
) -> ScenarioSpec:
    """Refuses keyword arguments that a scenario does not take; returns its spec.

    Args:
        scenario: the id, or the spec.
        arguments: the names that were given.
        *own: what the caller itself takes, to be listed and suggested as well.

    Raises:
        UnknownIdError: there is no such scenario.
        UnexpectedArgumentError: an argument is unknown.
    """
    spec = scenario if isinstance(scenario, ScenarioSpec) else registry.scenario(scenario)
    allowed = tuple(dict.fromkeys((*ARGUMENTS, *_own_arguments(spec))))
    for name in arguments:
        if name not in allowed:
            raise unexpected(spec.id, name, (*own, *allowed))
    return spec


def _own_arguments(spec: ScenarioSpec) -> list[str]:
    parameters = inspect.signature(registry.load(spec)).parameters
    return [name for name in parameters if name != "num_avatars"]


def simulate(
    scenario: str | ScenarioSpec,
    num_worlds: int = 1,
    observers: int | None = None,
    first_world: int = 0,
    **arguments: Any,
) -> Simulation:
    """Makes the simulation of a scenario.

    Args:
        scenario: the id of a registered one, or a spec, which need not be registered.
        num_worlds: how many worlds.
        observers: how many avatars of each world the caller drives; None for all.
        first_world: the number of world 0 in error messages.
        **arguments: some of `ARGUMENTS`, and of the task's own.

    Raises:
        UnknownIdError: there is no such scenario.
        ArgumentError: an argument is unknown or its value is not allowed.
    """
    spec = check_arguments(scenario, arguments)
    num_avatars = arguments.pop("num_avatars", None)
    count = spec.num_avatars if num_avatars is None else num_avatars
    low, high = spec.min_avatars, spec.max_avatars
    count = whole_number(f"{spec.id}: num_avatars", count, low, high)
    own = _own_arguments(spec)
    for_task = {name: arguments.pop(name) for name in own if name in arguments}
    task = registry.load(spec)(num_avatars=count, **{**spec.kwargs, **for_task})
    arguments.setdefault("max_episode_steps", spec.max_episode_steps)
    if arguments["max_episode_steps"] is None:
        arguments["max_episode_steps"] = spec.max_episode_steps
    return Simulation(
        task,
        scenario=spec.id,
        num_worlds=num_worlds,
        observers=observers,
        first_world=first_world,
        task_arguments={**spec.kwargs, **for_task},
        **arguments,
    )
