"""The sense `heard`: who says which verb with which slot, and from where."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from als_engine import Layout, Role, Spawn, Task, Verb
from als_engine.simulation import Simulation

SPOTS = [(0.0, 0.0), (2.0, 0.0), (0.0, 1.0), (-4.0, 0.0), (0.0, -3.0), (5.0, 0.0), (0.0, 9.0)]


class Choir(Task):
    """Avatars around the first one, which looks along +x."""

    utterances: ClassVar = ("yes", Verb("bring", ("ball", "box")), "no")
    default_sensors: ClassVar = ("heard",)

    def layout(self, rng, level):
        return Layout([Spawn(spot) for spot in SPOTS])

    def reward(self, state):
        return np.zeros((state.num_worlds, state.num_avatars))


def choir(*said: str | None) -> np.ndarray:
    """What avatar 0 hears when the others say these, (4, 9)."""
    made = Simulation(Choir(len(SPOTS)), scenario="Acme/Choir-v0")
    made.reset([0])
    names = made.action_names
    texts = [None, *said, *[None] * len(SPOTS)][: len(SPOTS)]
    made.step([[0 if text is None else names.index(f"say {text!r}") for text in texts]])
    heard = made.observations["heard"][0, 0].copy()
    assert made.observation_space["heard"].contains(heard)
    made.close()
    return heard


def test_silence_is_zeros():
    assert choir().shape == (4, 4 + 3 + 2)
    assert not choir().any()


def test_a_row_has_the_place_the_verb_and_the_slot():
    near, far, *rest = choir("bring box", "no")
    np.testing.assert_allclose(near, [1, 0, 0.125, 0.125, 0, 0, 1, 0, 0], atol=1e-4)
    np.testing.assert_allclose(far, [1, 0.25, 0, 0.25, 0, 1, 0, 0, 1], atol=1e-4)
    assert not np.any(rest)


def test_the_four_nearest_within_8_metres_are_heard():
    heard = choir(*["yes"] * 6)
    np.testing.assert_allclose(heard[:, 3] * 8, [1, 2, 3, 4], atol=1e-3)
    np.testing.assert_allclose(heard[:, 1] * 8, [0, 2, 0, -4], atol=1e-3)
    assert not choir(None, None, None, None, None, "yes").any()


@pytest.mark.parametrize("utterances", [(), ("hm",)])
def test_a_scenario_without_verbs_has_no_columns_for_slots(utterances):
    task = type("Quiet", (Choir,), {"utterances": utterances})(len(SPOTS))
    made = Simulation(task, scenario="Acme/Choir-v0")
    assert made.observation_space["heard"].shape == (4, 4 + len(utterances))


def test_all_roles_vocabularies_have_columns():
    roles = [Role("a", utterances=("go",)), *[Role("b")] * (len(SPOTS) - 1)]
    task = type("Mixed", (Choir,), {"roles": lambda self: roles})(len(SPOTS))
    made = Simulation(task, scenario="Acme/Choir-v0")
    assert made.observation_space["heard"].shape == (4, 4 + 4 + 2)
