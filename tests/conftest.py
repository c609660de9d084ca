"""Lets every test, and the worker processes that it starts, import the modules in `support`.

And those of the benchmarks, whose hand-written physics the engine's is held against.

A process computes in one thread: two of the suite's on two cores would else wait for each other's
after every operation of torch, and a second's training took minutes.

Hypothesis looks at what is true, never at how long it takes: the first example of a kernel may
compile it, on a machine that does something else.

Bytecode is kept, also where Python is told to keep none: else each of the hundreds of processes
that the tests start would compile all that it imports anew.

Those processes are forked from one that has imported what takes long: see `support/forked.py`.

Whatever is there once all tests are collected stays to the end: the garbage collector, which went
over a million objects of the learning libraries again and again, is told to leave it out. Until
then it rests, and afterwards it looks less often, since it seldom finds anything.

Ctrl-C reaches what the tests start, also where they run in the background of a shell, which has it
ignored.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

for name in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{name}_NUM_THREADS", "1")

# How long things take on a busy machine is no part of what a test expects on stderr.
os.environ.setdefault("ALS_NO_NOTICES", "1")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

TESTS = Path(__file__).parent
ROOT = TESTS.parent
sys.path[:0] = [str(TESTS / "support"), str(ROOT / "benchmarks")]

sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

forked: Any = import_module("forked")  # In `support`.
forked.install()

settings.register_profile(
    "untimed", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")


gc.disable()


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    gc.enable()
    if "PYTEST_XDIST_WORKER" in os.environ:  # Else the few tests that run may start no process.
        forked.begin()


@pytest.fixture
def new_interpreters():
    """The programs that a test starts are no forks: their start is what it is about."""
    with forked.new_interpreters():
        yield
