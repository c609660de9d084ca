"""The arguments of a simulation, as they were given; each part checks those that are its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from als_engine.physics.engines import DEFAULT

__all__ = ["Arguments", "Background"]

Background = str | Mapping[str, str] | None


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """The arguments of a simulation beside its task; a copy is made with the same.

    Attributes:
        scenario: id that seeds the levels.
        num_worlds: how many worlds.
        observers: how many avatars of each world the caller drives; None for all.
        sensors: observation keys; None for the task's default.
        frame_size: height and width of pictures, pixels; one number for square.
        flatten: one float32 vector in place of the named arrays; see `Simulation.flat_layout`.
        action_mode: "discrete", "continuous", "factored" or "guided".
        clip_actions: continuous values beyond -1 and 1 count as -1 and 1, and are no error.
        split: "train", "validation" or "test": where levels are drawn from.
        level: always this level instead.
        background: the behaviour of avatars that the caller does not drive, by name, or a name
            for each role; None draws one for each episode from those of the level's split.
        max_episode_steps: the time limit.
        first_world: the number of world 0 in error messages, when this is a part of a batch.
        physics: the engine that moves the bodies, "bullet" or "mujoco".
        task_arguments: what the task was made with; a snapshot fits worlds of the same.
    """

    scenario: str
    num_worlds: int = 1
    observers: int | None = None
    sensors: Sequence[str] | None = None
    frame_size: int | tuple[int, int] = 64
    flatten: bool = False
    action_mode: str = "discrete"
    clip_actions: bool = False
    split: str = "train"
    level: int | None = None
    background: Background = None
    max_episode_steps: int = 1_000
    first_world: int = 0
    physics: str = DEFAULT
    task_arguments: Mapping[str, Any] = field(default_factory=dict)
