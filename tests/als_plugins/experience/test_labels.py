"""Labels are the true state, in places that are known."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from experience_worlds import TALK, trail  # noqa: F401

import als_engine  # noqa: F401 - registers the scenarios
from als_engine.sensors.columns import ENTITIES as COLUMNS
from als_engine.simulation import Simulation, simulate
from als_plugins.experience.labels import Labels

pytestmark = pytest.mark.usefixtures("trail")

VOICE, OTHER = 1, 3  # Two sources, then the avatars.


@pytest.fixture
def talk(trail: str) -> Iterator[tuple[Simulation, Labels]]:  # noqa: F811
    simulation = simulate(TALK, 2)
    simulation.reset([0, 1])
    yield simulation, Labels(simulation.state, 2)
    simulation.close()


def test_labels_say_what_is_near_heard_and_read(talk: tuple[Simulation, Labels]) -> None:
    _, labels = talk
    labels.read()
    # The flag is nearest by far, but behind the wall; the ball is ahead to the left.
    np.testing.assert_allclose(labels.values["nearest_prop"][0, 0], [1.0, 2.0], atol=1e-5)
    # The second avatar faces the other way: the ball is straight behind it.
    np.testing.assert_allclose(labels.values["nearest_prop"][0, 1], [-1.0, 0.0], atol=1e-5)
    # The hum is nearer than the voice, but says nothing.
    assert labels.values["speaker"].tolist() == [[VOICE, VOICE]] * 2
    # The second avatar turns its back on the panel.
    assert labels.values["sign_number"].tolist() == [[42, -1]] * 2


def test_labels_follow_what_changes(talk: tuple[Simulation, Labels]) -> None:
    simulation, labels = talk
    state = simulation.state
    state.write("panel", [0], "no number")
    state.say("voice", [1], "")
    state.show("ball", [0], present=False)
    state.show("crate", [0], present=False)
    state.avatars.utterance[0, 1] = 2
    labels.read()
    assert labels.values["sign_number"][:, 0].tolist() == [-1, 42]
    assert labels.values["speaker"].tolist() == [[OTHER, VOICE], [-1, -1]]
    assert np.isnan(labels.values["nearest_prop"][0]).all()
    assert np.isfinite(labels.values["nearest_prop"][1]).all()


def test_what_is_in_the_hand_is_not_near(talk: tuple[Simulation, Labels]) -> None:
    simulation, labels = talk
    simulation.state.props.holder[0, simulation.state.prop("ball")] = 0
    labels.read()
    np.testing.assert_allclose(labels.values["nearest_prop"][0, 0], [-2.0, -2.0], atol=1e-5)


def test_the_nearest_prop_is_the_first_that_entities_shows(trail: str) -> None:  # noqa: F811
    simulation = simulate("ALS/Classroom-v0", 4, 1, sensors=["entities"])
    simulation.reset([0, 1, 2, 3])
    labels = Labels(simulation.state, 1)
    rng = np.random.default_rng(0)
    compared = 0
    for _ in range(30):
        simulation.step(rng.integers(0, 7, (4, 1)))
        labels.read()
        kinds = [COLUMNS.index(name) for name in ("fixed", "movable", "portable")]
        for world in range(4):
            rows = simulation.observations["entities"][world, 0]
            props = rows[rows[:, kinds].any(axis=1)]
            if len(props):
                place = props[0][[COLUMNS.index("forward"), COLUMNS.index("left")]] * 10.0
                np.testing.assert_allclose(
                    labels.values["nearest_prop"][world, 0], place, atol=1e-4
                )
                compared += 1
    simulation.close()
    assert compared > 50
