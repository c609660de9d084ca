"""The simulation: levels, background players, the time limit, and what goes wrong in one world."""

from __future__ import annotations

import numpy as np
import pytest
from acme_worlds import FAULTY, REACH, level_of

from als_engine.errors import ArgumentError, LayoutError, PhysicsError, ResetNeededError
from als_engine.simulation import simulate
from als_engine.task import LEVELS, split_of
from als_engine.world.state import NOTHING


@pytest.fixture
def make():
    made = []

    def make(spec=REACH, worlds=1, **arguments):
        made.append(simulate(spec, worlds, **arguments))
        return made[-1]

    yield make
    for simulation in made:
        simulation.close()


def stay(simulation, steps=1):
    shape = (simulation.num_worlds, simulation.observers)
    for _ in range(steps):
        simulation.step(np.zeros(shape, np.int64))


@pytest.mark.parametrize("split", LEVELS)
def test_a_split_draws_its_own_levels(make, split):
    simulation = make(worlds=8, split=split)
    drawn = set()
    for _ in range(10):
        simulation.reset()
        drawn |= set(simulation.state.level.tolist())
    assert {split_of(level) for level in drawn} == {split}
    assert drawn <= set(LEVELS[split])
    assert len(drawn) > 70


def test_a_level_is_laid_out_alike_whoever_asks(make):
    one, other = make(), make(worlds=2, num_avatars=1, split="test", action_mode="continuous")
    assert one.lay_out(123) == other.lay_out(123)
    assert one.lay_out(123) != one.lay_out(124)


def test_a_level_key_makes_other_worlds_of_the_same_levels(make):
    plain, one, same, other = (make(worlds=4, split="test", num_avatars=2) for _ in range(4))
    one.level_key = same.level_key = 1 << 100
    other.level_key = 1 << 101
    level = LEVELS["test"].start + 123
    laid_out = [simulation.lay_out(level) for simulation in (plain, one, same, other)]
    assert laid_out[1] == laid_out[2]
    assert all(laid_out[i] != laid_out[j] for i, j in ((0, 1), (0, 3), (1, 3)))
    one.reset([1, 2, 3, 4])
    plain.reset([1, 2, 3, 4])
    # Which levels an episode's seed draws is not the key's business, and neither is the split.
    assert one.state.level.tolist() == plain.state.level.tolist()
    one.level_key = None
    assert one.lay_out(level) == laid_out[0]


def test_a_level_key_is_no_argument_of_a_scenario():
    with pytest.raises(ArgumentError, match="unexpected keyword argument 'level_key'"):
        simulate(REACH, level_key=1)


def test_a_world_s_episodes_depend_on_its_seed_alone(make):
    many, one = make(worlds=3), make()
    many.reset([5, 6, 7])
    one.reset([6])
    for _ in range(3):
        assert many.state.level[1] == one.state.level[0]
        assert many.state.key[1] == one.state.key[0]
        many.reset(worlds=[0, 1])
        many.reset(worlds=[0])
        one.reset()


def test_background_avatars_behave_as_they_are_told(make):
    idle = make(num_avatars=2, observers=1, background="idle")
    roaming = make(num_avatars=2, observers=1, background={"avatar": "roam"})
    for simulation in (idle, roaming):
        simulation.reset([0])
        stay(simulation, 15)
    places = [simulation.state.avatars.position[0, 1, :2] for simulation in (idle, roaming)]
    moved = [np.hypot(*(place - (-0.5, 1.0))) for place in places]
    assert moved[0] < 0.001 < 0.05 < moved[1]


def test_a_level_draws_the_behaviours_of_its_background(make):
    simulation = make(worlds=40, num_avatars=3, observers=1)
    simulation.reset(range(40))
    behaviour = simulation.state.behaviour
    assert (behaviour[:, 0] == NOTHING).all()
    assert set(behaviour[:, 1:].ravel().tolist()) == {0, 1}
    again = make(worlds=1, num_avatars=3, observers=1)
    again.reset([99], level=int(simulation.state.level[7]))
    assert (again.state.behaviour[0] == behaviour[7]).all()


def test_returns_are_the_sums_of_rewards(make):
    simulation = make(worlds=2, num_avatars=2)
    simulation.reset([0, 1])
    total = np.zeros((2, 2))
    for _ in range(10):
        stay(simulation)
        total += simulation.rewards
    assert simulation.returns == pytest.approx(total)
    simulation.reset(worlds=[1])
    assert simulation.returns[1].tolist() == [0, 0]
    assert simulation.returns[0] == pytest.approx(total[0])


def test_the_time_limit_truncates_and_can_be_changed(make):
    simulation = make(max_episode_steps=3)
    simulation.reset([0])
    stay(simulation, 2)
    assert not simulation.truncated[0]
    stay(simulation)
    assert simulation.truncated[0]
    assert not simulation.terminated[0]
    simulation.set_time_limit(5)
    simulation.reset([0])
    stay(simulation, 4)
    assert not simulation.truncated[0]
    stay(simulation)
    assert simulation.truncated[0]


def test_metrics_have_the_same_types_whatever_a_task_computes(make):
    simulation = make(worlds=2)
    simulation.reset([0, 1])
    metrics = simulation.metrics()
    assert list(metrics) == ["success", "level", "walked", "steps"]
    assert [v.dtype for v in metrics.values()] == [np.bool_, np.int64, np.float64, np.int64]


def test_sensors_are_told_apart_from_the_world(make):
    """Which sensors look on makes no difference to what happens."""
    blind, seeing = make(sensors=["touch"]), make(sensors=["rgb", "audio", "text", "entities"])
    for simulation in (blind, seeing):
        simulation.reset([3])
        for _ in range(12):
            simulation.step(simulation.expert_actions())
    assert blind.state.digest(0) == seeing.state.digest(0)


def test_a_layout_that_cannot_be_built_leaves_no_world_to_step(make):
    simulation = make(FAULTY, 2, faults={"layout": level_of(8)})
    simulation.reset([0, 1])
    with pytest.raises(LayoutError, match=rf"^Acme/Faulty-v0, level {level_of(8)}: spawn 0"):
        simulation.reset([7, 8])
    with pytest.raises(ResetNeededError):
        stay(simulation)
    simulation.reset([1, 2])
    stay(simulation)


def test_a_world_whose_physics_broke_needs_a_reset_and_the_others_do_not(make):
    simulation = make(FAULTY, 2, faults={"physics": level_of(8)})
    simulation.reset([7, 8])
    with pytest.raises(PhysicsError) as error:
        stay(simulation, 9)
    assert error.value.world == 1
    with pytest.raises(ResetNeededError):
        stay(simulation)
    steps = int(simulation.state.step[0])
    simulation.reset([1], worlds=[1])
    stay(simulation)
    assert simulation.state.step.tolist() == [steps + 1, 1]
    assert np.isfinite(simulation.rewards).all()


def test_numbers_in_messages_are_those_of_the_whole_batch(make):
    simulation = make(FAULTY, 2, first_world=6, faults={"physics": level_of(8)})
    simulation.reset([7, 8])
    with pytest.raises(PhysicsError, match="world 7") as error:
        stay(simulation, 9)
    assert error.value.world == 7
    with pytest.raises(ResetNeededError):
        stay(simulation)
