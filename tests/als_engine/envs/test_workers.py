"""Worker processes: the same bits as one process, and a clear end to everything that goes wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from acme_worlds import FAULTY, REACH, level_of
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode
from places import TESTS

from als_engine.envs.processes import _RemoteTraceback
from als_engine.envs.vector import VectorEnv
from als_engine.errors import (
    ActionError,
    ArgumentError,
    LayoutError,
    PhysicsError,
    ResetNeededError,
    WorkerError,
)

WORLDS, SEED = 4, 7
STAY = np.zeros(WORLDS, np.int64)


def make(spec=REACH, workers=2, worlds=WORLDS, mode=AutoresetMode.SAME_STEP, **arguments):
    return VectorEnv(spec, worlds, workers, mode, **arguments)


def play(env, steps=45):
    """Everything that an environment returns while each world's avatar walks to its flag."""
    seen = [env.reset(seed=SEED)]
    rng = np.random.default_rng(0)
    for step in range(steps):
        actions = env.expert_actions()
        if step % 5 == 0 and actions.dtype.kind == "f":
            # In another precision than the space's, as a careless policy gives them.
            actions = rng.uniform(-1, 1, actions.shape)
        seen.append(env.step(actions))
    return seen


def stay(env, steps):
    for _ in range(steps):
        env.step(STAY)


@pytest.mark.parametrize(
    ("mode", "workers", "worlds"), [("discrete", 2, 3), ("continuous", 2, 4), ("factored", 2, 3)]
)
def test_workers_equal_one_process_bit_for_bit(mode, workers, worlds):
    arguments = {"action_mode": mode, "num_avatars": 3, "background": "roam"}
    one, many = make(REACH, 1, worlds, **arguments), make(REACH, workers, worlds, **arguments)
    try:
        alone, together = play(one), play(many)
        assert any("final_obs" in step[4] for step in alone[1:])
        assert all(data_equivalence(a, b, exact=True) for a, b in zip(alone, together, strict=True))
    finally:
        one.close()
        many.close()


@pytest.fixture(scope="module")
def pool():
    """Workers for all; none of them steps before its first reset."""
    env = make(workers=2)
    with pytest.raises(ResetNeededError, match=r"call reset\(\) before step"):
        env.step(STAY)
    yield env
    env.close()


def test_a_wrong_action_names_its_world_among_all(pool):
    pool.reset(seed=SEED)
    with pytest.raises(ActionError, match=r"^action of world 3, avatar 0 is not in .*: 99$"):
        pool.step(np.array([0, 0, 0, 99]))
    with pytest.raises(ActionError, match=r"actions have shape \(3,\), expected \(4,\)"):
        pool.step(STAY[:3])


def test_an_error_leaves_nothing_behind(pool):
    pool.reset(seed=SEED)
    with pytest.raises(ActionError):
        pool.step(np.array([99, 0, 0, 99]))
    again, _ = pool.reset(seed=SEED)
    assert data_equivalence(again, make_reset(), exact=True)


def make_reset():
    env = make(workers=1)
    try:
        return env.reset(seed=SEED)[0]
    finally:
        env.close()


def test_a_worker_draws_the_picture_of_its_own_world(pool):
    pool.reset(seed=SEED)
    env = make(workers=1)
    env.reset(seed=SEED)
    assert (pool.worlds.render(3) == env.worlds.render(3)).all()
    assert (pool.worlds.render(3) != pool.worlds.render(0)).any()
    env.close()


@pytest.fixture(scope="module")
def faulty():
    faults = {"physics": level_of(109), "key": level_of(210), "layout": level_of(310)}
    env = make(FAULTY, mode="NextStep", faults=faults)
    yield env
    env.close()


def test_broken_physics_names_its_world_and_the_others_go_on(faulty):
    faulty.reset(seed=107)  # World 2 is seeded with 109.
    message = rf"world 2 \(level {level_of(109)}, step 3\) is not finite"
    with pytest.raises(PhysicsError, match=message) as error:
        stay(faulty, 6)
    assert error.value.world == 2
    with pytest.raises(ResetNeededError):
        faulty.step(STAY)
    faulty.reset(seed=7, options={"reset_mask": np.arange(WORLDS) == 2})
    assert np.isfinite(faulty.step(STAY)[1]).all()


def test_a_scenario_s_own_error_keeps_its_class_and_shows_where_it_was(faulty):
    faulty.reset(seed=207)
    with pytest.raises(KeyError, match="no such patient") as error:
        stay(faulty, 6)
    assert isinstance(error.value.__cause__, _RemoteTraceback)
    assert "in after_step" in str(error.value.__cause__)
    with pytest.raises(NotImplementedError, match="Faulty has no expert"):
        faulty.expert_actions()


def test_an_impossible_layout_names_scenario_and_level(faulty):
    with pytest.raises(LayoutError, match=rf"^Acme/Faulty-v0, level {level_of(310)}: spawn 0 is"):
        faulty.reset(seed=307)


def test_a_worker_that_cannot_start_leaves_no_process():
    before = children()
    with pytest.raises(ValueError, match="not in a worker"):
        make(FAULTY, faults={"start": os.getpid()})
    assert children() <= before


def children():
    """The processes that this one has started."""
    tasks = Path(f"/proc/{os.getpid()}/task").iterdir()
    return {int(pid) for task in tasks for pid in (task / "children").read_text().split()}


def test_a_killed_worker_is_a_clear_error_within_ten_seconds_and_close_returns(pool):
    """It closes the pool, which is nobody's after it."""
    env = pool
    env.reset(seed=SEED)
    processes = list(env.worlds._processes)
    os.kill(processes[1].pid, signal.SIGKILL)
    began = time.monotonic()
    with pytest.raises(WorkerError, match=r"worker 1 \(worlds 2 to 3\) died with exit code -9"):
        stay(env, 3)
    env.close()
    assert time.monotonic() - began < 10
    assert not any(process.is_alive() for process in processes)
    with pytest.raises(ResetNeededError, match="closed"):
        env.step(STAY)
    env.close()


def test_no_worker_outlives_a_parent_that_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys, time\n"
        f"sys.path.insert(0, {str(TESTS / 'support')!r})\n"
        "from acme_worlds import REACH\n"
        "from als_engine.envs.vector import VectorEnv\n"
        "env = VectorEnv(REACH, 2, 2)\n"
        "print('pids', *[p.pid for p in env.worlds._processes], flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    try:
        line = next(line for line in parent.stdout if line.startswith("pids"))
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
    pids = [int(pid) for pid in line.split()[1:]]
    assert len(pids) == 2
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(map(alive, pids)):
        time.sleep(0.05)
    assert not any(map(alive, pids))


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("workers", "message"),
    [
        (5, "workers must be 1 to num_envs=4, got 5"),
        (0, "workers must be a whole number of at least 1, got 0"),
        (True, "workers must be a whole number of at least 1, got True"),
        (1.5, "workers must be a whole number of at least 1, got 1.5"),
    ],
)
def test_a_wrong_number_of_workers_is_refused(workers, message):
    with pytest.raises(ArgumentError, match=message):
        make(workers=workers)
