"""Runs of small suites, in this process and in others."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from learn_worlds import site

EPISODES = 8

SUITE = """
summary = "Walks of a few steps."
agents = ["random", "expert"]
seeds = 1
episodes = {episodes}

[[entries]]
scenario = "Learn/Reach-v0"
name = "near"
arguments = {{ sensors = ["entities", "proprioception"], reach = 0.9 }}
steps = {steps}
random = -0.4
expert = 0.8

[[entries]]
scenario = "Learn/Reach-v0"
name = "together"
arguments = {{ sensors = ["entities", "proprioception"], num_avatars = 2 }}
steps = {steps}
random = -0.4
expert = 0.8
cross_play = true
"""


def installed(folder: Path) -> dict[str, str]:
    """An environment in which the scenarios of `learn_worlds` are installed."""
    place = folder / "site"
    place.mkdir()
    return {**site(place), "OMP_NUM_THREADS": "1"}


def write_suite(folder: Path, episodes: int = EPISODES, steps: int = 200) -> Path:
    """A suite file."""
    path = folder / "walks.toml"
    path.write_text(SUITE.format(episodes=episodes, steps=steps))
    return path


def command(*words: object) -> list[str]:
    """`als` with these words, as a command of its own process."""
    return [sys.executable, "-c", "from als_engine.cli import main; main()", *map(str, words)]


def als_process(*words: object, env: dict[str, str], seconds: float = 110) -> str:
    """Runs `als` to its end; returns what it printed."""
    done = subprocess.run(
        command(*words), env=env, capture_output=True, text=True, timeout=seconds, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def kill_when(holds: Callable[[], bool], later: float, *words: object, env: dict[str, str]) -> bool:
    """Starts `als`, and kills its whole process group some seconds after something holds.

    Returns:
        Whether it was killed; False where it had ended well before.
    """
    process = subprocess.Popen(
        command(*words),
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_for(lambda: process.poll() is not None or holds())
    with suppress(subprocess.TimeoutExpired):
        assert process.wait(later) == 0
        return False
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return True


def finish_or_kill(seconds: float, words: list[object], env: dict[str, str]) -> str | None:
    """What a command prints; None where it took too long and its process group was killed."""
    process = subprocess.Popen(
        list(map(str, words)),
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return None
    assert process.returncode == 0, out + err
    return out


def alive_in(group: int) -> list[str]:
    """What still runs in a process group, as its command lines."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, pgrp = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(pgrp) == group and state != "Z":
                found.append((folder / "cmdline").read_text().replace("\0", " "))
        except OSError:  # It has just ended.
            continue
    return found


def rows_of(store: Path) -> list[tuple[object, ...]]:
    """Every episode of a store, in order, run apart."""
    connection = sqlite3.connect(store)
    try:
        return connection.execute(
            "SELECT entry, agent, units.seed, episode, total, length, success, chain "
            "FROM episodes JOIN units ON units.id = unit "
            "ORDER BY entry, agent, units.seed, episode"
        ).fetchall()
    finally:
        connection.close()


def check_whole(store: Path) -> None:
    """SQLite itself finds nothing wrong."""
    connection = sqlite3.connect(store)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    finally:
        connection.close()


def wait_for(condition, seconds: float = 60.0) -> None:
    """Waits until something holds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came to hold"
        time.sleep(0.05)
