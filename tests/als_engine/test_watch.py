"""A task that writes where things are, past the physics, is told so with method, level and step."""

from __future__ import annotations

import numpy as np
import pytest
from acme_worlds import Reach

from als_engine.errors import TaskError
from als_engine.simulation import Simulation


class Writes(Reach):
    """Writes into an array in one of its methods, in the second step of the second world."""

    def __init__(self, method: str, group: str, name: str) -> None:
        super().__init__()
        self.at = method, group, name

    def wrong(self, method: str, state) -> None:
        at, group, name = self.at
        if at == method and state.step[0] == 2:
            getattr(getattr(state, group), name)[1, 0] += 0.25

    def after_step(self, state):
        self.wrong("after_step", state)
        super().after_step(state)

    def terminated(self, state):
        self.wrong("terminated", state)
        return np.zeros(state.num_worlds, np.bool_)

    def reward(self, state):
        self.wrong("reward", state)
        return self.everyone(np.zeros(state.num_worlds))


class Calls(Reach):
    """Moves, hides and shows props in every step by the calls that are there for it."""

    def after_step(self, state):
        state.move("ball", state.step % 2 == 0, (1.0, 1.0, 0.15))
        state.show("crate", state.step % 3 == 0, False)


def simulation(task) -> Simulation:
    made = Simulation(task, scenario="Acme/Writes-v0", num_worlds=2, max_episode_steps=500)
    made.reset([1, 2])
    return made


@pytest.mark.parametrize("method", ["after_step", "terminated", "reward"])
@pytest.mark.parametrize(
    ("group", "name", "remedy"),
    [
        ("avatars", "position", "call state.place(avatar"),
        ("avatars", "heading", "call state.place(avatar"),
        ("props", "position", "call state.move"),
        ("props", "orientation", "call state.move"),
    ],
)
def test_a_task_that_writes_where_things_are_is_named(method, group, name, remedy):
    worlds = simulation(Writes(method, group, name))
    worlds.step([[0], [0]])
    with pytest.raises(TaskError) as error:
        worlds.step([[0], [0]])
    level = worlds.state.level[1]
    said = f"Acme/Writes-v0, level {level}, step 2: Writes.{method} writes {group}.{name}"
    assert str(error.value).startswith(said)
    assert remedy in str(error.value)
    worlds.close()


def test_calls_that_move_props_are_no_writes():
    worlds = simulation(Calls())
    for _ in range(6):
        worlds.step([[1], [1]])
    worlds.close()
