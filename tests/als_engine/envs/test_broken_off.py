"""A step that is broken off, wherever: what comes next is right, or refused until a reset."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from acme_worlds import FAULTY, REACH, level_of
from gymnasium.utils.env_checker import data_equivalence

import als_engine
from als_engine.envs.parallel import parallel_env
from als_engine.envs.sb3 import sb3_vec_env
from als_engine.envs.single import SingleEnv
from als_engine.envs.vector import VectorEnv
from als_engine.errors import ArgumentError, PhysicsError, ResetNeededError
from als_engine.simulation import simulate

ENGINE = str(Path(als_engine.__file__).parent)
LIMIT, AHEAD = 3, 5
GIVEN = {"num_avatars": 2, "max_episode_steps": LIMIT, "sensors": ["proprioception", "touch"]}
VIEWS = {
    "single": lambda: SingleEnv(REACH, background="roam", **GIVEN),
    "parallel": lambda: parallel_env(REACH, **GIVEN),
    "same step": lambda: VectorEnv(REACH, 2, 1, "SameStep", background="roam", **GIVEN),
    "next step": lambda: VectorEnv(REACH, 2, 1, "NextStep", background="roam", **GIVEN),
    "sb3": lambda: sb3_vec_env(REACH, 2, **GIVEN),
}


class Interrupted(Exception):  # noqa: N818 - It is no error of anybody's.
    """What a signal handler or a debugger of the caller's raises."""


def step(kind, env):
    if kind == "single":
        return env.step(1)
    if kind == "parallel":
        return env.step(dict.fromkeys(env.possible_agents, 1))
    return env.step(np.ones(env.num_envs, np.int64))


def reset(kind, env):
    if kind == "sb3":
        env.seed(3)
        return env.reset()
    return env.reset(seed=3)


def go_on(kind, env, steps):
    """What the next steps show, up to one that needs a reset."""
    seen = []
    for _ in range(steps):
        try:
            seen.append(step(kind, env))
        except ResetNeededError:
            break
    return seen


def interrupted(action, line):
    """Calls `action`, which is interrupted at that line of the engine's; says if it came so far."""
    left = line

    def trace(frame, event, argument):
        nonlocal left
        if not frame.f_code.co_filename.startswith(ENGINE):
            return None
        if event == "line":
            left -= 1
            if left == 0:
                raise Interrupted
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    except Interrupted:
        return True
    finally:
        sys.settrace(before)
    return False


@pytest.mark.parametrize("steps_before", [0, LIMIT - 1])
@pytest.mark.parametrize("kind", VIEWS)
def test_a_step_that_is_interrupted_anywhere_is_done_undone_or_refused(kind, steps_before):
    reference, env = VIEWS[kind](), VIEWS[kind]()
    first = reset(kind, reference)
    course = go_on(kind, reference, LIMIT + AHEAD)
    line, refused, went_on = 1, 0, 0
    while True:
        assert data_equivalence(reset(kind, env), first, exact=True)
        go_on(kind, env, steps_before)
        if not interrupted(lambda: step(kind, env), line):
            break
        seen = go_on(kind, env, AHEAD - 1)
        if not seen:
            refused += 1
        else:
            went_on += 1
            undone, done = (course[steps_before + i :][: len(seen)] for i in (0, 1))
            assert data_equivalence(seen, undone, exact=True) or data_equivalence(
                seen, done, exact=True
            ), f"interrupted at line {line}"
        line += 37
    assert refused > 2
    assert went_on > 0
    env.close()
    reference.close()


@pytest.mark.parametrize("kind", VIEWS)
def test_a_reset_that_is_interrupted_anywhere_needs_another_one(kind):
    reference, env = VIEWS[kind](), VIEWS[kind]()
    first = reset(kind, reference)
    course = go_on(kind, reference, AHEAD)
    line = 1
    reset(kind, env)
    while True:
        go_on(kind, env, 1)
        if not interrupted(lambda: reset(kind, env), line):
            break
        seen = go_on(kind, env, 1)
        # It was not begun, and the episode goes on, or it was done, or the step is refused.
        assert (
            not seen
            or data_equivalence(seen, course[:1], exact=True)
            or data_equivalence(seen, course[1:2], exact=True)
        ), f"interrupted at line {line}"
        assert data_equivalence(reset(kind, env), first, exact=True)
        line += 197
    assert line > 100
    env.close()
    reference.close()


def test_a_task_that_raises_leaves_no_half_step_to_go_on_from():
    env = VectorEnv(FAULTY, 2, faults={"key": level_of(8)})
    env.reset(seed=7)
    stay = np.zeros(2, np.int64)
    for _ in range(2):
        env.step(stay)
    with pytest.raises(KeyError):
        env.step(stay)
    for _ in range(2):
        with pytest.raises(ResetNeededError, match=r"broke off in the middle") as error:
            env.step(stay)
        assert "\n" not in str(error.value)
    env.reset(seed=1)
    env.step(stay)
    env.close()


def test_the_worlds_beside_one_whose_physics_broke_have_made_their_whole_step():
    faults = {"physics": level_of(8)}
    many, alone = simulate(FAULTY, 3, faults=faults), simulate(FAULTY, 2, faults=faults)
    many.reset([7, 8, 9])
    alone.reset([7, 9])
    for _ in range(3):
        many.step(np.ones((3, 1), np.int64))
    with pytest.raises(PhysicsError) as error:
        many.step(np.ones((3, 1), np.int64))
    assert error.value.worlds == (1,)
    many.reset([11], worlds=[1])
    many.step(np.ones((3, 1), np.int64))
    for _ in range(5):
        alone.step(np.ones((2, 1), np.int64))
    assert many.state.digest(0) == alone.state.digest(0)
    assert many.state.digest(2) == alone.state.digest(1)
    assert many.returns[[0, 2]].tolist() == alone.returns.tolist()
    many.close()
    alone.close()


def test_every_world_whose_physics_broke_is_named():
    simulation = simulate(FAULTY, 3, faults={"physics": level_of(8)}, first_world=4)
    simulation.reset([8, 9, 8])
    for _ in range(3):
        simulation.step(np.zeros((3, 1), np.int64))
    with pytest.raises(PhysicsError) as error:
        simulation.step(np.zeros((3, 1), np.int64))
    assert (error.value.world, error.value.worlds) == (4, (4, 6))
    simulation.reset([1], worlds=[0])
    with pytest.raises(ResetNeededError, match="world 6"):
        simulation.step(np.zeros((3, 1), np.int64))
    simulation.close()


def test_a_wrong_number_of_seeds_changes_nothing():
    simulation = simulate(REACH, 2)
    simulation.reset([0, 1])
    with pytest.raises(ArgumentError, match="1 seeds for 2 worlds"):
        simulation.reset([5])
    simulation.step(np.zeros((2, 1), np.int64))
    simulation.close()
