"""Workers in a plain script, on stdin, with -c and in a notebook, with what is defined there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from acme_worlds import REACH

from als_engine.envs.vector import VectorEnv
from als_engine.errors import WorkerError

MAKE = """
import gymnasium as gym
envs = gym.make_vec("als_engine:ALS/Tag-v0", num_envs=2, workers=2, sensors=["touch"])
print(sorted(envs.reset(seed=0)[1]["level"].tolist()), flush=True)
"""
# While kernels are loaded the first time, Python may be in a destructor, which swallows Ctrl-C.
STEPS = """
import numpy as np
envs.step(np.zeros(2, np.int64))
print("stepped", flush=True)
while True:
    envs.step(np.zeros(2, np.int64))
"""
OWN = """
import numpy as np
from als_engine import Layout, ScenarioSpec, Spawn, Task, hookimpl
from als_engine.plugins.registry import registry
from als_engine.envs.vector import VectorEnv

PAY = 0.25

class Broken(Exception):
    pass

class Mine(Task):
    '''Stand still.'''

    default_sensors = ("touch",)

    def layout(self, rng, level):
        return Layout([Spawn((0.0, 0.0))])

    def reward(self, state):
        if (state.step > 2).any():
            raise Broken("as it should")
        return self.everyone(np.full(state.num_worlds, PAY))

class Plugin:
    @hookimpl
    def als_scenarios(self):
        return [ScenarioSpec(id="Mine/Stand-v0", task="__main__:Mine", max_episode_steps=9)]

registry.add(Plugin(), "mine")
envs = VectorEnv("Mine/Stand-v0", 2, 2)
envs.reset(seed=0)
stay = np.zeros(2, np.int64)
print([envs.step(stay)[1].tolist() for _ in range(2)])
try:
    envs.step(stay)
except Broken as error:
    print(error)
"""
ROWS = """
import numpy as np
import als_engine
rows = als_engine.Rows("ALS/Tag-v0", 2, workers=2, sensors=["touch"], num_avatars=2)
rows.seed(1)
rows.reset()
rows.step(np.zeros(4, np.int64))
print(rows.rewards.shape)
"""
EXECUTOR = """
from pathlib import Path
import tempfile
from als_bench.running.executors import LocalExecutor
from als_bench.results.store import StoreWriter

with tempfile.TemporaryDirectory() as folder, StoreWriter(Path(folder) / "it.sqlite"):
    executor = LocalExecutor(1)
    print(executor.submit(divmod, 7, 2).result())
    executor.close()
"""


def run(program, *words, cwd):
    """Runs a program as it stands, given on stdin too."""
    return subprocess.run(
        [sys.executable, *words],
        input=program,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=cwd,
        check=False,
    )


def test_every_process_is_started_without_a_guard_and_from_stdin(tmp_path):
    done = run(ROWS + EXECUTOR, "-", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "(4,)\n(3, 1)\n", "")


def test_workers_know_what_a_program_without_a_file_has_defined(tmp_path):
    done = run("", "-c", OWN, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "[[0.25, 0.25], [0.25, 0.25]]\nas it should\n"


def test_workers_know_a_module_that_registers_itself_when_it_is_imported(tmp_path):
    """Its hooks are an object of its own: to receive them is to import, and so to register, it."""
    own, program = OWN.split('envs = VectorEnv("Mine/Stand-v0", 2, 2)')
    (tmp_path / "mine.py").write_text(own.replace("__main__:", "mine:"), encoding="utf-8")
    program = 'from mine import *\nenvs = VectorEnv("Mine/Stand-v0", 2, 2)' + program
    done = run("", "-c", program, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "[[0.25, 0.25], [0.25, 0.25]]\nas it should\n"


@pytest.mark.usefixtures("new_interpreters")
def test_the_readme_s_workers_run_in_a_plain_script_and_never_see_ctrl_c(tmp_path):
    script = tmp_path / "it.py"
    script.write_text(f"{MAKE}{STEPS}")
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout.readline().startswith("[")
        assert process.stdout.readline() == "stepped\n"
        members = workers_of(process.pid)
        assert len(members) == 2
        for pid in (*members, process.pid):  # As a terminal does: to everybody.
            os.kill(pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert errors.count("Traceback") == 1
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert "als_engine/envs/processes.py" not in errors.partition("Traceback")[0]
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in members) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}").exists() for pid in members)


def workers_of(pid):
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def test_what_cannot_be_sent_is_one_line_that_says_so():
    with pytest.raises(WorkerError, match=r"cannot be sent to a worker process \(Type") as error:
        VectorEnv(REACH, 2, 2, shaped=threading.Lock())
    assert "\n" not in str(error.value)
