"""An exchange with workers that is broken off: what was left in a pipe is never an answer."""

from __future__ import annotations

import copy
import os
import signal
import threading
from contextlib import contextmanager

import numpy as np
import pytest
from acme_worlds import REACH
from gymnasium.utils.env_checker import data_equivalence

from als_engine.envs.sb3 import sb3_vec_env
from als_engine.envs.vector import VectorEnv
from als_engine.errors import ActionError, CopyError, ResetNeededError, WorkerError

STAY = np.zeros(2, np.int64)


@pytest.fixture(scope="module")
def env():
    env = VectorEnv(REACH, 2, 2, render_mode="rgb_array")
    yield env
    env.close()


@pytest.fixture(scope="module")
def first():
    env = VectorEnv(REACH, 2, 1)
    yield env.reset(seed=0)
    env.close()


@contextmanager
def interrupted_by(error):
    """Raises an error from a signal's handler, a moment after it is entered."""

    def handler(number, frame):
        raise error

    before = signal.signal(signal.SIGUSR1, handler)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGUSR1)).start()
    try:
        with pytest.raises(type(error)) as caught:
            yield
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert caught.value is error


@pytest.mark.parametrize("error", [TimeoutError("mine"), BrokenPipeError()])
def test_a_caller_s_exception_while_it_waits_is_the_caller_s_and_reset_is_right(env, first, error):
    env.reset(seed=0)
    worker = env.worlds._processes[1]
    os.kill(worker.pid, signal.SIGSTOP)  # It hangs, as a step of a minute does.
    with interrupted_by(error):
        env.step(STAY)
    for refused in (lambda: env.step(STAY), env.render, env.expert_actions):
        with pytest.raises(ResetNeededError, match="interrupted") as told:
            refused()
        assert "\n" not in str(told.value)
    assert data_equivalence(env.reset(seed=0), first, exact=True)
    assert not worker.is_alive()
    assert env.render()[0].shape == (480, 640, 3)
    env.step(STAY)


def test_a_wrong_action_of_one_worker_s_moves_no_world_of_another_s(env):
    alone = VectorEnv(REACH, 2, 1)
    for one in (env, alone):
        one.reset(seed=4)
        with pytest.raises(ActionError, match="world 1"):
            one.step(np.array([1, 99]))
    assert data_equivalence(env.step(STAY), alone.step(STAY), exact=True)
    alone.close()


def test_a_worker_that_was_killed_is_replaced_by_reset(env, first):
    env.reset(seed=0)
    os.kill(env.worlds._processes[0].pid, signal.SIGKILL)
    with pytest.raises(WorkerError, match=r"worker 0 \(worlds 0 to 0\) died with exit code -9"):
        env.step(STAY)
    with pytest.raises(ResetNeededError, match="a worker has died"):
        env.step(STAY)
    assert data_equivalence(env.reset(seed=0), first, exact=True)


def test_an_sb3_environment_is_reset_after_an_interrupt_or_closed():
    env, alone = (sb3_vec_env(REACH, 2, workers=k, seed=3) for k in (2, 1))
    env.reset()
    for process in env.worlds._processes:
        os.kill(process.pid, signal.SIGSTOP)
    with interrupted_by(TimeoutError("mine")):
        env.step(STAY)
    with pytest.raises(ResetNeededError):
        env.step(STAY)
    env.seed(3)
    assert data_equivalence(env.reset(), alone.reset(), exact=True)
    assert data_equivalence(env.step(STAY), alone.step(STAY), exact=True)
    alone.close()
    # Nor does `close` wait for workers that hang.
    processes = list(env.worlds._processes)
    for process in processes:
        os.kill(process.pid, signal.SIGSTOP)
    with interrupted_by(KeyboardInterrupt()):
        env.step(STAY)
    env.close()
    assert [process.exitcode for process in processes] == [-signal.SIGKILL] * 2


def test_workers_are_neither_copied_nor_used_in_a_fork(env):
    for copied in (copy.copy, copy.deepcopy):
        with pytest.raises(CopyError, match="neither copied nor pickled"):
            copied(env)
    env.reset(seed=0)
    if (pid := os.fork()) == 0:
        code = 1
        try:
            env.step(STAY)
        except CopyError:
            env.close()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    env.step(STAY)
