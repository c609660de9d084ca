"""Guided actions: feet that are sent to a thing go there, and experts say where they are headed."""

from __future__ import annotations

import numpy as np
import pytest

from als_engine.errors import ActionError
from als_engine.simulation import simulate
from als_engine.simulation.guide import BESIDE_AVATAR, BESIDE_THING
from als_engine.world.arrays import NOTHING
from als_engine.world.body import HANDS, LOCOMOTION

WORLDS = 2


@pytest.fixture
def make():
    made = []

    def make(scenario="ALS/Build-v0", **arguments):
        made.append(simulate(scenario, WORLDS, action_mode="guided", **arguments))
        made[-1].reset([3, 4])
        return made[-1]

    yield make
    for simulation in made:
        simulation.close()


def goes(simulation, name: str, steps: int = 0) -> np.ndarray:
    """The action that sends everybody who is driven to a thing; carried out for some steps."""
    shape = (WORLDS, simulation.observers, *simulation.codec.shape)
    actions = np.zeros(shape, np.int64)
    actions[..., 0] = simulation.action_choices["locomotion"].index(f"go to {name}")
    for _ in range(steps):
        simulation.step(actions)
    return actions


def test_every_prop_and_every_avatar_can_be_named(make):
    simulation = make("ALS/Diagnosis-v0")
    things = (*simulation.state.props.names, *simulation.agents)
    choices = simulation.action_choices["locomotion"]
    assert choices == (*LOCOMOTION, *(f"go to {name}" for name in things))


@pytest.mark.parametrize("name", ["cube 3", "builder_1"])
def test_who_is_sent_to_a_thing_stops_beside_it_and_faces_it(make, name):
    simulation = make(observers=2)
    state, actions = simulation.state, goes(simulation, name)
    actions[:, 1] = 0  # The other one stands still.
    for _ in range(90):
        simulation.step(actions)
    if name in state.props.names:
        at, near = state.props.position[:, state.prop(name), :2], BESIDE_THING + 0.5
    else:
        at, near = state.avatars.position[:, 1, :2], BESIDE_AVATAR + 0.1
        near += 2 * state.bodies.radius[0]
    away = at - state.avatars.position[:, 0, :2]
    assert (np.hypot(*away.T) < near).all()
    assert np.abs(state.avatars.velocity[:, 0, :2]).max() < 0.05
    heading = state.avatars.heading[:, 0]
    assert (np.cos(np.arctan2(away[:, 1], away[:, 0]) - heading) > 0.95).all()


def test_what_is_beside_can_be_picked_up_and_then_is_no_place_to_go_to(make):
    simulation = make(observers=1)
    first = len(LOCOMOTION) + np.arange(len(simulation.state.props.names))
    there = simulation.action_masks()[:, 0, first]
    actions = goes(simulation, "cube 3", 90)
    actions[..., 1] = list(simulation.action_choices["hand"]).index(HANDS[1])
    simulation.step(actions)
    held = simulation.state.avatars.held[:, 0]
    assert (held != NOTHING).all()
    there[np.arange(WORLDS), held] = False
    assert np.array_equal(simulation.action_masks()[:, 0, first], there)


def test_nobody_can_go_to_itself(make):
    simulation = make()
    choices = simulation.action_choices["locomotion"]
    masks = simulation.action_masks()
    for avatar, name in enumerate(simulation.agents):
        others = [choices.index(f"go to {each}") for each in simulation.agents if each != name]
        assert not masks[:, avatar, choices.index(f"go to {name}")].any()
        assert masks[:, avatar, others].all()


def test_a_place_beyond_the_last_is_refused_and_changes_nothing(make):
    simulation = make()
    actions = goes(simulation, simulation.agents[-1])
    before = simulation.state.digest(0)
    with pytest.raises(ActionError, match="is not in MultiDiscrete"):
        simulation.step(actions + 1)
    assert simulation.state.digest(0) == before


def test_a_restored_moment_leads_to_the_same_place(make):
    simulation = make("ALS/Diagnosis-v0", observers=1)
    name = simulation.state.props.names[0]
    goes(simulation, name, 10)
    moment = simulation.snapshot()
    goes(simulation, name, 20)
    after = [simulation.state.digest(world) for world in range(WORLDS)]
    twin = make("ALS/Diagnosis-v0", observers=1)
    twin.restore(moment)
    goes(twin, name, 20)
    assert [twin.state.digest(world) for world in range(WORLDS)] == after


@pytest.mark.parametrize("scenario", ["ALS/Diagnosis-v0", "ALS/World-v0"])
def test_experts_name_where_they_are_headed_and_get_there(make, scenario):
    """Guided, an expert does what it does by its own steps: it takes the thing that it went to."""
    simulation = make(scenario, observers=1)
    named, done = 0, np.zeros(WORLDS)
    for _ in range(150):
        actions = simulation.expert_actions()
        named += (actions[..., 0] >= len(LOCOMOTION)).sum()
        simulation.step(actions)
        done += simulation.rewards[:, 0]
    assert named > 40
    assert (done > 0).all()
    assert (simulation.commands.goal[:, 1:] == NOTHING).all()  # Company walks by itself.
